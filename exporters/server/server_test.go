package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/internal/certtest"
)

const longest = 50 * time.Second // long poll of the handlers here

// pipes is a listener whose connections are in memory, so that time can be virtual.
type pipes struct {
	come   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{come: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.come:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.come <- server
	return client
}

// routes are handlers as relgate has them: one that does not look at the body, one that
// reads it, one that reads it and waits, one that waits, and one with a large answer.
func routes() http.Handler {
	wait := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(longest):
			w.WriteHeader(http.StatusServiceUnavailable)
		case <-r.Context().Done():
		}
	}
	read := func(w http.ResponseWriter, r *http.Request) bool {
		_, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "it did not arrive whole", http.StatusBadRequest)
		}
		return err == nil
	}
	m := http.NewServeMux()
	m.HandleFunc("/refuse", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	m.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) { read(w, r) })
	m.HandleFunc("/read-wait", func(w http.ResponseWriter, r *http.Request) {
		if read(w, r) {
			wait(w, r)
		}
	})
	m.HandleFunc("/wait", wait)
	m.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	m.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("a bug") })
	return m
}

// run serves until the test ends.
func run(t *testing.T, s *Server, l net.Listener) {
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Whatever a client does or leaves undone, its connection ends.
func TestEveryConnectionHasABoundedLifeWithoutProgress(t *testing.T) {
	const (
		get     = "GET %s HTTP/1.1\r\nHost: gate\r\n%s\r\n"
		noBody  = "Content-Length: 9\r\n"
		chunked = "Transfer-Encoding: chunked\r\n"
		expect  = "Expect: 100-continue\r\n" + noBody
	)
	for _, tt := range []struct {
		about, path, header string
		body                string // sent at once behind the headers
		drip                string // sent a byte a second after that, again and again
		unread              bool   // the client never reads
		statuses            string // of the answers
		answered, closed    int    // seconds until the last answer and until the end of the connection
	}{
		{about: "silence", closed: 5},
		{about: "headers that drip", drip: "GET / HTTP/1.1\r\nHost: gate\r\n" + strings.Repeat("A: b\r\n", 99), statuses: "400", answered: 5, closed: 5},
		{about: "a body that never comes, to a handler that reads none", path: "/refuse", header: noBody, statuses: "401", answered: 10, closed: 10},
		{about: "a body that never comes", path: "/read", header: noBody, statuses: "400", answered: 10, closed: 10},
		{about: "a body of which a part comes", path: "/read", header: noBody, body: "12345678", statuses: "400", answered: 10, closed: 10},
		{about: "a body that never comes, to a handler that waits", path: "/wait", header: noBody, statuses: "503", answered: 50, closed: 50},
		{about: "a body in chunks that drips", path: "/read", header: chunked, drip: "1\r\na\r\n", statuses: "400", answered: 10, closed: 10},
		{about: "a body in chunks that drips, to a handler that reads none", path: "/refuse", header: chunked, drip: "1\r\na\r\n", statuses: "401", answered: 0, closed: 10},
		{about: "trailers that drip", path: "/read", header: chunked, body: "0\r\n", drip: "A: b\r\n", statuses: "400", answered: 10, closed: 10},
		{about: "100-continue, and then nothing", path: "/read", header: expect, statuses: "100 400", answered: 10, closed: 10},
		{about: "100-continue, to a handler that reads none", path: "/refuse", header: expect, statuses: "401", answered: 0, closed: 10},
		{about: "an expectation that net/http does not know, and then nothing", path: "/read", header: "Expect: x\r\n" + noBody, statuses: "417", answered: 0, closed: 15},
		{about: "an expectation that net/http does not know, and chunks that drip", path: "/wait", header: "Expect: x\r\n" + chunked, drip: "1\r\na\r\n", statuses: "417", answered: 0, closed: 15},
		{about: "a body in time, and an idle connection", path: "/read", header: noBody, body: "123456789", statuses: "200", answered: 0, closed: 120},
		{about: "an idle connection", path: "/refuse", statuses: "401", answered: 0, closed: 120},
		{about: "a second request whose headers drip", path: "/refuse", drip: "GET / HTTP/1.1\r\nHost: gate\r\n" + strings.Repeat("A: b\r\n", 99), statuses: "401 400", answered: 9, closed: 9},
		{about: "a long poll", path: "/wait", statuses: "503", answered: 50, closed: 170},
		{about: "a long poll behind a body", path: "/read-wait", header: noBody, body: "123456789", statuses: "503", answered: 50, closed: 170},
		{about: "a long poll behind a body in chunks", path: "/read-wait", header: chunked, body: "1\r\na\r\n0\r\n\r\n", statuses: "503", answered: 50, closed: 50},
		{about: "a request behind one in chunks", path: "/read", header: chunked, body: "1\r\na\r\n0\r\n\r\n" + fmt.Sprintf(get, "/refuse", ""), statuses: "200", answered: 0, closed: 0},
		{about: "an answer that is never read", path: "/large", unread: true, closed: 70},
		{about: "an answer to a long poll that is never read", path: "/wait", unread: true, closed: 70},
		{about: "two requests at once", path: "/refuse", body: fmt.Sprintf(get, "/refuse", ""), statuses: "401 401", answered: 0, closed: 120},
		{about: "requests behind a long poll", path: "/wait", body: fmt.Sprintf(get, "/refuse", "") + "GET ", statuses: "503 401 400", answered: 55, closed: 55},
		{about: "a request behind a body that never comes", path: "/refuse", header: "Content-Length: 999\r\n", body: fmt.Sprintf(get, "/large", ""), statuses: "401", answered: 10, closed: 10},
	} {
		t.Run(tt.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newPipes()
				s := New(routes(), Config{Limit: 5, Wait: longest})
				run(t, s, in)
				c, begun := in.dial(), time.Now()
				var writer sync.WaitGroup
				writer.Go(func() {
					if tt.path != "" {
						_, _ = io.WriteString(c, fmt.Sprintf(get, tt.path, tt.header)+tt.body)
					}
					for tt.drip != "" {
						for _, b := range []byte(tt.drip) {
							time.Sleep(time.Second)
							if _, err := c.Write([]byte{b}); err != nil {
								return
							}
						}
					}
				})
				var got []byte
				answered := begun
				for !tt.unread {
					p := make([]byte, 4096)
					n, err := c.Read(p)
					if got = append(got, p[:n]...); err != nil {
						break
					}
					answered = time.Now()
				}
				synctest.Wait() // it is accepted, and counts
				for tt.unread && s.Stats().Open > 0 && time.Since(begun) < time.Hour {
					time.Sleep(time.Second)
					synctest.Wait()
				}
				closed := time.Since(begun)
				c.Close()
				writer.Wait()
				var statuses []string
				for _, line := range strings.Split(string(got), "\r\n") {
					if version, rest, _ := strings.Cut(line, " "); version == "HTTP/1.1" {
						statuses = append(statuses, rest[:3])
					}
				}
				if strings.Join(statuses, " ") != tt.statuses {
					t.Errorf("statuses %v, want %s: %q", statuses, tt.statuses, got)
				}
				near := func(d time.Duration, seconds int) bool {
					return (d - time.Duration(seconds)*time.Second).Abs() <= time.Second
				}
				if d := answered.Sub(begun); !near(d, tt.answered) {
					t.Errorf("answered after %v, want %d s", d, tt.answered)
				}
				if !near(closed, tt.closed) {
					t.Errorf("closed after %v, want %d s", closed, tt.closed)
				}
				synctest.Wait()
				if st := s.Stats(); st.Open != 0 {
					t.Errorf("%d connections count, want none", st.Open)
				}
			})
		})
	}
}

