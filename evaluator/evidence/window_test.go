package evidence

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The sums are those of the periods, in any order.
func TestWindowIsSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minutes := drawMinutes(t, 1)
		var there, back Window
		worst := 0.
		for i := range minutes {
			there.Add(minutes[i])
			back.Add(minutes[len(minutes)-1-i])
			if m := minutes[i]; m.N > 0 {
				worst = max(worst, m.Bad*m.Bad/m.N)
			}
		}
		if there.N != back.N || there.Bad != back.Bad || there.Looks != back.Looks {
			t.Fatalf("%+v in one order, %+v in the other", there, back)
		}
		if w := there.Worst; w.N > 0 && math.Abs(w.Bad*w.Bad/w.N-worst) > 1e-12*(1+worst) {
			t.Fatalf("worst period %+v, want Bad²/N = %v", w, worst)
		}
		if c := there.Caution(); !(c >= 1) || !(there.Surplus() >= 0) {
			t.Fatalf("caution %v, surplus %v", c, there.Surplus())
		}
	})
}

// One burst does not keep a release from passing, and is counted twice.
func TestOneBurstIsSetAside(t *testing.T) {
	var w Window
	for range 60 {
		w.Add(Minute{N: 120})
	}
	w.Add(Minute{N: 120, Bad: 7})
	w.Add(Minute{N: math.NaN(), Bad: 1})
	if w.Caution() != 1 || w.Surplus() != 6 || w.Phi() < 6 {
		t.Errorf("caution %v, surplus %v, phi %v: want 1, 6 and more than 6", w.Caution(), w.Surplus(), w.Phi())
	}
	if w.Proves(NewBelow(.01), 1) < math.Log(20) || w.Proves(NewBelow(.01), 20) >= math.Log(20) {
		t.Errorf("log e-value %v, and %v in clusters of 20", w.Proves(NewBelow(.01), 1), w.Proves(NewBelow(.01), 20))
	}
}

// 1.6 % in the window is not made good by an hour after it at 0.5 %; one burst in a
// good window is no bad window.
func TestABadWindowIsExcluded(t *testing.T) {
	above := NewAbove(.01)
	var bad, burst, thin Window
	for i := range 60 {
		bad.Add(Minute{N: 120, Bad: float64(1 + i%3)})
		burst.Add(Minute{N: 120, Bad: float64(i % 2)})
		thin.Add(Minute{N: 3, Bad: float64(i / 59)})
	}
	burst.Add(Minute{N: 120, Bad: 100})
	if !bad.Excludes(above, .05, 1) || bad.Excludes(above, .05, 50) || bad.Excludes(above, 0, 1) {
		t.Errorf("a window at %v excludes 1 %% by itself: log e-value %v", bad.Bad/bad.N, above.LogE(bad.Bad, bad.N, bad.Phi()))
	}
	if burst.Excludes(above, .05, 1) || thin.Excludes(above, .05, 1) {
		t.Error("one burst, or one failure of 180, excludes the target")
	}
}

// swings are the worlds in which a release exactly at its target is judged.
type swings struct {
	rho, perMinute float64
	window, extend int
	most           float64 // share of releases that may pass
}

// passes is how many of the releases at 1 % get a strong proof at the end of a window
// or in the minutes after it.
func (s swings) passes(d dice, runs int) (hits int) {
	l := NewBelow(.01)
	for range runs {
		var w Window
		for m := 1; m <= s.window+s.extend; m++ {
			w.Add(d.count(s.perMinute, d.beta(.01, s.rho)))
			if m >= s.window && w.Bad < .01*w.N && w.Proves(l, 1) >= math.Log(20) {
				hits++
				break
			}
		}
	}
	return hits
}

// A release at its target is proven to be below it in at most 5 % of windows if
// failures come one by one, and in at most 10 % if the rate swings.
func TestAReleaseAtItsTargetSeldomPasses(t *testing.T) {
	all := []swings{{0, 12, 60, 60, .05}, {0, 120, 60, 60, .05}, {.03, 12, 60, 60, .1}, {.01, 120, 60, 60, .1}, {.03, 120, 60, 60, .1}, {.03, 1200, 60, 60, .1}}
	if *long {
		all = append(all, swings{0, 1200, 60, 60, .05}, swings{.01, 12, 60, 60, .1}, swings{.02, 12, 60, 60, .1}, swings{.02, 120, 60, 60, .1},
			swings{.01, 1200, 60, 60, .1}, swings{.02, 1200, 60, 60, .1}, swings{.04, 120, 15, 0, .12}, swings{.04, 120, 15, 60, .17},
			swings{.01, 120, 15, 60, .1}, swings{.03, 120, 240, 240, .1}, swings{.03, 1200, 1440, 60, .1})
	}
	for i, s := range all {
		name := fmt.Sprintf("rho %.3g, %g a minute, %d + %d minutes", s.rho, s.perMinute, s.window, s.extend)
		runs := scale(4000)
		if s.window > 1000 {
			runs /= 10
		}
		share(t, name, s.passes(newDice(uint64(100+i)), runs), runs, s.most)
	}
}
