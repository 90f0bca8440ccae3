package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/server"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// forget drops the endpoints that are not in the config any more, so that they keep
// no run from being dropped. No webhook of an earlier config may run: it would make
// its endpoint known again.
func (d *daemon) forget(ctx context.Context, names []string) error {
	known, err := d.journal.Endpoints(ctx)
	if err != nil {
		return err
	}
	for _, name := range known {
		if slices.Contains(names, name) {
			continue
		}
		if err := d.journal.Forget(ctx, name); err != nil {
			return err
		}
		d.log.Info("webhook forgotten: it is not in the config any more", "endpoint", name)
	}
	return nil
}

// encoder makes what a webhook sends of an event: facts and words, in the schema
// that the gate speaks.
type encoder struct {
	journal *journal.Journal
	kinds   rules.Kinds
	mu      sync.Mutex
	plans   map[string]*rules.Plan // :: digest → plan
}

// encode is the event's JSON. Words are made now, from the plan that was in force.
func (e *encoder) encode(ctx context.Context, s fact.Stored) ([]byte, error) {
	event, err := e.event(ctx, s)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(event)
	return wire.PlainJSON(body), err
}

func (e *encoder) event(ctx context.Context, s fact.Stored) (wire.EventBody, error) {
	plan, err := e.plan(ctx, s.Digest)
	if err != nil {
		return wire.EventBody{}, err
	}
	root, err := rootOf(ctx, e.journal, s)
	if err != nil {
		return wire.EventBody{}, err
	}
	event := wire.Event(plan, &s.Event, root)
	event.Chain = wire.ChainOf(s.Seq, s.Link)
	return event, nil
}

// telling makes what is told of a stored event.
type telling func(ctx context.Context, s fact.Stored) (wire.EventBody, error)

// earlier gives the events of a run before the n-th, or the first alone: as they were
// sent.
func (e *encoder) earlier(ctx context.Context, run string, n uint64, first bool) ([]wire.EventBody, error) {
	return e.before(ctx, run, n, first, e.event)
}

// earlierFor is earlier as a sink was told: with the messages for it.
func (e *encoder) earlierFor(sink *config.SinkSpec, base string) func(ctx context.Context, run string, n uint64, first bool) ([]wire.EventBody, error) {
	return func(ctx context.Context, run string, n uint64, first bool) ([]wire.EventBody, error) {
		return e.before(ctx, run, n, first, func(ctx context.Context, s fact.Stored) (wire.EventBody, error) {
			return e.eventFor(ctx, s, sink, base)
		})
	}
}

func (e *encoder) before(ctx context.Context, run string, n uint64, first bool, tell telling) ([]wire.EventBody, error) {
	limit := -1
	if first {
		limit = 1
	}
	events, err := e.some(ctx, run, 0, limit, tell)
	if i := slices.IndexFunc(events, func(e wire.EventBody) bool { return e.N >= n }); i >= 0 {
		events = events[:i]
	}
	return events, err
}

// after gives the events of a run after the n-th.
func (e *encoder) after(ctx context.Context, run string, n uint64) ([]wire.EventBody, error) {
	return e.some(ctx, run, n, -1, e.event)
}

func (e *encoder) some(ctx context.Context, run string, after uint64, limit int, tell telling) ([]wire.EventBody, error) {
	stored, err := e.journal.Events(ctx, run, after, limit)
	if err != nil {
		return nil, err
	}
	var events []wire.EventBody
	for _, s := range stored {
		event, err := tell(ctx, s)
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}

// plan is a plan by its digest. Few are in use at a time.
func (e *encoder) plan(ctx context.Context, digest string) (*rules.Plan, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.plans[digest]; p != nil {
		return p, nil
	}
	document, err := e.journal.Document(ctx, digest)
	if err != nil {
		return nil, err
	}
	p, err := rules.ReadPlan(document, e.kinds)
	if err != nil {
		return nil, fmt.Errorf("decoding plan document %q: %w", digest, err)
	}
	if len(e.plans) >= 64 {
		clear(e.plans)
	}
	e.plans[digest] = p
	return p, nil
}

// rootOf is the event that an event names as its cause, nil when it is its own.
func rootOf(ctx context.Context, j *journal.Journal, s fact.Stored) (*fact.Event, error) {
	n := ordinal(s.Event.Because)
	if s.Event.Because == "" || n == 0 {
		return nil, nil
	}
	root, err := j.Event(ctx, s.Run, n)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, nil
	}
	return &root.Event, err
}

func webhookNames(cfg *config.Config) []string {
	names := make([]string, len(cfg.Webhooks))
	for i, w := range cfg.Webhooks {
		names[i] = w.Name
	}
	return names
}

// endpointNames are the webhooks and what else is told of events.
func endpointNames(cfg *config.Config) []string {
	names := webhookNames(cfg)
	if cfg.Grafana.Annotates() {
		names = append(names, config.GrafanaEndpoint)
	}
	if cfg.OTLP != nil {
		names = append(names, config.OTLPEndpoint)
	}
	for i := range cfg.Sinks {
		names = append(names, cfg.Sinks[i].Name)
	}
	return names
}

