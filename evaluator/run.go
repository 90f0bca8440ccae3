package evaluator

import (
	"fmt"
	"math"
	"slices"

	"github.com/relgate/relgate/rules"
)

// rollbackAll takes the run back if a rule has fired.
func (s *stepper) rollbackAll() {
	if s.st.fired == nil || s.settledRun() {
		return
	}
	f := s.st.fired
	s.takeBack(f.Cause, fmt.Sprintf("rollback rule %s: %s", f.Subject, f.Reason), f)
}

// takeBack rolls the run back: first the run, then its phases.
func (s *stepper) takeBack(c rules.Cause, reason string, fired *Event) {
	e := Event{Kind: RunEvent, Subject: s.plan.Name, To: rules.RolledBack.String(), Cause: c, Reason: reason}
	if fired != nil {
		e.Phase, e.Evidence, e.Owner, e.Action, e.Command = fired.Phase, fired.Evidence, fired.Owner, fired.Action, fired.Command
		e.Notify, e.By, e.Why = fired.Notify, fired.By, fired.Why
	}
	if e := s.setRun(rules.RolledBack, rules.Rollback, e); s.st.fired == nil && e != nil {
		c := *e // a person took it back: that is the event of the rollback
		s.st.fired = &c
	}
	for k := range s.st.phases {
		ph := &s.st.phases[k]
		if ph.state == rules.Waiting || ph.state == rules.Monitoring {
			s.decide(k, rules.RolledBack, rules.Rollback, c, reason)
			continue
		}
		s.verdict(k, rules.Rollback, c, reason)
	}
}

// setRun moves the run. The event is made only if the state that people see
// changes; nil when not.
func (s *stepper) setRun(to rules.State, v rules.Verdict, e Event) *Event {
	run := &s.st.run
	from := run.shown()
	run.state, run.verdict, run.cause, run.reason = to, v, e.Cause, e.Reason
	if run.shown() == from {
		return nil
	}
	e.Kind, e.Subject, e.From, e.To = RunEvent, s.plan.Name, from.String(), run.shown().String()
	return s.emit(e)
}

// shown is the state with the hold in it.
func (r *runState) shown() rules.State {
	if r.held && (r.state == rules.Waiting || r.state == rules.Monitoring) {
		return rules.Held
	}
	return r.state
}

// judgeRun puts the phases together.
func (s *stepper) judgeRun() {
	if s.settledRun() {
		return
	}
	state, o := s.runOpinion()
	e := Event{Cause: o.cause, Reason: o.reason}
	if state == rules.Passed {
		e.Totals = s.totals()
	}
	s.setRun(state, o.verdict, e)
}

func (s *stepper) runOpinion() (rules.State, opinion) {
	var passed, begun, open int
	var failed, unknown *phaseState
	var names [2]string
	last := int64(math.MinInt64)
	for k := range s.st.phases {
		ph := &s.st.phases[k]
		if ph.begun {
			begun++
			last = max(last, s.windowEnd(k))
		}
		switch {
		case ph.state == rules.Passed:
			passed++
		case ph.state == rules.Failed && failed == nil:
			failed, names[0] = ph, s.plan.Phases[k].Name
		case ph.verdict == rules.Unknown && unknown == nil:
			unknown, names[1] = ph, s.plan.Phases[k].Name
		case ph.state == rules.Monitoring && ph.verdict != rules.Unknown:
			open++
		}
	}
	return s.runVerdict(passed, begun, open, last, failed, unknown, names)
}

func (s *stepper) runVerdict(passed, begun, open int, last int64, failed, unknown *phaseState, names [2]string) (rules.State, opinion) {
	running := rules.Monitoring
	switch {
	case failed != nil && open == 0:
		return rules.Failed, opinion{rules.Fail, failed.cause, fmt.Sprintf("phase %s has failed: %s", names[0], failed.reason)}
	case failed != nil:
		return running, opinion{rules.Fail, failed.cause, fmt.Sprintf("phase %s has failed: %s", names[0], failed.reason)}
	case passed == len(s.st.phases) && s.at >= last:
		return rules.Passed, s.st.passedOpinion(s.plan)
	case passed == len(s.st.phases):
		return running, opinion{rules.Pending, rules.CauseWindow, fmt.Sprintf("%s; watched until %s", passedWords(s.plan), when(last).Format(clock))}
	case unknown != nil:
		reason := fmt.Sprintf("phase %s could not be judged: %s", names[1], causeWords(unknown.cause))
		if s.st.run.held && s.st.run.heldWhy != "" {
			reason += "; " + s.st.heldOpinion().reason
		}
		return running, opinion{rules.Unknown, unknown.cause, reason}
	case begun == 0 && s.at < s.lay.start:
		return rules.Waiting, opinion{rules.Pending, rules.CauseWindow, fmt.Sprintf("the release begins at %s", when(s.lay.start).Format(clock))}
	}
	if s.st.run.held && s.st.run.heldFor != rules.CauseNone {
		return running, s.st.heldOpinion()
	}
	if begun == 0 {
		return running, opinion{rules.Pending, rules.CauseWindow, "no phase has begun"}
	}
	k := s.st.current()
	reason := fmt.Sprintf("phase %s is %s", s.plan.Phases[k].Name, s.st.phases[k].state)
	if n := len(s.st.phases); n > 1 {
		reason = fmt.Sprintf("%d of %d phases have passed, %s", passed, n, reason)
	}
	return running, opinion{rules.Pending, rules.CauseWindow, reason}
}

// passedOpinion is that of a run whose phases have all passed: by evidence where
// any of them has.
func (st *State) passedOpinion(plan *rules.Plan) opinion {
	o := opinion{rules.Pass, rules.CauseThreshold, passedWords(plan)}
	for k := range st.phases {
		if st.phases[k].cause == rules.CauseEvidence {
			o.cause = rules.CauseEvidence
		}
	}
	return o
}

func passedWords(plan *rules.Plan) string {
	if n := len(plan.Phases); n != 1 {
		return fmt.Sprintf("all %d phases have passed", n)
	}
	return fmt.Sprintf("phase %s has passed", plan.Phases[0].Name)
}

// communications that come more than this late are not sent any more.
const latest = 60 * 60

// communicate makes messages due on the plan's clock.
func (s *stepper) communicate() {
	owned := false
	for i := range s.plan.Communications {
		c := &s.plan.Communications[i]
		due := s.lay.start + secs(c.At)
		if s.st.comms[i] != commWaiting || s.at < due {
			continue
		}
		if !owned {
			s.st.comms, owned = slices.Clone(s.st.comms), true
		}
		to, reason := commDue, fmt.Sprintf("%s: %s", c.Channel, c.Text)
		switch v := s.st.run.verdict; {
		case v == rules.Rollback || v == rules.Fail:
			to, reason = commSkipped, fmt.Sprintf("not sent to %s: the run's verdict is %s", c.Channel, v)
		case s.at > due+latest:
			to, reason = commSkipped, fmt.Sprintf("not sent to %s: it was due at %s, %s ago", c.Channel, when(due).Format(clock), span(s.at-due))
		}
		s.st.comms[i] = to
		s.emit(Event{
			Kind: CommunicationEvent, Subject: c.Name, From: commNames[commWaiting], To: commNames[to],
			Reason: reason, Notify: c.Notify,
		})
	}
}
