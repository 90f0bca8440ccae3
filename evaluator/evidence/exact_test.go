package evidence

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// binomial is the probability of x of n at rate p.
func binomial(x, n int, p float64) float64 {
	v := 1.0
	for i := range x {
		v *= float64(n-i) / float64(i+1) * p
	}
	return v * math.Pow(1-p, float64(n-x))
}

// mean is the expectation of e^logE(x) for x bad of n at rate p.
func mean(n int, p float64, logE func(x float64) float64) (sum float64) {
	for x := range n + 1 {
		sum += binomial(x, n, p) * math.Exp(logE(float64(x)))
	}
	return sum
}

// Every e-value has a mean of at most 1 under every rate of its null
// hypothesis; a wrong sign or a wrong denominator anywhere breaks it.
func TestMeanUnderNull(t *testing.T) {
	p := Alternatives(.09)
	below := []float64{.05 / 20, .05 / 5, .05 / 2}
	for _, n := range []int{1, 2, 7, 30} {
		for _, c := range []struct {
			name string
			ok   func(q float64) bool
			logE func(x float64) float64
		}{
			{"LogGrid", atMost(.05), func(x float64) float64 { return LogGrid(x, float64(n), .05, p[:], rateWeights[:]) }},
			{"LogGrid below", atLeast(.05), func(x float64) float64 { return LogGrid(x, float64(n), .05, below, []float64{.4, .4, .2}) }},
			{"Ladder", atLeast(.05), func(x float64) float64 { return NewBelow(.05).LogE(x, float64(n), 1) }},
			{"Ladder clustered", atLeast(.05), func(x float64) float64 { return NewBelow(.05).LogE(x, float64(n), 3) }},
		} {
			for q := 0.005; q < 1; q += .005 {
				if got := mean(n, q, c.logE); c.ok(q) && got > 1+1e-9 {
					t.Errorf("%s: mean e-value of %d events at rate %v = %v, want at most 1", c.name, n, q, got)
				}
			}
		}
	}
}

func atMost(p float64) func(float64) bool  { return func(q float64) bool { return q <= p+1e-12 } }
func atLeast(p float64) func(float64) bool { return func(q float64) bool { return q >= p-1e-12 } }

// The running test, looked at for the last time after three minutes, has a mean
// of at most the start weights that were spent.
func TestTrackMeanUnderNull(t *testing.T) {
	test, n := NewTest(.05, .1), 3
	for _, q := range []float64{.001, .02, .05, .075} {
		var warn, hold, mid float64
		for x := range 64 {
			var tr Track
			weight := 1.0
			for m := range 3 {
				bad := x >> (2 * m) & 3
				weight *= binomial(bad, n, q)
				test.Look(&tr, 0, Minute{N: float64(n), Bad: float64(bad)}, 1./3)
			}
			warn += weight * math.Exp(test.Warn(&tr))
			hold += weight * math.Exp(test.Hold(&tr))
			mid += weight * math.Exp(test.Midpoint(&tr))
		}
		if q <= .05 && (warn > 1+1e-9 || hold > 1+1e-9) {
			t.Errorf("at rate %v the mean of Warn is %v and of Hold %v, want at most 1", q, warn, hold)
		}
		if mid > 1+1e-9 {
			t.Errorf("at rate %v the mean of Midpoint is %v, want at most 1", q, mid)
		}
		if q == .05 && (math.Abs(warn-1) > 1e-9 || math.Abs(hold-1) > 1e-9) {
			t.Errorf("at the limit the means are %v and %v, want exactly 1: evidence is wasted", warn, hold)
		}
	}
}

