package evaluator

import (
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/rules"
)

// rollbackWatch puts into w what a rollback rule watches.
func (st *State) rollbackWatch(w *judge.Watch, i int) {
	rs := &st.rules[i]
	named, part, steady := st.Lay.Phases(i), 0., rs.since
	for _, k := range named {
		if ph := &st.phases[k]; ph.begun {
			part, steady = st.Lay.Plan.Phases[k].Traffic, ph.started
		}
	}
	var starts []int64
	if st.Lay.Rules[i].Weigh != nil {
		for _, k := range named {
			if ph := &st.phases[k]; ph.begun && ph.started > rs.since {
				starts = append(starts, ph.started)
			}
		}
		slices.Sort(starts)
	}
	st.Scene.RollbackWatch(w, i, rs.since, starts, part)
	w.Steady = steady
	w.Was, w.Idle, w.Prev = rs.Place, !rs.active, math.MaxInt64
}

// ground is why a rollback rule is in its state. The evidence beside it says the
// rest. One that would hold a run that has ended says so.
func (rs *ruleState) ground(run rules.State) fact.Why {
	switch {
	case rs.State == judge.Holding && Decided(run):
		return fact.Why{Code: fact.WhyMeasured, State: run.String()}
	case rs.State == judge.Idle && !rs.active:
		return fact.Why{Code: fact.WhyNotWatched}
	case rs.Unseen:
		return judge.Sighting(rs.State == judge.Silent)
	case rs.State == judge.Idle:
		return fact.Why{Code: fact.WhyNoDataYet}
	case rs.State == judge.Silent || rs.State == judge.WouldFire && rs.silent != 0:
		return fact.Why{Code: fact.WhyCannotJudge, Cause: rs.Cause, N: int(rs.would)}
	case rs.State == judge.WouldFire:
		return fact.Why{Code: fact.WhyMeasured, N: int(rs.would)}
	}
	return fact.Why{Code: fact.WhyMeasured}
}

// judgedView judges a success rule as it stands.
func (s *stepper) judgedView(k, i int) judge.Finding {
	w := s.st.SuccessWatch(k, i, s.st.phases[k].started)
	return s.st.proven(k, i, &w)
}

// proven judges a success rule of a phase that has begun.
func (st *State) proven(k, i int, w *judge.Watch) judge.Finding {
	m := st.phases[k].success[i].Memory
	return st.Lay.Rules[st.Lay.Plan.Phases[k].Success[i]].Judge.Prove(&st.Scene, w, &m)
}

// found is the evidence for what a success rule says.
func (st *State) found(k, i int, v *judge.Finding) fact.Evidence {
	w := st.SuccessWatch(k, i, st.phases[k].started)
	return st.Lay.Rules[st.Lay.Plan.Phases[k].Success[i]].Judge.Found(&st.Scene, &w, v)
}
