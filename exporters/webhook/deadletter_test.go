package webhook

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadLettersCanBeSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(func(n int, _ *http.Request, w http.ResponseWriter) {
			if n == 1 || n == 4 {
				w.WriteHeader(410)
			}
		}), newMemFeed()
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Notify)}, Feed: f, Transport: handler{s}})
		f.commitN(t, 3)
		stop := start(t, h)
		drain(t, h)
		letters, err := h.DeadLetters(t.Context(), "a")
		if err != nil || len(letters) != 1 || letters[0].Event.N != 1 || letters[0].Reason != "answered 410 Gone" {
			t.Fatalf("dead letters %+v, %v, want event 1, answered 410 Gone", letters, err)
		}
		if err := h.Retry(t.Context(), "a", theRun, 2); !errors.Is(err, errNoLetter) {
			t.Errorf("retrying what is not dead: %v, want %v", err, errNoLetter)
		}
		if err := h.Retry(t.Context(), "b", theRun, 1); !errors.Is(err, ErrUnknownEndpoint) {
			t.Errorf("retrying at an unknown endpoint: %v, want %v", err, ErrUnknownEndpoint)
		}
		for range 2 { // refused once more, then taken
			if err := h.Retry(t.Context(), "a", theRun, 1); err != nil {
				t.Fatalf("Retry: %v", err)
			}
			drain(t, h)
		}
		stop()
		if got, want := s.ids(), "1 2 3 1 1"; got != want || len(f.dead) != 0 {
			t.Errorf("attempts at %s with %d dead letters left, want %s with none", got, len(f.dead), want)
		}
	})
}

// What was asked for survives a restart.
func TestRetryOfADeadLetterSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), newMemFeed()
		f.commitN(t, 2)
		f.cursors[at{"a", theRun}] = RunCursor{N: 2}
		f.dead = []DeadLetter{{Endpoint: "a", Again: true, Stored: f.events[theRun][0]}, {Endpoint: "a", Stored: f.events[theRun][1]}}
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Notify)}, Feed: f, Transport: handler{s}})
		stop := start(t, h)
		drain(t, h)
		stop()
		if got, want := s.ids(), "1"; got != want || len(f.dead) != 1 {
			t.Errorf("sent %q with %d dead letters left, want %q with 1", got, len(f.dead), want)
		}
	})
}

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), newMemFeed()
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Notify)}, Feed: f, Transport: handler{s}})
		f.commitN(t, 5)
		stop := start(t, h)
		drain(t, h)
		if err := h.Replay(t.Context(), "a", f.events[theRun][3].Event.At); err != nil {
			t.Fatalf("Replay: %v", err)
		}
		drain(t, h)
		if err := h.Replay(t.Context(), "a", f.events[theRun][4].Event.At.Add(time.Hour)); err != nil {
			t.Fatalf("Replay of nothing: %v", err)
		}
		drain(t, h)
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
		s, f := newScript(func(n int, r *http.Request, _ http.ResponseWriter) {
			if n == 3 {
				time.Sleep(time.Second)
			}
		}), newMemFeed()
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Notify)}, Feed: f, Transport: handler{s}})
		f.commitN(t, 3)
		stop := start(t, h)
		synctest.Wait() // the third is in flight
		if err := h.Replay(t.Context(), "a", f.events[theRun][0].Event.At); err != nil {
			t.Fatalf("Replay: %v", err)
		}
		drain(t, h)
		stop()
		if got, want := s.ids(), "1 2 3 1 2 3"; got != want || f.cursor(theRun).N != 3 {
			t.Errorf("sent %s with the cursor at %d, want %s and 3", got, f.cursor(theRun).N, want)
		}
	})
}
