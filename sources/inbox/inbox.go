package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox/kind"
)

// MaxBody is the size of the largest push that is taken, in bytes.
const MaxBody = 1 << 20

// Result is what became of a push. It is the label of a metric.
type Result string

// Results of pushes.
const (
	Accepted    Result = "accepted"
	Duplicate   Result = "duplicate"   // it was kept before
	Control     Result = "control"     // it is about the connection, and says of no alert anything: a subscription, a greeting
	Unsigned    Result = "unsigned"    // no token, no signature
	Forged      Result = "signature"   // a token or a signature that is wrong
	Replayed    Result = "replayed"    // the time that its sender signed is too long ago, or ahead
	Certificate Result = "certificate" // the certificate of its signature is not the sender's own, or cannot be had
	Topic       Result = "topic"       // of a topic that is not configured
	Malformed   Result = "malformed"
	TooLarge    Result = "too_large"
	Busy        Result = "busy"        // too many pushes at a time
	Unavailable Result = "unavailable" // it could not be kept, or not be verified now
)

// Results lists the results.
func Results() []Result {
	return []Result{Accepted, Duplicate, Control, Unsigned, Forged, Replayed, Certificate, Topic, Malformed, TooLarge, Busy, Unavailable}
}

// Refusal is why a push was not taken. It holds no secret.
type Refusal struct {
	Result Result
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

// refuse makes a refusal.
func refuse(result Result, format string, args ...any) *Refusal {
	return &Refusal{result, sources.Clip(fmt.Sprintf(format, args...))}
}

// message is a push that was verified and read.
type message struct {
	key    string // see sources.Push
	alerts []sources.Alert
	// control says that it is about the connection: it is answered, and nothing is kept.
	control bool
}

// format is how one kind of sender pushes.
type format interface {
	// read verifies a push and reads it. The error is a *Refusal.
	read(ctx context.Context, h http.Header, body []byte, now time.Time) (message, error)
}

// Inbox is one sender's way in.
type Inbox struct {
	name      string
	heartbeat time.Duration
	format    format
	pushes    sources.Pushes
	log       *slog.Logger
}

// Open makes an inbox of what the config says.
func Open(_ context.Context, o sources.Opening) (sources.Source, error) { return opened(o, nil) }

// opened makes an inbox. Certificates are fetched through the transport where there is one.
func opened(o sources.Opening, transport http.RoundTripper) (*Inbox, error) {
	heartbeat, err := rules.ParseDuration(o.Account.Text(kind.Heartbeat))
	if err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	if heartbeat.Duration <= 0 {
		return nil, errors.New("heartbeat: want a length of time")
	}
	in := &Inbox{name: o.Name, heartbeat: heartbeat.Duration, pushes: o.Pushes, log: o.Log}
	if in.log == nil {
		in.log = slog.New(slog.DiscardHandler)
	}
	in.log = in.log.With("source", o.Name)
	in.format, err = formatOf(o, in.log, transport)
	if err != nil {
		return nil, err
	}
	return in, nil
}

// formatOf makes the format that the config names.
func formatOf(o sources.Opening, log *slog.Logger, transport http.RoundTripper) (format, error) {
	secret := func(key string) (*sources.Secret, error) {
		s, err := sources.NewSecret(o.Name, func() (string, error) { return o.Account.Secret(key) }, o.Log)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		return s, nil
	}
	switch name := o.Account.Text(kind.Format); name {
	case kind.Alertmanager:
		token, err := secret(kind.Bearer)
		return alertmanager{token}, err
	case kind.Grafana:
		key, err := secret(kind.Secret)
		return grafana{key, cmp.Or(o.Account.Text(kind.Timestamp), kind.DefaultTimestamp)}, err
	case kind.Sentry:
		key, err := secret(kind.Secret)
		return sentry{key}, err
	case kind.SNS:
		return newSNS(o, log, transport)
	case kind.EventBridge:
		token, err := secret(kind.Bearer)
		return eventBridge{token}, err
	case kind.JSON:
		return newMapped(o.Account, secret)
	default:
		return nil, fmt.Errorf("unknown format %q", name)
	}
}

// Receive takes a push: it is verified, and kept before Receive returns. The error is a
// *Refusal, which says why it was not.
func (in *Inbox) Receive(ctx context.Context, now time.Time, h http.Header, body []byte) (Result, error) {
	m, err := in.format.read(ctx, h, body, now)
	switch {
	case err != nil:
		return refusedAs(err), err
	case m.control:
		return Control, nil
	case in.pushes == nil:
		return Unavailable, refuse(Unavailable, "nothing can be kept here")
	}
	kept, err := in.pushes.Keep(ctx, in.name, sources.Push{Key: m.key, At: now, Alerts: m.alerts})
	switch {
	case err != nil:
		in.log.Error("a push cannot be kept", "err", err)
		return Unavailable, refuse(Unavailable, "it cannot be kept now: send it again")
	case !kept:
		return Duplicate, nil
	}
	return Accepted, nil
}

// refusedAs is the result of a push that was refused.
func refusedAs(err error) Result {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Result
	}
	return Malformed // unreachable: formats give refusals only
}
