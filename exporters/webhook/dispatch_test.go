package webhook

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/webhook/dispatchtest"
	"github.com/relgate/relgate/rules"
)

// A receiver of something that is started may fail in every way at the first request, or at
// the first that changes something. In the end it was asked: by GitHub's workflows, which can
// be searched, once; of the others, where it may have been done and not said, twice.
func TestWhatStartsIsStartedWhateverTheReceiverDoes(t *testing.T) {
	for _, tt := range []struct {
		format string
		once   bool // it is searched before a second try
		keys   rules.FormatKeys
		make   func(fault func(string, int) faulttest.Fault) (http.Handler, func() []dispatchtest.Started, func() []string)
	}{
		{"github-workflow", true, workflow("").Keys, func(fault func(string, int) faulttest.Fault) (http.Handler, func() []dispatchtest.Started, func() []string) {
			g := &dispatchtest.GitHub{Token: "hunter2-do-not-show", Repository: "acme/shop", Refs: []string{"main"}, Listed: 4 * time.Second,
				Workflows: map[string]dispatchtest.Workflow{"rollback.yml": {RunName: "roll back (${{ inputs.relgate-event }})", Inputs: map[string]bool{"relgate-event": true}}}}
			g.Fault = fault
			return g, g.Started, g.Wrong
		}},
		{"github-dispatch", false, workflow("").Keys, func(fault func(string, int) faulttest.Fault) (http.Handler, func() []dispatchtest.Started, func() []string) {
			g := &dispatchtest.GitHub{Token: "hunter2-do-not-show", Repository: "acme/shop"}
			g.Fault = fault
			return g, g.Started, g.Wrong
		}},
		{"gitlab", false, rules.FormatKeys{Texts: map[string]string{"project": "acme/shop", "ref": "main"}, Tables: map[string]map[string]string{"inputs": {"to": "{{ .version }}"}}},
			func(fault func(string, int) faulttest.Fault) (http.Handler, func() []dispatchtest.Started, func() []string) {
				g := &dispatchtest.GitLab{Token: "hunter2-do-not-show", Project: "acme/shop", Refs: []string{"main"}, Inputs: []string{"to"}}
				g.Fault = fault
				return g, g.Started, g.Wrong
			}},
		{"eventbridge", false, rules.FormatKeys{Texts: map[string]string{"region": "eu-central-1"}},
			func(fault func(string, int) faulttest.Fault) (http.Handler, func() []dispatchtest.Started, func() []string) {
				e := &dispatchtest.EventBridge{Key: "AKIDTEST", Secret: "hunter2", Region: "eu-central-1", Buses: []string{"default"}}
				e.Fault = fault
				return e, e.Started, e.Wrong
			}},
	} {
		for _, fault := range append([]faulttest.Fault{faulttest.None}, faulttest.Faults()...) {
			for _, nth := range []int{1, 2} { // the search, and what it is followed by
				synctest.Test(t, func(t *testing.T) {
					server, started, wrong := tt.make(func(_ string, n int) faulttest.Fault {
						if n == nth {
							return fault
						}
						return faulttest.None
					})
					events := rolledBack()
					events[5].At = new(time.Now()) // runs are looked for from then on
					e := workflow("https://ci.example.com")
					e.Keys = tt.keys
					sink := formatted(t, Config{Transport: aborting{server}, Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "hunter2", "")}, e, tt.format, events)
					got := sends(t, sink, messageOf(t, events[5]))
					most := 1
					if !tt.once && fault.Done() && fault != faulttest.None && nth == 1 {
						most = 2
					}
					time.Sleep(time.Minute) // what comes late has come
					if n := len(started()); !got.OK || n != most || len(wrong()) > 0 {
						t.Errorf("%s, request %d %s: %d started, want %d; %+v, wrong %q", tt.format, nth, fault, n, most, got, wrong())
					}
				})
			}
		}
	}
}

// sends sends a message until it is taken, as an outbox does.
func sends(t *testing.T, sink *Sink, m outbox.Message) (o outbox.Outcome) {
	t.Helper()
	for range 6 {
		if o = sink.Send(t.Context(), m); o.OK || o.Refused {
			break
		}
		time.Sleep(max(o.RetryAfter, time.Second))
	}
	return o
}

// aborting is handler for one that may close the connection without an answer.
type aborting struct{ http.Handler }

func (a aborting) RoundTrip(req *http.Request) (*http.Response, error) {
	closed := false
	resp, err := handler{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				closed = true
			}
		}()
		a.ServeHTTP(w, r)
	})}.RoundTrip(req)
	if closed && err == nil {
		return nil, http.ErrServerClosed
	}
	return resp, err
}

