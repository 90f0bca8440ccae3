package evidence

import (
	"math"
	"testing"
)

// The running test and the path over the whole series are one recursion.
func TestLookIsPath(t *testing.T) {
	n := []float64{12, 11, 14, 9, 12, 13, 12, 10, 12, 12}
	x := []float64{0, 0, 1, 1, 2, 0, 1, 2, 1, 1}
	test, start := NewTest(.01, .03), Start{Window: 15, First: .5}
	p := Alternatives(.03)
	warn := LRPath(n, x, .01, p[:], rateWeights[:], start, false)
	mid := LRPath(n, x, .02, p[:], rateWeights[:], start, false)
	hold := MBPath(n, x, .01, betFracs[:], betWeights[:], start)
	var tr Track
	for i := range n {
		test.Look(&tr, int64(i), Minute{N: n[i], Bad: x[i]}, start.Weight(i))
		for _, c := range []struct {
			name      string
			got, want float64
		}{{"Warn", test.Warn(&tr), warn[i]}, {"Hold", test.Hold(&tr), hold[i]}, {"Midpoint", test.Midpoint(&tr), mid[i]}} {
			if math.Abs(c.got-c.want) > 1e-12 {
				t.Errorf("minute %d: %s = %v, want %v", i, c.name, c.got, c.want)
			}
		}
	}
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
