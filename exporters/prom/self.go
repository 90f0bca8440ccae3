package prom

import (
	"strconv"

	dto "github.com/prometheus/client_model/go"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// self is the page's part that is gathered at each scrape.
func (e *Exporter) self(p *page) ([]*dto.MetricFamily, error) {
	b := newBuilder(e.catalog)
	if e.config.Runner != nil {
		b.runner(e.config.Runner(), p.views.Plans)
	}
	if e.config.Sources != nil {
		for _, s := range e.config.Sources() {
			b.source(&s)
		}
	}
	if e.config.Webhooks != nil {
		for _, s := range e.config.Webhooks() {
			b.webhook(&s)
		}
	}
	if e.config.Alerts != nil {
		for _, s := range e.config.Alerts() {
			b.pusher(&s)
		}
	}
	if e.config.Inboxes != nil {
		for _, s := range e.config.Inboxes() {
			for _, p := range s.Pushes {
				b.count(b.c.pushes, p.Count, s.Source, p.Result)
			}
			b.moment(b.c.pushed, s.Last, s.Source)
		}
	}
	if e.config.GitHubs != nil {
		for _, s := range e.config.GitHubs() {
			for _, r := range s.Requests {
				b.count(b.c.asked, r.Count, s.App, r.Result)
			}
			b.set(b.c.deployments, float64(s.Waiting), s.App)
			b.set(b.c.untold, float64(s.Untold), s.App)
		}
	}
	if e.config.Gate != nil {
		b.gate(e.config.Gate())
	}
	if e.config.HTTP != nil {
		s := e.config.HTTP()
		b.set(b.c.connections, float64(s.Open))
		b.set(b.c.connectionLimit, float64(s.Limit))
		b.count(b.c.connectionsClosed, s.Closed)
		b.count(b.c.handshakes, s.Handshakes)
	}
	if e.config.Reload != nil {
		r := e.config.Reload()
		b.flag(b.c.reloadOK, r.OK)
		b.moment(b.c.reloadTime, r.Success)
	}
	if e.config.Clock != nil {
		s := e.config.Clock()
		b.seconds(b.c.clockStep, s.Forward, "forward")
		b.seconds(b.c.clockStep, s.Back, "back")
		b.set(b.c.clockAhead, max(0, s.Ahead.Seconds()))
	}
	if e.config.Journal != nil {
		b.flag(b.c.journalOK, e.config.Journal().OK)
	}
	build := e.config.Build
	b.flag(b.c.build, true, known(build.Version), known(build.Revision), known(build.GoVersion))
	out := b.done()
	if e.process == nil {
		return out, nil
	}
	process, err := e.process.Gather()
	return append(out, process...), err
}

func (b *builder) runner(s RunnerStats, views []View) {
	b.count(b.c.ticks, s.Ticks)
	b.count(b.c.missed, s.Missed)
	b.count(b.c.commands, s.Commands)
	counts := map[EventCount]uint64{} // :: plan and kind → events
	for _, c := range s.Events {
		counts[EventCount{Plan: c.Plan, Kind: c.Kind}] += c.Count
	}
	for i := range views {
		for _, k := range fact.EventKinds() {
			plan := views[i].Name
			b.count(b.c.events, counts[EventCount{Plan: plan, Kind: k}], plan, string(k))
		}
	}
	b.took(b.c.evaluation, b.c.lastEvaluation, s.Evaluate)
	b.took(b.c.commit, b.c.lastCommit, s.Commit)
	b.took(b.c.fetch, b.c.lastFetch, s.Fetch)
}

func (b *builder) source(s *SourceStats) {
	b.count(b.c.fetches, s.Fetches, s.Source)
	for _, f := range rules.Faults() {
		b.count(b.c.readings, s.Readings[f], s.Source, faultName(f))
	}
	b.count(b.c.points, s.Points, s.Source)
	b.count(b.c.dropped, s.Dropped, s.Source)
	b.count(b.c.timeouts, s.Timeouts, s.Source)
	b.count(b.c.refused, s.Refused, s.Source)
	b.count(b.c.panics, s.Panics, s.Source)
	b.seconds(b.c.took, s.Took, s.Source)
	b.moment(b.c.leftAlone, s.LeftAlone, s.Source)
	b.moment(b.c.lastSuccess, s.LastSuccess, s.Source)
	b.count(b.c.requests, s.Requests, s.Source)
	b.count(b.c.retries, s.Retries, s.Source)
	b.count(b.c.throttled, s.Throttled, s.Source)
	b.count(b.c.billed, s.Billed, s.Source)
	b.count(b.c.scanned, s.BytesScanned, s.Source)
	b.flag(b.c.rateKnown, s.RateRemaining >= 0, s.Source)
	if s.RateRemaining >= 0 {
		b.set(b.c.rate, s.RateRemaining, s.Source)
	}
}

func (b *builder) webhook(s *EndpointStats) {
	b.count(b.c.attempts, s.Attempts, s.Endpoint, s.Class)
	b.count(b.c.delivered, s.Delivered, s.Endpoint, s.Class)
	b.count(b.c.failures, s.Failures, s.Endpoint, s.Class)
	b.count(b.c.dead, s.Dead, s.Endpoint, s.Class)
	b.count(b.c.escalated, s.Escalated, s.Endpoint, s.Class)
	b.set(b.c.pending, float64(s.Pending), s.Endpoint, s.Class)
	b.set(b.c.lag, max(0, s.Lag.Seconds()), s.Endpoint, s.Class)
	b.set(b.c.orders, float64(s.OrdersPending), s.Endpoint, s.Class)
	b.moment(b.c.delivery, s.LastSuccess, s.Endpoint, s.Class)
}

func (b *builder) pusher(s *PusherStats) {
	b.count(b.c.alertAttempts, s.Attempts, s.Alertmanager, s.Address)
	b.count(b.c.alertFailures, s.Failures, s.Alertmanager, s.Address)
	b.count(b.c.alertsRefused, s.Refused, s.Alertmanager, s.Address)
	b.set(b.c.alertLag, max(0, s.Lag.Seconds()), s.Alertmanager, s.Address)
	b.moment(b.c.alertsTaken, s.LastSuccess, s.Alertmanager, s.Address)
}

func (b *builder) gate(s GateStats) {
	for _, a := range s.Answers {
		b.count(b.c.gateRequests, a.Count, a.View, strconv.Itoa(a.Status))
	}
	b.set(b.c.gateWaiting, float64(s.Waiting))
	for _, r := range s.Refusals {
		b.count(b.c.refusals, r.Count, r.Reason)
	}
}

func known(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
