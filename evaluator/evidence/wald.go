package evidence

import "math"

// KL is the divergence of Kullback and Leibler (1951) of an event that is bad
// with probability p from one with q, in nats: the average evidence of one event
// in favour of p if p is true. It is 0 for arguments outside [0, 1], and +Inf if p
// allows an outcome that q excludes.
func KL(p, q float64) float64 {
	if !(p >= 0 && p <= 1 && q >= 0 && q <= 1) {
		return 0
	}
	return deviance(p, q, q-p) + deviance(1-p, 1-q, p-q)
}

// WaldBound is the smallest mean number of events, at a true bad rate p1, of
// any test that wrongly rejects p0 with probability at most alpha however long
// it runs: ln(1/alpha)/KL (Wald 1945). No rule can be faster. Samples is +Inf if
// p1 and p0 are equal or alpha is not in (0, 1).
func WaldBound(p1, p0, alpha float64) (kl, samples float64) {
	kl = KL(p1, p0)
	if !inside(alpha) || kl == 0 {
		return kl, math.Inf(1)
	}
	return kl, -math.Log(alpha) / kl
}

// WaldMeanDelay is WaldBound in looks: the smallest mean delay from the start
// of a fault at rate p1, with perLook events a look. It is +Inf without events.
func WaldMeanDelay(p1, p0, alpha, perLook float64) float64 {
	_, samples := WaldBound(p1, p0, alpha)
	if !(perLook > 0) || math.IsInf(samples, 1) {
		return math.Inf(1)
	}
	return samples / perLook
}

// RatioTest is Wald's sequential probability ratio test of p0 against p1.
type RatioTest struct {
	LogA, LogB      float64 // accept p1 at or above LogA, p0 at or below LogB
	IncBad, IncGood float64 // what a bad and a good event add
	MeanP0, MeanP1  float64 // mean number of events until a decision, at p0 and p1
	BreakEven       float64 // the bad rate at which the sum neither rises nor falls
}

// SPRT is the sequential probability ratio test with errors alpha (at p0) and
// beta (at p1), by Wald's approximations (1945), which neglect the overshoot.
// It is the zero RatioTest unless all are in (0, 1), p0 differs from p1 and
// alpha + beta < 1.
func SPRT(p0, p1, alpha, beta float64) RatioTest {
	if !inside(p0) || !inside(p1) || p0 == p1 || !inside(alpha) || !inside(beta) || alpha+beta >= 1 {
		return RatioTest{}
	}
	p := RatioTest{LogA: math.Log((1 - beta) / alpha), LogB: math.Log(beta / (1 - alpha))}
	p.IncBad, p.IncGood = logQuotient(p1, p0, p1-p0), logQuotient(1-p1, 1-p0, p0-p1)
	p.MeanP0 = KL(alpha, 1-beta) / KL(p0, p1)
	p.MeanP1 = KL(1-beta, alpha) / KL(p1, p0)
	p.BreakEven = -p.IncGood / (p.IncBad - p.IncGood)
	return p
}

// logQuotient is log(v/w) for positive v and w, given v - w, which decides how
// exact it is where they are close.
func logQuotient(v, w, difference float64) float64 {
	if math.Abs(difference) < w/2 {
		return math.Log1p(difference / w)
	}
	return math.Log(v) - math.Log(w)
}

// BurnRate is how many times faster than allowed the error budget of a service
// level objective is spent: (bad/total)/(1-slo) (Google 2018, "The site
// reliability workbook", chapter 5). It is 0 without events or where slo is
// not in [0, 1).
func BurnRate(bad, total, slo float64) float64 {
	bad, total, ok := counts(bad, total)
	if !ok || !(slo >= 0 && slo < 1) {
		return 0
	}
	return bad / total / (1 - slo)
}

// BurnThreshold is the burn rate that spends the fraction of the budget of a
// period in one window, both in the same unit (the same source): 2 % of 30
// days in an hour is 14.4. It is +Inf, which never fires, where a length is
// not positive or the fraction is negative.
func BurnThreshold(fraction, window, period float64) float64 {
	if !(fraction >= 0) || !(window > 0) || !(period > 0) || math.IsInf(window, 1) || math.IsInf(period, 1) {
		return math.Inf(1)
	}
	return fraction * period / window
}
