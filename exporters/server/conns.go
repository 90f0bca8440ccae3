package server

import (
	"container/list"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// PrivateLimit is how many connections the private port takes: Prometheus, a
	// few probes, and a person with pprof.
	PrivateLimit = 64
	// publicLimit is how many connections the public port takes at most. One that is
	// silent holds about 15 KiB, so all of them hold about 30 MiB. A team's pipelines
	// need some hundred.
	publicLimit = 2048
	// sendBuffer is how many bytes of answers the kernel takes from a connection; it
	// keeps about twice as much. Its own limit is some MiB, which clients that send
	// requests and take no answers could fill on every connection.
	sendBuffer = 64 << 10
)

// PublicLimit is how many connections the public port takes: 2,048, but at most
// half of the files that this process may have open, so that journal, sources and
// webhooks get theirs.
func PublicLimit() int { return max(1, min(publicLimit, openFiles()/2-PrivateLimit)) }

// conns holds the open connections of a server.
type conns struct {
	limit int
	log   *slog.Logger

	mu     sync.Mutex
	open   list.List // of *conn; the one that has been without a request for longest stands first among those that are not busy
	closed uint64    // to make room
	silent uint64    // of these, since the log said so
	said   time.Time // when the log said so last
}

// conn is a connection that counts.
type conn struct {
	net.Conn
	of    *conns
	place *list.Element // nil when it counts no more; of.mu guards it
	busy  int           // requests that are here whole and whose answer has not begun; of.mu guards it
}

// listener counts the connections that it accepts.
type listener struct {
	net.Listener
	conns *conns
}

// Accept returns the next connection that there is room for.
func (l listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if counted := l.conns.admit(c); counted != nil {
			return counted, nil
		}
		c.Close()
	}
}

// admit counts a connection. At the limit it closes the one that has been without a
// request for longest. One whose answer is being sent is without: a client that does not
// take its answer keeps no room. Connections with a request that waits for its answer are
// never closed: if all have one there is no room, and admit returns nil.
func (s *conns) admit(c net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open.Len() >= s.limit {
		s.closed++
		s.silent++
		if now := time.Now(); now.Sub(s.said) >= time.Minute {
			s.log.Warn("too many connections: those without a request are closed to make room", "limit", s.limit, "closed", s.silent)
			s.said, s.silent = now, 0
		}
		longest := s.longestIdle()
		if longest == nil {
			return nil
		}
		s.forget(longest)
		longest.Conn.Close() // its reader notices, and ends
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // else the kernel's own size, which is larger
	}
	counted := &conn{Conn: c, of: s}
	counted.place = s.open.PushBack(counted)
	return counted
}

// longestIdle moves connections with a request that stand in the way to the end, so
// that the next search need not pass them again. s.mu is held.
func (s *conns) longestIdle() *conn {
	for range s.open.Len() {
		first := s.open.Front()
		if c := first.Value.(*conn); c.busy == 0 {
			return c
		}
		s.open.MoveToBack(first)
	}
	return nil
}

// forget stops counting a connection. s.mu is held.
func (s *conns) forget(c *conn) {
	if c.place != nil {
		s.open.Remove(c.place)
		c.place = nil
	}
}

func (s *conns) stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Open: s.open.Len(), Limit: s.limit, Closed: s.closed}
}

// rest puts a connection behind all that have been without a request for longer. of.mu is
// held.
func (c *conn) rest() {
	if c.busy == 0 && c.place != nil {
		c.of.open.MoveToBack(c.place)
	}
}

// Close closes the connection and stops counting it.
func (c *conn) Close() error {
	c.of.mu.Lock()
	c.of.forget(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends the sending side: net/http does so before it closes a connection
// whose client still sends, so that the client can read the answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// counted finds the connection below what net/http was given.
func counted(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	found, _ := c.(*conn)
	return found
}

// changed is called by net/http. A connection is idle when its answers are sent.
func (s *conns) changed(c net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		s.mu.Lock()
		defer s.mu.Unlock()
		counted(c).rest()
	}
}

// connKey is the key of a request's context under which its *conn is.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, counted(c))
}
