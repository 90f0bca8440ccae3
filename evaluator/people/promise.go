package people

import (
	"math"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// promised is until when a run is not late. A phase begins with a tick, and waits for data
// beyond its window as long as extend allows: a good run of a plan that counts neither in is
// not to be called late in each release.
func promised(plan *rules.Plan) int64 {
	var wait int64
	for i := range plan.Phases {
		wait = max(wait, secs(plan.Phases[i].Extend))
	}
	return plan.Completion.Unix() + secs(plan.Interval) + wait
}

// tickPromise says once that the run cannot be complete when its plan expects it.
func (w *work) tickPromise() {
	if w.Over || !w.Plan.Promised || w.st.past&overdue != 0 {
		return
	}
	end := w.End()
	if end <= promised(w.Plan) {
		return
	}
	w.own().past |= overdue
	k := w.latest()
	w.Emit(fact.Event{
		Kind: fact.PlanEvent, Subject: w.Plan.Name, To: fact.Late, Tell: tell(w.Plan, false, w.Plan.Manager),
		Why: fact.Why{
			Code: fact.WhyLate, Phase: w.Plan.Phases[k].Name, State: w.Phases[k].State.String(),
			Since: w.Plan.Completion.UTC(), Until: when(end),
		},
	})
}

// latest is the phase that is latest: by when it began, or by now.
func (w *work) latest() int {
	found, most := 0, int64(math.MinInt64)
	for k := range w.Phases {
		began := w.Phases[k].Started
		if began == 0 {
			began = w.At
		}
		if by := began - w.Start - secs(w.Plan.Phases[k].Start); by > most {
			found, most = k, by
		}
	}
	return found
}

// slips is the earliest time at which the run cannot be complete in time any more, as far as
// time alone decides it: while a phase waits beyond its time, the end moves with the clock.
func (st *State) slips(plan *rules.Plan, at, start, end int64, over bool, phases []Phase) int64 {
	if over || !plan.Promised || st.past&overdue != 0 {
		return math.MaxInt64
	}
	for k := range phases {
		if phases[k].State == rules.Waiting && phases[k].Started == 0 && at >= start+secs(plan.Phases[k].Start) {
			return max(at, at+promised(plan)-end) + 1
		}
	}
	return math.MaxInt64
}
