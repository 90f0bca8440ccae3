package sources

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/relgate/relgate/rules"
)

// ClientConfig is what a Client needs to know of its upstream.
type ClientConfig struct {
	BaseURL     string         // scheme, host and perhaps a path before every request's own; required
	CAFile      string         // PEM file with the certificates to trust instead of the system's; the system's if empty
	MaxAttempts int            // for one request; 3 if zero
	MinBackoff  time.Duration  // before the second attempt; 500 ms if zero
	MinThrottle time.Duration  // before another attempt after a 429; MinBackoff if zero
	MaxBackoff  time.Duration  // before any; 10 s if zero
	MaxBody     int64          // bytes of an answer; 8 MiB if zero
	MaxWait     time.Duration  // longest sleep when the upstream names a time; 5 s, or MaxBackoff if that is longer, if zero
	Pause       Pause          // Sleep if nil
	Jitter      func() float64 // 0 to 1, how much of the jitter a pause gets; random if nil
	Secrets     []string       // texts that must never appear in an error
	Secret      *Secret        // another one, which may be replaced; none if nil
	// Transport replaces the network; nil means HTTP over connections of its own.
	Transport http.RoundTripper

	// Authorize adds the credentials to a request; none are sent if nil. It is asked
	// again after a 401 or 403: if the credentials are others by then, they are tried.
	Authorize func(*http.Request) error
	// Limits reads the upstream's own rate limit headers: when to come back
	// (zero: it does not say) and how many requests are left (-1: it does not
	// say). Retry-After is read without it.
	Limits func(h http.Header, status int, now time.Time) (resetAt time.Time, remaining float64)
	// Explain finds the upstream's words in an error's body; "" if it has none.
	Explain func(body []byte) string
}

// Client asks a JSON API of one upstream. It follows no redirect, sends its
// credentials to no other host, repeats only questions, and of them what may be repeated
// (5xx, 429, a connection that broke), and counts. It is safe for concurrent use.
type Client struct {
	cfg       ClientConfig
	base      *url.URL
	http      *http.Client
	requests  atomic.Uint64
	retries   atomic.Uint64
	throttled atomic.Uint64
	remaining atomic.Pointer[float64]
}

// secrets are the texts that must never appear in an error.
func (cfg *ClientConfig) secrets() []string {
	if cfg.Secret == nil {
		return cfg.Secrets
	}
	return append(cfg.Secret.Known(), cfg.Secrets...)
}

