package webhook

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/rules"
)

// workflow is an endpoint that starts a workflow.
func workflow(url string) Endpoint {
	return Endpoint{
		Name: "ci", URL: url, Allow: []string{"127.0.0.1"}, Timeout: 10 * time.Second, Own: map[string]string{"token": "hunter2-do-not-show"},
		Keys: rules.FormatKeys{Texts: map[string]string{"repository": "acme/shop", "workflow": "rollback.yml", "ref": "main"}},
	}
}

// hub plays the part of GitHub that starts workflows and lists them.
type hub struct {
	runs    []string // their names
	asked   int
	started func(r *http.Request) // before it answers a start
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.asked++
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Header.Get("Authorization") != "Bearer hunter2-do-not-show":
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodGet:
		var list []string
		for i, name := range h.runs {
			list = append(list, fmt.Sprintf(`{"id":%d,"display_title":%q,"html_url":"https://github.com/acme/shop/actions/runs/%d"}`, i+1, name, i+1))
		}
		fmt.Fprintf(w, `{"total_count":%d,"workflow_runs":[%s]}`, len(list), strings.Join(list, ","))
	default:
		_, id, _ := strings.Cut(string(body), `"relgate-event":"`)
		id, _, _ = strings.Cut(id, `"`)
		h.runs = append(h.runs, "roll back "+id)
		if h.started != nil {
			h.started(r)
		}
		fmt.Fprintf(w, `{"workflow_run_id":%d,"html_url":"https://github.com/acme/shop/actions/runs/%[1]d"}`, len(h.runs))
	}
}

// What may have been started by a relgate that was killed is not started again before it
// would show: the list is looked at, and where the run is not in it yet, again later.
func TestAWorkflowIsNotStartedAgainBeforeTheFirstStartWouldShow(t *testing.T) {
	for _, tt := range []struct {
		name      string
		unsure    time.Duration // before now; negative: no attempt was made before
		listed    bool
		want      outbox.Outcome
		starts    int
		afterWait int // starts after the wait
	}{
		{"nothing was sent before", -1, false, outbox.Outcome{OK: true, Kept: "workflow run 1 https://github.com/acme/shop/actions/runs/1"}, 1, 1},
		{"it was started, and is listed", 0, true, outbox.Outcome{OK: true, Kept: "workflow run 1 https://github.com/acme/shop/actions/runs/1"}, 1, 1},
		{"it would not be listed yet", 5 * time.Second, false, outbox.Outcome{RetryAfter: 10 * time.Second, Reason: "relgate was stopped and may have asked for this before: that shows within 15s"}, 0, 1},
		{"it would be listed by now", 15 * time.Second, false, outbox.Outcome{OK: true, Kept: "workflow run 1 https://github.com/acme/shop/actions/runs/1"}, 1, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, events := &hub{}, rolledBack()
			if tt.listed {
				h.runs = []string{"roll back REL@1.0.0.k7q/6"}
			}
			sink := formatted(t, Config{Transport: handler{h}}, workflow("https://github.example/api/v3"), "github-workflow", events)
			m := messageOf(t, events[5])
			if tt.unsure >= 0 {
				m.Unsure = time.Now().Add(-tt.unsure)
			}
			if got := sink.Send(t.Context(), m); got != tt.want || len(h.runs) != tt.starts {
				t.Errorf("%s: got %+v and %d runs, want %+v and %d", tt.name, got, len(h.runs), tt.want, tt.starts)
			}
			time.Sleep(tt.want.RetryAfter)
			if got := sink.Send(t.Context(), m); !got.OK || len(h.runs) != tt.afterWait {
				t.Errorf("%s, later: got %+v and %d runs, want %d", tt.name, got, len(h.runs), tt.afterWait)
			}
		})
	}
}

// A start that happened and whose answer was lost is found by the next attempt, which
// starts no second run.
func TestARetryStartsNoSecondWorkflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := true
		h := &hub{started: func(r *http.Request) {
			if lost {
				lost = false
				<-r.Context().Done()
			}
		}}
		events := rolledBack()
		sink := formatted(t, Config{Transport: handler{h}}, workflow("https://github.example/api/v3"), "github-workflow", events)
		m := messageOf(t, events[5])
		first := sink.Send(t.Context(), m)
		if want := (outbox.Outcome{Doubt: true, Reason: "no answer within 10s", RetryAfter: 15 * time.Second}); first != want {
			t.Errorf("the first attempt: %+v, want %+v", first, want)
		}
		for range 2 {
			want := outbox.Outcome{OK: true, Kept: "workflow run 1 https://github.com/acme/shop/actions/runs/1"}
			if got := sink.Send(t.Context(), m); got != want {
				t.Errorf("a later attempt: %+v, want %+v", got, want)
			}
		}
		if len(h.runs) != 1 || h.runs[0] != "roll back REL@1.0.0.k7q/6" {
			t.Errorf("runs %q, want one", h.runs)
		}
	})
}

