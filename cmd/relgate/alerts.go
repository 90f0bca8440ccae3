package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/alertmanager"
	"github.com/relgate/relgate/exporters/server"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// pushers post alerts to the instances of a config's Alertmanagers.
type pushers []*alertmanager.Pusher

// newPushers makes them. Secrets are read here, so that a missing one is an error before
// anything is lost.
func (d *daemon) newPushers(cfg *config.Config) (pushers, error) {
	common := webhook.Config{Version: version, Transport: d.transport}
	for _, n := range cfg.Daemon.WebhookAllow {
		common.Allow = append(common.Allow, n.String())
	}
	site := wire.Site{Base: externalBase(cfg)}
	var all pushers
	for i := range cfg.Alertmanagers {
		a := &cfg.Alertmanagers[i]
		for i, at := range a.URLs {
			e, err := instanceOf(a, at)
			if err != nil {
				return nil, fmt.Errorf("alertmanager %q: %w", a.Name, err)
			}
			sink, err := webhook.New(common, e)
			if err != nil {
				return nil, fmt.Errorf("alertmanager %q: %w", a.Name, err)
			}
			c := alertmanager.Config{
				Name: a.Name, Address: addressOf(a.URLs, i), URL: at, Labels: a.Labels, Resend: a.Resend.Duration, Changed: d.journal.Watch, Sink: sink, Now: d.clock.Now, Log: d.log,
				Runs: func(ctx context.Context) ([]alertmanager.Run, error) { return d.alertRuns(ctx, a.Plans) },
			}
			if site.Base != "" {
				c.Link = func(run string) string { return site.Link("v1", "runs", run) }
			}
			all = append(all, alertmanager.New(c))
		}
	}
	return all, nil
}

// addressOf names an instance in the log and the metrics: by host and port, since a path
// may hold a secret, and by its place in the list too where another has the same.
func addressOf(urls []string, i int) string {
	host := func(text string) string {
		u, err := url.Parse(text)
		if err != nil {
			return "" // unreachable: the config was checked
		}
		return u.Host
	}
	for k, other := range urls {
		if k != i && host(other) == host(urls[i]) {
			return fmt.Sprintf("%s#%d", host(urls[i]), i+1)
		}
	}
	return host(urls[i])
}

// instanceOf is one instance of an Alertmanager as the config describes it.
func instanceOf(a *config.AlertmanagerSpec, at string) (webhook.Endpoint, error) {
	e := webhook.Endpoint{Name: a.Name, URL: at, Timeout: a.Timeout.Duration, Headers: map[string]string{}, Format: format.None()}
	var err error
	if !a.Proxy.IsZero() {
		if e.Proxy, err = a.Proxy.Value(); err != nil {
			return e, fmt.Errorf("proxy: %w", err)
		}
	}
	for name, s := range a.Headers {
		if e.Headers[name], err = s.Value(); err != nil {
			return e, fmt.Errorf("header %q: %w", name, err)
		}
	}
	for _, n := range a.Allow {
		e.Allow = append(e.Allow, n.String())
	}
	if a.CA != "" {
		pool, err := server.Authorities(a.CA)
		if err != nil {
			return e, fmt.Errorf("ca: %w", err)
		}
		e.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return e, nil
}

// How long alerts of a run are posted that is over, and how many such runs are looked at.
const (
	alertsOfEnded = 24 * time.Hour
	endedRuns     = 100
)

// alertRuns lists the runs whose alerts are posted: those that are not over, and for a day
// the others. A failed run alerts until another run of its plan begins.
func (d *daemon) alertRuns(ctx context.Context, plans []string) ([]alertmanager.Run, error) {
	open, err := d.journal.Runs(ctx, fact.RunFilter{Open: true})
	if err != nil {
		return nil, err
	}
	records, err := d.journal.Runs(ctx, fact.RunFilter{Limit: endedRuns})
	if err != nil {
		return nil, err
	}
	for _, r := range open {
		if !slices.ContainsFunc(records, func(o fact.RunRecord) bool { return o.ID == r.ID }) {
			records = append(records, r)
		}
	}
	var list []alertmanager.Run
	for _, r := range alerting(records, plans, d.clock.Now()) {
		r.Events = func(ctx context.Context, after uint64) ([]wire.EventBody, error) {
			return d.encoder.after(ctx, r.ID, after)
		}
		list = append(list, r)
	}
	return list, nil
}

// alerting are the runs of records, the newest begun first, whose alerts are posted.
func alerting(records []fact.RunRecord, plans []string, now time.Time) []alertmanager.Run {
	var list []alertmanager.Run
	newer := map[string]time.Time{} // :: plan → when the run begun that is listed before
	for _, r := range records {
		run := alertmanager.Run{ID: r.ID}
		if r.State == rules.Failed {
			run.Ended = newer[r.Plan]
		}
		newer[r.Plan] = r.Begun
		if (len(plans) == 0 || slices.Contains(plans, r.Plan)) && (!r.Over || now.Sub(r.At) < alertsOfEnded) {
			list = append(list, run)
		}
	}
	return list
}

// alert runs the pushers of the config in force.
func (d *daemon) alert(ctx context.Context) error {
	return d.reloads.untilReplaced(ctx, func(ctx context.Context, group *errgroup.Group) {
		for _, p := range *d.pushers.Load() {
			group.Go(func() error { return p.Run(ctx) })
		}
	})
}