// What the real ones refuse is refused.
func TestTheReceiversAreStrict(t *testing.T) {
	events := rolledBack()
	send := func(e Endpoint, name string, server http.Handler, key string) outbox.Outcome {
		c := Config{Transport: handler{server}, Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", key, "")}
		return formatted(t, c, e, name, events).Send(t.Context(), messageOf(t, events[5]))
	}
	hub := func() *dispatchtest.GitHub {
		return &dispatchtest.GitHub{Token: "hunter2-do-not-show", Repository: "acme/shop", Refs: []string{"main"},
			Workflows: map[string]dispatchtest.Workflow{"rollback.yml": {RunName: "(${{ inputs.relgate-event }})", Inputs: map[string]bool{"relgate-event": true}}}}
	}
	for name, change := range map[string]func(e *Endpoint, g *dispatchtest.GitHub){
		"another token":      func(_ *Endpoint, g *dispatchtest.GitHub) { g.Token = "other" },
		"another repository": func(_ *Endpoint, g *dispatchtest.GitHub) { g.Repository = "acme/other" },
		"no such workflow":   func(e *Endpoint, _ *dispatchtest.GitHub) { e.Keys.Texts["workflow"] = "other.yml" },
		"no such ref":        func(_ *Endpoint, g *dispatchtest.GitHub) { g.Refs = nil },
		"an unknown input": func(e *Endpoint, _ *dispatchtest.GitHub) {
			e.Keys.Tables = map[string]map[string]string{"inputs": {"more": "x"}}
		},
		"an input is missing": func(_ *Endpoint, g *dispatchtest.GitHub) { g.Workflows["rollback.yml"].Inputs["to"] = true },
	} {
		e, g := workflow("https://api.github.com"), hub()
		change(&e, g)
		if o := send(e, "github-workflow", g, ""); o.OK || !o.Refused || len(g.Wrong()) == 0 || len(g.Started()) > 0 {
			t.Errorf("GitHub, %s: %+v, wrong %q", name, o, g.Wrong())
		}
	}
	older := hub()
	older.Older = true
	if o := send(workflow("https://api.github.com"), "github-workflow", older, ""); !o.OK || len(older.Wrong()) > 0 {
		t.Errorf("an older server: %+v, wrong %q", o, older.Wrong())
	}
	for name, g := range map[string]*dispatchtest.GitLab{
		"another token":   {Token: "other", Project: "acme/shop", Refs: []string{"main"}},
		"another project": {Token: "hunter2-do-not-show", Project: "acme/other", Refs: []string{"main"}},
		"no such ref":     {Token: "hunter2-do-not-show", Project: "acme/shop"},
		"no such input":   {Token: "hunter2-do-not-show", Project: "acme/shop", Refs: []string{"main"}},
	} {
		e := workflow("https://gitlab.com")
		e.Keys = rules.FormatKeys{Texts: map[string]string{"project": "acme/shop", "ref": "main"}, Tables: map[string]map[string]string{"inputs": {"to": "x"}}}
		if o := send(e, "gitlab", g, ""); o.OK || !o.Refused || len(g.Wrong()) != 1 {
			t.Errorf("GitLab, %s: %+v, wrong %q", name, o, g.Wrong())
		}
	}
	for name, tt := range map[string]struct {
		key string
		bus *dispatchtest.EventBridge
	}{
		"another secret": {"other", &dispatchtest.EventBridge{Key: "AKIDTEST", Secret: "hunter2"}},
		"another key":    {"hunter2", &dispatchtest.EventBridge{Key: "AKIDOTHER", Secret: "hunter2"}},
		"another region": {"hunter2", &dispatchtest.EventBridge{Key: "AKIDTEST", Secret: "hunter2", Region: "us-east-1"}},
		"no such bus":    {"hunter2", &dispatchtest.EventBridge{Key: "AKIDTEST", Secret: "hunter2", Buses: []string{"other"}}},
		"an old request": {"hunter2", &dispatchtest.EventBridge{Key: "AKIDTEST", Secret: "hunter2", Desk: dispatchtest.Desk{Now: func() time.Time { return time.Now().Add(time.Hour) }}}},
	} {
		e := workflow("https://events.eu-central-1.amazonaws.com")
		e.Keys = rules.FormatKeys{Texts: map[string]string{"region": "eu-central-1"}}
		if o := send(e, "eventbridge", tt.bus, tt.key); o.OK || len(tt.bus.Wrong()) != 1 || len(tt.bus.Started()) > 0 {
			t.Errorf("EventBridge, %s: %+v, wrong %q", name, o, tt.bus.Wrong())
		}
	}
	g := &dispatchtest.GitHub{}
	if err := g.Load([]byte(`[{"ID":1,"What":"x","Given":{"relgate-event":"e/1"}}]`)); err != nil || !g.Did("e/1") || g.Did("e/11") {
		t.Errorf("what was kept: %v, %+v", err, g.Started())
	}
	if text, err := g.Save(); err != nil || !slices.Contains([]byte(text), '1') {
		t.Errorf("got %s, %v", text, err)
	}
}