// NewClient makes a Client, or says what is wrong with its URL or CA file.
func NewClient(cfg ClientConfig) (*Client, error) {
	base, err := url.Parse(cfg.BaseURL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading base URL: %s", Scrub(err.Error(), cfg.secrets()...))
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return nil, fmt.Errorf("base URL %q: want http:// or https:// and a host", Scrub(cfg.BaseURL, cfg.secrets()...))
	case base.User != nil:
		return nil, errors.New("base URL holds a user or password: credentials belong elsewhere")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("base URL holds a query or fragment")
	}
	transport := cfg.Transport
	if transport == nil {
		if transport, err = newTransport(cfg.CAFile); err != nil {
			return nil, err
		}
	}
	return &Client{cfg: withDefaults(cfg), base: base, http: &http.Client{
		Transport: transport,
		// A redirect would be asked with our credentials.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func withDefaults(cfg ClientConfig) ClientConfig {
	if cfg.MaxAttempts <= 0 {
		cfg.MaxAttempts = 3
	}
	if cfg.MinBackoff <= 0 {
		cfg.MinBackoff = 500 * time.Millisecond
	}
	if cfg.MaxBackoff <= 0 {
		cfg.MaxBackoff = 10 * time.Second
	}
	if cfg.MinThrottle <= 0 {
		cfg.MinThrottle = cfg.MinBackoff
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 8 << 20
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = max(5*time.Second, cfg.MaxBackoff)
	}
	if cfg.Pause == nil {
		cfg.Pause = Sleep
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	return cfg
}

func newTransport(caFile string) (http.RoundTripper, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("reading CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading CA file %q: no certificate in it", caFile)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// CloseIdleConnections closes connections that no request uses.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Stats counts what was sent.
func (c *Client) Stats() Stats {
	s := Stats{
		Requests: c.requests.Load(), Retries: c.retries.Load(), Throttled: c.throttled.Load(), RateRemaining: -1,
	}
	if r := c.remaining.Load(); r != nil {
		s.RateRemaining = *r
	}
	return s
}

// CallError is a request that gave no answer.
type CallError struct {
	Fault   rules.Fault
	Status  int         // HTTP status; 0 when there was no answer at all
	Detail  string      // in the upstream's words where it had any, secrets scrubbed, fit for a reading
	RetryAt time.Time   // when the upstream asks to come back; zero when it does not say
	Header  http.Header // of the answer; nil when there was none
}

// Error is the detail.
func (e *CallError) Error() string { return e.Detail }

// Reading is the reading of a want that was to be answered by this request.
func (e *CallError) Reading(w Want) rules.Reading {
	r := Faulty(w, e.Fault, e.Detail)
	if !e.RetryAt.IsZero() {
		r.RetryAt = e.RetryAt.Unix()
	}
	return r
}

// Answer is a request that was answered with 2xx.
type Answer struct {
	Header http.Header
	Body   []byte
}

// Get asks for a reference: a path with its query below BaseURL, or an absolute
// URL on the same host, as paging links are. now is the time of the tick: the
// waits that upstreams ask for are counted from it. The answer's JSON goes into
// the value into, unless that is nil. The error, if any, is a *CallError.
func (c *Client) Get(ctx context.Context, now time.Time, ref string, into any) (*Answer, *CallError) {
	target, callErr := c.resolve(ref)
	if callErr != nil {
		return nil, callErr
	}
	renewed := false
	for attempt := 1; ; attempt++ {
		if attempt > 1 {
			c.retries.Add(1)
		}
		sent := ""
		answer, err := c.once(ctx, now, question(target), &sent)
		if err == nil {
			return answer, c.decode(answer, into)
		}
		if err.Fault == rules.AuthFault && !renewed && c.renewed(ctx, target, sent) {
			renewed = true
			continue
		}
		if !err.repeatable(ctx) || attempt >= c.cfg.MaxAttempts {
			return nil, err
		}
		wait := c.wait(attempt, now, err)
		if wait > c.patience(ctx, now) || c.cfg.Pause(ctx, wait) != nil {
			return nil, err
		}
		now = now.Add(wait)
	}
}

// Patch changes what a reference names, by a value that is sent as JSON. It makes one
// request and never repeats it: of one without an answer it is not known whether it was
// carried out, and who asked for it looks before asking again.
func (c *Client) Patch(ctx context.Context, now time.Time, ref string, change, into any) *CallError {
	target, callErr := c.resolve(ref)
	if callErr != nil {
		return callErr
	}
	body, err := json.Marshal(change)
	if err != nil {
		return c.fault(rules.ConfigFault, err.Error())
	}
	answer, callErr := c.once(ctx, now, message{http.MethodPatch, target, body}, new(string))
	if callErr != nil {
		return callErr
	}
	return c.decode(answer, into)
}

// message is what is sent, without credentials.
type message struct {
	method string
	target *url.URL
	body   []byte // JSON; nil for none
}

func question(target *url.URL) message { return message{http.MethodGet, target, nil} }

// wait is the pause before the attempt after this one.
func (c *Client) wait(attempt int, now time.Time, err *CallError) time.Duration {
	least := c.cfg.MinBackoff
	if err.Fault == rules.Throttled {
		least = c.cfg.MinThrottle
	}
	wait := backoff(attempt, least, c.cfg.MaxBackoff, c.cfg.Jitter)
	if !err.RetryAt.IsZero() {
		wait = max(wait, err.RetryAt.Sub(now))
	}
	return wait
}

// patience is how long a sleep may be.
func (c *Client) patience(ctx context.Context, now time.Time) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(deadline.Sub(now), c.cfg.MaxWait)
	}
	return c.cfg.MaxWait
}

// repeatable reports whether another attempt may help.
func (e *CallError) repeatable(ctx context.Context) bool {
	return ctx.Err() == nil && (e.Status == 0 || e.Status == http.StatusTooManyRequests || e.Status >= 500) &&
		(e.Fault == rules.Unavailable || e.Fault == rules.Throttled)
}

// resolve makes the URL of a reference, and refuses every other host.
func (c *Client) resolve(ref string) (*url.URL, *CallError) {
	u, err := url.Parse(ref)
	if err != nil || u.Opaque != "" {
		return nil, c.fault(rules.PartialData, "the answer links to something that is not a URL")
	}
	if !u.IsAbs() && u.Host == "" {
		abs := *c.base
		joined := c.base.JoinPath(u.EscapedPath())
		abs.Path, abs.RawPath, abs.RawQuery = joined.Path, joined.RawPath, u.RawQuery
		return &abs, nil
	}
	if u.Scheme == "" {
		u.Scheme = c.base.Scheme
	}
	if u.Scheme != c.base.Scheme || hostPort(u) != hostPort(c.base) || u.User != nil {
		return nil, c.fault(rules.PartialData, fmt.Sprintf("the answer links to another host, %q, which is not asked", u.Host))
	}
	u.Fragment = ""
	return u, nil
}

// request makes one request, with its credentials.
func (c *Client) request(ctx context.Context, m message) (*http.Request, *CallError) {
	var body io.Reader
	if m.body != nil {
		body = bytes.NewReader(m.body)
	}
	req, err := http.NewRequestWithContext(ctx, m.method, m.target.String(), body)
	if err != nil {
		return nil, c.fault(rules.ConfigFault, err.Error()) // unreachable unless a URL that parsed does not parse again
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "relgate")
	if m.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.cfg.Authorize != nil {
		if err := c.cfg.Authorize(req); err != nil {
			return nil, c.fault(rules.AuthFault, err.Error())
		}
	}
	return req, nil
}

// renewed reports whether the credentials are others than those that were sent.
func (c *Client) renewed(ctx context.Context, target *url.URL, sent string) bool {
	req, err := c.request(ctx, question(target))
	return err == nil && req.Header.Get("Authorization") != sent
}

// once sends one request, and says with which credentials.
func (c *Client) once(ctx context.Context, now time.Time, m message, sent *string) (*Answer, *CallError) {
	req, callErr := c.request(ctx, m)
	if callErr != nil {
		return nil, callErr
	}
	*sent = req.Header.Get("Authorization")
	c.requests.Add(1)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportFault(ctx, err)
	}
	defer resp.Body.Close()
	body, long, err := limited(resp, c.cfg.MaxBody)
	resetAt := c.limits(resp, now)
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return nil, c.statusFault(resp, body, resetAt)
	case err != nil:
		return nil, c.transportFault(ctx, err)
	case long:
		e := c.fault(rules.Unavailable, fmt.Sprintf("the answer is longer than %d bytes", c.cfg.MaxBody))
		e.Status, e.Header = resp.StatusCode, resp.Header
		return nil, e
	}
	if said := Foreign("JSON", resp, body, c.scrub); said != "" {
		e := c.fault(rules.Unavailable, said)
		e.Status, e.Header = resp.StatusCode, resp.Header
		return nil, e
	}
	return &Answer{Header: resp.Header, Body: body}, nil
}

// decode reads an answer's JSON. Half an answer is no answer.
func (c *Client) decode(a *Answer, into any) *CallError {
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		return c.fault(rules.Unavailable, fmt.Sprintf("the answer is not the JSON it should be: %v", err))
	}
	return nil
}

// limits notes what is left of the upstream's budget and gives the time that
// it asks us to come back at.
func (c *Client) limits(resp *http.Response, now time.Time) time.Time {
	at, remaining := time.Time{}, -1.0
	if c.cfg.Limits != nil {
		at, remaining = c.cfg.Limits(resp.Header, resp.StatusCode, now)
	}
	if remaining >= 0 {
		c.remaining.Store(&remaining)
	}
	if after := RetryAfter(resp.Header, now); !after.IsZero() {
		return after
	}
	return at
}
