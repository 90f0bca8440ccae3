package evaluator

import (
	"cmp"

	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

func (s *stepper) windowEnd(k int) int64 { return s.st.windowEnd(s.plan, k) }

func (st *State) windowEnd(plan *rules.Plan, k int) int64 {
	return st.phases[k].started + series.Secs(plan.Phases[k].Window)
}

// heldOpinion is that of a phase, or a run, that nothing keeps from going on but
// the hold.
func (st *State) heldOpinion() opinion {
	return opinion{rules.Pending, st.run.holdCause(), st.run.hold, 0}
}

// holdCause is what a hold rests on.
func (r *runState) holdCause() rules.Cause {
	return cmp.Or(r.hold.Cause, rules.CauseManual)
}

// began is when a phase began, 0 where it has not.
func (s *State) began(k int) int64 { return s.phases[k].started }

// current is the latest phase that has begun, else the first.
func (s *State) current() int {
	for k := len(s.phases) - 1; k >= 0; k-- {
		if s.phases[k].begun {
			return k
		}
	}
	return 0
}

// ends gives when the last window ends, and when the last undecided phase gives
// up waiting for data, as far as is known.
func (s *State) ends(plan *rules.Plan, lay *judge.Layout) (end, horizon int64) {
	end, horizon = lay.Start, lay.Start
	ends := make([]int64, len(plan.Phases)) // :: phase → the end of its window
	for k := range plan.Phases {
		p, ph := &plan.Phases[k], &s.phases[k]
		start := lay.Start + series.Secs(p.Start)
		if ph.begun {
			start = ph.started
		} else if ph.state == rules.Waiting {
			start = max(start, s.At) // it cannot begin in the past
			for i := range k {
				if plan.Follows(k, i) && s.phases[i].state != rules.Passed {
					start = max(start, ends[i])
				}
			}
		}
		if ph.state == rules.Waiting && !ph.begun && s.doomed(k) {
			continue
		}
		e := start + series.Secs(p.Window)
		ends[k] = e
		end = max(end, e)
		if ph.decided == 0 {
			e += series.Secs(p.Extend)
		}
		horizon = max(horizon, e)
	}
	return end, horizon
}

// doomed reports whether a phase that waits cannot begin without a command: one
// before it has failed, or could not be judged in time.
func (s *State) doomed(k int) bool {
	for i := range k {
		if s.phases[i].state == rules.Failed || s.phases[i].verdict == rules.Unknown {
			return true
		}
	}
	return false
}

// Decided reports whether a state of a run is one that only a command can move.
func Decided(s rules.State) bool {
	switch s {
	case rules.Passed, rules.Failed, rules.RolledBack, rules.Superseded:
		return true
	}
	return false
}

// judged reports whether rollback rules are judged: a run that failed is watched on while
// one of them speaks against it.
func (r *runState) judged() bool { return !Decided(r.state) || r.accused }

func (s *State) runOver() bool {
	return (s.run.done || !s.run.judged() && s.run.state != rules.RolledBack) && !s.people.Way().Watches()
}

// shown is the state with the hold in it.
func (r *runState) shown() rules.State {
	if r.held && (r.state == rules.Waiting || r.state == rules.Monitoring) {
		return rules.Held
	}
	return r.state
}

// gateOf is what the gate of a phase says: the verdict of its rules, but no pass
// from a hold until it is resumed, also where the run fails meanwhile.
func (st *State) gateOf(k int) rules.Verdict {
	if v := st.phases[k].verdict; v != rules.Pass || !st.run.held {
		return v
	}
	return rules.Pending
}
