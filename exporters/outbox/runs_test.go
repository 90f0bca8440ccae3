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

// full are the ids of a run as the receiver got them, with how often.
func full(s *script, run string) string {
	var ids []string
	for _, a := range s.seen() {
		if id, found := strings.CutPrefix(a.id, run+"/"); found {
			ids = append(ids, id)
		}
	}
	return strings.Join(ids, " ")
}

// stuckAt answers 500 to one event until a time after the start.
func stuckAt(id string, until time.Duration) answer {
	began := time.Now()
	return func(_ int, c call) outbox.Outcome {
		if c.ID == id && time.Since(began) < until {
			return failed
		}
		return took
	}
}

// One run whose event fails does not stop the events of another; the order within
// each, the attempts and the time of the next one are kept over a restart.
func TestARunThatIsStuckStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(stuckAt("A/2", 30*time.Second)), outboxtest.New()
		c := outbox.Config{Endpoints: []outbox.Endpoint{endpoint(outbox.Action, s)}, Feed: f}
		b := mustNew(t, c)
		stop := outboxtest.Start(t, b)
		f.CommitTo(t, "A", 3)
		f.CommitTo(t, "B", 2)
		synctest.Wait()
		if a, b := full(s, "A"), full(s, "B"); a != "1 2" || b != "1 2" {
			t.Errorf("at once: got %q of A and %q of B, want 1 2 and 1 2", a, b)
		}
		if got := b.Stats()[0]; got.Pending != 2 || got.InARow != 1 || got.LastErr == "" || got.Oldest != f.Stored["A"][1].Event.At {
			t.Errorf("stats %+v, want 2 pending, the oldest A/2 after one failure", got)
		}
		time.Sleep(2 * time.Second) // the second attempt has failed at 1 s, the third is due at 3 s
		stop()
		if a, b := f.Cursor("A"), f.Cursor("B"); a.N != 1 || a.Attempts != 2 || b.N != 2 || b.Attempts != 0 {
			t.Errorf("cursors %+v and %+v, want A at 1 after two attempts, B at 2", a, b)
		}
		f.CommitTo(t, "B", 1) // while it is stopped
		b = mustNew(t, c)
		stop = outboxtest.Start(t, b)
		synctest.Wait()
		f.CommitTo(t, "A", 1)
		f.CommitTo(t, "B", 1)
		synctest.Wait()
		if a, b := full(s, "A"), full(s, "B"); a != "1 2 2 2" || b != "1 2 3 4" {
			t.Errorf("after the restart: got %q of A and %q of B, want 1 2 2 2 and 1 2 3 4: what is new hurries what waits", a, b)
		}
		outboxtest.Drain(t, b) // attempts at 3, 8, 18 and 38 s
		stop()
		if a, b := full(s, "A"), full(s, "B"); a != "1 2 2 2 2 2 2 2 3 4" || b != "1 2 3 4" {
			t.Errorf("in the end: got %q of A and %q of B", a, b)
		}
		if last := s.seen()[len(s.seen())-1].after; last != 38*time.Second {
			t.Errorf("A went on after %v, want 38s: neither a restart nor a hurried attempt changes the schedule", last)
		}
	})
}

// Events that are ready together leave as they were committed, whatever run they
// are of.
func TestRunsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		b := simple(t, outbox.Action, f, s)
		stop := outboxtest.Start(t, b)
		synctest.Wait()
		f.Commit(t, fact.Event{Plan: "A"}, fact.Event{Plan: "B"}, fact.Event{Plan: "A"}, fact.Event{Plan: "C"}, fact.Event{Plan: "B"})
		outboxtest.Drain(t, b)
		stop()
		var got []string
		for _, a := range s.seen() {
			got = append(got, a.id)
		}
		if want := []string{"A/1", "B/1", "A/2", "C/1", "B/2"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// When the feed can no longer say what is new, all is asked for again: nothing is
// lost, and nothing of what is on its way is sent twice.
func TestMarksThatAreTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(stuckAt("A/2", 10*time.Second)), outboxtest.New()
		b := simple(t, outbox.Action, f, s)
		stop := outboxtest.Start(t, b)
		f.CommitTo(t, "A", 2)
		f.CommitTo(t, "B", 2)
		synctest.Wait()
		f.CommitTo(t, "A", 1)
		f.CommitTo(t, "C", 1)
		f.Lose()
		f.CommitTo(t, "B", 1)
		synctest.Wait()
		if b, c := full(s, "B"), full(s, "C"); b != "1 2 3" || c != "1" {
			t.Errorf("got %q of B and %q of C, want 1 2 3 and 1", b, c)
		}
		outboxtest.Drain(t, b)
		stop()
		if a := full(s, "A"); a != "1 2 2 2 2 2 3" {
			t.Errorf("got %q of A, want 1, 2 until it was taken, 3", a)
		}
	})
}

