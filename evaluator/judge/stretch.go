package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/datapoints"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Stretch is what a stretch of event time says of a signal.
type Stretch struct {
	From, To int64
	Points   int // periods with a value
	Expected int
	samples  float64
	real     float64 // of them, those that came: the others are only plausible
	value    float64
	known    bool // value is one
	newest   int64
}

// Covered reports whether at least such a share, 0 to 1, of its periods has a value.
func (s *Stretch) Covered(share float64) bool {
	return float64(s.Points) >= share*float64(s.Expected)-1e-9
}

// aggregate gives the value of the periods that lie wholly in a stretch.
// Points must be whole.
func aggregate(r *rules.Rule, sig *rules.Signal, points []rules.Point, from, to, w int64, firm *Firm) Stretch {
	s := Stretch{From: series.AlignUp(from, w), To: series.AlignDown(to, w)}
	s.Expected = int(max(0, (s.To-s.From)/w))
	lo, hi := series.Before(points, s.From), series.Before(points, s.To-w+1)
	if lo >= hi {
		return s
	}
	a := Accumulator{Rule: r, Kind: sig.Kind, Last: -1, firm: firm}
	for i := lo; i < hi; i++ {
		a.Add(&points[i], w)
	}
	s.Points, s.samples, s.real, s.newest = a.n, a.samples, a.real, a.newest
	s.value, s.known = a.judge(sig)
	s.known = s.known && s.Points > 0
	return s
}

// judge is the value, if it can be judged: one that rests on what does not count
// against a release yet must not do so.
func (a *Accumulator) judge(sig *rules.Signal) (v float64, known bool) {
	v, known = a.Value(sig)
	known = known && series.Finite(v) && !(a.open && meets(a.Rule, sig, v))
	return v, known
}

// hasValue reports whether a period has a value. A share, an average or a quantile
// needs samples.
func hasValue(k rules.Kind, p *rules.Point) bool {
	return k == rules.Gauge || k == rules.Alarm || p.Samples > 0
}

// Worse reports whether v is worse than w in the eyes of a rule: nearer to
// breaking a success rule, nearer to triggering a rollback rule.
func Worse(r *rules.Rule, v, w float64) bool {
	bad := r.When.Op
	if r.Kind == rules.Success {
		switch bad {
		case rules.Less, rules.LessOrEqual:
			bad = rules.Greater
		case rules.Greater, rules.GreaterOrEqual:
			bad = rules.Less
		case rules.Equal:
			bad = rules.NotEqual
		case rules.NotEqual:
			bad = rules.Equal
		}
	}
	switch bad {
	case rules.Less, rules.LessOrEqual:
		return v < w
	case rules.Equal:
		return math.Abs(v-r.When.Threshold) < math.Abs(w-r.When.Threshold)
	case rules.NotEqual:
		return math.Abs(v-r.When.Threshold) > math.Abs(w-r.When.Threshold)
	}
	return v > w
}

// meets reports whether a value satisfies what the rule's condition says: for a
// success rule that it is good, for a rollback rule that it is bad.
func meets(r *rules.Rule, sig *rules.Signal, v float64) bool {
	if byShare(r, sig.Kind) {
		if r.Kind == rules.RollbackRule && v <= 0 {
			return false
		}
		return series.Finite(v) && v >= r.MinShare
	}
	return r.When.Holds(v)
}

// byShare reports whether a rule judges how many of its signal's periods satisfy its
// condition.
func byShare(r *rules.Rule, kind rules.Kind) bool { return r.Way(kind).Aggregate == rules.Share }

// Accumulator puts points together as their kind, and the rule's way, allow.
type Accumulator struct {
	Rule    *rules.Rule
	Kind    rules.Kind
	firm    *Firm // what periods that have not settled count for
	open    bool  // one that does not count against a release yet is among them
	n       int
	Last    int64 // ordinal of the newest period counted
	newest  int64
	sum     float64
	samples float64
	real    float64 // of them, those that came
	level   float64 // the worst
	last    float64 // the newest
	hits    int     // periods that satisfy the condition
	all     int
}

