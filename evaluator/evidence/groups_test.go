package evidence

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// same repeats a value.
func same(v float64, k int) []float64 { return slices.Repeat([]float64{v}, k) }

// The plain gap of groups that do not differ is above zero, and Expected says so.
func TestDecilesExpected(t *testing.T) {
	d := Deciles(same(100, 10), same(200, 10), .05, .05)
	if math.Abs(d.Expected-.109) > .0005 || d.Gap != 0 || d.Shrunken != 0 {
		t.Errorf("ten groups of 200: %+v, want an expected gap of 0.109 where there is none", d)
	}
}

func TestDecilesTells(t *testing.T) {
	x := []float64{100, 140, 100, 4, 0, 60}
	n := []float64{200, 200, 200, 9, 0, 200}
	d := Deciles(x, n, .05, .05)
	if d.High != 1 || d.Low != 5 || d.FailHigh != 1 || d.FailLow != 5 {
		t.Errorf("worst pairs %d-%d and %d-%d, want 1-5 twice", d.High, d.Low, d.FailHigh, d.FailLow)
	}
	if !slices.Equal(d.Small, []int{3}) || !slices.Equal(d.Silent, []int{4}) {
		t.Errorf("small %v, silent %v, want [3] and [4]", d.Small, d.Silent)
	}
	if d.UpperPass != 1 {
		t.Errorf("UpperPass with a silent group = %v, want 1: it is not known", d.UpperPass)
	}
	if !(d.LowerFail > .15 && d.LowerFail < d.Gap && d.Shrunken > 0 && d.Shrunken < d.Gap) {
		t.Errorf("a true difference is lost: %+v", d)
	}
	if one := Deciles([]float64{3}, []float64{40}, .05, .05); one.UpperPass != 1 || one.LowerFail != -1 {
		t.Errorf("one group gives the bounds %v, %v, want -1, 1", one.LowerFail, one.UpperPass)
	}
}

// draw is a binomial count by summing, good enough for n of a few thousand.
func draw(r *rand.Rand, n, p float64) float64 {
	mean, sd := n*p, math.Sqrt(n*p*(1-p))
	return clamp(math.Round(mean+sd*r.NormFloat64()), 0, n)
}

// How often groups with a linear spread of rates around one half are judged,
// against what the design promises, within the error of 1000 draws.
func TestDecilesOperate(t *testing.T) {
	const runs, allowed = 1000, .07
	for _, c := range []struct{ gap, n, naive, fail, pass float64 }{
		{0, 200, .92, 0, 0},
		{0, 2000, 0, 0, .85},
		{.03, 2000, .019, 0, .45},
		{.07, 5000, .61, .001, .012},
		{.10, 5000, 1, .46, 0},
		{.15, 1000, 1, .77, 0},
	} {
		r := rand.New(rand.NewPCG(7, uint64(c.n)))
		naive, fail, pass := 0., 0., 0.
		x := make([]float64, 10)
		for range runs {
			for i := range x {
				x[i] = draw(r, c.n, .5+c.gap*(float64(i)/9-.5))
			}
			d := Deciles(x, same(c.n, 10), .05, .05)
			naive += truth(d.Gap > allowed) / runs
			fail += truth(d.LowerFail > allowed) / runs
			pass += truth(d.UpperPass <= allowed) / runs
		}
		if math.Abs(naive-c.naive) > .04 || math.Abs(fail-c.fail) > .04 || math.Abs(pass-c.pass) > .04 {
			t.Errorf("gap %v, %v each: naive %.3f, fail %.3f, pass %.3f, want %.3f, %.3f, %.3f", c.gap, c.n, naive, fail, pass, c.naive, c.fail, c.pass)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// The interval of a mean rating holds the mean of its posterior and narrows.
func TestRatingInterval(t *testing.T) {
	prior := Stars{.5, .5, .5, .5, .5}
	width := 4.
	for _, k := range []float64{1, 4, 16, 64} {
		s := Stars{3 * k, 1 * k, 2 * k, 8 * k, 30 * k}
		lo, hi := RatingInterval(s, prior, .95)
		avg, _ := BayesianAverage(s, 3, 2.5)
		if !(1 < lo && lo < avg && avg < hi && hi < 5 && hi-lo < .6*width) {
			t.Errorf("RatingInterval(%v) = [%v, %v] around %v, before it was %v wide", s, lo, hi, avg, width)
		}
		width = hi - lo
	}
	if lo, hi := RatingInterval(Stars{}, Stars{}, .95); lo != 1 || hi != 5 {
		t.Errorf("RatingInterval of nothing = [%v, %v], want [1, 5]", lo, hi)
	}
}
