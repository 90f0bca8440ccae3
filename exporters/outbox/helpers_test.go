package outbox_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
)

// attempt is one message that a test's receiver saw.
type attempt struct {
	after time.Duration // since the script was made
	id    string
	kind  string
	to    string // endpoint
}

// call is an attempt as a script sees it while it goes on.
type call struct {
	context.Context
	outbox.Message
	to string
}

// answer says what becomes of the nth attempt, from 1.
type answer func(n int, c call) outbox.Outcome

// script is what is behind the sinks of a test: it answers as it is told.
type script struct {
	mu       sync.Mutex
	began    time.Time
	attempts []attempt
	answer   answer // nil takes everything
}

func newScript(a answer) *script { return &script{began: time.Now(), answer: a} }

// port is a script as the sink of an endpoint. An attempt may take ten seconds.
type port struct {
	*script
	to string
}

func (s *script) sink(to string) outbox.Sink { return port{s, to} }

func (p port) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	p.mu.Lock()
	p.attempts = append(p.attempts, attempt{time.Since(p.began), m.ID, m.Type, p.to})
	n := len(p.attempts)
	p.mu.Unlock()
	if p.answer == nil {
		return took
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return p.answer(n, call{ctx, m, p.to})
}

func (s *script) seen() []attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]attempt(nil), s.attempts...)
}

// at is what one endpoint saw.
func (s *script) at(endpoint string) (list []attempt) {
	for _, a := range s.seen() {
		if a.to == endpoint {
			list = append(list, a)
		}
	}
	return list
}

func (s *script) ids() string {
	var ids []string
	for _, a := range s.seen() {
		ids = append(ids, a.id[strings.LastIndex(a.id, "/")+1:])
	}
	return strings.Join(ids, " ")
}

var (
	took    = outbox.Outcome{OK: true}
	failed  = outbox.Outcome{Reason: "answered 500"}
	refused = outbox.Outcome{Refused: true, Reason: "answered 410"}
)

// later wants to be left alone for a while.
func later(d time.Duration) outbox.Outcome {
	return outbox.Outcome{RetryAfter: d, Reason: "answered 429"}
}

// hang answers when the attempt's time is over.
func hang(c call) outbox.Outcome {
	<-c.Done()
	return outbox.Outcome{Reason: "no answer"}
}

func always(o outbox.Outcome) answer { return func(int, call) outbox.Outcome { return o } }

// first gives o for a number of attempts, and takes the rest.
func first(times int, o outbox.Outcome) answer {
	return func(n int, _ call) outbox.Outcome {
		if n <= times {
			return o
		}
		return took
	}
}

// endpoint is endpoint a at a script.
func endpoint(class outbox.Class, s *script) outbox.Endpoint {
	return outbox.Endpoint{Name: "a", Class: class, Sink: s.sink("a")}
}

// second is endpoint b at a script, for people.
func second(s *script) outbox.Endpoint {
	return outbox.Endpoint{Name: "b", Class: outbox.Notify, Sink: s.sink("b")}
}

func mustNew(t testing.TB, c outbox.Config) *outbox.Outbox {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	b, err := outbox.New(c)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return b
}

// simple is an outbox with endpoint a.
func simple(t testing.TB, class outbox.Class, f outbox.Feed, s *script) *outbox.Outbox {
	t.Helper()
	return mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{endpoint(class, s)}, Feed: f})
}
