package evidence

import "math"

// rungs is the number of alternatives of a Ladder. The last one differs from the
// rate to be excluded by 2^-14 of it: to tell less from chance takes more than
// 10^9 bad events.
const rungs = 16

// The first alternatives of a Ladder, as distances from the rate to be excluded in
// shares of it, and their weights. Each later alternative halves the distance, and
// takes half of the weight that is left. The first two decide how soon a release
// without failures passes, the next five how soon one near its target does, the rest
// make the proof come at any rate.
var (
	firstGaps    = [...]float64{.95, .8, 1. / 2, 1. / 4, 1. / 8, 1. / 16, 1. / 32}
	firstWeights = [...]float64{.285, .275, .155, .09, .065, .055, .05}
)

// Ladder is the evidence that a bad rate is on one side of p0, whatever the rate
// is: the mixture of the likelihood ratios of alternatives that come ever nearer to
// p0 (Robbins 1970, "Statistical methods related to the law of the iterated
// logarithm"; the mixture over a sequence that converges to the boundary is that of
// Robbins and Siegmund 1974, "The expected sample size of some tests of power
// one"). Its weights sum to less than 1.
//
// If the rate is on the other side of p0, the mean of each event's factor is at most
// 1 (see LogGrid), so that the log e-value ever reaches ln(1/alpha) with a
// probability of at most alpha (Ville 1939). If it is on this side, the log e-value
// grows by KL(rate, p0) an event less what the nearest alternative loses, at most a
// ninth of it. It begins at the logarithm of that alternative's weight, so that the
// proof comes after some (ln(1/alpha) + ln(1/weight)) / KL(rate, p0) events: between
// 1.2 and 1.8 times ln(1/alpha)/KL for an alpha of 5 % and rates up to 0.95 of p0.
//
// It is a function of two sums, so that nothing has to be kept between looks. A
// Ladder has no state and may be shared. One for a p0 outside (0, 1) never has
// evidence.
type Ladder struct {
	inert bool
	logW  [rungs]float64
	bad   [rungs]float64 // log(p_j/p0)
	good  [rungs]float64 // log((1-p_j)/(1-p0))
}

// NewBelow is the evidence that the bad rate is below p0.
func NewBelow(p0 float64) *Ladder { return newLadder(p0, -p0) }

// NewAbove is the evidence that the bad rate is above p0.
func NewAbove(p0 float64) *Ladder { return newLadder(p0, min(p0, 1-p0)) }

func newLadder(p0, span float64) *Ladder {
	l := &Ladder{inert: !inside(p0)}
	if l.inert {
		return l
	}
	gap, weight, left := 1., 0., 1.
	for j := range l.logW {
		if j < len(firstGaps) {
			gap, weight = firstGaps[j], firstWeights[j]
		} else {
			gap, weight = gap/2, left/2
		}
		left -= weight
		l.logW[j] = math.Log(weight)
		// Of the difference of two logarithms of neighbours only the first digits would
		// be left.
		d := gap * span
		l.bad[j], l.good[j] = math.Log1p(d/p0), math.Log1p(-d/(1-p0))
	}
	return l
}

// LogE is the log e-value of x bad among n events that the rate is on the ladder's
// side of p0. More bad events, instead of good ones or in addition, never raise it for
// NewBelow. The caller rounds a fractional x against what is to be proven.
//
// phi is the factor by which bad events come in clusters (see [Window.Caution]), by
// which the log e-value is divided: E^(1/phi) is a supermartingale too (Jensen
// 1906), and wins no more than independent clusters of phi would. Below 1 it is 1.
//
// It is 0 (no evidence) for n = 0, impossible counts, or a phi that is NaN.
func (l *Ladder) LogE(x, n, phi float64) float64 {
	x, n, ok := counts(x, n)
	if !ok || l.inert || math.IsNaN(phi) {
		return 0
	}
	var terms [rungs]float64
	for j := range terms {
		terms[j] = l.logW[j] + x*l.bad[j] + (n-x)*l.good[j]
	}
	return logSum(terms[:]) / clamp(phi, 1, maxCount)
}

// CanPass says whether LogE would reach ln(1/alpha) if all the remaining events
// were good. If not, it is certain now that this window cannot pass. It is false if an
// argument is out of range.
func (l *Ladder) CanPass(x, n, remaining, alpha, phi float64) bool {
	if !(remaining >= 0) || !inside(alpha) {
		return false
	}
	return l.LogE(x, n+remaining, phi) >= -math.Log(alpha)
}

// NeedClean is how many more good events in a row bring LogE to ln(1/alpha), given x
// bad of n so far. ok is false if a thousand million are not enough, or an argument is
// out of range.
func (l *Ladder) NeedClean(x, n, alpha, phi float64) (more float64, ok bool) {
	if !(n >= 0) || !(x >= 0) || !inside(alpha) {
		return math.Inf(1), false
	}
	passes := func(k float64) bool { return l.CanPass(x, n, k, alpha, phi) }
	if passes(0) {
		return 0, true
	}
	if !passes(practical) {
		return math.Inf(1), false
	}
	k := last(0, practical, func(k int) bool { return !passes(float64(k)) })
	return float64(k + 1), true
}

// Samples is the number of independent events within which a release with a bad rate
// of trueRate is proven to be below p0 with probability q, at level alpha, if it is
// looked at after every event. It is exact, by carrying the distribution of the bad
// count of the runs that have not passed (Armitage, McPherson and Rowe 1969).
//
// ok is false if 50,000 events are not enough, an argument is out of range, or the ladder
// is one of NewAbove; samples is then 0.
func (l *Ladder) Samples(trueRate, alpha, q float64) (samples int, ok bool) {
	if l.inert || !inside(alpha) || !inside(q) || !(trueRate >= 0 && trueRate < 1) {
		return 0, false
	}
	w := walk{rate: trueRate, mass: []float64{1}}
	passed, edge, want := 0.0, -1, -math.Log(alpha) // runs with at most edge bad events pass
	for n := 1; n <= mostSamples; n++ {
		w.step()
		for float64(edge) < float64(n) && l.LogE(float64(edge+1), float64(n), 1) >= want {
			edge++
		}
		if passed += w.take(edge); passed >= q {
			return n, true
		}
	}
	return 0, false
}
