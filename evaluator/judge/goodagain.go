package judge

import (
	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
)

// Stands reports whether what makes a rule fire still goes on: what it has weighed speaks
// against a release for long after that is good again, and a peak may be seen late.
func (sc *Scene) Stands(w *Watch, v *Standing) bool {
	switch {
	case v.Rung != evidence.Firing:
		return false
	case v.alarm != nil && v.alarm.Fired:
		return v.alarm.State == fact.AlarmOn
	case w.Lay == nil || w.Lay.rule == nil:
		return v.Breaching()
	}
	_, ok := sc.goesOn(w, &v.weighs)
	return ok
}

// goodFew is how many settled periods in a row say that a signal is good again.
const goodFew = 3

// Good reports since when the signal of a rollback rule has been good, in settled periods
// that begin at or after from: what none of the newest few says triggers the rule, and its
// alarm is not on. Where idle, they may also have no samples.
func (sc *Scene) Good(i int, from int64, idle bool) (since int64, ok bool) {
	r := &sc.Lay.Plan.Rules[i]
	if r.Alarm >= 0 && sc.on(r.Alarm) {
		return 0, false
	}
	sig, s, sl := &sc.Lay.Plan.Signals[r.Signal], &sc.Signals[r.Signal], &sc.Lay.Signals[r.Signal]
	w := s.Bucket(sl)
	to, first := series.AlignDown(s.Settled, w), series.AlignDown(from+w-1, w)
	if s.Fails > 0 || to-first < goodFew*w || sc.At > s.Settled+sc.Lay.allowance(r.Signal, w) {
		return 0, false
	}
	points := s.Points[series.Before(s.Points, first):series.Before(s.Points, to)]
	good, since := 0, to
	if idle {
		since = first
	}
	for k := len(points) - 1; k >= 0; k-- {
		if !hasValue(sig.Kind, &points[k]) {
			continue
		}
		a := Accumulator{Rule: r, Kind: sig.Kind}
		a.Add(&points[k], w)
		if v, known := a.Value(sig); !known || r.When.Holds(v) {
			if idle {
				since = points[k].At + w
			}
			break
		}
		if good++; !idle {
			since = points[k].At
		}
	}
	return since, good >= goodFew || idle && since <= to-goodFew*w
}

// on reports whether an alarm is on, by the newest that is known of it.
func (sc *Scene) on(i int) bool {
	points := sc.Signals[i].Points
	return len(points) > 0 && points[len(points)-1].Value != 0
}
