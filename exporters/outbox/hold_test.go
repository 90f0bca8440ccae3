package outbox_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/rules"
)

// outage is a run in which a canary and what runs beside it fail together from
// the twentieth minute on: a rule holds it. At the fortieth a person resumes it.
func outage() []fact.Event {
	start := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	ratio := func(name string) rules.Signal {
		return rules.Signal{Name: name, Kind: rules.Ratio, Unit: rules.Percent, Of: -1, Keep: 30, Period: time.Minute, Every: time.Minute, Settle: time.Minute}
	}
	plan := &rules.Plan{
		Name: "REL", Start: start, Interval: time.Minute, FalseRollback: .01, FalsePass: .05,
		Signals: []rules.Signal{ratio("errors"), ratio("errors@42")},
		Rules: []rules.Rule{{
			Name: "errors-high", Kind: rules.RollbackRule, Alarm: -1, Coverage: .5, When: rules.Condition{Op: rules.Greater, Threshold: .03},
			Method: rules.Sequential, Limit: .01, Trigger: .03, Alpha: .01, Action: "revert the alias", Command: "aws lambda update-alias",
		}},
		Phases: []rules.Phase{{Name: "ten", Traffic: .1, Window: 2 * time.Hour, Extend: time.Hour, Rollback: []int{0}}},
	}
	plan.Signals[0].Baseline, plan.Signals[1].BaselineOf = 1, "errors"
	state, all := evaluator.Begin(plan), []fact.Event(nil)
	for m := range 45 {
		tick := fact.Tick{At: start.Add(time.Duration(m) * time.Minute)}
		for _, q := range evaluator.Wants(plan, state, tick.At) {
			rd := rules.Reading{Signal: q.Signal, From: q.From, To: q.To, SettledUntil: tick.At.Add(-time.Minute).Unix()}
			for at := (q.From + 59) / 60 * 60; at < q.To; at += 60 {
				p := rules.Point{At: at, Samples: []float64{12, 108}[q.Signal]}
				if at >= start.Add(20*time.Minute).Unix() {
					p.Value = p.Samples / 12 * float64(1+at/60%2)
				}
				rd.Points = append(rd.Points, p)
			}
			tick.Readings = append(tick.Readings, rd)
		}
		if m == 40 {
			tick.Commands = []fact.Command{{ID: "1", Kind: fact.Resume, By: "Ada", Why: "the provider is back"}}
		}
		next, events := evaluator.Step(plan, state, tick)
		state, all = next, append(all, events...)
	}
	return all
}

// types are the types of the run's and the rules' messages, as an endpoint got them.
func types(t *testing.T, e outbox.Endpoint, s *script, events []fact.Event) string {
	t.Helper()
	f := outboxtest.New()
	b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{e}, Feed: f})
	f.Commit(t, events...)
	stop := outboxtest.Start(t, b)
	outboxtest.Drain(t, b)
	stop()
	var got []string
	for _, a := range s.seen() {
		if kind := strings.TrimPrefix(a.kind, "relgate."); strings.HasPrefix(kind, "run.") || strings.HasPrefix(kind, "rule.") {
			got = append(got, kind)
		}
	}
	slices.Sort(got) // orders go beside each other, and beside the rest
	return strings.Join(got, " ")
}

// A pipeline that asks for run and phase events, as the usual config does, hears
// of a rule's hold and of its end; one that asks for all hears of the rule too.
func TestHoldReachesEveryClass(t *testing.T) {
	events := outage()
	for _, tt := range []struct {
		about string
		class outbox.Class
		kinds []fact.EventKind
		want  string
	}{
		{"a pipeline", outbox.Action, []fact.EventKind{fact.RunEvent, fact.PhaseEvent}, "run.held run.monitoring run.monitoring"},
		{"people", outbox.Notify, nil, "rule.clear rule.holding rule.warning rule.warning run.held run.monitoring run.monitoring"},
		{"who only wants phases", outbox.Notify, []fact.EventKind{fact.PhaseEvent}, ""},
	} {
		s := newScript(nil)
		e := endpoint(tt.class, s)
		e.Events = tt.kinds
		if got := types(t, e, s, events); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.about, got, tt.want)
		}
	}
}
