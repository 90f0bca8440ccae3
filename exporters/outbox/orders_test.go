package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// rollback, held and resumed are orders; monitoring is none.
var (
	rollback   = fact.Event{Kind: fact.RunEvent, From: "monitoring", To: "rolled_back"}
	held       = fact.Event{Kind: fact.RunEvent, From: "monitoring", To: "held"}
	monitoring = fact.Event{Kind: fact.PhaseEvent, To: "monitoring"}
)

// tried says after how many seconds an endpoint saw an event.
func (s *script) tried(endpoint, id string) (after []float64) {
	for _, a := range s.at(endpoint) {
		if a.id == id {
			after = append(after, a.after.Seconds())
		}
	}
	return after
}

// Whatever an endpoint does with an event, a rollback is attempted within a second
// of its commit, and the second endpoint hears of it within 30 s.
func TestAStuckEventDelaysNoOrder(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before fact.Event
		answer func(c call) outbox.Outcome
	}{
		{"it answers 422 to one event", monitoring, func(c call) outbox.Outcome {
			return outbox.Outcome{Refused: true, Reason: "answered 422"}
		}},
		{"it answers 500 to all", monitoring, func(c call) outbox.Outcome { return failed }},
		{"it hangs", monitoring, hang},
		{"an earlier order hangs", held, hang},
		{"an earlier order gets 500", held, func(c call) outbox.Outcome { return failed }},
	} {
		for _, class := range []outbox.Class{outbox.Action, outbox.Notify} {
			t.Run(fmt.Sprintf("%s, %s", tt.name, class), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScript(func(_ int, c call) outbox.Outcome {
						if c.to == "a" {
							return tt.answer(c)
						}
						return took
					})
					f := outboxtest.New()
					a, people := endpoint(class, s), second(s)
					a.EscalateTo, people.Plans = "b", []string{"another"}
					b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{a, people}, Feed: f})
					stop := outboxtest.Start(t, b)
					f.Commit(t, tt.before)
					time.Sleep(7 * time.Second)
					f.Commit(t, rollback)
					time.Sleep(time.Minute)
					stop()
					if got := s.tried("a", "REL 1.0/2"); len(got) < 2 || got[0] != 7 {
						t.Errorf("the rollback was tried after %v s, want at 7 and again", got)
					}
					if got := s.tried("b", "REL 1.0/2/escalated/a"); len(got) != 1 || got[0] > 7+30 {
						t.Errorf("escalated after %v s, want once within 30 s of 7", got)
					}
				})
			})
		}
	}
}

// Orders are never given up because of an answer, and each has the schedule of its
// class.
func TestSchedulesOfOrders(t *testing.T) {
	day := 24 * time.Hour
	for _, tt := range []struct {
		name   string
		class  outbox.Class
		answer answer
		within time.Duration
		want   []float64 // seconds
		dead   int
	}{
		{"an action endpoint that refuses", outbox.Action, always(refused), 250 * time.Second, []float64{0, 1, 3, 8, 18, 38, 68, 128, 188, 248}, 0},
		{"a notify endpoint that refuses, for a day", outbox.Notify, always(refused), 3 * day,
			[]float64{0, 5, 10, 20, 30, 50, 80, 140, 260, 860, 2660, 9860, 27860, 45860, 63860, 81860}, 1},
		{"Retry-After counts for a minute at an action endpoint", outbox.Action, first(1, later(time.Hour)), time.Hour, []float64{0, 60}, 0},
		{"and for five at a notify endpoint", outbox.Notify, first(1, later(time.Hour)), time.Hour, []float64{0, 300}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := newScript(tt.answer), outboxtest.New()
				stop := outboxtest.Start(t, simple(t, tt.class, f, s))
				f.Commit(t, rollback)
				time.Sleep(tt.within)
				stop()
				if got := s.tried("a", "REL 1.0/1"); !slices.Equal(got, tt.want) || len(f.Dead) != tt.dead {
					t.Errorf("tried after %v s with %d dead letters, want %v and %d", got, len(f.Dead), tt.want, tt.dead)
				}
			})
		})
	}
}

