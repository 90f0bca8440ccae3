package evaluator

import (
	"cmp"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// judgeSuccess gives the new state of a success rule in a phase, and whether it
// differs from the old one.
func (s *stepper) judgeSuccess(k, i int) (successState, bool) {
	p := &s.plan.Phases[k]
	r := &s.plan.Rules[p.Success[i]]
	old := s.st.phases[k].success[i]
	_, news := s.changed(p.Success[i])
	if !news && s.at < old.next {
		return old, false
	}
	ss := old
	s.watch = s.st.SuccessWatch(k, i, s.st.phases[k].started)
	by := s.lay.Rules[p.Success[i]].Judge
	v := by.Prove(&s.st.Scene, &s.watch, &old.Memory)
	by.Fold(&s.st.Scene, &s.watch, &ss.Memory)
	ss.verdict, ss.cause = v.Verdict, v.Cause
	ss.state = v.Code(&s.plan.Signals[r.Signal])
	ss.next = s.nextLook(k, &v)
	if deadline := s.windowEnd(k) + series.Secs(p.Extend); s.at >= deadline && ss.verdict == rules.Pending {
		ss.verdict = rules.Unknown
	}
	s.successPolicy(k, p.Success[i], &ss, &v)
	if ss.verdict != old.verdict {
		ev := s.st.found(k, i, &v)
		e, n := s.emit(fact.Event{
			Kind: fact.RuleEvent, Subject: r.Name, Phase: p.Name, From: old.verdict.String(), To: ss.verdict.String(),
			Cause: ss.cause, Why: v.Ground(), Evidence: &ev,
		}, 0)
		ss.event = n
		if ss.verdict == rules.Rollback && s.st.fired == nil {
			e.Notify = r.Notify
			fired := *e
			s.st.fired = &fired
		}
	}
	return ss, ss != old
}

// nextLook is when a success rule may change without news.
func (s *stepper) nextLook(k int, v *judge.Finding) int64 {
	next := v.Silence.Next
	end := s.windowEnd(k)
	for _, t := range [...]int64{end, end + series.Secs(s.plan.Phases[k].Extend)} {
		if t > s.at {
			next = min(next, t)
		}
	}
	if s.lay.Signals[v.Rule.Signal].Level && s.at < end {
		next = min(next, s.at+1) // a level's period may have ended
	}
	return next
}

// successPolicy does what the rule wants done about data that does not come: in
// the window while its signal is silent, after it while it cannot be judged.
func (s *stepper) successPolicy(k, i int, ss *successState, v *judge.Finding) {
	r := &s.plan.Rules[i]
	ss.ignored, ss.against = false, v.Against
	cause := v.Silence.Cause
	if s.at >= s.windowEnd(k) {
		cause = rules.CauseNone
		if v.Verdict == rules.Pending && !v.Before {
			cause = v.Cause
		}
	}
	if cause == rules.CauseNone {
		ss.silent = 0
		return
	}
	if ss.silent == 0 {
		ss.silent = cmp.Or(v.Silence.Since, s.at)
	}
	p := judge.PolicyFor(r, cause)
	if p == rules.PolicyHold || v.Unseen && p != rules.PolicyIgnore {
		return // zeros may prove nothing: they are no reason to roll back either
	}
	if due := ss.silent + series.Secs(r.Grace); s.at < due {
		ss.next = min(ss.next, due)
		return
	}
	switch p {
	case rules.PolicyIgnore:
		ss.ignored = v.Ignored(cause)
	case rules.PolicyFail:
		ss.verdict, ss.cause, ss.state = rules.Fail, cause, judge.Fired
	case rules.PolicyRollback:
		if r.OnlyShown() { // it would roll back, and never does
			ss.verdict, ss.cause, ss.state = rules.Fail, cause, judge.Fired
			break
		}
		ss.verdict, ss.cause, ss.state = rules.Rollback, cause, judge.Fired
	}
	if ss.verdict != rules.Pending && ss.verdict != rules.Unknown {
		v.Policy = s.policyWhy(r, ss.silent, cause)
		if f := ss.frozen; f != nil && f.why.Since.Equal(v.Policy.Since) && f.why.Cause == cause {
			v.Policy = f.why // it has acted before, and its phase goes on: the rule is advisory
		}
		ss.frozen = &frozenRule{rule: i, why: v.Policy, evidence: s.st.Evidence(r, v.Stretch)}
	}
}
