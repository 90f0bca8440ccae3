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
	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/server"
	"github.com/relgate/relgate/exporters/webhook"
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
	mu      sync.Mutex
	plans   map[string]*rules.Plan // :: digest → plan
}

// encode is the event's JSON. Words are made now, from the plan that was in force.
func (e *encoder) encode(ctx context.Context, s evaluator.Stored) ([]byte, error) {
	plan, err := e.plan(ctx, s.Digest)
	if err != nil {
		return nil, err
	}
	root, err := rootOf(ctx, e.journal, s)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(wire.Event(plan, &s.Event, root))
	return wire.PlainJSON(body), err
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
	p := new(rules.Plan)
	if err := json.Unmarshal(document, p); err != nil {
		return nil, fmt.Errorf("decoding plan document %q: %w", digest, err)
	}
	if len(e.plans) >= 64 {
		clear(e.plans)
	}
	e.plans[digest] = p
	return p, nil
}

// rootOf is the event that an event names as its cause, nil when it is its own.
func rootOf(ctx context.Context, j *journal.Journal, s evaluator.Stored) (*evaluator.Event, error) {
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

func endpointNames(cfg *config.Config) []string {
	names := make([]string, len(cfg.Webhooks))
	for i, w := range cfg.Webhooks {
		names[i] = w.Name
	}
	return names
}

// newWebhooks makes the outbox of a config's endpoints. Secrets are read here, so
// that a missing one is an error before anything is lost.
func (d *daemon) newWebhooks(cfg *config.Config) (*outbox.Outbox, error) {
	c := outbox.Config{Feed: d.journal, Log: d.log, Encode: d.encoder.encode}
	common := webhook.Config{Version: version, Transport: d.transport}
	for _, n := range cfg.Daemon.WebhookAllow {
		common.Allow = append(common.Allow, n.String())
	}
	for i := range cfg.Webhooks {
		w := &cfg.Webhooks[i]
		to, err := webhookEndpoint(w)
		if err != nil {
			return nil, fmt.Errorf("webhook %q: %w", w.Name, err)
		}
		sink, err := webhook.New(common, to)
		if err != nil {
			return nil, err
		}
		e := outbox.Endpoint{
			Name: w.Name, Class: outbox.Class(w.Class), Types: w.Types, Severity: evaluator.Severity(w.Severity), Plans: w.Plans,
			EscalateTo: w.EscalateTo, Sink: sink,
		}
		for _, kind := range w.Events {
			e.Events = append(e.Events, evaluator.EventKind(kind))
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	return outbox.New(c)
}

// webhookEndpoint is a webhook's other end as the config describes it.
func webhookEndpoint(w *config.WebhookSpec) (webhook.Endpoint, error) {
	e := webhook.Endpoint{Name: w.Name, Timeout: w.Timeout.Duration, Headers: map[string]string{}}
	var err error
	if e.URL, err = w.Target(); err != nil {
		return e, err
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
		d.log.Warn("webhooks that the config has no more are forgotten at the next start or reload", "err", err)
	}
}
