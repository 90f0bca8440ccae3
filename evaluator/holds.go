package evaluator

import (
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// holdRun keeps the run from going on until a person resumes it.
func (s *stepper) holdRun(rule fact.Event, root uint64) {
	if s.settledRun() || s.st.run.held {
		return
	}
	s.hold(true, fact.Why{Code: fact.WhyHeldByRule, Rule: rule.Subject, Cause: rule.Cause}, rule.Evidence,
		fact.Event{Phase: rule.Phase, Cause: rule.Cause, Notify: rule.Notify}, root)
}

// acknowledge lets a run go on that rules have held, or would have held if it had not
// ended. Each of them may still roll it back, but does not hold it again.
func (s *stepper) acknowledge(why fact.Why, root uint64) {
	for _, i := range s.lay.Roll {
		if s.st.rules[i].State != judge.Holding {
			continue
		}
		rs := s.rule(int(i))
		rs.Acked, rs.State, rs.next = true, judge.Warning, 0
		s.emit(fact.Event{
			Kind: fact.RuleEvent, Subject: s.plan.Rules[i].Name, Phase: s.phaseOfRule(int(i)), From: string(fact.RuleHolding), To: string(fact.RuleWarning),
			Cause: rules.CauseManual, Why: why,
		}, root)
	}
}

// resumeItself lets a run go on that is held for a baseline as bad, once the data has been
// good for as long as the plan says. What rests on evidence against the release, or on a
// person, ends by a command only. The rules may hold the run again.
func (s *stepper) resumeItself() {
	hold, holder := &s.st.run.hold, false
	if s.settledRun() || !s.st.run.held || hold.Code != fact.WhyHeldByRule || hold.Cause != rules.CauseBaseline {
		return
	}
	var good []int
	why := fact.Why{Code: fact.WhyResumedItself, Rule: hold.Rule}
	for _, i := range s.lay.Roll {
		r, rs := &s.plan.Rules[i], &s.st.rules[i]
		if rs.State != judge.Holding {
			continue
		}
		w, m, v := new(judge.Watch), rs.Memory, new(judge.Standing)
		if r.ResumeAfter == 0 || rs.Cause != rules.CauseBaseline {
			return
		}
		s.st.rollbackWatch(w, int(i))
		s.lay.Rules[i].Judge.Stand(&s.st.Scene, w, &m, v)
		since, ok := s.st.Recovered(w, v, series.Secs(r.ResumeAfter))
		if !ok {
			return
		}
		if at := series.When(since); at.After(why.Since) {
			why.Since = at
		}
		good, holder = append(good, int(i)), holder || r.Name == hold.Rule
	}
	if !holder {
		return // the rule that held it has left the plan: a person decides
	}
	root := uint64(0)
	for _, i := range good {
		rs := s.rule(i)
		rs.State, rs.next = judge.Warning, 0
		_, root = s.emit(fact.Event{
			Kind: fact.RuleEvent, Subject: s.plan.Rules[i].Name, Phase: s.phaseOfRule(i), From: string(fact.RuleHolding), To: string(fact.RuleWarning),
			Cause: rules.CauseBaseline, Why: why,
		}, root)
	}
	s.hold(false, why, nil, fact.Event{Cause: rules.CauseBaseline}, root)
}

// hold stops a run from going on, or lets it go on, and says so of the run and of
// its gates.
func (s *stepper) hold(held bool, why fact.Why, ev *fact.Evidence, e fact.Event, root uint64) {
	run := &s.st.run
	from := run.shown()
	run.held, run.hold, run.holding = held, why, ev
	if !held {
		run.hold = fact.Why{}
	}
	if run.shown() == from {
		return // a person has joined a rule's hold: it is theirs to end
	}
	e.Kind, e.Subject, e.From, e.To, e.Why = fact.RunEvent, s.plan.Name, from.String(), run.shown().String(), why
	s.emit(e, root)
	for k := range s.st.phases {
		s.tellGate(k, opinion{rules.Pending, e.Cause, why, root})
	}
}
