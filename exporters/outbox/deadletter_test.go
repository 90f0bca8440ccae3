package outbox_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

func TestDeadLettersCanBeSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(func(n int, _ call) outbox.Outcome {
			if n == 1 || n == 4 {
				return refused
			}
			return took
		}), outboxtest.New()
		b := simple(t, outbox.Notify, f, s)
		f.CommitN(t, 3)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		letters, err := b.DeadLetters(t.Context(), "a")
		if err != nil || len(letters) != 1 || letters[0].Event.N != 1 || letters[0].Reason != "answered 410" {
			t.Fatalf("dead letters %+v, %v, want event 1, answered 410", letters, err)
		}
		if _, _, err := b.Retry(t.Context(), "a", "REL 1.0/2"); !errors.Is(err, outbox.ErrNotWaiting) {
			t.Errorf("retrying what is not dead: %v, want %v", err, outbox.ErrNotWaiting)
		}
		if _, _, err := b.Retry(t.Context(), "b", ""); !errors.Is(err, outbox.ErrUnknownEndpoint) {
			t.Errorf("retrying at an unknown endpoint: %v, want %v", err, outbox.ErrUnknownEndpoint)
		}
		for range 2 { // refused once more, then taken
			if again, hurried, err := b.Retry(t.Context(), "a", "REL 1.0/1"); err != nil || again != 1 || hurried != 0 {
				t.Fatalf("Retry: %d and %d, %v; want 1 and 0", again, hurried, err)
			}
			outboxtest.Drain(t, b)
		}
		stop()
		if got, want := s.ids(), "1 2 3 1 1"; got != want || len(f.Dead) != 0 {
			t.Errorf("attempts at %s with %d dead letters left, want %s with none", got, len(f.Dead), want)
		}
	})
}

// What was asked for survives a restart.
func TestRetryOfADeadLetterSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		f.CommitN(t, 2)
		f.Cursors[outboxtest.Place{Endpoint: "a", Run: outboxtest.TheRun}] = fact.RunCursor{N: 2}
		f.Dead = []fact.DeadLetter{{Endpoint: "a", Again: true, Stored: f.Stored[outboxtest.TheRun][0]}, {Endpoint: "a", Stored: f.Stored[outboxtest.TheRun][1]}}
		b := simple(t, outbox.Notify, f, s)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		stop()
		if got, want := s.ids(), "1"; got != want || len(f.Dead) != 1 {
			t.Errorf("sent %q with %d dead letters left, want %q with 1", got, len(f.Dead), want)
		}
	})
}

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		b := simple(t, outbox.Notify, f, s)
		f.CommitN(t, 5)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		if err := b.Replay(t.Context(), "a", f.Stored[outboxtest.TheRun][3].Event.At); err != nil {
			t.Fatalf("Replay: %v", err)
		}
		outboxtest.Drain(t, b)
		if err := b.Replay(t.Context(), "a", f.Stored[outboxtest.TheRun][4].Event.At.Add(time.Hour)); err != nil {
			t.Fatalf("Replay of nothing: %v", err)
		}
		outboxtest.Drain(t, b)
		stop()
		if got, want := s.ids(), "1 2 3 4 5 4 5"; got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	})
}

// A replay that is asked for while a request is in flight is not undone by its
// answer.
func TestReplayDuringADelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(func(n int, c call) outbox.Outcome {
			if n == 3 {
				time.Sleep(time.Second)
			}
			return took
		}), outboxtest.New()
		b := simple(t, outbox.Notify, f, s)
		f.CommitN(t, 3)
		stop := outboxtest.Start(t, b)
		synctest.Wait() // the third is in flight
		if err := b.Replay(t.Context(), "a", f.Stored[outboxtest.TheRun][0].Event.At); err != nil {
			t.Fatalf("Replay: %v", err)
		}
		outboxtest.Drain(t, b)
		stop()
		if got, want := s.ids(), "1 2 3 1 2 3"; got != want || f.Cursor(outboxtest.TheRun).N != 3 {
			t.Errorf("sent %s with the cursor at %d, want %s and 3", got, f.Cursor(outboxtest.TheRun).N, want)
		}
	})
}
