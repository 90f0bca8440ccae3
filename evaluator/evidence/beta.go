package evidence

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// logBetaTails returns the logarithms of the distribution function of
// Beta(a, b) at p and of its complement. The nearer tail comes from a
// continued fraction and keeps its relative precision however small it is;
// mathext.RegIncBeta would underflow to 0 long before the evidence of a day.
func logBetaTails(p, a, b float64) (lower, upper float64) {
	switch {
	case !(p > 0):
		return math.Inf(-1), 0
	case p >= 1:
		return 0, math.Inf(-1)
	}
	front := a*math.Log(p) + b*math.Log1p(-p) - mathext.Lbeta(a, b)
	if p < (a+1)/(a+b+2) {
		lower = min(front-math.Log(a)+logBetaFraction(p, a, b), 0)
		return lower, log1mExp(lower)
	}
	upper = min(front-math.Log(b)+logBetaFraction(1-p, b, a), 0)
	return log1mExp(upper), upper
}

// log1mExp is log(1-e^v) for v <= 0.
func log1mExp(v float64) float64 {
	if v > -math.Ln2 {
		return math.Log(-math.Expm1(v))
	}
	return math.Log1p(-math.Exp(v))
}

// logBetaFraction is the logarithm of the continued fraction of the incomplete
// beta function (Abramowitz and Stegun 26.5.8), such that I_p(a,b) is p^a
// (1-p)^b / (a B(a,b)) times it, by the modified algorithm of Lentz (1976).
// For p below about (a+1)/(a+b+2), the only use, it converges in some
// sqrt(max(a,b)) steps.
func logBetaFraction(p, a, b float64) float64 {
	const most = 200_000
	f, c, d := 1.0, 1.0, 1-(a+b)*p/(a+1)
	d = 1 / notZero(d)
	f = d
	for k := 1.0; k < most; k++ {
		even := k * (b - k) * p / ((a + 2*k - 1) * (a + 2*k))
		d = 1 / notZero(1+even*d)
		c = notZero(1 + even/c)
		f *= c * d
		odd := -(a + k) * (a + b + k) * p / ((a + 2*k) * (a + 2*k + 1))
		d = 1 / notZero(1+odd*d)
		c = notZero(1 + odd/c)
		f *= c * d
		if math.Abs(c*d-1) < 3e-16 {
			break
		}
	}
	return math.Log(f)
}

// notZero keeps a divisor of Lentz' algorithm away from 0.
func notZero(v float64) float64 {
	if math.Abs(v) < 1e-300 {
		return 1e-300
	}
	return v
}

// betaQuantile is where the distribution function of Beta(a, b) reaches tail,
// or with upper where its complement does. It bisects the logarithm of p, so
// that small quantiles keep their relative precision.
func betaQuantile(a, b, tail float64, upper bool) float64 {
	want := math.Log(tail)
	return math.Exp(bisect(-745, 0, func(logP float64) bool {
		lo, up := logBetaTails(math.Exp(logP), a, b)
		if upper {
			return up < want
		}
		return lo > want
	}))
}

// bisect returns where beyond, which is false at lo and true at hi, changes,
// to the last place.
func bisect(lo, hi float64, beyond func(float64) bool) float64 {
	for {
		mid := lo + (hi-lo)/2
		if mid <= lo || mid >= hi {
			return mid
		}
		if beyond(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
}

// LogBetaTruncated is the log e-value of x bad among n events against "the
// rate is at most p0", with the alternatives mixed by Beta(a, b) cut off to
// (p0, 1]: Robbins' mixture (1970) with a continuous weight. With a = b = 1/2
// it needs no idea of the size of a fault.
//
// It is 0 (no evidence) for counts that cannot be, p0 outside (0, 1), or a or
// b not positive and finite.
func LogBetaTruncated(x, n, p0, a, b float64) float64 {
	x, n, ok := counts(x, n)
	if !ok || !inside(p0) || !shape(a) || !shape(b) {
		return 0
	}
	alpha, beta := x+a, n-x+b
	_, prior := logBetaTails(p0, a, b)
	prior += mathext.Lbeta(a, b)
	if p0 >= (alpha+1)/(alpha+beta+2) {
		// The powers of p0 cancel against the null's likelihood, all but a and b.
		post := a*math.Log(p0) + b*math.Log1p(-p0) - math.Log(beta) + logBetaFraction(1-p0, beta, alpha)
		return orZero(post - prior)
	}
	_, post := logBetaTails(p0, alpha, beta)
	return orZero(post + mathext.Lbeta(alpha, beta) - x*math.Log(p0) - (n-x)*math.Log1p(-p0) - prior)
}

// shape says whether v may be a parameter of a beta distribution.
func shape(v float64) bool { return v > 1e-9 && v < 1e9 }

// ConfidenceSequence is the interval of rates that x bad among n events do not
// refute at any time: it holds the true rate at all looks together with
// probability 1-alpha, so it may be watched (Robbins 1970; Darling and Robbins
// 1967). It is the set of p for which the mixture with Beta(a, b) against p
// is below 1/alpha; a = b = 1 or 1/2.
//
// It is [0, 1] (nothing is known) for n = 0, counts that cannot be, alpha
// outside (0, 1), or a or b not positive and finite.
func ConfidenceSequence(x, n, alpha, a, b float64) (lo, hi float64) {
	x, n, ok := counts(x, n)
	if !ok || !inside(alpha) || !shape(a) || !shape(b) {
		return 0, 1
	}
	wealth := mathext.Lbeta(x+a, n-x+b) - mathext.Lbeta(a, b) + math.Log(alpha)
	refuted := func(p float64) bool { return wealth-xlog(x, p)-xlog1m(n-x, p) >= 0 }
	hi = 1
	if x > 0 {
		top := math.Log(x / n)
		lo = math.Exp(-bisect(-top, 1e5, func(v float64) bool { return refuted(math.Exp(-v)) }))
	}
	if x < n {
		hi = -math.Expm1(-bisect(-math.Log1p(-x/n), 1e5, func(v float64) bool { return refuted(-math.Expm1(-v)) }))
	}
	return lo, hi
}
