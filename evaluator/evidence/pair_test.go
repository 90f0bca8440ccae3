package evidence

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"
)

// world draws the counts of one minute.
type world struct{ *rand.Rand }

// poisson draws by Knuth's product for small means and by the normal above.
func (w world) poisson(mean float64) float64 {
	if mean > 60 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*w.NormFloat64()))
	}
	k, p := 0., w.Float64()
	for p > math.Exp(-mean) {
		k, p = k+1, p*w.Float64()
	}
	return k
}

// minute draws a minute by the gaps between bad events.
func (w world) minute(mean, p float64) Minute {
	m := Minute{N: w.poisson(mean)}
	for at := w.gap(p); at < m.N; at += 1 + w.gap(p) {
		m.Bad++
	}
	return m
}

func (w world) gap(p float64) float64 {
	return math.Floor(math.Log(1-w.Float64()) / math.Log1p(-p))
}

// firstFire is the minute in which the pair reaches 1/alpha, or limit+1.
func firstFire(w world, limit int, perMinute, canary, baseline float64) int {
	p, from := NewPair(0), start{limit, .5}
	var tr PairTrack
	for m := range limit {
		p.Look(&tr, w.minute(perMinute, canary), w.minute(9*perMinute, baseline), from.weight(m))
		if p.LogE(&tr) >= math.Log(100) {
			return m + 1
		}
	}
	return limit + 1
}

// A canary at a tenth of the traffic, watched for two hours at alpha = 1 %:
// within what the design promises.
func TestPairOperates(t *testing.T) {
	const runs = 500
	for _, c := range []struct {
		perMinute, canary, baseline float64
		median, p95                 int // at most; 0 for a canary as good as its baseline
	}{
		{12, .001, .001, 0, 0},
		{12, .009, .009, 0, 0},
		{12, .02, .02, 0, 0},
		{12, .05, .009, 14, 36},
		{12, .05, .001, 8, 17},
		{120, .05, .009, 3, 5},
	} {
		w := world{rand.New(rand.NewPCG(11, 5))}
		at, fired := make([]int, runs), 0
		for i := range at {
			at[i] = firstFire(w, 120, c.perMinute, c.canary, c.baseline)
			fired += int(truth(at[i] <= 120))
		}
		sort.Ints(at)
		if c.median == 0 && fired > runs/100 {
			t.Errorf("canary and baseline both at %v: %d of %d fired, want at most 1 %%", c.canary, fired, runs)
		}
		if c.median > 0 && (at[runs/2] > c.median || at[runs*95/100] > c.p95) {
			t.Errorf("%v against %v at %v a minute: median %d, p95 %d, want at most %d and %d", c.canary, c.baseline, c.perMinute, at[runs/2], at[runs*95/100], c.median, c.p95)
		}
	}
}

// A shared outage is not evidence against the canary.
func TestPairSharedOutage(t *testing.T) {
	w := world{rand.New(rand.NewPCG(2, 9))}
	fired := 0
	for range 200 {
		p := NewPair(0)
		var tr PairTrack
		top := 0.
		for m := range 240 {
			rate := .009
			if m >= 60 && m < 75 {
				rate = .1
			}
			p.Look(&tr, w.minute(12, rate), w.minute(108, rate), start{240, .5}.weight(m))
			top = max(top, p.LogE(&tr))
		}
		fired += int(truth(top >= math.Log(100)))
	}
	if fired > 2 {
		t.Errorf("%d of 200 shared outages were blamed on the canary, want at most 1 %%", fired)
	}
}

// Failures that are declared to come in larger groups confirm later.
func TestPairClustered(t *testing.T) {
	confirm := func(cluster float64) float64 {
		p := NewPair(0).Clustered(cluster)
		var tr PairTrack
		for range 3 {
			p.Look(&tr, Minute{N: 9000, Bad: 600}, Minute{N: 1000, Bad: 10}, .3)
		}
		return p.Confirm(&tr)
	}
	for _, cluster := range []float64{math.NaN(), -1, 0, 1, 5} {
		if got, want := confirm(cluster), confirm(1); got != want {
			t.Errorf("cluster %v: %v, want %v", cluster, got, want)
		}
	}
	if a, b, c := confirm(1), confirm(20), confirm(math.Inf(1)); !(a > b && b > c && c > -.1) {
		t.Errorf("evidence %v, in clusters of 20 %v, in one cluster %v", a, b, c)
	}
	if d := NewPair(.01); d.Clustered(7).delta != .01 {
		t.Errorf("the difference became %v", d.Clustered(7).delta)
	}
}

// A minute without events on one side changes nothing.
func TestPairSilent(t *testing.T) {
	p := NewPair(0)
	var a, b PairTrack
	p.Look(&a, Minute{N: 12, Bad: 1}, Minute{N: 108, Bad: 1}, .5)
	b = a
	p.Look(&b, Minute{}, Minute{N: 108, Bad: 5}, .5)
	p.Look(&b, Minute{N: 12, Bad: 5}, Minute{}, .5)
	p.Look(&b, Minute{N: 12, Bad: math.NaN()}, Minute{N: 108}, .5)
	if a != b {
		t.Errorf("after silent minutes %+v, want %+v", b, a)
	}
	if (PairTrack{}) != *new(PairTrack) || p.LogE(&PairTrack{}) != 0 {
		t.Error("a track that has seen nothing has evidence")
	}
}
