package evaluator

import (
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
)

// remembered is how many commands are kept to recognise a repeated one.
const remembered = 256

// once is what makes a command the same as one before: the ID, who proved it, and what
// it does. An ID that another token has used, or that stood for another command, hides
// nothing: an abort is never taken for a hold that was applied before.
func (c *Command) once() string {
	return strings.Join([]string{string(c.Kind), c.Phase, c.Verdict.String(), c.Principal, c.ID}, " ")
}

// command applies a command, or says why not. One that was applied before is
// passed over in silence: nothing changes.
func (s *stepper) command(c *Command) {
	if c.ID != "" && slices.Contains(s.st.applied, c.once()) {
		return
	}
	do, refusal := s.prepare(c)
	e := Event{
		Kind: CommandEvent, Subject: string(c.Kind), Phase: c.Phase, From: "", To: "applied", Cause: rules.CauseManual,
		Why: Why{Code: WhyCommanded, Phase: s.phaseMeant(c), Verdict: c.Verdict, Run: c.Next}, By: c.By, Principal: c.Principal,
	}
	if refusal != nil {
		e.To, e.Why = "refused", *refusal
	}
	if refusal == nil || refusal.Text == "" {
		e.Why.Text = c.Why
	}
	told, root := s.emit(e, 0)
	if refusal != nil {
		return
	}
	if c.ID != "" {
		s.st.applied = append(slices.Clone(s.st.applied[max(0, len(s.st.applied)-remembered+1):]), c.once())
	}
	if c.Kind == Abort && s.st.fired == nil {
		rollback := *told // a person rolls it back: this is the event of the rollback
		s.st.fired = &rollback
	}
	do(root)
}

// prepare gives what a command will do, given the ordinal of its event, or why it
// cannot.
func (s *stepper) prepare(c *Command) (do func(root uint64), refusal *Why) {
	run := &s.st.run
	switch {
	case strings.TrimSpace(c.By) == "":
		return nil, &Why{Code: WhyNoAuthor}
	case strings.TrimSpace(c.Why) == "":
		return nil, &Why{Code: WhyNoReason}
	case run.done:
		return nil, &Why{Code: WhyRunDone}
	case c.Blocked != "" && (c.Kind == Override && s.settledRun() || c.Kind == Abort && run.state == rules.Passed):
		return nil, &Why{Code: WhyAnotherRun, Run: c.Blocked}
	case run.state == rules.Superseded:
		return nil, &Why{Code: WhyRunIs, State: run.state.String()}
	}
	switch c.Kind {
	case StartPhase:
		return s.startCommand(c)
	case Hold:
		return s.holdCommand(c)
	case Resume:
		return s.resumeCommand(c)
	case Override:
		return s.overrideCommand(c)
	case Abort:
		return s.abortCommand(c)
	case RollbackDone:
		return s.doneCommand(c)
	case Supersede:
		return s.supersedeCommand(c)
	}
	return nil, &Why{Code: WhyUnknownCommand, Text: string(c.Kind)}
}

// manually is the opinion of the person who gave a command.
func manually(v rules.Verdict, code Code, c *Command, root uint64) opinion {
	return opinion{v, rules.CauseManual, Why{Code: code, By: c.By, Principal: c.Principal, Text: c.Why}, root}
}

func (s *stepper) phaseNamed(name string) int {
	return slices.IndexFunc(s.plan.Phases, func(p rules.Phase) bool { return p.Name == name })
}

// phaseOf is the index of the phase that a command is about: the one that it names,
// else the next to start, or the current one. It is negative where there is none.
func (s *stepper) phaseOf(c *Command) int {
	switch {
	case c.Phase != "":
		return s.phaseNamed(c.Phase)
	case c.Kind == StartPhase:
		return slices.IndexFunc(s.st.phases, func(ph phaseState) bool { return ph.state == rules.Waiting })
	case c.Kind == Override && s.st.run.state != rules.RolledBack && len(s.plan.Phases) > 0:
		return s.st.current()
	}
	return -1
}

