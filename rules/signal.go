package rules

import (
	"slices"
	"time"
)

// Unit is what a signal's numbers are counted in. Sources convert to it at the
// edge, once; inside relgate a ratio is 0..1 and a time is in seconds.
type Unit uint8

const (
	Number  Unit = iota // a plain number: stars, a gap, a count
	Percent             // a ratio; 0..1 inside, written and shown as per cent
	Seconds             // a time; written with a unit ("2.5 s", "300 ms")
)

// Kind says how the points of a signal may be put together.
type Kind uint8

const (
	// Ratio points hold two counts: Value of Samples were bad. A window's value
	// is sum(Value)/sum(Samples); with Signal.Good it is one minus that.
	Ratio Kind = iota
	// Mean points hold a sum and a count: Value is the sum over Samples things.
	// A window's value is sum(Value)/sum(Samples).
	Mean
	// Gauge points hold a level. How a rule makes one value of several is its Way;
	// a rollback rule without a stretch judges each point.
	Gauge
	// Percentile points hold a quantile of Samples things. They are never
	// averaged; see Rule.Aggregate.
	Percentile
	// Alarm points are 0 for OK and 1 for ALARM. A window's value is its worst.
	Alarm
)

// Signal is a named measurement: where it comes from and what its numbers mean.
type Signal struct {
	Name   string        `json:"name"`
	Source string        `json:"source"` // name of the source that is asked
	Kind   Kind          `json:"kind"`
	Unit   Unit          `json:"unit"`
	Good   bool          `json:"good,omitempty"`     // Ratio: the value is the good share, 1 - bad/total
	Quant  float64       `json:"quantile,omitempty"` // Percentile: 0..1, for example 0.95
	Period time.Duration `json:"period"`             // length of one period of event time
	Every  time.Duration `json:"every"`              // how often the source is asked; at least Period unless the source is cheap
	Settle time.Duration `json:"settle"`             // how long after its end a period may still change
	Keep   int           `json:"keep"`               // periods that the longest window of any rule needs
	Query  Query         `json:"query"`

	// A rule on a percentile that counts exceedances is judged on a derived
	// signal of kind Ratio: how many of the samples lay above Above. Of is the
	// index of the percentile's own signal, -1 when the signal is not derived.
	Of    int     `json:"of"`
	Above float64 `json:"above,omitempty"`

	// Baseline is the index of the signal that measures the same of what runs
	// beside the release, 0 when there is none: a baseline comes after all
	// declared signals, so that it is never the first.
	Baseline   int           `json:"baseline,omitempty"`
	BaselineOf string        `json:"baseline_of,omitempty"` // name of the signal that this one is the baseline of
	Maturity   time.Duration `json:"maturity,omitempty"`    // how old a period must be before it may help to pass: crashes are told late
	Cluster    float64       `json:"cluster,omitempty"`     // how many samples carry the information of one, at least 1; 0 means 1
	AssumeSeen bool          `json:"assume_seen,omitempty"` // zeros that stand for a missing bad count count although the name was never seen
	Rate       float64       `json:"rate,omitempty"`        // samples a second that the whole service is expected to have; 0 when unknown
}

// Point is what one period of event time said. What Value and Samples hold is
// the signal's Kind.
type Point struct {
	At      int64   `json:"t"` // start of the period, Unix seconds
	Value   float64 `json:"v"`
	Samples float64 `json:"n"`
}

// Group is one of the groups that a period consists of: a decile, a number of
// stars.
type Group struct {
	Name    string  `json:"name"`
	Value   float64 `json:"v"` // how many of Samples are positive; for stars it is Samples itself
	Samples float64 `json:"n"`
}

// Parts says of what groups a period consists.
type Parts struct {
	At     int64   `json:"t"` // start of the period, as its Point's
	Groups []Group `json:"groups"`
}

// Fault is why a reading has no points, or fewer than were asked for.
type Fault uint8

const (
	OK          Fault = iota // the source answered in full
	NoData                   // it answered, and has nothing for this signal
	StaleData                // it answered with data older than its own promise
	PartialData              // it answered in part: some of what was asked is missing
	Throttled                // it asked us to come later
	AuthFault                // it refused our credentials
	ConfigFault              // it says that the question is wrong
	Unavailable              // it could not be reached, or failed
)

// Reading is what a source answered for one signal in one tick. It is an input
// of the evaluator and is journalled as it is.
type Reading struct {
	Signal int     `json:"signal"` // index in Plan.Signals
	From   int64   `json:"from"`   // range asked for, Unix seconds, From inclusive
	To     int64   `json:"to"`
	Points []Point `json:"points,omitempty"` // ascending; a period replaces what was known of it
	// Filled are the times of those of Points, ascending, for which the source gave no
	// value, or not all of it, and a zero stands in its place because the signal's query
	// says so.
	Filled []int64 `json:"filled,omitempty"`
	// Parts are the groups of those of Points that have any, ascending: the
	// deciles behind a gap, the stars behind a mean ("1" to "5"). Their Samples
	// add up to the point's. A reading with NoData may have parts of a period
	// without a point: its groups are known, and one is too small for a value.
	Parts []Parts `json:"parts,omitempty"`
	// SettledUntil is the watermark: every period that ends at or before it is
	// complete, and one that is absent will stay absent. Zero when unknown.
	SettledUntil int64  `json:"settled_until,omitempty"`
	Fault        Fault  `json:"fault,omitempty"`
	Detail       string `json:"detail,omitempty"`   // the fault in the source's words, secrets scrubbed, at most 300 bytes
	RetryAt      int64  `json:"retry_at,omitempty"` // the source asked not to be called before; Unix seconds
	Note         string `json:"note,omitempty"`     // what a person may want to know: the two deciles, the phased-release day
	Ref          string `json:"ref,omitempty"`      // the upstream's request or query id
	// Width is the width of the periods in seconds when the source could not give
	// the signal's own Period (Sentry falls back to one hour); zero means Period.
	Width int64 `json:"width,omitempty"`
	// Seen and Looked are set only for a signal whose missing values are filled in
	// with zeros. Seen says that what is counted has had a value, in this reading or at
	// any time since the source keeps data; Looked says that the source has looked so
	// far back. Looked without Seen: the name was never seen, and a zero may be a typo.
	Seen   bool `json:"seen,omitempty"`
	Looked bool `json:"looked,omitempty"`
	// Asking says that this is no answer yet: the question is still open and the
	// same want is to be asked again. It never reaches a tick.
	Asking bool `json:"-"`
}

// Fills reports whether a zero stands for a value in the period that begins at a time.
func (r *Reading) Fills(at int64) bool {
	_, found := slices.BinarySearch(r.Filled, at)
	return found
}
