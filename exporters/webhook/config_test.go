package webhook

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

func TestWhatIsWrongWithAnEndpointIsSaidWithoutItsSecrets(t *testing.T) {
	change := func(f func(*Endpoint)) Endpoint {
		e := endpoint()
		f(&e)
		return e
	}
	for _, tt := range []struct {
		config   Config
		endpoint Endpoint
		want     string
	}{
		{Config{Allow: []string{"http://x"}}, endpoint(), `webhook "a": allow "http://x": want a CIDR`},
		{Config{}, change(func(e *Endpoint) { e.URL = "ftp://hidden.example/s3cret" }), `webhook "a": url: want an absolute http or https URL`},
		{Config{}, change(func(e *Endpoint) { e.URL = "https://h/%zzs3cret" }), `webhook "a": url: want an absolute`},
		{Config{}, change(func(e *Endpoint) { e.Proxy = "socks5://user:s3cret@hidden.example" }), `webhook "a": proxy: want an absolute http or https URL`},
		{Config{}, change(func(e *Endpoint) { e.Secrets = []string{"ok", "whsec_s3cret!"} }), `webhook "a": secret 2: what follows whsec_ is not base64`},
		{Config{}, change(func(e *Endpoint) { e.Secrets = []string{""} }), `webhook "a": secret 1 is empty`},
		{Config{}, change(func(e *Endpoint) { e.Timeout = -1 }), `webhook "a": timeout -1ns: want a positive`},
		{Config{}, change(func(e *Endpoint) { e.Headers = map[string]string{"X-A": "s3cret\n"} }), `webhook "a": header "X-A": not a valid`},
		{Config{}, change(func(e *Endpoint) { e.Headers = map[string]string{"X A": "1"} }), `webhook "a": header "X A": not a valid`},
	} {
		_, err := New(tt.config, tt.endpoint)
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
			Name: "a", URL: "http://user:pa55word@127.0.0.1:1/T000SECRET?key=T000SECRET",
			Secrets: []string{secret, "hunter2"}, Headers: map[string]string{"Authorization": "h3ader"},
		}
		answers := []func(r *http.Request, w http.ResponseWriter){
			func(r *http.Request, w http.ResponseWriter) { http.Error(w, r.URL.String(), 500) },
			func(r *http.Request, w http.ResponseWriter) { http.Redirect(w, r, r.URL.String(), http.StatusFound) },
			func(r *http.Request, _ http.ResponseWriter) { <-r.Context().Done() },
			func(_ *http.Request, w http.ResponseWriter) { w.WriteHeader(410) },
		}
		s := newScript(func(n int, r *http.Request, w http.ResponseWriter) { answers[min(n, len(answers))-1](r, w) })
		f := outboxtest.New()
		f.CommitN(t, 1)
		h, err := outbox.New(outbox.Config{
			Endpoints: []outbox.Endpoint{{Name: "a", Class: outbox.Notify, Sink: mustNew(t, Config{Transport: handler{s}}, e)}}, Feed: f,
			Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			t.Fatal(err)
		}
		stop := outboxtest.Start(t, h)
		time.Sleep(time.Minute)
		stats := h.Stats()[0].LastErr
		outboxtest.Drain(t, h)
		stop()
		direct := mustNew(t, Config{}, e) // and what the network itself says
		refused := direct.Send(t.Context(), outbox.Message{ID: "1"})
		if refused.OK || len(f.Dead) != 1 || log.Len() == 0 || stats == "" {
			t.Fatalf("outcome %+v, %d dead letters, log %q, last error %q; want failures of every kind", refused, len(f.Dead), log.String(), stats)
		}
		for _, text := range []string{log.String(), stats, f.Dead[0].Reason, refused.Reason} {
			for _, s := range hidden {
				if strings.Contains(text, s) {
					t.Errorf("%q shows %q", text, s)
				}
			}
		}
	})
}
