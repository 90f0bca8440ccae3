package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// arrival is a request that arrived: its type and the protocol that it came by.
type arrival struct{ kind, proto string }

// hanging is a server that hangs on everything, once it has said what arrived.
func hanging(t *testing.T, http2 bool) (url string, trust *tls.Config, arrived <-chan arrival) {
	t.Helper()
	came := make(chan arrival, 64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		came <- arrival{r.Header.Get("ce-type"), r.Proto}
		<-r.Context().Done()
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if server.EnableHTTP2 = http2; http2 {
		server.StartTLS()
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		trust = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.URL, trust, came
}

// A receiver that hangs, over HTTP/2 too, delays no order to itself: each has a
// connection of its own.
func TestOrdersShareNoConnection(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		url, trust, arrived := hanging(t, http2)
		f := outboxtest.New()
		e := Endpoint{Name: "a", URL: url, Timeout: time.Minute, Allow: []string{"127.0.0.1"}, TLS: trust}
		b, err := outbox.New(outbox.Config{
			Endpoints: []outbox.Endpoint{{Name: "a", Class: outbox.Action, Sink: mustNew(t, Config{}, e)}}, Feed: f,
			Grace: time.Millisecond, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		stop := outboxtest.Start(t, b)
		want := func(kind, proto string) {
			t.Helper()
			select {
			case got := <-arrived:
				if got != (arrival{kind, proto}) {
					t.Errorf("HTTP/2 %v: %+v arrived, want %s by %s", http2, got, kind, proto)
				}
			case <-time.After(20 * time.Second):
				t.Errorf("HTTP/2 %v: %s did not arrive", http2, kind)
			}
		}
		f.CommitN(t, 1)
		want("relgate.phase.passed", map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[http2])
		for range 3 { // each hangs
			f.Commit(t, fact.Event{Kind: fact.RunEvent, To: "rolled_back"})
			want("relgate.run.rolled_back", "HTTP/1.1")
		}
		stop()
	}
}

// An answer that comes drop by drop is an answer: its status counts at once.
func TestASlowAnswerIsTakenByItsStatus(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "drop")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	s := mustNew(t, Config{}, Endpoint{Name: "a", URL: server.URL, Timeout: time.Minute, Allow: []string{"127.0.0.1"}})
	began := time.Now()
	if o := s.Send(t.Context(), outbox.Message{ID: "1", Data: []byte("{}")}); !o.OK || time.Since(began) > 30*time.Second {
		t.Errorf("%+v after %v, want delivered and not after the timeout", o, time.Since(began))
	}
}

// A connection that is refused is a failed attempt with its reason.
func TestARefusedConnectionIsAFailure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := mustNew(t, Config{}, Endpoint{Name: "a", URL: url, Allow: []string{"127.0.0.1"}})
	for _, order := range []bool{false, true} {
		if o := s.Send(t.Context(), outbox.Message{ID: "1", Order: order}); o.OK || o.Refused || o.Doubt || !strings.Contains(o.Reason, "refused") {
			t.Errorf("order %v: %+v, want connection refused, and no doubt", order, o)
		}
	}
}
