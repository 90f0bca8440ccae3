package main

import (
	"maps"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/sources"
)

// observed gives the metrics page what the parts have counted.
func (d *daemon) observed() prom.Config {
	return prom.Config{
		Now: d.clock.Now, Build: build(), Process: true, BaseURL: d.config.Daemon.ExternalURL,
		Runner: d.runnerStats, Sources: d.sourceStats, Webhooks: d.webhookStats, Reload: d.reloads.stats, Gate: d.gateStats,
		Clock: d.clock.clockStats, Journal: d.journalStats, HTTP: d.httpStats, Inboxes: d.inboxes.stats, Alerts: d.posted.all, GitHubs: d.githubStats,
	}
}

// httpStats is what the server of the public port counts.
func (d *daemon) httpStats() prom.HTTPStats {
	s := d.public.server.Stats()
	return prom.HTTPStats{Open: s.Open, Limit: s.Limit, Closed: s.Closed, Handshakes: s.Handshakes}
}

func build() prom.Build {
	b := prom.Build{Version: version, GoVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	return b
}

func (d *daemon) runnerStats() prom.RunnerStats {
	s := d.runner.Stats()
	out := prom.RunnerStats{
		Ticks: s.Ticks, Missed: s.Missed, Commands: s.Commands,
		Evaluate: prom.Took(s.Evaluate), Commit: prom.Took(s.Commit), Fetch: prom.Took(s.Fetch),
	}
	for of, n := range s.Events {
		out.Events = append(out.Events, prom.EventCount{Plan: of.Plan, Kind: of.Kind, Count: n})
	}
	return out
}

// sourceStats is what the sources have counted since the daemon began.
func (d *daemon) sourceStats() []prom.SourceStats { return d.asked.counted.all() }

func poolStats(p *sources.Pool) []prom.SourceStats {
	var out []prom.SourceStats
	for _, s := range p.Stats() {
		out = append(out, prom.SourceStats{
			Source: s.Name, Fetches: s.Fetches, Readings: s.Readings, Points: s.Points, Dropped: s.Dropped,
			Timeouts: s.Timeouts, Refused: s.Refused, Panics: s.Panics, Took: s.Took, LeftAlone: s.LeftAlone, LastSuccess: s.LastSuccess,
			Requests: s.Upstream.Requests, Retries: s.Upstream.Retries, Throttled: s.Upstream.Throttled,
			Billed: s.Upstream.Billed, BytesScanned: s.Upstream.BytesScanned, RateRemaining: s.Upstream.RateRemaining,
		})
	}
	return out
}

// useHooks puts webhooks in force.
func (d *daemon) useHooks(h *outbox.Outbox) {
	d.told.use(h, func() []prom.EndpointStats { return hookStats(h) })
	d.hooks.Store(h)
}

// webhookStats is what the endpoints were told since the daemon began.
func (d *daemon) webhookStats() []prom.EndpointStats { return d.told.all() }

func hookStats(h *outbox.Outbox) []prom.EndpointStats {
	var out []prom.EndpointStats
	for _, s := range h.Stats() {
		e := prom.EndpointStats{
			Endpoint: s.Endpoint, Class: string(s.Class), Attempts: s.Attempts, Delivered: s.Delivered,
			Failures: s.Failures, Dead: s.Dead, Escalated: s.Escalated, Pending: s.Pending,
			OrdersPending: s.Orders, LastSuccess: s.LastSuccess,
		}
		if !s.Waiting.IsZero() {
			e.Lag = time.Since(s.Waiting)
		}
		out = append(out, e)
	}
	return out
}

// usePushers puts Alertmanagers in force.
func (d *daemon) usePushers(all pushers) {
	d.posted.use(&all, func() []prom.PusherStats {
		var out []prom.PusherStats
		for _, p := range all {
			s := p.Stats()
			e := prom.PusherStats{Alertmanager: s.Name, Address: s.Address, Attempts: s.Attempts, Failures: s.Failures, Refused: s.Refused, LastSuccess: s.LastSuccess}
			if !s.Behind.IsZero() {
				e.Lag = d.clock.Now().Sub(s.Behind)
			}
			out = append(out, e)
		}
		return out
	})
	d.pushers.Store(&all)
}

// countedBy is the stats of a part that counts: its sources, its endpoints.
type countedBy[S any] interface {
	Key() string     // what it is of
	Plus(before S) S // with the counts of the same under an earlier config
}

// totals adds up what a part of the daemon counts, over all the reloads that
// replace it. The zero value counts nothing.
type totals[S countedBy[S]] struct {
	mu     sync.Mutex
	past   map[string]S   // :: key → what the parts before the last two have counted
	before countedPart[S] // it may still be ending its work
	now    countedPart[S]
}

// countedPart is one part that counts.
type countedPart[S any] struct {
	part  any // to know it by
	stats func() []S
}

// use puts a part in force. The one before it, put in force again, goes on where it was.
func (t *totals[S]) use(part any, stats func() []S) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.before.part == part {
		t.before, t.now = t.now, t.before
		return
	}
	if t.before.part != nil {
		t.past = t.sums()
	}
	t.before, t.now = t.now, countedPart[S]{part, stats}
}

// sums is what all parts before the one in force have counted.
func (t *totals[S]) sums() map[string]S {
	sums := make(map[string]S, len(t.past))
	maps.Copy(sums, t.past)
	if t.before.part == nil {
		return sums
	}
	for _, s := range t.before.stats() {
		if p, ok := sums[s.Key()]; ok {
			s = s.Plus(p)
		}
		sums[s.Key()] = s
	}
	return sums
}

// all is what was counted by what the part in force names.
func (t *totals[S]) all() []S {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now.part == nil {
		return nil
	}
	out, sums := t.now.stats(), t.sums()
	for i, s := range out {
		if p, ok := sums[s.Key()]; ok {
			out[i] = s.Plus(p)
		}
	}
	return out
}

func (d *daemon) gateStats() prom.GateStats {
	s := d.gate.Stats()
	out := prom.GateStats{Waiting: s.Waiting}
	for _, a := range s.Answers {
		out.Answers = append(out.Answers, prom.GateAnswers{View: a.View, Status: a.Status, Count: a.Count})
	}
	for _, r := range s.Refusals {
		out.Refusals = append(out.Refusals, prom.GateRefusals(r))
	}
	return out
}

// journalStats says whether the journal can be written.
func (d *daemon) journalStats() prom.JournalStats {
	return prom.JournalStats{OK: d.runner.Published().Trouble == nil && d.journal.Check() == nil}
}
