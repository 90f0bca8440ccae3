package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxDrain is how much of an answer is read, so that its connection can be used
// again. The answer itself means nothing to us: it is neither kept nor logged,
// because it may repeat a secret of the URL.
const maxDrain = 64 << 10

// sender makes single attempts at one endpoint. It keeps no state but
// connections, and may be used by several goroutines at once.
type sender struct {
	endpoint Endpoint
	keys     [][]byte
	client   *http.Client
	agent    string
	now      func() time.Time
}

// outcome is what an attempt came to.
type outcome struct {
	ok     bool
	gone   bool          // the receiver says that it will never want it
	asked  time.Duration // the receiver's Retry-After
	reason string        // of a failure; without URL, secret or answer
}

func (c Config) newSender(e Endpoint) (*sender, error) {
	keys, err := parseKeys(e.Secrets)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(e.URL)
	if err != nil {
		return nil, errors.New("url: not a URL") // unreachable: Check has parsed it
	}
	transport := c.Transport
	if transport == nil {
		admitted, err := parseAllow(append(slices.Clone(c.Allow), e.Allow...))
		if err != nil {
			return nil, err // unreachable: Check has parsed it
		}
		transport = c.transport(admitted, target.Hostname(), e.TLS)
	}
	return &sender{
		endpoint: e, keys: keys, agent: "relgate/" + c.Version, now: c.Now,
		client: &http.Client{
			Transport: transport,
			// A redirect is an answer like any other, and not a 2xx: following it
			// would send a signed body to an address that is not in the config.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// post makes one attempt, within the endpoint's timeout.
func (s *sender) post(ctx context.Context, m message) outcome {
	ctx, cancel := context.WithTimeout(ctx, s.endpoint.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint.URL, bytes.NewReader(m.body))
	if err != nil {
		return outcome{reason: "the URL cannot be used"} // unreachable: Check has parsed it
	}
	m.header(req.Header)
	req.Header.Set("User-Agent", s.agent)
	for name, value := range s.endpoint.Headers {
		req.Header.Set(name, value)
	}
	sign(req.Header, s.keys, m.id, s.now(), m.body)
	resp, err := s.client.Do(req)
	if err != nil {
		return outcome{reason: s.reason(err)}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxDrain)) // the status has been read; the rest is courtesy
	_ = resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return outcome{ok: true}
	}
	return outcome{
		gone:   resp.StatusCode == http.StatusGone,
		asked:  retryAfter(resp.Header, s.now()),
		reason: fmt.Sprintf("answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)),
	}
}

// reason says why there was no answer. The URL that net/http puts around its
// errors is taken off: its path may be a secret.
func (s *sender) reason(err error) string {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", s.endpoint.Timeout)
	case errors.Is(err, context.Canceled):
		return "stopped while waiting for an answer"
	}
	return err.Error()
}
