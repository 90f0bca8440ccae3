package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
)

// How much of an answer is read, and for how long, so that its connection can be
// used again. The answer itself means nothing to us: it is neither kept nor logged,
// because it may repeat a secret of the URL.
const (
	maxHeader   = 64 << 10
	maxDrain    = 64 << 10
	drainWithin = 100 * time.Millisecond
)

// orderIdle is how long a connection that is used for orders may lie idle: a
// connection that the other side has forgotten meanwhile would cost an order its
// first attempt.
const orderIdle = 5 * time.Second

// Sink posts messages to one endpoint.
type Sink struct {
	endpoint Endpoint
	keys     keys
	client   *http.Client // for all but orders
	orders   *http.Client // for orders: each has a connection for itself
	agent    string
	now      func() time.Time
}

// New makes the sink of an endpoint. The error lists everything that is wrong with
// it, and shows no URL and no secret. A host name in Allow admits private and
// loopback addresses for that name; addresses of link-local, metadata and multicast
// networks are admitted by CIDR or IP only.
func New(c Config, e Endpoint) (*Sink, error) {
	keys, err := parseKeys(e.Secrets, e.HubSecret)
	admitted, notAllow := parseAllow(append(slices.Clone(c.Allow), e.Allow...))
	if err := errors.Join(e.check(), err, notAllow); err != nil {
		return nil, fmt.Errorf("webhook %q: %w", e.Name, err)
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if e.Timeout == 0 {
		e.Timeout = 10 * time.Second
	}
	if e.TLS == nil {
		e.TLS = c.TLS
	}
	s := &Sink{endpoint: e, keys: keys, agent: "relgate/" + c.Version, now: c.Now}
	if c.Transport != nil {
		s.client = client(c.Transport)
		s.orders = s.client
		return s, nil
	}
	transport, err := c.transport(admitted, e)
	if err != nil {
		return nil, err // unreachable: check has parsed its URLs
	}
	s.client, s.orders = client(transport), client(forOrders(transport))
	return s, nil
}

// forOrders is a transport like t, which has not been used yet, whose requests share
// no connection: over HTTP/2 one that hangs would hold up the others.
func forOrders(t *http.Transport) *http.Transport {
	t = t.Clone()
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // Clone has filled in HTTP/2
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	t.IdleConnTimeout, t.MaxIdleConnsPerHost = orderIdle, 32
	return t
}

func client(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: t,
		// A redirect is an answer like any other, and not a 2xx: following it would
		// send a signed body to an address that is not in the config.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Send makes one attempt, within the endpoint's timeout.
func (s *Sink) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.endpoint.Timeout)
	defer cancel()
	body, id := body(m), headerText(m.ID)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint.URL, bytes.NewReader(body))
	if err != nil {
		return outbox.Outcome{Reason: "the URL cannot be used"} // unreachable: New has parsed it
	}
	header(req.Header, m, id)
	req.Header.Set("User-Agent", s.agent)
	for name, value := range s.endpoint.Headers {
		req.Header.Set(name, value)
	}
	sign(req.Header, s.keys, id, s.now(), body)
	client := s.client
	if m.Order {
		client = s.orders
	}
	resp, err := client.Do(req)
	if err != nil {
		return outbox.Outcome{Reason: s.reason(err)}
	}
	// The status decides. The rest is read only to use the connection again: a slow
	// answer is cut off, and its connection closed. After a 101 there is no rest: its
	// connection is the body, which ends by no deadline.
	if resp.StatusCode != http.StatusSwitchingProtocols {
		slow := time.AfterFunc(drainWithin, cancel)
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxDrain))
		slow.Stop()
	}
	_ = resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return outbox.Outcome{OK: true}
	}
	return outbox.Outcome{
		Refused:    refused(resp.StatusCode) && !s.endpoint.relayed(),
		RetryAfter: retryAfter(resp.Header, s.now()),
		Reason:     fmt.Sprintf("answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)),
	}
}

// relayed reports whether an answer may be a proxy's own: one that does not know us
// says nothing about the request.
func (e Endpoint) relayed() bool { return e.Proxy != "" && strings.HasPrefix(e.URL, "http:") }

// refused reports whether the same request would get the same answer again: it is
// about the request, and not about the moment.
func refused(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status/100 == 4
}

// CloseIdleConnections frees the connections that carry no request.
func (s *Sink) CloseIdleConnections() {
	s.client.CloseIdleConnections()
	s.orders.CloseIdleConnections()
}

// reason says why there was no answer. The URL that net/http puts around its
// errors is taken off: its path may be a secret. So may be what it quotes of an
// answer that it cannot read: only errors of the network, TLS and ourselves are
// shown as they are.
func (s *Sink) reason(err error) string {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", s.endpoint.Timeout)
	case errors.Is(err, context.Canceled):
		return "stopped while waiting for an answer"
	case errors.Is(err, io.EOF):
		return "the connection was closed without an answer"
	case shown[*net.OpError](err), shown[*tls.CertificateVerificationError](err), shown[tls.RecordHeaderError](err), shown[proxyError](err):
		return err.Error()
	case os.IsTimeout(err):
		return fmt.Sprintf("no TLS connection within %v", handshakeTimeout)
	}
	return "the answer cannot be read as HTTP"
}

// shown reports whether an error is of a kind that quotes no answer.
func shown[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// retryAfter reads the header in either of its forms; zero when there is none
// or it is not understood. A number that is too large is the largest.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if s, err := strconv.ParseUint(text, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
