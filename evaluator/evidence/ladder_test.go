package evidence

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The numbers of clean events that the design promises to planners.
func TestCleanEventsProve(t *testing.T) {
	for _, c := range []struct {
		p0   float64
		want float64
	}{{.01, 392}, {.03, 129}, {.005, 785}, {.05, 77}} {
		l := NewBelow(c.p0)
		more, ok := l.NeedClean(0, 0, .05, 1)
		if more != c.want || !ok || l.CanPass(0, 0, more-1, .05, 1) {
			t.Errorf("NeedClean below %v = %v, %v, want %v", c.p0, more, ok, c.want)
		}
	}
	l := NewBelow(.01)
	if more, ok := l.NeedClean(0, 1000, .05, 1); more != 0 || !ok {
		t.Errorf("NeedClean after 1,000 clean = %v, %v, want none", more, ok)
	}
	for _, c := range []struct{ x, n, alpha, phi float64 }{{1, 10, .05, math.NaN()}, {1, 10, .05, 1e12}, {1, -1, .05, 1}, {-1, 10, .05, 1}, {1, 10, 0, 1}} {
		if more, ok := l.NeedClean(c.x, c.n, c.alpha, c.phi); ok || !math.IsInf(more, 1) {
			t.Errorf("NeedClean(%v) = %v, want none", c, more)
		}
	}
	if l.CanPass(0, 0, -1, .05, 1) || l.CanPass(0, 1000, 0, 2, 1) {
		t.Error("CanPass is true for arguments out of range")
	}
}

// The exact sizes of samples, against today's three alternatives.
func TestSamplesOfALadder(t *testing.T) {
	for _, c := range []struct {
		p0, rate    float64
		median, p95 int
	}{{.01, 0, 392, 392}, {.01, .001, 392, 880}, {.01, .002, 651, 1644}, {.01, .003, 880, 2444}, {.01, .005, 2142, 5987}, {.03, .003, 129, 292}} {
		l := NewBelow(c.p0)
		median, ok := l.Samples(c.rate, .05, .5)
		p95, ok95 := l.Samples(c.rate, .05, .95)
		if median != c.median || p95 != c.p95 || !ok || !ok95 {
			t.Errorf("below %v at a true %v: median %d, p95 %d, want %d and %d", c.p0, c.rate, median, p95, c.median, c.p95)
		}
	}
	if n, ok := NewBelow(.01).Samples(.0095, .05, .5); ok {
		t.Errorf("below 1 %% at a true 0.95 %%: %d, want more than are followed", n)
	}
	if n, ok := NewBelow(.3).Samples(.31, .05, .5); ok {
		t.Errorf("below 30 %% at a true 31 %%: %d, want never", n)
	}
	if n, ok := NewAbove(.01).Samples(.05, .05, .5); ok {
		t.Errorf("above 1 %% at a true 5 %%: %d, want none: it is for proofs of less", n)
	}
	for _, l := range []*Ladder{NewBelow(0), NewAbove(1), NewBelow(math.NaN())} {
		if _, ok := l.Samples(.1, .05, .5); ok || l.LogE(0, 1e6, 1) != 0 {
			t.Error("a ladder on an impossible rate has evidence")
		}
	}
}

// More bad events never speak for a release, more good ones never against it.
func TestLadderIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p0 := rapid.Float64Range(1e-4, .9).Draw(t, "p0")
		n := float64(rapid.IntRange(1, 100_000).Draw(t, "n"))
		x := math.Floor(n * min(1, p0*rapid.Float64Range(0, 2).Draw(t, "share")))
		below, above := NewBelow(p0), NewAbove(p0)
		slack := 1e-9 * (1 + math.Abs(below.LogE(x, n, 1)))
		if x+1 <= n && (below.LogE(x+1, n, 1) > below.LogE(x, n, 1)+slack || above.LogE(x+1, n, 1) < above.LogE(x, n, 1)-1e-9*(1+math.Abs(above.LogE(x, n, 1)))) {
			t.Fatalf("one more bad of %v: %v, %v", n, below.LogE(x+1, n, 1), below.LogE(x, n, 1))
		}
		if below.LogE(x, n+1, 1) < below.LogE(x, n, 1)-slack {
			t.Fatal("one more good speaks against the release")
		}
		if both := below.LogE(x, n, 1); both > 1e-9 && above.LogE(x, n, 1) > 3 && both > 3 {
			t.Fatalf("%v of %v is below and above %v", x, n, p0)
		}
	})
}

// The mean of the e-value is at most 1 at the rate to be excluded and beyond it: exact,
// over all counts.
func TestLadderIsFair(t *testing.T) {
	for _, l := range []*Ladder{NewBelow(.02), NewAbove(.02)} {
		for _, n := range []float64{1, 20, 300} {
			mean := 0.
			for x := 0.; x <= n; x++ {
				lg := func(v float64) float64 { g, _ := math.Lgamma(v + 1); return g }
				p := math.Exp(lg(n) - lg(x) - lg(n-x) + x*math.Log(.02) + (n-x)*math.Log(.98))
				mean += p * math.Exp(l.LogE(x, n, 1))
			}
			if mean > 1 || mean < .99 {
				t.Errorf("mean of the e-value over %v events: %v", n, mean)
			}
		}
	}
}

// meanToProof is after how many events on average proven is true, looked at in blocks.
func meanToProof(d dice, rate, block float64, runs int, proven func(x, n float64) bool) float64 {
	sum := 0.
	for range runs {
		x, n := 0., 0.
		for n < 1e7 && (n == 0 || !proven(x, n)) {
			m := d.count(block, rate)
			x, n = x+m.Bad, n+m.N
		}
		sum += n
	}
	return sum / float64(runs)
}

// At every rate below the target the proof comes, and not late.
func TestProofComesAtEveryRate(t *testing.T) {
	l, d, want := NewBelow(.01), newDice(1), math.Log(20)
	const runs = 3000
	proven := func(x, n float64) bool { return l.LogE(x, n, 1) >= want }
	today := func(x, n float64) bool { // what three alternatives would do
		return LogGrid(x, n, .01, []float64{.0005, .002, .005}, []float64{.4, .4, .2}) >= want
	}
	for _, s := range []float64{.1, .2, .25, .3333, .5, .75, .9, .95, .97} {
		rate := .01 * s
		base := want / kl(rate, .01)
		block := math.Floor(max(base/300, 1))
		mean := meanToProof(d, rate, block, scale(runs), proven)
		text := ""
		if s < .4 {
			was := meanToProof(d, rate, block, scale(6000), today)
			text = fmt.Sprintf(", %.2f times the three alternatives' %.0f", mean/was, was)
			if *long && mean > 1.15*was {
				t.Errorf("at %v of the target: %v, want at most 15 %% more than %v", s, mean, was)
			}
		}
		t.Logf("at %5.3g of the target: %7.0f events, %.2f times ln(1/alpha)/KL%s", s, mean, mean/base, text)
		most := 2 * base
		if s > .95 {
			most *= 1.1 // beyond what is promised, and few runs
		}
		if mean > most {
			t.Errorf("at %v of the target: %v events, want at most %v", s, mean, most)
		}
	}
}

// A ladder costs a fraction of the two microseconds that a look may take.
func BenchmarkLadder(b *testing.B) {
	l := NewBelow(.01)
	b.ReportAllocs()
	for b.Loop() {
		_ = l.LogE(480, 60_000, 1.5)
	}
	inLogs(b)
}
