package simulator_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/relgate/relgate/sources/simulator"
)

func TestEachVersionHasItsShare(t *testing.T) {
	s, err := simulator.Parse("versions", `
[levels]
"lambda.errors" = "8 %"
"lambda.stable.errors" = "1 %"
"lambda.stable.p95" = "1 s"
"lambda.p95" = "2 s"
`)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, s)
	at := 3 * time.Hour
	for _, tt := range []struct {
		from, to time.Duration
		share    float64 // of the new version
	}{{-time.Hour, 0, 0}, {0, 20 * time.Minute, 0.1}, {20 * time.Minute, time.Hour, 1}} {
		ask := func(name, dims, stat string) map[int]float64 {
			return d.metric(t, at, name, dims, stat, tt.from, tt.to)
		}
		both, canary, stable := ask("Invocations", aliasDims, "Sum"), ask("Invocations", canaryDims, "Sum"), ask("Invocations", stableDims, "Sum")
		for m, n := range both {
			if canary[m]+stable[m] != n {
				t.Errorf("minute %d: %v and %v of %v invocations", m, canary[m], stable[m], n)
			}
		}
		if got := sum(canary) / sum(both); math.Abs(got-tt.share) > 0.005 {
			t.Errorf("from T+%v the new version has %.3f of the invocations, want %v", tt.from, got, tt.share)
		}
		for _, v := range []struct {
			dims        string
			share, rate float64
			p95         float64
		}{{canaryDims, tt.share, 0.08, 2000}, {stableDims, 1 - tt.share, 0.01, 1000}} {
			n, bad := sum(ask("Duration", v.dims, "SampleCount")), sum(ask("Errors", v.dims, "Sum"))
			slow := sum(ask("Duration", v.dims, fmt.Sprintf("TC(%v:)", v.p95)))
			switch {
			case v.share == 0 && (n != 0 || bad != 0):
				t.Errorf("from T+%v: %v durations and %v errors of a version without traffic", tt.from, n, bad)
			case v.share > 0 && (math.Abs(bad/n-v.rate) > 0.01 || math.Abs(slow/n-0.05) > 0.01 || n != sum(both)-sum(ask("Invocations", other(v.dims), "Sum"))):
				t.Errorf("from T+%v: %v errors and %v above %v ms of %v", tt.from, bad, slow, v.p95, n)
			}
		}
	}
}

func other(dims string) string {
	if dims == canaryDims {
		return stableDims
	}
	return canaryDims
}

// A plan that compares the p95 of five minutes with 3 s would roll back what is
// healthy over any longer time.
func TestLittleTrafficLooksBadInFiveMinutes(t *testing.T) {
	slowIn := func(name string, from, to int) (share, n float64) {
		d := newDesk(t, loaded(t, name))
		a, b := time.Duration(from)*time.Minute, time.Duration(to)*time.Minute
		n = sum(d.metric(t, 31*time.Hour, "Duration", canaryDims, "SampleCount", a, b))
		return sum(d.metric(t, 31*time.Hour, "Duration", canaryDims, "TC(3000:)", a, b)) / n, n
	}
	fires := 0
	for m := 0; m+5 <= 15; m++ {
		share, n := slowIn("low-traffic-healthy", m, m+5)
		if share > 0.05 {
			fires++
		}
		if n < 40 || n > 80 {
			t.Errorf("minutes %d to %d: %v requests, want about sixty", m, m+5, n)
		}
	}
	if fires < 3 {
		t.Errorf("%d stretches of five minutes look bad, want some of the first quarter of an hour", fires)
	}
	if share, n := slowIn("low-traffic-healthy", 0, 1800); share < 0.025 || share > 0.035 {
		t.Errorf("%.4f of %v slower than 3 s in all, want three in a hundred", share, n)
	}
	if share, n := slowIn("low-traffic-bad", 0, 15); share < 0.35 || n > 220 {
		t.Errorf("low-traffic-bad: %.3f of %v slower than 3 s, want about half of 180", share, n)
	}
}

func TestASharedOutageIsShared(t *testing.T) {
	d := newDesk(t, loaded(t, "shared-outage"))
	for _, dims := range []string{canaryDims, stableDims} {
		for m, p95 := range d.metric(t, time.Hour, "Duration", dims, "p95", 0, 20*time.Minute) {
			if slow := m >= 2 && m < 17; slow != (p95 > 4000) {
				t.Errorf("minute %d: p95 %v of %s", m, p95, dims)
			}
		}
	}
}

func TestThePreviousReleaseHasItsOwnCrashes(t *testing.T) {
	s, err := simulator.Parse("previous", "[levels]\n\"sessions.previous.crash\" = \"4 %\"\n\"sessions.crash\" = \"1 %\"\n")
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, s)
	for name, want := range map[string]float64{release: 0.99, previous: 0.96} {
		if rate, all := d.crashFreeOf(t, name, 3*time.Hour, time.Hour, 2*time.Hour); math.Abs(rate-want) > 0.004 || all < 1000 {
			t.Errorf("%s: crash-free %.4f of %v, want %v", name, rate, all, want)
		}
	}
}

// By chance of its own each invocation fails, so that a minute's failures swing as those of
// requests do that know nothing of each other: by a binomial distribution. Else they swing less.
func TestInvocationsFailByChance(t *testing.T) {
	for _, tt := range []struct {
		chance   bool
		from, to float64 // of the variance; a binomial one is 16
	}{{true, 12, 21}, {false, 3, 9}} {
		s, err := simulator.Parse("chance", fmt.Sprintf(`
[cloudwatch]
chance = %v

[levels]
"lambda.requests" = 100
"lambda.errors"   = "20 %%"
"day.swing"       = 0
`, tt.chance))
		if err != nil {
			t.Fatal(err)
		}
		d := newDesk(t, s)
		bad := d.metric(t, 12*time.Hour, "Errors", canaryDims, "Sum", time.Hour, 11*time.Hour) // it has all of the traffic
		mean, squares := sum(bad)/float64(len(bad)), 0.0
		for _, n := range bad {
			squares += (n - mean) * (n - mean)
		}
		if v := squares / float64(len(bad)); len(bad) != 600 || math.Abs(mean-20) > 1 || v < tt.from || v > tt.to {
			t.Errorf("chance %v: %d minutes, mean %.1f, variance %.1f, want %v to %v", tt.chance, len(bad), mean, v, tt.from, tt.to)
		}
	}
}
