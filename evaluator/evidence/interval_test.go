package evidence

import (
	"math"
	"testing"
)

// Intervals as their papers print them.
func TestPublishedIntervals(t *testing.T) {
	near := func(name string, lo, hi, wantLo, wantHi float64) {
		if math.Abs(lo-wantLo) > 5.1e-5 || math.Abs(hi-wantHi) > 5.1e-5 {
			t.Errorf("%s = [%.4f, %.4f], want [%.4f, %.4f]", name, lo, hi, wantLo, wantHi)
		}
	}
	// Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I.
	for _, c := range []struct{ x, n, wLo, wHi, cLo, cHi float64 }{
		{81, 263, .2553, .3662, .2527, .3676},
		{15, 148, .0624, .1605, .0578, .1617},
		{0, 20, 0, .1611, 0, .1684},
		{1, 29, .0061, .1718, .0009, .1776},
	} {
		lo, hi := wilson(c.x, c.n, .95)
		near("wilsonZ", lo, hi, c.wLo, c.wHi)
		lo, hi = ClopperPearson(c.x, c.n, .95)
		near("ClopperPearson", lo, hi, c.cLo, c.cHi)
	}
	// Newcombe 1998, "Interval estimation for the difference", table II, method 10.
	for _, c := range []struct{ x1, n1, x2, n2, lo, hi float64 }{
		{56, 70, 48, 80, .0524, .3339},
		{9, 10, 3, 10, .1705, .8090},
		{5, 56, 0, 29, -.0381, .1926},
		{10, 10, 0, 10, .6075, 1},
	} {
		// Two ordered pairs share the level of the lower bound.
		d := Deciles([]float64{c.x1, c.x2}, []float64{c.n1, c.n2}, .05, .025)
		near("Deciles", d.LowerFail, d.UpperPass, c.lo, c.hi)
	}
}

// wilson is Wilson's two-sided interval at conf.
func wilson(x, n, conf float64) (lo, hi float64) {
	return wilsonZ(x, n, max(-normalQuantile((1-conf)/2), 0))
}

// The exact interval covers every rate at least as often as it says.
func TestClopperPearsonCovers(t *testing.T) {
	const n = 25
	for p := .01; p < 1; p += .01 {
		covered := 0.0
		for x := range n + 1 {
			if lo, hi := ClopperPearson(float64(x), n, .9); lo <= p && p <= hi {
				covered += binomial(x, n, p)
			}
		}
		if covered < .9 {
			t.Errorf("rate %v is covered with probability %v, want at least 0.9", p, covered)
		}
	}
}

// Invalid arguments never fire and never pass.
func TestOutOfRange(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"LogGrid without events", LogGrid(0, 0, .01, []float64{.5}, []float64{1}), 0},
		{"LogGrid against 0", LogGrid(1, 2, 0, []float64{.5}, []float64{1}), 0},
		{"LogGrid of NaN", LogGrid(nan, 2, .01, []float64{.5}, []float64{1}), 0},
		{"a proof without events", NewBelow(.01).LogE(0, 0, 1), 0},
		{"a proof of an unknown phi", NewBelow(.01).LogE(0, 1e6, nan), 0},
		{"RatingBelow 1 star", RatingBelow(Stars{1}, 1, RatingFracs[:]), 0},
		{"RatingAbove of no bets", RatingAbove(Stars{1}, 4, nil), 0},
		{"AtLeast of NaN", AtLeast(nan, 3, .1), 1},
		{"NewTest of NaN", inertEvidence(NewTest(nan, .1)), 0},
		{"NewPair of NaN", NewPair(nan).delta, .99},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
	if avg, raw := BayesianAverage(Stars{}, 4.6, 50); avg != 4.6 || raw != 4.6 {
		t.Errorf("BayesianAverage of no ratings = %v, %v, want the prior", avg, raw)
	}
}

// A trigger below the limit is the limit.
func TestTriggerBelowTheLimit(t *testing.T) {
	if got, want := *NewTest(.1, .01), *NewTest(.1, .1); got != want {
		t.Errorf("NewTest(0.1, 0.01) = %+v, want %+v", got, want)
	}
}

// inertEvidence is the greatest evidence of a test after an outage, at least 0.
func inertEvidence(test *Test) float64 {
	var tr Track
	for i := range 100 {
		test.Look(&tr, int64(i), Minute{N: 10, Bad: 10}, .01)
	}
	return max(math.Ceil(test.Warn(&tr)-1e-9), math.Ceil(test.Hold(&tr)-1e-9), math.Ceil(test.Midpoint(&tr)-1e-9), 0)
}
