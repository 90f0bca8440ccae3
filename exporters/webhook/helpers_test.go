package webhook

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
)

// handler is a transport that gives requests to an http.Handler without a
// network, so that virtual time can pass.
type handler struct{ http.Handler }

func (h handler) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	served := make(chan struct{})
	go func() {
		defer close(served)
		h.ServeHTTP(w, req)
	}()
	select {
	case <-served:
		return w.Result(), nil
	case <-req.Context().Done():
		<-served // a handler of ours ends with its request
		return nil, req.Context().Err()
	}
}

// attempt is one request that a test's receiver saw.
type attempt struct {
	after time.Duration // since the script was made
	id    string
	kind  string
	host  string
}

// script is a receiver that answers as it is told.
type script struct {
	mu       sync.Mutex
	began    time.Time
	attempts []attempt
	answer   func(n int, r *http.Request, w http.ResponseWriter) // n counts from 1; nil answers 204
}

func newScript(answer func(n int, r *http.Request, w http.ResponseWriter)) *script {
	return &script{began: time.Now(), answer: answer}
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.attempts = append(s.attempts, attempt{time.Since(s.began), r.Header.Get("webhook-id"), r.Header.Get("ce-type"), r.URL.Host})
	n := len(s.attempts)
	s.mu.Unlock()
	if s.answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.answer(n, r, w)
}

func (s *script) seen() []attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]attempt(nil), s.attempts...)
}

func endpoint() Endpoint {
	return Endpoint{Name: "a", URL: "http://a.example/hook", Secrets: []string{secret}}
}

func mustNew(t testing.TB, c Config, e Endpoint) *Sink {
	t.Helper()
	s, err := New(c, e)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return s
}

// box is an outbox with one endpoint.
func box(t testing.TB, f outbox.Feed, class outbox.Class, c Config, e Endpoint) *outbox.Outbox {
	t.Helper()
	b, err := outbox.New(outbox.Config{
		Endpoints: []outbox.Endpoint{{Name: e.Name, Class: class, Sink: mustNew(t, c, e)}}, Feed: f,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("outbox.New: %v", err)
	}
	return b
}