// Two samples: at most 1 under every pair of rates of the null hypothesis.
func TestPairMeanUnderNull(t *testing.T) {
	const nc, nb = 4, 6
	for _, delta := range []float64{0, .05, -.05, .4} {
		worst := 0.0
		for qb := .001; qb < 1; qb += .037 {
			for qc := .001; qc <= min(qb+delta, 1); qc += .029 {
				for _, q := range []float64{qc, clamp(qb+delta, 0, 1)} {
					sum := 0.0
					for xc := range nc + 1 {
						for xb := range nb + 1 {
							logE, _, _ := LogTwoSample(Minute{N: nc, Bad: float64(xc)}, Minute{N: nb, Bad: float64(xb)}, .6, .1, delta)
							sum += binomial(xc, nc, q) * binomial(xb, nb, qb) * math.Exp(logE)
						}
					}
					worst = max(worst, sum)
				}
			}
		}
		if worst > 1+1e-9 || worst < .2 {
			t.Errorf("delta %v: greatest mean e-value under the null = %v, want at most 1 and not far below", delta, worst)
		}
	}
}

// Whole clusters fall on one side or the other, with the probability of its share
// of the traffic. LogE takes that for a difference, Confirm does not.
func TestConfirmMeanUnderClusters(t *testing.T) {
	for _, tt := range []struct {
		nc, nb   float64
		clusters []int // sizes
	}{
		{100, 900, []int{5, 5, 5, 5}}, {500, 500, []int{3, 3, 3, 1, 1}}, {100, 900, []int{1, 1, 1, 1, 1}}, {10, 990, []int{5}}, {900, 100, []int{9, 1, 7}},
	} {
		pair, misled, mean := NewPair(0), 0., 0.
		share := tt.nc / (tt.nc + tt.nb)
		for side := range 1 << len(tt.clusters) {
			chance, bad, all := 1., 0., 0.
			for i, size := range tt.clusters {
				all += float64(size)
				if side>>i&1 == 1 {
					chance *= share
					bad += float64(size)
				} else {
					chance *= 1 - share
				}
			}
			var tr PairTrack
			pair.Look(&tr, Minute{N: tt.nc, Bad: bad}, Minute{N: tt.nb, Bad: all - bad}, 1)
			misled += chance * math.Exp(pair.LogE(&tr))
			mean += chance * math.Exp(pair.Confirm(&tr))
		}
		if mean > 1+1e-4 { // a group has fewer good events beside it than its size in single ones
			t.Errorf("clusters of %v: the mean of Confirm is %v, want at most 1", tt.clusters, mean)
		}
		if slices.Max(tt.clusters) >= 5 && misled < 1.5 {
			t.Errorf("clusters of %v: the mean of LogE is %v: these show nothing", tt.clusters, misled)
		}
	}
}

// Ratings: betting on bounded means holds for every distribution.
func TestRatingMeanUnderNull(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p [5]float64
		sum := 0.0
		for i := range p {
			p[i] = rapid.Float64Range(0, 1).Draw(t, "p")
			sum += p[i]
		}
		if sum == 0 {
			t.Skip("no distribution")
		}
		mu, below, above := 0.0, 0.0, 0.0
		for i := range p {
			mu += p[i] / sum * float64(i+1)
		}
		mu0 := rapid.Float64Range(1.1, 4.9).Draw(t, "mu0")
		for i := range p {
			for j := range p {
				var s Stars
				s[i]++
				s[j]++
				below += p[i] / sum * p[j] / sum * math.Exp(RatingBelow(s, mu0, RatingFracs[:]))
				above += p[i] / sum * p[j] / sum * math.Exp(RatingAbove(s, mu0, RatingFracs[:]))
			}
		}
		if mu >= mu0 && below > 1+1e-9 {
			t.Errorf("mean of RatingBelow(%v) at a mean rating of %v = %v", mu0, mu, below)
		}
		if mu <= mu0 && above > 1+1e-9 {
			t.Errorf("mean of RatingAbove(%v) at a mean rating of %v = %v", mu0, mu, above)
		}
	})
}

// A day of heavy traffic stays exact, although e^logE underflows.
func TestFarBelowUnderflow(t *testing.T) {
	p := []float64{.035, .06, .15, .5}
	got := LogGrid(432, 432000, .01, p, []float64{.4, .3, .2, .1})
	want := math.Log(.4) + 432*math.Log(3.5) + (432000-432)*(math.Log1p(-.035)-math.Log1p(-.01))
	if math.Abs(got-want) > 1e-9*math.Abs(want) || got > -5000 {
		t.Errorf("LogGrid(432 of 432000) = %v, want %v", got, want)
	}
}
