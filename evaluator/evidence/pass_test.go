package evidence

import (
	"math"
	"testing"
)

// The sizes of sample that the design of the gate promises to planners, by
// exact calculation for the grid of PassLogE.
func TestSamplesToPass(t *testing.T) {
	for _, c := range []struct {
		p0, rate    float64
		median, p95 int
	}{
		{.01, 0, 355, 355}, // no failure at all: 355 requests show "below 1 %"
		{.01, .0005, 355, 613},
		{.01, .001, 355, 841},
		{.01, .002, 613, 1427},
		{.01, .003, 613, 2417},
		{.01, .005, 1949, 6181},
		{.03, 0, 117, 117}, // to exclude the trigger takes a third
		{.03, .001, 117, 203},
		{.03, .003, 117, 278},
		{.03, .005, 117, 411},
		{.03, .009, 203, 752},
		{.005, 0, 712, 712}, // crash-free sessions
		{.005, .001, 1228, 2857},
		{.05, 0, 70, 70}, // slow requests behind a p95
	} {
		median, ok := SamplesToPass(c.p0, c.rate, .05, .5)
		p95, ok95 := SamplesToPass(c.p0, c.rate, .05, .95)
		if median != c.median || p95 != c.p95 || !ok || !ok95 {
			t.Errorf("below %v at a true %v: median %d, p95 %d, want %d and %d", c.p0, c.rate, median, p95, c.median, c.p95)
		}
	}
	if n, ok := SamplesToPass(.01, .009, .05, .5); ok {
		t.Errorf("below 1 %% at a true 0.9 %%: %d, want never", n)
	}
	if n, ok := SamplesToPass(.01, .02, .05, .5); ok {
		t.Errorf("below 1 %% at a true 2 %%: %d, want never", n)
	}
}

// The planned numbers of samples agree with the evidence itself.
func TestNeedCleanToPassIsLeast(t *testing.T) {
	for _, c := range []struct{ p0, n, x, phi float64 }{{.01, 0, 0, 1}, {.01, 180, 0, 1}, {.005, 40, 1, 1}, {.02, 40, 1, 1}, {.03, 180, 6, 1}, {.01, 180, 1, 2.5}} {
		more, ok := NeedCleanToPass(c.p0, c.n, c.x, .05, c.phi)
		if !ok || !CanPass(c.p0, c.n, c.x, more, .05, c.phi) || (more > 0 && CanPass(c.p0, c.n, c.x, more-1, .05, c.phi)) {
			t.Errorf("NeedCleanToPass(%v) = %v, %v: not the least number that passes", c, more, ok)
		}
	}
	if more, ok := NeedCleanToPass(.01, 1000, 0, .05, 1); more != 0 || !ok {
		t.Errorf("NeedCleanToPass after 1000 good requests = %v, %v, want 0", more, ok)
	}
	for _, phi := range []float64{math.NaN(), 1e12} {
		if more, ok := NeedCleanToPass(.01, 10, 1, .05, phi); ok {
			t.Errorf("NeedCleanToPass with phi %v = %v, want none", phi, more)
		}
	}
}

// CanPass is false as soon as no further samples could make the window pass.
func TestCanPass(t *testing.T) {
	if CanPass(.01, 0, 0, 180, .05, 1) {
		t.Error("180 requests cannot show 'below 1 %', but CanPass says so")
	}
	if !CanPass(.03, 0, 0, 180, .05, 1) {
		t.Error("180 requests can exclude 3 %, but CanPass denies it")
	}
	if CanPass(.01, 500, 11, 600, .05, 1) {
		t.Error("11 bad of at most 1100 cannot be below 1 %, but CanPass says so")
	}
}

// The crashes of the design's table, against a healthy 0.5 %.
func TestCrashTable(t *testing.T) {
	p := Alternatives(.02)
	for _, c := range []struct{ x, n, e, tol float64 }{{1, 40, 1.6, .05}, {2, 40, 11, .5}, {3, 40, 100, .5}, {2, 100, 2, .05}, {6, 200, 188, .5}, {10, 500, 224, .5}} {
		if got := math.Exp(LogGrid(c.x, c.n, .005, p[:], rateWeights[:])); math.Abs(got-c.e) > c.tol {
			t.Errorf("%v crashes of %v: e = %v, want %v", c.x, c.n, got, c.e)
		}
	}
}
