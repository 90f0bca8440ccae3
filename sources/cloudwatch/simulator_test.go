package cloudwatch_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
	"github.com/relgate/relgate/sources/simulator"
	"github.com/relgate/relgate/sources/simulator/simulatortest"
)

// launch is the T of the simulated release.
var launch = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// simulated is the source against the simulator at one time after launch.
func simulated(t *testing.T, scenario string, after time.Duration, chaos *simulator.Chaos) (*cloudwatch.Source, *simulator.Simulator) {
	t.Helper()
	sc, err := simulator.Load(scenario)
	if err != nil {
		t.Fatal(err)
	}
	sim, err := simulator.New(simulator.Config{
		Scenario: sc, Start: launch, Now: func() time.Time { return launch.Add(after) }, Chaos: chaos,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := newSource(t, sim.Handler("aws"))
	return s, sim
}

// planned is a want for each of config.toml's CloudWatch signals, and for what
// is derived from the percentile, over the half hour before now.
func planned(now time.Time) []sources.Want {
	latency := func(of rules.Kind, quantile, above float64) *rules.Signal {
		s := signal(of, rules.Seconds, kind.Query{
			Namespace: "AWS/Lambda", Metric: "Duration", Unit: "Milliseconds",
			Dimensions: map[string]string{"FunctionName": "bioage-inference", "Resource": "bioage-inference:live", "ExecutedVersion": "43"},
		})
		s.Quant, s.Above = quantile, above
		return s
	}
	over := func(seconds float64) *rules.Signal {
		s := latency(rules.Ratio, 0, seconds)
		s.Of, s.Unit = 1, rules.Percent
		return s
	}
	var wants []sources.Want
	for i, s := range []*rules.Signal{errorRate(), latency(rules.Percentile, 0.95, 0), over(2.5), over(3), alarm("API5xxAlarm")} {
		wants = append(wants, sources.Want{Run: "p", Index: i, Signal: s, From: now.Add(-30 * time.Minute).Unix(), To: now.Unix()})
	}
	return wants
}

func share(points []rules.Point) float64 {
	bad, total := 0.0, 0.0
	for _, p := range points {
		bad, total = bad+p.Value, total+p.Samples
	}
	return bad / total
}

func TestAgainstTheSimulator(t *testing.T) {
	at := launch.Add(105*time.Minute + 30*time.Second)
	s, sim := simulated(t, "api-5xx", at.Sub(launch), nil)
	got := s.Fetch(t.Context(), at, planned(at))
	for i, r := range got {
		if r.Fault != rules.OK || len(r.Points) < 25 {
			t.Errorf("reading %d: fault %d %q, %d points", i, r.Fault, r.Detail, len(r.Points))
		}
	}
	if v := share(got[0].Points); v < 0.04 || v > 0.06 {
		t.Errorf("5xx rate %.4f, want about 5 %%", v)
	}
	if p := got[1].Points[3]; p.Value < 0.3 || p.Value > 5 {
		t.Errorf("p95 %v s, want seconds", p.Value)
	}
	if two, three := share(got[2].Points), share(got[3].Points); two > 0.05 || three > two {
		t.Errorf("%.4f above 2.5 s and %.4f above 3 s, of a healthy function", two, three)
	}
	for _, p := range got[4].Points {
		if p.Value != 1 {
			t.Errorf("the alarm is %v at %d, want 1: it is half an hour after the rise", p.Value, p.At)
		}
	}
	if got[4].Note == "" {
		t.Error("an alarm without a reason")
	}
	// 5XXError and Count, and of Duration p95, SampleCount and two thresholds.
	st := sim.Stats()
	want := map[string]int{"cloudwatch/GetMetricData": 1, "cloudwatch/DescribeAlarms": 1}
	if diff := cmp.Diff(want, st.Requests); diff != "" || st.Metrics != 6 || s.Stats().Billed != 6 {
		t.Errorf("%d metrics, %d billed; requests (-want +got):\n%s", st.Metrics, s.Stats().Billed, diff)
	}
}

// However an answer is spoilt, a reading without a fault is the whole truth, and
// one with a fault holds nothing but the truth.
func TestSpoiltAnswers(t *testing.T) {
	at := launch.Add(95*time.Minute + 30*time.Second)
	honest, _ := simulated(t, "api-5xx", at.Sub(launch), nil)
	wants := planned(at)
	truth := honest.Fetch(t.Context(), at, wants)
	faults := make(map[rules.Fault]int)
	for _, kind := range simulator.ChaosKinds() {
		s, _ := simulated(t, "api-5xx", at.Sub(launch), &simulator.Chaos{Seed: 7, Rate: 1, Kinds: []string{kind}})
		for range 12 {
			for i, r := range s.Fetch(t.Context(), at, wants) {
				sound(t, wants[i], r)
				faults[r.Fault]++
				whole := len(r.Points) == len(truth[i].Points) && r.SettledUntil == truth[i].SettledUntil
				if r.Fault == rules.OK && !whole {
					t.Errorf("%s: want %d has no fault, %d of %d points", kind, i, len(r.Points), len(truth[i].Points))
				}
				if p, ok := stranger(r.Points, truth[i].Points); ok {
					t.Errorf("%s: want %d: %+v (fault %d %q) is not true", kind, i, p, r.Fault, r.Detail)
				}
			}
		}
	}
	for _, f := range []rules.Fault{rules.OK, rules.PartialData, rules.AuthFault, rules.ConfigFault, rules.Unavailable, rules.Throttled} {
		if faults[f] == 0 {
			t.Errorf("no reading with fault %d among %v: the test does not see what it is for", f, faults)
		}
	}
}

// stranger finds a point that is not among others.
func stranger(points, others []rules.Point) (rules.Point, bool) {
	known := make(map[int64]rules.Point)
	for _, p := range others {
		known[p.At] = p
	}
	for _, p := range points {
		o, ok := known[p.At]
		if !ok || math.Abs(o.Value-p.Value) > 1e-9 || o.Samples != p.Samples {
			return p, true
		}
	}
	return rules.Point{}, false
}

func TestHonest(t *testing.T) {
	simulatortest.Honest(t, simulatortest.Suite{
		Handler: "aws",
		Open:    func(base string, _ time.Time) (sources.Source, error) { return sourceAt(base, new(pauses)) },
		Wants:   planned,
	})
}
