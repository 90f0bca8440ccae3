package grafana

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"

	"github.com/relgate/relgate/rules"
)

// Config is what a [Client] needs.
type Config struct {
	URL     string        // of Grafana, with its path where it is below one; required
	Token   string        // of a service account; required, and never shown
	Timeout time.Duration // for one request; 10 s if zero
	TLS     *tls.Config   // nil means Go's defaults
	Version string        // of relgate, for User-Agent; "dev" if empty
}

// Client writes to one Grafana. It repeats nothing by itself: who calls it knows what
// may be repeated. It is safe for concurrent use.
type Client struct {
	config    Config
	transport *http.Transport
}

// New makes a client. The error says what is wrong, without the token.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("grafana: url: want an absolute http or https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("grafana: url: want no user, query or fragment in it")
	case c.Token == "" || strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, errors.New("grafana: token: want one line without spaces")
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	if c.TLS != nil {
		t.TLSClientConfig = c.TLS.Clone()
	}
	return &Client{config: c, transport: t}, nil
}

// CloseIdleConnections frees the connections that carry no request.
func (c *Client) CloseIdleConnections() { c.transport.CloseIdleConnections() }

// Error is a request that Grafana did not do, or did not say that it did.
type Error struct {
	Status     int           // of the answer; 0 where there was none that could be read
	RetryAfter time.Duration // for how long Grafana wants to be left alone; 0 where it did not say
	Reason     string        // for people, without the token

	code string // what a 412 is about: "version-mismatch", "name-exists"
}

func (e *Error) Error() string { return e.Reason }

// statusOf is the status of an error of this package, 0 where it has none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// exchange is one call of gapi's: it carries the call's context and keeps the answer,
// both of which gapi does not.
type exchange struct {
	*Client
	ctx  context.Context
	body []byte // of the newest answer
}

// call makes one call of Grafana's API within the time limit. What gapi itself says of
// an answer is never shown: it holds the whole body.
func (c *Client) call(ctx context.Context, do func(*gapi.Client) error) (body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	x := &exchange{Client: c, ctx: ctx}
	api, err := gapi.New(c.config.URL, gapi.Config{
		APIKey: c.config.Token, NumRetries: 0,
		Client: &http.Client{Transport: x, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	})
	if err != nil {
		return nil, &Error{Reason: "the URL of Grafana cannot be used"} // unreachable: New has parsed it
	}
	err = do(api)
	if e, ok := errors.AsType[*Error](err); ok {
		return nil, e
	}
	if err != nil {
		return nil, &Error{Reason: "Grafana answered with JSON of another form than its API has"}
	}
	return x.body, nil
}

// RoundTrip sends a request and gives only answers that say that it was done: gapi takes
// a redirect to a login page, and a login page itself, for success.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	req = req.Clone(x.ctx)
	req.Header.Set("User-Agent", "relgate/"+x.config.Version)
	req.Header.Set("Accept", "application/json")
	// People may edit what relgate provisions.
	if strings.Contains(req.URL.Path, "/api/v1/provisioning/") {
		req.Header.Set("X-Disable-Provenance", "true")
	}
	resp, err := x.transport.RoundTrip(req)
	if err != nil {
		return nil, &Error{Reason: x.reason(err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode/100 != 2:
		return nil, x.refusal(resp, body)
	case err != nil:
		return nil, &Error{Reason: x.reason(err)}
	case len(body) > maxAnswer:
		return nil, &Error{Status: resp.StatusCode, Reason: fmt.Sprintf("Grafana's answer is longer than %d MiB", maxAnswer>>20)}
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "application/json" {
		return nil, &Error{Reason: "there is a page where Grafana's API should be, not JSON: check the url, and whether a login stands before it"}
	}
	x.body = body
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// refusal is an answer that is not 2xx.
func (x *exchange) refusal(resp *http.Response, body []byte) *Error {
	e := &Error{Status: resp.StatusCode}
	if s, err := strconv.ParseUint(strings.TrimSpace(resp.Header.Get("Retry-After")), 10, 31); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	var said struct{ Message, Status string }
	_ = json.Unmarshal(body, &said) // what is no JSON says nothing
	e.code = said.Status
	e.Reason = fmt.Sprintf("Grafana answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		e.Reason += ": it does not know the token; is it of a service account of this Grafana, and not expired?"
	case http.StatusForbidden:
		e.Reason += ": the service account may not do this; it needs the role Editor"
	}
	if resp.StatusCode/100 == 3 {
		e.Reason += ": it leads to another address, which relgate does not follow; check the url, and whether a login stands before it"
	}
	if words := x.clean(said.Message); words != "" {
		e.Reason += " (" + words + ")"
	}
	return e
}

// secretLike matches what looks like a credential, whoever's it is.
var secretLike = regexp.MustCompile(`(?i)\b(bearer|basic)\s+\S+|\bgl(sa|c)_\S+|\beyJ\S+`)

// clean makes what Grafana says fit to be shown: short, plain, and without the token.
func (x *exchange) clean(text string) string {
	for _, s := range []string{x.config.Token, url.QueryEscape(x.config.Token)} {
		text = strings.ReplaceAll(text, s, "[redacted]")
	}
	text = secretLike.ReplaceAllString(text, "[redacted]")
	text = strings.Map(func(r rune) rune {
		if rules.Unsafe(r) != "" {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	if short := []rune(text); len(short) > 200 {
		text = string(short[:200]) + "…"
	}
	return strings.TrimSpace(text)
}

// reason says why there was no answer, without the address and without what an error may
// quote of an answer.
func (x *exchange) reason(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return fmt.Sprintf("Grafana did not answer within %v", x.config.Timeout)
	case errors.Is(err, context.Canceled):
		return "stopped while waiting for Grafana"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "Grafana closed the connection without an answer"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return "Grafana cannot be reached: " + op.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "what answers there speaks without TLS: write http:// in the url, or the port of its https"
	}
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "Grafana's certificate is not trusted: " + cert.Error()
	}
	return "Grafana's answer cannot be read as HTTP"
}
