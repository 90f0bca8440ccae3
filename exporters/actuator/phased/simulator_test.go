package phased_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/actuator/phased"
	"github.com/relgate/relgate/sources/simulator"
)

// The demo's App Store is asked over HTTP, as the real one is. While the release is paused its
// day stands still.
func TestTheSimulatorsReleaseIsPaused(t *testing.T) {
	scenario, err := simulator.Parse("app", "[names]\nissuer = \"issuer\"\nkey_id = \"KEY0123456\"\n")
	if err != nil {
		t.Fatal(err)
	}
	p8, public, err := simulator.DemoKey()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	at := start
	sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: start, Now: func() time.Time { return at }, AppStorePublicKey: public, TokenClock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sim.Handler("appstore"))
	defer srv.Close()
	account, err := phased.Open(phased.AccountConfig{Name: "ios", BaseURL: srv.URL, Issuer: "issuer", KeyID: "KEY0123456", ReadKey: func() (string, error) { return string(p8), nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer account.CloseIdleConnections()
	r, err := phased.New(phased.Config{Account: account, App: "6470000001", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		after time.Duration // T
		pause bool
		want  string // what is seen then
		days  int    // of pauses
	}{
		{10 * time.Minute, false, "no users yet: the phased release has not begun", 0},
		{26 * time.Hour, false, "2 % of the users with automatic updates (day 2)", 0},
		{26 * time.Hour, true, "2 % of the users with automatic updates (day 2, paused)", 0},
		{98 * time.Hour, true, "2 % of the users with automatic updates (day 2, paused)", 3},
	} {
		at = start.Add(tt.after)
		var err error
		if tt.pause {
			_, err = r.Pause(t.Context())
		}
		seen, looked := r.Look(t.Context())
		if err != nil || looked != nil || seen.String() != tt.want || seen.PauseDays != tt.days {
			t.Errorf("%v after T, paused %v: %v, %+v, %v, %v; want %s", tt.after, tt.pause, seen, seen, err, looked, tt.want)
		}
	}
}
