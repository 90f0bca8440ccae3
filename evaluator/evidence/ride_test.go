package evidence

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

const day = 24 * 60

// The figures of a release at 5 %, 2 requests a second, of which it gets a tenth, lose
// at most a minute in the median and five at 95 % of what they were: 15/35 and 16/46.
func TestRidingOutCostsLittleAtLowTraffic(t *testing.T) {
	o := steady(12, .05).ride(1, day, 4, scale(10_000), .01)
	o.tell(t, "5 % from the start, 12 a minute", 0)
	h50, h95 := quantiles(o.held)
	r50, r95 := quantiles(o.rolled)
	slack := 0
	if !*long {
		slack = 3
	}
	if h50 > 16+slack || h95 > 40+2*slack || r50 > 17+slack || r95 > 51+4*slack {
		t.Errorf("held %d/%d, rolled back %d/%d", h50, h95, r50, r95)
	}
	for _, mean := range []float64{1.2, 30, 120, 1200} {
		steady(mean, .05).ride(1, day, 4, scale(2000), .01).tell(t, fmt.Sprintf("5 %% from the start, %g a minute", mean), 0)
	}
	steady(12, .05).ride(1, day, 4, scale(4000), .0025).tell(t, "5 % from the start, 12 a minute, a quarter of the budget", 0)
	steady(12, .02).ride(1, day, 4, scale(2000), .01).tell(t, "2 % from the start, 12 a minute", 0)
}

// A step in mid-window is found within ride_out and three minutes where traffic allows.
func TestMoreTrafficFindsAFaultSooner(t *testing.T) {
	for _, c := range []struct {
		aside, looks int
		rate         float64
		held, rolled int
		mean         float64
	}{
		{4, 60, .05, 6, 7, 1200}, {4, day, .05, 8, 9, 1200}, {4, 60, .5, 5, 5, 1200}, {4, day, .5, 5, 5, 1200},
		{2, 60, .05, 4, 4, 1200}, {2, 60, .5, 3, 3, 1200}, {2, day, .05, 4, 4, 1200}, {2, day, .5, 3, 3, 1200},
		{4, 60, .05, 8, 9, 120}, {4, day, .05, 10, 11, 120}, {4, 60, .5, 5, 5, 120}, {2, 60, .5, 3, 3, 120},
		{11, 60, .05, 14, 14, 1200}, {1, 60, .5, 3, 3, 1200},
	} {
		o := stepped(c.mean, .001, c.rate, c.looks/2).ride(2, c.looks, c.aside, scale(1000), .01)
		what := fmt.Sprintf("ride_out %dm: 0.1 %% to %g %%, %g a minute, %d minutes", c.aside-1, 100*c.rate, c.mean, c.looks)
		o.tell(t, what, c.looks/2)
		h50, _ := quantiles(o.held)
		r50, _ := quantiles(o.rolled)
		if h50-c.looks/2 > c.held || r50-c.looks/2 > c.rolled {
			t.Errorf("%s: held after %d, rolled back after %d, want %d and %d", what, h50-c.looks/2, r50-c.looks/2, c.held, c.rolled)
		}
	}
}

// A burst that is ridden out decides nothing, wherever in a minute and in the window it
// begins, and however bad it is.
func TestABurstIsRiddenOut(t *testing.T) {
	for _, aside := range []int{4, 2} {
		for _, mean := range []float64{12, 120, 1200} {
			for _, at := range []int{0, 2, 30} {
				held, most, runs := 0, 0, scale(1000)
				for _, rate := range []float64{.03, .05, .1, .2, .3, .5, 1} {
					o := burst(mean, .001, rate, float64(aside-1), at).ride(3, 60, aside, runs, .01)
					held += reached(o.held)
					most = max(most, reached(o.held), reached(o.rolled))
				}
				what := fmt.Sprintf("%d minutes from minute %d on, 7 heights, %g a minute", aside-1, at, mean)
				t.Logf("%-58s held %d of %d", what, held, 7*runs)
				if most > 0 {
					t.Errorf("%s: held %d of %d", what, most, runs)
				}
			}
		}
	}
}

