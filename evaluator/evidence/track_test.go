package evidence

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// start is the prior of when a fault begins in a window of so many looks: first
// for the first look, and the rest of 1 spread evenly over the others.
type start struct {
	window int
	first  float64
}

// weight is the start weight of look i, the first being 0.
func (s start) weight(i int) float64 {
	if i == 0 {
		return s.first
	}
	return (1 - s.first) / float64(s.window-1)
}

// Midpoint is the evidence that Warn would give if the limit were in the middle.
func TestMidpointIsWarnOfTheMiddle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, trigger := drawRates(t)
		minutes := drawMinutes(t, 1)
		test, shifted := NewTest(limit, trigger), NewTest(limit+(trigger-limit)/2, trigger)
		a, b := run(test, minutes), run(shifted, minutes)
		if got, want := test.Midpoint(&a), shifted.Warn(&b); math.Abs(got-want) > rounding*(1+math.Abs(want)) {
			t.Errorf("Midpoint = %v, want %v", got, want)
		}
	})
}

func TestAlternatives(t *testing.T) {
	if got, want := Alternatives(.03), [4]float64{.035, .06, .15, .5}; !alike(got[:], want[:], 1e-15) {
		t.Errorf("Alternatives(0.03) = %v, want %v", got, want)
	}
	for k := 1; k < 10000; k++ {
		trigger := float64(k) / 10000
		last := trigger
		for _, p := range Alternatives(trigger) {
			if !(p > last && p < 1) {
				t.Fatalf("Alternatives(%v) = %v is not increasing below 1", trigger, Alternatives(trigger))
			}
			last = p
		}
	}
	below, above := Alternatives(.15), Alternatives(math.Nextafter(.15, 1))
	if !alike(below[:], above[:], 1e-12) {
		t.Errorf("Alternatives jumps at 0.15: %v, then %v", below, above)
	}
}

func alike(a, b []float64, tol float64) bool {
	for i := range a {
		if math.Abs(a[i]-b[i]) > tol {
			return false
		}
	}
	return len(a) == len(b)
}

// A release that is good for a while and then misses its limit, below its trigger,
// has no suspect segment; Miss is the stretch since then.
func TestMissIsTheStretchThatMissesTheLimit(t *testing.T) {
	test, tr := NewTest(.01, .03), Track{}
	for at := range int64(40) {
		bad := 1.
		if at >= 22 {
			bad = 20
		}
		test.Look(&tr, at, Minute{N: 1000, Bad: bad}, .01)
	}
	if m := tr.Miss; m.Start != 22 || m.N != 18_000 || m.Bad != 360 || !(m.LLR > 0) {
		t.Errorf("got %+v, want the 18 minutes since 22", m)
	}
	test.Look(&tr, 40, Minute{}, .01)
	if m := tr.Miss; m.N != 18_000 {
		t.Errorf("a minute without events changed it: %+v", m)
	}
}
