package evaluator

import (
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// Outlined tells where a run stands without looking at its phases and rules.
func Outlined(plan *rules.Plan, state *State) fact.Outline {
	st := fit(plan, state)
	o := fact.Outline{N: st.n, State: st.run.shown(), Verdict: st.run.verdict, Over: st.runOver()}
	if st.judging > 0 {
		o.At = series.When(st.At)
		o.Idle = !Quiet(plan, state).Before(series.When(stored.Farthest))
	}
	return o
}
