package evaluator

import (
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/rules"
)

// AskAgain is Wants after a restart, a reload or an edit of the plan: a source that
// asked to be left alone is asked now. The reason may be gone, and who looks after
// the plan waits for the answer. A source that only failed keeps its distance.
func AskAgain(plan *rules.Plan, state *State, now time.Time) []fact.Want {
	return Woken(plan, state, now, nil, true)
}

// pollAgain is how long ago, in seconds, a source must have been asked for a signal before
// a push makes relgate ask it again ahead of time.
const pollAgain = 10

// Woken is Wants after something was pushed that the signals of these names tell: they are
// asked now, with what tells the same. A source that fails keeps its distance. Where it is
// also the first tick after a restart, a reload or an edit, again is set: see [AskAgain].
func Woken(plan *rules.Plan, state *State, now time.Time, names []string, again bool) []fact.Want {
	st := fit(plan, state)
	woken := *st
	woken.Signals = slices.Clone(st.Signals)
	for i := range woken.Signals {
		if again {
			woken.Signals[i].AskAgain()
		}
	}
	pushed, polled := judge.ToldBy(plan, names)
	for _, i := range polled {
		if s := &woken.Signals[i]; s.Fails == 0 && s.Asked+pollAgain <= now.Unix() {
			s.Next = 0
		}
	}
	for _, i := range pushed {
		woken.Signals[i].Next = 0
	}
	return Wants(plan, &woken, now)
}
