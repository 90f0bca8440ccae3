package power

import (
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// rollback fills in how a rollback rule finds faults, and what it takes for one.
func (f *forecaster) rollback(l *Line, k, i int) {
	switch {
	case l.rule.Method == rules.Sequential && l.signal.Kind == rules.Ratio:
		f.thinRollback(l)
		l.Detect = f.found(l, l.rule.Trigger, func(rate float64) Detection { return f.weighs(l, k, i, rate) })
		l.Beside = f.beside(l)
	case l.rule.Method == rules.Sequential && l.signal.Kind == rules.Mean:
		l.Detect = ratedDown(l)
	case l.rule.Method == rules.Sequential && l.signal.Kind == rules.Gauge:
		l.Detect = gapped(l)
	case l.signal.Kind == rules.Ratio, l.signal.Kind == rules.Percentile:
		f.compares(l)
	}
}

// thinRollback says so where a rule cannot get its min_samples in the window.
func (f *forecaster) thinRollback(l *Line) {
	all := newCounts(l.traffic.in(l.traffic.window))
	if least := math.Ceil(l.rule.MinSamples); least > 0 && all.atMost(least-1) > .5 {
		l.Blind = "min_samples"
	}
}

// found is how faults at the trigger and at twice the trigger are found.
func (f *forecaster) found(l *Line, trigger float64, at func(rate float64) Detection) []Detection {
	var all []Detection
	for _, rate := range faults(l.rule, trigger) {
		all = append(all, at(rate))
	}
	return all
}

// faults are the true rates that a rule should find. Where limit and trigger are
// one, a fault at the trigger is a good release.
func faults(r *rules.Rule, trigger float64) []float64 {
	worse := min(2*trigger, (1+trigger)/2)
	if r.Method == rules.ByThreshold || trigger > r.Limit {
		return []float64{trigger, worse}
	}
	return []float64{worse}
}

// compares forecasts a rule that compares values with its threshold.
func (f *forecaster) compares(l *Line) {
	b, ok := breachOf(l.rule, l.signal)
	if !ok || !b.above || l.traffic.buckets(l.traffic.window) < 1 {
		return
	}
	p := patternOf(l)
	p.breach = b
	if l.signal.Kind == rules.Percentile {
		p.width = 1 // its worst period is one period
	}
	if _, thin := p.value(b.bound); thin > .95 {
		l.Blind = "min_samples"
		return
	}
	l.Detect = f.found(l, b.bound, p.detect)
	healthy := f.healthy(l, b) / 2
	hit, _ := p.value(healthy)
	l.False = &Chance{Healthy: healthy, Each: hit, Window: *p.detect(healthy).Power}
}

// healthy is the limit that a good release keeps on the rule's signal, as far as the
// plan says, else the rule's own threshold.
func (f *forecaster) healthy(l *Line, own breach) float64 {
	limit := own.bound
	for i := range f.plan.Rules {
		r := &f.plan.Rules[i]
		if r.Kind != rules.Success || r.Signal != l.rule.Signal || l.signal.Kind == rules.Percentile {
			continue
		}
		if b, ok := breachOf(r, l.signal); ok && b.above {
			limit = min(limit, b.bound)
		}
	}
	return limit
}

// ratedDown is after how many ratings a mean at the trigger, or half a star below
// it, has shown itself.
func ratedDown(l *Line) []Detection {
	r, t := l.rule, &l.traffic
	var all []Detection
	for _, mean := range []float64{r.Trigger, max(r.Trigger-.5, 1)} {
		if mean >= r.Limit || !(r.Alpha > 0) {
			continue
		}
		n := drift(ratings(mean), func(s evidence.Stars) bool {
			return evidence.RatingBelow(s, r.Limit, evidence.RatingFracs[:]) >= -math.Log(r.Alpha)
		})
		all = append(all, Detection{Rate: mean, Minutes: minutes(t, n)})
	}
	return all
}

// gapped is after how many samples a gap of twice the trigger has shown itself: the
// one-sided interval of the difference between two of the groups has to lie above
// the trigger, at the level of the rule split over all pairs.
func gapped(l *Line) []Detection {
	g, r := float64(l.signal.Query.Facts().Groups), l.rule
	if g < 2 || !(r.Trigger > 0) || !(r.Alpha > 0) || r.Trigger >= .5 {
		return nil
	}
	z := quantile(1 - r.Alpha/(g*(g-1)))
	each := math.Pow(z/r.Trigger, 2) / 2
	return []Detection{{Rate: 2 * r.Trigger, Minutes: minutes(&l.traffic, math.Ceil(each)*g*l.traffic.cluster)}}
}

// minutes is how long so many samples take, 0 when that is no practical time.
func minutes(t *traffic, samples float64) float64 {
	if m := samples / t.rate / 60; m < 60*87600 {
		return m
	}
	return 0
}

// weighs simulates a rule that weighs evidence under a fault.
func (f *forecaster) weighs(l *Line, k, i int, rate float64) Detection {
	t, r := &l.traffic, l.rule
	first, last, later := f.named(i)
	horizon := last - first
	c := course{
		limit: r.Limit, trigger: r.Trigger, alpha: r.Alpha, rate: rate,
		bucket: t.bucket() / t.cluster, looks: t.buckets(t.window), horizon: int(horizon / t.period.Seconds()),
		aside: f.plan.BurstPeriods(r), floor: int(r.For / t.period), least: r.MinSamples / t.cluster, later: later,
		begun: f.plan.Phases[k].Start.Seconds() > first,
	}
	key := courseKey(c)
	d, ok := f.courses[key]
	if !ok {
		d = c.detect()
		f.courses[key] = d
	}
	d.Minutes = d.Minutes*t.period.Minutes() + 0
	if d.Minutes > 0 {
		d.Minutes += t.skip.Minutes()
	}
	return d
}

// named is where a rule's watch begins and ends on the plan's clock, in seconds, and
// how many phases name it after the first.
func (f *forecaster) named(i int) (first, last float64, later int) {
	first, later = math.Inf(1), -1
	for k := range f.plan.Phases {
		p := &f.plan.Phases[k]
		if slices.Contains(p.Rollback, i) || slices.Contains(p.Success, i) {
			first = min(first, p.Start.Seconds())
			later++
		}
		last = max(last, (p.Start + p.Window).Seconds())
	}
	return first, last, max(later, 0)
}
