package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// Class says how long an endpoint is tried and who is told when it fails.
type Class string

const (
	Action Class = "action" // it acts on the event: tried for ever, and escalated
	Notify Class = "notify" // it tells people: tried for a day, then a dead letter
)

// Endpoint is one receiver.
type Endpoint struct {
	Name       string                // required; in logs, metrics and the journal
	URL        string                // required, http or https; it may hold a secret and is never shown
	Class      Class                 // Notify if empty
	Events     []evaluator.EventKind // kinds that it wants; empty means all
	Plans      []string              // names of the plans whose events it wants; empty means all
	Secrets    []string              // each signs; "whsec_" and base64, or raw text. The first also signs X-Hub-Signature-256. Empty means unsigned
	Timeout    time.Duration         // for one attempt; 10 s if zero
	EscalateTo string                // name of the endpoint that is told after the third failure; none if empty
	Headers    map[string]string     // sent with every request; may hold secrets
	Allow      []string              // as Config.Allow, for this endpoint only
	TLS        *tls.Config           // Config.TLS if nil
}

// Config is what a [Webhook] needs.
type Config struct {
	Endpoints []Endpoint
	Feed      Feed // required
	// Encode makes the data of a message, a JSON value, from an event. It is called
	// for every attempt, and an error is a failed attempt whose text is shown to
	// people. Nil sends the event as it is stored.
	Encode   func(ctx context.Context, s evaluator.Stored) ([]byte, error)
	Version  string        // of relgate, for User-Agent; "dev" if empty
	Allow    []string      // addresses besides the public ones that may be called: CIDRs, IPs, host names. See [Config.Check]
	TLS      *tls.Config   // nil means Go's defaults
	Resolver *net.Resolver // nil means the system's
	Grace    time.Duration // how long a request in flight may go on when Run is told to stop; 2 s if zero

	Now   func() time.Time                       // time.Now if nil
	After func(d time.Duration) <-chan time.Time // time.After if nil
	Log   *slog.Logger                           // slog.Default() if nil
	// Transport replaces the network, and with it the check of addresses; nil
	// means HTTP over connections of its own.
	Transport http.RoundTripper
}

// Check reports everything that is wrong with the config, by endpoint, without
// showing a URL or a secret. A host name in Allow admits private and loopback
// addresses for that name; addresses of link-local, metadata and multicast
// networks are admitted by CIDR or IP only.
func (c Config) Check() error {
	var errs []error
	if c.Feed == nil {
		errs = append(errs, errors.New("a feed is required"))
	}
	if _, err := parseAllow(c.Allow); err != nil {
		errs = append(errs, err)
	}
	seen := map[string]bool{} // :: endpoint name → it was there before
	for _, e := range c.Endpoints {
		for _, err := range e.check() {
			errs = append(errs, fmt.Errorf("webhook %q: %w", e.Name, err))
		}
		if seen[e.Name] {
			errs = append(errs, fmt.Errorf("webhook %q: the name is used twice", e.Name))
		}
		seen[e.Name] = true
	}
	for _, e := range c.Endpoints {
		if e.EscalateTo != "" && (!seen[e.EscalateTo] || e.EscalateTo == e.Name) {
			errs = append(errs, fmt.Errorf("webhook %q: escalate_to %q: want the name of another webhook", e.Name, e.EscalateTo))
		}
	}
	return errors.Join(errs...)
}

func (e Endpoint) check() []error {
	var errs []error
	if e.Name == "" {
		errs = append(errs, errors.New("a name is required"))
	}
	if !slices.Contains([]Class{"", Action, Notify}, e.Class) {
		errs = append(errs, fmt.Errorf("class %q: want %q or %q", e.Class, Action, Notify))
	}
	if u, err := url.Parse(e.URL); err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, errors.New("url: want an absolute http or https URL")) // the URL itself may be a secret
	}
	if e.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout %v: want a positive duration", e.Timeout))
	}
	if _, err := parseKeys(e.Secrets); err != nil {
		errs = append(errs, err)
	}
	if _, err := parseAllow(e.Allow); err != nil {
		errs = append(errs, err)
	}
	for name, value := range e.Headers {
		if !validHeader(name, value) {
			errs = append(errs, fmt.Errorf("header %q: not a valid HTTP header", name))
		}
	}
	return errs
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

// withDefaults fills in what zero means.
func (c Config) withDefaults() Config {
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Encode == nil {
		c.Encode = raw
	}
	if c.Grace == 0 {
		c.Grace = 2 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = time.After
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Endpoints = slices.Clone(c.Endpoints)
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		if e.Class == "" {
			e.Class = Notify
		}
		if e.Timeout == 0 {
			e.Timeout = 10 * time.Second
		}
		if e.TLS == nil {
			e.TLS = c.TLS
		}
	}
	return c
}
