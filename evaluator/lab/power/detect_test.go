package power

import (
	"math"
	"testing"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// Simulated by others with ten thousand runs: a fault of 5 % in a day, at limit 1 %,
// trigger 3 %, alpha 1 %.
func TestDetectionTimes(t *testing.T) {
	for _, tt := range []struct {
		bucket, rate, median, power float64
		looks                       int
	}{
		{12, .03, 0, .12, 15},
		{12, .06, 11, .71, 15},
		{1.2, .06, 0, .05, 15},
		{12, .03, 73, .72, 120},
		{1.2, .03, 0, .12, 120},
		{1.2, .06, 88, .69, 120},
		{1.2, .05, 170, 1, 1440},
		{3, .05, 62, 1, 1440},
		{12, .05, 16, 1, 1440},
		{30, .05, 9, 1, 1440},
		{120, .05, 5, 1, 1440},
		{300, .05, 5, 1, 1440},
		{12, .03, 86, 1, 1440},
		{12, .10, 6, 1, 1440},
		{12, .20, 3, 1, 1440},
		{12, .02, 0, .09, 1440},
		{12, .01, 0, 0, 1440},
	} {
		c := course{limit: .01, trigger: .03, alpha: .01, rate: tt.rate, bucket: tt.bucket, looks: tt.looks, horizon: tt.looks}
		d := c.detect()
		if math.Abs(*d.Power-tt.power) > .08 {
			t.Errorf("%v a minute at %v for %d: power %v, want %v", tt.bucket, tt.rate, tt.looks, *d.Power, tt.power)
		}
		if tt.median > 0 && math.Abs(d.Minutes-tt.median) > max(1.5, .25*tt.median) {
			t.Errorf("%v a minute at %v for %d: median %v, want %v", tt.bucket, tt.rate, tt.looks, d.Minutes, tt.median)
		}
	}
}

// What the plain rules do at 2/s with 10 %: their own simulations over a day.
func TestThresholdRules(t *testing.T) {
	const minute = 12
	naive := pattern{breach: breach{bound: .03, above: true}, bucket: minute, looks: 1440, width: 1, perValue: true, coverage: .8, minute: 1}
	lasting := naive
	lasting.need, lasting.perValue = 10, false
	pooled := naive
	pooled.width, pooled.least = 10, 120*.6
	for _, tt := range []struct {
		name string
		p    pattern
		rate float64
		want float64
		slip float64
	}{
		{"every minute, healthy", naive, .009, 1, .001},
		{"every minute, median 2", naive, .05, 1, .001},
		{"for ten minutes, healthy", lasting, .01, 0, .01},
		{"for ten minutes, at 5 %", lasting, .05, .118, .12}, // the evaluator lets a missing period pass
		{"pooled over ten minutes at 0.1 %", pooled, .001, .0053, .02},
		{"pooled over ten minutes at 0.9 %", pooled, .009, 1, .001},
	} {
		if got := *tt.p.detect(tt.rate).Power; math.Abs(got-tt.want) > tt.slip {
			t.Errorf("%s: fires in %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := naive.detect(.05).Minutes; got != 2 {
		t.Errorf("every minute at 5 %%: median %v, want 2", got)
	}
}

// M out of N, next to the exact chance: a walk over what the last N-1 periods were.
func TestMOutOfN(t *testing.T) {
	for _, tt := range []struct {
		m, n   int
		bucket float64
		rate   float64
	}{{1, 1, 12, .005}, {2, 3, 12, .005}, {3, 5, 12, .01}, {3, 5, 30, .03}, {5, 5, 12, .03}} {
		p := pattern{breach: breach{bound: .03, above: true}, bucket: tt.bucket, looks: 60, width: 1, perValue: true, minute: 1, of: rules.Datapoints{M: tt.m, N: tt.n}}
		hit, _ := p.value(tt.rate)
		got, want := *p.detect(tt.rate).Power, mOfN(tt.m, tt.n, 60, hit)
		if math.Abs(got-want) > .07 {
			t.Errorf("%d of %d at %v: %v, want %v", tt.m, tt.n, tt.rate, got, want)
		}
	}
	silent := pattern{breach: breach{bound: .03, above: true}, bucket: .05, looks: 60, width: 1, perValue: true, minute: 1, of: rules.Datapoints{M: 3, N: 3, Missing: "breaching"}}
	if got := *silent.detect(.001).Power; got != 1 {
		t.Errorf("a silent service whose missing minutes breach: fires in %v, want always", got)
	}
}

func mOfN(m, n, looks int, hit float64) float64 {
	at := map[int]float64{0: 1} // :: the newest n periods as bits → its probability
	fired := 0.0
	for range looks {
		next := map[int]float64{}
		for bits, p := range at {
			for bit, q := range []float64{1 - hit, hit} {
				b := (bits<<1 | bit) & (1<<n - 1)
				if bit == 1 && ones(b) >= m {
					fired += p * q
				} else {
					next[b] += p * q
				}
			}
		}
		at = next
	}
	return fired
}

func ones(b int) (n int) {
	for ; b > 0; b >>= 1 {
		n += b & 1
	}
	return n
}

// A chance is what adding up all cases gives.
func TestChance(t *testing.T) {
	for _, b := range []breach{{.03, true, false}, {.03, true, true}, {.1, false, false}, {.1, false, true}, {.5, true, true}} {
		for _, mean := range []float64{.3, 4, 33} {
			for _, rate := range []float64{.001, .02, .3} {
				for _, least := range []float64{0, 5} {
					hit, thin := b.chance(mean, rate, least)
					wantHit, wantThin := added(b, mean, rate, least)
					if math.Abs(hit-wantHit) > 1e-9 || math.Abs(thin-wantThin) > 1e-9 {
						t.Errorf("%+v of %v at %v, at least %v: %v, %v; want %v, %v", b, mean, rate, least, hit, thin, wantHit, wantThin)
					}
				}
			}
		}
	}
}

func added(b breach, mean, rate, least float64) (hit, thin float64) {
	for n := 0.; n < mean*4+60; n++ {
		lg, _ := math.Lgamma(n + 1)
		p := math.Exp(n*math.Log(mean) - mean - lg)
		if n < max(least, 1) {
			thin += p
			continue
		}
		for x := 0.; x <= n; x++ {
			if b.holds(x, n) {
				hit += p * (evidence.AtLeast(x, n, rate) - upper(x+1, n, rate))
			}
		}
	}
	return hit, thin
}

func upper(x, n, rate float64) float64 {
	if x > n {
		return 0
	}
	return evidence.AtLeast(x, n, rate)
}
