package judge

import (
	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// Weighed is what a rule that weighs evidence has folded. Its size
// does not depend on how long the rule watches: periods that have settled are
// folded into it, the few that may still change are weighed again at each look.
type Weighed struct {
	taken
	begun int32   // phase starts whose weight has been given
	Ripe  int64   // success: periods before it count in favour as well
	given float64 // start weight given so far: never more than one in all, also when a plan grows

	evidence.Case                 // what speaks against the release; Beside is not changed once it is shared
	favour        evidence.Window // success: the periods old enough to help to pass
	own           evidence.Window // success: all periods of the phase's window itself, without what was gathered after it

	stars  [5]float64 // reviews by their stars
	looks  int32      // answers with groups
	looked int64      // period of the newest of them
}

// taken is what is known of the periods that were taken in, whatever they say.
type taken struct {
	Until  int64   // periods that begin before it are taken in
	newest int64   // end of the newest period that is known
	inside int64   // success: and of the newest in the window itself
	lively int64   // success: end of the newest period in the window itself in which something happened
	pause  int64   // success: and the longest stretch between two of those
	filled float64 // how many of the samples are only plausible. Never in what is folded
	points int32   // how many are known, also those in which nothing happened
}

// Tally is two counts.
type Tally struct{ Bad, N float64 }

// WeighLayout is what the plan alone says of a rule that weighs evidence.
type WeighLayout struct {
	rule    *evidence.Rule   // of counts; nil for stars and gaps
	keeps   *evidence.Ladder // the evidence that the limit is kept
	spared  *evidence.Ladder // that the trigger is not reached
	misses  *evidence.Ladder // and that the limit is missed
	horizon int64            // seconds from the start of the first phase that names it to the end of the last
	floor   int64            // how long its stretch must be before it rolls back
	bound   float64
	pass    float64
	Goal    rules.Op // how a good value compares with the limit
}

// Weighing is what the evidence of a rule says at one look.
type Weighing struct {
	rung  evidence.Rung
	cause rules.Cause

	Bad, N   float64          // of the suspect stretch; of all where nothing is suspect
	from, to int64            // its event time
	llr      float64          // what the suspect stretch weighs
	suspect  Suspect          // that stretch, also of a success rule
	miss     evidence.Part    // what speaks most clearly of a missed limit
	own      *evidence.Window // success: what the window itself counted
	filled   float64          // how many of all samples are only plausible
	points   int              // periods with a value, of all

	warn, hold, mid float64 // log e-values; hold is the one that is shown
	pair, confirm   float64 // the same against "no worse than the baseline": warns, and confirms a rollback
	bound           float64 // at which it acts
	base            Tally   // the baseline over the same minutes
	baseTo          int64   // end of the last of them
	compared        bool    // there is one
	past            *Pooled // what earlier releases counted
	worse           float64 // log e-value against "no worse than those": warns
	stars           [5]float64
	gap             *evidence.Disparity
	groups          []rules.Group // what the gap lies between
	names           [2]string     // the groups between which the gap lies
	small           []string      // the groups with hardly anything in them
	looks           int           // answers with groups so far
	thin            bool          // a group is smaller than its query allows
	empty           bool          // success: no period came in its window
	brief           bool          // it has no rung, and how far it is from one was not worked out
}

// Suspect is the stretch of event time that speaks most clearly against a release, up to
// the newest period.
type Suspect struct {
	Start int64
	Tally
}

// against is the comparison with the baseline; zero when there is none.
func (z *Weighed) against() evidence.Versus {
	if z.Beside == nil {
		return evidence.Versus{}
	}
	return *z.Beside
}

// proof is what a success rule that weighs evidence knows in favour of a release.
type proof struct {
	keeps, spared float64 // log e-values for "the limit is kept" and "the trigger is not reached"
	need          float64 // from which one of them counts
	Weak          bool    // excluding the trigger is enough here
	bad, n        float64 // the counts that prove the least: those old enough to count in favour, or all
	refuted       bool    // the window itself was too bad for what came after it to make it good
	phi           float64
	Ahead         *outlook // what it would take to pass; nil until it is needed
}

// enough reports whether what speaks for the release lets it pass.
func (f *proof) enough() bool {
	return !f.refuted && (f.keeps >= f.need || f.Weak && f.spared >= f.need)
}

// outlook is what it would take a success rule to pass, and whether it can be had
// in time.
type outlook struct {
	traffic
	Excludes, Proves, fails want    // the trigger excluded, the limit proven, the release shown to be bad
	meets                   float64 // good ones until the value meets the limit; 0 when it does
	more                    float64 // good ones that would let it pass; 0 when it does, or when none would
	Lag                     int64   // seconds until what has come counts in favour
	futile                  bool    // not even without another bad one before the phase gives up
	late                    bool    // what has come is enough, but too young before the phase gives up
}

// want is what it takes to show something: nothing in its zero value.
type want struct {
	More  float64 // good ones beyond those that were seen
	Never bool    // no number of them would do
	Young bool    // those that were seen are enough once they count
	Ripe  int64   // which is then; zero when that is not known
}

// traffic is how many samples come, a second.
type traffic struct {
	present float64 // of late
	most    float64 // and for how much it may be taken with good will
}

// Pooled is what earlier releases counted of one signal.
type Pooled struct {
	Looked  int32   // earlier releases that passed; meaningful if known
	Had     int32   // of them, those that counted the signal
	known   bool    // the signal was there when earlier releases were looked for
	Sum     Tally   // over those that counted it
	Bound   float64 // upper 97.5 % bound of their rate; 1 when nothing was counted
	Sighted bool    // one of them counted a bad one, of the name that this signal has
}
