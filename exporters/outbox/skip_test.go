package outbox_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// What a sink skips is done with, and is no attempt: it neither counts nor says that the
// endpoint is back. What it keeps of an answer is in the log.
func TestWhatIsSkippedIsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(func(_ int, c call) outbox.Outcome {
			if c.N%2 == 1 {
				return outbox.Outcome{OK: true, Skipped: true}
			}
			return outbox.Outcome{OK: true, Kept: "run 4711"}
		}), outboxtest.New()
		var log bytes.Buffer
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{endpoint(outbox.Action, s)}, Feed: f, Log: slog.New(slog.NewTextHandler(&log, nil))})
		f.CommitN(t, 1)
		f.Commit(t, fact.Event{Kind: fact.RunEvent, To: "rolled_back"}, fact.Event{Kind: fact.RunEvent, To: "held"}) // orders
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		stop()
		next := simple(t, outbox.Action, f, newScript(nil))
		next.TakeOver(b)
		for _, box := range []*outbox.Outbox{b, next} {
			if a := box.Stats()[0].Answers; len(a) != 1 || a[0].Event != "REL 1.0/2" || a[0].Text != "run 4711" || a[0].At.IsZero() {
				t.Errorf("got answers %+v", a)
			}
		}
		if got := b.Stats()[0]; got.Attempts != 1 || got.Delivered != 1 || got.Pending != 0 || len(s.seen()) != 3 {
			t.Errorf("got %+v of %d messages, want one attempt of 3", got, len(s.seen()))
		}
		if want := `event="REL 1.0/2" answer="run 4711"`; strings.Count(log.String(), "answer=") != 1 || !strings.Contains(log.String(), want) {
			t.Errorf("the log is\n%swant one line with %s", &log, want)
		}
	})
}

// An endpoint remembers ten answers, the newest first.
func TestTheNewestAnswersAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(func(_ int, c call) outbox.Outcome { return outbox.Outcome{OK: true, Kept: fmt.Sprint("run ", c.N)} }), outboxtest.New()
		b := simple(t, outbox.Action, f, s)
		f.CommitN(t, 12)
		stop := outboxtest.Start(t, b)
		outboxtest.Drain(t, b)
		stop()
		if a := b.Stats()[0].Answers; len(a) != 10 || a[0].Text != "run 12" || a[9].Text != "run 3" {
			t.Errorf("got %+v", a)
		}
	})
}