// phaseMeant is the name of that phase, empty where a command is about the run.
func (s *stepper) phaseMeant(c *Command) string {
	if k := s.phaseOf(c); k >= 0 {
		return s.plan.Phases[k].Name
	}
	return c.Phase
}

// startCommand starts a phase; without a name, the next one.
func (s *stepper) startCommand(c *Command) (func(uint64), *Why) {
	k := s.phaseOf(c)
	switch {
	case k < 0 && c.Phase == "":
		return nil, &Why{Code: WhyNoPhaseWaits}
	case k < 0:
		return nil, &Why{Code: WhyNoSuchPhase, Phase: c.Phase}
	}
	if ph := &s.st.phases[k]; ph.begun || ph.state != rules.Waiting {
		return nil, &Why{Code: WhyPhaseIs, Phase: s.plan.Phases[k].Name, State: ph.state.String()}
	}
	if why := s.obstacle(k); why != nil {
		return nil, why
	}
	return func(root uint64) {
		s.start(k, s.at, Why{Code: WhyStartedBy, By: c.By, Principal: c.Principal, Text: c.Why}, root)
	}, nil
}

func (s *stepper) holdCommand(c *Command) (func(uint64), *Why) {
	run := &s.st.run
	switch {
	case s.settledRun():
		return nil, &Why{Code: WhyRunIs, State: run.state.String()}
	case run.held:
		return nil, &Why{Code: WhyHeldAlready}
	}
	return func(root uint64) {
		s.hold(true, Why{Code: WhyHeld, By: c.By, Principal: c.Principal, Text: c.Why}, nil, Event{Cause: rules.CauseManual}, root)
	}, nil
}

func (s *stepper) resumeCommand(c *Command) (func(uint64), *Why) {
	run := &s.st.run
	switch {
	case s.settledRun():
		return nil, &Why{Code: WhyRunIs, State: run.state.String()}
	case !run.held:
		return nil, &Why{Code: WhyNotHeld}
	}
	if rule := s.heldByEvidence(); rule != "" && c.PersonsHold {
		return nil, &Why{Code: WhyEvidenceHolds, Rule: rule}
	}
	if run.hold.Code == WhyHeld && c.EvidenceHold {
		return nil, &Why{Code: WhyPersonHolds}
	}
	return func(root uint64) {
		s.hold(false, Why{Code: WhyResumed, By: c.By, Principal: c.Principal, Text: c.Why}, nil, Event{Cause: rules.CauseManual}, root)
		s.acknowledge(root)
	}, nil
}

// heldByEvidence is the name of a rule that keeps the run from going on, empty where a
// person's hold is all there is. Of a run that a person held first the rule's own state
// tells.
func (s *stepper) heldByEvidence() string {
	if hold := &s.st.run.hold; hold.Code == WhyHeldByRule {
		return hold.Rule
	}
	for _, i := range s.lay.weighing {
		if s.st.rules[i].state == codeHolding {
			return s.plan.Rules[i].Name
		}
	}
	return ""
}

// hold stops a run from going on, or lets it go on, and says so of the run and of
// its gates.
func (s *stepper) hold(held bool, why Why, ev *Evidence, e Event, root uint64) {
	run := &s.st.run
	from := run.shown()
	run.held, run.hold, run.holding = held, why, ev
	if !held {
		run.hold = Why{}
	}
	e.Kind, e.Subject, e.From, e.To, e.Why = RunEvent, s.plan.Name, from.String(), run.shown().String(), why
	s.emit(e, root)
	for k := range s.st.phases {
		s.tellGate(k, opinion{rules.Pending, e.Cause, why, root})
	}
}