// Two orders at once, one hanging: each escalates by itself, none behind the other.
// One that arrives before it is told of is not told of.
func TestEachOrderEscalatesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(_ int, c call) outbox.Outcome {
			switch {
			case c.ID == "REL 1.0/1" || c.ID == "REL 1.0/1/escalated/a":
				return hang(c)
			case c.ID == "REL 1.0/2" || c.to == "b" && c.ID == "REL 1.0/3/escalated/a":
				return failed
			case c.ID == "REL 1.0/3" && time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) < 4*time.Second:
				return failed
			}
			return took
		})
		f := outboxtest.New()
		a, people := endpoint(outbox.Action, s), second(s)
		a.EscalateTo, people.Plans = "b", []string{"another"}
		stop := outboxtest.Start(t, mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{a, people}, Feed: f}))
		f.Commit(t, held, rollback, rollback)
		time.Sleep(40 * time.Second)
		stop()
		for _, tt := range []struct {
			id   string
			want []float64
		}{
			{"REL 1.0/1/escalated/a", []float64{15, 26, 38}}, // its receiver hangs too, and is tried again
			{"REL 1.0/2/escalated/a", []float64{3}},
			{"REL 1.0/3/escalated/a", []float64{3, 4, 6}}, // the order arrives at 8 s: it need not be told of any more
		} {
			if got := s.tried("b", tt.id); !slices.Equal(got, tt.want) {
				t.Errorf("%s told after %v s, want %v", tt.id, got, tt.want)
			}
		}
	})
}

// A restart goes on with the orders that did not arrive, at the times that were
// planned, and at once where these are past. None that arrived is sent again.
func TestOrdersSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(n int, c call) outbox.Outcome {
			if c.ID == "REL 1.0/2" && n < 7 {
				return failed
			}
			return took
		})
		f := outboxtest.New()
		stop := outboxtest.Start(t, simple(t, outbox.Action, f, s))
		f.Commit(t, held, rollback, monitoring) // 2 fails at 0, 1, 3 s
		time.Sleep(4 * time.Second)
		stop()
		stop = outboxtest.Start(t, simple(t, outbox.Action, f, s)) // and at 8 s
		time.Sleep(5 * time.Second)
		stop()
		time.Sleep(time.Minute) // its next attempt would have been at 18 s
		f.Commit(t, held)
		b := simple(t, outbox.Action, f, s)
		stop = outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		stop()
		if got, want := s.tried("a", "REL 1.0/2"), []float64{0, 1, 3, 8, 69}; !slices.Equal(got, want) {
			t.Errorf("the rollback was tried after %v s, want %v", got, want)
		}
		for id, want := range map[string]float64{"REL 1.0/1": 0, "REL 1.0/3": 0, "REL 1.0/4": 69} {
			if got := s.tried("a", id); !slices.Equal(got, []float64{want}) {
				t.Errorf("%s was tried after %v s, want once at %v", id, got, want)
			}
		}
		if open, err := f.Orders(t.Context(), "a"); err != nil || len(open) != 0 {
			t.Errorf("%d orders are pending in the feed (%v), want none", len(open), err)
		}
	})
}

