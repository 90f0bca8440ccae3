package evaluator

import (
	"math"
	"time"

	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// Quiet gives the earliest time from which on a tick may change anything by
// itself: a question falls due, or something that time alone decides. A tick
// before it that brings neither reading nor command gives no event, and the
// ticks after it give the same events whether it was there or not. It is never
// before the newest tick.
//
// A run that is decided and has no message to tell needs no more ticks, unless a
// command comes: the time is in the far future then. The daemon ticks a run under way
// all the same, so that its journal shows that it was alive; a backtest may leave such
// ticks out.
func Quiet(plan *rules.Plan, state *State) time.Time {
	st := fit(plan, state)
	if st.judging == 0 {
		return series.When(0)
	}
	if st.At == st.run.begun {
		return series.When(st.At) // the tick that began it took commands, and judged nothing
	}
	lay := st.Lay
	end, horizon := st.ends(plan, lay)
	next := st.nextQuestion(plan, lay)
	if st.run.judged() {
		if Decided(st.run.state) {
			next = min(next, horizon+afterlife)
		} else {
			next = min(next, st.nextPhase(plan, lay))
		}
		for _, i := range lay.Roll {
			if rs := &st.rules[i]; rs.active && rs.State != judge.Fired {
				next = min(next, rs.next)
			}
		}
	}
	if !people.None(plan) {
		next = min(next, st.people.Next(plan, st.At, lay.Start, end, Decided(st.run.state), st.phasesForPeople(plan)))
	}
	return series.When(max(min(next, stored.Farthest), st.At))
}

// nextQuestion is when Wants may give something.
func (st *State) nextQuestion(plan *rules.Plan, lay *judge.Layout) int64 {
	if !st.watched(plan, lay, st.At) {
		return math.MaxInt64
	}
	next := int64(math.MaxInt64)
	for i, need := range st.needs(lay, st.At) {
		if need != judge.Unneeded {
			next = min(next, st.Signals[i].Next)
		}
	}
	return next
}

// nextPhase is when a phase may begin, be asked for, or be decided without news.
func (st *State) nextPhase(plan *rules.Plan, lay *judge.Layout) int64 {
	next := int64(math.MaxInt64)
	if st.At < lay.Start {
		next = lay.Start
	}
	for k := range plan.Phases {
		ph := &st.phases[k]
		next = ph.rollout.Next(&plan.Phases[k], next)
		switch ph.state {
		case rules.Waiting:
			start := lay.Start + series.Secs(plan.Phases[k].Start)
			switch {
			case plan.Phases[k].Advance == rules.Observed:
				next = min(next, max(st.At, lay.Start)) // what keeps it may go at any tick
			case !plan.Clocked(k):
			case st.At < start-lead:
				next = min(next, start-lead)
			case st.At < start:
				next = min(next, start)
			default:
				return st.At // what keeps it may go at any tick
			}
		case rules.Monitoring:
			end := st.windowEnd(plan, k)
			if st.At >= end {
				return st.At
			}
			next = min(next, end)
			for i := range ph.success {
				next = min(next, ph.success[i].next)
			}
		case rules.Passed:
			if end := st.windowEnd(plan, k); st.At < end {
				next = min(next, end)
			}
		}
	}
	return next
}