// Add puts a point to the others. Periods are w seconds long.
func (a *Accumulator) Add(point *rules.Point, w int64) {
	if !a.put(point, w) {
		return
	}
	if k := point.At / w; k != a.Last {
		a.n++
		a.Last = k
	}
}

// put is Add for a point that may be of the same period as the one before: it does not
// count periods. It reports whether the point has a value.
func (a *Accumulator) put(point *rules.Point, w int64) bool {
	taken, counts := a.firm.Take(point)
	p := &taken
	if !hasValue(a.Kind, p) {
		return false
	}
	a.open = a.open || !counts
	a.newest = p.At + w
	a.samples += p.Samples
	a.real += point.Samples
	switch a.Kind {
	case rules.Ratio, rules.Mean:
		a.sum += p.Value
	case rules.Alarm:
		a.level = max(a.level, p.Value)
	default:
		a.sum += p.Value
		a.last = p.Value
		if a.all == 0 || Worse(a.Rule, p.Value, a.level) {
			a.level = p.Value
		}
		if a.Rule.When.Holds(p.Value) {
			a.hits++
		}
		a.all++
	}
	return true
}

// Value is what all points together say, if they say anything.
func (a *Accumulator) Value(sig *rules.Signal) (v float64, known bool) {
	switch {
	case a.n == 0:
		return 0, false
	case a.Kind == rules.Ratio && sig.Good:
		return 1 - a.sum/a.samples, a.samples > 0
	case a.Kind == rules.Ratio, a.Kind == rules.Mean:
		return a.sum / a.samples, a.samples > 0
	case a.Kind == rules.Alarm:
		return a.level, true
	}
	switch a.Rule.Way(a.Kind).Aggregate {
	case rules.Share:
		return float64(a.hits) / float64(a.all), true
	case rules.Average:
		return a.sum / float64(a.all), true
	case rules.Last:
		return a.last, true
	}
	return a.level, true
}

// judged is what a rollback rule says at the newest period.
type judged struct {
	Fired  bool
	fire   Stretch // what fired
	newest Stretch // the newest value
	run    Stretch // the unbroken breach up to it; no points when there is none
	open   int64   // end of the period that is not over yet, for a level with For; zero when there is none

	brief  bool              // it is clear, and its newest value was not worked out
	before bool              // an alarm that was on before the watch began, and has not been OK since
	spare  int64             // by how much its values come farther apart than a period
	state  State             // where it stands, codeIdle when newest and run say so
	last   int64             // end of its last breaching period, which still counts; zero when it is not that
	alarm  datapoints.Result // of a rule with datapoints
	silent rules.Cause       // why it cannot be judged although its signal is there
}

// breach is one breaching period of a run, with the sums up to it.
type breach struct {
	at      int64
	n       int
	samples float64
	real    float64
}

func (j *judged) Code() State {
	switch {
	case j.state != Idle:
		return j.state
	case !j.newest.known:
		return Idle
	case j.run.Points > 0:
		return Breaching
	}
	return Clear
}

// periods is what a rule with datapoints has counted, nil for others.
func (j *judged) periods(r *rules.Rule) *fact.Periods {
	if r.Datapoints.M == 0 {
		return nil
	}
	p := &fact.Periods{Breaching: j.alarm.Breaching, Premature: j.alarm.Premature}
	if r.Datapoints.Missing == rules.MissingIsBreaching {
		p.Missing = j.alarm.Filled
		p.Breaching += p.Missing
	}
	return p
}

// shown is the stretch that people should see: the breach, else the newest value.
func (j *judged) shown() Stretch {
	if j.run.Points == 0 {
		return j.newest
	}
	v := j.run
	v.value, v.known = j.newest.value, j.newest.known
	return v
}