// What waits is tried now when a new event comes, when another one gets through, and
// when a person says so, but not more often than every second (five at a notify
// endpoint), and not before the receiver's own Retry-After in the rest lane.
func TestWhatWaitsIsHurried(t *testing.T) {
	minutes := func(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }
	for _, tt := range []struct {
		name   string
		class  outbox.Class
		first  fact.Event
		answer outbox.Outcome // until 52 s
		then   func(t *testing.T, b *outbox.Outbox, f *outboxtest.Feed)
		want   []float64
	}{
		{"nothing happens", outbox.Notify, rollback, failed, nil, []float64{0, 5, 10, 20, 30, 50, 80}},
		{"nothing happens to the rest", outbox.Notify, monitoring, failed, nil, []float64{0, 5, 35, 155}},
		{"a new event hurries an order", outbox.Notify, rollback, failed, func(t *testing.T, b *outbox.Outbox, f *outboxtest.Feed) {
			f.CommitTo(t, "B", 1)
		}, []float64{0, 5, 10, 20, 30, 50, 55}},
		{"a new event hurries the rest", outbox.Notify, monitoring, failed, func(t *testing.T, b *outbox.Outbox, f *outboxtest.Feed) {
			f.CommitTo(t, "B", 1)
		}, []float64{0, 5, 35, 55}},
		{"retry hurries an order", outbox.Notify, rollback, failed, func(t *testing.T, b *outbox.Outbox, f *outboxtest.Feed) {
			retry(t, b, "", 0, 1)
		}, []float64{0, 5, 10, 20, 30, 50, 55}},
		{"retry hurries the rest, by id", outbox.Notify, monitoring, failed, func(t *testing.T, b *outbox.Outbox, f *outboxtest.Feed) {
			retry(t, b, "REL 1.0/1", 0, 1)
		}, []float64{0, 5, 35, 55}},
		{"the rest waits for Retry-After", outbox.Notify, monitoring, later(2 * time.Minute), func(t *testing.T, b *outbox.Outbox, f *outboxtest.Feed) {
			retry(t, b, "", 0, 0)
		}, []float64{0, 120}},
		{"an order waits for a minute of it at most", outbox.Action, rollback, later(2 * time.Hour), func(t *testing.T, b *outbox.Outbox, f *outboxtest.Feed) {
			retry(t, b, "", 0, 0)
		}, []float64{0, 60}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				s := newScript(func(_ int, c call) outbox.Outcome {
					if time.Since(began) < 52*time.Second {
						return tt.answer
					}
					return took
				})
				f := outboxtest.New()
				b := simple(t, tt.class, f, s)
				stop := outboxtest.Start(t, b)
				f.Commit(t, tt.first)
				time.Sleep(55 * time.Second)
				if tt.then != nil {
					tt.then(t, b, f)
				}
				time.Sleep(minutes(5))
				stop()
				if got := s.tried("a", "REL 1.0/1"); !slices.Equal(got, tt.want) {
					t.Errorf("tried after %v s, want %v", got, tt.want)
				}
			})
		})
	}
}

// An order that a person has sent again days later is tried for as long as a new one.
func TestAnOldOrderHasItsTimeToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(always(failed)), outboxtest.New()
		stop := outboxtest.Start(t, simple(t, outbox.Notify, f, s))
		old := rollback
		old.At = time.Now().Add(-48 * time.Hour)
		f.Commit(t, old)
		time.Sleep(48 * time.Hour)
		stop()
		if got := s.tried("a", "REL 1.0/1"); len(got) != 16 || len(f.Dead) != 1 {
			t.Errorf("tried after %v s with %d dead letters, want 16 attempts and 1", got, len(f.Dead))
		}
	})
}

func retry(t *testing.T, b *outbox.Outbox, id string, wantAgain, wantHurried int) {
	t.Helper()
	if again, hurried, err := b.Retry(t.Context(), "a", id); err != nil || again != wantAgain || hurried != wantHurried {
		t.Errorf("Retry: %d again, %d hurried, %v; want %d and %d", again, hurried, err, wantAgain, wantHurried)
	}
}

