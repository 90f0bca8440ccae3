package webhook

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestConfigErrors(t *testing.T) {
	good := endpoint(Action)
	change := func(f func(*Endpoint)) Config {
		e := good
		f(&e)
		return Config{Feed: newMemFeed(), Endpoints: []Endpoint{e}}
	}
	for _, tt := range []struct {
		config Config
		want   string
	}{
		{Config{}, "a feed is required"},
		{Config{Feed: newMemFeed(), Endpoints: []Endpoint{good, good}}, `webhook "a": the name is used twice`},
		{Config{Feed: newMemFeed(), Allow: []string{"http://x"}}, `allow "http://x": want a CIDR`},
		{change(func(e *Endpoint) { e.Name = "" }), `webhook "": a name is required`},
		{change(func(e *Endpoint) { e.Class = "loud" }), `webhook "a": class "loud": want "action" or "notify"`},
		{change(func(e *Endpoint) { e.URL = "ftp://hidden.example/s3cret" }), `webhook "a": url: want an absolute http or https URL`},
		{change(func(e *Endpoint) { e.URL = "https://h/%zzs3cret" }), `webhook "a": url: want an absolute`},
		{change(func(e *Endpoint) { e.Secrets = []string{"ok", "whsec_s3cret!"} }), `webhook "a": secret 2: what follows whsec_ is not base64`},
		{change(func(e *Endpoint) { e.Secrets = []string{""} }), `webhook "a": secret 1 is empty`},
		{change(func(e *Endpoint) { e.EscalateTo = "b" }), `webhook "a": escalate_to "b": want the name of another webhook`},
		{change(func(e *Endpoint) { e.EscalateTo = "a" }), `webhook "a": escalate_to "a": want the name of another webhook`},
		{change(func(e *Endpoint) { e.Timeout = -1 }), `webhook "a": timeout -1ns: want a positive`},
		{change(func(e *Endpoint) { e.Headers = map[string]string{"X-A": "s3cret\n"} }), `webhook "a": header "X-A": not a valid`},
		{change(func(e *Endpoint) { e.Headers = map[string]string{"X A": "1"} }), `webhook "a": header "X A": not a valid`},
	} {
		_, err := New(tt.config)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New: %v, want %q", err, tt.want)
		} else if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "hidden") {
			t.Errorf("New: %v, which shows what must not be shown", err)
		}
	}
}

// Whatever goes wrong, neither log nor stats nor dead letters show a secret or
// the URL, which may be one.
func TestSecretsStayInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		hidden := []string{"hunter2", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "T000SECRET", "pa55word", "h3ader"}
		e := Endpoint{
			Name: "a", URL: "http://user:pa55word@127.0.0.1:1/T000SECRET?key=T000SECRET", Class: Notify,
			Secrets: []string{secret, "hunter2"}, Headers: map[string]string{"Authorization": "h3ader"},
		}
		answers := []func(r *http.Request, w http.ResponseWriter){
			func(r *http.Request, w http.ResponseWriter) { http.Error(w, r.URL.String(), 404) },
			func(r *http.Request, w http.ResponseWriter) { http.Redirect(w, r, r.URL.String(), http.StatusFound) },
			func(r *http.Request, _ http.ResponseWriter) { <-r.Context().Done() },
			func(_ *http.Request, w http.ResponseWriter) { w.WriteHeader(410) },
		}
		s := newScript(func(n int, r *http.Request, w http.ResponseWriter) { answers[min(n, len(answers))-1](r, w) })
		f := newMemFeed()
		c := Config{
			Endpoints: []Endpoint{e}, Feed: f, Transport: handler{s},
			Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}
		f.commitN(t, 1)
		h := mustNew(t, c)
		stop := start(t, h)
		time.Sleep(time.Minute)
		stats := h.Stats()[0].LastErr
		drain(t, h)
		stop()
		c.Transport = nil // and what the network itself says
		direct := mustNew(t, c)
		refused := direct.workers[0].sender.post(t.Context(), message{id: "1"})
		if refused.ok || len(f.dead) != 1 || log.Len() == 0 || stats == "" {
			t.Fatalf("outcome %+v, %d dead letters, log %q, last error %q; want failures of every kind", refused, len(f.dead), log.String(), stats)
		}
		for _, text := range []string{log.String(), stats, f.dead[0].Reason, refused.reason} {
			for _, s := range hidden {
				if strings.Contains(text, s) {
					t.Errorf("%q shows %q", text, s)
				}
			}
		}
	})
}
