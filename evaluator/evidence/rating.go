package evidence

import "math"

// Stars counts ratings by star: Stars[0] are the ones, Stars[4] the fives.
// Counts that are NaN or negative count as 0.
type Stars [5]float64

// RatingFracs are the fractions of the stake that RatingBelow and RatingAbove
// should use, from small to large, because the distance of the mean from the
// target is not known in advance.
var RatingFracs = [...]float64{.02, .05, .1, .2, .4, .7}

// clean replaces impossible counts by 0.
func (s Stars) clean() Stars {
	for i, v := range s {
		s[i] = clamp(v, 0, maxCount)
	}
	return s
}

// N is the number of ratings.
func (s Stars) N() float64 {
	s = s.clean()
	return s[0] + s[1] + s[2] + s[3] + s[4]
}

// sum is the sum of the stars.
func (s Stars) sum() float64 {
	s = s.clean()
	return s[0] + 2*s[1] + 3*s[2] + 4*s[3] + 5*s[4]
}

// RatingBelow is the log e-value against "the mean rating is at least mu0":
// betting that it is lower, on y = (stars-1)/4, which lies in [0, 1] for every
// distribution (Waudby-Smith and Ramdas 2024), averaged over the fractions frac of
// the stake, each in [0, 1).
//
// It is 0 (no evidence) without a valid fraction or for mu0 outside (1, 5).
func RatingBelow(s Stars, mu0 float64, frac []float64) float64 {
	m := (mu0 - 1) / 4
	if !inside(m) {
		return 0
	}
	return s.bets(frac, func(y, f float64) float64 { return f / (1 - m) * (m - y) })
}

// RatingAbove is as RatingBelow, against "the mean rating is at most mu0".
func RatingAbove(s Stars, mu0 float64, frac []float64) float64 {
	m := (mu0 - 1) / 4
	if !inside(m) {
		return 0
	}
	return s.bets(frac, func(y, f float64) float64 { return f / m * (y - m) })
}

// bets is the log of the mean wealth over the fractions, where gain is what a
// rating y adds to a stake of 1.
func (s Stars) bets(frac []float64, gain func(y, f float64) float64) float64 {
	s = s.clean()
	terms := make([]float64, 0, 8)
	for _, f := range frac {
		if !(f >= 0 && f < 1) {
			continue
		}
		sum := 0.0
		for i, v := range s {
			if v > 0 {
				sum += v * math.Log1p(gain(float64(i)/4, f))
			}
		}
		terms = append(terms, sum)
	}
	if len(terms) == 0 {
		return 0
	}
	return logSum(terms) - math.Log(float64(len(terms)))
}

// BayesianAverage is the mean rating as if weight ratings of priorMean had
// come before, and the plain mean raw. It is for display only: by design it hides
// bad news while there are few ratings. A weight that is not positive counts as 0;
// without ratings avg and raw are priorMean.
func BayesianAverage(s Stars, priorMean, weight float64) (avg, raw float64) {
	n := s.N()
	weight, priorMean = clamp(weight, 0, maxCount), clamp(priorMean, 1, 5)
	if n == 0 {
		return priorMean, priorMean
	}
	return (weight*priorMean + s.sum()) / (weight + n), s.sum() / n
}

// RatingInterval is the credible interval of the mean rating at conf, given a
// Dirichlet prior with prior as its counts (Good 1965, "The estimation of
// probabilities"; all 1/2 is Jeffreys' choice, a positive sum is needed). The
// mean and the variance of the posterior of the mean rating are exact; its
// shape is the beta distribution over 1 to 5 with these two moments.
//
// It is [1, 5] (nothing is known) if the prior and the ratings are all 0 or conf
// is not in (0, 1).
func RatingInterval(s, prior Stars, conf float64) (lo, hi float64) {
	s, prior = s.clean(), prior.clean()
	total, mean, square := 0.0, 0.0, 0.0
	for i := range s {
		w, y := s[i]+prior[i], float64(i)/4
		total, mean, square = total+w, mean+w*y, square+w*y*y
	}
	if !(total > 0) || !inside(conf) {
		return 1, 5
	}
	mean, square = mean/total, square/total
	variance := (square - mean*mean) / (total + 1)
	if !inside(mean) || !(variance > 1e-18) {
		return 1 + 4*mean, 1 + 4*mean
	}
	size, tail := mean*(1-mean)/variance-1, (1-conf)/2
	a, b := mean*size, (1-mean)*size
	if !shape(a) || !shape(b) {
		return 1, 5
	}
	return 1 + 4*betaQuantile(a, b, tail, false), 1 + 4*betaQuantile(a, b, tail, true)
}
