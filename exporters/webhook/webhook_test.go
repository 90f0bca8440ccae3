package webhook

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestRequest(t *testing.T) {
	other := "raw text as a secret"
	var header http.Header
	var body []byte
	s := newScript(func(_ int, r *http.Request, _ http.ResponseWriter) {
		header = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
	})
	f := outboxtest.New()
	e := endpoint()
	e.Secrets = []string{secret, other}
	e.Headers = map[string]string{"X-Team": "ops"}
	h := box(t, f, outbox.Action, Config{Version: "1.2.3", Transport: handler{s}}, e)
	f.Commit(t, fact.Event{Kind: fact.RunEvent, Subject: "größe 1", From: "monitoring", To: "rolled_back", Notify: []string{"a", "<x> & y"}})
	stop := outboxtest.Start(t, h)
	outboxtest.Drain(t, h)
	stop()

	first, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	second, err := standardwebhooks.NewWebhookRaw([]byte(other))
	if err != nil {
		t.Fatal(err)
	}
	for name, wh := range map[string]*standardwebhooks.Webhook{"first": first, "second": second} {
		if err := wh.Verify(body, header); err != nil {
			t.Errorf("the official library with the %s secret: %v", name, err)
		}
		if err := wh.Verify(append(bytes.Clone(body), ' '), header); err == nil {
			t.Errorf("the official library with the %s secret verified a changed body", name)
		}
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "relgate/1.2.3", "X-Team": "ops",
		"Webhook-Id": "REL%201.0/1", "Idempotency-Key": "REL%201.0/1", "Ce-Id": "REL%201.0/1",
		"Ce-Specversion": "1.0", "Ce-Type": "relgate.run.rolled_back", "Ce-Source": "/plans/REL%201.0",
		"Ce-Subject": "gr%C3%B6%C3%9Fe%201", "Ce-Time": "2025-06-04T02:00:01Z",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("header %s: %q, want %q", name, got, want)
		}
	}
	wantBody := `{"type":"relgate.run.rolled_back","timestamp":"2025-06-04T02:00:01Z","data":` + string(f.Stored[outboxtest.TheRun][0].Raw) + `}`
	if string(body) != wantBody {
		t.Errorf("body\n%s, want\n%s", body, wantBody)
	}
}

// Each attempt has a timestamp and signature of its own, so that a strict receiver takes the
// ninth as well as the first.
func TestEveryAttemptIsSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stamps := map[string]bool{}
		receiver, err := NewReceiver(ReceiverConfig{Secrets: []string{secret}, Refuse: func(Received) int {
			if len(stamps) < 9 {
				return 500
			}
			return 0
		}})
		if err != nil {
			t.Fatal(err)
		}
		watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stamps[r.Header.Get("webhook-timestamp")] = true
			receiver.ServeHTTP(w, r)
		})
		f := outboxtest.New()
		h := box(t, f, outbox.Notify, Config{Transport: handler{watched}}, endpoint())
		f.CommitN(t, 1)
		stop := outboxtest.Start(t, h)
		outboxtest.Drain(t, h)
		stop()
		want := Tally{Requests: 9, Refused: 8, Delivered: 1}
		if got := receiver.Tally(); got != want || len(stamps) != 9 {
			t.Errorf("tally %+v with %d timestamps, want %+v with 9", got, len(stamps), want)
		}
	})
}

// failed, and failed but happened: the receiver took it, and the answer was lost.
func TestAnswerLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		receiver, err := NewReceiver(ReceiverConfig{Secrets: []string{secret}})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		lossy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n++
			receiver.ServeHTTP(w, r)
			if n == 1 {
				<-r.Context().Done() // happened, but we never hear of it
			}
		})
		f := outboxtest.New()
		h := box(t, f, outbox.Action, Config{Transport: handler{lossy}}, endpoint())
		f.CommitN(t, 3)
		stop := outboxtest.Start(t, h)
		outboxtest.Drain(t, h)
		stop()
		want := Tally{Requests: 4, Delivered: 3, Duplicates: 1}
		if got := receiver.Tally(); got != want {
			t.Errorf("tally %+v, want %+v", got, want)
		}
		if s := h.Stats()[0]; s.Attempts != 4 || s.Delivered != 3 || s.Failures != 1 || s.Pending != 0 {
			t.Errorf("stats %+v, want 4 attempts, 3 delivered, 1 failure, none pending", s)
		}
	})
}

// What an answer means to the outbox.
func TestOutcomes(t *testing.T) {
	now := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	later := now.Add(7 * time.Minute).Format(http.TimeFormat)
	for _, tt := range []struct {
		status     int
		retryAfter string
		want       outbox.Outcome
	}{
		{200, "", outbox.Outcome{OK: true}},
		{202, "", outbox.Outcome{OK: true}},
		{307, "", outbox.Outcome{Reason: "answered 307 Temporary Redirect"}},
		{404, "", outbox.Outcome{Refused: true, Reason: "answered 404 Not Found"}},
		{422, "", outbox.Outcome{Refused: true, Reason: "answered 422 Unprocessable Entity"}},
		{408, "", outbox.Outcome{Reason: "answered 408 Request Timeout"}},
		{425, "", outbox.Outcome{Reason: "answered 425 Too Early"}},
		{410, "", outbox.Outcome{Refused: true, Reason: "answered 410 Gone"}},
		{429, "90", outbox.Outcome{RetryAfter: 90 * time.Second, Reason: "answered 429 Too Many Requests"}},
		{503, later, outbox.Outcome{Doubt: true, RetryAfter: 7 * time.Minute, Reason: "answered 503 Service Unavailable"}},
		{429, "99999999999", outbox.Outcome{RetryAfter: (1<<31 - 1) * time.Second, Reason: "answered 429 Too Many Requests"}},
		{503, "soon", outbox.Outcome{Doubt: true, Reason: "answered 503 Service Unavailable"}},
	} {
		s := newScript(func(_ int, _ *http.Request, w http.ResponseWriter) {
			w.Header().Set("Location", "http://elsewhere.example/")
			w.Header().Set("Retry-After", tt.retryAfter)
			w.WriteHeader(tt.status)
		})
		sink := mustNew(t, Config{Transport: handler{s}, Now: func() time.Time { return now }}, endpoint())
		if got := sink.Send(t.Context(), outbox.Message{ID: "1"}); got != tt.want || len(s.seen()) != 1 {
			t.Errorf("%d with Retry-After %q: %+v after %d requests, want %+v after 1", tt.status, tt.retryAfter, got, len(s.seen()), tt.want)
		}
	}
}
