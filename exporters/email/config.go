package email

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// CanOnce reports whether a message whose answer was lost can be found again at the
// receiver. SMTP has no way to ask.
const CanOnce = false

// Encryption is how the connection to the server is secured.
type Encryption string

const (
	StartTLS Encryption = "starttls" // the server must offer STARTTLS
	Implicit Encryption = "implicit" // TLS from the first byte on
	Plain    Encryption = "none"     // not at all: on loopback only, and without a password
)

// Recipient is one to whom a message goes.
type Recipient struct {
	Address string // "rm@bioage.example" or "Release Manager <rm@bioage.example>"
	Link    string // of their own, such as a one-time link to sign; empty: the event's link
	Label   string // what Link leads to, "Approve or reject"; "Open the run" if empty
}

// Config is what a [Sink] needs.
type Config struct {
	Name       string        // of the sink; required
	Host       string        // of the server that takes the mail; required
	Port       int           // 465 for Implicit, 587 for StartTLS, 25 for Plain, if zero
	Encryption Encryption    // Implicit on port 465, else StartTLS, if empty
	Username   string        // for AUTH; empty: no AUTH
	Password   string        // and never shown
	From       string        // sender; required
	ReplyTo    string        // where answers go; From if empty
	To         []string      // whom it goes to where the plan names no address
	Hello      string        // how relgate introduces itself; the domain of From if empty
	Timeout    time.Duration // for each recipient in turn, but for the answer to the whole message; 30 s if zero
	Allow      []string      // addresses that may be dialled besides public, private and loopback ones: CIDRs or IPs
	TLS        *tls.Config   // nil means Go's defaults
	External   string        // where people reach relgate, for links; may be empty
	Memory     outbox.Memory // required
	// Whom gives those to whom an event goes that is no message of the plan, such as one
	// that asks for an approval. Nil, or none: those that the event names, or To.
	Whom func(ctx context.Context, e *wire.EventBody) ([]Recipient, error)
	Now  func() time.Time // time.Now if nil
}

// withDefaults fills in what zero means.
func (c Config) withDefaults() Config {
	if c.Encryption == "" {
		c.Encryption = StartTLS
		if c.Port == 465 {
			c.Encryption = Implicit
		}
	}
	if c.Port == 0 {
		c.Port = map[Encryption]int{Implicit: 465, StartTLS: 587, Plain: 25}[c.Encryption]
	}
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.External = strings.TrimSuffix(c.External, "/")
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Check reports everything that is wrong with the config, without the password.
func (c Config) Check() error {
	c = c.withDefaults()
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !validHost(c.Host) {
		wrong("host %q: want a host name or an IP address, without a port", c.Host)
	}
	if c.Port < 1 || c.Port > 65535 {
		wrong("port %d: want 1 to 65535", c.Port)
	}
	switch c.Encryption {
	case StartTLS, Implicit:
	case Plain:
		if !onLoopback(c.Host) {
			wrong("encryption %q: allowed on this machine only (host = \"127.0.0.1\"); want %q or %q", Plain, StartTLS, Implicit)
		}
		if c.Username != "" || c.Password != "" {
			wrong("encryption %q: a password is sent over TLS only", Plain)
		}
	default:
		wrong("encryption %q: want %q, %q or %q", c.Encryption, StartTLS, Implicit, Plain)
	}
	if (c.Username == "") != (c.Password == "") {
		wrong("username and password: want both or neither")
	}
	if strings.ContainsAny(c.Username+c.Password, "\x00\r\n") {
		wrong("username and password: want one line each")
	}
	if _, err := ParseAddress(c.From); err != nil {
		wrong("from %q: %w", c.From, err)
	}
	if _, err := ParseAddress(c.ReplyTo); c.ReplyTo != "" && err != nil {
		wrong("reply_to %q: %w", c.ReplyTo, err)
	}
	for _, to := range c.To {
		if _, err := ParseAddress(to); err != nil {
			wrong("to %q: %w", to, err)
		}
	}
	if c.Hello != "" && !validHost(c.Hello) {
		wrong("hello %q: want a host name", c.Hello)
	}
	if c.Timeout < 0 {
		wrong("timeout %v: want a positive duration", c.Timeout)
	}
	return errors.Join(errs...)
}

// onLoopback reports whether a host is this machine. A name other than localhost could
// lead elsewhere tomorrow.
func onLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// validHost reports whether text is a host name of ASCII labels, or an IP address.
func validHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		plain := strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
		if label == "" || len(label) > 63 || !plain || label[0] == '-' {
			return false
		}
	}
	return true
}

// ParseAddress reads one address, with or without a name before it. It takes those that
// every server takes: ASCII, no quotes before the @, a host name behind it.
func ParseAddress(text string) (*mail.Address, error) {
	if rules.UnsafeIn(text) != "" {
		return nil, errors.New("it has characters that cannot be shown")
	}
	a, err := mail.ParseAddress(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New(`want an address such as "rm@example.com"`)
	}
	local, domain, _ := strings.Cut(a.Address, "@")
	switch {
	case len(a.Address) > 254 || len(local) > 64:
		return nil, errors.New("the address is too long")
	case local == "" || strings.ContainsFunc(local, unusual):
		return nil, errors.New("want letters, digits and .!#$%&'*+/=?^_`{|}~- before the @")
	case !validHost(domain) || net.ParseIP(domain) != nil:
		return nil, errors.New("want a host name behind the @; write one in other letters in its xn-- form")
	}
	return a, nil
}

// unusual reports whether a character may not stand before the @ without quotes.
func unusual(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, r)
}

// parseList reads what a plan names as the target of a message: addresses with commas
// between them. It gives each once.
func parseList(texts ...string) ([]*mail.Address, error) {
	var list []*mail.Address
	for _, text := range texts {
		for one := range strings.SplitSeq(text, ",") {
			if strings.TrimSpace(one) == "" {
				continue
			}
			a, err := ParseAddress(one)
			if err != nil {
				return nil, fmt.Errorf("address %q: %w", strings.TrimSpace(one), err)
			}
			if !slices.ContainsFunc(list, func(b *mail.Address) bool { return strings.EqualFold(a.Address, b.Address) }) {
				list = append(list, a)
			}
		}
	}
	return list, nil
}
