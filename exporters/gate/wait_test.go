package gate_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
)

const gateURL = "/v1/gates/REL-1/ten/gate"

// change is what happens at a time of a long poll.
type change struct {
	at   time.Duration
	edit func(*fact.Snapshot)
}

// tick is a tick that changes nothing but its own time.
func tick(seq uint64) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) { s.Seq, s.Generation = seq, 5 }
}

func event(generation uint64) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) { s.Seq, s.Generation = generation+20, generation }
}

func TestWait(t *testing.T) {
	pending, pass, fail := situations()["pending"], situations()["pass"], situations()["fail"]
	for _, tt := range []struct {
		about   string
		start   func(*fact.Snapshot)
		url     string
		prefer  string
		changes []change
		status  int
		from    time.Duration // the answer comes no earlier
		to      time.Duration // and no later
	}{
		{"no wait answers at once", pending, gateURL, "", nil, 503, 0, 0},
		{"nothing happens", pending, gateURL + "?wait=16s", "", nil, 503, 16 * time.Second, 17 * time.Second},
		{"a number is seconds", pending, gateURL + "?wait=16", "", nil, 503, 16 * time.Second, 17 * time.Second},
		{"Prefer waits", pending, gateURL, "respond-async, wait=16", nil, 503, 16 * time.Second, 17 * time.Second},
		{"the query outranks Prefer", pending, gateURL + "?wait=0s", "wait=16", nil, 503, 0, 0},
		{"no wait is longer than the cap", pending, gateURL + "?wait=10m", "", nil, 503, 50 * time.Second, 50 * time.Second},
		{"nor one of Prefer", pending, gateURL, "wait=600", nil, 503, 50 * time.Second, 50 * time.Second},
		{"a final verdict is not waited for", pass, gateURL + "?wait=30s", "", nil, 200, 0, 0},
		{"a pass ends it", pending, gateURL + "?wait=30s", "", []change{{3 * time.Second, pass}}, 200, 3 * time.Second, 3 * time.Second},
		{"a fail ends it", pending, gateURL + "?wait=30s", "", []change{{3 * time.Second, fail}}, 409, 3 * time.Second, 3 * time.Second},
		{"so does one that may become a rollback", pending, gateURL + "?wait=30s", "", []change{{3 * time.Second, both(fail, accused)}}, 409, 3 * time.Second, 3 * time.Second},
		{"a tick does not", pending, gateURL + "?wait=16s", "", []change{{3 * time.Second, tick(12)}, {6 * time.Second, tick(13)}}, 503, 16 * time.Second, 17 * time.Second},
		{"nor does an event, without after", pending, gateURL + "?wait=16s", "", []change{{3 * time.Second, event(6)}}, 503, 16 * time.Second, 17 * time.Second},
		{"with after it does", pending, gateURL + "?wait=16s&after=5", "", []change{{3 * time.Second, event(6)}}, 503, 3 * time.Second, 3 * time.Second},
		{"an older generation is answered at once", pending, gateURL + "?wait=16s&after=4", "", nil, 503, 0, 0},
		{"a later one is waited for", pending, gateURL + "?wait=16s&after=6", "", []change{{3 * time.Second, event(6)}, {4 * time.Second, event(7)}}, 503, 4 * time.Second, 4 * time.Second},
		{"a decision ends even that", pending, gateURL + "?wait=16s&after=99", "", []change{{3 * time.Second, pass}}, 200, 3 * time.Second, 3 * time.Second},
		{"a final verdict that was seen is waited on", pass, gateURL + "?wait=16s&after=5", "", nil, 200, 16 * time.Second, 17 * time.Second},
		{"until it is overridden", pass, gateURL + "?wait=16s&after=5", "", []change{{3 * time.Second, fail}}, 409, 3 * time.Second, 3 * time.Second},
		{"the verdict waits too", pending, "/v1/gates/REL-1/ten/verdict?wait=30s", "", []change{{3 * time.Second, fail}}, 200, 3 * time.Second, 3 * time.Second},
		{"and the rollback", pending, "/v1/gates/REL-1/current/rollback?wait=30s", "", []change{{3 * time.Second, situations()["rollback"]}}, 200, 3 * time.Second, 3 * time.Second},
	} {
		t.Run(tt.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, _ := newGate(t, gate.Config{}, view(planName, tt.start))
				begin := time.Now()
				go func() {
					for _, c := range tt.changes {
						time.Sleep(c.at - time.Since(begin))
						show(g, view(planName, c.edit))
					}
				}()
				var header []string
				if tt.prefer != "" {
					header = []string{"Prefer", tt.prefer}
				}
				res := ask(g.Handler(), "GET", tt.url, "", header...)
				if took := time.Since(begin); took < tt.from || took > tt.to {
					t.Errorf("answered after %v, want %v to %v", took, tt.from, tt.to)
				}
				if res.StatusCode != tt.status {
					t.Errorf("status %d, want %d", res.StatusCode, tt.status)
				}
				if n := g.Stats().Waiting; n != 0 {
					t.Errorf("%d long polls are left", n)
				}
			})
		})
	}
}

