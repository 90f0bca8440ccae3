package evaluator

import (
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
)

// remembered is how many command IDs are kept to recognise a repeated one.
const remembered = 256

// command applies a command, or says why not. One that was applied before is
// passed over in silence: nothing changes.
func (s *stepper) command(c *Command) {
	if c.ID != "" && slices.Contains(s.st.applied, c.ID) {
		return
	}
	do, refusal := s.plans(c)
	to, reason := "applied", ""
	if refusal != "" {
		to, reason = "refused", refusal
	} else {
		reason = fmt.Sprintf("%s by %s: %s", c.Kind, c.By, c.Why)
		if c.ID != "" {
			s.st.applied = append(slices.Clone(s.st.applied[max(0, len(s.st.applied)-remembered+1):]), c.ID)
		}
	}
	s.emit(Event{
		Kind: CommandEvent, Subject: string(c.Kind), Phase: c.Phase, From: "", To: to,
		Cause: rules.CauseManual, Reason: reason, By: c.By, Why: c.Why,
	})
	if refusal == "" {
		do()
	}
}

// plans gives what a command will do, or why it cannot.
func (s *stepper) plans(c *Command) (do func(), refusal string) {
	switch {
	case strings.TrimSpace(c.By) == "":
		return nil, "it does not say by whom"
	case strings.TrimSpace(c.Why) == "":
		return nil, "it does not say why"
	case s.st.run.done:
		return nil, "the run is over: its rollback has been carried out"
	}
	switch c.Kind {
	case StartPhase:
		return s.startCommand(c)
	case Hold:
		return s.holdCommand(c, true)
	case Resume:
		return s.holdCommand(c, false)
	case Override:
		return s.overrideCommand(c)
	case Abort:
		return s.abortCommand(c)
	case RollbackDone:
		return s.doneCommand(c)
	}
	return nil, fmt.Sprintf("unknown command %q", c.Kind)
}

func (s *stepper) phaseNamed(name string) int {
	return slices.IndexFunc(s.plan.Phases, func(p rules.Phase) bool { return p.Name == name })
}

// startCommand starts a phase; without a name, the next one.
func (s *stepper) startCommand(c *Command) (func(), string) {
	k := s.phaseNamed(c.Phase)
	if c.Phase == "" {
		k = slices.IndexFunc(s.st.phases, func(ph phaseState) bool { return ph.state == rules.Waiting })
		if k < 0 {
			return nil, "no phase is waiting"
		}
	}
	if k < 0 {
		return nil, fmt.Sprintf("there is no phase %q", c.Phase)
	}
	if ph := &s.st.phases[k]; ph.begun || ph.state != rules.Waiting {
		return nil, fmt.Sprintf("phase %s is %s", s.plan.Phases[k].Name, ph.state)
	}
	if why := s.obstacle(k); why != "" {
		return nil, why
	}
	return func() { s.start(k, s.at, fmt.Sprintf("started by %s: %s", c.By, c.Why)) }, ""
}

func (s *stepper) holdCommand(c *Command, held bool) (func(), string) {
	run := &s.st.run
	switch {
	case s.settledRun():
		return nil, fmt.Sprintf("the run is %s", run.state)
	case held && run.held:
		return nil, "the run is held already"
	case !held && !run.held:
		return nil, "the run is not held"
	}
	return func() {
		from := run.shown()
		run.held, run.heldBy, run.heldFor, run.heldWhy = held, "", rules.CauseNone, ""
		if held {
			run.heldBy, run.heldWhy = c.By, c.Why
		}
		s.emit(Event{
			Kind: RunEvent, Subject: s.plan.Name, From: from.String(), To: run.shown().String(), Cause: rules.CauseManual,
			Reason: fmt.Sprintf("%s by %s: %s", c.Kind, c.By, c.Why), By: c.By, Why: c.Why,
		})
		if !held {
			s.acknowledge(c)
		}
	}, ""
}

func (s *stepper) overrideCommand(c *Command) (func(), string) {
	if s.st.run.state == rules.RolledBack {
		switch {
		case c.Phase != "":
			return nil, "the run is rolled back: override the run, without a phase, or report that the rollback is done"
		case c.Verdict != rules.Pass:
			return nil, "the run is rolled back: it can only be overridden with pass"
		}
		return func() { s.goOn(c) }, ""
	}
	if c.Verdict != rules.Pass && c.Verdict != rules.Fail {
		return nil, fmt.Sprintf("a phase is overridden with pass or fail, not with %s", c.Verdict)
	}
	k := s.phaseNamed(c.Phase)
	if c.Phase == "" {
		k = s.st.current()
	}
	if k < 0 || k >= len(s.plan.Phases) {
		return nil, fmt.Sprintf("there is no phase %q", c.Phase)
	}
	to := rules.Passed
	if c.Verdict == rules.Fail {
		to = rules.Failed
	}
	if s.st.phases[k].state == to {
		return nil, fmt.Sprintf("phase %s is %s already", s.plan.Phases[k].Name, to)
	}
	return func() { s.override(k, to, c) }, ""
}

