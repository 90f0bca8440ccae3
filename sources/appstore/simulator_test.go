package appstore_test

import (
	"context"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore"
	"github.com/relgate/relgate/sources/appstore/kind"
	"github.com/relgate/relgate/sources/simulator"
)

// launch is the T of the simulated plan.
var launch = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// world is a simulated Apple with a clock, asked through a pool as the daemon
// does.
type world struct {
	now  time.Time
	pool *sources.Pool
}

func simulated(t *testing.T, scenario string, after time.Duration) *world {
	t.Helper()
	s, err := simulator.Parse("test", scenario)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{now: launch.Add(after)}
	sim, err := simulator.New(simulator.Config{Scenario: s, Start: launch, Now: func() time.Time { return w.now }, AppStorePublicKey: &key.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler("appstore"))
	t.Cleanup(server.Close)
	source, err := appstore.New(appstore.Config{
		Name: "appstore", BaseURL: server.URL, LookupURL: server.URL, Issuer: "57246542-96fe-1a63-e053-0824d011072a", KeyID: "2X9R4HXF34", KeyPEM: keyPEM,
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Now:   func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.pool = sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"appstore": source}, Timeout: 200 * time.Millisecond})
	t.Cleanup(func() {
		if err := w.pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) ask(t *testing.T, q kind.Query, back time.Duration) rules.Reading {
	return w.pool.Fetch(t.Context(), w.now, []sources.Want{want(0, q, w.now.Add(-back), w.now)})[0]
}

var (
	rating = kind.Query{Fact: "reviews", App: "6470000001", Version: "1.0.0"}
	phase  = kind.Query{Fact: "phased_release_day", App: "6470000001", Version: "1.0.0"}
	share  = kind.Query{Fact: "phased_release_share", App: "6470000001", Version: "1.0.0"}
	lookup = kind.Query{Fact: "lookup", App: "6470000001", Countries: []string{"us"}}
)

func TestAgainstASimulatedApple(t *testing.T) {
	w := simulated(t, ``, 30*time.Hour)
	got := w.ask(t, rating, 24*time.Hour)
	if sum, n := sums(got); got.Fault != rules.OK || n < 30 || sum/n < 4.3 || got.SettledUntil != w.now.Unix() || len(got.Points) != 96 {
		t.Errorf("reviews: got %v stars of %v in %d points, fault %q %q, settled %d", sum, n, len(got.Points), got.Fault, got.Detail, got.SettledUntil)
	}
	if got := w.ask(t, phase, time.Hour); got.Fault != rules.OK || len(got.Points) != 1 || got.Points[0].Value < 1 || got.Note == "" {
		t.Errorf("phased release: got %+v, want a day", got)
	}
	if got := w.ask(t, share, time.Hour); got.Fault != rules.OK || len(got.Points) != 1 || got.Points[0].Value != .02 {
		t.Errorf("share of the phased release: got %+v, want that of day 2", got)
	}
	if got := w.ask(t, lookup, time.Hour); got.Fault != rules.NoData {
		t.Errorf("a first snapshot: got %+v, want no data", got)
	}
	w.now = w.now.Add(6 * time.Hour)
	if got := w.ask(t, lookup, time.Hour); got.Fault == rules.OK {
		if sum, n := sums(got); n <= 0 || sum/n < 1 || sum/n > 5 {
			t.Errorf("a second snapshot: got %v stars of %v", sum, n)
		}
	} else if got.Fault != rules.NoData {
		t.Errorf("a second snapshot: got %+v, want new stars or too few", got)
	}
	wrong := rating
	wrong.Version = "9.9.9"
	if got := w.ask(t, wrong, time.Hour); got.Fault != rules.ConfigFault {
		t.Errorf("a version that is not there: got %+v", got)
	}
	bad := simulated(t, "[[change]]\nat = \"T\"\nsignal = \"reviews.stars\"\nvalue = \"3\"\n", 30*time.Hour).ask(t, rating, 24*time.Hour)
	if sum, n := sums(bad); bad.Fault != rules.OK || n < 30 || sum/n > 3.7 {
		t.Errorf("three stars: got %v stars of %v, fault %q", sum, n, bad.Fault)
	}
}

// The stars behind a mean are enough, at the plan's end, to say that the release
// is worse.
func TestStarsOfBadRatings(t *testing.T) {
	text, err := os.ReadFile("../simulator/scenarios/ratings.toml")
	if err != nil {
		t.Fatal(err)
	}
	got := simulated(t, string(text), 30*time.Hour+30*time.Minute).ask(t, rating, 24*time.Hour)
	stars, n := sums(got)
	if got.Fault != rules.OK || n < 60 || stars/n > 3.9 || stars/n < 3.4 {
		t.Errorf("got %v stars of %v reviews, fault %q; want a mean of 3.6 to 3.7 of at least 60", stars, n, got.Fault)
	}
	sum, all := 0.0, 0.0
	for i, p := range got.Parts {
		if p.At != got.Points[i].At || len(p.Groups) != 5 {
			t.Fatalf("parts %+v of point %+v", p, got.Points[i])
		}
		for k, g := range p.Groups {
			sum, all = sum+float64(k+1)*g.Samples, all+g.Samples
			if g.Name != strconv.Itoa(k+1) || g.Value != g.Samples {
				t.Errorf("group %d is %+v", k, g)
			}
		}
	}
	if len(got.Parts) != len(got.Points) || sum != stars || all != n {
		t.Errorf("%d parts of %d points: %v stars of %v, want %v of %v", len(got.Parts), len(got.Points), sum, all, stars, n)
	}
}

func TestSimulatedFaults(t *testing.T) {
	for kind, fault := range map[string]rules.Fault{
		"500": rules.Unavailable, "502": rules.Unavailable, "503": rules.Unavailable, "504": rules.Unavailable, "hang": rules.Unavailable,
		"garbage": rules.Unavailable, "empty200": rules.Unavailable, "auth": rules.AuthFault, "throttle": rules.Throttled,
	} {
		got := simulated(t, "[[fault]]\nupstream = \"appstore\"\nfrom = \"T\"\nkind = \""+kind+"\"\n", 30*time.Hour).ask(t, rating, 24*time.Hour)
		if got.Fault != fault || got.Detail == "" || got.SettledUntil != 0 || len(got.Points) != 0 {
			t.Errorf("%s: got %+v, want %q", kind, got, fault)
		}
	}
	silent := simulated(t, "[[fault]]\nupstream = \"appstore\"\nfrom = \"T\"\nkind = \"silent\"\n", 30*time.Hour).ask(t, rating, 24*time.Hour)
	if _, n := sums(silent); n != 0 {
		t.Errorf("silent: got %+v, want no review", silent)
	}
	// Only the first page comes: its complete periods are reported, and no others.
	partial := simulated(t, "[levels]\n\"reviews.per_hour\" = 60\n[[fault]]\nupstream = \"appstore\"\nfrom = \"T\"\nkind = \"partial\"\n", 30*time.Hour).ask(t, rating, 24*time.Hour)
	if partial.Fault != rules.Unavailable || partial.SettledUntil != 0 || len(partial.Points) == 0 || len(partial.Points) >= 96 {
		t.Errorf("partial: got %+v, want the newest periods and a fault", partial)
	}
}
