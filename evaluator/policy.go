package evaluator

import (
	"cmp"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// policy gives what is to be done about silence now, PolicyHold while there is
// nothing to do. rs is the rule's new state, and since is when the silence began, where
// that is known.
func (s *stepper) policy(r *rules.Rule, rs *ruleState, since int64) rules.Policy {
	if rs.State != judge.Silent {
		rs.silent = 0
		return rules.PolicyHold
	}
	if rs.silent == 0 {
		rs.silent = cmp.Or(since, s.at)
	}
	p := judge.PolicyFor(r, rs.Cause)
	if p != rules.PolicyFail && p != rules.PolicyRollback || rs.Unseen { // zeros may prove nothing: they are no reason to roll back either
		return rules.PolicyHold
	}
	if due := rs.silent + series.Secs(r.Grace); s.at < due {
		rs.next = min(rs.next, due)
		return rules.PolicyHold
	}
	rs.next = s.at + 1 // a phase that begins later is judged by the same policy
	return p
}

// failPhases fails the phases that name a rule.
func (s *stepper) failPhases(i int, rs *ruleState) {
	for _, k := range s.lay.Phases(i) {
		if s.st.phases[k].state == rules.Monitoring {
			s.decide(int(k), rules.Failed, opinion{rules.Fail, rs.Cause, s.policyWhy(&s.plan.Rules[i], rs.silent, rs.Cause), 0})
		}
	}
}

// policyWhy is the ground of what a policy does now about silence since a time.
func (s *stepper) policyWhy(r *rules.Rule, since int64, c rules.Cause) fact.Why {
	return fact.Why{Code: fact.WhyPolicy, Rule: r.Name, Since: series.When(since), Until: series.When(s.at), Cause: c, Policy: judge.PolicyFor(r, c)}
}
