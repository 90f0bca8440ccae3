package simulation

import (
	"fmt"
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// TestBaselineBehind is a shared outage in which what runs beside the release is
// told later than the release: it is waited for before anything is rolled back, and
// only so long that a baseline that has ended keeps nothing waiting.
func TestBaselineBehind(t *testing.T) {
	t.Parallel()
	shared := Release{Rate: .005, Baseline: .005, Outage: Burst{At: 20, Looks: 15, Rate: .1}}
	for _, tt := range []struct {
		name    string
		release Release
		traffic Traffic
		d       delivery
		most    int // of 30 may be rolled back
		within  int // if not 0, all are rolled back by this tick
	}{
		{"nothing is late", shared, Traffic{Canary: 120, Baseline: 1080}, delivery{}, 1, 0},
		{"it is two minutes behind", shared, Traffic{Canary: 12, Baseline: 108},
			delivery{shown: func(i, m, k int) bool { return i == 0 || k-m-1 >= 2 }}, 1, 0},
		{"it is three minutes behind", shared, Traffic{Canary: 120, Baseline: 1080},
			delivery{shown: func(i, m, k int) bool { return i == 0 || k-m-1 >= 3 }}, 1, 0},
		{"its source fails as the outage begins", shared, Traffic{Canary: 120, Baseline: 1080},
			delivery{down: func(i, k int) bool { return i == 1 && k > 20 && k <= 24 }}, 1, 0},
		{"it ended before the fault", Release{Rate: .1, Before: .005, Since: 30, Baseline: .005}, Traffic{Canary: 120, Baseline: 1080},
			delivery{shown: func(i, m, k int) bool { return i == 0 || m < 25 }}, 30, 37},
		{"it never came", Release{Rate: .1, Baseline: .005}, Traffic{Canary: 120},
			delivery{}, 30, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan, s, rolledBack, last := besidePlan(t, 60, nil), newScript(tt.release, tt.traffic, 3), 0, 0
			for i := range 30 {
				d := tt.d
				d.back = 2*settleMinutes + 3
				d.begin(s, i, 60)
				d.play(t, plan, 60, func(k int, s fact.Snapshot) bool {
					if s.State != rules.RolledBack {
						return true
					}
					rolledBack, last = rolledBack+1, max(last, k)
					return false
				})
			}
			if rolledBack > tt.most {
				t.Errorf("%d of 30 are rolled back, want at most %d", rolledBack, tt.most)
			}
			if tt.within > 0 && (rolledBack < 30 || last > tt.within) {
				t.Errorf("%d of 30 are rolled back, the last at minute %d: want all by %d", rolledBack, last, tt.within)
			}
		})
	}
}

// provenPlan has one success rule that wants a strong proof, and its rollback rule.
func provenPlan(t *testing.T, window int) *rules.Plan {
	return written(t, window, func(s *rules.Spec) {
		s.Signals[0].Settle = minutesLong(settleMinutes)
		s.Success[0].Proof = ptr(rules.ProofStrong)
		s.Phases[0].Extend = minutesLong(60)
	})
}

// TestFailuresInClustersProveNothing is a release exactly at its limit whose
// failures come five at a time. What is measured of their clustering is not enough
// where there are few of them; with `cluster` declared it passes in at most the 5 %
// that a plan promises, at every traffic.
func TestFailuresInClustersProveNothing(t *testing.T) {
	t.Parallel()
	const window, extend = 15, 60
	for _, tt := range []struct {
		cluster, traffic float64
		runs             int
		least, most      float64 // share that passes
	}{
		{5, 12, 100, 0, .05},
		{5, 120, 200, 0, .05},
		{1, 12, 40, .3, .7}, // so that the others would show it
	} {
		t.Run(fmt.Sprintf("cluster %v, %v a minute", tt.cluster, tt.traffic), func(t *testing.T) {
			t.Parallel()
			plan := written(t, window, func(s *rules.Spec) {
				s.Signals[0].Settle, s.Signals[0].Cluster = minutesLong(0), ptr(tt.cluster)
				s.Success[0].Proof = ptr(rules.ProofStrong)
				s.Phases[0].Extend = minutesLong(extend)
			})
			s, passed := newScript(Release{Rate: .01, Group: 5}, Traffic{Canary: tt.traffic}, 8), 0
			for i := range tt.runs {
				d := delivery{back: 3, final: true}
				d.begin(s, i, window+extend)
				d.play(t, plan, window+extend+1, func(_ int, s fact.Snapshot) bool {
					if s.Phases[0].State == rules.Passed {
						passed++
					}
					return s.Phases[0].State == rules.Monitoring
				})
			}
			share := float64(passed) / float64(tt.runs)
			t.Logf("%d of %d pass", passed, tt.runs)
			if share < tt.least || share > tt.most {
				t.Errorf("%d of %d pass, want a share of %v to %v", passed, tt.runs, tt.least, tt.most)
			}
		})
	}
}

// TestFutileIsFutile counts the releases that pass although it was said that they
// cannot.
func TestFutileIsFutile(t *testing.T) {
	t.Parallel()
	const window, runs = 30, 60
	for _, release := range []Release{
		{Rate: .002}, {Rate: .004}, {Rate: .0005, Burst: Burst{At: 5, Looks: 2, Rate: .1}},
	} {
		plan, traffic := provenPlan(t, window), Traffic{Canary: 12}
		if release.Burst.Looks > 0 {
			traffic.Canary = 120
		}
		s, wrong := newScript(release, traffic, 3), 0
		for i := range runs {
			d, said := delivery{back: 2*settleMinutes + 3}, false
			d.begin(s, i, window+60)
			d.play(t, plan, window+60+settleMinutes, func(_ int, s fact.Snapshot) bool {
				o := s.Phases[0].Success[0].Evidence.Weighed.Outlook
				said = said || o != nil && o.Futile
				if said && s.Phases[0].State == rules.Passed {
					wrong++
				}
				return s.Phases[0].State == rules.Monitoring
			})
		}
		if wrong > 1 {
			t.Errorf("%+v: %d of %d passed although it was said that they cannot", release, wrong, runs)
		}
	}
}
