package evaluator

import (
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Step gives the state after a tick, and what changed. It changes neither
// argument and keeps no reference to the tick. A tick that is earlier than the
// one before counts as at the same time.
//
// The order within a tick is fixed: the run's beginning, another judging, an edit
// of its plan, commands, readings, phases that are due, rollback rules, phases, the run,
// people.
func Step(plan *rules.Plan, state *State, tick fact.Tick) (*State, []fact.Event) {
	s := newStepper(plan, state, tick)
	s.take(&tick)
	if tick.Begin != nil && len(tick.Readings) == 0 {
		return s.st, s.events // no source has been asked yet: silence means nothing
	}
	if s.revived {
		s.judgeRollback()
		s.rollbackAll()
	}
	s.startDue()
	s.compareShares()
	s.judgeRollback()
	s.resumeItself()
	s.judgePhases()
	s.judgeRun()
	s.compareShares() // what has begun or was decided since is not looked at any more
	if !people.None(s.plan) {
		s.st.people = s.st.people.Tick(s.scene(0))
		s.carriedOut()
	}
	return s.st, s.events
}

// take takes in what a tick brings.
func (s *stepper) take(tick *fact.Tick) {
	if s.st.judging == 0 {
		s.st.Past = judge.PoolAll(s.plan, tick.Past)
		s.begin(tick.Begin)
	}
	s.judgedBy(tick.JudgedBy())
	s.edited(tick.Edit)
	for i := range tick.Commands {
		s.command(&tick.Commands[i])
	}
	for i := range tick.Results {
		s.st.people = s.st.people.Result(s.scene(0), &tick.Results[i])
	}
	s.readings(tick.Readings)
}

// begin says that a run begins.
func (s *stepper) begin(b *fact.Begun) {
	if b == nil {
		return
	}
	s.st.run.begun, s.st.run.by = s.at, b.By
	s.st.people = s.st.people.Begun(s.plan, b)
	bound := &s.plan.Binding
	s.emit(fact.Event{
		Kind: fact.RunEvent, Subject: s.plan.Name, From: "", To: s.st.run.shown().String(), Cause: s.st.run.cause,
		Why: fact.Why{Code: fact.WhyRunBegun, Until: s.plan.Start.UTC(), By: b.By, Text: b.Why}, By: b.By, Principal: b.Principal,
		Begun: &fact.Release{
			Start: s.plan.Start.UTC(), Try: bound.Try, Parameters: bound.Parameters, Previous: bound.Previous, Supersedes: b.Supersedes,
		},
	}, 0)
}

// edited says that the plan in force was changed.
func (s *stepper) edited(e *fact.Edit) {
	if e == nil {
		return
	}
	own := *e
	own.Changes = slices.Clone(e.Changes)
	s.emit(fact.Event{
		Kind: fact.PlanEvent, Subject: s.plan.Name, From: e.From[:min(len(e.From), 12)], To: "edited", Cause: rules.CauseManual,
		Why: fact.Why{Code: fact.WhyPlanEdited}, Edit: &own,
	}, 0)
	s.st.people = s.st.people.Edited(s.scene(s.st.n))
}

// readings merges what the sources answered.
func (s *stepper) readings(readings []rules.Reading) {
	if len(readings) == 0 {
		return
	}
	s.dirty = make([]int64, len(s.plan.Signals))
	s.st.Signals, s.ownSignals = slices.Clone(s.st.Signals), true
	needed := s.st.windowNeeds(s.lay)
	for i := range readings {
		rd := &readings[i]
		if rd.Signal < 0 || rd.Signal >= len(s.plan.Signals) {
			continue
		}
		s.reading(rd, needed.Of(rd.Signal))
	}
}

func (s *stepper) reading(rd *rules.Reading, needed int64) {
	i := rd.Signal
	sig, was := &s.plan.Signals[i], s.st.Signals[i].Fault
	next, changed := s.st.Signals[i].Merge(sig, &s.lay.Signals[i], rd, s.at, needed)
	s.st.Signals[i] = next
	if d := &s.dirty[i]; *d == 0 || changed < *d-1 {
		*d = changed
		if changed != series.HealthOnly {
			*d = changed + 1
		}
	}
	if was != rd.Fault {
		s.emit(fact.Event{
			Kind: fact.SignalEvent, Subject: sig.Name, From: fact.FaultName(was), To: fact.FaultName(rd.Fault),
			Cause: judge.FaultCause(rd.Fault), Why: fact.SignalWhy(rd),
		}, 0)
	}
}
