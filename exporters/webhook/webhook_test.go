package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/relgate/relgate/evaluator"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The request is right by the specification's own library, by GitHub's scheme
// and by CloudEvents' binary mode, for every secret that signs.
func TestRequest(t *testing.T) {
	other := "raw text as a secret"
	var header http.Header
	var body []byte
	s := newScript(func(_ int, r *http.Request, _ http.ResponseWriter) {
		header = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
	})
	f := newMemFeed()
	e := endpoint(Action)
	e.Secrets = []string{secret, other}
	e.Headers = map[string]string{"X-Team": "ops"}
	h := mustNew(t, Config{Endpoints: []Endpoint{e}, Feed: f, Version: "1.2.3", Transport: handler{s}})
	f.commit(t, evaluator.Event{Kind: evaluator.RunEvent, Subject: "größe 1", From: "monitoring", To: "rolled_back", Notify: []string{"a", "<x> & y"}})
	stop := start(t, h)
	drain(t, h)
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
	wantBody := `{"type":"relgate.run.rolled_back","timestamp":"2025-06-04T02:00:01Z","data":` + string(f.events[theRun][0].Raw) + `}`
	if string(body) != wantBody {
		t.Errorf("body\n%s, want\n%s", body, wantBody)
	}
}

func TestType(t *testing.T) {
	for _, tt := range []struct {
		kind evaluator.EventKind
		to   string
		want string
	}{
		{evaluator.RunEvent, "rolled_back", "relgate.run.rolled_back"},
		{evaluator.RuleEvent, "fired", "relgate.rule.fired"},
		{evaluator.SignalEvent, "", "relgate.signal.changed"},
		{evaluator.CommunicationEvent, `a"b`, "relgate.communication.changed"},
	} {
		if got := Type(evaluator.Event{Kind: tt.kind, To: tt.to}); got != tt.want {
			t.Errorf("Type(%q to %q) = %q, want %q", tt.kind, tt.to, got, tt.want)
		}
	}
}

// The schedules, to the second, in virtual time.
func TestSchedules(t *testing.T) {
	hours := func(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }
	for _, tt := range []struct {
		name   string
		class  Class
		answer func(int, *http.Request, http.ResponseWriter)
		within time.Duration
		want   []time.Duration
		dead   int
	}{
		{"action: 0, 1, 2, 5, 10, 20, 30, 60, 60 …", Action, status(500), 250 * time.Second,
			[]time.Duration{0, 1e9, 3e9, 8e9, 18e9, 38e9, 68e9, 128e9, 188e9, 248e9}, 0},
		{"an action endpoint is never given up, not even by 410", Action, failing(5, 410), hours(24),
			[]time.Duration{0, 1e9, 3e9, 8e9, 18e9, 38e9}, 0},
		{"notify: for a day, then a dead letter", Notify, status(404), hours(72),
			[]time.Duration{0, 5e9, 35e9, 155e9, 755e9, 2555e9, 9755e9, 9755e9 + hours(5), 9755e9 + hours(10), 9755e9 + hours(15), 9755e9 + hours(20)}, 1},
		{"notify: 410 means that it is not wanted", Notify, status(410), hours(1), []time.Duration{0}, 1},
		{"Retry-After in seconds delays", Action, func(n int, _ *http.Request, w http.ResponseWriter) {
			if n == 1 {
				w.Header().Set("Retry-After", "90")
				w.WriteHeader(429)
			}
		}, hours(1), []time.Duration{0, 90e9}, 0},
		{"Retry-After as a date delays", Notify, func(n int, _ *http.Request, w http.ResponseWriter) {
			if n == 1 {
				w.Header().Set("Retry-After", time.Now().Add(7*time.Minute).UTC().Format(http.TimeFormat))
				w.WriteHeader(503)
			}
		}, hours(1), []time.Duration{0, 7 * time.Minute}, 0},
		{"Retry-After does not hurry", Notify, func(n int, _ *http.Request, w http.ResponseWriter) {
			if n == 1 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(503)
			}
		}, hours(1), []time.Duration{0, 5e9}, 0},
		{"a receiver cannot silence an action endpoint", Action, func(n int, _ *http.Request, w http.ResponseWriter) {
			if n == 1 {
				w.Header().Set("Retry-After", "999999")
				w.WriteHeader(503)
			}
		}, hours(1), []time.Duration{0, 5 * time.Minute}, 0},
		{"a redirect is a failure and is not followed", Action, func(n int, r *http.Request, w http.ResponseWriter) {
			if n == 1 {
				http.Redirect(w, r, "http://elsewhere.example/", http.StatusTemporaryRedirect)
			}
		}, hours(1), []time.Duration{0, 1e9}, 0},
		{"a receiver that hangs is given up after the timeout", Action, func(n int, r *http.Request, _ http.ResponseWriter) {
			if n == 1 {
				<-r.Context().Done()
			}
		}, hours(1), []time.Duration{0, 11e9}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := newScript(tt.answer), newMemFeed()
				h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(tt.class)}, Feed: f, Transport: handler{s}})
				f.commitN(t, 1)
				stop := start(t, h)
				time.Sleep(tt.within)
				stop()
				got := s.seen()
				if len(got) != len(tt.want) {
					t.Fatalf("%d attempts %v, want %d", len(got), got, len(tt.want))
				}
				for i, a := range got {
					if a.after != tt.want[i] || a.id != got[0].id || a.host != "a.example" {
						t.Errorf("attempt %d: %+v, want after %v, with the first one's id and host", i+1, a, tt.want[i])
					}
				}
				if len(f.dead) != tt.dead {
					t.Errorf("%d dead letters, want %d", len(f.dead), tt.dead)
				}
			})
		})
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
		f := newMemFeed()
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Notify)}, Feed: f, Transport: handler{watched}})
		f.commitN(t, 1)
		stop := start(t, h)
		drain(t, h)
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
		f := newMemFeed()
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Action)}, Feed: f, Transport: handler{lossy}})
		f.commitN(t, 3)
		stop := start(t, h)
		drain(t, h)
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

func TestOrderUnderRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(n int, _ *http.Request, w http.ResponseWriter) {
			if n%3 != 0 {
				w.WriteHeader(503)
			}
		})
		f := newMemFeed()
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Action)}, Feed: f, Transport: handler{s}})
		f.commitN(t, 4)
		stop := start(t, h)
		drain(t, h)
		stop()
		if got, want := s.ids(), "1 1 1 2 2 2 3 3 3 4 4 4"; got != want {
			t.Errorf("attempts at %s, want %s", got, want)
		}
	})
}

// An event leaves when it is committed: no timer lies in between.
func TestNoTimerBetweenCommitAndPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), newMemFeed()
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Action)}, Feed: f, Transport: handler{s}})
		stop := start(t, h)
		time.Sleep(time.Hour)
		f.commitN(t, 1)
		synctest.Wait()
		stop()
		if got := s.seen(); len(got) != 1 || got[0].after != time.Hour {
			t.Errorf("attempts %v, want one, exactly an hour in", got)
		}
	})
}

func TestHangingReceiverDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := newScript(func(_ int, r *http.Request, _ http.ResponseWriter) { <-r.Context().Done() })
		fine := newScript(nil)
		both := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Host == "a.example" {
				hang.ServeHTTP(w, r)
				return
			}
			fine.ServeHTTP(w, r)
		})
		f := newMemFeed()
		b := endpoint(Action)
		b.Name, b.URL = "b", "http://b.example/"
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Action), b}, Feed: f, Transport: handler{both}})
		stop := start(t, h)
		f.commitN(t, 50)
		synctest.Wait()
		if got := fine.seen(); len(got) != 50 || got[49].after != 0 {
			t.Errorf("the other endpoint got %d, want 50 at once", len(got))
		}
		stop()
	})
}

func TestFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), newMemFeed()
		e := endpoint(Action)
		e.Events = []evaluator.EventKind{evaluator.RunEvent, evaluator.RuleEvent}
		e.Plans = []string{"REL 1.0", "REL 2.0"}
		h := mustNew(t, Config{Endpoints: []Endpoint{e}, Feed: f, Transport: handler{s}})
		f.commit(t,
			evaluator.Event{Kind: evaluator.RunEvent, To: "monitoring"},
			evaluator.Event{Kind: evaluator.SignalEvent, To: "no_data"},
			evaluator.Event{Kind: evaluator.RuleEvent, To: "fired", Notify: []string{"b", "c"}},
			evaluator.Event{Kind: evaluator.RuleEvent, To: "fired", Notify: []string{"b", "a"}},
			evaluator.Event{Kind: evaluator.VerdictEvent, To: "pass"},
			evaluator.Event{Kind: evaluator.RunEvent, To: "passed", Plan: "REL 3.0"},
		)
		stop := start(t, h)
		drain(t, h)
		stop()
		if got, want := s.ids(), "1 4"; got != want {
			t.Errorf("delivered %s, want %s", got, want)
		}
		if got, other := f.cursor(theRun).N, f.cursor("REL 3.0").N; got != 5 || other != 1 {
			t.Errorf("cursors at %d and %d after the stop, want 5 and 1: what is not wanted is done with", got, other)
		}
	})
}

func TestEscalation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(func(n int, r *http.Request, w http.ResponseWriter) {
			if r.URL.Host == "a.example" && n < 8 {
				w.WriteHeader(500)
			}
		})
		f := newMemFeed()
		a, b := endpoint(Action), endpoint(Notify)
		a.EscalateTo, b.Name, b.URL = "b", "b", "http://b.example/"
		b.Events = []evaluator.EventKind{evaluator.RunEvent} // what is escalated arrives nevertheless
		h := mustNew(t, Config{Endpoints: []Endpoint{a, b}, Feed: f, Transport: handler{s}})
		f.commitN(t, 1)
		stop := start(t, h)
		drain(t, h)
		stop()
		var told []attempt
		for _, x := range s.seen() {
			if x.host == "b.example" {
				told = append(told, x)
			}
		}
		want := attempt{3 * time.Second, "REL%201.0/1/escalated/a", TypeEscalated, "b.example"}
		if len(told) != 1 || told[0] != want {
			t.Errorf("escalated %+v, want once %+v", told, want)
		}
		if got := h.Stats()[0].Escalated; got != 1 {
			t.Errorf("stats count %d escalations, want 1", got)
		}
	})
}

// The second channel may fail as well: it is tried until it is told, and holds
// up nothing.
func TestEscalationIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		toB := 0
		s := newScript(func(_ int, r *http.Request, w http.ResponseWriter) {
			if r.URL.Host == "b.example" {
				toB++
			}
			if r.URL.Host == "a.example" || toB <= 2 {
				w.WriteHeader(500)
			}
		})
		f := newMemFeed()
		a, b := endpoint(Action), endpoint(Notify)
		a.EscalateTo, b.Name, b.URL = "b", "b", "http://b.example/"
		b.Plans = []string{"another"}
		h := mustNew(t, Config{Endpoints: []Endpoint{a, b}, Feed: f, Transport: handler{s}})
		f.commitN(t, 1)
		stop := start(t, h)
		time.Sleep(time.Hour)
		stop()
		var told []time.Duration
		for _, x := range s.seen() {
			if x.host == "b.example" {
				told = append(told, x.after)
			}
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
		s, f := newScript(func(n int, _ *http.Request, w http.ResponseWriter) {
			if n >= 3 && n <= 7 {
				w.WriteHeader(500)
			}
		}), newMemFeed()
		c := Config{Endpoints: []Endpoint{endpoint(Action)}, Feed: f, Transport: handler{s}}
		f.commitN(t, 3)
		stop := start(t, mustNew(t, c)) // 1 and 2 arrive, 3 fails at 0, 1, 3, 8 s
		time.Sleep(9 * time.Second)
		stop()
		if got := f.cursor(theRun); got.N != 2 || got.Attempts != 4 || got.LastError == "" {
			t.Fatalf("cursor %+v, want position 2, 4 attempts and a reason", got)
		}
		h := mustNew(t, c)
		stop = start(t, h)
		drain(t, h) // fails at 18 s, and arrives at 38 s
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
				s := newScript(func(_ int, r *http.Request, w http.ResponseWriter) {
					select {
					case <-time.After(tt.took):
					case <-r.Context().Done():
					}
				})
				f := newMemFeed()
				h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Action)}, Feed: f, Transport: handler{s}})
				f.commitN(t, 2)
				stop := start(t, h)
				synctest.Wait()
				stop()
				if got := f.cursor(theRun).N; got != tt.want || len(s.seen()) != 1 {
					t.Errorf("cursor at %d after %d requests, want %d after 1", got, len(s.seen()), tt.want)
				}
			})
		})
	}
}

