package inbox

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox/kind"
	"github.com/relgate/relgate/sources/simulator"
)

// What the simulated Sentry and Grafana push is signed and read as the real ones' pushes
// are: each alert is known from its first push on, and on from when the scenario breaks
// its number.
func TestTheSimulatorsPushes(t *testing.T) {
	for _, tt := range []struct {
		scenario, format string
		match            map[string]string
		on               string // when the alert goes on, since T; empty where it does not
	}{
		{"crash", kind.Sentry, map[string]string{"rule": "Crash-free sessions", "environment": "production", "project": "bioage-ios"}, "1h38m0s"},
		{"bias", kind.Grafana, map[string]string{"alertname": "BiasGap"}, "4h29m0s"},
		{"healthy", kind.Sentry, map[string]string{"rule": "Crash-free sessions"}, ""},
		{"healthy", kind.Grafana, map[string]string{"alertname": "BiasGap"}, ""},
	} {
		in, _ := inboxOf(t, account{kind.Format: tt.format, kind.Secret: "test-secret", kind.Heartbeat: "15m"}, nil)
		scenario, err := simulator.Load(tt.scenario)
		if err != nil {
			t.Fatal(err)
		}
		now := noon
		sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: noon, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		on := ""
		for p := simulator.NewPusher(sim, "test-secret"); now.Before(noon.Add(5 * time.Hour)); now = now.Add(time.Minute) {
			for _, due := range p.Due() {
				if due.Format != tt.format {
					due.Sent()
					continue
				}
				if result, err := in.Receive(t.Context(), now, due.Header, due.Body); err != nil || result != Accepted {
					t.Fatalf("%s, %s at %v: %v, %v", tt.scenario, tt.format, now.Sub(noon), result, err)
				}
				due.Sent()
			}
			r := in.Fetch(t.Context(), now, []sources.Want{want(tt.match, now.Add(-2*time.Minute), now.Add(time.Second))})[0]
			if r.Fault != 0 {
				t.Fatalf("%s, %s at %v: %v, %s", tt.scenario, tt.format, now.Sub(noon), r.Fault, r.Detail)
			}
			if on == "" && strings.HasSuffix(minutes(r), "1") {
				on = now.Sub(noon).String()
			}
		}
		if on != tt.on {
			t.Errorf("%s, %s: on at %q, want %q", tt.scenario, tt.format, on, tt.on)
		}
	}
}
