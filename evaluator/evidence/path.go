package evidence

import "math"

// Start is the prior of when a fault begins in a window of Window looks: First
// for the first look and the rest of 1 spread evenly over the others. A look
// without events keeps its part.
type Start struct {
	Window int     // looks in the window; at least 1
	First  float64 // in [0, 1]
}

// Weight is the omega of look i, the first being 0. Beyond the window it stays the
// same as inside, so a series longer than Window is not an e-process.
func (s Start) Weight(i int) float64 {
	first := clamp(s.First, 0, 1)
	if i <= 0 {
		return first
	}
	if s.Window < 2 {
		return 0
	}
	return (1 - first) / float64(s.Window-1)
}

// LRPath is the log e-value after each minute of the likelihood ratio mixture
// with an unknown start: S_j <- (S_j + omega)·LR_j, E = sum of w_j S_j, where
// LR_j is the minute's likelihood ratio of p[j] against p0 (Shiryaev 1963,
// Roberts 1966, Pollak 1985, "Optimal detection of a change in distribution").
//
// With dropWorst, each S_j is replaced by its value without the one minute that
// speaks most for a fault: the recursion D_j <- min((D_j + omega)·LR_j,
// S_j + omega), where the second term leaves out the present minute. It is never
// above S_j, so it is an e-process too.
//
// Unlike with Look, a minute without events still uses its start weight. Minutes
// beyond the shorter of n and x are ignored; a minute with impossible counts is
// one without events. The result is empty if p0 is not in (0, 1).
func LRPath(n, x []float64, p0 float64, p, w []float64, start Start, dropWorst bool) []float64 {
	if !inside(p0) {
		return nil
	}
	size := min(len(p), len(w))
	factor := func(j int, bad, all float64) float64 { return logRatio(bad, all, p[j], p0) }
	return path(n, x, w[:size], start, dropWorst, factor)
}

// MBPath is as LRPath for betting on the bad share of each minute, with
// fractions frac of the stake in [0, 1): S_j <- (S_j + omega)(1 +
// frac_j/p0 (x/n - p0)). See [Test.Hold] for its source.
func MBPath(n, x []float64, p0 float64, frac, w []float64, start Start) []float64 {
	if !inside(p0) {
		return nil
	}
	size := min(len(frac), len(w))
	factor := func(j int, bad, all float64) float64 {
		return logBet(bad/all, p0, clamp(frac[j], 0, 1-1e-12))
	}
	return path(n, x, w[:size], start, false, factor)
}

// path runs the recursion of LRPath over a series, with the log factor of a
// minute given by factor.
func path(n, x, w []float64, start Start, dropWorst bool, factor func(j int, bad, all float64) float64) []float64 {
	s, d := filled(len(w)), filled(len(w))
	terms := make([]float64, len(w))
	out := make([]float64, min(len(n), len(x)))
	for t := range out {
		omega := logWeight(start.Weight(t))
		bad, all, ok := counts(x[t], n[t])
		for j := range w {
			llr := 0.0
			if ok {
				llr = factor(j, bad, all)
			}
			before := logAdd(s[j], omega)
			s[j] = floor(before + llr)
			d[j] = floor(min(logAdd(d[j], omega)+llr, before))
			terms[j] = math.Log(max(w[j], 0)) + s[j]
			if dropWorst {
				terms[j] = math.Log(max(w[j], 0)) + min(s[j], d[j])
			}
		}
		out[t] = logSum(terms)
	}
	return out
}

// filled returns a slice of size values logZero.
func filled(size int) []float64 {
	s := make([]float64, size)
	for j := range s {
		s[j] = logZero
	}
	return s
}

// floor keeps a sum of logarithms finite from below; NaN becomes logZero.
func floor(logS float64) float64 {
	if !(logS > logZero) {
		return logZero
	}
	return logS
}
