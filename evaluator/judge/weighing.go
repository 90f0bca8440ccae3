package judge

import (
	"math"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// weigher is what the ways of weighing evidence have each of their own.
type weigher interface {
	// take adds the periods that begin before upto to z. Those before ripe are old
	// enough to count in favour as well.
	take(sc *Scene, w *Watch, z *Weighed, upto, ripe int64)
	// look adds to a memory what came since the look before, other than periods.
	look(sc *Scene, w *Watch, z *Weighed) *Weighed
	// weigh is what speaks against the release: of a success rule in all that was
	// seen, not in the worst stretch of it.
	weigh(sc *Scene, w *Watch, z *Weighed) Weighing
	// harmless reports whether what is folded into z and what came since certainly has no
	// rung, and fills in v then, in brief: how many samples there were, and nothing of
	// what they weigh. It may be false where there is none.
	harmless(sc *Scene, w *Watch, z *Weighed, v *Weighing) bool
	// prove is what speaks for the release.
	prove(w *Watch, z *Weighed, f *proof)
	// passes reports whether that is enough.
	passes(w *Watch, v *Finding) bool
	// ahead works out what it would take to pass.
	ahead(sc *Scene, w *Watch, v *Finding)
	// describe adds what people may want to know.
	describe(w *Watch, v *Weighing, d *fact.Weighed)
	// outlook adds what it would take, of a success rule that is undecided.
	outlook(sc *Scene, w *Watch, v *Finding, d *fact.Weighed)
}

// EvidenceJudge is the judge of the rules that weigh evidence. What settles is folded
// into its memory.
type EvidenceJudge struct{ weigher }

// needs is nothing more than what is kept for corrections: see layout.weighRules.
func (EvidenceJudge) Needs(r *rules.Rule, sl *series.Layout) (judged, keep int64) {
	return Threshold{}.Needs(r, sl)
}

// Fold takes in the periods that no correction is expected to reach any more.
func (j EvidenceJudge) Fold(sc *Scene, w *Watch, m *Memory) {
	upto := sc.foldedUntil(w)
	var ripe int64
	if w.phase != nil {
		ripe = min(upto, sc.ripeUntil(w))
	}
	z := j.look(sc, w, m.Ev)
	var next Weighed
	if z != nil {
		next = *z
	}
	j.take(sc, w, &next, upto, ripe)
	if z != nil && next.Until == z.Until && next.Ripe == z.Ripe && next.points == z.points {
		m.Ev = z // nothing was new
		return
	}
	m.Ev = &next
}

// Now is what a watch says with the periods that have not settled: they are added at each
// look anew, since they may have changed at a tick at which nothing was judged.
func (j EvidenceJudge) Now(sc *Scene, w *Watch, m *Memory) *Weighed {
	all := new(Weighed)
	if m.Ev != nil {
		*all = *m.Ev
	}
	var ripe int64
	if w.phase != nil {
		ripe = sc.ripeUntil(w)
	}
	j.take(sc, w, all, math.MaxInt64, ripe)
	return all
}

// Stand says on which rung a rollback rule stands, with what has not settled weighed anew.
func (j EvidenceJudge) Stand(sc *Scene, w *Watch, m *Memory, out *Standing) {
	if w.Idle {
		out.weighs = j.weigh(sc, w, new(Weighed))
		return
	}
	v := &out.weighs
	if out.folded = m.Ev; m.Ev == nil || w.Was.State == Warning || w.Was.State == Holding || !j.harmless(sc, w, m.Ev, v) {
		*v = j.weigh(sc, w, j.Now(sc, w, m))
	}
	s, _ := sc.series(w)
	newest := Stretch{known: v.points > 0, newest: v.to}
	gap := max(series.Secs(w.Rule.For), 5*w.w) // how long it puts up with a stretch in which nothing happened
	silent := sc.Lay.silence(w.Rule.Signal, s, w.since, gap, newest, sc.At)
	silent = sc.gone(w, silent, v.to, math.MaxInt64, 0)
	out.Rung, out.Fires, out.Next, out.Since = v.rung, v.cause, silent.Next, silent.Since
	out.State, out.Cause = w.Was.climb(v, silent.Cause)
	out.Told, out.Notify = out.Cause, w.Rule.Notify
	if out.State == Clear {
		out.Told = rules.CauseEvidence
	}
}

// climb gives the state of a rule at a rung. What holds stays so until a command
// says otherwise; a warning passes when the evidence has gone.
func (old Place) climb(v *Weighing, silent rules.Cause) (State, rules.Cause) {
	switch {
	case old.State == Holding:
		return Holding, old.Cause
	case v.rung == evidence.Holding && !old.Acked:
		return Holding, v.cause
	case silent != rules.CauseNone:
		return Silent, silent
	case v.rung == evidence.Warning:
		return Warning, v.cause
	case v.rung > evidence.Warning:
		return Warning, rules.CauseEvidence
	case old.lingers(v) && v.past != nil:
		return Warning, old.Cause
	case old.lingers(v):
		return Warning, rules.CauseEvidence
	case v.points == 0 || v.N <= 0: // nothing was counted
		return Idle, rules.CauseNone
	}
	return Clear, rules.CauseNone
}

// lingers reports whether a warning stays although nothing new gives it: while
// what it rests on still speaks against the release.
func (old Place) lingers(v *Weighing) bool {
	switch {
	case old.State != Warning:
		return false
	case v.past != nil && old.Cause == rules.CauseBaseline:
		return v.worse > 0
	}
	return v.warn > 0
}

// foldedUntil is the event time before which nothing of a watch is expected to
// change any more: the watermark, less as far as a correction may still reach. A
// rule that wants its evidence to last for a time reads all of that time again,
// so that it never fires on a peak that its source has corrected. A baseline
// that is behind is waited for, unless it has fallen silent.
func (sc *Scene) foldedUntil(w *Watch) int64 {
	s, sl := sc.series(w)
	upto := s.Settled - max(sl.Settle, w.Lay.floor)
	if b := w.Sig.Baseline; b > 0 && b < len(sc.Signals) {
		bs, bl := &sc.Signals[b], &sc.Lay.Signals[b]
		if bs.Settled > 0 && bs.Settled+sc.Lay.allowance(b, bs.Bucket(bl)) > sc.At {
			upto = min(upto, bs.Settled-max(bl.Settle, w.Lay.floor))
		}
	}
	return series.AlignDown(upto, w.w)
}

// weighedEvidence is what a rule has weighed, with everything that it was judged by.
func (j EvidenceJudge) weighedEvidence(sc *Scene, w *Watch, v *Weighing) fact.Evidence {
	v = w.shown(v)
	e := sc.Evidence(w.Rule, w.stretch(v))
	e.Held = ""
	if w.Rule.For > 0 && v.rung > evidence.NoRung {
		e.Held = (time.Duration(v.to-v.from) * time.Second).String()
	}
	d := &fact.Weighed{
		Bad: v.Bad, Limit: w.Rule.Limit, Trigger: w.Rule.Trigger, Goal: w.Lay.Goal,
		Against: v.hold, Bound: v.bound, Warning: v.warn, Middle: v.mid, Proof: w.Lay.pass,
		Rung: rungName(v.rung), Rests: v.cause, Suspect: v.from > w.from, Canary: w.Sig.Baseline > 0 && w.part < 1,
	}
	d.Baseline = w.beside(sc.Lay.Plan, v)
	d.Past = w.earlier(v)
	j.describe(w, v, d)
	e.Weighed = d
	return e
}

// Against is what speaks against the release, and for how long it has.
func (j EvidenceJudge) Against(sc *Scene, w *Watch, v *Standing) fact.Evidence {
	if v.weighs.brief {
		v.weighs = j.weigh(sc, w, j.Now(sc, w, &Memory{Ev: v.folded}))
	}
	return j.weighedEvidence(sc, w, &v.weighs)
}

// Found adds what speaks in favour.
func (j EvidenceJudge) Found(sc *Scene, w *Watch, v *Finding) fact.Evidence {
	if v.weigh.brief {
		v.soft = j.Now(sc, w, &Memory{Ev: v.folded})
		*v.weigh = j.weigh(sc, w, v.soft)
	}
	e := j.weighedEvidence(sc, w, v.weigh)
	e.Points, e.Expected = v.Stretch.Points, v.Stretch.Expected
	j.Forecast(sc, w, v)
	d := e.Weighed
	d.Keeps, d.Spared, d.More, d.Weak = v.Proof.keeps, v.Proof.spared, v.Proof.Ahead.more, v.Proof.Weak
	if v.undecided() && !v.cutShort() {
		j.outlook(sc, w, v, d)
	}
	return e
}

// Forecast works out what it would take to pass, for those who want to read it.
func (j EvidenceJudge) Forecast(sc *Scene, w *Watch, v *Finding) {
	j.inFavour(w, v)
	v.Proof.Ahead = new(outlook)
	if !v.undecided() || v.weigh.N <= 0 {
		return
	}
	v.Proof.Ahead.traffic = sc.traffic(w, v)
	v.Proof.Ahead.meets = w.ToMeet(v.weigh)
	j.ahead(sc, w, v)
}

// ripeUntil is the event time up to which a watch's periods are settled and old
// enough to count in favour.
func (sc *Scene) ripeUntil(w *Watch) int64 {
	return series.AlignDown(min(sc.Signals[w.Rule.Signal].Settled, sc.At-series.Secs(w.Sig.Maturity)), w.w)
}

// Prove judges a success rule on all that its window has brought.
func (j EvidenceJudge) Prove(sc *Scene, w *Watch, m *Memory) Finding {
	s, _ := sc.series(w)
	v := Finding{Rule: w.Rule, weigh: new(Weighing), folded: m.Ev}
	known := Stretch{}
	if sc.At < w.end && m.Ev != nil && j.harmless(sc, w, m.Ev, v.weigh) {
		known.known, known.newest = v.weigh.points > 0, v.weigh.to
	} else {
		v.soft = j.Now(sc, w, m)
		*v.weigh = j.weigh(sc, w, v.soft)
		known.known, known.newest = v.soft.points > 0, v.soft.newest
	}
	v.Against, v.Empty = v.weigh.rung >= evidence.Holding, v.weigh.N <= 0
	v.Stretch = w.stretch(v.weigh)
	v.Stretch.Expected = max(int((min(max(s.Settled, w.from), w.to)-w.from)/w.w), v.Stretch.Points)
	v.Silence = sc.Lay.silence(w.Rule.Signal, s, w.from, w.to-w.from, known, sc.At)
	v.Silence = sc.gone(w, v.Silence, known.newest, w.to, 0)
	if sc.At < w.end {
		v.Verdict, v.Cause = rules.Pending, rules.CauseWindow
		sc.companion(w, &v)
		return v
	}
	j.inFavour(w, &v)
	v.Verdict, v.Cause = j.verdict(sc, w, &v, s)
	v.tooOld()
	sc.companion(w, &v)
	return v
}

// inFavour works out what speaks for a release. Before its window ends it is
// for people only.
func (j EvidenceJudge) inFavour(w *Watch, v *Finding) {
	if v.Proof == nil {
		f := w.proof()
		j.weigher.prove(w, v.soft, &f)
		v.Proof = &f
	}
}

// verdict judges the window: on data that is settled up to its end.
func (j EvidenceJudge) verdict(sc *Scene, w *Watch, v *Finding, s *series.Series) (rules.Verdict, rules.Cause) {
	switch {
	case s.Settled < series.AlignDown(w.end, w.w) && s.Fails > 0:
		return rules.Pending, FaultCause(s.Fault)
	case s.Settled < series.AlignDown(w.end, w.w):
		return rules.Pending, rules.CauseUnsettled
	case v.weigh.empty:
		return rules.Pending, rules.CauseNoData
	case v.weigh.rung >= evidence.Holding && v.weigh.cause == rules.CauseBaseline:
		return rules.Pending, rules.CauseBaseline // what runs beside it is bad too: that is no fault of the release
	case v.weigh.rung >= evidence.Holding:
		return rules.Fail, rules.CauseEvidence
	case silentAtEnd(w.Rule, s, w.w, max(v.soft.inside, w.from), w.end) || silentAtEnd(w.Rule, s, w.w, v.weigh.to, w.to):
		return rules.Pending, rules.CauseNoData // what came before says nothing of the end, and neither does what came after it
	case w.deserted(s, v):
		return rules.Pending, rules.CauseNoData
	case !v.Stretch.Covered(w.Rule.Coverage) || v.Stretch.real < w.Rule.MinSamples:
		return rules.Pending, rules.CauseInsufficientSamples
	case !j.passes(w, v):
		return rules.Pending, rules.CauseInsufficientSamples
	case !sc.acts(w):
		if span, on := sc.goesOn(w, v.weigh); on {
			v.ongoing, v.Against = span.Why(w.Rule), true
			if sc.At >= w.to {
				v.ongoing.Verdict = rules.Unknown // the phase waits no longer
			}
			return rules.Pending, rules.CauseEvidence
		}
	}
	return rules.Pass, rules.CauseEvidence
}

// mostMissed is how many samples may be missing at the end of a window, by its own rate: by
// chance none of ten come in 1 of 22,000 windows.
const mostMissed = 10

// deserted reports whether the periods at the end of a window are empty, for longer than the
// rule's grace and twice as long as the longest pause before them, though the window's own rate
// would have filled them. A period in which nothing happened is known; so many of them after
// traffic are as good as silence.
func (w *Watch) deserted(s *series.Series, v *Finding) bool {
	z := v.soft
	if w.Lay.rule == nil || z.lively <= w.from {
		return false // reviews and groups come when they come, and nothing at all is said elsewhere
	}
	tail := w.end - z.lively
	missed := z.own.N / float64(z.lively-w.from) * float64(tail)
	return missed > mostMissed && tail > 2*z.pause && silentAtEnd(w.Rule, s, w.w, z.lively, w.end)
}

// acts reports whether a rollback rule of the phase acts by the evidence of the signal of
// a success rule: then it says what goes on.
func (sc *Scene) acts(w *Watch) bool {
	for _, i := range w.phase.Rollback {
		if r := &sc.Lay.Plan.Rules[i]; r.Signal == w.Rule.Signal && r.Method == rules.Sequential && !r.Shadow {
			return true
		}
	}
	return w.Lay.rule == nil // of reviews and groups there is no stretch
}
