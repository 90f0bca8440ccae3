package outbox_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// untilDay waits for a person until a day has come, counted from the first attempt.
func untilDay(days int, s *script) answer {
	return func(int, call) outbox.Outcome {
		if time.Since(s.began) < time.Duration(days)*24*time.Hour {
			return outbox.Outcome{Waits: true, RetryAfter: 5 * time.Minute, Reason: "waiting for the pull request to be merged"}
		}
		return took
	}
}

// What waits for a person is neither a failure nor given up, however long that takes, and is
// asked for at the interval that the sink names.
func TestWhatWaitsForAPersonIsAskedAgainUntilItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		s.answer = untilDay(3, s)
		told := newScript(nil)
		to := endpoint(outbox.Notify, s)
		to.EscalateTo = "b"
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{to, second(told)}, Feed: f})
		f.CommitN(t, 1)
		stop := outboxtest.Start(t, b)
		time.Sleep(2 * 24 * time.Hour)
		synctest.Wait()
		got := b.Stats()[0]
		if got.Failures != 0 || got.Dead != 0 || got.Escalated != 0 || got.Pending != 1 || got.InARow != 1 || got.LastErr != "waiting for the pull request to be merged" {
			t.Errorf("while it waits: %+v, want one event pending that has not failed", got)
		}
		if waited := time.Since(got.Waiting); waited > 5*time.Minute {
			t.Errorf("it counts as late by %v", waited)
		}
		if c := f.Cursor(outboxtest.TheRun); c.N != 0 || c.LastError == "" || len(f.Dead) != 0 {
			t.Errorf("the feed has cursor %+v and %d dead letters, want the event kept with the reason", c, len(f.Dead))
		}
		outboxtest.Drain(t, b)
		stop()
		seen := s.at("a")
		for i := 1; i < len(seen); i++ {
			if apart := seen[i].after - seen[i-1].after; apart != 5*time.Minute {
				t.Fatalf("attempts %d and %d are %v apart", i, i+1, apart)
			}
		}
		if got := b.Stats()[0]; got.Delivered != 1 || got.Pending != 0 || len(told.at("b")) != 1 { // b's own copy of the event
			t.Errorf("at the end: %+v, and the second endpoint was told %d messages", got, len(told.at("b")))
		}
	})
}

// One failure after days of waiting is the first: the event has its day from there.
func TestAFailureAfterALongWaitIsTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		wait := untilDay(3, s)
		s.answer = func(n int, c call) outbox.Outcome {
			if at := time.Since(s.began); at >= 48*time.Hour && at < 60*time.Hour {
				return failed
			}
			return wait(n, c)
		}
		b := simple(t, outbox.Notify, f, s)
		f.CommitN(t, 1)
		stop := outboxtest.Start(t, b)
		time.Sleep(4 * 24 * time.Hour)
		synctest.Wait()
		stop()
		if got := b.Stats()[0]; got.Delivered != 1 || got.Dead != 0 || len(f.Dead) != 0 {
			t.Errorf("%+v with %d dead letters, want it delivered", got, len(f.Dead))
		}
	})
}

// A dead letter that waits for a person does not keep the others from being sent.
func TestADeadLetterThatWaitsLetsOthersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), outboxtest.New()
		wait := untilDay(3, s)
		first := map[string]bool{}
		s.answer = func(n int, c call) outbox.Outcome {
			if !first[c.ID] {
				first[c.ID] = true
				return refused
			}
			if c.N == 1 {
				return wait(n, c)
			}
			return took
		}
		b := simple(t, outbox.Notify, f, s)
		f.CommitN(t, 2)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		if again, _, err := b.Retry(t.Context(), "a", ""); err != nil || again != 2 {
			t.Fatalf("Retry: %d, %v; want both", again, err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		letters, err := b.DeadLetters(t.Context(), "a")
		if err != nil || len(letters) != 1 || letters[0].Event.N != 1 {
			t.Errorf("after an hour: %+v, %v, want the first one only", letters, err)
		}
		time.Sleep(3 * 24 * time.Hour)
		synctest.Wait()
		stop()
		if len(f.Dead) != 0 {
			t.Errorf("%d dead letters are left, want none", len(f.Dead))
		}
	})
}
