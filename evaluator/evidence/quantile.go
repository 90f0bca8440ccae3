package evidence

import "math"

// OrderInterval is an interval of a quantile by order statistics: the Lo-th and
// the Hi-th smallest of n values, counted from 1. Lo = 0 means no lower end,
// Hi = n+1 no upper end.
type OrderInterval struct {
	Lo, Hi   int
	Coverage float64 // exact probability that the interval holds the quantile
}

// QuantileOrder is the narrowest interval of order statistics of n values that
// leaves out the q-quantile with probability at most (1-conf)/2 on each side,
// by exact binomial probabilities and without any assumption about the
// distribution (Thompson 1936; David and Nagaraja 2003, "Order statistics",
// 7.1).
//
// It is the whole line, with coverage 1, for n < 1 or q or conf outside (0, 1).
func QuantileOrder(n int, q, conf float64) OrderInterval {
	if n < 1 || !inside(q) || !inside(conf) {
		return OrderInterval{Lo: 0, Hi: max(n, 0) + 1, Coverage: 1}
	}
	tail := (1 - conf) / 2 * (1 + 1e-12) // a tie is inside
	lo := last(0, n, func(r int) bool { return binomialBelow(r, n, q) <= tail })
	hi := n + 1 - last(0, n, func(r int) bool { return binomialBelow(r, n, 1-q) <= tail })
	return OrderInterval{Lo: lo, Hi: hi, Coverage: 1 - binomialBelow(lo, n, q) - binomialBelow(n+1-hi, n, 1-q)}
}

// binomialBelow is P(X < r) for X ~ Binomial(n, q), 0 <= r <= n+1.
func binomialBelow(r, n int, q float64) float64 {
	switch {
	case r <= 0:
		return 0
	case r > n:
		return 1
	}
	_, upper := logBetaTails(q, float64(r), float64(n-r+1))
	return math.Exp(upper)
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

// MinUpperQuantile is the smallest number of values for which the greatest is
// an upper confidence limit of the q-quantile: the smallest n with q^n <=
// alpha (Wilks 1941). With fewer values no upper limit exists. It is 0 if q or
// alpha is outside (0, 1).
func MinUpperQuantile(q, alpha float64) int {
	if !inside(q) || !inside(alpha) {
		return 0
	}
	return leastPower(math.Log(q), alpha)
}

// MinZeroFailures is the smallest number of events that, all good, exclude a
// bad rate of p0 at level alpha in one planned look: (1-p0)^n <= alpha; for
// alpha = 5 % about 3/p0 (Hanley and Lippman-Hand 1983). It is 0 if p0 or alpha
// is outside (0, 1).
func MinZeroFailures(p0, alpha float64) int {
	if !inside(p0) || !inside(alpha) {
		return 0
	}
	return leastPower(math.Log1p(-p0), alpha)
}

// leastPower is the smallest n with e^(n logBase) <= alpha, a tie counting.
func leastPower(logBase, alpha float64) int {
	if logBase == 0 { // a base that rounds to 1
		return 0
	}
	n := math.Ceil(math.Log(alpha) / logBase * (1 - 1e-13))
	return int(min(max(n, 1), 1e18))
}

// BreachProbability is the probability that the q-quantile of n values, by
// nearest rank, exceeds a threshold which each value exceeds with probability pi:
// at least need = n - ceil(q n) + 1 of them must. This is what a rule on the p95
// of a minute tests: with pi = 5 % and a handful of requests it is a coin toss.
//
// It is 0, 0 for n < 1, q outside (0, 1) or pi outside [0, 1].
func BreachProbability(n int, q, pi float64) (need int, prob float64) {
	if n < 1 || !inside(q) || !(pi >= 0 && pi <= 1) {
		return 0, 0
	}
	need = n - int(math.Ceil(q*float64(n)-1e-9)) + 1
	return need, binomialBelow(n-need+1, n, 1-pi)
}