func TestALongPollEndsWithItsClient(t *testing.T) {
	for _, header := range []string{"", "Content-Length: 1\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan time.Time, 1)
			in := newPipes()
			run(t, New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				<-r.Context().Done()
				ended <- time.Now()
			}), Config{Limit: 5, Wait: longest}), in)
			c, begun := in.dial(), time.Now()
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: gate\r\n"+header+"\r\n")
			if header != "" {
				_, _ = io.WriteString(c, "x")
			}
			time.Sleep(20 * time.Second) // longer than a body has
			c.Close()
			if d := (<-ended).Sub(begun); d != 20*time.Second {
				t.Errorf("with header %q: ended after %v, want 20 s", header, d)
			}
		})
	}
}

// Requests that are under way when a daemon stops are answered.
func TestRunReturnsWhenRequestsHaveEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, drained := newPipes(), make(chan struct{})
		s := New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-drained
			time.Sleep(3 * time.Second)
			_, _ = io.WriteString(w, "answered")
		}), Config{Limit: 5, Wait: longest, Drain: func() { close(drained) }})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx, in) }()
		c := in.dial()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: gate\r\n\r\n")
		synctest.Wait()
		stop()
		got, _ := io.ReadAll(c)
		if !strings.HasSuffix(string(got), "answered") {
			t.Errorf("got %q, want the answer", got)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestRunSaysThatItsListenerFailed(t *testing.T) {
	in := newPipes()
	in.Close()
	if err := New(routes(), Config{Limit: 1}).Run(t.Context(), in); err == nil || !strings.Contains(err.Error(), "serving pipe") {
		t.Errorf("got %v, want an error that names the listener", err)
	}
}

// At the limit the connection that has waited longest makes room; those with a request
// are never closed.
func TestTheConnectionThatHasWaitedLongestMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		in := newPipes()
		s := New(routes(), Config{Name: "public", Limit: 4, Wait: longest, Log: slog.New(slog.NewTextHandler(log, nil))})
		run(t, s, in)
		open := map[string]*atomic.Bool{}
		dial := func(name, send string) net.Conn {
			c := in.dial()
			is := &atomic.Bool{}
			is.Store(true)
			open[name] = is
			if send != "" {
				_, _ = io.WriteString(c, send)
			}
			go func() {
				_, _ = io.Copy(io.Discard, c)
				is.Store(false)
			}()
			time.Sleep(time.Second)
			synctest.Wait()
			return c
		}
		check := func(about string, want ...string) {
			t.Helper()
			synctest.Wait()
			for name, is := range open {
				wanted := false
				for _, w := range want {
					wanted = wanted || w == name
				}
				if is.Load() != wanted {
					t.Errorf("%s: %s is open: %v, want %v", about, name, is.Load(), wanted)
				}
			}
		}
		const poll = "GET /wait HTTP/1.1\r\nHost: gate\r\n\r\n"
		idle := dial("idle", "GET /refuse HTTP/1.1\r\nHost: gate\r\n\r\n")
		dial("poll", poll)
		dial("body", "POST /read HTTP/1.1\r\nHost: gate\r\nContent-Length: 9\r\n\r\n")
		_, _ = io.WriteString(idle, "GET /refuse HTTP/1.1\r\nHost: gate\r\n\r\n") // it waits from now on
		synctest.Wait()
		dial("new", "GET / ")
		check("room for all", "idle", "poll", "body", "new")
		dial("poll 2", poll)
		check("the body that does not come has waited longest", "idle", "poll", "poll 2", "new")
		dial("poll 3", "POST /read-wait HTTP/1.1\r\nHost: gate\r\nContent-Length: 1\r\n\r\nx")
		check("then the idle one", "poll", "poll 2", "poll 3", "new")
		dial("poll 4", poll)
		check("then the new one, though it began a request", "poll", "poll 2", "poll 3", "poll 4")
		refused := in.dial()
		if n, err := refused.Read(make([]byte, 1)); err == nil {
			t.Errorf("with four requests: read %d bytes of a fifth connection, want its end", n)
		}
		check("requests are not closed", "poll", "poll 2", "poll 3", "poll 4")
		if st := s.Stats(); st != (Stats{Open: 4, Limit: 4, Closed: 4}) {
			t.Errorf("got %+v, want 4 open of 4, 4 closed", st)
		}
		if n := strings.Count(log.String(), "to make room"); n != 1 || !strings.Contains(log.String(), "port=public limit=4 closed=1") {
			t.Errorf("the log says it %d times, want once a minute: %s", n, log)
		}
	})
}

