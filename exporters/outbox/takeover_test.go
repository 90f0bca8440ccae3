package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// reloaded runs one outbox after another as a daemon does at its reloads: each takes
// over from the one before, and runs while that one ends.
type reloaded struct {
	*outbox.Outbox
	stop  context.CancelFunc
	ended []chan error
}

func (r *reloaded) to(b *outbox.Outbox) {
	if r.Outbox != nil {
		b.TakeOver(r.Outbox)
		r.stop()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	r.Outbox, r.stop, r.ended = b, cancel, append(r.ended, ended)
}

func (r *reloaded) end(t *testing.T) {
	t.Helper()
	r.stop()
	for i, ended := range r.ended {
		if err := <-ended; err != nil {
			t.Errorf("Run of outbox %d: %v, want nil", i, err)
		}
	}
}

// Whatever hangs when the config is reloaded, an order that is committed meanwhile is
// attempted at once. What is in flight and arrives within the grace period is not sent
// again; what does not is sent again by the next outbox.
func TestAReloadDelaysNoOrder(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers time.Duration // after which what is in flight is taken
		want    []float64     // when that is attempted
	}{
		{"what is in flight arrives", time.Second, []float64{0}},
		{"what is in flight hangs", time.Minute, []float64{0, 2.5}},
	} {
		for _, before := range []fact.Event{monitoring, held} {
			t.Run(fmt.Sprintf("%s, %s", tt.name, before.Kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScript(func(n int, c call) outbox.Outcome {
						if n > 1 {
							return took
						}
						select {
						case <-time.After(tt.answers):
							return took
						case <-c.Done():
							return failed
						}
					})
					f := outboxtest.New()
					var r reloaded
					r.to(simple(t, outbox.Action, f, s))
					f.Commit(t, before)
					time.Sleep(500 * time.Millisecond)
					r.to(simple(t, outbox.Action, f, s))
					time.Sleep(100 * time.Millisecond)
					f.Commit(t, rollback)
					time.Sleep(100 * time.Millisecond)
					r.to(simple(t, outbox.Action, f, s)) // and again, while the first one still ends
					f.Commit(t, rollback)
					synctest.Wait()
					if got := r.Stats()[0].Pending; got != 1 {
						t.Errorf("%d pending while the first outbox ends, want 1", got)
					}
					outboxtest.Drain(t, r.Outbox)
					r.end(t)
					for id, want := range map[string][]float64{"REL 1.0/1": tt.want, "REL 1.0/2": {0.6}, "REL 1.0/3": {0.7}} {
						if got := s.tried("a", id); !slices.Equal(got, want) {
							t.Errorf("%s was tried after %v s, want %v", id, got, want)
						}
					}
				})
			})
		}
	}
}

// Reloads do not put an escalation off, and repeat none that was heard.
func TestAReloadDelaysNoEscalation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(_ int, c call) outbox.Outcome {
			switch {
			case c.to == "a":
				return hang(c)
			case c.ID == "REL 1.0/2/escalated/a" && time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) < 20*time.Second:
				return hang(c)
			}
			return took
		})
		f := outboxtest.New()
		made := func() *outbox.Outbox {
			a, people := endpoint(outbox.Action, s), second(s)
			a.EscalateTo, people.Plans = "b", []string{"another"}
			return mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{a, people}, Feed: f})
		}
		var r reloaded
		r.to(made())
		f.Commit(t, rollback, rollback, monitoring)
		for range 6 {
			time.Sleep(7 * time.Second)
			r.to(made())
		}
		r.end(t)
		for id, want := range map[string][]float64{
			"REL 1.0/1/escalated/a": {15},
			"REL 1.0/2/escalated/a": {15, 21}, // cut off by the reload
		} {
			if got := s.tried("b", id); !slices.Equal(got, want) {
				t.Errorf("%s told after %v s, want %v", id, got, want)
			}
		}
	})
}

// What waits at an endpoint is tried at a reload: the edit may be the repair. It goes on
// by the schedule of its class, also of another one. What the endpoint does not want any
// more is done with.
func TestAReloadTriesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(first(15, failed)), outboxtest.New()
		var r reloaded
		r.to(simple(t, outbox.Notify, f, s))
		f.Commit(t, held, monitoring) // each fails as often as its schedule has it
		time.Sleep(100 * time.Second)
		r.to(simple(t, outbox.Notify, f, s)) // as before: each fails again
		time.Sleep(10 * time.Second)
		r.to(simple(t, outbox.Action, f, s)) // another class: its schedule has the next attempt at 120 s
		time.Sleep(2 * time.Second)
		changed := endpoint(outbox.Action, s)
		changed.Types = []string{"relgate.phase.monitoring"}
		r.to(mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{changed}, Feed: f}))
		outboxtest.Drain(t, r.Outbox)
		r.end(t)
		for id, want := range map[string][]float64{"REL 1.0/1": {0, 5, 10, 20, 30, 50, 80, 100, 110}, "REL 1.0/2": {0, 5, 35, 100, 110, 112, 120}} {
			if got := s.tried("a", id); !slices.Equal(got, want) {
				t.Errorf("%s was tried after %v s, want %v", id, got, want)
			}
		}
		if open, err := f.Orders(t.Context(), "a"); err != nil || len(open) != 0 {
			t.Errorf("%d orders are pending in the feed (%v), want none", len(open), err)
		}
	})
}

