package sentry_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/sentry"
	"github.com/relgate/relgate/sources/sentry/kind"
	"github.com/relgate/relgate/sources/simulator"
)

// launch is the T of the simulated plan.
var launch = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// simulated asks a simulated Sentry, through a pool as the daemon does, for the
// last half hour.
func simulated(t *testing.T, scenario string, now time.Time, changes ...func(*sources.Want)) rules.Reading {
	t.Helper()
	s, err := simulator.Parse("test", scenario)
	if err != nil {
		t.Fatal(err)
	}
	sim, err := simulator.New(simulator.Config{Scenario: s, Start: launch, Now: func() time.Time { return now }, SentryToken: token})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler("sentry"))
	defer server.Close()
	source, err := sentry.New(sentry.Config{
		Name: "sentry", BaseURL: server.URL, Org: "bioage", Token: token,
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	pool := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"sentry": source}, Timeout: 200 * time.Millisecond})
	defer func() {
		if err := pool.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	w := want(0, 0)
	w.From, w.To = now.Unix()-1800, now.Unix()
	for _, change := range changes {
		change(&w)
	}
	return pool.Fetch(t.Context(), now, []sources.Want{w})[0]
}

// crashFree is the share over all points of a reading.
func crashFree(r rules.Reading) float64 {
	bad, all := 0.0, 0.0
	for _, p := range r.Points {
		bad += p.Value
		all += p.Samples
	}
	return 1 - bad/all
}

func TestAgainstASimulatedSentry(t *testing.T) {
	now := launch.Add(10 * time.Hour)
	healthy := simulated(t, ``, now)
	if v := crashFree(healthy); healthy.Fault != rules.OK || len(healthy.Points) < 25 || v < 0.995 || healthy.SettledUntil != now.Unix()-120 {
		t.Errorf("all is well: got %v crash-free in %d points, fault %q %q, settled %d", v, len(healthy.Points), healthy.Fault, healthy.Detail, healthy.SettledUntil)
	}
	crash := simulated(t, "[[change]]\nat = \"T\"\nsignal = \"sessions.crash\"\nvalue = \"3 %\"\n", now)
	if v := crashFree(crash); crash.Fault != rules.OK || v > 0.98 || v < 0.96 {
		t.Errorf("3 %% crash: got %v crash-free, fault %q", v, crash.Fault)
	}
	hours := simulated(t, "[sentry]\nresolution = \"1h\"\n", now.Add(20*time.Minute))
	if hours.Fault != rules.OK || hours.Width != 3600 || len(hours.Points) != 2 || hours.SettledUntil != now.Unix() {
		t.Errorf("hours only: got %+v, want 2 hours, settled until the last full one", hours)
	}
	old := simulated(t, "[sentry]\nminutes = \"6h\"\n", now)
	if old.Fault != rules.OK || old.Width != 0 || len(old.Points) < 25 {
		t.Errorf("minutes of six hours: got %+v", old)
	}
}

// The release before, while both are in use, is asked beside the new one: the
// same minutes, counted apart.
func TestTheReleaseBeforeIsABaseline(t *testing.T) {
	scenario, err := simulator.Parse("test", "[levels]\n\"sessions.crash\" = \"3 %\"\n\"sessions.previous.crash\" = \"1 %\"\n")
	if err != nil {
		t.Fatal(err)
	}
	now := launch
	sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: launch, Now: func() time.Time { return now }, SentryToken: token})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler("sentry"))
	defer server.Close()
	source, err := sentry.New(sentry.Config{Name: "sentry", BaseURL: server.URL, Org: "bioage", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer source.CloseIdleConnections()
	ask := func(after time.Duration) []rules.Reading {
		now = launch.Add(after)
		release, before := want(0, 0), want(1, 0)
		kind.Of(before.Signal.Query).Release, before.Signal.BaselineOf = "com.bioage.app@0.9.8+92", "crash_free"
		for _, w := range []*sources.Want{&release, &before} {
			w.From, w.To = now.Unix()-1800, now.Unix()
		}
		return source.Fetch(t.Context(), now, []sources.Want{release, before})
	}
	got := ask(2 * time.Hour)
	for i, rate := range []float64{0.97, 0.99} {
		if v := crashFree(got[i]); got[i].Fault != rules.OK || v < rate-0.003 || v > rate+0.003 || got[i].SettledUntil != now.Unix()-120 {
			t.Errorf("reading %d: %v crash-free, want %v; fault %q", i, v, rate, got[i].Fault)
		}
	}
	new, old := got[0].Points, got[1].Points
	if len(new) != len(old) || len(new) < 28 || new[3].At != old[3].At || new[3].Samples*5 > old[3].Samples {
		t.Errorf("%d and %d points, want the same minutes, and nine times as many sessions before", len(new), len(old))
	}
	// At 100 % the release before has no users: that is no data, and no fault of the new one.
	got = ask(10 * time.Hour)
	if got[0].Fault != rules.OK || got[1].Fault != rules.NoData || len(got[1].Points) != 0 || got[1].Detail == "" {
		t.Errorf("at 100 %%: got fault %q, and %+v", got[0].Fault, got[1])
	}
	if n := sim.Stats().Requests["sentry/sessions"]; n != 4 {
		t.Errorf("%d requests, want one for each release and look", n)
	}
}

func TestSimulatedFaults(t *testing.T) {
	for kind, fault := range map[string]rules.Fault{
		"500": rules.Unavailable, "502": rules.Unavailable, "503": rules.Unavailable, "504": rules.Unavailable, "hang": rules.Unavailable,
		"no_groups": rules.NoData, "empty_series": rules.NoData, "no_project": rules.ConfigFault,
		"garbage": rules.Unavailable, "empty200": rules.Unavailable, "auth": rules.AuthFault, "throttle": rules.Throttled, "silent": rules.NoData,
	} {
		got := simulated(t, "[[fault]]\nupstream = \"sentry\"\nfrom = \"T\"\nkind = \""+kind+"\"\n", launch.Add(10*time.Hour))
		if got.Fault != fault || got.Detail == "" || got.SettledUntil != 0 || len(got.Points) != 0 {
			t.Errorf("%s: got %+v, want %q", kind, got, fault)
		}
	}
	if got := simulated(t, "[[fault]]\nupstream = \"sentry\"\nfrom = \"T\"\nkind = \"partial\"\n", launch.Add(10*time.Hour)); got.Fault == rules.OK && len(got.Points) > 27 {
		t.Errorf("partial: got %+v, want a fault or fewer points", got)
	}
}
