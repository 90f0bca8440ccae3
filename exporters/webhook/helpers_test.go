package webhook

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
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

func (s *script) ids() string {
	var ids []string
	for _, a := range s.seen() {
		ids = append(ids, a.id[strings.LastIndex(a.id, "/")+1:])
	}
	return strings.Join(ids, " ")
}

func status(code int) func(int, *http.Request, http.ResponseWriter) {
	return func(_ int, _ *http.Request, w http.ResponseWriter) { w.WriteHeader(code) }
}

func failing(times, code int) func(int, *http.Request, http.ResponseWriter) {
	return func(n int, _ *http.Request, w http.ResponseWriter) {
		if n <= times {
			w.WriteHeader(code)
		}
	}
}

func endpoint(class Class) Endpoint {
	return Endpoint{Name: "a", URL: "http://a.example/hook", Class: class, Secrets: []string{secret}}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func mustNew(t testing.TB, c Config) *Webhook {
	t.Helper()
	if c.Log == nil {
		c.Log = quiet()
	}
	h, err := New(c)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return h
}

// start runs h until stop is called, which checks that Run ends well.
func start(t testing.TB, h *Webhook) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v, want nil", err)
		}
	}
}

func drain(t testing.TB, h *Webhook) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 48*time.Hour)
	defer cancel()
	if err := h.Drain(ctx); err != nil {
		t.Fatalf("Drain: %v; stats %+v", err, h.Stats())
	}
}
