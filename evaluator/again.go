package evaluator

import (
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// AskAgain is Wants after a restart, a reload or an edit of the plan: a source that
// asked to be left alone is asked now. The reason may be gone, and who looks after
// the plan waits for the answer. A source that only failed keeps its distance.
func AskAgain(plan *rules.Plan, state *State, now time.Time) []fact.Want {
	return Woken(plan, state, now, nil, true)
}

// Woken is Wants after something was pushed that the signals of these names tell: they are
// asked now, with what tells the same. A source that fails keeps its distance. Where it is
// also the first tick after a restart, a reload or an edit, again is set: see [AskAgain].
func Woken(plan *rules.Plan, state *State, now time.Time, names []string, again bool) []fact.Want {
	st := fit(plan, state)
	woken := *st
	woken.Signals = st.Woken(plan, names, now.Unix(), again)
	return Wants(plan, &woken, now)
}
