package main

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/relgate/relgate/exporters/prom"
)

// observed gives the metrics page what the parts have counted.
func (d *daemon) observed() prom.Config {
	return prom.Config{
		Now: d.clock.Now, Build: build(), Process: true,
		Runner: d.runnerStats, Sources: d.sourceStats, Webhooks: d.webhookStats, Reload: d.reloads.stats, Gate: d.gateStats,
		Clock: d.clock.clockStats, Journal: d.journalStats,
	}
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

func (d *daemon) sourceStats() []prom.SourceStats {
	var out []prom.SourceStats
	for _, s := range d.asked.pool.Load().Stats() {
		out = append(out, prom.SourceStats{
			Source: s.Name, Fetches: s.Fetches, Readings: s.Readings, Points: s.Points, Dropped: s.Dropped,
			Timeouts: s.Timeouts, Refused: s.Refused, Panics: s.Panics, Took: s.Took, LastSuccess: s.LastSuccess,
			Requests: s.Upstream.Requests, Retries: s.Upstream.Retries, Throttled: s.Upstream.Throttled,
			Billed: s.Upstream.Billed, BytesScanned: s.Upstream.BytesScanned, RateRemaining: s.Upstream.RateRemaining,
		})
	}
	return out
}

func (d *daemon) webhookStats() []prom.EndpointStats {
	var out []prom.EndpointStats
	for _, s := range d.hooks.Load().Stats() {
		e := prom.EndpointStats{
			Endpoint: s.Endpoint, Class: string(s.Class), Attempts: s.Attempts, Delivered: s.Delivered,
			Failures: s.Failures, Dead: s.Dead, Escalated: s.Escalated, Pending: s.Pending,
		}
		if !s.Waiting.IsZero() {
			e.Lag = time.Since(s.Waiting)
		}
		out = append(out, e)
	}
	return out
}

func (d *daemon) gateStats() prom.GateStats {
	s := d.gate.Stats()
	out := prom.GateStats{Waiting: s.Waiting}
	for _, a := range s.Answers {
		out.Answers = append(out.Answers, prom.GateAnswers{View: a.View, Status: a.Status, Count: a.Count})
	}
	return out
}

// journalStats says whether the journal can be written.
func (d *daemon) journalStats() prom.JournalStats {
	return prom.JournalStats{OK: d.runner.Published().Trouble == nil && d.journal.Check() == nil}
}
