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

// goodBad is how many bad samples a release that is as bad as the rule's condition would have
// among those that say that a signal is good again: it has none then less than once in a hundred.
const goodBad = 5

// Good reports since when the signal of a rollback rule has been good, in settled periods
// that begin at or after from: what none of the newest few says triggers the rule, and its
// alarm is not on. Where idle, they may also have no samples: so it is, too, while the source
// answers that what it has is old. Otherwise a ratio needs as many samples as tell: see goodBad.
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
	good, samples, since := 0, 0., to
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
		samples += points[k].Samples
		if good++; !idle {
			since = points[k].At
		}
	}
	if idle {
		return since, good >= goodFew || since <= to-goodFew*w
	}
	return since, good >= goodFew && (sig.Kind != rules.Ratio || samples*tolerated(r, sig) >= goodBad)
}

// tolerated is the share of bad samples at which a rollback rule on a ratio begins to trigger,
// 0..1.
func tolerated(r *rules.Rule, sig *rules.Signal) float64 {
	if sig.Good {
		return 1 - r.When.Threshold
	}
	return r.When.Threshold
}

// on reports whether an alarm is on, by the newest that is known of it.
func (sc *Scene) on(i int) bool {
	points := sc.Signals[i].Points
	return len(points) > 0 && points[len(points)-1].Value != 0
}
