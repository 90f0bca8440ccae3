package cloudwatch_test

import (
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

// beside is a want's signal for the version that runs beside the release: the
// same question with another dimension, as a plan with a baseline asks it.
func beside(s *rules.Signal, version string) *rules.Signal {
	b, q := *s, *kind.Of(s.Query)
	q.Dimensions = maps.Clone(q.Dimensions)
	q.Dimensions["ExecutedVersion"] = version
	b.Name, b.BaselineOf, b.Query = s.Name+"@"+version, s.Name, rules.Query{Ask: &q}
	return &b
}

// compared is each of two signals of the released version, and its baseline.
func compared(from, to time.Duration) (wants []sources.Want) {
	function := map[string]string{"FunctionName": "bioage-inference", "Resource": "bioage-inference:live", "ExecutedVersion": "43"}
	failed := signal(rules.Ratio, rules.Percent, kind.Query{Namespace: "AWS/Lambda", Bad: rules.Several{"Errors"}, Total: rules.Several{"Invocations"}, Dimensions: function})
	slow := signal(rules.Ratio, rules.Percent, kind.Query{Namespace: "AWS/Lambda", Metric: "Duration", Unit: "Milliseconds", Dimensions: function})
	slow.Of, slow.Above = 1, 3
	for _, s := range []*rules.Signal{failed, slow, beside(failed, "42"), beside(slow, "42")} {
		wants = append(wants, sources.Want{Run: "p", Index: len(wants), Signal: s, From: launch.Add(from).Unix(), To: launch.Add(to).Unix()})
	}
	return wants
}

func TestABaselineIsAskedInTheSameRequest(t *testing.T) {
	s, sim := simulated(t, "shared-outage", 18*time.Minute, nil)
	got := s.Fetch(t.Context(), launch.Add(18*time.Minute), compared(0, 15*time.Minute))
	for i, r := range got {
		if r.Fault != rules.OK || len(r.Points) != 15 || r.Signal != i || r.SettledUntil != launch.Add(15*time.Minute).Unix() {
			t.Fatalf("reading %d: %+v, want 15 minutes", i, r)
		}
	}
	for _, pair := range [][2]rules.Reading{{got[0], got[2]}, {got[1], got[3]}} {
		var canary, stable float64
		for i := range pair[0].Points {
			canary, stable = canary+pair[0].Points[i].Samples, stable+pair[1].Points[i].Samples
			if pair[0].Points[i].At != pair[1].Points[i].At {
				t.Errorf("minute %d is compared with minute %d", pair[0].Points[i].At, pair[1].Points[i].At)
			}
		}
		if part := canary / (canary + stable); math.Abs(part-0.1) > 0.01 {
			t.Errorf("the release has %.3f of what both have, want a tenth", part)
		}
	}
	if a, b := share(got[1].Points), share(got[3].Points); a < 0.4 || math.Abs(a-b) > 0.05 {
		t.Errorf("%.3f and %.3f of the requests are slow in an outage of both", a, b)
	}
	// Of each version Errors, Invocations, and of Duration a count and a threshold.
	if st := sim.Stats(); st.Requests["cloudwatch/GetMetricData"] != 1 || st.Metrics != 8 {
		t.Errorf("%d requests for %d metrics, want one for 8", st.Requests["cloudwatch/GetMetricData"], st.Metrics)
	}
}

func TestOnlyTheReleaseIsSlow(t *testing.T) {
	s, _ := simulated(t, "low-traffic-bad", 18*time.Minute, nil)
	got := s.Fetch(t.Context(), launch.Add(18*time.Minute), compared(0, 15*time.Minute))
	if a, b := share(got[1].Points), share(got[3].Points); a < 0.35 || b > 0.02 {
		t.Errorf("%.3f of the release's and %.3f of the baseline's requests are slow, want about half and next to none", a, b)
	}
}

// When the release has all traffic, its baseline has no data, and the release's own
// reading has no fault.
func TestABaselineWithoutTraffic(t *testing.T) {
	at := launch.Add(48 * time.Minute)
	s, _ := simulated(t, "healthy", at.Sub(launch), nil)
	for _, tt := range []struct {
		from, to time.Duration
		points   int
	}{{25 * time.Minute, 45 * time.Minute, 0}, {15 * time.Minute, 45 * time.Minute, 5}} {
		got := s.Fetch(t.Context(), at, compared(tt.from, tt.to))
		for i, r := range got[:2] {
			if r.Fault != rules.OK || len(r.Points) != int((tt.to-tt.from)/time.Minute) {
				t.Errorf("from T+%v: reading %d of the release: %+v", tt.from, i, r)
			}
		}
		for i, r := range got[2:] {
			fault := rules.OK
			if tt.points == 0 {
				fault = rules.NoData
			}
			if r.Fault != fault || len(r.Points) != tt.points || r.SettledUntil != launch.Add(tt.to).Unix() {
				t.Errorf("from T+%v: reading %d of the baseline: %+v, want fault %q and %d points", tt.from, i, r, fault, tt.points)
			}
		}
	}
}

// CloudWatch interpolates trimmed counts and percentile ranks: what is a
// fraction stays one.
func TestFractionsOfACountAreKept(t *testing.T) {
	for _, tt := range []struct {
		stat  string
		value float64
		want  float64
	}{{"TC(:2500)", 37.6, 2.4}, {"PR(:2500)", 94, 2.4}} {
		f := &fake{}
		good := byStat(map[string][]float64{"Duration SampleCount": {at(1), 40}, "Duration " + tt.stat: {at(1), tt.value}})
		f.answer = func(c call) (int, map[string]string, any) {
			for _, q := range c.Queries {
				if strings.HasPrefix(tt.stat, "TC") && strings.HasPrefix(q.MetricStat.Stat, "PR(") {
					return 400, nil, m{"__type": "ValidationError", "message": "The value PR(:2500) for parameter Stat is not supported."}
				}
			}
			return good(c)
		}
		s, _ := newSource(t, f)
		got := fetch(t, s, want(above(2.5), 0, 10))[0]
		if got.Fault != rules.OK || len(got.Points) != 1 || math.Abs(got.Points[0].Value-tt.want) > 1e-9 || got.Points[0].Samples != 40 {
			t.Errorf("%s = %v: got %+v, want %v of 40", tt.stat, tt.value, got, tt.want)
		}
	}
}
