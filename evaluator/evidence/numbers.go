package evidence

import "math"

// logZero stands for the logarithm of 0. It is finite, so that a state can be
// stored in an encoding without infinities. A number added to it is lost in
// rounding, as it should be.
const logZero = -math.MaxFloat64

// maxCount bounds the events of one period: above it float64 has no longer
// every whole number. A period with more is ignored.
const maxCount = 1 << 53

// slack is how far from a whole number a count may be and still be taken for it:
// a count derived from a percentage has the rounding errors of two operations.
const slack = 1e-6

// logAdd returns log(e^a + e^b).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	d := b - a
	if !(d > -40) { // e^-40 is below half a unit in the last place of 1
		return a
	}
	return a + math.Log1p(math.Exp(d))
}

// logSum returns log(sum of e^terms), and -Inf for no terms. It subtracts the
// greatest term first, so that it neither overflows nor loses small sums.
func logSum(terms []float64) float64 {
	top := math.Inf(-1)
	for _, v := range terms {
		top = max(top, v)
	}
	if math.IsInf(top, 0) || math.IsNaN(top) {
		return orZero(top)
	}
	sum := 0.0
	for _, v := range terms {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

// orZero replaces NaN by logZero.
func orZero(logE float64) float64 {
	if math.IsNaN(logE) {
		return math.Inf(-1)
	}
	return logE
}

// xlog returns x*log(v), and 0 where x is 0 whatever v is.
func xlog(x, v float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(v)
}

// xlog1m returns x*log(1-v), and 0 where x is 0 whatever v is.
func xlog1m(x, v float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log1p(-v)
}

// logQuotient is log(v/w) for positive v and w, given v - w, which decides how
// exact it is where they are close.
func logQuotient(v, w, difference float64) float64 {
	if math.Abs(difference) < w/2 {
		return math.Log1p(difference / w)
	}
	return math.Log(v) - math.Log(w)
}

// inside says whether p is a probability that is neither 0 nor 1.
func inside(p float64) bool { return p > 0 && p < 1 }

// clamp returns v within [lo, hi], and lo for NaN.
func clamp(v, lo, hi float64) float64 {
	if !(v > lo) {
		return lo
	}
	return min(v, hi)
}

// wholeDown is the count for evidence of failure: a fractional count is an
// interpolation, and what is uncertain must not roll back.
func wholeDown(bad float64) float64 { return math.Floor(bad + slack) }

// wholeUp is the count for evidence of health.
func wholeUp(bad float64) float64 { return math.Ceil(bad - slack) }

// counts returns x and n as a valid pair with 0 <= x <= n, and whether they
// are one: n must be positive and finite and x a number that is not negative.
// An x above n, which an interpolated count can be, is n.
func counts(x, n float64) (float64, float64, bool) {
	if !(n > 0) || n > maxCount || !(x >= 0) {
		return 0, 0, false
	}
	return min(x, n), n, true
}
