package evaluator

import (
	"cmp"
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// judgeRollback looks at every rollback rule that news or time concern. All are
// judged even when one fires.
func (s *stepper) judgeRollback() {
	if !s.st.run.judged() {
		return
	}
	for _, i := range s.lay.Roll {
		rs := &s.st.rules[i]
		if !rs.active || rs.State == judge.Fired {
			continue
		}
		if changed, news := s.changed(int(i)); news || s.at >= rs.next {
			s.judgeRule(int(i), changed)
		}
	}
	if s.st.run.accused {
		s.acquit()
	}
}

// acquit ends the watch of a run that has failed, once no rule speaks against it any more
// or its time is over.
func (s *stepper) acquit() {
	run, why := &s.st.run, fact.Why{Code: fact.WhyWatchEnded}
	if s.accused() {
		if s.st.watched(s.plan, s.lay, s.at) {
			return
		}
		why.Until = series.When(s.at)
	}
	run.accused = false
	s.emit(fact.Event{Kind: fact.RunEvent, Subject: s.plan.Name, From: run.state.String(), To: fact.Over, Cause: run.cause, Why: why}, 0)
}

// accused reports whether a rollback rule speaks against a run that has failed: what
// may come to a rollback is watched until it is over. Once it is watched, silence does
// not end that.
func (s *stepper) accused() bool {
	for _, i := range s.lay.Roll {
		rs := &s.st.rules[i]
		if !rs.active || s.plan.Rules[i].Shadow {
			continue
		}
		switch rs.State {
		case judge.Breaching, judge.Holding, judge.Fired:
			return true
		case judge.Warning:
			if rs.Cause == rules.CauseEvidence {
				return true
			}
		case judge.Silent:
			var o opinion // an alarm that is not known is no word against the release
			if s.st.run.accused || s.ongoing(int(i), &o) && o.why.Code != fact.WhyAlarmUnknown {
				return true
			}
		}
	}
	return false
}

func (s *stepper) judgeRule(i int, changed int64) {
	r, by, old := &s.plan.Rules[i], s.lay.Rules[i].Judge, s.st.rules[i]
	s.st.rollbackWatch(&s.watch, i)
	s.watch.Changed, s.watch.Fresh, s.watch.Prev = changed, old.next == 0, s.prev
	if r.Alarm >= 0 && r.Alarm < len(s.plan.Signals) {
		s.watch.Alarm, _ = s.touched(r.Alarm)
	}
	if s.settledRun() && old.State == judge.Holding {
		s.watch.Was.State = judge.Warning // no one can resume a run that has failed
	}
	s.memory = old.Memory
	v := &s.standing
	v.Reset()
	by.Fold(&s.st.Scene, &s.watch, &s.memory)
	by.Stand(&s.st.Scene, &s.watch, &s.memory, v)
	rs := old
	rs.Memory = s.memory
	switch {
	case r.Shadow:
		s.judgeShadow(i, &rs, v)
		return
	case s.fires(i, v):
		*s.rule(i) = rs
		s.fire(i, old.State, v.Fires, by.Against(&s.st.Scene, &s.watch, v), fact.Why{Code: fact.WhyMeasured})
		return
	}
	rs.State, rs.Cause, rs.Unseen, rs.next = v.State, v.Cause, v.Unseen, v.Next
	if rs.State == judge.Holding && r.ResumeAfter > 0 && v.HeldAgainst() {
		rs.Cause = rules.CauseEvidence // the baseline is better now, so it will not end by itself
	}
	p := s.policy(r, &rs, v.Since)
	if rs != old {
		*s.rule(i) = rs
	}
	if p == rules.PolicyRollback {
		s.fire(i, old.State, rs.Cause, s.st.Evidence(r, judge.Stretch{}), s.policyWhy(r, rs.silent, rs.Cause))
		return
	}
	if rs.State != old.State {
		s.tellRule(i, old.State, &rs, v)
	}
	if p == rules.PolicyFail && !s.settledRun() {
		s.failPhases(i, &rs)
	}
}

// fires reports whether a rule rolls the run back now. One that slows the fault down first
// holds the run meanwhile.
func (s *stepper) fires(i int, v *judge.Standing) bool {
	r, firing := &s.plan.Rules[i], v.Rung == evidence.Firing
	if r.Slow() == 0 {
		return firing
	}
	stands, good := s.st.Stands(&s.watch, v), true
	if since := s.st.people.Way().Ladder(r.Name); since != 0 {
		_, good = s.st.Good(i, since, false) // silence resolves nothing
	}
	s.st.people = s.st.people.Climb(r.Name, s.at, stands || !good)
	way := s.st.people.Way()
	due := way.Ladder(r.Name) + series.Secs(r.Slow())
	silent := !good && s.st.Lost(&s.watch, v)
	if next := max(due, s.at+1); (stands || silent) && (v.Next <= s.at || next < v.Next) {
		v.Next = next
	}
	switch {
	case (stands || silent) && s.at >= due && !way.Kept(r):
		if silent { // what it has seen last stands until something else is seen
			v.Fires = rules.CauseThreshold
		}
		return true
	case stands, firing && s.lay.Rules[i].Weigh != nil, !good && v.State != judge.Silent:
		v.State, v.Cause, v.Told = judge.Holding, cmp.Or(v.Fires, s.st.rules[i].Cause), v.Fires
		if s.st.rules[i].Acked {
			v.State = judge.Warning // a person let the run go on meanwhile
		}
	}
	return false
}

// judgeShadow says where a rule in shadow stands: what it would have done is told and
// counted, and nothing follows from it. It would do that until it is clear again.
func (s *stepper) judgeShadow(i int, rs *ruleState, v *judge.Standing) {
	r, old := &s.plan.Rules[i], s.st.rules[i]
	rs.State, rs.Cause, rs.Unseen, rs.next = v.State, v.Cause, v.Unseen, v.Next
	switch {
	case v.Rung == evidence.Firing:
		rs.State, rs.Cause, rs.next, rs.silent = judge.WouldFire, v.Fires, max(v.Next, s.at+1), 0
		v.Told, v.Notify = v.Fires, r.Notify
	case s.policy(r, rs, v.Since) == rules.PolicyRollback:
		rs.State = judge.WouldFire
	case rs.State == judge.Holding:
		rs.State = judge.WouldHold
	}
	switch {
	case old.State != judge.WouldFire && rs.State == judge.WouldFire:
		rs.would = min(rs.would, math.MaxInt16-1) + 1
	case old.State == judge.WouldFire && rs.State != judge.Clear && rs.State != judge.Idle:
		rs.State = judge.WouldFire
		if rs.Cause == rules.CauseNone {
			rs.Cause = rules.CauseThreshold
		}
	}
	if *rs != old {
		*s.rule(i) = *rs
	}
	if rs.State != old.State {
		s.tellRule(i, old.State, rs, v)
	}
}

// tellRule says that a rollback rule stands elsewhere, and holds the run where it does.
func (s *stepper) tellRule(i int, from judge.State, rs *ruleState, v *judge.Standing) {
	ev := s.lay.Rules[i].Judge.Against(&s.st.Scene, &s.watch, v)
	e, root := s.emit(fact.Event{
		Kind: fact.RuleEvent, Subject: s.plan.Rules[i].Name, Phase: s.phaseOfRule(i), From: string(from.Name()), To: string(rs.State.Name()),
		Cause: v.Told, Why: rs.ground(s.st.run.state), Evidence: &ev, Notify: v.Notify,
	}, 0)
	if rs.State == judge.Holding {
		s.holdRun(*e, root)
	}
}

// fire makes a rollback rule fire: the run is rolled back in the same tick.
func (s *stepper) fire(i int, from judge.State, cause rules.Cause, ev fact.Evidence, why fact.Why) {
	r, rs := &s.plan.Rules[i], s.rule(i)
	rs.State, rs.Cause, rs.silent = judge.Fired, cause, 0
	s.st.frozen = append(slices.Clone(s.st.frozen), frozenRule{rule: i, why: why, evidence: ev})
	e, _ := s.emit(fact.Event{
		Kind: fact.RuleEvent, Subject: r.Name, From: string(from.Name()), To: string(fact.RuleFired), Cause: cause, Why: why,
		Evidence: &ev, Notify: r.Notify, Phase: s.phaseOfRule(i),
	}, 0)
	if s.st.fired == nil {
		fired := *e
		s.st.fired = &fired
	}
}
