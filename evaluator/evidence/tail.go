package evidence

import "math"

// AtLeast is the probability that at least x of n events are bad if each is bad
// with probability p: the upper tail of the binomial distribution, by the
// regularized incomplete beta function (Abramowitz and Stegun 26.5.24). It is 1
// for x <= 0 and for impossible counts or p.
func AtLeast(x, n, p float64) float64 {
	x, n, ok := counts(x, n)
	if !ok || x <= 0 || !inside(p) {
		return 1
	}
	lower, _ := logBetaTails(p, x, n-x+1)
	return math.Exp(lower)
}
