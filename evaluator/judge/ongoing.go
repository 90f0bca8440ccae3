package judge

import (
	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// HeldAgainst reports whether what holds the run is evidence against the release, and
// not that what runs beside it is as bad.
func (v *Standing) HeldAgainst() bool {
	g := &v.weighs
	return g.rung >= evidence.Holding && (!g.compared || g.confirm >= evidence.ConfirmAt)
}

// Recovered gives since when the data of a rule that holds the run, beside a baseline as
// bad, has been good for so long: its evidence does not hold the run any more, and over
// the newest settled periods release and baseline are known and meet the limit.
func (sc *Scene) Recovered(w *Watch, v *Standing, after int64) (since int64, ok bool) {
	b := w.Sig.Baseline
	if b <= 0 || b >= len(sc.Signals) || v.weighs.rung >= evidence.Holding {
		return 0, false
	}
	to := min(sc.Signals[w.Rule.Signal].Settled, sc.Signals[b].Settled)
	for _, i := range [...]int{w.Rule.Signal, b} {
		s, sl := &sc.Signals[i], &sc.Lay.Signals[i]
		if s.Fails > 0 || sc.At > s.Settled+sc.Lay.allowance(i, s.Bucket(sl)) {
			return 0, false
		}
	}
	to = series.AlignDown(to, w.w)
	since = series.AlignDown(to-after, w.w)
	if since < w.from {
		return 0, false
	}
	for _, points := range [...][]rules.Point{sc.wholePoints(w), sc.basePoints(w)} {
		if len(points) == 0 || points[0].At > since {
			return 0, false // what came before it may have been forgotten
		}
		sum, known := tallyOf(points, since, to)
		if float64(known*w.w) < w.Rule.Coverage*float64(to-since) || sum.N <= 0 || sum.Bad > w.Rule.Limit*sum.N {
			return 0, false
		}
	}
	return since, true
}

// tallyOf adds up the periods that begin in [from, to).
func tallyOf(points []rules.Point, from, to int64) (sum Tally, known int64) {
	for _, p := range points[series.Before(points, from):series.Before(points, to)] {
		sum.Bad, sum.N, known = sum.Bad+p.Value, sum.N+p.Samples, known+1
	}
	return sum, known
}

// Ongoing is what goes on against a release at which no rule acts yet: the newest settled
// periods of a stretch that warns. It is not there where they do not go beyond the
// trigger, and neither does the stretch since it began.
func (sc *Scene) Ongoing(w *Watch, v *Standing) (newest Span, ok bool) {
	if w.Lay == nil || w.Lay.rule == nil || v.State != Warning {
		return Span{}, false
	}
	return sc.goesOn(w, &v.weighs)
}

// Waits reports whether a phase waits for a rollback rule that warns or is silent, because
// something goes on against the release or may go on by the rule's alarm. Cause and why say
// what, where there is more to say than that the rule's own periods breach.
func (sc *Scene) Waits(w *Watch, v *Standing, silent bool) (cause rules.Cause, why fact.Why, waits bool) {
	v.State = Warning
	span, warns := sc.Ongoing(w, v)
	switch {
	case warns:
		return rules.CauseEvidence, span.Why(w.Rule), true
	case silent && v.Breaching():
		return rules.CauseNone, why, true
	case silent:
		return v.alarmed(w.Rule)
	}
	return rules.CauseNone, why, false
}

// goesOn is the same by what a rule has weighed.
func (sc *Scene) goesOn(w *Watch, g *Weighing) (newest Span, ok bool) {
	if g.warn < g.bound { // earlier releases warn, and do no more
		return Span{}, false
	}
	s, _ := sc.series(w)
	to := series.AlignDown(min(s.Settled, g.to), w.w)
	points := sc.wholePoints(w)
	start := g.suspect.Start
	if start >= to {
		start = w.from // of a stretch that has not settled, the newest settled periods before it speak
	}
	from, n := to, 0
	for k := series.Before(points, to) - 1; k >= 0 && n < newestFew && points[k].At >= start; k-- {
		if points[k].Samples > 0 {
			from, n = points[k].At, n+1
		}
	}
	settled, firm := Tally{Bad: g.suspect.Bad, N: g.suspect.N}, sc.firm(w)
	for i := series.Before(points, max(to, g.suspect.Start)); i < series.Before(points, g.to); i++ {
		young, _ := firm.Take(&points[i]) // as it was weighed
		settled.Bad, settled.N = settled.Bad-young.Value, settled.N-young.Samples
	}
	last, _ := tallyOf(points, from, to)
	if start == g.suspect.Start && !w.beyond(settled) || !w.beyond(last) {
		return Span{}, false
	}
	return Span{From: from, To: to, Tally: last}, true
}

// Span is what a stretch of event time has counted.
type Span struct {
	From, To int64
	Tally
}

// Why is that it goes on, by a rule.
func (s *Span) Why(r *rules.Rule) fact.Why {
	return fact.Why{
		Code: fact.WhyOngoing, Rule: r.Name, Verdict: rules.Pending,
		Since: series.When(s.From), Until: series.When(s.To), N: int(s.Bad), Of: int(s.N),
	}
}

// beyond reports whether counts are bad enough to be rolled back.
func (w *Watch) beyond(t Tally) bool { return t.N > 0 && t.Bad > w.Rule.Trigger*t.N }