// More events than are kept in memory, and more than the feed hands over at once.
func TestALongBacklogOfOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = outbox.QueueLimit + 2*outbox.Batch + 7
		s, f := newScript(stuckAt("A/1", 5*time.Second)), outboxtest.New()
		f.CommitTo(t, "old", many)
		b := simple(t, outbox.Action, f, s)
		stop := outboxtest.Start(t, b)
		synctest.Wait()
		f.CommitTo(t, "A", many)
		f.CommitTo(t, "B", 1)
		synctest.Wait()
		if full(s, "B") != "1" {
			t.Error("another run waits for the backlog")
		}
		if got := b.Stats()[0].Pending; got != many {
			t.Errorf("%d pending, want %d", got, many)
		}
		outboxtest.Drain(t, b)
		stop()
		for _, run := range []string{"old", "A"} {
			next := 1
			for _, a := range s.seen() {
				if id := fmt.Sprintf("%s/%d", run, next); a.id == id {
					next++
				}
			}
			if next != many+1 || f.Cursor(run).N != many {
				t.Errorf("run %s: %d in order, cursor at %d, want %d", run, next-1, f.Cursor(run).N, many)
			}
		}
	})
}

// An endpoint that wants nothing of a run is done with it a minute later, without
// any stop: a run that is not done with would be kept for ever.
func TestWhatIsNotWantedIsDoneWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		e := endpoint(outbox.Action, s)
		e.Plans = []string{"another"}
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{e}, Feed: f})
		stop := outboxtest.Start(t, b)
		f.CommitTo(t, "A", 3)
		time.Sleep(outbox.SkipWithin / 2)
		if n := f.Written(); n != 0 {
			t.Errorf("%d writes for three events that are not wanted, want none yet", n)
		}
		time.Sleep(outbox.SkipWithin)
		if got := f.Cursor("A").N; got != 3 {
			t.Errorf("cursor at %d, want 3", got)
		}
		f.CommitTo(t, "B", outbox.SkipEvery)
		synctest.Wait()
		if got := f.Cursor("B").N; got != outbox.SkipEvery {
			t.Errorf("cursor at %d, want %d at once", got, outbox.SkipEvery)
		}
		stop()
	})
}

// A replay reaches back in every run.
func TestReplayOverAllRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		b := simple(t, outbox.Notify, f, s)
		f.CommitTo(t, "A", 3)
		f.CommitTo(t, "B", 2)
		f.CommitTo(t, "C", 1)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		if err := b.Replay(t.Context(), "a", f.Stored["A"][1].Event.At); err != nil {
			t.Fatalf("Replay: %v", err)
		}
		outboxtest.Drain(t, b)
		stop()
		if a, b, c := full(s, "A"), full(s, "B"), full(s, "C"); a != "1 2 3 2 3" || b != "1 2 2" || c != "1" {
			t.Errorf("got %q, %q and %q, want 1 2 3 2 3, 1 2 2 and 1", a, b, c)
		}
	})
}

