package evaluator

import (
	"cmp"
	"math"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// rollbackAll rolls the run back if a rule has fired.
func (s *stepper) rollbackAll() {
	if f := s.st.fired; f != nil && s.st.run.judged() {
		s.rollBack(opinion{rules.Rollback, f.Cause, fact.Why{Code: fact.WhyRuleFired, Rule: f.Subject}, f.N}, f.Phase, f.Notify)
	}
}

// rollBack rolls the run back: first the run, then its phases. It goes back to
// the event that is State.fired.
func (s *stepper) rollBack(o opinion, phase string, notify []string) {
	s.end(rules.RolledBack, o, fact.Event{Phase: phase, Notify: notify})
}

// end brings an undecided run to an end: first the run, then what its phases and
// their gates say.
func (s *stepper) end(to rules.State, o opinion, e fact.Event) {
	s.setRun(to, o, e)
	for k := range s.st.phases {
		ph := &s.st.phases[k]
		if ph.state == rules.Waiting || ph.state == rules.Monitoring {
			s.decide(k, to, o)
			continue
		}
		s.verdict(k, o)
	}
}

// setRun moves the run. The event is made only if the state that people see
// changes.
func (s *stepper) setRun(to rules.State, o opinion, e fact.Event) {
	run := &s.st.run
	from := run.shown()
	run.state, run.verdict, run.cause, run.why = to, o.verdict, o.cause, o.why
	run.accused = to == rules.Failed && s.accused()
	if run.shown() == from {
		return
	}
	e.Kind, e.Subject, e.From, e.To, e.Cause, e.Why = fact.RunEvent, s.plan.Name, from.String(), run.shown().String(), o.cause, o.why
	s.emit(e, o.root)
}

// judgeRun puts the phases together.
func (s *stepper) judgeRun() {
	if s.settledRun() {
		return
	}
	state, o := s.runOpinion()
	var e fact.Event
	if state == rules.Passed {
		e.Totals = s.totals()
	}
	s.setRun(state, o, e)
}

// tallied is where the phases of a run stand.
type tallied struct {
	passed, begun, open int
	last                int64 // when the last window ends of those that have begun
	failed, unknown     int   // the first such phase, -1 for none
}

func (s *stepper) tallyPhases() tallied {
	t := tallied{last: math.MinInt64, failed: -1, unknown: -1}
	for k := range s.st.phases {
		ph := &s.st.phases[k]
		if ph.begun {
			t.begun++
			t.last = max(t.last, s.windowEnd(k))
		}
		switch {
		case ph.state == rules.Passed:
			t.passed++
		case ph.state == rules.Failed && t.failed < 0:
			t.failed = k
		case ph.verdict == rules.Unknown && t.unknown < 0:
			t.unknown = k
		case ph.state == rules.Monitoring && ph.verdict != rules.Unknown:
			t.open++
		}
	}
	return t
}

func (s *stepper) runOpinion() (rules.State, opinion) {
	t, n, run := s.tallyPhases(), len(s.st.phases), &s.st.run
	pending := func(w fact.Why) opinion { return opinion{rules.Pending, rules.CauseWindow, w, 0} }
	switch {
	case t.failed >= 0:
		ph := &s.st.phases[t.failed]
		o := opinion{rules.Fail, ph.cause, fact.Why{Code: fact.WhyPhaseFailed, Phase: s.plan.Phases[t.failed].Name}, ph.root}
		if t.open == 0 {
			return rules.Failed, o
		}
		return rules.Monitoring, o
	case t.passed == n && run.held:
		return rules.Monitoring, s.st.heldOpinion()
	case t.passed == n && s.at >= t.last:
		return rules.Passed, opinion{rules.Pass, s.st.passedCause(), fact.Why{Code: fact.WhyAllPassed, Of: n}, 0}
	case t.passed == n:
		return rules.Monitoring, pending(fact.Why{Code: fact.WhyWatchedOn, Of: n, Until: series.When(t.last)})
	case t.unknown >= 0:
		c := s.st.phases[t.unknown].cause
		return rules.Monitoring, opinion{rules.Unknown, c, fact.Why{Code: fact.WhyPhaseUnknown, Phase: s.plan.Phases[t.unknown].Name, Cause: c}, 0}
	case t.begun == 0 && s.at < s.lay.Start:
		return rules.Waiting, pending(fact.Why{Code: fact.WhyNotBegun, Until: series.When(s.lay.Start)})
	case run.held:
		return rules.Monitoring, s.st.heldOpinion()
	case t.begun == 0:
		why := cmp.Or(s.st.keeps(s.plan, 0), &fact.Why{Code: fact.WhyNoPhase})
		return rules.Monitoring, opinion{rules.Pending, cmp.Or(why.Cause, rules.CauseWindow), *why, 0}
	}
	k := s.st.current()
	return rules.Monitoring, pending(fact.Why{Code: fact.WhyUnderWay, N: t.passed, Of: n, Phase: s.plan.Phases[k].Name, State: s.st.phases[k].state.String()})
}

// passedCause is that of a run whose phases have all passed: evidence where any
// of them has by that.
func (st *State) passedCause() rules.Cause {
	for k := range st.phases {
		if st.phases[k].cause == rules.CauseEvidence {
			return rules.CauseEvidence
		}
	}
	return rules.CauseThreshold
}