// The false-rollback budget stands where the expected share of each minute keeps the
// limit, however it swings around that; slow drift breaks it no more than it did.
func TestSwingingReleasesKeepTheBudget(t *testing.T) {
	kinds := []struct {
		name   string
		script func(mean float64) script
		most   float64 // of releases that are rolled back
	}{
		{"0.9 %, gamma, cv 2", func(m float64) script { return swinging(m, .009, 2) }, .01},
		{"at the target", func(m float64) script { return steady(m, .01) }, .01},
		{"retries in fives that spill over, 0.8 of the target", func(m float64) script { return retried(m, .008, .5) }, .02},
	}
	if *long {
		kinds = append(kinds, []struct {
			name   string
			script func(mean float64) script
			most   float64
		}{
			{"0.9 %, gamma, cv 0.5", func(m float64) script { return swinging(m, .009, .5) }, .01},
			{"0.9 %, gamma, cv 1", func(m float64) script { return swinging(m, .009, 1) }, .01},
			{"a whole minute fails with probability 1 %", func(m float64) script { return stormy(m, .01, 1) }, .01},
			{"half of a minute fails with probability 2 %", func(m float64) script { return stormy(m, .02, .5) }, .01},
			{"AR(0.95), cv 0.6, 0.5 of the target", func(m float64) script { return drifting(m, .005, .6, .95) }, 1},
			{"AR(0.95), cv 0.6, 0.8 of the target", func(m float64) script { return drifting(m, .008, .6, .95) }, 1},
		}...)
	}
	for _, kind := range kinds {
		for _, mean := range []float64{12, 120, 1200} {
			for _, aside := range []int{4, 2, 0} {
				if aside != 4 && !*long {
					continue
				}
				name := fmt.Sprintf("%s, %g a minute, ride_out %dm", kind.name, mean, aside-1)
				if aside == 0 {
					name = fmt.Sprintf("%s, %g a minute, without", kind.name, mean)
				}
				o := kind.script(mean).ride(4, day, aside, scale(1000), .01)
				o.tell(t, name, 0)
				if aside != 0 {
					share(t, name, reached(o.rolled), len(o.rolled), kind.most)
				}
			}
		}
	}
}

// How long a storm must be for half of the releases to be rolled back.
func TestStormsThatAreNotRiddenOut(t *testing.T) {
	if !*long {
		t.Skip("it measures and judges nothing: -long")
	}
	for _, mean := range []float64{12, 120, 1200} {
		for _, rate := range []float64{.05, .1, .4} {
			for length := 3.; length <= 40; length++ {
				o := burst(mean, .001, rate, length, 60).ride(5, 120, 4, 200, .01)
				if n := reached(o.rolled); 2*n >= len(o.rolled) {
					t.Logf("a storm at %g %%, %g a minute: half are rolled back from %g minutes on", 100*rate, mean, length)
					break
				}
			}
		}
	}
}

// More bad events never lower the evidence of the betting; a period without events
// changes nothing, and the numbers stay finite.
func TestRideLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minutes := drawMinutes(t, 1)
		aside := rapid.IntRange(0, 12).Draw(t, "aside")
		r := NewRider(drawTest(t), aside, 60)
		var tr, empty Ride
		for i, m := range minutes {
			omega := .5 / float64(i+1)
			before := tr
			r.Look(&tr, int64(60*i), m, omega)
			if m.N == 0 && tr != before {
				t.Fatal("a period without events changes the ride")
			}
			more := before
			if m.N > 0 && m.Bad < m.N {
				r.Look(&more, int64(60*i), Minute{N: m.N, Bad: m.Bad + 1}, omega)
				for j := range more.MB {
					if more.MB[j] < tr.MB[j]-1e-9*(1+math.Abs(tr.MB[j])) {
						t.Fatalf("one more bad event lowers the betting from %v to %v", tr.MB[j], more.MB[j])
					}
				}
			}
			s, j := r.Suspect(&tr)
			if h := r.Hold(&tr); math.IsNaN(h) || math.IsInf(h, 0) || math.IsNaN(s.LLR) || j < 0 || j >= alternatives {
				t.Fatalf("hold %v, suspect %+v", h, s)
			}
			for j := range tr.Stretches {
				if s := &tr.Stretches[j]; s.LLR-s.Burst > 1e-9*(1+math.Abs(s.LLR))+s.LLR || s.Bad < s.BurstBad {
					t.Fatalf("a burst of %v in a stretch of %+v", s.BurstBad, s)
				}
			}
		}
		if r.Hold(&empty) != 0 || r.Persists(&empty) || r.Clear(&empty, 0, 0, 1) {
			t.Fatal("there is evidence before the first look")
		}
	})
}

// Impossible counts and a limit that is none leave no trace.
func TestRideOfNothing(t *testing.T) {
	var tr Ride
	NewRider(NewTest(math.NaN(), .1), 4, 60).Look(&tr, 0, Minute{N: 10, Bad: 10}, .5)
	NewRider(NewTest(.01, .1), 4, 60).Look(&tr, 0, Minute{N: math.NaN(), Bad: 10}, .5)
	if tr != (Ride{}) {
		t.Errorf("%+v", tr)
	}
}

// BenchmarkRide is one rule and one minute, and what is read after it.
func BenchmarkRide(b *testing.B) {
	for _, aside := range []int{4, MostAside} {
		b.Run(fmt.Sprint(aside), func(b *testing.B) {
			r := NewRider(NewTest(.01, .03), aside, 1)
			var tr Ride
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				bad := 0.0
				if i%2 == 0 {
					bad = 1
				}
				r.Look(&tr, int64(i), Minute{N: 12, Bad: bad}, .5/1439)
				_ = r.Hold(&tr)
				_ = r.Persists(&tr) && r.Clear(&tr, 5, 5, 4.6)
			}
			inLogs(b)
		})
	}
}
