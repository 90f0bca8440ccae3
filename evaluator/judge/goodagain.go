package judge

import (
	"slices"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Stands reports whether what makes a rule fire still goes on: what it has weighed speaks
// against a release for long after that is good again, and a peak may be seen late.
func (sc *Scene) Stands(w *Watch, v *Standing) bool {
	switch {
	case v.Rung != evidence.Firing:
		return false
	case v.alarm != nil && v.alarm.State == fact.AlarmOn:
		return true
	case v.alarm != nil && v.alarm.Fired:
		return false
	case w.Rule.Method != rules.Sequential:
		return v.Breaching()
	case w.Lay.rule == nil: // stars and gaps
		return sc.newestTriggers(w)
	}
	_, ok := sc.goesOn(w, &v.weighs)
	return ok
}

// Lost reports whether nothing newer tells whether what made a rule fire still goes on: its
// numbers or its alarm have fallen silent, or every period is empty for longer than its grace.
func (sc *Scene) Lost(w *Watch, v *Standing) bool {
	if v.State == Silent || v.alarm != nil && v.alarm.State == fact.AlarmUnknown && sc.on(w.Rule.Alarm) {
		return true
	}
	s, newest := &sc.Signals[w.Rule.Signal], int64(0)
	for _, p := range slices.Backward(s.Points) {
		if hasValue(w.Sig.Kind, &p) {
			newest = p.At + w.w
			break
		}
	}
	return v.Rung == evidence.Firing && silentAtEnd(w.Rule, s, w.w, newest, s.Settled)
}

// newestTriggers reports whether the newest period with a value triggers a rule.
func (sc *Scene) newestTriggers(w *Watch) bool {
	for _, p := range slices.Backward(sc.Signals[w.Rule.Signal].Points) {
		if hasValue(w.Sig.Kind, &p) {
			return triggers(w.Rule, w.Sig, &p, w.w)
		}
	}
	return false // unreachable: the rule fires by what it has seen
}

// triggers reports whether what a period says triggers a rule, or cannot be told.
func triggers(r *rules.Rule, sig *rules.Signal, p *rules.Point, width int64) bool {
	a := Accumulator{Rule: r, Kind: sig.Kind}
	a.Add(p, width)
	v, known := a.Value(sig)
	return !known || r.When.Holds(v)
}

// goodFew is how many settled periods in a row say that a signal is good again.
const goodFew = 3

// Good reports since when the signal of a rollback rule has been good, in settled periods
// that begin at or after from: what none of the newest few says triggers the rule, and its
// alarm is not on. Where idle, they may also have no samples: so it is, too, while the source
// answers that what it has is old.
func (sc *Scene) Good(i int, from int64, idle bool) (since int64, ok bool) {
	r := &sc.Lay.Plan.Rules[i]
	if r.Alarm >= 0 && sc.on(r.Alarm) {
		return 0, false
	}
	sig, s, sl := &sc.Lay.Plan.Signals[r.Signal], &sc.Signals[r.Signal], &sc.Lay.Signals[r.Signal]
	w, settled, fails := s.Bucket(sl), s.Settled, s.Fails
	if idle && s.Fault == rules.StaleData {
		settled, fails = s.Asked-sl.Settle, 0
	}
	to, first := series.AlignDown(settled, w), series.AlignDown(from+w-1, w)
	if fails > 0 || to-first < goodFew*w || sc.At > settled+sc.Lay.allowance(r.Signal, w) {
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
		if triggers(r, sig, &points[k], w) {
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

// safeBad is how many bad samples a release that is as bad as the rule's condition would have
// among those that say that users are safe: it has none then less than once in a hundred.
const safeBad = 5

// Safe is Good, but that a ratio needs as many samples as tell: a few say nothing. Where idle,
// it is known that no samples are to come, and where the condition is the least fault there
// can be, no number of samples tells more than another.
func (sc *Scene) Safe(i int, from int64, idle bool) (since int64, ok bool) {
	since, ok = sc.Good(i, from, idle)
	r := &sc.Lay.Plan.Rules[i]
	sig, s := &sc.Lay.Plan.Signals[r.Signal], &sc.Signals[r.Signal]
	most := r.When.Threshold // the share of bad samples at which it begins to trigger
	if sig.Good {
		most = 1 - most
	}
	if !ok || idle || sig.Kind != rules.Ratio || most <= 0 {
		return since, ok
	}
	samples := 0.
	for _, p := range s.Points[series.Before(s.Points, since):series.Before(s.Points, s.Settled)] {
		samples += p.Samples
	}
	return since, samples*most >= safeBad
}

// on reports whether an alarm is on, by the newest that is known of it.
func (sc *Scene) on(i int) bool {
	points := sc.Signals[i].Points
	return len(points) > 0 && points[len(points)-1].Value != 0
}
