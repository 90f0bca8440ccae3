package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
)

// Network is how an archive is reached over HTTP. Address, headers and format are the
// archive's own.
type Network struct {
	Common webhook.Config
	To     webhook.Endpoint
}

// client asks one HTTP API, under the guards of webhooks: it follows no redirect, calls no
// other host and no address that is not allowed, and shows no secret.
type client struct {
	sink *webhook.Sink
	base string // URL without a slash at its end
	name string // "GitHub", in what people read
	hint func(status int) string
}

func newClient(n Network, name, base string, headers map[string]string, hint func(status int) string) (*client, error) {
	base = strings.TrimSuffix(base, "/")
	to := n.To
	to.URL, to.Headers, to.Format = base, headers, format.None()
	if to.Name == "" {
		to.Name = name
	}
	sink, err := webhook.New(n.Common, to)
	if err != nil {
		return nil, err
	}
	return &client{sink: sink, base: base, name: name, hint: hint}, nil
}

// CloseIdleConnections frees the connections that carry no request.
func (c *client) CloseIdleConnections() { c.sink.CloseIdleConnections() }

// ask makes one request and reads its answer into answer, unless that is nil. Any status but
// 2xx is an error that has it.
func (c *client) ask(ctx context.Context, method, path string, body, answer any) error {
	call := &format.Call{Method: method, URL: c.base + path}
	if body != nil {
		var err error
		if call.Body, err = json.Marshal(body); err != nil {
			return fmt.Errorf("writing a request: %w", err) // unreachable: the bodies are maps of texts
		}
	}
	var status int
	var unread error
	call.Read = func(a format.Answer) format.Reply {
		status = a.Status
		switch {
		case a.Status/100 != 2:
			// A person puts right what is not the report's fault.
			account := a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusNotFound || a.Status == http.StatusConflict
			return format.Reply{Refused: format.Refused(a.Status) && !account, Reason: c.words(a.Status)}
		case answer != nil:
			if unread = json.Unmarshal(a.Body, answer); unread != nil {
				return format.Reply{Reason: c.name + " answered with something else than its API does"}
			}
		}
		return format.Reply{Done: true}
	}
	if o := c.sink.Do(ctx, false, call); !o.OK {
		reason := o.Reason
		if status == 0 {
			reason = c.name + ": " + reason
		}
		return &Error{Reason: reason, Refused: o.Refused, RetryAfter: o.RetryAfter, status: status}
	}
	return nil
}

// words say what a status means.
func (c *client) words(status int) string {
	text := fmt.Sprintf("%s answered %d %s", c.name, status, http.StatusText(status))
	if hint := c.hint(status); hint != "" {
		text += ": " + hint
	}
	return text
}

// wasTold reports whether the other side has answered that what was asked for conflicts with
// what is there: someone else was faster, or an earlier attempt was.
func wasTold(err error) bool {
	status := statusOf(err)
	return status == http.StatusConflict || status == http.StatusUnprocessableEntity || status == http.StatusPreconditionFailed
}

// mostRounds is how often what was read is written before others who write too are left
// alone until the next attempt.
const mostRounds = 4
