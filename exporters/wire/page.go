package wire

import (
	"maps"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Plan is a whole run, phase by phase as their gates say. answer gives what the gate
// of a phase says now, run what that of the whole run says.
func (c *Site) Plan(v *RunView, run Answer, answer func(k int) Answer) PlanBody {
	s := &v.Snapshot
	b := PlanBody{
		APIVersion: APIVersion, Plan: s.Plan, Title: s.Title, Version: v.Plan.Version, Manager: s.Manager,
		Sequence: s.Seq, Generation: s.Generation,
		Headline: run.Headline, Sentence: run.Sentence, Detail: lines(run.Detail), Do: doOf(&run.Text),
		Run: runOf(v), Stale: run.Stale, Current: currentName(s), IntervalSeconds: s.Interval.Seconds(),
		Start: at(s.Start), End: at(s.End), Horizon: at(s.Horizon), EvaluatedAt: at(s.At),
		Phases: make([]Body, len(s.Phases)), Rollback: make([]Rule, len(s.Rollback)), Signals: make([]Signal, len(s.Signals)),
		People: PeopleOf(v), Effects: EffectsOf(&v.Snapshot),
		Links: Links{Self: c.Link("v1", "plans", s.Plan) + about(v.ID(), v.Plan.Version), Run: c.runLink(v.ID())},
	}
	b.ExpiresAt, b.NextEvaluationAt = times(s, s.Over)
	for k := range s.Phases {
		b.Phases[k] = c.Body(v, new(answer(k)))
	}
	for i := range s.Rollback {
		b.Rollback[i] = ruleOf(v, &s.Rollback[i])
	}
	for i := range s.Signals {
		b.Signals[i] = signalOf(&s.Signals[i])
	}
	if s.Fired != nil {
		b.Fired = new(Event(v.Plan, s.Fired, nil))
	}
	return b
}

func signalOf(v *fact.SignalView) Signal {
	out := Signal{
		Name: v.Name, Source: v.Source, Unit: v.Unit.String(), Derived: v.Derived,
		Newest: at(v.Newest), Settled: at(v.Settled), Asked: at(v.Asked), NextAsk: at(v.NextAsk),
		Fault: v.Fault.String(), Detail: v.Detail, Failures: v.Failures,
	}
	if v.Known {
		out.Value, out.Samples = number(v.Value, v.Unit), count(v.Samples)
	}
	return out
}

// Summary is a plan in a list. v is its newest run, nil while there is none.
func (c *Site) Summary(plan, title, version string, template bool, file File, v *RunView, stale bool) PlanSummary {
	out := PlanSummary{
		Plan: plan, Title: title, Template: template, Version: version, File: file, Stale: stale,
		Links: Links{Self: c.Link("v1", "plans", plan)},
	}
	if v != nil {
		s := &v.Snapshot
		out.Run, out.Current, out.Generation, out.EvaluatedAt = new(runOf(v)), currentName(s), s.Generation, at(s.At)
		out.Links.Run = c.runLink(v.ID())
	}
	return out
}

// Record is a run in a list, as the journal has it.
func (c *Site) Record(r *fact.RunRecord) RunSummary {
	out := RunSummary{
		ID: r.ID, Plan: r.Plan, Version: r.Version, Try: r.Try, Start: at(r.Start), Begun: at(r.Begun),
		State: r.State.String(), Verdict: r.Verdict.String(), DecidedAt: at(r.Decided), Over: r.Over, Generation: r.N, EvaluatedAt: at(r.At),
		Parameters: parameters(r.Parameters), Previous: previous(r.Previous),
		Links: Links{Self: c.Link("v1", "runs", r.ID), Run: c.runLink(r.ID)},
	}
	if r.Digest != "" {
		out.Digest.SHA256 = &r.Digest
	}
	return out
}

// Run is a run with what has happened in it; the events are in order.
func (c *Site) Run(page PlanBody, plan *rules.Plan, events []EventBody, more bool) RunBody {
	page.Links.Self = c.Link("v1", "runs", plan.Binding.Run)
	b := RunBody{
		PlanBody: page, Parameters: parameters(plan.Binding.Parameters), Previous: previous(plan.Binding.Previous),
		Commands: []EventBody{}, Amendments: []EventBody{}, Events: append([]EventBody{}, events...), More: more,
	}
	for _, e := range events {
		switch fact.EventKind(e.Kind) {
		case fact.CommandEvent:
			b.Commands = append(b.Commands, e)
		case fact.PlanEvent:
			if e.To == "edited" { // the other one says that relgate was upgraded
				b.Amendments = append(b.Amendments, e)
			}
		}
	}
	return b
}

func parameters(in map[string]string) map[string]string {
	out := maps.Clone(in)
	if out == nil {
		out = map[string]string{}
	}
	return out
}

func previous(p rules.Previous) Previous {
	return Previous{Version: p.Version, Parameters: parameters(p.Parameters)}
}
