package outbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// The schedules, to the second, in virtual time.
func TestSchedules(t *testing.T) {
	hours := func(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }
	for _, tt := range []struct {
		name   string
		class  outbox.Class
		answer answer
		within time.Duration
		want   []time.Duration
		dead   int
	}{
		{"action: 0, 1, 2, 5, 10, 20, 30, 60, 60 …", outbox.Action, always(failed), 250 * time.Second,
			[]time.Duration{0, 1e9, 3e9, 8e9, 18e9, 38e9, 68e9, 128e9, 188e9, 248e9}, 0},
		{"what an action endpoint refuses is not tried again", outbox.Action, always(refused), hours(1), []time.Duration{0}, 1},
		{"notify: for a day, then a dead letter", outbox.Notify, always(failed), hours(72),
			[]time.Duration{0, 5e9, 35e9, 155e9, 755e9, 2555e9, 9755e9, 9755e9 + hours(5), 9755e9 + hours(10), 9755e9 + hours(15), 9755e9 + hours(20)}, 1},
		{"what a notify endpoint refuses is not tried again", outbox.Notify, always(refused), hours(1), []time.Duration{0}, 1},
		{"Retry-After delays", outbox.Action, first(1, later(90*time.Second)), hours(1), []time.Duration{0, 90e9}, 0},
		{"Retry-After does not hurry", outbox.Notify, first(1, later(time.Second)), hours(1), []time.Duration{0, 5e9}, 0},
		{"a receiver cannot silence an action endpoint", outbox.Action, first(1, later(999999*time.Second)), hours(1), []time.Duration{0, 5 * time.Minute}, 0},
		{"a receiver that hangs is given up after the timeout", outbox.Action, func(n int, c call) outbox.Outcome {
			if n == 1 {
				return hang(c)
			}
			return took
		}, hours(1), []time.Duration{0, 11e9}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := newScript(tt.answer), outboxtest.New()
				b := simple(t, tt.class, f, s)
				f.CommitN(t, 1)
				stop := outboxtest.Start(t, b)
				time.Sleep(tt.within)
				stop()
				got := s.seen()
				if len(got) != len(tt.want) {
					t.Fatalf("%d attempts %v, want %d", len(got), got, len(tt.want))
				}
				for i, a := range got {
					if a.after != tt.want[i] || a.id != got[0].id || a.to != "a" {
						t.Errorf("attempt %d: %+v, want after %v, with the first one's id", i+1, a, tt.want[i])
					}
				}
				if len(f.Dead) != tt.dead {
					t.Errorf("%d dead letters, want %d", len(f.Dead), tt.dead)
				}
			})
		})
	}
}

func TestOrderUnderRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(n int, _ call) outbox.Outcome {
			if n%3 != 0 {
				return failed
			}
			return took
		})
		f := outboxtest.New()
		b := simple(t, outbox.Action, f, s)
		f.CommitN(t, 4)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		stop()
		if got, want := s.ids(), "1 1 1 2 2 2 3 3 3 4 4 4"; got != want {
			t.Errorf("attempts at %s, want %s", got, want)
		}
	})
}

// An event leaves when it is committed: no timer lies in between.
func TestNoTimerBetweenCommitAndPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		b := simple(t, outbox.Action, f, s)
		stop := outboxtest.Start(t, b)
		time.Sleep(time.Hour)
		f.CommitN(t, 1)
		synctest.Wait()
		stop()
		if got := s.seen(); len(got) != 1 || got[0].after != time.Hour {
			t.Errorf("attempts %v, want one, exactly an hour in", got)
		}
	})
}

func TestHangingReceiverDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(_ int, c call) outbox.Outcome {
			if c.to == "a" {
				return hang(c)
			}
			return took
		})
		f := outboxtest.New()
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{endpoint(outbox.Action, s), second(s)}, Feed: f})
		stop := outboxtest.Start(t, b)
		f.CommitN(t, 50)
		synctest.Wait()
		if got := s.at("b"); len(got) != 50 || got[49].after != 0 {
			t.Errorf("the other endpoint got %d, want 50 at once", len(got))
		}
		stop()
	})
}

func TestFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		e := endpoint(outbox.Action, s)
		e.Events = []fact.EventKind{fact.RunEvent, fact.RuleEvent}
		e.Plans = []string{"REL 1.0", "REL 2.0"}
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{e}, Feed: f})
		f.Commit(t,
			fact.Event{Kind: fact.RunEvent, To: "monitoring"},
			fact.Event{Kind: fact.SignalEvent, To: "no_data"},
			fact.Event{Kind: fact.RuleEvent, To: "breaching", Notify: []string{"b", "c"}},
			fact.Event{Kind: fact.RuleEvent, To: "breaching", Notify: []string{"b", "a"}},
			fact.Event{Kind: fact.VerdictEvent, To: "pass"},
			fact.Event{Kind: fact.RunEvent, To: "passed", Plan: "REL 3.0"},
		)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		stop()
		if got, want := s.ids(), "1 4"; got != want {
			t.Errorf("delivered %s, want %s", got, want)
		}
		if got, other := f.Cursor(outboxtest.TheRun).N, f.Cursor("REL 3.0").N; got != 5 || other != 1 {
			t.Errorf("cursors at %d and %d after the stop, want 5 and 1: what is not wanted is done with", got, other)
		}
	})
}

// An endpoint that overhears wants also what names others, and of the rest what it says.
func TestAnEndpointMayOverhear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		e := endpoint(outbox.Notify, s)
		e.Types, e.Overhears = []string{"relgate.run.rolled_back"}, true
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{e}, Feed: f})
		f.Commit(t,
			fact.Event{Kind: fact.RunEvent, To: "monitoring", Notify: []string{"b"}},
			fact.Event{Kind: fact.RunEvent, To: "rolled_back", Notify: []string{"b"}},
		)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		stop()
		if got, want := s.ids(), "2"; got != want {
			t.Errorf("delivered %s, want %s", got, want)
		}
	})
}

func TestEscalation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(n int, c call) outbox.Outcome {
			if c.to == "a" && n < 8 {
				return failed
			}
			return took
		})
		f := outboxtest.New()
		a, people := endpoint(outbox.Action, s), second(s)
		a.EscalateTo = "b"
		people.Events = []fact.EventKind{fact.RunEvent} // what is escalated arrives nevertheless
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{a, people}, Feed: f})
		f.CommitN(t, 1)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		stop()
		told := s.at("b")
		want := attempt{3 * time.Second, "REL 1.0/1/escalated/a", outbox.TypeEscalated, "b"}
		if len(told) != 1 || told[0] != want {
			t.Errorf("escalated %+v, want once %+v", told, want)
		}
		if got := b.Stats()[0].Escalated; got != 1 {
			t.Errorf("stats count %d escalations, want 1", got)
		}
	})
}

// The second channel may fail as well: it is tried until it is told, and holds
// up nothing.
func TestEscalationIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		toB := 0
		s := newScript(func(_ int, c call) outbox.Outcome {
			if c.to == "b" {
				toB++
			}
			if c.to == "a" || toB <= 2 {
				return failed
			}
			return took
		})
		f := outboxtest.New()
		a, people := endpoint(outbox.Action, s), second(s)
		a.EscalateTo = "b"
		people.Plans = []string{"another"}
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{a, people}, Feed: f})
		f.CommitN(t, 1)
		stop := outboxtest.Start(t, b)
		time.Sleep(time.Hour)
		stop()
		var told []time.Duration
		for _, x := range s.at("b") {
			told = append(told, x.after)
		}
		if want := []time.Duration{3e9, 4e9, 6e9}; !slices.Equal(told, want) {
			t.Errorf("told after %v, want %v and no more", told, want)
		}
	})
}

// A restart goes on where it stopped: what was delivered is not sent again, the
// number of attempts and the time of the next are kept.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(func(n int, _ call) outbox.Outcome {
			if n >= 3 && n <= 7 {
				return failed
			}
			return took
		}), outboxtest.New()
		c := outbox.Config{Endpoints: []outbox.Endpoint{endpoint(outbox.Action, s)}, Feed: f}
		f.CommitN(t, 3)
		stop := outboxtest.Start(t, mustNew(t, c)) // 1 and 2 arrive, 3 fails at 0, 1, 3, 8 s
		time.Sleep(9 * time.Second)
		stop()
		if got := f.Cursor(outboxtest.TheRun); got.N != 2 || got.Attempts != 4 || got.LastError == "" {
			t.Fatalf("cursor %+v, want position 2, 4 attempts and a reason", got)
		}
		b := mustNew(t, c)
		stop = outboxtest.Start(t, b)
		outboxtest.Drain(t, b) // fails at 18 s, and arrives at 38 s
		stop()
		if got, want := s.ids(), "1 2 3 3 3 3 3 3"; got != want {
			t.Errorf("attempts at %s, want %s", got, want)
		}
		last := s.seen()[7].after
		if last != 38*time.Second {
			t.Errorf("the last attempt after %v, want 38s, as without the restart", last)
		}
	})
}

