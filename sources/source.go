package sources

import (
	"context"
	"time"

	"github.com/relgate/relgate/rules"
)

// Want is one question: the points of a signal in a range of event time.
type Want struct {
	Run    string        // id of the run that asks
	Index  int           // the signal's index in that plan, copied into Reading.Signal
	Signal *rules.Signal // what to ask
	From   int64         // Unix seconds, inclusive
	To     int64         // exclusive
	// Above lists thresholds of a percentile, in the signal's inner unit: other
	// wants of this batch ask how many samples exceed them. A source that derives
	// several signals from one question may use it, or look at the wants itself.
}

// Source is one account of one upstream.
type Source interface {
	// Fetch answers every want, in order, with one reading each. It never returns
	// fewer, and it has no error: what goes wrong is a reading's Fault, with a
	// Detail that holds no secret. now is the time of the tick, the only clock by
	// which a source may judge the age of data. It returns soon after ctx is done.
	Fetch(ctx context.Context, now time.Time, wants []Want) []rules.Reading
}
