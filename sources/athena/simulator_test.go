package athena_test

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/athena"
	"github.com/relgate/relgate/sources/athena/kind"
	"github.com/relgate/relgate/sources/simulator"
	"github.com/relgate/relgate/sources/simulator/simulatortest"
)

// launch is the T of the simulated release.
var launch = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

func simulated(t *testing.T, scenario string, at time.Time, chaos *simulator.Chaos) (*athena.Source, *simulator.Simulator) {
	t.Helper()
	sc, err := simulator.Load(scenario)
	if err != nil {
		t.Fatal(err)
	}
	sim, err := simulator.New(simulator.Config{Scenario: sc, Start: launch, Now: func() time.Time { return at }, Chaos: chaos})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler("aws"))
	t.Cleanup(server.Close)
	s, _ := sourceAt(t, server.URL)
	return s, sim
}

// planned is a want for config.toml's signal, with the SQL that is shipped.
func planned(t *testing.T, at time.Time) sources.Want {
	t.Helper()
	text, err := os.ReadFile("../../sql/bias_by_age_decile.sql")
	if err != nil {
		t.Fatal(err)
	}
	s := signal()
	kind.Of(s.Query).SQL = string(text)
	return sources.Want{Run: "p", Index: 5, Signal: s, From: at.Add(-3 * time.Hour).Unix(), To: at.Unix()}
}

func TestAgainstTheSimulator(t *testing.T) {
	at := launch.Add(26*time.Hour + 3*time.Minute)
	for scenario, want := range map[string]float64{"healthy": 0.03, "bias": 0.12} {
		s, sim := simulated(t, scenario, at, nil)
		w := planned(t, at)
		got := s.Fetch(t.Context(), at, []sources.Want{w, w})
		for _, r := range got {
			if r.Fault != rules.OK || len(r.Points) != 1 || r.SettledUntil != launch.Add(26*time.Hour).Unix() {
				t.Fatalf("%s: got %+v", scenario, r)
			}
			if v := r.Points[0].Value; v < want-0.035 || v > want+0.035 {
				t.Errorf("%s: gap %.4f, want about %.2f (%s)", scenario, v, want, r.Note)
			}
			if len(r.Parts) != 1 || r.Parts[0].At != r.Points[0].At || len(r.Parts[0].Groups) != 10 {
				t.Fatalf("%s: parts %+v of %+v", scenario, r.Parts, r.Points)
			}
			for _, g := range r.Parts[0].Groups {
				if g.Samples < 5000 || g.Value < g.Samples/10 || g.Value > g.Samples/2 {
					t.Errorf("%s: group %+v, want thousands", scenario, g)
				}
			}
		}
		again := s.Fetch(t.Context(), at, []sources.Want{w})
		if diff := cmp.Diff(got[0], again[0]); diff != "" {
			t.Errorf("%s: asked again in the slot (-first +again):\n%s", scenario, diff)
		}
		if n := sim.Stats().Queries; n != 1 || s.Stats().Billed != 1 || s.Stats().BytesScanned < 10_000_000 {
			t.Errorf("%s: %d queries ran; stats %+v", scenario, n, s.Stats())
		}
	}
}

// A small group keeps the gap from being a point, and its counts are there.
func TestSmallGroupsOfTheSimulator(t *testing.T) {
	at := launch.Add(2*time.Hour + 3*time.Minute)
	scenario, err := simulator.Parse("small", "[levels]\n\"bias.n\" = 50\n")
	if err != nil {
		t.Fatal(err)
	}
	sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: launch, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler("aws"))
	defer server.Close()
	s, _ := sourceAt(t, server.URL)
	r := s.Fetch(t.Context(), at, []sources.Want{planned(t, at)})[0]
	if r.Fault != rules.NoData || len(r.Points) != 0 || len(r.Parts) != 1 || len(r.Parts[0].Groups) != 10 || r.Parts[0].Groups[0].Samples != 60 {
		t.Errorf("got %+v, want no data and ten groups of 60", r)
	}
}

// However an answer is spoilt, a reading without a fault is the whole truth, and
// one with a fault holds nothing.
func TestSpoiltAnswers(t *testing.T) {
	at := launch.Add(26*time.Hour + 3*time.Minute)
	honest, _ := simulated(t, "bias", at, nil)
	w := planned(t, at)
	truth := honest.Fetch(t.Context(), at, []sources.Want{w})[0]
	faults := make(map[rules.Fault]int)
	for _, kind := range simulator.ChaosKinds() {
		for seed := range uint64(10) {
			s, _ := simulated(t, "bias", at, &simulator.Chaos{Seed: seed, Rate: 0.3, Kinds: []string{kind}})
			r := s.Fetch(t.Context(), at, []sources.Want{w})[0]
			faults[r.Fault]++
			if len(r.Parts) > 0 && cmp.Diff(truth.Parts, r.Parts) != "" {
				t.Errorf("%s, seed %d: parts %+v, want %+v", kind, seed, r.Parts, truth.Parts)
			}
			if r.Fault == rules.OK {
				if diff := cmp.Diff(truth.Points, r.Points); diff != "" || strings.TrimSuffix(r.Note, "; reused result") != truth.Note {
					t.Errorf("%s, seed %d: no fault, but note %q and points (-want +got):\n%s", kind, seed, r.Note, diff)
				}
			} else if len(r.Points) != 0 || r.Detail == "" || len(r.Detail) > 300 {
				t.Errorf("%s, seed %d: %+v", kind, seed, r)
			}
		}
	}
	for _, f := range []rules.Fault{rules.OK, rules.NoData, rules.ConfigFault, rules.Unavailable} {
		if faults[f] == 0 {
			t.Errorf("no reading with fault %d among %v: the test does not see what it is for", f, faults)
		}
	}
}

func TestHonest(t *testing.T) {
	w := planned(t, launch)
	simulatortest.Honest(t, simulatortest.Suite{
		Handler: "aws",
		Open: func(base string, _ time.Time) (sources.Source, error) {
			s, _ := sourceAt(t, base)
			return s, nil
		},
		Wants: func(now time.Time) []sources.Want {
			w.From, w.To = now.Add(-3*time.Hour).Unix(), now.Unix()
			return []sources.Want{w}
		},
	})
}
