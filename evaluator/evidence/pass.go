package evidence

import "math"

// passShares and passWeights are the alternatives of the evidence of health, as
// shares of the rate to be excluded.
var (
	passShares  = [...]float64{1. / 20, 1. / 5, 1. / 2}
	passWeights = [...]float64{.4, .4, .2}
)

// PassLogE is the log e-value against "the bad rate is at least p0": evidence
// that a release meets the rate p0, by LogGrid with alternatives p0/20, p0/5
// and p0/2. A fractional x counts as the whole number above.
//
// phi is the factor by which bad events come in clusters (see [Spread.Phi]), by
// which the log e-value is divided: E^(1/phi) is a supermartingale too (Jensen
// 1906), and wins no more than independent clusters of phi would. A phi below
// 1 is 1. At a given n each further bad event lowers it.
//
// It is 0 (no evidence) for n = 0, impossible counts, p0 outside (0, 1) or a phi
// that is NaN.
func PassLogE(x, n, p0, phi float64) float64 {
	x, n, ok := counts(x, n)
	if !ok || !inside(p0) || math.IsNaN(phi) {
		return 0
	}
	x = min(wholeUp(x), n)
	var terms [len(passShares)]float64
	for j, share := range passShares {
		terms[j] = math.Log(passWeights[j]) + logRatio(x, n, share*p0, p0)
	}
	return logSum(terms[:]) / clamp(phi, 1, maxCount)
}

// practical is the number of events beyond which planning says "never".
const practical = 1e9

// NeedCleanToPass is how many more good events in a row bring PassLogE to
// ln(1/alpha), given x bad of n so far. ok is false if a thousand million are not
// enough, or an argument is out of range.
func NeedCleanToPass(p0, n, x, alpha, phi float64) (more float64, ok bool) {
	if !(n >= 0) || !(x >= 0) || !inside(p0) || !inside(alpha) {
		return math.Inf(1), false
	}
	passes := func(k float64) bool { return CanPass(p0, n, x, k, alpha, phi) }
	if passes(0) {
		return 0, true
	}
	if !passes(practical) {
		return math.Inf(1), false
	}
	k := last(0, practical, func(k int) bool { return !passes(float64(k)) })
	return float64(k + 1), true
}

// last returns the greatest k of [lo, hi] for which holds is true; it is true
// at lo and, once false, stays so.
func last(lo, hi int, holds func(int) bool) int {
	for lo < hi {
		mid := lo + (hi-lo+1)/2
		if holds(mid) {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// CanPass says whether PassLogE would reach ln(1/alpha) if all the remaining
// events were good. If not, it is certain now that this window cannot pass. It is
// false if an argument is out of range.
func CanPass(p0, n, x, remaining, alpha, phi float64) bool {
	if !(remaining >= 0) || !inside(alpha) {
		return false
	}
	return PassLogE(x, n+remaining, p0, phi) >= -math.Log(alpha)
}

// mostSamples is the longest run that SamplesToPass follows.
const mostSamples = 50_000

// SamplesToPass is the number of independent events within which a release
// with a true bad rate of trueRate passes with probability q: PassLogE, looked
// at after every event, excludes the rate p0 at level alpha. It is exact, by
// carrying the distribution of the bad count of the runs that have not passed
// (Armitage, McPherson and Rowe 1969).
//
// ok is false if 50,000 events are not enough, or an argument is out of range;
// samples is then 0.
func SamplesToPass(p0, trueRate, alpha, q float64) (samples int, ok bool) {
	if !inside(p0) || !inside(alpha) || !inside(q) || !(trueRate >= 0 && trueRate < p0) {
		return 0, false
	}
	w := walk{rate: trueRate, mass: []float64{1}}
	passed, edge, want := 0.0, -1, -math.Log(alpha) // runs with at most edge bad events pass
	for n := 1; n <= mostSamples; n++ {
		w.step()
		for PassLogE(float64(edge+1), float64(n), p0, 1) >= want {
			edge++
		}
		if passed += w.take(edge); passed >= q {
			return n, true
		}
	}
	return 0, false
}

// walk is the distribution of a count of bad events: mass[i] is the
// probability of low+i.
type walk struct {
	rate float64
	low  int
	mass []float64
}

// step adds one event.
func (w *walk) step() {
	carry := 0.0
	for i, m := range w.mass {
		w.mass[i] = m*(1-w.rate) + carry
		carry = m * w.rate
	}
	if carry > 1e-14 {
		w.mass = append(w.mass, carry)
	}
}

// take removes the counts up to edge and returns their probability.
func (w *walk) take(edge int) float64 {
	sum := 0.0
	for len(w.mass) > 0 && w.low <= edge {
		sum += w.mass[0]
		w.mass = w.mass[1:]
		w.low++
	}
	return sum
}
