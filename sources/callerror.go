package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// fault makes a CallError. Secrets are removed from its detail.
func (c *Client) fault(f rules.Fault, detail string) *CallError {
	return &CallError{Fault: f, Detail: Clip(c.scrub(detail))}
}

// scrub removes the secrets of this client from a text. It comes before any cut: of half
// a secret it would find nothing.
func (c *Client) scrub(text string) string { return Scrub(text, c.cfg.secrets()...) }

// transportFault is a request without an answer.
func (c *Client) transportFault(ctx context.Context, err error) *CallError {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the URL, which the reader knows
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return c.fault(rules.Unavailable, "no answer before the deadline")
	case ctx.Err() != nil:
		return c.fault(rules.Unavailable, "the request was cancelled")
	}
	return c.fault(rules.Unavailable, err.Error())
}

// statusFault is an answer that is not 2xx.
func (c *Client) statusFault(resp *http.Response, body []byte, retryAt time.Time) *CallError {
	said := ""
	if c.cfg.Explain != nil {
		said = c.cfg.Explain(body)
	}
	foreign := Foreign("JSON", resp, body, c.scrub)
	switch {
	case resp.StatusCode/100 == 3:
		said = foreign
	case said == "" && foreign != "" && len(bytes.TrimSpace(body)) > 0:
		said = http.StatusText(resp.StatusCode) + ": " + foreign
	case said == "":
		said = http.StatusText(resp.StatusCode)
	}
	fault := statusToFault(resp.StatusCode)
	if fault == rules.Throttled || fault == rules.Unavailable {
		said = cut(c.scrub(said), maxDetail-80) + asksFor(resp.Header, c.scrub)
	}
	e := c.fault(fault, fmt.Sprintf("%d: %s", resp.StatusCode, said))
	e.Status, e.Header = resp.StatusCode, resp.Header
	if e.Fault == rules.Throttled {
		c.throttled.Add(1)
	}
	if e.Fault == rules.Throttled || e.Fault == rules.Unavailable {
		e.RetryAt = retryAt
	}
	return e
}

// statusToFault classifies an HTTP status that is not 2xx.
func statusToFault(status int) rules.Fault {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return rules.AuthFault
	case status == http.StatusTooManyRequests:
		return rules.Throttled
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500, status < 300:
		return rules.Unavailable
	}
	return rules.ConfigFault // 3xx, 404 and the other 4xx: the request is wrong
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