// When it is told to stop, a request in flight may still be answered.
func TestGracefulStop(t *testing.T) {
	for _, tt := range []struct {
		name string
		took time.Duration
		want uint64 // cursor
	}{
		{"an answer within the grace period counts", time.Second, 1},
		{"one that comes later does not", 3 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(func(_ int, c call) outbox.Outcome {
					select {
					case <-time.After(tt.took):
						return took
					case <-c.Done():
						return failed
					}
				})
				f := outboxtest.New()
				b := simple(t, outbox.Action, f, s)
				f.CommitN(t, 2)
				stop := outboxtest.Start(t, b)
				synctest.Wait()
				stop()
				if got := f.Cursor(outboxtest.TheRun).N; got != tt.want || len(s.seen()) != 1 {
					t.Errorf("cursor at %d after %d requests, want %d after 1", got, len(s.seen()), tt.want)
				}
			})
		})
	}
}

// A burst costs few writes of the cursor, and they never run ahead.
func TestBurstCoalescesCursorWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		b := simple(t, outbox.Action, f, s)
		f.CommitN(t, 2000)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		stop()
		if got := len(s.seen()); got != 2000 || f.Cursor(outboxtest.TheRun).N != 2000 || f.Written() > 2000/outbox.SaveEvery+1 {
			t.Errorf("%d delivered, cursor at %d, %d writes; want 2000, 2000, at most %d", got, f.Cursor(outboxtest.TheRun).N, f.Written(), 2000/outbox.SaveEvery+1)
		}
	})
}

// A feed that cannot be written to is waited for: nothing is lost, what was
// delivered is not sent again, and no more is sent than a crash may repeat.
func TestABrokenFeedIsWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer answer
		during int // requests while it is broken
		after  int // and in the end
		dead   int
	}{
		{"delivered", always(took), outbox.SaveEvery, 100, 0},
		{"to be buried", func(_ int, c call) outbox.Outcome {
			if strings.HasSuffix(c.ID, "/1") {
				return refused
			}
			return took
		}, 2, 102, 1}, // at 0 and 5 s, and again at 35 s
		{"failed", first(1, failed), 1 + outbox.SaveEvery, 101, 0}, // at 0 s, and from 5 s on
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := newScript(tt.answer), outboxtest.New()
				b := simple(t, outbox.Notify, f, s)
				f.Break(errors.New("disk full"))
				f.CommitN(t, 100)
				stop := outboxtest.Start(t, b)
				time.Sleep(20 * time.Second)
				if got := len(s.seen()); got != tt.during || f.Cursor(outboxtest.TheRun).N != 0 {
					t.Errorf("%d requests while it was broken, want %d", got, tt.during)
				}
				f.Break(nil)
				outboxtest.Drain(t, b)
				stop()
				if got := len(s.seen()); got != tt.after || f.Cursor(outboxtest.TheRun).N != 100 || len(f.Dead) != tt.dead {
					t.Errorf("%d requests, cursor at %d, %d dead letters; want %d, 100 and %d", got, f.Cursor(outboxtest.TheRun).N, len(f.Dead), tt.after, tt.dead)
				}
			})
		})
	}
}

// A feed that cannot be read is asked again, also for what it could not say.
func TestAFeedThatCannotBeReadIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		f.CommitN(t, 2)
		f.Hide(errors.New("the journal is away"))
		b := simple(t, outbox.Action, f, s)
		stop := outboxtest.Start(t, b)
		time.Sleep(10 * time.Second)
		f.Hide(nil)
		outboxtest.Drain(t, b)
		f.Hide(errors.New("the journal is away"))
		f.CommitTo(t, "B", 1)
		f.Lose()
		time.Sleep(10 * time.Second)
		f.Hide(nil)
		outboxtest.Drain(t, b)
		stop()
		if got, b := s.ids(), full(s, "B"); got != "1 2 1" || b != "1" {
			t.Errorf("sent %s, of B %s; want 1 2 1 and 1", got, b)
		}
	})
}

// What cannot be saved at the end is said, with the endpoint's name.
func TestRunSaysWhatItCouldNotSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := outboxtest.New()
		f.Break(errors.New("disk full"))
		b := simple(t, outbox.Notify, f, newScript(nil))
		f.CommitN(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Run(ctx); err == nil || !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("Run: %v, want the reason and the endpoint's name", err)
		}
	})
}