// TestAClientThatTakesNoAnswerKeepsNoRoom: whoever can reach the port can ask for the
// description and not read it, on as many connections as there are.
func TestAClientThatTakesNoAnswerKeepsNoRoom(t *testing.T) {
	_, files := written(t, inDays(30))
	const (
		preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
		settings = "\x00\x00\x06\x04\x00\x00\x00\x00\x00" + "\x00\x04\x00\x00\x00\x00" // a window of 0 for each answer
		request  = "\x00\x00\x0e\x01\x05\x00\x00\x00\x01" + "\x82\x87\x04\x06/large\x01\x02ab"
	)
	for _, tt := range []struct {
		about string
		send  string
		tls   bool
	}{
		{"HTTP/1", "GET /large HTTP/1.1\r\nHost: gate\r\n\r\n", false},
		{"HTTP/2", preface + settings + request, true},
	} {
		t.Run(tt.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newPipes()
				config := Config{Limit: 2, Wait: longest}
				ca := certtest.NewAuthority(t, "one")
				if tt.tls {
					ca.Issue(t, "gate", inDays(20)).Write(t, files.Cert, files.Key)
					var err error
					if config.TLS, err = NewCertificates(files); err != nil {
						t.Fatal(err)
					}
				}
				s := New(routes(), config)
				run(t, s, in)
				dial := func(proto string) net.Conn {
					c := in.dial()
					if !tt.tls {
						return c
					}
					secure := tls.Client(c, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", NextProtos: []string{proto}})
					if err := secure.Handshake(); err != nil {
						t.Fatal(err)
					}
					return secure
				}
				for range 2 {
					c := dial("h2")
					go func() { _, _ = io.WriteString(c, tt.send) }()
					if tt.tls { // frames are taken, the answer's bytes have no window
						go func() { _, _ = io.Copy(io.Discard, c) }()
					}
					time.Sleep(time.Second)
				}
				third := dial("http/1.1")
				go func() { _, _ = io.WriteString(third, "GET /refuse HTTP/1.1\r\nHost: gate\r\n\r\n") }()
				if got, err := io.ReadAll(io.LimitReader(third, 12)); string(got) != "HTTP/1.1 401" || err != nil {
					t.Errorf("the third connection was answered %q, %v", got, err)
				}
				if st := s.Stats(); st != (Stats{Open: 2, Limit: 2, Closed: 1}) {
					t.Errorf("got %+v, want a third connection to have taken the place of the first", st)
				}
				third.Close()
			})
		})
	}
}

func TestAHandlerThatPanicsIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		in := newPipes()
		run(t, New(routes(), Config{Limit: 4, Log: slog.New(slog.NewTextHandler(log, nil))}), in)
		for range 3 {
			c := in.dial()
			_, _ = io.WriteString(c, "GET /panic HTTP/1.1\r\nHost: gate\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 3 || !strings.Contains(log.String(), "a bug") {
			t.Errorf("%d errors in the log, want 3: %s", n, log)
		}
	})
}

func TestTheLimitLeavesHalfOfTheFilesToOthers(t *testing.T) {
	if got := PublicLimit(); got < 1 || got > 2048 || got > openFiles()/2 {
		t.Errorf("got %d of %d files", got, openFiles())
	}
}
