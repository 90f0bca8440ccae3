package evaluator

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// Outline is where a run as a whole stands: what a list of runs shows.
type Outline struct {
	At      time.Time     // newest tick; zero before the first
	N       uint64        // events so far
	State   rules.State   //
	Verdict rules.Verdict //
	Over    bool          // nothing is expected of anyone any more: see Snapshot.Over
	Idle    bool          // no tick can change the run, unless a command comes with it
}

// Outlined tells where a run stands without looking at its phases and rules.
func Outlined(plan *rules.Plan, state *State) Outline {
	st := fit(plan, state)
	o := Outline{N: st.n, State: st.run.shown(), Verdict: st.run.verdict, Over: st.runOver()}
	if st.begun {
		o.At = when(st.at)
		o.Idle = !Quiet(plan, state).Before(when(farthest))
	}
	return o
}

// Decided reports whether a state of a run is one that only a command can move.
func Decided(s rules.State) bool {
	switch s {
	case rules.Passed, rules.Failed, rules.RolledBack, rules.Superseded:
		return true
	}
	return false
}

func (s *State) runOver() bool {
	return s.run.done || Decided(s.run.state) && s.run.state != rules.RolledBack
}
