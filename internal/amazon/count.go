package amazon

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/relgate/relgate/sources"
)

// Counters is what a client has done since it was made. Its zero value is
// ready, and it may be used by several goroutines.
type Counters struct {
	requests, retries, throttled atomic.Uint64

	Billed  atomic.Uint64 // units the upstream charges for
	Scanned atomic.Uint64 // bytes
}

// Stats is a snapshot of the counters.
func (c *Counters) Stats() sources.Stats {
	return sources.Stats{
		Requests:      c.requests.Load(),
		Retries:       c.retries.Load(),
		Throttled:     c.throttled.Load(),
		Billed:        c.Billed.Load(),
		BytesScanned:  c.Scanned.Load(),
		RateRemaining: -1, // AWS does not say
	}
}

// countingClient counts what goes over the wire.
type countingClient struct {
	next     *http.Client
	counters *Counters
}

// newCountingClient takes over the transport of the SDK's client, and with it
// the certificates that the environment may name. It follows no redirect: a
// signed request is for one host.
func newCountingClient(sdk aws.HTTPClient, c *Counters) *countingClient {
	next := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if b, ok := sdk.(*awshttp.BuildableClient); ok {
		next.Transport, next.Timeout = b.GetTransport(), b.GetTimeout()
	}
	return &countingClient{next: next, counters: c}
}

func (c *countingClient) Do(r *http.Request) (*http.Response, error) {
	c.counters.requests.Add(1)
	// The SDK numbers its attempts: "attempt=2; max=3".
	if try := r.Header.Get("Amz-Sdk-Request"); try != "" && !strings.HasPrefix(try, "attempt=1;") && try != "attempt=1" {
		c.counters.retries.Add(1)
	}
	return c.next.Do(r)
}

// CloseIdle closes the connections of a loaded configuration that no request
// uses.
func CloseIdle(cfg aws.Config) {
	if c, ok := cfg.HTTPClient.(*countingClient); ok {
		c.next.CloseIdleConnections()
	}
}