// What a format reads an answer by goes through the same guards as all else: of addresses,
// of redirects, of what is read and shown.
func TestFormatsAreGuardedAsAllElse(t *testing.T) {
	events := rolledBack()
	var answer func(w http.ResponseWriter, r *http.Request)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer server.Close()
	e := workflow(server.URL)
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		want   outbox.Outcome
	}{
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}, outbox.Outcome{Reason: "answered 302 Found"}},
		{"a wrong token", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "hunter2-do-not-show")
		}, outbox.Outcome{Refused: true, Reason: "answered 401: the token is not taken, or may not do this"}},
		{"busy", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, outbox.Outcome{Reason: "answered 503 Service Unavailable", RetryAfter: 30 * time.Second}},
		{"an answer without end", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, outbox.Outcome{Reason: "GitHub's list of runs cannot be read"}},
	} {
		answer = tt.answer
		if got := formatted(t, Config{}, e, "github-workflow", events).Send(t.Context(), messageOf(t, events[5])); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	e.Allow = nil
	if got := formatted(t, Config{}, e, "github-workflow", events).Send(t.Context(), messageOf(t, events[5])); got.OK || !strings.Contains(got.Reason, errRefused.Error()) {
		t.Errorf("an address that is not allowed: %+v", got)
	}
}

// What is kept of an answer goes to the log, and a secret that is repeated in it does not.
func TestNoSecretIsKeptOfAnAnswer(t *testing.T) {
	for page, want := range map[string]string{
		"https://github.com/acme/shop/actions/runs/7":              "workflow run 7 https://github.com/acme/shop/actions/runs/7",
		"https://github.com/hunter2-do-not-show/actions/runs/7":    "",
		"https://github.com/acme/shop/actions/runs/7?x=y":          "workflow run 7",
		"https://user:x@github.com/acme/shop/actions/runs/7":       "workflow run 7",
		"https://github.com/acme/shop/" + strings.Repeat("a", 400): "workflow run 7",
		"https://github.com/acme/\u202eshop/actions/runs/7":        "workflow run 7",
	} {
		s := newScript(func(_ int, r *http.Request, w http.ResponseWriter) {
			if r.Method == http.MethodGet {
				fmt.Fprint(w, `{"total_count":0,"workflow_runs":[]}`)
				return
			}
			fmt.Fprintf(w, `{"workflow_run_id":7,"html_url":"%s"}`, page)
		})
		got := formatted(t, Config{Transport: handler{s}}, workflow("https://github.example"), "github-workflow", rolledBack()).Send(t.Context(), messageOf(t, rolledBack()[5]))
		if !got.OK || got.Kept != want {
			t.Errorf("%s: got %+v, want %q", page, got, want)
		}
	}
}

// A format that would leave its endpoint's host, whose address was not checked, does not.
func TestAFormatStaysOnItsHost(t *testing.T) {
	s := newScript(nil)
	for url, want := range map[string]bool{"http://a.example/other": true, "http://b.example/hook": false, "https://a.example/hook": false, "http://a.example:81/": false, "http://a.example@b.example/": false} {
		e := endpoint()
		e.Format = format.Format{Open: func(format.Endpoint) format.Maker {
			return func(format.Facts) (*format.Call, error) { return &format.Call{URL: url}, nil }
		}}
		if got := mustNew(t, Config{Transport: handler{s}}, e).Send(t.Context(), messageOf(t, rolledBack()[0])); got.OK != want {
			t.Errorf("%s: got %+v, want %v", url, got, want)
		}
	}
	if n := len(s.seen()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// A format with credentials of its own shows its receiver no signature and no id.
func TestWhatIsNotSignedCarriesNoSignature(t *testing.T) {
	for name, signed := range map[string]bool{"github-workflow": false, "cdevents": true} {
		var got http.Header
		s := newScript(func(_ int, r *http.Request, _ http.ResponseWriter) { got = r.Header.Clone() })
		e := workflow("http://a.example")
		e.Secrets = []string{secret}
		formatted(t, Config{Transport: handler{s}}, e, name, rolledBack()).Send(t.Context(), messageOf(t, rolledBack()[5]))
		for _, h := range []string{headerSignature, headerID, headerHub, "Idempotency-Key"} {
			if (got.Get(h) != "") != signed {
				t.Errorf("%s: header %s is %q", name, h, got.Get(h))
			}
		}
	}
}

// A pass that waits while a rollback overtakes it is not told any more: the receiver would
// go on with what is rolled back.
func TestAnOldPassIsNotTold(t *testing.T) {
	events := rolledBack()
	events[0].Begun.Parameters = map[string]string{
		"azure_plan": "7e9d2c3a-0000-4000-8000-000000000001", "azure_job": "7e9d2c3a-0000-4000-8000-000000000002", "azure_task": "7e9d2c3a-0000-4000-8000-000000000003",
	}
	pass := events[4]
	pass.Kind, pass.Type, pass.Subject, pass.From, pass.To = "phase", "relgate.phase.passed", "all", "monitoring", "passed"
	events[4] = pass
	e := workflow("https://dev.azure.example/acme")
	e.Keys = rules.FormatKeys{Texts: map[string]string{"project": "shop", "phase": "all"}}
	for known, want := range map[int]outbox.Outcome{5: {OK: true}, 6: {OK: true, Skipped: true}} {
		s := newScript(nil)
		if got := formatted(t, Config{Transport: handler{s}}, e, "azure", events[:known]).Send(t.Context(), messageOf(t, pass)); got != want || (len(s.seen()) == 1) == want.Skipped {
			t.Errorf("with %d events: got %+v after %d requests, want %+v", known, got, len(s.seen()), want)
		}
	}
}
