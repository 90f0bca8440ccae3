package outbox_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// crowd is n orders, each of a run of its own.
func crowd(n int) []fact.Event {
	events := make([]fact.Event, n)
	for i := range events {
		events[i] = fact.Event{Plan: fmt.Sprint("P", i), Kind: fact.RunEvent, To: "rolled_back"}
	}
	return events
}

// With thousands of orders for an endpoint that does not answer, nor does the one
// that is told of it, work stays bounded. Several hundred leave room for the
// escalation of a new one.
func TestThousandsOfEscalationsAreBounded(t *testing.T) {
	for _, tt := range []struct{ orders, most int }{{600, 1300}, {1500, 1450}} {
		synctest.Test(t, func(t *testing.T) {
			s, f := newScript(func(_ int, c call) outbox.Outcome {
				if c.to == "b" {
					return hang(c)
				}
				return failed
			}), outboxtest.New()
			a, people := endpoint(outbox.Action, s), second(s)
			a.EscalateTo, people.Plans = "b", []string{"another"}
			stop := outboxtest.Start(t, mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{a, people}, Feed: f}))
			f.Commit(t, crowd(tt.orders)...)
			time.Sleep(2 * time.Minute)
			if got := runtime.NumGoroutine(); got > tt.most {
				t.Errorf("%d goroutines with %d orders, want at most %d", got, tt.orders, tt.most)
			}
			f.Commit(t, rollback)
			time.Sleep(30 * time.Second)
			if got := s.tried("b", "REL 1.0/1/escalated/a"); tt.orders < 1000 && len(got) == 0 {
				t.Errorf("with %d orders, the escalation of a new one was not tried in 30 s", tt.orders)
			}
			stop()
		})
	}
}

// A new event has no more than 64 orders tried sooner than planned. When one arrives,
// all are tried.
func TestANewEventDoesNotHaveThousandsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s, f := newScript(func(_ int, c call) outbox.Outcome {
			if time.Since(began) < 100*time.Second {
				return failed
			}
			return took
		}), outboxtest.New()
		b := simple(t, outbox.Action, f, s)
		stop := outboxtest.Start(t, b)
		f.Commit(t, crowd(500)...)
		time.Sleep(69 * time.Second) // all were tried at 0, 1, 3, 8, 18, 38 and 68 s
		before := len(s.seen())
		for range 10 {
			f.CommitTo(t, "B", 1)
			time.Sleep(time.Second)
		}
		if got := len(s.seen()) - before; got < 10 || got > 10*70 {
			t.Errorf("%d attempts after 10 new events, want at most 64 each and their own", got)
		}
		time.Sleep(22 * time.Second)
		f.CommitTo(t, "B", 1)
		time.Sleep(2 * time.Second)
		if got := b.Stats()[0]; got.Pending != 0 {
			t.Errorf("%d pending when the endpoint was back for 2 s and had a new event, want none", got.Pending)
		}
		stop()
	})
}

// What is pending is what the endpoint is not done with: after a restart too, behind an
// event that is stuck.
func TestPendingIsWhatIsNotDoneWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(func(_ int, c call) outbox.Outcome {
			if c.Type == "relgate.phase.monitoring" {
				return failed
			}
			return took
		}), outboxtest.New()
		stop := outboxtest.Start(t, simple(t, outbox.Action, f, s))
		f.Commit(t, monitoring)
		for range 2 * outbox.Batch {
			f.Commit(t, held)
		}
		f.Commit(t, monitoring)
		time.Sleep(10 * time.Second)
		stop()
		b := simple(t, outbox.Action, f, s)
		stop = outboxtest.Start(t, b)
		time.Sleep(10 * time.Second)
		if got := b.Stats()[0]; got.Pending != 2 || got.Orders != 0 {
			t.Errorf("%d pending, of them %d orders; want the two that are not taken", got.Pending, got.Orders)
		}
		stop()
	})
}
