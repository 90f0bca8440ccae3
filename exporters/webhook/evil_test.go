package webhook

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
)

// saying is a server that reads one request of each connection, lets say answer it,
// and then keeps silent until the other side hangs up.
func saying(t *testing.T, say func(c net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				say(c)
				_, _ = io.Copy(io.Discard, r)
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/pa55word"
}

// Whatever a receiver sends as an answer, an attempt ends, most of them long before
// their deadline, reads a bounded part of it, and repeats nothing of it.
func TestAnAnswerIsNeitherWaitedForNorBelieved(t *testing.T) {
	text := func(s string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, s) }
	}
	endless := func(head, more string) func(net.Conn) {
		return func(c net.Conn) {
			for _, err := io.WriteString(c, head); err == nil; {
				_, err = io.WriteString(c, more)
			}
		}
	}
	const unreadable = "the answer cannot be read as HTTP"
	for _, tt := range []struct {
		name string
		say  func(net.Conn)
		want outbox.Outcome
	}{
		{"another protocol from now on", text("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: pa55word\r\n\r\n"), outbox.Outcome{Reason: "answered 101 Switching Protocols"}},
		{"a header without an end", endless("HTTP/1.1 200 OK\r\nA: ", strings.Repeat("pa55word", 1024)), outbox.Outcome{Doubt: true, Reason: unreadable}},
		{"early hints without an end", endless("", "HTTP/1.1 103 Early Hints\r\nLink: <pa55word>\r\n\r\n"), outbox.Outcome{Doubt: true, Reason: unreadable}},
		{"a body without an end", endless("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("pa55word", 1024)), outbox.Outcome{OK: true}},
		{"a body that is less than promised", text("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), outbox.Outcome{OK: true}},
		{"something else than HTTP", text("SSH-2.0-pa55word\r\n"), outbox.Outcome{Doubt: true, Reason: unreadable}},
		{"a status that is none", text("HTTP/1.1 pa55word OK\r\n\r\n"), outbox.Outcome{Doubt: true, Reason: unreadable}},
		{"a header that is none", text("HTTP/1.1 200 OK\r\npa55word\r\n\r\n"), outbox.Outcome{Doubt: true, Reason: unreadable}},
		{"nothing", func(c net.Conn) { _ = c.Close() }, outbox.Outcome{Doubt: true, Reason: "the connection was closed without an answer"}},
		{"half a status", func(c net.Conn) { text("HTTP/1.1 20")(c); _ = c.Close() }, outbox.Outcome{Doubt: true, Reason: unreadable}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := mustNew(t, Config{}, Endpoint{Name: "a", URL: saying(t, tt.say), Timeout: time.Minute, Allow: []string{"127.0.0.1"}})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			ended := make(chan outbox.Outcome, 1)
			go func() { ended <- s.Send(ctx, outbox.Message{ID: "1", Data: []byte("{}"), Order: true}) }()
			select {
			case got := <-ended:
				if got != tt.want {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
			case <-time.After(time.Minute):
				t.Error("the attempt does not end")
			}
		})
	}
}
