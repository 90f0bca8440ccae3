package prom

import (
	"maps"
	"slices"
	"strconv"

	dto "github.com/prometheus/client_model/go"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// eventKinds are the label values of relgate_events_total.
var eventKinds = [...]evaluator.EventKind{
	evaluator.RunEvent, evaluator.PhaseEvent, evaluator.VerdictEvent, evaluator.RuleEvent,
	evaluator.SignalEvent, evaluator.CommunicationEvent, evaluator.CommandEvent,
}

// tally is what the ticks of one plan took and gave.
type tally struct {
	ticks, missed      uint64
	events             [len(eventKinds)]uint64
	evaluation, commit histogram
}

// Ticked counts a committed tick.
func (e *Exporter) Ticked(t Tick) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.tallyLocked(t.Plan)
	c.ticks++
	c.missed += uint64(max(0, t.Missed))
	for i := range t.Events {
		if k := slices.Index(eventKinds[:], t.Events[i].Kind); k >= 0 {
			c.events[k]++
		}
	}
	c.evaluation.observe(t.Evaluation)
	c.commit.observe(t.Commit)
}

func (e *Exporter) tallyLocked(plan string) *tally {
	c := e.tallies[plan]
	if c == nil {
		c = &tally{}
		e.tallies[plan] = c
	}
	return c
}

// self is the page's part that is gathered at each scrape.
func (e *Exporter) self() ([]*dto.MetricFamily, error) {
	b := newBuilder(e.catalog)
	e.ticks(b)
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
	if e.config.Gate != nil {
		b.gate(e.config.Gate())
	}
	if e.config.Reload != nil {
		r := e.config.Reload()
		b.flag(b.c.reloadOK, r.OK)
		b.moment(b.c.reloadTime, r.Success)
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

func (e *Exporter) ticks(b *builder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, plan := range slices.Sorted(maps.Keys(e.tallies)) {
		t := e.tallies[plan]
		b.count(b.c.ticks, t.ticks, plan)
		b.count(b.c.missed, t.missed, plan)
		for i, k := range eventKinds {
			b.count(b.c.events, t.events[i], plan, string(k))
		}
		b.histogram(b.c.evaluation, &t.evaluation, plan)
		b.histogram(b.c.commit, &t.commit, plan)
	}
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
	b.metric(b.c.took, []string{s.Source}).Counter = &dto.Counter{Value: new(s.Took.Seconds())}
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
}

func (b *builder) gate(s GateStats) {
	for _, a := range s.Answers {
		b.count(b.c.gateRequests, a.Count, a.View, strconv.Itoa(a.Status))
	}
	b.set(b.c.gateWaiting, float64(s.Waiting))
}

func known(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
