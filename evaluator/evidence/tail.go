package evidence

import "gonum.org/v1/gonum/mathext"

// AtLeast is how likely it is that at least x of n events are bad when each is
// with probability p: the upper tail of the binomial distribution, by the
// regularized incomplete beta function. It is 1 for x <= 0 and for counts or a p
// that cannot be.
func AtLeast(x, n, p float64) float64 {
	x, n, ok := counts(x, n)
	if !ok || x <= 0 || !inside(p) {
		return 1
	}
	return clamp(mathext.RegIncBeta(x, n-x+1, p), 0, 1)
}
