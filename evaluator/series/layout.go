package series

import (
	"math"

	"github.com/relgate/relgate/rules"
)

// Layout is what a plan says of one signal, in seconds.
type Layout struct {
	Period  int64 // seconds, at least 1
	Settle  int64
	Every   int32
	Judged  int32   // seconds of event time that a rollback rule may judge at once: read again each time
	Keep    int32   // points that the rollback rules and Signal.Keep need, with slack
	Level   bool    // a point is a level, whole as soon as it is known
	Empties bool    // a period without samples counts as seen: all rules on the signal weigh evidence
	Gaps    bool    // a rule counts the periods that are known to be missing
	Thick   float64 // samples that a breach must have before a rollback rule fires: so many are kept, however thin the traffic
	Ripens  bool    // a rule looks again at what has settled: until then it does not count, or not in full
}

// Judges says that a rollback rule may judge so many seconds at once.
func (l *Layout) Judges(secs int64) { l.Judged = max(l.Judged, int32(min(secs, math.MaxInt32))) }

// mostThick bounds the periods that are kept for their samples: ten weeks of minutes.
const mostThick = 100_000

// thick gives how many of the old points may be forgotten where so many could be: those
// that are kept and have settled must have all the samples that a breach needs.
func (l *Layout) thick(old []rules.Point, cut int, settled int64) int {
	if l.Thick <= 0 || cut == 0 {
		return cut
	}
	n := 0.0
	for _, p := range old[cut:max(cut, Before(old, settled))] {
		n += p.Samples
	}
	for ; cut > 0 && n < l.Thick && len(old)-cut < mostThick; cut-- {
		n += old[cut-1].Samples
	}
	return cut
}

// MaxKeep bounds the points of one series against an absurd plan.
const MaxKeep = 1 << 20

// NewLayout lays out a signal without its rules; those add what they need.
func NewLayout(s *rules.Signal) Layout {
	l := Layout{
		Period: max(Secs(s.Period), 1),
		Settle: max(Secs(s.Settle), 0),
		Level:  s.Kind == rules.Gauge || s.Kind == rules.Alarm,
		Keep:   int32(min(max(s.Keep, 1), MaxKeep)),
	}
	every := Secs(s.Every)
	if every <= 0 {
		every = l.Period
	}
	l.Every = int32(min(every, math.MaxInt32))
	return l
}
