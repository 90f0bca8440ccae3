package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook/format"
)

// How much of an answer is read, and for how long, so that its connection can be
// used again. The answer itself means nothing to most formats: it is neither kept nor
// logged, because it may repeat a secret of the URL.
const (
	maxHeader   = 64 << 10
	maxDrain    = 64 << 10
	drainWithin = 100 * time.Millisecond
)

// maxAnswer is how much is read of an answer that a format understands. It is neither
// kept nor logged, but for what the format makes of it.
const maxAnswer = 4 << 20

// mostCalls is how many requests an attempt may make: a format asks what is there before
// it asks for more.
const mostCalls = 6

// orderIdle is how long a connection that is used for orders may lie idle: a
// connection that the other side has forgotten meanwhile would cost an order its
// first attempt.
const orderIdle = 5 * time.Second

// Sink posts messages to one endpoint.
type Sink struct {
	endpoint Endpoint
	keys     keys
	make     format.Maker // nil: the standard message
	dry      *format.Call // shows whether the receiver would take a message; nil where no call can
	amazon   *signer      // of requests to AWS
	client   *http.Client // for all but orders
	orders   *http.Client // for orders: each has a connection for itself
	agent    string
	now      func() time.Time
	untraced bool // the network is another's, which does not say when it is connected
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
	s.amazon = &signer{region: e.Keys.Texts["region"], role: e.Keys.Texts["role_arn"], externalID: e.Own["external_id"], given: c.Credentials}
	at := format.Endpoint{Name: e.Name, URL: e.URL, External: strings.TrimSuffix(c.External, "/"), Secrets: e.Own, FormatKeys: e.Keys}
	if open := e.Format.Open; open != nil {
		s.make = open(at)
	}
	if e.Format.Dry != nil {
		s.dry = e.Format.Dry(at)
	}
	if c.Transport != nil {
		s.client = client(c.Transport)
		s.orders, s.untraced = s.client, true
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
	call, err := s.call(ctx, m)
	switch {
	case err != nil:
		return outbox.Outcome{Reason: err.Error()}
	case call == nil:
		return outbox.Outcome{OK: true, Skipped: true}
	}
	for range mostCalls {
		if wait := call.Unsure - s.now().Sub(m.Unsure); call.Unsure > 0 && !m.Unsure.IsZero() && wait > 0 {
			return outbox.Outcome{RetryAfter: wait, Reason: fmt.Sprintf("relgate was stopped and may have asked for this before: that shows within %v", call.Unsure)}
		}
		reply, o := s.exchange(ctx, cancel, m, call)
		if reply.Next == nil {
			return o
		}
		call = reply.Next
	}
	return outbox.Outcome{Reason: "the receiver's answers lead to no end"} // unreachable: formats ask a few times
}

// Look asks whether the receiver would take what is asked of it, and starts nothing. It is
// skipped where no call can show that.
func (s *Sink) Look(ctx context.Context, m outbox.Message) outbox.Outcome {
	if s.dry == nil {
		return outbox.Outcome{OK: true, Skipped: true}
	}
	return s.Do(ctx, m.Order, s.dry)
}

// Do makes one request of another sink's, under the same guards, and reads its answer. The
// request of an order shares no connection. The endpoint's format is [format.None].
func (s *Sink) Do(ctx context.Context, order bool, call *format.Call) outbox.Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.endpoint.Timeout)
	defer cancel()
	_, o := s.exchange(ctx, cancel, outbox.Message{Order: order}, call)
	return o
}

// exchange makes one request of an attempt. The outcome means nothing while another
// request is to follow.
func (s *Sink) exchange(ctx context.Context, cancel context.CancelFunc, m outbox.Message, call *format.Call) (format.Reply, outbox.Outcome) {
	req, err := s.request(ctx, m, call)
	if err != nil {
		return format.Reply{}, outbox.Outcome{Reason: err.Error()}
	}
	client := s.client
	if m.Order {
		client = s.orders
	}
	var connected atomic.Bool            // before that, nothing was sent
	does := req.Method != http.MethodGet // what only asks leaves nothing in doubt
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}))
	resp, err := client.Do(req)
	if err != nil {
		return format.Reply{}, outbox.Outcome{Reason: s.reason(err), RetryAfter: call.Unsure, Doubt: does && (connected.Load() || s.untraced)}
	}
	o := outbox.Outcome{Doubt: does && (resp.StatusCode/100 == 2 || resp.StatusCode/100 == 5), RetryAfter: retryAfter(resp.Header, s.now()), Reason: fmt.Sprintf("answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))}
	if call.Read == nil {
		drain(resp, cancel)
		if resp.StatusCode/100 == 2 {
			return format.Reply{}, outbox.Outcome{OK: true}
		}
		o.Refused = format.Refused(resp.StatusCode) && !s.endpoint.relayed()
		return format.Reply{}, o
	}
	answer := format.Answer{Status: resp.StatusCode, Header: resp.Header}
	if answer.Body, err = read(resp); err != nil {
		return format.Reply{}, outbox.Outcome{Reason: s.reason(err), RetryAfter: max(call.Unsure, o.RetryAfter), Doubt: does}
	}
	reply := call.Read(answer)
	o.Doubt = o.Doubt && !reply.Certain
	if reply.Done {
		return reply, outbox.Outcome{OK: true, Kept: s.endpoint.public(reply.Kept)}
	}
	if call.AWS != nil && reply.Next == nil {
		s.amazon.forget() // the next attempt looks for credentials anew
	}
	o.Refused = reply.Refused && !s.endpoint.relayed()
	if reply.Reason != "" {
		o.Reason = reply.Reason
	}
	o.RetryAfter = max(o.RetryAfter, reply.RetryAfter)
	if o.Doubt { // it may have been done all the same
		o.RetryAfter = max(o.RetryAfter, call.Unsure)
	}
	return reply, o
}

// public is what is kept of an answer, unless a secret is in it: a receiver may repeat
// what it was sent.
func (e Endpoint) public(kept string) string {
	for _, secrets := range []map[string]string{e.Own, e.Headers} {
		for _, s := range secrets {
			if s != "" && strings.Contains(kept, s) {
				return ""
			}
		}
	}
	return kept
}

// drain reads the rest of an answer whose status has decided, only to use the connection
// again: a slow answer is cut off, and its connection closed. After a 101 there is no
// rest: its connection is the body, which ends by no deadline.
func drain(resp *http.Response, cancel context.CancelFunc) {
	if resp.StatusCode != http.StatusSwitchingProtocols {
		slow := time.AfterFunc(drainWithin, cancel)
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxDrain))
		slow.Stop()
	}
	_ = resp.Body.Close()
}

// read gives the body of an answer, cut off where it is too long.
func read(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, nil
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
}

// relayed reports whether an answer may be a proxy's own: one that does not know us
// says nothing about the request.
func (e Endpoint) relayed() bool { return e.Proxy != "" && strings.HasPrefix(e.URL, "http:") }

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
