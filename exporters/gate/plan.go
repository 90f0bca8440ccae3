package gate

import (
	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

func (m *maker) plan() PlanBody {
	s := &m.view.Snapshot
	b := PlanBody{
		APIVersion: APIVersion, Plan: s.Plan, Title: s.Title, Version: s.Version, Manager: s.Manager,
		Sequence: s.Seq, Generation: s.Generation, Run: runOf(s), Stale: m.stale, Current: currentName(s),
		IntervalSeconds: s.Interval.Seconds(),
		Start:           at(s.Start), End: at(s.End), Horizon: at(s.Horizon), EvaluatedAt: s.At.UTC(),
		Phases: make([]Body, len(s.Phases)), Rollback: make([]Rule, len(s.Rollback)), Signals: make([]Signal, len(s.Signals)),
		Fired: finite(s.Fired),
		Links: Links{Self: m.link("v1", "plans", s.Plan)},
	}
	b.ExpiresAt, b.NextEvaluationAt = m.times(s.Over)
	for i := range s.Phases {
		b.Phases[i] = m.phase(i)
	}
	for i := range s.Rollback {
		b.Rollback[i] = m.rule(&s.Rollback[i])
	}
	for i := range s.Signals {
		b.Signals[i] = signal(&s.Signals[i])
	}
	return b
}

func (m *maker) summary() PlanSummary {
	s := &m.view.Snapshot
	return PlanSummary{
		Plan: s.Plan, Title: s.Title, Version: s.Version, Run: runOf(s), Stale: m.stale, Current: currentName(s),
		Generation: s.Generation, EvaluatedAt: at(s.At), Links: Links{Self: m.link("v1", "plans", s.Plan)},
	}
}

func currentName(s *evaluator.Snapshot) string {
	if s.Current < 0 || s.Current >= len(s.Phases) {
		return ""
	}
	return s.Phases[s.Current].Name
}

func signal(v *evaluator.SignalView) Signal {
	out := Signal{
		Name: v.Name, Source: v.Source, Unit: v.Unit.String(), Derived: v.Derived, Samples: orZero(number(v.Samples, rules.Number)),
		Newest: at(v.Newest), Settled: at(v.Settled), Asked: at(v.Asked), NextAsk: at(v.NextAsk),
		Fault: v.Fault.String(), Detail: v.Detail, Failures: v.Failures,
	}
	if v.Known {
		out.Value = number(v.Value, v.Unit)
	}
	return out
}

// finite is an event whose numbers have a JSON form: evidence without a known
// value may hold anything there.
func finite(e *evaluator.Event) *evaluator.Event {
	if e == nil || e.Evidence == nil {
		return e
	}
	ev, out := *e.Evidence, *e
	if ev.Known = ev.Known && number(ev.Value, rules.Number) != nil; !ev.Known {
		ev.Value = 0
	}
	ev.Threshold = orZero(number(ev.Threshold, rules.Number))
	ev.Samples = orZero(number(ev.Samples, rules.Number))
	ev.Weighed = finiteWeighed(ev.Weighed)
	out.Evidence = &ev
	return &out
}