func (s *stepper) overrideCommand(c *Command) (func(uint64), *Why) {
	if s.st.run.state == rules.RolledBack {
		switch {
		case c.Phase != "":
			return nil, &Why{Code: WhyOverrideRun}
		case c.Verdict != rules.Pass:
			return nil, &Why{Code: WhyOnlyPass}
		}
		return func(root uint64) { s.goOn(c, root) }, nil
	}
	if c.Verdict != rules.Pass && c.Verdict != rules.Fail {
		return nil, &Why{Code: WhyPassOrFail, Verdict: c.Verdict}
	}
	k := s.phaseOf(c)
	if k < 0 {
		return nil, &Why{Code: WhyNoSuchPhase, Phase: c.Phase}
	}
	to := rules.Passed
	if c.Verdict == rules.Fail {
		to = rules.Failed
	}
	if s.st.phases[k].state == to {
		return nil, &Why{Code: WhyPhaseIs, Phase: s.plan.Phases[k].Name, State: to.String()}
	}
	return func(root uint64) { s.override(k, to, c, root) }, nil
}

func (s *stepper) override(k int, to rules.State, c *Command, root uint64) {
	o := manually(c.Verdict, WhyOverridden, c, root)
	o.why.Phase, o.why.Verdict = s.plan.Phases[k].Name, c.Verdict
	s.decide(k, to, o)
	if s.settledRun() {
		s.forget()
		// The run was decided by what has just been overridden: it is judged
		// again at the end of this tick.
		o.verdict = rules.Pending
		s.setRun(rules.Monitoring, o, Event{})
	}
}

// goOn overrides a rollback: the run is watched on, and the rules that fired
// judge what comes from now on.
func (s *stepper) goOn(c *Command, root uint64) {
	o := manually(rules.Pending, WhyRollbackOverridden, c, root)
	for _, f := range s.st.frozen {
		rs := s.rule(f.rule)
		*rs = ruleState{active: true, since: s.at}
		s.emit(Event{
			Kind: RuleEvent, Subject: s.plan.Rules[f.rule].Name, Phase: s.phaseOfRule(f.rule), From: string(RuleFired), To: string(RuleIdle),
			Cause: rules.CauseManual, Why: o.why,
		}, root)
	}
	s.st.frozen, s.st.fired = nil, nil
	s.forget()
	s.setRun(rules.Monitoring, o, Event{})
	for k := range s.st.phases {
		s.phaseGoesOn(k, o)
	}
}

func (s *stepper) phaseGoesOn(k int, o opinion) {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	switch ph.state {
	case rules.Passed:
		o.verdict = rules.Pass
		s.verdict(k, o)
		return
	case rules.Failed:
		o.verdict = rules.Fail
		s.verdict(k, o)
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
	ph.state, ph.decided, ph.why, ph.root = to, 0, Why{}, 0
	s.emit(Event{
		Kind: PhaseEvent, Subject: p.Name, Phase: p.Name, From: from.String(), To: to.String(), Cause: rules.CauseManual, Why: o.why,
	}, o.root)
	o.cause = cause
	s.verdict(k, o)
}

func (s *stepper) abortCommand(c *Command) (func(uint64), *Why) {
	if s.st.run.state == rules.RolledBack {
		return nil, &Why{Code: WhyRunIs, State: rules.RolledBack.String()}
	}
	return func(root uint64) { s.rollBack(manually(rules.Rollback, WhyAborted, c, root), "", nil) }, nil
}

// supersedeCommand ends an undecided run: another takes its place.
func (s *stepper) supersedeCommand(c *Command) (func(uint64), *Why) {
	if s.settledRun() {
		return nil, &Why{Code: WhyRunIs, State: s.st.run.state.String()}
	}
	return func(root uint64) {
		o := manually(rules.Fail, WhySuperseded, c, root)
		o.why.Run = c.Next
		s.end(rules.Superseded, o, Event{})
	}, nil
}

func (s *stepper) doneCommand(c *Command) (func(uint64), *Why) {
	if s.st.run.state != rules.RolledBack {
		return nil, &Why{Code: WhyNotRolledBack}
	}
	return func(root uint64) {
		o := manually(rules.Fail, WhyRollbackDone, c, root)
		run := &s.st.run
		run.done, run.verdict, run.cause, run.why = true, o.verdict, o.cause, o.why
		for k := range s.st.phases {
			s.verdict(k, o)
		}
	}, nil
}
