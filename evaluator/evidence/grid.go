package evidence

import (
	"math"
	"sort"
)

// LogGrid is the log e-value of x bad among n events against "the rate is at
// most p0", for alternatives p above p0 with weights w (or "at least p0", for
// alternatives below): the mixture of the likelihood ratios, Robbins' method
// of mixtures (Robbins 1970, "Statistical methods related to the law of the
// iterated logarithm") on a grid. For a true rate q on the null's side each
// event multiplies the e-value by a mean of 1 + (q-p0)(p-p0)/(p0(1-p0)) <= 1.
// With all alternatives above p0, one more bad event, instead of a good one or in
// addition, never lowers it. With alternatives on both sides that is not promised.
//
// It is 0 (no evidence) for n = 0, impossible counts, or p0 outside (0, 1). An
// alternative outside [0, 1], or one without a positive weight, is left out.
func LogGrid(x, n, p0 float64, p, w []float64) float64 {
	x, n, ok := counts(x, n)
	if !ok || !inside(p0) {
		return 0
	}
	terms := make([]float64, 0, 8)
	for j := range min(len(p), len(w)) {
		if p[j] >= 0 && p[j] <= 1 && w[j] > 0 {
			terms = append(terms, math.Log(w[j])+logRatio(x, n, p[j], p0))
		}
	}
	return logSum(terms)
}

// logRatio is the log likelihood ratio of p against p0 for x bad of n.
func logRatio(x, n, p, p0 float64) float64 {
	return xlog(x, p/p0) + xlog1m(n-x, p) - xlog1m(n-x, p0)
}

// MinuteBets is the log e-value against "in every minute the mean bad share is
// at most p0": the mean over frac of the wealth of a gambler who stakes the
// fraction frac on each minute's share x/n (Waudby-Smith and Ramdas 2024),
// without a mixture over the start. A minute without events, or with impossible
// counts, changes nothing. frac is in [0, 1); others are left out.
//
// It is 0 if p0 is not in (0, 1) or no fraction is valid.
func MinuteBets(n, x []float64, p0 float64, frac []float64) float64 {
	if !inside(p0) {
		return 0
	}
	terms := make([]float64, 0, 8)
	for _, f := range frac {
		if f >= 0 && f < 1 {
			terms = append(terms, minuteWealth(n, x, p0, f))
		}
	}
	if len(terms) == 0 {
		return 0
	}
	return logSum(terms) - math.Log(float64(len(terms)))
}

// minuteWealth is the log wealth of one fraction over all minutes.
func minuteWealth(n, x []float64, p0, frac float64) float64 {
	sum := 0.0
	for t := range min(len(n), len(x)) {
		if bad, all, ok := counts(x[t], n[t]); ok {
			sum += logBet(bad/all, p0, frac)
		}
	}
	return sum
}

// logBet is the log of what one minute with the bad share r multiplies the
// wealth by.
func logBet(r, p0, frac float64) float64 { return math.Log1p(frac * (r/p0 - 1)) }

// Merge is the log of the weighted arithmetic mean of e-values, the only way
// of merging them that holds under every dependence (Vovk and Wang 2021,
// "E-values: calibration, combination and applications"). The weights should
// sum to at most 1. An e-value that is NaN, or whose weight is not positive,
// counts as 0; without any, the result is -Inf.
func Merge(logE, w []float64) float64 {
	terms := make([]float64, 0, 8)
	for j := range min(len(logE), len(w)) {
		if w[j] > 0 && !math.IsNaN(logE[j]) {
			terms = append(terms, math.Log(w[j])+logE[j])
		}
	}
	return logSum(terms)
}

// AlwaysValidP is the p-value that may be read at any time: 1 over the
// greatest e-value so far, at most 1 (Johari, Pekelis and Walsh 2015, after
// Ville 1939). maxLogE is the greatest log e-value so far; NaN gives 1.
func AlwaysValidP(maxLogE float64) float64 {
	if !(maxLogE > 0) {
		return 1
	}
	return math.Exp(-maxLogE)
}

// EBH returns the indices, ascending, of the hypotheses that the e-value form
// of Benjamini and Hochberg's procedure rejects at false discovery rate alpha
// (Wang and Ramdas 2022): the k greatest, for the greatest k such that the
// k-th greatest e-value is at least K/(k alpha). It holds under every
// dependence. An alpha that is not in (0, 1), or a NaN, rejects nothing.
func EBH(logE []float64, alpha float64) []int {
	if !inside(alpha) {
		return nil
	}
	order := make([]int, 0, len(logE))
	for i, v := range logE {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return logE[order[a]] > logE[order[b]] })
	for k := len(order); k > 0; k-- {
		if logE[order[k-1]] >= math.Log(float64(len(logE))/(float64(k)*alpha)) {
			rejected := order[:k]
			sort.Ints(rejected)
			return rejected
		}
	}
	return nil
}
