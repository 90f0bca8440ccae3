package cloudwatch_test

import (
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
	"github.com/relgate/relgate/sources/simulator"
)

// inWorld asks for what the plan of config.toml asks for, in a world of one's own.
func inWorld(t *testing.T, world string, wants ...sources.Want) ([]rules.Reading, *simulator.Simulator) {
	t.Helper()
	scenario, err := simulator.Parse("world", world)
	if err != nil {
		t.Fatal(err)
	}
	now := launch.Add(2 * time.Hour)
	sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: launch, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler("aws"))
	defer server.Close()
	s, err := sourceAt(server.URL, new(pauses))
	if err != nil {
		t.Fatal(err)
	}
	if len(wants) == 0 {
		wants = planned(now)
	}
	return s.Fetch(t.Context(), now, wants), sim
}

const healthyLambda = "[levels]\n\"lambda.p95\" = 0.1\n\"lambda.cold\" = 0\n"

// A release in which no call is slow has no call above the threshold: TC(x:) would have
// no value at all.
func TestNothingExceeds(t *testing.T) {
	for _, world := range []string{healthyLambda, healthyLambda + "[cloudwatch]\nranks = false\n"} {
		got, _ := inWorld(t, world)
		if r := got[3]; r.Fault != rules.OK || len(r.Points) < 25 || share(r.Points) != 0 {
			t.Errorf("fault %v %q, %d points, a share of %v above three seconds", r.Fault, r.Detail, len(r.Points), share(r.Points))
		}
	}
}

func TestAlarmsOfTheSimulator(t *testing.T) {
	for _, kind := range []string{"metric", "composite", "log"} {
		got, _ := inWorld(t, "[alarm]\ntype = \""+kind+"\"\n")
		if r := got[4]; r.Fault != rules.OK || len(r.Points) < 25 {
			t.Errorf("%s: fault %v %q, %d points", kind, r.Fault, r.Detail, len(r.Points))
		}
	}
}

// A metric that exists only when something failed: what was seen long ago is no typo,
// and a typo is never seen.
func TestSparseMetricOfTheSimulator(t *testing.T) {
	now := launch.Add(2 * time.Hour)
	want := func(bad string) sources.Want {
		s := errorRate()
		kind.Of(s.Query).Bad = rules.Several{bad}
		return sources.Want{Run: "p", Signal: s, From: now.Add(-30 * time.Minute).Unix(), To: now.Unix()}
	}
	// Nothing fails from a day before T on.
	world := "[cloudwatch]\nsparse = true\n[levels]\n\"api.5xx\" = \"1 %\"\n[[change]]\nat = \"T-24h\"\nsignal = \"api.5xx\"\nvalue = 0\n"
	got, sim := inWorld(t, world, want("5XXError"), want("5XXErorr"))
	for i, seen := range []bool{true, false} {
		r := got[i]
		filled := !slices.ContainsFunc(r.Points, func(p rules.Point) bool { return !r.Fills(p.At) || p.Value != 0 })
		if r.Fault != rules.OK || len(r.Points) < 25 || !filled || r.Seen != seen || !r.Looked || strings.Contains(r.Note, "never seen") == seen {
			t.Errorf("reading %d: %d points, all filled in: %t, seen %t, looked %t, note %q", i, len(r.Points), filled, r.Seen, r.Looked, r.Note)
		}
	}
	if n := sim.Stats().Requests["cloudwatch/GetMetricData"]; n != 2 {
		t.Errorf("%d requests, want the question and one look", n)
	}
}

func TestSpacingOfTheSimulator(t *testing.T) {
	got, _ := inWorld(t, "[cloudwatch]\nspacing = \"5m\"\n")
	r := got[0]
	if r.Fault != rules.OK || len(r.Points) < 5 || len(r.Points) > 7 {
		t.Fatalf("fault %v %q, %d points", r.Fault, r.Detail, len(r.Points))
	}
	for i := 1; i < len(r.Points); i++ {
		if math.Abs(float64(r.Points[i].At-r.Points[i-1].At)-300) > 0 {
			t.Errorf("points at %d and %d", r.Points[i-1].At, r.Points[i].At)
		}
	}
}
