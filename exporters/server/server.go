package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	headerTime = 5 * time.Second  // for the headers of a request, and for a TLS handshake
	bodyTime   = 10 * time.Second // for its body
	answerTime = 20 * time.Second // for the client to take an answer
	idleTime   = 2 * time.Minute  // between two requests
	stopTime   = 5 * time.Second  // for requests to end when the server stops
	maxHeader  = 16 << 10         // bytes of headers
	maxStreams = 100              // requests at a time on one HTTP/2 connection
)

// Config is what a Server needs.
type Config struct {
	Name  string        // which port it is, in the log: "public"
	Limit int           // connections at a time; required
	Wait  time.Duration // the longest that a handler may take before it answers
	TLS   *Certificates // nil: plain HTTP
	Drain func()        // called when the server begins to stop, to end long polls; may be nil
	Log   *slog.Logger  // nil: nothing is logged
}

// Stats is what a Server has done since it was made.
type Stats struct {
	Open, Limit int    // connections now, and at most
	Closed      uint64 // connections closed because the limit was reached
	Handshakes  uint64 // TLS handshakes that were refused: a client without the right certificate, plain HTTP
}

// Server serves one port.
type Server struct {
	config  Config
	handler http.Handler
	http    *http.Server
	conns   conns
	errors  errorLog
}

// New makes a Server. It starts nothing.
func New(h http.Handler, c Config) *Server {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With("port", c.Name)
	s := &Server{config: c, handler: h}
	s.conns.limit, s.conns.log = c.Limit, c.Log
	s.errors.log = c.Log
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: headerTime,
		// For bodies that net/http reads without asking the handler: behind an Expect
		// that it does not know. It ends no long poll: net/http lifts it once a request
		// is here whole. For the others serve sets one of its own.
		ReadTimeout:    headerTime + bodyTime,
		WriteTimeout:   c.Wait + answerTime,
		IdleTimeout:    idleTime,
		MaxHeaderBytes: maxHeader,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: answerTime},
		ConnState:      s.conns.changed,
		ConnContext:    withConn,
		ErrorLog:       log.New(&s.errors, "", 0),
		// Else net/http answers OPTIONS * with 200, past the handler.
		DisableGeneralOptionsHandler: true,
	}
	if c.TLS != nil {
		s.http.TLSConfig = c.TLS.config(c.Log)
	}
	if c.Drain != nil {
		s.http.RegisterOnShutdown(c.Drain)
	}
	return s
}

// Run answers on a listener until ctx is done, lets requests end, and closes the
// listener. It returns an error if the listener fails.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		if s.http.Shutdown(grace) != nil {
			s.http.Close()
		}
	})
	var err error
	if in := (listener{l, &s.conns}); s.config.TLS != nil {
		err = s.http.ServeTLS(in, "", "")
	} else {
		err = s.http.Serve(in)
	}
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving %s: %w", l.Addr(), err)
}

// Stats is a copy of the counts.
func (s *Server) Stats() Stats {
	st := s.conns.stats()
	st.Handshakes = s.errors.handshakes()
	return st
}

// serve gives the body of a request its time, and notes when the request is here whole
// and when its answer begins. net/http reads what a handler left of a body before it
// sends the answer, and has no time limit for that: the deadline stays until the body
// has been read to its end, when net/http lifts it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	q := &request{conn: r.Context().Value(connKey{}).(*conn)}
	defer q.answered()
	if r.Body == nil || r.Body == http.NoBody {
		q.arrived()
		s.handler.ServeHTTP(answer{w, q}, r)
		return
	}
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		// Proxies and servers differ in where a request in chunks ends, most of all one
		// that says its length too, which net/http hides. What stands behind it is never
		// taken for another request.
		w.Header().Set("Connection", "close")
	}
	// The writers of this server all have a connection to set a deadline on.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	with := *r
	with.Body = arriving{r.Body, q}
	s.handler.ServeHTTP(answer{w, q}, &with)
}

// request is how far a request has come. Between its arrival and its answer its
// connection is not closed to make room.
type request struct {
	conn *conn
	busy bool // here whole, and the answer has not begun; conn.of.mu guards it
	done bool // the answer has begun; conn.of.mu guards it
}

func (q *request) arrived() {
	q.conn.of.mu.Lock()
	defer q.conn.of.mu.Unlock()
	if !q.busy && !q.done {
		q.busy = true
		q.conn.busy++
	}
}

func (q *request) answered() {
	q.conn.of.mu.Lock()
	defer q.conn.of.mu.Unlock()
	q.done = true
	if q.busy {
		q.busy = false
		q.conn.busy--
		q.conn.rest()
	}
}

// arriving is a body.
type arriving struct {
	io.ReadCloser
	request *request
}

func (a arriving) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		a.request.arrived()
	}
	return n, err
}

// answer is an answer. It may take as long as the client likes to take it, within
// limits.
type answer struct {
	http.ResponseWriter
	request *request
}

func (a answer) WriteHeader(status int) {
	a.request.answered()
	a.ResponseWriter.WriteHeader(status)
}

func (a answer) Write(p []byte) (int, error) {
	a.request.answered()
	return a.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (a answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// errorLog takes what net/http says of single connections. Whoever can reach the port
// can cause such lines, so they come once a second at most; a handler that panics is
// always said.
type errorLog struct {
	log    *slog.Logger
	mu     sync.Mutex
	failed uint64    // TLS handshakes
	said   time.Time // when a line was written last
	silent int       // lines that were left out since
}

func (e *errorLog) handshakes() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// Write takes one message of net/http.
func (e *errorLog) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	if strings.HasPrefix(text, "http: panic serving") {
		e.log.Error("a handler panicked", "err", text)
		return len(p), nil
	}
	for _, end := range [...]string{": EOF", "i/o timeout", "use of closed network connection", "connection reset by peer"} {
		if strings.HasSuffix(text, end) { // a probe of the port, or one that was closed to make room
			e.log.Debug("connection ended", "err", text)
			return len(p), nil
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	said := "serving a connection"
	if strings.HasPrefix(text, "http: TLS handshake error") {
		said = "TLS handshake refused"
		e.failed++
	}
	if now := time.Now(); now.Sub(e.said) >= time.Second {
		e.log.Warn(said, "err", text, "more", e.silent)
		e.said, e.silent = now, 0
	} else {
		e.silent++
	}
	return len(p), nil
}
