package evaluator

import (
	"math"
	"time"

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
	if !st.begun {
		return when(0)
	}
	if st.at == st.run.begun {
		return when(st.at) // the tick that began it took commands, and judged nothing
	}
	lay := st.layoutOf(plan)
	next := int64(math.MaxInt64)
	if !Decided(st.run.state) {
		next = min(st.nextQuestion(plan, lay), st.nextPhase(plan, lay))
		for _, i := range lay.roll {
			if rs := &st.rules[i]; rs.active && rs.state != codeFired {
				next = min(next, rs.next)
			}
		}
	}
	for i := range plan.Communications {
		if st.comms[i] == commWaiting {
			next = min(next, lay.start+secs(plan.Communications[i].At))
		}
	}
	return when(max(min(next, farthest), st.at))
}

// nextQuestion is when Wants may give something.
func (st *State) nextQuestion(plan *rules.Plan, lay *layout) int64 {
	if !st.watched(plan, lay, st.at) {
		return math.MaxInt64
	}
	next := int64(math.MaxInt64)
	for i, need := range st.needs(lay, st.at) {
		if need != unneeded {
			next = min(next, st.signals[i].next)
		}
	}
	return next
}

// nextPhase is when a phase may begin, be asked for, or be decided without news.
func (st *State) nextPhase(plan *rules.Plan, lay *layout) int64 {
	next := int64(math.MaxInt64)
	if st.at < lay.start {
		next = lay.start
	}
	for k := range plan.Phases {
		ph := &st.phases[k]
		switch ph.state {
		case rules.Waiting:
			start := lay.start + secs(plan.Phases[k].Start)
			switch {
			case !clocked(plan, k):
			case st.at < start-lead:
				next = min(next, start-lead)
			case st.at < start:
				next = min(next, start)
			default:
				return st.at // what keeps it may go at any tick
			}
		case rules.Monitoring:
			end := st.windowEnd(plan, k)
			if st.at >= end {
				return st.at
			}
			next = min(next, end)
			for i := range ph.success {
				next = min(next, ph.success[i].next)
			}
		case rules.Passed:
			if end := st.windowEnd(plan, k); st.at < end {
				next = min(next, end)
			}
		}
	}
	return next
}