// An event that fails while others arrive is stuck by itself: what arrives hurries
// it less and less. Without that an endpoint's other runs would wait for it every
// second.
func TestWhatIsStuckByItselfIsHurriedLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(_ int, c call) outbox.Outcome {
			if c.ID == "REL 1.0/1" {
				return failed
			}
			return took
		})
		f := outboxtest.New()
		stop := outboxtest.Start(t, simple(t, outbox.Action, f, s))
		f.Commit(t, monitoring)
		for range 600 {
			f.CommitTo(t, "B", 1)
			time.Sleep(time.Second)
		}
		stop()
		if got := len(s.tried("a", "REL 1.0/1")); got < 10 || got > 30 {
			t.Errorf("tried %d times in ten minutes with an event a second, want about 20", got)
		}
		if got := len(s.at("a")); got < 600 {
			t.Errorf("%d attempts, want 600 and more", got)
		}
	})
}

// Many orders that hang keep places free for those that were never tried.
func TestOrdersThatHangLeaveRoomForNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(_ int, c call) outbox.Outcome { return hang(c) })
		f := outboxtest.New()
		stop := outboxtest.Start(t, simple(t, outbox.Action, f, s))
		for i := range 256 {
			f.Commit(t, fact.Event{Plan: fmt.Sprint("P", i), Kind: fact.RunEvent, To: "rolled_back"})
		}
		time.Sleep(45 * time.Second)
		f.Commit(t, rollback)
		synctest.Wait()
		if got := s.tried("a", "REL 1.0/1"); !slices.Equal(got, []float64{45}) {
			t.Errorf("the newest order was tried after %v s, want at 45", got)
		}
		stop()
	})
}

// What an endpoint does not want is done with, orders too, and one that stays pending
// is not counted for another.
func TestOrdersThatAreNotWantedAreDoneWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		e := endpoint(outbox.Action, s)
		e.Types = []string{"relgate.run.rolled_back"}
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{e}, Feed: f})
		stop := outboxtest.Start(t, b)
		f.Commit(t, held, rollback, monitoring)
		outboxtest.Drain(t, b)
		stop()
		open, err := f.Orders(t.Context(), "a")
		if got := s.ids(); got != "2" || len(open) != 0 || err != nil {
			t.Errorf("sent %q with %d orders pending (%v), want 2 and none", got, len(open), err)
		}
	})
}

// By kind or type, by severity, plan, and the endpoints that the event names.
func TestSelection(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(e *outbox.Endpoint)
		want   string
	}{
		{"all", func(e *outbox.Endpoint) {}, "1 2 3 4"},
		{"a kind", func(e *outbox.Endpoint) { e.Events = []fact.EventKind{"run"} }, "1 2"},
		{"a type", func(e *outbox.Endpoint) { e.Types = []string{"relgate.run.rolled_back"} }, "2"},
		{"a kind and a type", func(e *outbox.Endpoint) {
			e.Events, e.Types = []fact.EventKind{"phase"}, []string{"relgate.run.rolled_back"}
		}, "2 3"},
		{"warnings and worse", func(e *outbox.Endpoint) { e.Severity = fact.Warning }, "2 4"},
		{"what is critical", func(e *outbox.Endpoint) { e.Severity = fact.Critical }, "2"},
		{"a kind that is critical", func(e *outbox.Endpoint) {
			e.Events, e.Severity = []fact.EventKind{"phase"}, fact.Critical
		}, ""},
		{"another plan", func(e *outbox.Endpoint) { e.Plans = []string{"another"} }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := newScript(nil), outboxtest.New()
				e := endpoint(outbox.Notify, s)
				tt.change(&e)
				b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{e}, Feed: f})
				f.Commit(t, fact.Event{Kind: fact.RunEvent, To: "monitoring"}, rollback, monitoring,
					fact.Event{Kind: fact.RuleEvent, To: "warning"}, fact.Event{Kind: fact.RunEvent, To: "rolled_back", Notify: []string{"b"}})
				stop := outboxtest.Start(t, b)
				outboxtest.Drain(t, b)
				stop()
				got := strings.Fields(s.ids())
				slices.Sort(got)
				if strings.Join(got, " ") != tt.want {
					t.Errorf("got %v, want %s", got, tt.want)
				}
			})
		})
	}
}

