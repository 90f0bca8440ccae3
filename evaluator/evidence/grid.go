package evidence

import "math"

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
