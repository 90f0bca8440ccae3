package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
)

// Class says how long an endpoint is tried and who is told when it fails.
type Class string

const (
	Action Class = "action" // it acts on the event: tried for ever
	Notify Class = "notify" // it tells people: tried for a day, then a dead letter
)

// Endpoint is one receiver, and what it wants.
type Endpoint struct {
	Name       string           // required; in logs, metrics and the journal
	Class      Class            // Notify if empty
	Events     []fact.EventKind // kinds that it wants
	Types      []string         // types that it wants, "relgate.run.rolled_back", beside the kinds; all where there are neither
	Severity   fact.Severity    // the least that it wants; all if empty
	Plans      []string         // names of the plans whose events it wants; empty means all
	Overhears  bool             // it wants also the events that name other endpoints
	Named      bool             // it wants the events that name it, whatever their kind and severity; with Overhears also those of Events and Types
	EscalateTo string           // name of the endpoint that is told of what does not arrive; none if empty
	Sink       Sink             // required
	// Encode makes the data of a message in place of Config.Encode; nil: that does.
	Encode func(ctx context.Context, s fact.Stored) ([]byte, error)
}

// Config is what an [Outbox] needs.
type Config struct {
	Endpoints []Endpoint
	Feed      Feed // required
	// Encode makes the data of a message, a JSON value, from an event. It is called
	// for every attempt, and an error is a failed attempt whose text is shown to
	// people. Nil sends the event as it is stored.
	Encode func(ctx context.Context, s fact.Stored) ([]byte, error)
	Grace  time.Duration // how long a message in flight may go on when Run is told to stop; 2 s if zero

	Now   func() time.Time                       // time.Now if nil
	After func(d time.Duration) <-chan time.Time // time.After if nil
	Log   *slog.Logger                           // slog.Default() if nil
}

// Check reports everything that is wrong with the config, by endpoint.
func (c Config) Check() error {
	var errs []error
	if c.Feed == nil {
		errs = append(errs, errors.New("a feed is required"))
	}
	seen := map[string]bool{} // :: endpoint name → it was there before
	for _, e := range c.Endpoints {
		if e.Name == "" {
			errs = append(errs, errors.New("endpoint: a name is required"))
		}
		if e.Sink == nil {
			errs = append(errs, fmt.Errorf("endpoint %q: a sink is required", e.Name))
		}
		if !slices.Contains([]Class{"", Action, Notify}, e.Class) {
			errs = append(errs, fmt.Errorf("endpoint %q: class %q: want %q or %q", e.Name, e.Class, Action, Notify))
		}
		if e.Severity != "" && !slices.Contains(fact.Severities(), e.Severity) {
			errs = append(errs, fmt.Errorf("endpoint %q: severity %q: want one of %q", e.Name, e.Severity, fact.Severities()))
		}
		if seen[e.Name] {
			errs = append(errs, fmt.Errorf("endpoint %q: the name is used twice", e.Name))
		}
		seen[e.Name] = true
	}
	for _, e := range c.Endpoints {
		if e.EscalateTo != "" && (!seen[e.EscalateTo] || e.EscalateTo == e.Name) {
			errs = append(errs, fmt.Errorf("endpoint %q: escalate_to %q: want the name of another endpoint", e.Name, e.EscalateTo))
		}
	}
	return errors.Join(errs...)
}

// withDefaults fills in what zero means.
func (c Config) withDefaults() Config {
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
		if e := &c.Endpoints[i]; e.Class == "" {
			e.Class = Notify
		}
	}
	return c
}

// wants reports whether an event is for this endpoint: by its kind or type, by its
// severity and plan, and by the endpoints that the event itself names.
func (e *Endpoint) wants(ev *fact.Event) bool {
	named := slices.Contains(ev.Notify, e.Name) || slices.Contains(ev.Tell, e.Name)
	if named && ev.Kind == fact.EffectEvent && (ev.To == fact.Intended || ev.To == fact.Asked) { // an endpoint that is to do something, or is asked whether it could, is told, whatever it selects
		return len(e.Plans) == 0 || slices.Contains(e.Plans, ev.Plan)
	}
	if e.Named && (named || !e.Overhears || len(e.Events)+len(e.Types) == 0) {
		return named && (len(e.Plans) == 0 || slices.Contains(e.Plans, ev.Plan))
	}
	return (len(e.Events)+len(e.Types) == 0 || slices.Contains(e.Events, ev.Kind) || len(e.Types) > 0 && slices.Contains(e.Types, wire.EventType(ev))) &&
		(e.Severity == "" || ev.Severity().AtLeast(e.Severity)) &&
		(len(e.Plans) == 0 || slices.Contains(e.Plans, ev.Plan)) &&
		(e.Overhears || len(ev.Notify) == 0 || named)
}

// wantsAs reports whether the endpoint, which has the name of another, wants the same
// events as that one.
func (e *Endpoint) wantsAs(other Endpoint) bool {
	return slices.Equal(e.Events, other.Events) && slices.Equal(e.Types, other.Types) && e.Severity == other.Severity && slices.Equal(e.Plans, other.Plans) && e.Overhears == other.Overhears && e.Named == other.Named
}
