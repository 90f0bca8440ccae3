// Package simulatortest tests sources against upstreams that misbehave at random.
// A source's test calls [Honest] with a function that makes the source.
package simulatortest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/simulator"
)

// Start is the T of the simulated plan.
var Start = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// Suite says which source is tried, and what it is asked.
type Suite struct {
	Handler string // the simulated upstreams it asks, as simulator.Handler names them
	// Open makes a new source that asks at base, does not wait between retries,
	// and has now for its clock.
	Open func(base string, now time.Time) (sources.Source, error)
	// Wants is what is asked at a time; an undisturbed upstream must give points
	// for each of them.
	Wants func(now time.Time) []sources.Want
	// Kinds of chaos; all of simulator.ChaosKinds if empty.
	Kinds []string
}

// Honest checks that whatever the upstream answers, the source does not panic and
// gives one reading for each want. If a reading is clean (points and no fault),
// each of its points must be the one that an undisturbed upstream leads to; it may
// have fewer points, because an unknown period does no harm. The parts of any
// reading must be true too, and add up to their point; only a reading with NoData
// may have parts without a point.
func Honest(t *testing.T, s Suite) {
	t.Helper()
	scenario, err := simulator.Load("healthy")
	if err != nil {
		t.Fatal(err)
	}
	kinds := s.Kinds
	if len(kinds) == 0 {
		kinds = simulator.ChaosKinds()
	}
	clean, spoilt, parts, due := 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		now := Start.Add(time.Duration(rapid.IntRange(9*3600, 30*3600).Draw(t, "now")) * time.Second)
		chaos := &simulator.Chaos{
			Seed: rapid.Uint64().Draw(t, "seed"), Rate: rapid.SampledFrom([]float64{0.3, 0.7, 1}).Draw(t, "rate"),
			Kinds: []string{rapid.SampledFrom(kinds).Draw(t, "kind")},
		}
		want, _ := s.fetch(t, scenario, now, nil, time.Minute)
		got, n := s.fetch(t, scenario, now, chaos, time.Minute)
		spoilt += n
		for i, r := range got {
			parts += len(r.Parts)
			if why := falseParts(r, want[i]); why != "" {
				t.Fatalf("want %d at %v: %s:\n got %+v\nwant %+v", i, now, why, r, want[i])
			}
			if want[i].Fault != rules.OK || len(want[i].Points) == 0 {
				t.Fatalf("undisturbed, want %d at %v has fault %v %q and %d points", i, now, want[i].Fault, want[i].Detail, len(want[i].Points))
			}
			if r.Fault != rules.OK || len(r.Points) == 0 {
				continue
			}
			clean++
			if len(want[i].Parts) > 0 {
				due++
				if len(r.Parts) != len(r.Points) {
					t.Fatalf("want %d at %v: a clean reading with %d parts of %d points", i, now, len(r.Parts), len(r.Points))
				}
			}
			if !within(r.Points, want[i].Points) || r.Width != want[i].Width || r.SettledUntil > want[i].SettledUntil {
				t.Fatalf("want %d at %v: a clean reading that is not the truth:\n got %+v\nwant %+v", i, now, r, want[i])
			}
		}
	})
	if clean == 0 || spoilt == 0 {
		t.Errorf("%d clean readings, %d spoilt answers: the check has seen nothing", clean, spoilt)
	}
	if due > 0 && parts == 0 {
		t.Error("no parts in any reading: the check has seen none")
	}
}

// falseParts says which parts of a reading cannot be: not ascending, not the
// true ones, or not those of their point.
func falseParts(r, truth rules.Reading) string {
	for k, p := range r.Parts {
		samples := 0.0
		for _, g := range p.Groups {
			samples += g.Samples
		}
		at := slices.IndexFunc(r.Points, func(q rules.Point) bool { return q.At == p.At })
		switch {
		case k > 0 && r.Parts[k-1].At >= p.At:
			return "parts that do not ascend"
		case at < 0 && r.Fault != rules.NoData:
			return "parts of no point"
		case at >= 0 && r.Points[at].Samples != samples:
			return fmt.Sprintf("a point of %v samples and parts of %v", r.Points[at].Samples, samples)
		case !slices.ContainsFunc(truth.Parts, func(q rules.Parts) bool { return q.At == p.At && slices.Equal(q.Groups, p.Groups) }):
			return "parts that are not the truth"
		}
	}
	return ""
}

// within says whether every point is one of the true ones, in their order.
func within(points, truth []rules.Point) bool {
	for _, p := range points {
		i := slices.Index(truth, p)
		if i < 0 {
			return false
		}
		truth = truth[i+1:]
	}
	return true
}

// failer is a test, or one draw of a property.
type failer interface{ Fatalf(string, ...any) }

// fetch asks a new source at a new simulator, and counts the answers spoilt. It fails when
// there is not one reading for each want within the longest time.
func (s Suite) fetch(t failer, scenario *simulator.Scenario, now time.Time, chaos *simulator.Chaos, longest time.Duration) ([]rules.Reading, int) {
	sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: Start, Now: func() time.Time { return now }, Chaos: chaos})
	if err != nil {
		t.Fatalf("%v", err)
	}
	server := httptest.NewServer(sim.Handler(s.Handler))
	defer server.Close()
	source, err := s.Open(server.URL, now)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if idle, ok := source.(interface{ CloseIdleConnections() }); ok {
		defer idle.CloseIdleConnections()
	}
	wants := s.Wants(now)
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	got := source.Fetch(ctx, now, wants)
	if len(got) != len(wants) || ctx.Err() != nil {
		t.Fatalf("%d readings for %d wants, %v", len(got), len(wants), ctx.Err())
	}
	return got, sim.Stats().Spoilt
}
