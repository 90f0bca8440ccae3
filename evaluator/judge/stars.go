package judge

import (
	"sort"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Stars weighs a mean of one to five stars: betting on each review.
type Stars struct{}

var starsJudge = EvidenceJudge{Stars{}}

// take waits for what has not settled: the reviews of a day are a sample of nothing before.
func (Stars) take(sc *Scene, w *Watch, z *Weighed, upto, _ int64) {
	upto = min(upto, sc.Signals[w.Rule.Signal].Settled-w.w+1)
	taken := w.take(z, sc.wholePoints(w), nil, upto, nil)
	z.count(taken, sc.Signals[w.Rule.Signal].Parts())
}

func (Stars) look(_ *Scene, _ *Watch, z *Weighed) *Weighed { return z }

func (Stars) harmless(*Scene, *Watch, *Weighed, *Weighing) bool { return false }

func (Stars) prove(w *Watch, z *Weighed, f *proof) {
	f.n = evidence.Stars(z.stars).N()
	f.keeps = evidence.RatingAbove(z.stars, w.Rule.Limit, evidence.RatingFracs[:])
	f.spared = evidence.RatingAbove(z.stars, w.Rule.Trigger, evidence.RatingFracs[:])
}

func (Stars) passes(w *Watch, v *Finding) bool { return w.meets(v.weigh) && v.Proof.enough() }

func (Stars) outlook(sc *Scene, w *Watch, v *Finding, d *fact.Weighed) { Counts{}.outlook(sc, w, v, d) }

// count adds the stars of periods that are taken in: groups of a period without a
// value are no answer.
func (z *Weighed) count(taken []rules.Point, parts []rules.Parts) {
	for i := range taken {
		at := taken[i].At
		k := sort.Search(len(parts), func(k int) bool { return parts[k].At >= at })
		if k == len(parts) || parts[k].At != at {
			continue
		}
		for _, g := range parts[k].Groups {
			if s := StarsOf(g.Name); s > 0 {
				z.stars[s-1] += g.Samples
			}
		}
	}
}

// StarsOf is how many stars a group of reviews has given, 1 to 5, by its name; 0 for another group.
func StarsOf(name string) int {
	if len(name) == 1 && name[0] >= '1' && name[0] <= '5' {
		return int(name[0] - '0')
	}
	return 0
}

func (Stars) weigh(_ *Scene, w *Watch, z *Weighed) Weighing {
	s := evidence.Stars(z.stars)
	v := Weighing{bound: w.Lay.bound, points: int(z.points), from: w.from, to: max(z.newest, w.from), N: s.N()}
	for i, n := range s {
		v.Bad += float64(i+1) * n // the sum: a mean's bad is what its samples add up to
	}
	v.stars = z.stars
	v.hold = evidence.RatingBelow(s, w.Rule.Limit, evidence.RatingFracs[:])
	v.mid = evidence.RatingBelow(s, (w.Rule.Limit+w.Rule.Trigger)/2, evidence.RatingFracs[:])
	switch {
	case v.hold >= v.bound && v.mid >= evidence.MidpointAt:
		v.rung, v.cause = evidence.Firing, rules.CauseEvidence
	case v.hold >= v.bound:
		v.rung, v.cause = evidence.Holding, rules.CauseEvidence
	}
	return v
}

func (Stars) describe(w *Watch, v *Weighing, d *fact.Weighed) {
	s := evidence.Stars(v.stars)
	low, high := evidence.RatingInterval(s, evidence.Stars{.5, .5, .5, .5, .5}, .95)
	avg, _ := evidence.BayesianAverage(s, w.Rule.Limit, fact.PriorReviews)
	d.Low, d.High = low, high
	d.Rating = &fact.Ratings{Stars: v.stars, Average: avg, Low: low, High: high}
}

// ahead is what it takes reviews, if they go on as they are.
func (Stars) ahead(_ *Scene, w *Watch, v *Finding) {
	f, a, s := v.Proof, v.Proof.Ahead, evidence.Stars(v.weigh.stars)
	above := func(bound float64) func(evidence.Stars) float64 {
		return func(s evidence.Stars) float64 { return evidence.RatingAbove(s, bound, evidence.RatingFracs[:]) }
	}
	a.Excludes = MoreLikeThese(s, above(w.Rule.Trigger), f.need)
	a.Proves = MoreLikeThese(s, above(w.Rule.Limit), f.need)
	a.fails = MoreLikeThese(s, func(s evidence.Stars) float64 {
		return evidence.RatingBelow(s, w.Rule.Limit, evidence.RatingFracs[:])
	}, v.weigh.bound)
}

// MostLikeThese is how many times as many reviews as there are now are still
// worth speaking of.
const MostLikeThese = 1000

// MoreLikeThese is how many reviews with the same shares of stars take the
// evidence to what is needed. The logarithm of a mean of bets is convex in their
// number: once it has risen above zero it goes on to rise.
func MoreLikeThese(s evidence.Stars, logE func(evidence.Stars) float64, need float64) want {
	n := s.N()
	enough := func(more int) bool {
		then := s
		for i := range then {
			then[i] *= 1 + float64(more)/n
		}
		return logE(then) >= need
	}
	most := int(min(n*MostLikeThese, 1e12))
	more := sort.Search(most, enough)
	return want{More: float64(more), Never: more == most}
}
