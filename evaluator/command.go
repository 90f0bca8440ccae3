package evaluator

import (
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/rules"
)

// remembered is how many commands are kept to recognise a repeated one.
const remembered = 256

// command applies a command, or says why not. One that was applied before is
// passed over in silence: nothing changes.
func (s *stepper) command(c *fact.Command) {
	if c.ID != "" && slices.Contains(s.st.applied, c.Once()) {
		return
	}
	do, refusal := s.prepare(c)
	for i := range s.followed {
		if e := &s.followed[i]; e.N == s.st.n+1 && e.To == "refused" {
			refusal = &e.Why
		}
	}
	e := fact.Event{
		Kind: fact.CommandEvent, Subject: string(c.Kind), Phase: c.Phase, From: "", To: "applied", Cause: rules.CauseManual,
		Why: fact.Why{Code: fact.WhyCommanded, Phase: s.phaseMeant(c), Verdict: c.Verdict, Run: c.Next}, By: c.By, Principal: c.Principal,
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
		s.st.applied = append(slices.Clone(s.st.applied[max(0, len(s.st.applied)-remembered+1):]), c.Once())
	}
	if c.Kind == fact.Abort && s.st.fired == nil {
		rollback := *told // a person rolls it back: this is the event of the rollback
		s.st.fired = &rollback
	}
	do(root)
}

// prepare gives what a command will do, given the ordinal of its event, or why it
// cannot.
func (s *stepper) prepare(c *fact.Command) (do func(root uint64), refusal *fact.Why) {
	run := &s.st.run
	switch {
	case strings.TrimSpace(c.By) == "":
		return nil, &fact.Why{Code: fact.WhyNoAuthor}
	case strings.TrimSpace(c.Why) == "":
		return nil, &fact.Why{Code: fact.WhyNoReason}
	case people.Takes(c.Kind):
		return s.peopleCommand(c)
	case run.done:
		return nil, &fact.Why{Code: fact.WhyRunDone}
	case c.Blocked != "" && (c.Kind == fact.Override && s.settledRun() || c.Kind == fact.Abort && run.state == rules.Passed):
		return nil, &fact.Why{Code: fact.WhyAnotherRun, Run: c.Blocked}
	case run.state == rules.Superseded:
		return nil, &fact.Why{Code: fact.WhyRunIs, State: run.state.String()}
	}
	switch c.Kind {
	case fact.StartPhase:
		return s.startCommand(c)
	case fact.Hold:
		return s.holdCommand(c)
	case fact.Resume:
		return s.resumeCommand(c)
	case fact.Override:
		return s.overrideCommand(c)
	case fact.Abort:
		return s.abortCommand(c)
	case fact.RollbackDone:
		return s.doneCommand(c)
	case fact.Supersede:
		return s.supersedeCommand(c)
	}
	return nil, &fact.Why{Code: fact.WhyUnknownCommand, Text: string(c.Kind)}
}

// manually is the opinion of the person who gave a command.
func manually(v rules.Verdict, code fact.Code, c *fact.Command, root uint64) opinion {
	return opinion{v, rules.CauseManual, fact.Why{Code: code, By: c.By, Principal: c.Principal, Text: c.Why}, root}
}

func (s *stepper) phaseNamed(name string) int {
	return slices.IndexFunc(s.plan.Phases, func(p rules.Phase) bool { return p.Name == name })
}

// phaseOf is the index of the phase that a command is about: the one that it names,
// else the next to start, or the current one. It is negative where there is none.
func (s *stepper) phaseOf(c *fact.Command) int {
	switch {
	case c.Phase != "":
		return s.phaseNamed(c.Phase)
	case c.Kind == fact.StartPhase:
		return slices.IndexFunc(s.st.phases, func(ph phaseState) bool { return ph.state == rules.Waiting })
	case c.Kind == fact.Override && s.st.run.state != rules.RolledBack && len(s.plan.Phases) > 0:
		return s.st.current()
	}
	return -1
}

// phaseMeant is the name of that phase, empty where a command is about the run.
func (s *stepper) phaseMeant(c *fact.Command) string {
	if k := s.phaseOf(c); k >= 0 {
		return s.plan.Phases[k].Name
	}
	return c.Phase
}

