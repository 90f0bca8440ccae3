package evaluator

import (
	"time"

	"github.com/relgate/relgate/evaluator/effects"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/rules"
)

// scene is what the people's part sees of the run. The events that it makes go back to
// root, or are roots themselves where that is 0.
func (s *stepper) scene(root uint64) *people.Scene {
	phases := s.st.phasesForPeople(s.plan)
	for i := range phases {
		phases[i].Clear = s.inTheWay(i) == nil
	}
	return &people.Scene{
		Plan: s.plan, At: s.at, Start: s.lay.Start, Run: s.st.run.shown(), Verdict: s.st.run.verdict, Over: s.settledRun(), Phases: phases, Since: s.events, End: func() int64 { end, _ := s.st.ends(s.plan, s.lay); return end },
		Look: func() fact.Snapshot { return Look(s.plan, s.st) },
		Emit: func(e fact.Event) uint64 {
			s.emit(e, root)
			return s.st.n
		},
		Way: effects.Scene{Fault: s.st.faultBegan(), Fired: s.st.firedRules(), Watched: func(i int) bool { return s.st.rules[i].active }, Good: s.st.Safe},
	}
}

// faultBegan is when the fault began that the run was rolled back for, as far as is known.
func (st *State) faultBegan() time.Time {
	if st.fired == nil || st.fired.Evidence == nil {
		return time.Time{}
	}
	return st.fired.Evidence.From
}

func (st *State) firedRules() (list []int) {
	for i := range st.frozen {
		list = append(list, st.frozen[i].rule)
	}
	return list
}

func (st *State) phasesForPeople(plan *rules.Plan) []people.Phase {
	phases := make([]people.Phase, len(plan.Phases))
	for i := range phases {
		phases[i] = people.Phase{State: st.phases[i].state, Started: st.phases[i].started}
	}
	return phases
}

// keeps says which signatures, or what of the way back, keep a phase from beginning.
func (st *State) keeps(plan *rules.Plan, k int) *fact.Why {
	if len(plan.Approvals) == 0 && !plan.WayBack || k >= len(plan.Phases) {
		return nil
	}
	return st.people.Keeps(plan, k, st.At, st.phasesForPeople(plan))
}

func (s *stepper) peopleCommand(c *fact.Command) (func(uint64), *fact.Why) {
	do, refusal := s.st.people.Command(s.scene(0), c)
	if refusal != nil {
		return nil, refusal
	}
	return func(root uint64) { s.st.people = do(s.scene(root)) }, nil
}
