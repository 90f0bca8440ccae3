package evaluator

import (
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/evaluator/rollout"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Look is the run as it stands: a function of plan and state alone.
func Look(plan *rules.Plan, state *State) fact.Snapshot {
	st := fit(plan, state)
	lay := st.Lay
	v := fact.Snapshot{
		Plan: plan.Name, Title: plan.Title, Version: plan.Version, Manager: plan.Manager,
		Interval: plan.Interval, Start: plan.Start.UTC(),
		Run: plan.Binding.Run, Try: plan.Binding.Try, Parameters: plan.Binding.Parameters,
		Begun: series.WhenOrZero(st.run.begun), By: st.run.by,
		State: st.run.shown(), Held: st.run.held && st.run.state != rules.RolledBack && st.run.state != rules.Superseded, Verdict: st.run.verdict, Cause: st.run.cause, Why: st.run.why,
		Generation: st.n, Current: st.current(), RolledBack: st.run.done,
		Over: st.runOver(), Accused: st.run.accused,
	}
	if v.Held {
		v.Holder = st.run.holder()
	}
	if st.judging > 0 {
		v.At = series.When(st.At)
	}
	end, horizon := st.ends(plan, lay)
	v.End, v.Horizon = series.When(end), series.When(horizon)
	if st.fired != nil {
		f := *st.fired
		v.Fired = &f
	}
	lookAt(&v, lay, st)
	if !people.None(plan) {
		v.People = st.people.View(plan, st.At, lay.Start, v.State, st.phasesForPeople(plan))
		v.Effects = st.people.Way().View(plan)
	}
	return v
}

func (r *runState) holder() fact.Holder {
	return fact.Holder{By: r.hold.By + r.hold.Rule, Principal: r.hold.Principal, Rule: r.hold.Rule != "", Cause: r.holdCause(), Text: r.hold.Text, Evidence: r.holding, Mismatch: rollout.Mismatch(r.hold)}
}

// lookAt fills phases, rules and signals.
func lookAt(v *fact.Snapshot, lay *judge.Layout, st *State) {
	plan := lay.Plan
	shown := make([]int, len(plan.Rules)) // :: rule → its place in Snapshot.Rollback
	v.Rollback = make([]fact.RuleView, 0, len(lay.Roll))
	var room judging
	for _, i := range lay.Roll {
		shown[i] = len(v.Rollback)
		v.Rollback = append(v.Rollback, st.rollbackView(lay, int(i), &room))
	}
	v.Phases = make([]fact.PhaseView, len(plan.Phases))
	for k := range plan.Phases {
		v.Phases[k] = st.phaseView(lay, k, shown)
	}
	v.Signals = make([]fact.SignalView, len(plan.Signals))
	for i := range plan.Signals {
		v.Signals[i] = st.SignalView(i)
	}
	if !st.watched(plan, lay, st.At) {
		return
	}
	for i, need := range st.needs(lay, st.At) {
		if need != judge.Unneeded {
			v.Signals[i].Due = series.When(max(st.Signals[i].Owed(), need, st.run.begun)) // a run that begins late asked no source before
		}
	}
}

func (s *State) phaseView(lay *judge.Layout, k int, shown []int) fact.PhaseView {
	p, ph := &lay.Plan.Phases[k], &s.phases[k]
	v := fact.PhaseView{
		Name: p.Name, Title: p.Title, Target: p.Target, Traffic: p.Traffic, Owner: p.Owner, Advance: p.Advance,
		State: ph.state, Verdict: s.gateOf(k), Cause: ph.cause, Why: ph.why,
		Scheduled: series.When(lay.Start + series.Secs(p.Start)), Decided: series.WhenOrZero(ph.decided),
	}
	if v.Verdict != ph.verdict {
		v.Cause, v.Why = s.run.holdCause(), s.run.hold
	}
	if ph.begun {
		end := s.windowEnd(lay.Plan, k)
		v.Started, v.WindowEnd, v.Deadline = series.When(ph.started), series.When(end), series.When(end+series.Secs(p.Extend))
	}
	v.Success = make([]fact.RuleView, len(p.Success))
	for i := range p.Success {
		v.Success[i] = s.successRuleView(lay, k, i)
	}
	v.Rollback = make([]int, len(p.Rollback))
	for i, r := range p.Rollback {
		v.Rollback[i] = shown[r]
	}
	v.Observed = rollout.Shown(&s.Scene, k, ph.rollout, s.began)
	if v.Why == (fact.Why{}) {
		v.Why = s.undecided(lay, k)
	}
	if (s.run.state == rules.RolledBack || s.run.state == rules.Superseded) && ph.state != s.run.state {
		v.Why = s.run.why
	}
	return v
}

// undecided is why a phase is not decided.
func (s *State) undecided(lay *judge.Layout, k int) fact.Why {
	st := stepper{plan: lay.Plan, lay: lay, st: s, at: s.At}
	if !s.phases[k].begun {
		return st.notBegun(k)
	}
	if o := st.phaseVerdict(k); o.verdict != rules.Pass {
		return o.why
	}
	return fact.Why{Code: fact.WhyNextTick} // unreachable unless the plan was changed since the last tick
}

// notBegun is why a phase has not begun.
func (s *stepper) notBegun(k int) fact.Why {
	p, why := &s.plan.Phases[k], s.obstacle(k)
	switch {
	case s.plan.Clocked(k) && !s.st.phases[k].blocked:
		return fact.Why{Code: fact.WhyBegins, Until: series.When(s.lay.Start + series.Secs(p.Start))}
	case p.Advance == rules.OnPass && k > 0 && (why == nil || s.passes(k, why)):
		return fact.Why{Code: fact.WhyAwaitsPass, Phase: s.plan.Phases[k-1].Name}
	case why != nil:
		return *why
	case p.Advance == rules.Observed:
		return rollout.Awaits(&s.st.Scene, k)
	case p.Advance == rules.Signalled:
		return fact.Why{Code: fact.WhyAwaitsCommand}
	}
	return fact.Why{Code: fact.WhyNextTick}
}

// passes reports whether an obstacle goes by itself as the phases before k are
// watched and pass, or is just that the one whose pass it awaits has not passed.
func (s *stepper) passes(k int, why *fact.Why) bool {
	switch why.Code {
	case fact.WhyPhaseWatched, fact.WhyPhaseNotBegun:
		return true
	case fact.WhyPhaseNotPassed:
		return why.Phase == s.plan.Phases[k-1].Name
	}
	return false
}

func (s *State) successRuleView(lay *judge.Layout, k, i int) fact.RuleView {
	plan, ph := lay.Plan, &s.phases[k]
	r := &plan.Rules[plan.Phases[k].Success[i]]
	v := judge.RuleView(plan, r)
	if !ph.begun {
		v.State, v.Verdict, v.Cause = fact.RuleIdle, rules.Pending, rules.CauseWindow
		v.Why = fact.Why{Code: fact.WhyNotWatched}
		v.Evidence = s.Evidence(r, judge.Stretch{})
		return v
	}
	ss := &ph.success[i]
	v.State, v.Verdict, v.Cause = ss.state.Name(), ss.verdict, ss.cause
	if ss.frozen != nil {
		v.Why, v.Evidence = ss.frozen.why, ss.frozen.evidence
		return v
	}
	w := s.SuccessWatch(k, i, ph.started)
	now := s.proven(k, i, &w)
	v.Why, v.Evidence = now.Ground(), s.found(k, i, &now)
	return v
}

func (s *State) rollbackView(lay *judge.Layout, i int, now *judging) fact.RuleView {
	r, rs := &lay.Plan.Rules[i], &s.rules[i]
	v := judge.RuleView(lay.Plan, r)
	v.State, v.Cause, v.WouldHave = rs.State.Name(), rs.Cause, int(rs.would)
	switch rs.State {
	case judge.Fired:
		v.Verdict = rules.Rollback
		for f := range s.frozen {
			if s.frozen[f].rule == i {
				v.Why, v.Evidence = s.frozen[f].why, s.frozen[f].evidence
			}
		}
		return v
	case judge.Clear:
		v.Verdict, v.Cause = rules.Pass, rules.CauseThreshold
	case judge.Breaching:
		v.Verdict, v.Cause = rules.Pending, rules.CauseThreshold
	case judge.Warning:
		v.Verdict = rules.Pass
		if rs.Acked { // it held the run, and a person let that go on
			v.Verdict = rules.Pending
		}
	case judge.Holding:
		v.Verdict = rules.Pending
	case judge.Silent:
		v.Verdict = rules.Unknown
	default:
		v.Verdict = rules.Pending
	}
	by := lay.Rules[i].Judge
	*now = judging{memory: rs.Memory}
	s.rollbackWatch(&now.watch, i)
	if rs.active || lay.Rules[i].Weigh != nil {
		by.Stand(&s.Scene, &now.watch, &now.memory, &now.standing)
	}
	if v.Cause == rules.CauseThreshold && lay.Rules[i].Weigh != nil {
		v.Cause = rules.CauseEvidence
	}
	v.Why, v.Evidence = rs.ground(s.run.state), by.Against(&s.Scene, &now.watch, &now.standing)
	return v
}
