package evaluator

import (
	"cmp"
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// follow gives the state after a tick that an older judging stepped: what it decided
// then, as its events say, whatever this program would make of the same data.
func follow(plan *rules.Plan, state *State, k fact.Kept) *State {
	s := newStepper(plan, state, k.Tick)
	s.followed = k.Events
	s.take(&k.Tick)
	for i := len(s.events); i < len(k.Events); i++ {
		e := &k.Events[i]
		s.st.n = e.N - 1
		s.decided(e)
		s.st.n = e.N
	}
	s.st.people = s.st.people.Remember(plan, k.Events)
	s.fold()
	return s.st
}

// fold takes into the memories of the rules what has settled, as their judges do at
// each look.
func (s *stepper) fold() {
	for _, i := range s.lay.Weighing {
		if rs := s.rule(int(i)); rs.active {
			s.st.rollbackWatch(&s.watch, int(i))
			s.lay.Rules[i].Judge.Fold(&s.st.Scene, &s.watch, &rs.Memory)
		}
	}
	s.eachWatched(func(k int) {
		p, ph := &s.plan.Phases[k], &s.st.phases[k]
		ph.success = slices.Clone(ph.success)
		for i := range ph.success {
			w := s.st.SuccessWatch(k, i, ph.started)
			s.lay.Rules[p.Success[i]].Judge.Fold(&s.st.Scene, &w, &ph.success[i].Memory)
		}
		s.countWindow(k)
	})
}

// decided takes over what an event says was decided. A command has done its part
// already.
func (s *stepper) decided(e *fact.Event) {
	var to rules.State
	_ = to.UnmarshalText([]byte(e.To)) // other kinds of events lead to no such state
	o := opinion{fact.VerdictOf(to), e.Cause, e.Why, fact.Ordinal(e.Because)}
	k := slices.IndexFunc(s.plan.Phases, func(p rules.Phase) bool { return p.Name == cmp.Or(e.Phase, e.Subject) })
	switch {
	case e.Kind == fact.RunEvent && to == rules.Held:
		s.hold(true, e.Why, e.Evidence, fact.Event{Phase: e.Phase, Cause: e.Cause}, o.root)
	case e.Kind == fact.RunEvent && e.To == fact.Over:
		s.st.run.accused = false
	case e.Kind == fact.RunEvent:
		s.setRun(to, o, fact.Event{})
	case e.Kind == fact.CommunicationEvent, e.Kind == fact.ApprovalEvent, e.Kind == fact.ReviewEvent, e.Kind == fact.EffectEvent, e.Kind == fact.PlanEvent:
		s.st.people = s.st.people.Follow(s.plan, e)
	case e.Kind == fact.RuleEvent && slices.Contains(fact.RuleStates(), fact.RuleState(e.To)):
		s.stood(e)
	case k < 0:
	case e.Kind == fact.RolloutEvent:
		s.st.phases[k].rollout = s.st.phases[k].rollout.Follow(e)
	case e.Kind == fact.PhaseEvent && to == rules.Monitoring:
		s.start(k, e.Why.Until.Unix()-series.Secs(s.plan.Phases[k].Window), e.Why, o.root)
	case e.Kind == fact.PhaseEvent:
		s.decide(k, to, o)
	case e.Kind == fact.VerdictEvent:
		_ = o.verdict.UnmarshalText([]byte(e.To))
		if o.verdict != rules.Pending || s.st.phases[k].decided == 0 { // else a hold has closed its gate
			s.verdict(k, o)
		}
	case e.Kind == fact.RuleEvent:
		s.found(k, e)
	}
}

// stood takes over where a rollback rule stood.
func (s *stepper) stood(e *fact.Event) {
	for _, i := range s.lay.Roll {
		if s.plan.Rules[i].Name != e.Subject {
			continue
		}
		rs := s.rule(int(i))
		from := rs.State
		rs.State, rs.Cause, rs.silent = judge.State(slices.Index(fact.RuleStates(), fact.RuleState(e.To))), e.Cause, 0
		switch {
		case rs.State == judge.Fired:
			s.fire(int(i), from, e.Cause, *cmp.Or(e.Evidence, new(fact.Evidence)), e.Why)
		case rs.State == judge.Silent:
			rs.silent = s.at
		}
	}
}

// found takes over what a success rule said of the window of a phase.
func (s *stepper) found(k int, e *fact.Event) {
	ph := &s.st.phases[k]
	ph.success = slices.Clone(ph.success)
	for i := range ph.success {
		ss := &ph.success[i]
		if s.plan.Rules[s.plan.Phases[k].Success[i]].Name != e.Subject {
			continue
		}
		_ = ss.verdict.UnmarshalText([]byte(e.To))
		ss.cause, ss.event = e.Cause, e.N
		if ss.verdict == rules.Rollback && s.st.fired == nil {
			s.st.fired = e
		}
	}
}
