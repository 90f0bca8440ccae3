package simulator_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/sources/simulator"
)

// pushes are what the senders of a scenario push in so long, every half minute asked: the
// time, the sender, and the state and name of the alert. Heartbeats are counted.
func pushes(t *testing.T, scenario string, from, to time.Duration, taken func(at time.Duration) bool) (told []string, beats int) {
	t.Helper()
	now := start.Add(from)
	sim, err := simulator.New(simulator.Config{Scenario: loaded(t, scenario), Start: start, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	p := simulator.NewPusher(sim, "test-secret")
	for at := from; at <= to; at += 30 * time.Second {
		now = start.Add(at)
		for _, due := range p.Due() {
			var body struct {
				Status string
				Alerts []struct{ Labels map[string]string }
				Action string
				Data   struct {
					Metric *struct {
						Rule struct{ Name string } `json:"alert_rule"`
					} `json:"metric_alert"`
				}
			}
			if err := json.Unmarshal(due.Body, &body); err != nil {
				t.Fatal(err)
			}
			name, state := "", body.Action
			switch {
			case body.Data.Metric != nil:
				name = body.Data.Metric.Rule.Name
			case len(body.Alerts) > 0 && body.Alerts[0].Labels["alertname"] != "Watchdog":
				name, state = body.Alerts[0].Labels["alertname"], body.Status
			}
			if taken != nil && !taken(at) {
				continue
			}
			due.Sent()
			if name == "" {
				beats++
				continue
			}
			told = append(told, fmt.Sprintf("%v %s %s %s", at, due.Format, state, name))
		}
	}
	return told, beats
}

func TestSendersPushWhatTheScenarioBreaks(t *testing.T) {
	const quiet = "0s sentry resolved Crash-free sessions, 0s grafana resolved BiasGap"
	for _, tt := range []struct {
		scenario string
		to       time.Duration
		want     string // what is pushed after the test of each alert
		beats    int
	}{
		{"healthy", 6 * time.Hour, "", 144},
		{"crash", 6 * time.Hour, "1h44m0s sentry critical Crash-free sessions", 144},
		{"bias", 6 * time.Hour, "4h29m0s grafana firing BiasGap", 144},
		{"no-data", 3 * time.Hour, "", 72},
		// Sentry is down from 2h15m to 2h40m: it pushes nothing.
		{"outage", 3 * time.Hour, "", 72 - 5},
	} {
		told, beats := pushes(t, tt.scenario, 0, tt.to, nil)
		want := quiet
		if tt.want != "" {
			want += ", " + tt.want
		}
		if got := strings.Join(told, ", "); got != want || beats != tt.beats {
			t.Errorf("%s: got %s and %d heartbeats, want %s and %d", tt.scenario, got, beats, want, tt.beats)
		}
	}
	// What was not taken is due again.
	told, _ := pushes(t, "healthy", 0, 5*time.Minute, func(at time.Duration) bool { return at >= 2*time.Minute })
	if got, want := strings.Join(told, ", "), strings.ReplaceAll(quiet, "0s ", "2m0s "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What is pushed to comes back, and the sender goes on: it says nothing anew.
func TestASenderThatGoesOnSaysNothingAnew(t *testing.T) {
	now := start
	sim, err := simulator.New(simulator.Config{Scenario: loaded(t, "healthy"), Start: start, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	first := simulator.NewPusher(sim, "x")
	for _, due := range first.Due() {
		due.Sent()
	}
	saved, err := first.Save()
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	then := simulator.NewPusher(sim, "x")
	if n := len(then.Due()); n != 2 {
		t.Errorf("one that knows nothing pushes %d times, want 2", n)
	}
	if err := then.Load(saved); err != nil {
		t.Fatal(err)
	}
	if due := then.Due(); len(due) != 0 {
		t.Errorf("one that goes on pushes %s", due[0].Body)
	}
	now = now.Add(4 * time.Minute)
	if n := len(then.Due()); n != 2 {
		t.Errorf("after five minutes it pushes %d times, want 2 heartbeats", n)
	}
}

func BenchmarkPusher(b *testing.B) {
	s, _ := simulator.Load("healthy")
	now := start
	sim, _ := simulator.New(simulator.Config{Scenario: s, Start: start, Now: func() time.Time { return now }})
	p := simulator.NewPusher(sim, "x")
	for b.Loop() {
		now = now.Add(time.Minute)
		for _, due := range p.Due() {
			due.Sent()
		}
	}
}
