package power

import (
	"math"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// success fills in what a success rule needs.
func (f *forecaster) success(l *Line, k int) {
	f.thin(l)
	switch {
	case l.rule.Method == rules.Sequential && l.signal.Kind == rules.Ratio:
		l.Pass = f.pass(l, k, l.rule.Limit/10, f.counted)
	case l.rule.Method == rules.Sequential && l.signal.Kind == rules.Mean:
		l.Pass = f.pass(l, k, l.rule.Limit+(5-l.rule.Limit)/2, f.rated)
	case l.rule.Method == rules.Sequential && l.signal.Kind == rules.Gauge:
		l.Pass = f.pass(l, k, 0, func(*Line, float64, float64) Proof { return f.gapless(l) })
	case l.signal.Kind == rules.Ratio:
		l.Single = single(l)
	case l.signal.Kind == rules.Percentile:
		l.Single = periods(l)
	}
}

// thin says so where there is too little for the rule to judge.
func (f *forecaster) thin(l *Line) {
	r, t := l.rule, &l.traffic
	looked := t.window
	if r.Method == rules.Sequential {
		looked = max(t.window, t.latest)
	}
	all := newCounts(t.in(looked))
	if r.MinSamples > 0 && all.atMost(math.Ceil(r.MinSamples)-1) > .5 {
		l.Blind = "min_samples"
		return
	}
	f.uncovered(l)
}

// pass says what it takes to exclude the rule's bounds, by a way of counting that
// fits the signal's kind.
func (f *forecaster) pass(l *Line, k int, healthy float64, need func(l *Line, bound, healthy float64) Proof) *Pass {
	r := l.rule
	p := &Pass{Healthy: healthy, Needs: rules.ProofStrong, Strong: need(l, r.Limit, healthy)}
	if f.plan.WeakProof(r, k) {
		p.Needs = rules.ProofWeak
	}
	if r.Trigger != r.Limit && l.signal.Kind != rules.Gauge {
		weak := need(l, r.Trigger, healthy)
		p.Weak = &weak
	} else {
		p.Needs = rules.ProofStrong // to exclude the trigger is to prove the limit
	}
	return p
}

// passKey is what the size of a sample depends on.
type passKey struct{ bound, healthy, alpha float64 }

// counted is the proof by counts.
func (f *forecaster) counted(l *Line, bound, healthy float64) Proof {
	key := passKey{bound, healthy, f.plan.FalsePass}
	p, ok := f.passes[key]
	if !ok {
		p = samplesToPass(key)
		f.passes[key] = p
	}
	c := l.traffic.cluster
	return l.timed(Proof{Bound: bound, Clean: math.Ceil(p.Clean * c), Typical: math.Ceil(p.Typical * c), Most: math.Ceil(p.Most * c)})
}

// samplesToPass asks evidence. Its walk is too long for small bounds, for which the
// needs are nearly in inverse proportion to the bound.
func samplesToPass(key passKey) Proof {
	const small = 1e-3
	scale := 1.0
	if key.bound > 0 && key.bound < small {
		scale = small / key.bound
		key.bound, key.healthy = small, key.healthy*scale
	}
	p, below := Proof{}, evidence.NewBelow(key.bound)
	if n, ok := below.NeedClean(0, 0, key.alpha, 1); ok {
		p.Clean = n * scale
	}
	if n, ok := below.Samples(key.healthy, key.alpha, .5); ok {
		p.Typical = float64(n) * scale
	}
	if n, ok := below.Samples(key.healthy, key.alpha, .95); ok {
		p.Most = float64(n) * scale
	}
	return p
}

// rated is the proof by ratings: how many have to come with the mean healthy until
// the evidence that it is above bound is strong enough. No ratings are better than
// fives alone.
func (f *forecaster) rated(l *Line, bound, healthy float64) Proof {
	want := -math.Log(f.plan.FalsePass)
	need := func(mean float64) float64 {
		return drift(ratings(mean), func(s evidence.Stars) bool {
			return evidence.RatingAbove(s, bound, evidence.RatingFracs[:]) >= want
		})
	}
	p := Proof{Bound: bound, Clean: need(5), Typical: need(healthy)}
	return l.timed(p)
}

// ratings are a hundred ratings with a mean, most of them fives and many of the
// rest ones, as they are.
func ratings(mean float64) evidence.Stars {
	const others = 2.45 // mean of those that are no fives
	u := min(max((5-mean)/(5-others), 0), 1)
	return evidence.Stars{.40 * u, .10 * u, .15 * u, .35 * u, 1 - u}
}

// drift is how many samples of a mixture it takes until enough says so, 0 where a
// million are not enough.
func drift(mix evidence.Stars, enough func(evidence.Stars) bool) float64 {
	at := func(n float64) bool {
		s := mix
		for i := range s {
			s[i] *= n
		}
		return enough(s)
	}
	lo, hi := 0.0, 1e6
	if !at(hi) {
		return 0
	}
	for hi-lo > 1 {
		mid := math.Floor((lo + hi) / 2)
		if at(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// timed fills in when so many samples are there.
func (l *Line) timed(p Proof) Proof {
	p.By, p.AtBest = l.by(p.Typical), l.by(p.Clean)
	if d, ok := l.traffic.until(p.Typical); ok && p.Typical > 0 {
		p.Minutes = max(d.Minutes(), l.traffic.skip.Minutes()+minutes(&l.traffic, l.rule.MinSamples))
	}
	return p
}

// by says when so many samples are there.
func (l *Line) by(samples float64) When {
	t := &l.traffic
	const slack = 1 + 1e-9
	switch late := max(t.latest, t.ripe()); {
	case samples <= 0:
		return Never
	case samples <= t.in(t.ripe())*slack && !l.scant():
		return InWindow
	case samples <= t.in(late)*slack && l.rule.MinSamples <= t.in(max(t.window, late))*slack:
		return InExtension
	}
	return Never
}

// scant reports whether the window is expected to have fewer samples, young ones
// included, than the rule wants at least.
func (l *Line) scant() bool { return l.rule.MinSamples > l.traffic.in(l.traffic.window)*(1+1e-9) }

// gapless is the proof that no two groups differ by more than the limit, when in
// truth none do: what the largest of the differences is by chance, and a one-sided
// interval around it, have to fit in.
func (f *forecaster) gapless(l *Line) Proof {
	p := Proof{Bound: l.rule.Limit}
	if g := l.signal.Query.Facts().Groups; g > 1 && l.rule.Limit > 0 {
		sd := l.rule.Limit / (evidence.ExpectedNormalRange(g) + math.Sqrt2*quantile(1-f.plan.FalsePass))
		p.Clean = math.Ceil(.25/(sd*sd)) * float64(g) * l.traffic.cluster
		p.Typical = p.Clean
	}
	return l.timed(p)
}

// quantile is that of the standard normal distribution, for p in (0, 1).
func quantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// single says how a rule on a ratio fares that is judged once.
func single(l *Line) *Single {
	b, ok := breachOf(l.rule, l.signal)
	if !ok || !b.above { // a success rule that asks for failures
		return nil
	}
	t := &l.traffic
	s := &Single{Healthy: b.bound / 2}
	s.Fails, s.Thin = b.chance(t.in(t.window)/t.cluster, s.Healthy, l.rule.MinSamples/t.cluster)
	return s
}

// periods says how a rule on a percentile fares that is judged by its worst period,
// or by how many are good.
func periods(l *Line) *Single {
	b, ok := breachOf(l.rule, l.signal)
	if !ok || !b.above {
		return nil
	}
	t := &l.traffic
	s := &Single{Healthy: b.bound / 2}
	hit, empty := b.chance(t.bucket()/t.cluster, s.Healthy, 0)
	n := math.Round(float64(t.buckets(t.window)) * (1 - empty))
	if n < 1 || hit >= 1 {
		return nil
	}
	hit /= 1 - empty
	switch l.rule.Aggregate {
	case rules.Worst:
		s.Fails = -math.Expm1(n * math.Log1p(-hit))
	case rules.Share:
		s.Fails = evidence.AtLeast(math.Floor(n*(1-l.rule.MinShare)+1e-9)+1, n, hit)
		if l.rule.MinShare <= 0 {
			s.Fails = 0
		}
	}
	return s
}