// unsures notes of each attempt since when it may have been made before, and hangs while it
// is to.
type unsures struct {
	began time.Time
	mu    sync.Mutex
	said  []string
	hangs bool
}

func (u *unsures) answer(_ int, c call) outbox.Outcome {
	at := "never"
	if !c.Unsure.IsZero() {
		at = c.Unsure.Sub(u.began).String()
	}
	u.mu.Lock()
	u.said = append(u.said, fmt.Sprintf("%d %s", c.N, at))
	hangs := u.hangs
	u.mu.Unlock()
	if hangs {
		return hang(c)
	}
	return took
}

// check holds what was noted since the last time against what is wanted.
func (u *unsures) check(t *testing.T, what string, want ...string) {
	t.Helper()
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	slices.Sort(u.said)
	if !slices.Equal(u.said, want) {
		t.Errorf("%s: got %q, want %q", what, u.said, want)
	}
	u.said = nil
}

func (u *unsures) hang(yes bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hangs = yes
}

// What was pending when a process began may have been sent by one that was killed in the
// attempt: the message says so, whether it is an order or not. What is committed since
// was sent by no other. An attempt that a reload cut off says so too.
func TestAMessageSaysThatItMayHaveBeenSentBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := outboxtest.New()
		f.CommitN(t, 1)
		f.Commit(t, held)
		time.Sleep(time.Minute)
		u := &unsures{began: time.Now()}
		s := newScript(u.answer)
		b := simple(t, outbox.Action, f, s)
		stop := outboxtest.Start(t, b)
		u.check(t, "pending when the process began", "1 0s", "2 0s")
		u.hang(true)
		f.CommitN(t, 1)
		f.Commit(t, held)
		u.check(t, "committed since", "3 never", "4 never")
		time.Sleep(time.Second)
		stop() // its grace is 2 s: both attempts are cut off
		u.hang(false)
		next := simple(t, outbox.Action, f, s)
		next.TakeOver(b)
		stop = outboxtest.Start(t, next)
		u.check(t, "cut off by a reload", "3 3s", "4 3s")
		stop()
	})
}

// So does a dead letter that is sent again, of either lane: one that was asked for before the
// process began may have been sent by one that was killed, and one whose attempt was cut off
// may have arrived. Asking for another one forgets neither.
func TestADeadLetterSaysThatItMayHaveBeenSentBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := outboxtest.New()
		f.CommitN(t, 2)
		f.Commit(t, held, held)
		f.Cursors[outboxtest.Place{Endpoint: "a", Run: outboxtest.TheRun}] = fact.RunCursor{N: 4}
		for i, s := range f.Stored[outboxtest.TheRun] {
			if err := f.BuryOrder(t.Context(), "a", s.Run, s.Event.N, time.Now(), "answered 410"); err != nil {
				t.Fatal(err)
			}
			f.Dead[i].Again = s.Event.N == 1 || s.Event.N == 3
		}
		u := &unsures{began: time.Now(), hangs: true}
		s := newScript(u.answer)
		f.Hide(errors.New("locked")) // the first reading fails: what is read next is as old
		b := simple(t, outbox.Action, f, s)
		stop := outboxtest.Start(t, b)
		synctest.Wait()
		f.Hide(nil)
		time.Sleep(time.Second)
		u.check(t, "asked for before the process began", "1 1s", "3 1s")
		time.Sleep(time.Second)
		stop() // its grace is 2 s: both attempts are cut off
		next := simple(t, outbox.Action, f, s)
		next.TakeOver(b)
		stop = outboxtest.Start(t, next)
		u.check(t, "cut off by a reload", "1 4s", "3 4s")
		for _, id := range []string{"2", "4"} {
			if _, _, err := next.Retry(t.Context(), "a", outboxtest.TheRun+"/"+id); err != nil {
				t.Fatal(err)
			}
		}
		u.check(t, "asked for in this process", "4 never") // 2 comes after 1
		time.Sleep(time.Second)
		stop()
		u.hang(false)
		last := simple(t, outbox.Action, f, s)
		last.TakeOver(next)
		stop = outboxtest.Start(t, last)
		outboxtest.Drain(t, last)
		u.check(t, "cut off once more", "1 7s", "2 never", "3 7s", "4 7s")
		stop()
	})
}
