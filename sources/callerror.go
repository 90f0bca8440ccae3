package sources

import (
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
	return &CallError{Fault: f, Detail: Clip(Scrub(detail, c.cfg.Secrets...))}
}

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
		said = c.cfg.Explain(body[:min(len(body), 64<<10)])
	}
	if said == "" && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		said = "redirects elsewhere; is the url right?"
		if to, err := resp.Location(); err == nil {
			said = fmt.Sprintf("redirects to %s://%s; is the url right?", to.Scheme, to.Host)
		}
	}
	if said == "" {
		said = http.StatusText(resp.StatusCode)
	}
	e := c.fault(statusToFault(resp.StatusCode), fmt.Sprintf("%d: %s", resp.StatusCode, said))
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