// startCommand starts a phase; without a name, the next one.
func (s *stepper) startCommand(c *fact.Command) (func(uint64), *fact.Why) {
	k := s.phaseOf(c)
	switch {
	case k < 0 && c.Phase == "":
		return nil, &fact.Why{Code: fact.WhyNoPhaseWaits}
	case k < 0:
		return nil, &fact.Why{Code: fact.WhyNoSuchPhase, Phase: c.Phase}
	}
	if ph := &s.st.phases[k]; ph.begun || ph.state != rules.Waiting {
		return nil, &fact.Why{Code: fact.WhyPhaseIs, Phase: s.plan.Phases[k].Name, State: ph.state.String()}
	}
	if why := s.obstacle(k); why != nil {
		return nil, why
	}
	return func(root uint64) {
		s.start(k, s.at, fact.Why{Code: fact.WhyStartedBy, By: c.By, Principal: c.Principal, Text: c.Why}, root)
	}, nil
}

func (s *stepper) holdCommand(c *fact.Command) (func(uint64), *fact.Why) {
	run := &s.st.run
	switch {
	case s.settledRun():
		return nil, &fact.Why{Code: fact.WhyRunIs, State: run.state.String()}
	case run.hold.Code == fact.WhyHeld:
		return nil, &fact.Why{Code: fact.WhyHeldAlready}
	}
	return func(root uint64) {
		s.hold(true, fact.Why{Code: fact.WhyHeld, By: c.By, Principal: c.Principal, Text: c.Why}, nil, fact.Event{Cause: rules.CauseManual}, root)
	}, nil
}

func (s *stepper) resumeCommand(c *fact.Command) (func(uint64), *fact.Why) {
	run := &s.st.run
	switch {
	case s.settledRun():
		return nil, &fact.Why{Code: fact.WhyRunIs, State: run.state.String()}
	case !run.held:
		return nil, &fact.Why{Code: fact.WhyNotHeld}
	case run.hold.Code == fact.WhyHeldByMismatch && c.PersonsHold:
		return nil, &fact.Why{Code: fact.WhyMismatchHolds, Phase: run.hold.Phase}
	}
	if rule := s.heldByEvidence(); rule != "" && c.PersonsHold {
		return nil, &fact.Why{Code: fact.WhyEvidenceHolds, Rule: rule}
	}
	if run.hold.Code == fact.WhyHeld && c.EvidenceHold {
		return nil, &fact.Why{Code: fact.WhyPersonHolds}
	}
	return func(root uint64) {
		s.hold(false, fact.Why{Code: fact.WhyResumed, By: c.By, Principal: c.Principal, Text: c.Why}, nil, fact.Event{Cause: rules.CauseManual}, root)
		s.acknowledge(fact.Why{Code: fact.WhyResumed}, root)
	}, nil
}

// heldByEvidence is the name of a rule that keeps the run from going on, empty where a
// person's hold is all there is. Of a run that a person held first the rule's own state
// tells.
func (s *stepper) heldByEvidence() string {
	if hold := &s.st.run.hold; hold.Code == fact.WhyHeldByRule {
		return hold.Rule
	}
	for _, i := range s.lay.Roll {
		if s.st.rules[i].State == judge.Holding {
			return s.plan.Rules[i].Name
		}
	}
	return ""
}

// overrideCommand decides in place of the rules, where that is signed for.
func (s *stepper) overrideCommand(c *fact.Command) (func(uint64), *fact.Why) {
	do, why := s.overriding(c)
	if approval := s.st.people.Unsigned(s.plan, rules.ApprovesOverride, s.at, nil); why == nil && approval != nil {
		return nil, approval
	}
	if why != nil || len(s.plan.Approvals) == 0 {
		return do, why
	}
	return func(root uint64) {
		s.st.people = s.st.people.Used(s.scene(root), rules.ApprovesOverride)
		do(root)
	}, nil
}

func (s *stepper) overriding(c *fact.Command) (func(uint64), *fact.Why) {
	if s.st.run.state == rules.RolledBack {
		switch {
		case c.Phase != "":
			return nil, &fact.Why{Code: fact.WhyOverrideRun}
		case c.Verdict != rules.Pass:
			return nil, &fact.Why{Code: fact.WhyOnlyPass}
		}
		return func(root uint64) { s.goOn(c, root) }, nil
	}
	if c.Verdict != rules.Pass && c.Verdict != rules.Fail {
		return nil, &fact.Why{Code: fact.WhyPassOrFail, Verdict: c.Verdict}
	}
	k := s.phaseOf(c)
	if k < 0 {
		return nil, &fact.Why{Code: fact.WhyNoSuchPhase, Phase: c.Phase}
	}
	to := map[rules.Verdict]rules.State{rules.Pass: rules.Passed, rules.Fail: rules.Failed}[c.Verdict]
	if s.st.phases[k].state == to {
		return nil, &fact.Why{Code: fact.WhyPhaseIs, Phase: s.plan.Phases[k].Name, State: to.String()}
	}
	if why := s.st.keeps(s.plan, k); why != nil && to == rules.Passed && !s.st.phases[k].begun {
		return nil, why // that is what break-glass is for
	}
	return func(root uint64) { s.override(k, to, c, root) }, nil
}