// A replay sends orders again too, one that is in flight as well, and every dead
// letter of an order can be sent again.
func TestOrdersAreReplayedAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(n int, c call) outbox.Outcome {
			if n == 3 {
				time.Sleep(time.Second)
			}
			return took
		})
		f := outboxtest.New()
		f.Commit(t, held, monitoring)
		b := simple(t, outbox.Notify, f, s)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		f.Commit(t, rollback)
		synctest.Wait() // it is in flight
		if err := b.Replay(t.Context(), "a", time.Time{}); err != nil {
			t.Fatalf("Replay: %v", err)
		}
		outboxtest.Drain(t, b)
		if err := f.BuryOrder(t.Context(), "a", outboxtest.TheRun, 3, time.Now(), "a test"); err != nil {
			t.Fatal(err)
		}
		retry(t, b, "REL 1.0/3", 1, 0)
		outboxtest.Drain(t, b)
		stop()
		got := strings.Fields(s.ids())
		slices.Sort(got)
		if want := "1 1 2 2 3 3 3"; strings.Join(got, " ") != want || len(f.Dead) != 0 {
			t.Errorf("sent %v with %d dead letters left, want %s and none", got, len(f.Dead), want)
		}
	})
}

// A feed that fails keeps no order that is known from being sent, and what was sent
// is not sent again when it works.
func TestOrdersGoOnWhileTheFeedFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(first(2, failed)), outboxtest.New()
		b := simple(t, outbox.Action, f, s)
		stop := outboxtest.Start(t, b)
		synctest.Wait()
		f.Break(errors.New("disk full"))
		f.Commit(t, rollback)
		time.Sleep(20 * time.Second)
		if got := b.Stats()[0]; got.Delivered != 1 || got.Orders != 0 || got.LastSuccess.IsZero() {
			t.Errorf("stats %+v, want it delivered", got)
		}
		f.Break(nil)
		outboxtest.Drain(t, b)
		stop()
		if got := s.tried("a", "REL 1.0/1"); !slices.Equal(got, []float64{0, 1, 3}) {
			t.Errorf("tried after %v s, want 0, 1 and 3", got)
		}
		f.Break(errors.New("disk full"))
		f.Commit(t, rollback)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Run(ctx); err == nil || !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("Run: %v, want what it could not save, with the endpoint's name", err)
		}
	})
}

// slowRewind is a feed that says when it is to be set back, and is when it is let.
type slowRewind struct {
	*outboxtest.Feed
	begun, let chan struct{}
}

func (f slowRewind) Rewind(ctx context.Context, endpoint string, since time.Time) (int, error) {
	close(f.begun)
	<-f.let
	return f.Feed.Rewind(ctx, endpoint, since)
}

// A replay of a long journal takes its time. An order that is committed meanwhile does
// not wait for it, and all that the replay is of is sent once more.
func TestAReplayDelaysNoOrder(t *testing.T) {
	sent := make(chan string, 16)
	s := newScript(func(_ int, c call) outbox.Outcome {
		sent <- c.ID
		return took
	})
	f := slowRewind{outboxtest.New(), make(chan struct{}), make(chan struct{})}
	b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{endpoint(outbox.Action, s)}, Feed: f})
	stop := outboxtest.Start(t, b)
	f.Commit(t, held, monitoring)
	outboxtest.Drain(t, b)
	replayed := make(chan error)
	go func() { replayed <- b.Replay(context.Background(), "a", time.Time{}) }()
	<-f.begun
	f.Commit(t, rollback)
	for id := range sent {
		if id == "REL 1.0/3" {
			break // while the feed is not set back yet
		}
	}
	close(f.let)
	if err := <-replayed; err != nil {
		t.Error(err)
	}
	outboxtest.Drain(t, b)
	stop()
	for _, id := range []string{"REL 1.0/1", "REL 1.0/2"} {
		if got := s.tried("a", id); len(got) != 2 {
			t.Errorf("event %s was tried %d times, want once more after the replay", id, len(got))
		}
	}
}
