package evidence

import "math"

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
	case lowerIsNearer(p, a, b):
		lower = min(logBetaDensity(p, a, b)+logLowerFraction(p, a, b), 0)
		return lower, log1mExp(lower)
	}
	upper = min(logBetaDensity(p, a, b)+logUpperFraction(p, a, b), 0)
	return log1mExp(upper), upper
}

// lowerIsNearer says which tail of Beta(a, b) at p logBetaFraction gives.
func lowerIsNearer(p, a, b float64) bool { return p < (a+1)/(a+b+2) }

// log1mExp is log(1-e^v) for v <= 0.
func log1mExp(v float64) float64 {
	if v > -math.Ln2 {
		return math.Log(-math.Expm1(v))
	}
	return math.Log1p(-math.Exp(v))
}

// logLowerFraction is the logarithm of the distribution function of Beta(a, b)
// at p over what logBetaDensity is the logarithm of, for a p where the lower
// tail is nearer.
func logLowerFraction(p, a, b float64) float64 {
	return logBetaFraction(p, a, b, -meanExcess(p, a, b))
}

// logUpperFraction is the same for the complement, where the upper is nearer.
func logUpperFraction(p, a, b float64) float64 {
	return logBetaFraction(1-p, b, a, meanExcess(p, a, b))
}

// logBetaFraction is the logarithm of the continued fraction of the incomplete
// beta function, such that I_p(a,b) is p^a (1-p)^b / B(a,b) times it: the even
// part of Abramowitz and Stegun 26.5.8 in the form of DiDonato and Morris
// (1992), whose terms do not cancel since they take lambda = a-(a+b)p
// from outside, by the modified algorithm of Lentz (1976). For p below
// (a+1)/(a+b+2), the only use, it converges in some sqrt(max(a,b)) steps.
func logBetaFraction(p, a, b, lambda float64) float64 {
	const most = 200_000
	up := max(1+lambda, 2*p) // it is more than 2p but for rounding
	c, d := notZero(a/(a+1)*up), 0.0
	f := 1 / c
	for k := 1.0; k < most; k++ {
		m := a + 2*k - 1
		w := k * (b - k) * p
		alpha := (a + k - 1) / m * (a + b + k - 1) / m * w * p
		beta := k + w/m + (a+k)/(m+2)*(up+k*(2-p))
		d = 1 / notZero(beta+alpha*d)
		c = notZero(beta + alpha/c)
		f /= c * d
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

// shape says whether v may be a parameter of a beta distribution.
func shape(v float64) bool { return v > 1e-9 && v < 1e9 }

// ConfidenceSequence is the interval of rates that x bad among n events do not
// refute at any time: with probability 1-alpha it contains the true rate at every
// look, so it may be watched (Robbins 1970; Darling and Robbins
// 1967). It is the set of p for which the mixture with Beta(a, b) against p
// is below 1/alpha; a = b = 1 or 1/2.
//
// It is [0, 1] (nothing is known) for n = 0, impossible counts, alpha outside
// (0, 1), or a or b not positive and finite.
func ConfidenceSequence(x, n, alpha, a, b float64) (lo, hi float64) {
	x, n, ok := counts(x, n)
	if !ok || !inside(alpha) || !shape(a) || !shape(b) {
		return 0, 1
	}
	refuted := mixtureRefutes(x, n, alpha, a, b)
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

// mixtureRefutes says of a rate p whether the mixture with Beta(a, b) against it
// has reached 1/alpha with x bad of n. It computes relative to a rate in the
// middle of the plausible ones, because the likelihoods themselves would cancel.
func mixtureRefutes(x, n, alpha, a, b float64) func(p float64) bool {
	mid := clamp((x+a)/(n+a+b), 1e-300, 1-1e-16)
	atMid := logBetaDensity(mid, a, b) - logBetaDensity(mid, x+a, n-x+b) + math.Log(alpha)
	return func(p float64) bool {
		switch {
		case p <= 0:
			return x > 0
		case p >= 1:
			return x < n
		}
		return atMid+x*logQuotient(mid, p, mid-p)+(n-x)*logQuotient(1-mid, 1-p, p-mid) >= 0
	}
}