// newWebhooks makes the outbox of a config's endpoints: webhooks, annotations, traces and sinks. Secrets are read here, so
// that a missing one is an error before anything is lost.
func (d *daemon) newWebhooks(cfg *config.Config) (*outbox.Outbox, error) {
	c := outbox.Config{Feed: burials{d.journal, d.report}, Log: d.log, Encode: d.encoder.encode}
	if d.after != nil {
		c.Now, c.After = d.arrivals, d.after
	}
	common := webhook.Config{Version: version, External: cfg.Daemon.ExternalURL, Transport: d.transport, Now: c.Now}
	if d.upstreams.simulated {
		common.Credentials = demoCredentials()
	}
	for _, n := range cfg.Daemon.WebhookAllow {
		common.Allow = append(common.Allow, n.String())
	}
	for i := range cfg.Webhooks {
		w := &cfg.Webhooks[i]
		to, err := webhookEndpoint(w)
		if err != nil {
			return nil, fmt.Errorf("webhook %q: %w", w.Name, err)
		}
		to.Earlier = d.encoder.earlier
		sink, err := webhook.New(common, to)
		if err != nil {
			return nil, err
		}
		e := outbox.Endpoint{
			Name: w.Name, Class: outbox.Class(w.Class), Types: w.Types, Severity: fact.Severity(w.Severity), Plans: w.Plans,
			EscalateTo: w.EscalateTo, Sink: &reporting{Sink: sink, daemon: d, name: w.Name, steps: true},
		}
		for _, kind := range w.Events {
			e.Events = append(e.Events, fact.EventKind(kind))
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	if cfg.Grafana.Annotates() {
		e, err := annotations(cfg)
		if err != nil {
			return nil, err
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	if cfg.OTLP != nil {
		e, err := d.traces(common, cfg.OTLP)
		if err != nil {
			return nil, err
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	sinks, err := d.sinks(common, cfg)
	if err != nil {
		return nil, err
	}
	c.Endpoints = append(c.Endpoints, sinks...)
	return outbox.New(c)
}

// webhookEndpoint is a webhook's other end as the config describes it.
func webhookEndpoint(w *config.WebhookSpec) (webhook.Endpoint, error) {
	e := webhook.Endpoint{Name: w.Name, Timeout: w.Timeout.Duration, Headers: map[string]string{}, Keys: w.Keys, Own: map[string]string{}}
	var known bool
	if e.Format, known = format.Named(w.Format); !known {
		return e, fmt.Errorf("there is no format %q", w.Format) // unreachable: the config was checked
	}
	var err error
	if e.URL, err = w.Target(e.Format.Base(w.Keys)); err != nil {
		return e, err
	}
	for key, s := range w.Own {
		if e.Own[key], err = s.Value(); err != nil {
			return e, fmt.Errorf("%s: %w", key, err)
		}
	}
	for _, s := range w.Secrets {
		text, err := s.Value()
		if err != nil {
			return e, err
		}
		e.Secrets = append(e.Secrets, text)
	}
	if !w.HubSecret.IsZero() {
		if e.HubSecret, err = w.HubSecret.Value(); err != nil {
			return e, fmt.Errorf("hub_secret: %w", err)
		}
	}
	if !w.Proxy.IsZero() {
		if e.Proxy, err = w.Proxy.Value(); err != nil {
			return e, fmt.Errorf("proxy: %w", err)
		}
	}
	for name, s := range w.Headers {
		if e.Headers[name], err = s.Value(); err != nil {
			return e, fmt.Errorf("header %q: %w", name, err)
		}
	}
	for _, n := range w.Allow {
		e.Allow = append(e.Allow, n.String())
	}
	if w.CA != "" {
		pool, err := server.Authorities(w.CA)
		if err != nil {
			return e, fmt.Errorf("ca: %w", err)
		}
		e.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return e, nil
}

// deliver runs the webhooks of the config in force. Those of the next config begin
// at once, with what is pending, while those before them end what is in flight.
func (d *daemon) deliver(ctx context.Context) error {
	var group errgroup.Group
	var hooks *outbox.Outbox
	stop, ended := func() {}, make(chan struct{})
	close(ended)
	for ctx.Err() == nil {
		replaced := d.reloads.replaced()
		if next := d.hooks.Load(); next != hooks {
			stop()
			before, done := ended, make(chan struct{})
			current, cancel := context.WithCancel(ctx)
			hooks, stop, ended = next, cancel, done
			group.Go(func() error { defer close(done); return d.run(ctx, current, next) })
			group.Go(func() error { <-before; d.forgetOthers(ctx); return nil })
		}
		select {
		case <-replaced:
		case <-ctx.Done():
		}
	}
	stop()
	return group.Wait()
}

// run runs webhooks until current is done. That they could not save what they
// delivered is no reason to end, as long as the daemon does not.
func (d *daemon) run(ctx, current context.Context, hooks *outbox.Outbox) error {
	err := hooks.Run(current)
	if err != nil && ctx.Err() == nil {
		d.log.Error("webhooks were replaced, and what they had delivered was not kept: it may be sent again", "err", err)
		return nil
	}
	return err
}

// forgetOthers forgets what the journal knows beside the webhooks in force, unless a
// reload is about to put more in force.
func (d *daemon) forgetOthers(ctx context.Context) {
	d.reloads.known.Lock()
	defer d.reloads.known.Unlock()
	if err := d.forget(ctx, d.hooks.Load().Names()); err != nil && ctx.Err() == nil {
		d.log.Warn("webhooks that are no longer in the config are forgotten at the next start or reload", "err", err)
	}
}
