package evidence

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// wilsonZ is the score interval at z standard errors for x bad among n events,
// without correction for continuity (Wilson 1927, "Probable inference, the law of
// succession, and statistical inference"). The lower end comes from the product of
// the two roots, which does not cancel. It is [0, 1] for n = 0 or impossible counts.
func wilsonZ(x, n, z float64) (lo, hi float64) {
	x, n, ok := counts(x, n)
	if !ok {
		return 0, 1
	}
	p, k := x/n, z*z/n
	if x < n {
		hi = min((p+k/2+math.Sqrt(k*(p*(1-p)+k/4)))/(1+k), 1)
	} else {
		hi = 1
	}
	if x > 0 {
		lo = min(p*p/((1+k)*hi), p, hi)
	}
	return lo, hi
}

// ClopperPearson is the exact interval for x bad among n events: its coverage is
// at least conf for every true rate (Clopper and Pearson 1934), with at most
// (1-conf)/2 left out on each side. It holds for one planned look, such as the end
// of a window; for continuous watching use ConfidenceSequence. It is exact to ten
// digits up to n = 10^9 at least.
//
// It is [0, 1] (nothing is known) for n = 0, impossible counts, or a conf outside
// (0, 1).
func ClopperPearson(x, n, conf float64) (lo, hi float64) {
	x, n, ok := counts(x, n)
	if !ok || !inside(conf) {
		return 0, 1
	}
	hi = 1
	tail := (1 - conf) / 2
	if x > 0 {
		lo = betaQuantile(x, n-x+1, tail, false)
	}
	if x < n {
		hi = betaQuantile(x+1, n-x, tail, true)
	}
	return min(lo, hi), hi
}

// normalQuantile is the quantile of the standard normal distribution, with
// p moved into what float64 can tell from 0 and 1.
func normalQuantile(p float64) float64 {
	return mathext.NormalQuantile(clamp(p, 1e-300, 1-1e-16))
}

// normalTail is the probability that a standard normal exceeds z.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }
