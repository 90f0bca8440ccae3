package evaluator

import (
	"math"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// proof is what a success rule that weighs evidence knows in favour of a release.
type proof struct {
	keeps, spared float64 // log e-values for "the limit is kept" and "the trigger is not reached"
	need          float64 // from which one of them counts
	weak          bool    // excluding the trigger is enough here
	bad, n        float64 // the counts that prove the least: those old enough to count in favour, or all
	phi           float64
	ahead         *outlook // what it would take to pass; nil until it is needed
}

// besideTouched reports whether anything came for what runs beside a rule's
// signal.
func (s *stepper) besideTouched(i int) bool {
	if s.lay.weigh[i] == nil {
		return false
	}
	b := s.plan.Signals[s.plan.Rules[i].Signal].Baseline
	if b <= 0 {
		return false
	}
	_, news := s.touched(b)
	return news
}

// ripeUntil is the event time up to which a watch's periods are settled and old
// enough to count in favour.
func (st *State) ripeUntil(w *watch, at int64) int64 {
	return alignDown(min(st.signals[w.rule.Signal].settled, at-secs(w.sig.Maturity)), w.w)
}

// foldSuccess folds the settled periods of a success rule.
func (s *stepper) foldSuccess(k, i int, old *weighed) *weighed {
	if s.lay.weigh[s.plan.Phases[k].Success[i]] == nil {
		return nil
	}
	w := s.st.successWatch(s.lay, k, i)
	upto := s.st.foldedUntil(s.lay, &w, s.at)
	return s.st.fold(&w, s.st.look(&w, old), upto, min(upto, s.st.ripeUntil(&w, s.at)))
}

// provenView judges a success rule that weighs evidence; changed is the first
// period that has changed since the look before.
func (st *State) provenView(lay *layout, k, i int, changed, at int64) successView {
	plan := lay.plan
	w := st.successWatch(lay, k, i)
	sr := &st.signals[w.rule.Signal]
	ss := &st.phases[k].success[i]
	z := st.now(&w, ss.ev, ss.soft, changed, st.ripeUntil(&w, at))
	v := successView{rule: w.rule, weigh: new(weighing), soft: z}
	*v.weigh = st.weighSuccess(&w, z)
	v.stretch = w.stretch(v.weigh)
	end := st.windowEnd(plan, k)
	v.stretch.expected = max(int((min(max(sr.settled, w.from), w.to)-w.from)/w.w), v.stretch.points)
	v.silence = lay.silence(w.rule.Signal, sr, w.from, w.to-w.from, stretch{known: z.points > 0, newest: z.newest}, at)
	if at < end {
		v.opinion = opinion{verdict: rules.Pending, cause: rules.CauseWindow}
		return v
	}
	w.inFavour(&v, plan, k)
	v.opinion.verdict, v.opinion.cause = st.provenVerdict(&w, &v, sr, end)
	if w.rule.Alarm >= 0 && w.rule.Alarm < len(plan.Signals) && v.opinion.verdict != rules.Fail {
		st.companion(lay, &v, k, at)
	}
	return v
}

// weighSuccess is what speaks against the release in a phase's window: all that
// was seen, not the worst stretch of it.
func (st *State) weighSuccess(w *watch, z *weighed) weighing {
	switch w.sig.Kind {
	case rules.Mean:
		return w.weighStars(z)
	case rules.Gauge:
		return st.weighGap(w, z, 1)
	}
	v := w.weighCounts(z)
	v.bad, v.n, v.from = z.track.Bad, z.track.N, w.from
	return v
}

// inFavour works out what speaks for a release. Before its window ends it is
// for people only.
func (w *watch) inFavour(v *successView, plan *rules.Plan, k int) {
	if v.proof == nil {
		f := w.prove(v.soft, plan, k)
		v.proof = &f
	}
}

func (w *watch) prove(z *weighed, plan *rules.Plan, k int) proof {
	p := &plan.Phases[k]
	f := proof{need: w.lay.pass, weak: p.Traffic < .5 && k < len(plan.Phases)-1}
	switch w.rule.Proof {
	case rules.ProofWeak:
		f.weak = true
	case rules.ProofStrong:
		f.weak = false
	}
	switch w.sig.Kind {
	case rules.Ratio:
		f.phi = max(z.phi(), w.sig.Cluster)
		f.counts(w.rule, z)
	case rules.Mean:
		f.n = evidence.Stars(z.stars).N()
		f.keeps = evidence.RatingAbove(z.stars, w.rule.Limit, evidence.RatingFracs[:])
		f.spared = evidence.RatingAbove(z.stars, w.rule.Trigger, evidence.RatingFracs[:])
	}
	return f
}

// counts weighs what counts in favour: what has settled and is old enough, and
// all that was seen, since what is younger may speak against the release. It has
// to be proven by both, even if its worst burst came twice.
func (f *proof) counts(r *rules.Rule, z *weighed) {
	for i, t := range [...]tally{{z.favour.Bad, z.favour.N}, {z.track.Bad, z.track.N}} {
		t.bad = min(t.bad+z.surplus(), t.n)
		keeps, spared := evidence.PassLogE(t.bad, t.n, r.Limit, f.phi), evidence.PassLogE(t.bad, t.n, r.Trigger, f.phi)
		if i == 0 || f.weak && spared < f.spared || !f.weak && keeps < f.keeps {
			f.bad, f.n = t.bad, t.n
		}
		if i == 0 {
			f.keeps, f.spared = keeps, spared
		}
		f.keeps, f.spared = min(f.keeps, keeps), min(f.spared, spared)
	}
}

// provenVerdict judges the window: on data that is settled up to its end.
func (st *State) provenVerdict(w *watch, v *successView, s *series, end int64) (rules.Verdict, rules.Cause) {
	f := v.proof
	switch {
	case s.settled < alignDown(end, w.w) && s.fails > 0:
		return rules.Pending, faultCause(s.fault)
	case s.settled < alignDown(end, w.w):
		return rules.Pending, rules.CauseStale
	case v.weigh.gap == nil && v.stretch.points == 0 && w.sig.Kind != rules.Mean:
		return rules.Pending, rules.CauseNoData
	case v.weigh.rung >= rungHold && v.weigh.cause == rules.CauseBaseline:
		return rules.Pending, rules.CauseBaseline // what runs beside it is bad too: that is no fault of the release
	case v.weigh.rung >= rungHold:
		return rules.Fail, rules.CauseEvidence
	case !v.stretch.covered(w.rule.Coverage) || v.stretch.samples < w.rule.MinSamples:
		return rules.Pending, rules.CauseInsufficientSamples
	case v.weigh.gap != nil && !v.weigh.thin && v.weigh.gap.UpperPass <= w.rule.Limit:
		return rules.Pass, rules.CauseEvidence
	case w.sig.Kind != rules.Gauge && !w.meets(v.weigh):
		return rules.Pending, rules.CauseInsufficientSamples
	case f.keeps >= f.need, f.weak && f.spared >= f.need:
		return rules.Pass, rules.CauseEvidence
	}
	return rules.Pending, rules.CauseInsufficientSamples
}

// groups are the newest groups of a watch's stretch.
func (st *State) groups(w *watch) *rules.Parts {
	p := st.signals[w.rule.Signal].parts
	for i := len(p) - 1; i >= 0 && p[i].At >= w.from; i-- {
		if p[i].At+w.w <= w.to {
			return &p[i]
		}
	}
	return nil
}

// pointed reports whether groups came with a value: a source gives none where a
// group is smaller than its query allows, and then nothing may pass on them.
func (st *State) pointed(w *watch, at int64) bool {
	p := st.wholePoints(w)
	i := before(p, at)
	return i < len(p) && p[i].At == at
}

// look counts the answers with groups: each later one is judged more strictly.
func (st *State) look(w *watch, z *weighed) *weighed {
	if w.sig.Kind != rules.Gauge {
		return z
	}
	g := st.groups(w)
	if g == nil || z != nil && z.looked == g.At {
		return z
	}
	var next weighed
	if z != nil {
		next = *z
	}
	next.looks, next.looked = next.looks+1, g.At
	return &next
}

// disparity judges groups at the k-th answer, which may fail with alpha·6/(π²k²):
// over all answers that sums to alpha.
func (w *watch) disparity(x, n []float64, k int) evidence.Disparity {
	return evidence.Deciles(x, n, w.rule.Alpha*6/(math.Pi*math.Pi*float64(k*k)), math.Exp(-w.lay.pass))
}

// weighGap judges the gap between groups: simultaneous intervals for all pairs.
func (st *State) weighGap(w *watch, z *weighed, looks int) weighing {
	v := weighing{bound: w.lay.bound, points: int(z.points), from: w.from, to: max(z.newest, w.from)}
	g := st.groups(w)
	if g == nil {
		return v
	}
	x, n := make([]float64, len(g.Groups)), make([]float64, len(g.Groups))
	for i := range g.Groups {
		x[i], n[i] = g.Groups[i].Value, g.Groups[i].Samples
		v.n += n[i]
	}
	v.points, v.to = max(v.points, 1), g.At+w.w
	gap := w.disparity(x, n, max(looks, 1))
	v.gap, v.groups, v.small = &gap, g.Groups, smallGroups(g, &gap)
	v.names = [2]string{g.Groups[gap.High].Name, g.Groups[gap.Low].Name}
	v.looks, v.thin = int(z.looks), !st.pointed(w, g.At)
	switch {
	case gap.LowerFail > w.rule.Trigger:
		v.rung, v.cause = rungRollback, rules.CauseEvidence
	case gap.LowerFail > w.rule.Limit:
		v.rung, v.cause = rungHold, rules.CauseEvidence
	}
	return v
}

// smallGroups names the groups that hardly have anything in them.
func smallGroups(g *rules.Parts, gap *evidence.Disparity) []string {
	var names []string
	for _, list := range [...][]int{gap.Silent, gap.Small} {
		for _, i := range list {
			names = append(names, g.Groups[i].Name)
		}
	}
	return names
}

// weighStars judges a mean of stars: betting on each review.
func (w *watch) weighStars(z *weighed) weighing {
	s := evidence.Stars(z.stars)
	v := weighing{bound: w.lay.bound, points: int(z.points), from: w.from, to: max(z.newest, w.from), n: s.N()}
	for i, n := range s {
		v.bad += float64(i+1) * n // the sum: a mean's bad is what its samples add up to
	}
	v.stars = z.stars
	v.hold = evidence.RatingBelow(s, w.rule.Limit, evidence.RatingFracs[:])
	v.mid = evidence.RatingBelow(s, (w.rule.Limit+w.rule.Trigger)/2, evidence.RatingFracs[:])
	switch {
	case v.hold >= v.bound && v.mid >= evidence.MidpointAt:
		v.rung, v.cause = rungRollback, rules.CauseEvidence
	case v.hold >= v.bound:
		v.rung, v.cause = rungHold, rules.CauseEvidence
	}
	return v
}