// A burst costs few writes of the cursor, and they never run ahead.
func TestBurstCoalescesCursorWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), newMemFeed()
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Action)}, Feed: f, Transport: handler{s}})
		f.commitN(t, 2000)
		stop := start(t, h)
		drain(t, h)
		stop()
		if got := len(s.seen()); got != 2000 || f.cursor(theRun).N != 2000 || f.writes > 2000/saveEvery+1 {
			t.Errorf("%d delivered, cursor at %d, %d writes; want 2000, 2000, at most %d", got, f.cursor(theRun).N, f.writes, 2000/saveEvery+1)
		}
	})
}

// A feed that cannot be written to is waited for: nothing is lost, what was
// delivered is not sent again, and no more is sent than a crash may repeat.
func TestABrokenFeedIsWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(int, *http.Request, http.ResponseWriter)
		during int // requests while it is broken
		after  int // and in the end
		dead   int
	}{
		{"delivered", status(204), saveEvery, 100, 0},
		{"to be buried", func(_ int, r *http.Request, w http.ResponseWriter) {
			if strings.HasSuffix(r.Header.Get("webhook-id"), "/1") {
				w.WriteHeader(410)
			}
		}, 2, 102, 1}, // at 0 and 5 s, and again at 35 s
		{"failed", failing(1, 500), 1 + saveEvery, 101, 0}, // at 0 s, and from 5 s on
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := newScript(tt.answer), newMemFeed()
				h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Notify)}, Feed: f, Transport: handler{s}})
				f.breaks(errors.New("disk full"))
				f.commitN(t, 100)
				stop := start(t, h)
				time.Sleep(20 * time.Second)
				if got := len(s.seen()); got != tt.during || f.cursor(theRun).N != 0 {
					t.Errorf("%d requests while it was broken, want %d", got, tt.during)
				}
				f.breaks(nil)
				drain(t, h)
				stop()
				if got := len(s.seen()); got != tt.after || f.cursor(theRun).N != 100 || len(f.dead) != tt.dead {
					t.Errorf("%d requests, cursor at %d, %d dead letters; want %d, 100 and %d", got, f.cursor(theRun).N, len(f.dead), tt.after, tt.dead)
				}
			})
		})
	}
}

// A feed that cannot be read is asked again, also for what it could not say.
func TestAFeedThatCannotBeReadIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(nil), newMemFeed()
		f.commitN(t, 2)
		f.unreadable(errors.New("the journal is away"))
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Action)}, Feed: f, Transport: handler{s}})
		stop := start(t, h)
		time.Sleep(10 * time.Second)
		f.unreadable(nil)
		drain(t, h)
		f.unreadable(errors.New("the journal is away"))
		f.commitTo(t, "B", 1)
		f.lose()
		time.Sleep(10 * time.Second)
		f.unreadable(nil)
		drain(t, h)
		stop()
		if got, b := s.ids(), full(s, "B"); got != "1 2 1" || b != "1" {
			t.Errorf("sent %s, of B %s; want 1 2 1 and 1", got, b)
		}
	})
}

// What cannot be saved at the end is said, with the endpoint's name.
func TestRunSaysWhatItCouldNotSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newMemFeed()
		f.breaks(errors.New("disk full"))
		h := mustNew(t, Config{Endpoints: []Endpoint{endpoint(Notify)}, Feed: f, Transport: handler{newScript(nil)}})
		f.commitN(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.Run(ctx); err == nil || !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("Run: %v, want the reason and the endpoint's name", err)
		}
	})
}