func TestWaitEnds(t *testing.T) {
	for _, tt := range []struct {
		about string
		end   func(g *gate.Gate, cancel func())
	}{
		{"when the server drains", func(g *gate.Gate, _ func()) { g.Drain(); g.Drain() }},
		{"when the client goes", func(_ *gate.Gate, cancel func()) { cancel() }},
		{"when the plan goes", func(g *gate.Gate, _ func()) { show(g, view("other")) }},
	} {
		t.Run(tt.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, _ := newGate(t, gate.Config{}, view(planName))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan int)
				go func() {
					w := httptest.NewRecorder()
					g.Handler().ServeHTTP(w, httptest.NewRequest("GET", gateURL+"?wait=50s", nil).WithContext(ctx))
					done <- w.Code
				}()
				synctest.Wait()
				begin := time.Now()
				tt.end(g, cancel)
				if code := <-done; code == http.StatusOK {
					t.Error("the gate opened")
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestALongPollSeesThatTheDaemonStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := view(planName, func(s *fact.Snapshot) { s.At = time.Now() })
		g, _ := newGate(t, gate.Config{Now: time.Now}, v)
		if res := ask(g.Handler(), "GET", gateURL, ""); res.Header.Get("Gate-Verdict") != "pending" {
			t.Fatalf("verdict %q", res.Header.Get("Gate-Verdict"))
		}
		time.Sleep(80 * time.Second)
		if res := ask(g.Handler(), "GET", gateURL+"?wait=20s&after=99", ""); res.Header.Get("Gate-Verdict") != "unknown" {
			t.Errorf("verdict %q after 100 s without a tick, want unknown", res.Header.Get("Gate-Verdict"))
		}
	})
}

func TestWaitersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := []gate.Token{
			{Name: "a", SHA256: hash("a"), Scopes: []gate.Scope{gate.Read}},
			{Name: "b", SHA256: hash("b"), Scopes: []gate.Scope{gate.Read}},
		}
		g, _ := newGate(t, gate.Config{Waiters: 2, Tokens: tokens}, view(planName))
		poll := func(token string) time.Duration {
			begin := time.Now()
			ask(g.Handler(), "GET", gateURL+"?wait=50s", "", "Authorization", "Bearer "+token)
			return time.Since(begin)
		}
		for range 2 {
			go poll("a")
		}
		synctest.Wait()
		if n := g.Stats().Waiting; n != 2 {
			t.Fatalf("%d long polls, want 2", n)
		}
		if took := poll("a"); took != 0 {
			t.Errorf("the third of one token took %v, want to be answered at once", took)
		}
		if took := poll("b"); took != 50*time.Second {
			t.Errorf("the first of another took %v, want 50s", took)
		}
	})
}