// Each run that is stuck is escalated by itself, with what was to be sent.
func TestEveryStuckRunIsEscalated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(_ int, c call) outbox.Outcome {
			if c.to == "a" {
				return failed
			} else if !strings.Contains(string(c.Data), `"event":{"encoded":1}`) {
				t.Errorf("escalated with %s, want what Encode made", c.Data)
			}
			return took
		})
		encode := func(context.Context, fact.Stored) ([]byte, error) { return []byte(`{"encoded":1}`), nil }
		f := outboxtest.New()
		a, people := endpoint(outbox.Action, s), second(s)
		a.EscalateTo, people.Plans = "b", []string{"another"}
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{a, people}, Feed: f, Encode: encode})
		stop := outboxtest.Start(t, b)
		f.CommitTo(t, "A", 2)
		f.CommitTo(t, "B", 1)
		time.Sleep(time.Minute)
		stop()
		var told []string
		for _, x := range s.seen() {
			if x.to == "b" {
				told = append(told, x.id)
			}
		}
		slices.Sort(told)
		if want := []string{"A/1/escalated/a", "B/1/escalated/a"}; !slices.Equal(told, want) {
			t.Errorf("escalated %v, want %v", told, want)
		}
	})
}

// What is sent is what Encode makes. When it cannot, the event is tried again like
// any other, and is neither lost nor given up at once.
func TestEncode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bodies []string
		s := newScript(func(_ int, c call) outbox.Outcome {
			bodies = append(bodies, string(c.Data))
			return took
		})
		calls, f := 0, outboxtest.New()
		c := outbox.Config{Endpoints: []outbox.Endpoint{endpoint(outbox.Action, s)}, Feed: f, Encode: func(_ context.Context, s fact.Stored) ([]byte, error) {
			if calls++; calls <= 2 {
				return nil, errors.New("the journal is away")
			}
			return fmt.Appendf(nil, `{"run":%q,"n":%d}`, s.Run, s.Event.N), nil
		}}
		b := mustNew(t, c)
		f.CommitTo(t, "A", 1)
		stop := outboxtest.Start(t, b)
		synctest.Wait()
		if got := b.Stats()[0]; got.InARow != 1 || !strings.Contains(got.LastErr, "the journal is away") || len(f.Dead) != 0 {
			t.Errorf("stats %+v with %d dead letters, want one failure with its reason", got, len(f.Dead))
		}
		outboxtest.Drain(t, b)
		stop()
		want := `{"run":"A","n":1}`
		if len(bodies) != 1 || bodies[0] != want || s.seen()[0].after != 3*time.Second {
			t.Errorf("got %q at %v, want %s once, after 3s", bodies, s.seen(), want)
		}
	})
}

// An event that comes before the cursors have been read says nothing of those before it.
func TestACommitBeforeTheCursorsAreRead(t *testing.T) {
	t.Run("while they cannot be read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, f := newScript(nil), outboxtest.New()
			f.CommitTo(t, "A", 3)
			f.Hide(errors.New("the disk is away"))
			b := simple(t, outbox.Action, f, s)
			stop := outboxtest.Start(t, b)
			synctest.Wait()
			f.CommitTo(t, "A", 1)
			synctest.Wait()
			f.Hide(nil)
			outboxtest.Drain(t, b)
			stop()
			if got := full(s, "A"); got != "1 2 3 4" || f.Cursor("A").N != 4 {
				t.Errorf("got %q, cursor at %d, want 1 2 3 4 and 4", got, f.Cursor("A").N)
			}
		})
	})
	t.Run("after a replay was asked for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, f := newScript(stuckAt("B/1", 2*time.Second)), outboxtest.New()
			b := simple(t, outbox.Action, f, s)
			stop := outboxtest.Start(t, b)
			f.CommitTo(t, "A", 5)
			synctest.Wait()
			f.CommitTo(t, "B", 1)
			synctest.Wait() // on its way
			if err := b.Replay(t.Context(), "a", time.Time{}); err != nil {
				t.Fatalf("Replay: %v", err)
			}
			f.CommitTo(t, "A", 1)
			outboxtest.Drain(t, b)
			stop()
			if got := full(s, "A"); got != "1 2 3 4 5 1 2 3 4 5 6" {
				t.Errorf("got %q, want all of A again, and then 6", got)
			}
		})
	})
}