func (s *stepper) override(k int, to rules.State, c *Command) {
	ph := &s.st.phases[k]
	ph.manual, ph.by, ph.why = true, c.By, c.Why
	s.decide(k, to, c.Verdict, rules.CauseManual, fmt.Sprintf("overridden with %s by %s: %s", c.Verdict, c.By, c.Why))
	if s.settledRun() {
		s.forget()
		// The run was decided by what has just been overridden: it is judged
		// again at the end of this tick.
		s.setRun(rules.Monitoring, rules.Pending, Event{Cause: rules.CauseManual, By: c.By, Why: c.Why,
			Reason: fmt.Sprintf("phase %s is overridden by %s: %s", s.plan.Phases[k].Name, c.By, c.Why)})
	}
}

// goOn takes a rollback back: the run is watched on, and the rules that fired
// judge what comes from now on.
func (s *stepper) goOn(c *Command) {
	reason := fmt.Sprintf("the rollback is overridden by %s: %s", c.By, c.Why)
	for _, f := range s.st.frozen {
		rs := s.rule(f.rule)
		*rs = ruleState{active: true, since: s.at}
		r := &s.plan.Rules[f.rule]
		s.emit(Event{
			Kind: RuleEvent, Subject: r.Name, Phase: s.phaseOfRule(f.rule), From: string(RuleFired), To: string(RuleIdle),
			Cause: rules.CauseManual, Reason: reason, Owner: r.Owner, By: c.By, Why: c.Why,
		})
	}
	s.st.frozen, s.st.fired = nil, nil
	s.forget()
	s.setRun(rules.Monitoring, rules.Pending, Event{Cause: rules.CauseManual, Reason: reason, By: c.By, Why: c.Why})
	for k := range s.st.phases {
		s.phaseGoesOn(k, reason, c)
	}
}

func (s *stepper) phaseGoesOn(k int, reason string, c *Command) {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	switch ph.state {
	case rules.Passed:
		s.verdict(k, rules.Pass, rules.CauseManual, reason)
		return
	case rules.Failed:
		s.verdict(k, rules.Fail, rules.CauseManual, reason)
		return
	}
	to, cause := rules.Waiting, freshPhase(p).cause
	if ph.begun {
		to, cause = rules.Monitoring, rules.CauseWindow
		ph.success = slices.Clone(ph.success)
		for i := range ph.success {
			ss := &ph.success[i]
			ss.frozen, ss.next, ss.silent = nil, 0, 0
		}
	}
	from := ph.state
	ph.state, ph.decided, ph.reason, ph.by, ph.why = to, 0, "", "", ""
	s.emit(Event{
		Kind: PhaseEvent, Subject: p.Name, Phase: p.Name, From: from.String(), To: to.String(),
		Cause: rules.CauseManual, Reason: reason, Owner: p.Owner, By: c.By, Why: c.Why,
	})
	s.verdict(k, rules.Pending, cause, reason)
}

func (s *stepper) abortCommand(c *Command) (func(), string) {
	if s.st.run.state == rules.RolledBack {
		return nil, "the run is rolled back already"
	}
	return func() {
		reason := fmt.Sprintf("aborted by %s: %s", c.By, c.Why)
		e := Event{Cause: rules.CauseManual, Reason: reason, By: c.By, Why: c.Why}
		s.takeBack(rules.CauseManual, reason, &e)
	}, ""
}

func (s *stepper) doneCommand(c *Command) (func(), string) {
	if s.st.run.state != rules.RolledBack {
		return nil, "the run is not rolled back"
	}
	return func() {
		run := &s.st.run
		reason := fmt.Sprintf("the rollback was carried out, says %s: %s", c.By, c.Why)
		run.done, run.verdict, run.cause, run.reason = true, rules.Fail, rules.CauseManual, reason
		for k := range s.st.phases {
			s.verdict(k, rules.Fail, rules.CauseManual, reason)
		}
	}, ""
}
