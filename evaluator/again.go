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
	st := fit(plan, state)
	again := *st
	again.Signals = slices.Clone(st.Signals)
	for i := range again.Signals {
		again.Signals[i].AskAgain()
	}
	return Wants(plan, &again, now)
}

// pollAgain is how long ago, in seconds, a source must have been asked for a signal before
// a push makes relgate ask it again ahead of time.
const pollAgain = 10

// Woken is Wants after something was pushed that the signals of these names tell: they are
// asked now, with what tells the same. A source that fails keeps its distance.
func Woken(plan *rules.Plan, state *State, now time.Time, names []string) []fact.Want {
	st := fit(plan, state)
	woken := *st
	woken.Signals = slices.Clone(st.Signals)
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
