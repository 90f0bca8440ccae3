package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// traffic is that of the newest periods: of the fifteen last, or of the five last
// where those differ from the ones before by more than chance. Periods without a
// sample count; periods that are not known yet do not.
func (sc *Scene) traffic(w *Watch, v *Finding) traffic {
	points := sc.wholePoints(w)
	points = points[series.Before(points, w.from):series.Before(points, w.to-w.w+1)]
	from, end := w.from, max(v.Stretch.newest, series.AlignDown(min(sc.Signals[w.Rule.Signal].Settled, w.to), w.w))
	if len(points) > 0 && len(points) < int(v.soft.points) {
		from = points[0].At // those before were forgotten
	}
	since := func(periods int64) (n, seconds float64) {
		start := max(from, end-periods*w.w)
		for _, p := range points[series.Before(points, start):] {
			n += p.Samples
		}
		return n, float64(end - start)
	}
	long, all := since(recent)
	short, last := since(newestFew)
	if all <= 0 { // unreachable while there is a sample
		return traffic{} // unreachable
	}
	t := traffic{present: long / all}
	t.most = max(t.present, short/last, v.weigh.N/float64(max(v.Stretch.newest-w.from, w.w)))
	for m := range int64(newestFew) {
		n, seconds := since(m + 1)
		t.most = max(t.most, (n-2*math.Sqrt(n))/seconds) // what has only just risen, less chance
	}
	if all > last {
		n, seconds := long-short, all-last
		if math.Abs(short/last-n/seconds) > 3*math.Sqrt(short/last/last+n/seconds/seconds) {
			t.present = short / last
		}
	}
	return t
}

// Wait is how many seconds so many samples take at the present traffic, in whole
// periods, and until the last of them counts.
func (a *outlook) Wait(w *Watch, v *Finding, more float64, lag, at int64) int64 {
	periods := math.Ceil(more / a.present / float64(w.w))
	return int64(min(periods, 1e9))*w.w + max(lag-(at-v.Stretch.newest), 0)
}

// ToMeet is how many good ones more take the value to the limit.
func (w *Watch) ToMeet(v *Weighing) float64 {
	more, best := 0., 0. // what a good one counts
	switch {
	case w.meets(v):
		return 0
	case w.Sig.Kind == rules.Mean:
		best = 5
		more = math.Ceil((w.Rule.Limit*v.N - v.Bad) / (best - w.Rule.Limit))
	default:
		more = math.Ceil(v.Bad/w.Rule.Limit - v.N)
	}
	for range 2 { // rounding may leave it just below, and "< 1 %" wants one more than "<= 1 %"
		then := Weighing{Bad: v.Bad + best*more, N: v.N + more}
		if !w.meets(&then) {
			more++
		}
	}
	return more
}

// meets reports whether the value itself is as good as it should be, even if it
// proves nothing.
func (w *Watch) meets(v *Weighing) bool {
	bound := w.Rule.Limit * v.N
	switch {
	case math.Abs(v.Bad-bound) <= 1e-9*bound: // 1 % of 2,100 is not quite 21 in binary
		return w.Lay.Goal != rules.Less && w.Lay.Goal != rules.Greater
	case w.Sig.Kind == rules.Mean:
		return v.Bad >= bound
	}
	return v.Bad <= bound
}

// outlook is a forecast as people are told of it.
func (sc *Scene) outlook(w *Watch, v *Finding) *fact.Outlook {
	a := v.Proof.Ahead
	tell := func(n want, lag int64) fact.Shortfall {
		if n.Never || !series.Finite(n.More) {
			return fact.Shortfall{Never: true}
		}
		s := fact.Shortfall{More: n.More, Young: n.Young, Ripe: series.WhenOrZero(n.Ripe)}
		if n.More > 0 && a.present > 0 {
			s.Wait = a.Wait(w, v, n.More, lag, sc.At)
		}
		return s
	}
	o := &fact.Outlook{
		Excludes: tell(a.Excludes, a.Lag), Proves: tell(a.Proves, a.Lag), Fails: tell(a.fails, a.Lag), Meets: tell(want{More: a.meets}, 0),
		Present: a.present, Futile: a.futile, Late: a.late,
	}
	if w.Lay.rule != nil && v.soft != nil && !v.Closed {
		next := math.Max(40, math.Ceil(v.weigh.N/10))
		if bad := w.badToWarn(v.soft, next); bad > 0 {
			o.WarnBad, o.WarnIn = bad, next
		}
	}
	return o
}

const (
	// recent is how many of the newest periods are the present.
	recent = 15
	// newestFew is how many are, where they show that the traffic has changed.
	newestFew = 5
)