func (s *stepper) override(k int, to rules.State, c *fact.Command, root uint64) {
	o := manually(c.Verdict, fact.WhyOverridden, c, root)
	o.why.Phase, o.why.Verdict = s.plan.Phases[k].Name, c.Verdict
	s.decide(k, to, o)
	if s.settledRun() {
		// The run was decided by what has just been overridden: it is judged
		// again at the end of this tick.
		o.verdict = rules.Pending
		s.revive(o)
	}
}

// revive lets a run go on that had ended. Its rollback rules are judged before anything
// begins, and who lets it go on knows of those that hold.
func (s *stepper) revive(o opinion) {
	if !s.st.run.held {
		s.acknowledge(o.why, o.root)
	}
	s.setRun(rules.Monitoring, o, fact.Event{})
	s.revived = true
}

// goOn overrides a rollback: the run is watched on, and the rules that fired
// judge what comes from now on.
func (s *stepper) goOn(c *fact.Command, root uint64) {
	o := manually(rules.Pending, fact.WhyRollbackOverridden, c, root)
	for _, f := range s.st.frozen {
		rs := s.rule(f.rule)
		*rs = ruleState{active: true, since: s.at}
		s.emit(fact.Event{
			Kind: fact.RuleEvent, Subject: s.plan.Rules[f.rule].Name, Phase: s.phaseOfRule(f.rule), From: string(fact.RuleFired), To: string(fact.RuleIdle),
			Cause: rules.CauseManual, Why: o.why,
		}, root)
	}
	s.st.frozen, s.st.fired = nil, nil
	s.revive(o)
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
	ph.state, ph.decided, ph.why, ph.root = to, 0, fact.Why{}, 0
	s.emit(fact.Event{
		Kind: fact.PhaseEvent, Subject: p.Name, Phase: p.Name, From: from.String(), To: to.String(), Cause: rules.CauseManual, Why: o.why,
	}, o.root)
	o.cause = cause
	s.verdict(k, o)
}

func (s *stepper) abortCommand(c *fact.Command) (func(uint64), *fact.Why) {
	if s.st.run.state == rules.RolledBack {
		return nil, &fact.Why{Code: fact.WhyRunIs, State: rules.RolledBack.String()}
	}
	return func(root uint64) { s.rollBack(manually(rules.Rollback, fact.WhyAborted, c, root), "", nil) }, nil
}

// supersedeCommand ends a run that may still change by itself: another takes its place.
func (s *stepper) supersedeCommand(c *fact.Command) (func(uint64), *fact.Why) {
	if !s.st.run.judged() {
		return nil, &fact.Why{Code: fact.WhyRunIs, State: s.st.run.state.String()}
	}
	return func(root uint64) {
		o := manually(rules.Fail, fact.WhySuperseded, c, root)
		o.why.Run = c.Next
		s.end(rules.Superseded, o, fact.Event{})
	}, nil
}

func (s *stepper) doneCommand(c *fact.Command) (func(uint64), *fact.Why) {
	if s.st.run.state != rules.RolledBack {
		return nil, &fact.Why{Code: fact.WhyNotRolledBack}
	}
	return func(root uint64) { s.rolledBack(manually(rules.Fail, fact.WhyRollbackDone, c, root)) }, nil
}

// rolledBack notes that the rollback has been carried out.
func (s *stepper) rolledBack(o opinion) {
	run := &s.st.run
	run.done, run.verdict, run.cause, run.why = true, o.verdict, o.cause, o.why
	for k := range s.st.phases {
		s.verdict(k, o)
	}
}

// carriedOut notes it when all that the way back asks for is done.
func (s *stepper) carriedOut() {
	if run := &s.st.run; run.state == rules.RolledBack && !run.done && s.st.people.Way().Back() {
		s.rolledBack(opinion{rules.Fail, rules.CauseManual, fact.Why{Code: fact.WhyRollbackTaken}, 0})
	}
}
