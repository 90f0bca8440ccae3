package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Endpoint is one receiver.
type Endpoint struct {
	Name      string            // required; in errors
	URL       string            // required, http or https; it may hold a secret and is never shown
	Secrets   []string          // each signs; "whsec_" and base64, or raw text
	HubSecret string            // its text is the key of X-Hub-Signature-256; the text of the first of Secrets if empty. Without either a request is unsigned
	Timeout   time.Duration     // for one attempt; 10 s if zero
	Headers   map[string]string // sent with every request; may hold secrets
	Proxy     string            // http or https URL of a proxy that requests go through, empty for none; it may hold a password and is never shown. The environment's proxies are not used
	Allow     []string          // as Config.Allow, for this endpoint only
	TLS       *tls.Config       // Config.TLS if nil

	Format  format.Format     // how events are written; the standard one if zero
	Keys    rules.FormatKeys  // of the format
	Own     map[string]string // :: key of the format → secret
	Earlier Earlier           // required where the format needs more than the event
}

// Earlier gives the events of a run before the n-th, in order: all of them, or the first
// alone.
type Earlier func(ctx context.Context, run string, n uint64, first bool) ([]wire.EventBody, error)

// Config is what the sinks of all endpoints have in common.
type Config struct {
	Version  string // of relgate, for User-Agent; "dev" if empty
	External string // where people reach relgate, without a slash at its end; may be empty
	// Allow are addresses besides the public ones that may be called: CIDRs, IPs, host
	// names. See [New]. Of an endpoint with a proxy the proxy's address is checked; what
	// the proxy calls cannot be.
	Allow    []string
	TLS      *tls.Config   // nil means Go's defaults
	Resolver *net.Resolver // nil means the system's

	Now func() time.Time // time.Now if nil
	// Credentials sign requests to AWS; nil means those that the SDK's chain finds.
	Credentials aws.CredentialsProvider
	// Transport replaces the network, and with it the check of addresses; nil
	// means HTTP over connections of its own.
	Transport http.RoundTripper
}

// check reports everything that is wrong with the endpoint.
func (e Endpoint) check() error {
	var errs []error
	// The URLs themselves may be secrets.
	if _, err := parseURL(e.URL); err != nil {
		errs = append(errs, fmt.Errorf("url: %w", err))
	}
	if _, err := parseURL(e.Proxy); err != nil && e.Proxy != "" {
		errs = append(errs, fmt.Errorf("proxy: %w", err))
	}
	if e.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout %v: want a positive duration", e.Timeout))
	}
	for name, value := range e.Headers {
		if !validHeader(name, value) {
			errs = append(errs, fmt.Errorf("header %q: not a valid HTTP header", name))
		}
	}
	return errors.Join(errs...)
}

// parseURL reads an address that can be called. Its error does not show it.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("want an absolute http or https URL")
	}
	return u, nil
}

// validHeader reports whether a header can be sent as it is written.
func validHeader(name, value string) bool {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}) {
		return false
	}
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
