package simulation

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// TestTableIsPoisson compares the tabulated distribution functions with
// gonum's, over nine orders of magnitude of the mean.
func TestTableIsPoisson(t *testing.T) {
	for _, mean := range []float64{1e-4, .012, .3, 1, 3, 11.88, 120, 2999.5, 9e4} {
		table, want := newTable(mean), distuv.Poisson{Lambda: mean}
		for i, got := range table.cdf[:len(table.cdf)-1] {
			if k := float64(table.first + i); math.Abs(got-want.CDF(k)) > 1e-10 {
				t.Fatalf("mean %v: P(X <= %v) = %v, want %v", mean, k, got, want.CDF(k))
			}
		}
		for _, u := range []float64{0, 1e-9, .1, .5, .9, 1 - 1e-9, math.Nextafter(1, 0)} {
			i := int(table.draw(u)) - table.first
			if table.cdf[i] <= u || i > 0 && table.cdf[i-1] > u {
				t.Errorf("mean %v: draw(%v) = %v, which is not the count at that point", mean, u, table.first+i)
			}
		}
	}
}

// moments runs a release for many looks and gives the mean of the bad share over
// looks with events, the pooled share, and the events of a look.
func moments(r Release, traffic Traffic, looks int) (ofLooks, pooled, events float64) {
	s := newScript(r, traffic, 7)
	s.begin(0)
	var n, bad, shares, with float64
	for t := range looks {
		m, _ := s.look(t)
		n, bad = n+m.N, bad+m.Bad
		if m.N > 0 {
			shares += m.Bad / m.N
			with++
		}
	}
	return shares / with, bad / n, n / float64(looks)
}

func TestReleasesFailAtTheirRate(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    Release
		want float64
		// room is some five standard errors of the share
		room float64
	}{
		{"evenly", Release{Rate: .03}, .03, .001},
		{"never", Release{}, 0, 0},
		{"with a rate that varies", Release{Rate: .03, CV: 2}, .03, .002},
		{"in whole looks", Release{Storm: Storm{Chance: .02, Rate: 1}}, .02, .003},
		{"before the fault", Release{Rate: .9, Since: 1e6, Before: .05}, .05, .001},
		{"in an outage", Release{Outage: Burst{Looks: 1e6, Rate: .1}}, .1, .002},
	} {
		ofLooks, pooled, events := moments(tt.r, Traffic{Canary: 12}, 100000)
		if math.Abs(ofLooks-tt.want) > tt.room || math.Abs(pooled-tt.want) > tt.room || math.Abs(events-12) > .06 {
			t.Errorf("a release that fails %s: share %v by looks and %v pooled of %v events a look, want %v of 12",
				tt.name, ofLooks, pooled, events, tt.want)
		}
	}
	// Where groups of failures do not fit into a look they are cut off, so that the
	// share is never more than it says: that is what the guarantee is about.
	ofLooks, _, _ := moments(Release{Rate: .01, Group: 5}, Traffic{Canary: 3}, 300000)
	if ofLooks > .0104 || ofLooks < .004 {
		t.Errorf("failures in groups: share %v, want at most 0.01 and not much less than half of it", ofLooks)
	}
}

func TestBinomialSplit(t *testing.T) {
	// Given n, the bad ones are binomial: their variance at n = 12 is 12p(1-p).
	s := newScript(Release{Rate: .25}, Traffic{Canary: 12}, 3)
	s.begin(0)
	var k, sum, square float64
	for i := range 200000 {
		if m, _ := s.look(i); m.N == 12 {
			k, sum, square = k+1, sum+m.Bad, square+m.Bad*m.Bad
		}
	}
	mean := sum / k
	if v := square/k - mean*mean; math.Abs(mean-3) > .06 || math.Abs(v-2.25) > .1 {
		t.Errorf("of 12 events %v are bad with variance %v, want 3 and 2.25", mean, v)
	}
}

// A release is a function of the seed and its number: whoever plays it, in
// whatever order.
func TestReleaseIsAFunctionOfItsNumber(t *testing.T) {
	r := Release{Rate: .02, CV: 1, Baseline: .01}
	traffic := Traffic{Canary: 5, Baseline: 9}
	play := func(s *script, i int) (sum [4]float64) {
		s.begin(i)
		for t := range 50 {
			c, b := s.look(t)
			w := float64(t + 1)
			sum[0], sum[1], sum[2], sum[3] = sum[0]+w*c.N, sum[1]+w*c.Bad, sum[2]+w*b.N, sum[3]+w*b.Bad
		}
		return sum
	}
	one, other := newScript(r, traffic, 1), newScript(r, traffic, 1)
	seen := map[[4]float64]bool{}
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(40) {
		got := play(one, i)
		if want := play(other, i); got != want {
			t.Errorf("release %d is %v, and %v the next time", i, got, want)
		}
		if seen[got] {
			t.Errorf("release %d repeats another one", i)
		}
		seen[got] = true
	}
	if play(one, 3) == play(newScript(r, traffic, 2), 3) {
		t.Error("another seed gives the same release")
	}
}

func TestImpossibleReleasesAreRefused(t *testing.T) {
	ok := Config{Release: Release{Rate: .01}, Traffic: Traffic{Canary: 1}, Looks: 10, Runs: 1, Rules: Plain(.03, .01)}
	for _, tt := range []struct {
		want string
		bend func(*Config)
	}{
		{"rate is 1.5", func(c *Config) { c.Release.Rate = 1.5 }},
		{"rate is NaN", func(c *Config) { c.Release.Rate = math.NaN() }},
		{"rate of a storm is -1", func(c *Config) { c.Release.Storm.Rate = -1 }},
		{"0 events a look", func(c *Config) { c.Traffic.Canary = 0 }},
		{"+Inf of the baseline", func(c *Config) { c.Traffic.Baseline = math.Inf(1) }},
		{"coefficient of variation is NaN", func(c *Config) { c.Release.CV = math.NaN() }},
		{"cannot begin before", func(c *Config) { c.Release.Since = -1 }},
		{"after a window of 10", func(c *Config) { c.Release.Since = 10 }},
		{"window of 0 looks", func(c *Config) { c.Looks = 0 }},
		{"no releases", func(c *Config) { c.Runs = 0 }},
		{"no rules", func(c *Config) { c.Rules = nil }},
	} {
		c := ok
		tt.bend(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got error %v, want one with %q", err, tt.want)
		}
	}
	if _, err := Run(t.Context(), ok); err != nil {
		t.Errorf("a possible one: %v", err)
	}
}
