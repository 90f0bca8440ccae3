package evaluator

import (
	"math"
	"slices"

	"github.com/relgate/relgate/rules"
)

// judgeRollback looks at every rollback rule that news or time concern. All are
// judged even when one fires.
func (s *stepper) judgeRollback() {
	if s.settledRun() {
		return
	}
	for _, i := range s.lay.roll {
		rs := &s.st.rules[i]
		if !rs.active || rs.state == codeFired {
			continue
		}
		from, news := s.touched(s.plan.Rules[i].Signal)
		news = news || s.besideTouched(int(i))
		switch {
		case !news && s.at < rs.next:
		case s.lay.weigh[i] != nil:
			s.judgeEvidence(int(i))
		default:
			s.judgeRule(int(i), from)
		}
	}
}

// settledRun reports whether no rule can change the run any more.
func (s *stepper) settledRun() bool { return Decided(s.st.run.state) }

func (s *stepper) judgeRule(i int, from int64) {
	r, old := &s.plan.Rules[i], s.st.rules[i]
	sr, sl := &s.st.signals[r.Signal], &s.lay.signals[r.Signal]
	if old.next == 0 {
		from = old.since
	} else if sl.level && (r.For > 0 || r.Datapoints.M > 0) {
		// Its newest period counts when it is over, without any news.
		from = min(from, s.prev-sr.bucket(sl)+1)
	}
	j := trace(s.lay, r, sr, old.since, from, s.at)
	if j.fired {
		ev := s.evidence(r, j.fire)
		ev.Datapoints = j.periods(r)
		s.fire(i, old.state, rules.CauseThreshold, ev, Why{Code: WhyMeasured})
		return
	}
	rs := old
	gap := lookback(r)
	if !j.newest.known && sr.newest(sl) > old.since {
		gap = max(gap, secs(r.Over)) // its data comes; its first stretch may still fill up
	}
	silent := s.lay.silence(r.Signal, sr, old.since, gap, j.newest, s.at)
	if silent.cause == rules.CauseNone {
		silent.cause = j.silent
	}
	rs.state, rs.cause = j.code(), silent.cause
	if silent.cause != rules.CauseNone {
		rs.state = codeSilent
	}
	rs.next = silent.next
	if j.open > s.at {
		rs.next = min(rs.next, j.open)
	}
	p := s.policy(r, &rs)
	if rs != old {
		*s.rule(i) = rs
	}
	if p == rules.PolicyRollback {
		s.fire(i, old.state, rs.cause, s.evidence(r, stretch{}), s.policyWhy(r, rs.silent, rs.cause))
		return
	}
	if rs.state != old.state {
		s.emit(s.ruleEvent(i, old.state, rs, &j), 0)
	}
	if p == rules.PolicyFail {
		s.failPhases(i, &rs)
	}
}

func (j *judged) code() ruleCode {
	switch {
	case j.state != codeIdle:
		return j.state
	case !j.newest.known:
		return codeIdle
	case j.run.points > 0:
		return codeBreaching
	}
	return codeClear
}

// lookback is how long a gap in the data a rollback rule puts up with: the share
// of its stretch that its coverage does not demand. One with datapoints says
// itself what a gap is.
func lookback(r *rules.Rule) int64 {
	if r.Datapoints.M > 0 {
		return forever
	}
	return int64((1 - r.Coverage) * float64(secs(r.For)+secs(r.Over)))
}

// silence is whether a signal can be judged, and when that may change by
// itself.
type silence struct {
	cause rules.Cause
	next  int64
}

// silence says why a signal cannot be judged at a time, CauseNone when it can
// or when it is too early to say.
func (l *layout) silence(signal int, s *series, since, lookback int64, newest stretch, at int64) silence {
	sl := &l.signals[signal]
	allowed := l.allowance(signal, s.bucket(sl))
	heard := max(s.settled, s.newest(sl), since)
	old := heard + allowed
	base := since
	if newest.known {
		base = max(base, newest.newest)
	}
	thin := base + allowed + lookback
	switch {
	case s.fails >= persistent:
		return silence{faultCause(s.fault), math.MaxInt64}
	case at > old && s.fails > 0:
		return silence{faultCause(s.fault), math.MaxInt64}
	case at > old && s.fault == rules.NoData:
		return silence{rules.CauseNoData, math.MaxInt64}
	case at > old && s.settled == 0 && len(s.points) == 0:
		return silence{rules.CauseNoData, math.MaxInt64}
	case at > old:
		return silence{rules.CauseStale, math.MaxInt64}
	case at > thin && s.newest(sl)+allowed+lookback < at:
		return silence{rules.CauseNoData, math.MaxInt64}
	case at > thin:
		return silence{rules.CauseInsufficientSamples, math.MaxInt64}
	}
	return silence{rules.CauseNone, min(old, thin) + 1}
}

// policy gives what is to be done about silence now, PolicyHold while there is
// nothing to do. rs is the rule's new state.
func (s *stepper) policy(r *rules.Rule, rs *ruleState) rules.Policy {
	if rs.state != codeSilent {
		rs.silent = 0
		return rules.PolicyHold
	}
	if rs.silent == 0 {
		rs.silent = s.at
	}
	p := policyFor(r, rs.cause)
	if p != rules.PolicyFail && p != rules.PolicyRollback {
		return rules.PolicyHold
	}
	if due := rs.silent + secs(r.Grace); s.at < due {
		rs.next = min(rs.next, due)
		return rules.PolicyHold
	}
	rs.next = s.at + 1 // a phase that begins later is judged by the same policy
	return p
}

// failPhases fails the phases that name a rule.
func (s *stepper) failPhases(i int, rs *ruleState) {
	for _, k := range s.lay.phases(i) {
		if s.st.phases[k].state == rules.Monitoring {
			s.decide(int(k), rules.Failed, opinion{rules.Fail, rs.cause, s.policyWhy(&s.plan.Rules[i], rs.silent, rs.cause), 0})
		}
	}
}

// policyFor is the policy for a cause of silence.
func policyFor(r *rules.Rule, c rules.Cause) rules.Policy {
	if c == rules.CauseSourceError || c == rules.CauseConfig {
		return r.OnError
	}
	return r.OnNoData
}

// policyWhy is the ground of what a policy does now about silence since a time.
func (s *stepper) policyWhy(r *rules.Rule, since int64, c rules.Cause) Why {
	return Why{Code: WhyPolicy, Rule: r.Name, Since: when(since), Until: when(s.at), Cause: c, Policy: policyFor(r, c)}
}

// fire makes a rollback rule fire: the run is rolled back in the same tick.
func (s *stepper) fire(i int, from ruleCode, cause rules.Cause, ev Evidence, why Why) {
	r, rs := &s.plan.Rules[i], s.rule(i)
	rs.state, rs.cause, rs.silent = codeFired, cause, 0
	s.st.frozen = append(slices.Clone(s.st.frozen), frozenRule{rule: i, why: why, evidence: ev})
	e, _ := s.emit(Event{
		Kind: RuleEvent, Subject: r.Name, From: string(from.name()), To: string(RuleFired), Cause: cause, Why: why,
		Evidence: &ev, Notify: r.Notify, Phase: s.phaseOfRule(i),
	}, 0)
	if s.st.fired == nil {
		fired := *e
		s.st.fired = &fired
	}
}

// phaseOfRule names the newest phase that has begun and names the rule.
func (s *stepper) phaseOfRule(i int) string {
	name := ""
	for _, k := range s.lay.phases(i) {
		if s.st.phases[k].begun {
			name = s.plan.Phases[k].Name
		}
	}
	return name
}

func (s *stepper) ruleEvent(i int, from ruleCode, rs ruleState, j *judged) Event {
	r := &s.plan.Rules[i]
	ev := s.st.tracedEvidence(s.lay, r, j)
	cause := rs.cause
	if rs.state == codeClear || rs.state == codeBreaching {
		cause = rules.CauseThreshold
	}
	return Event{
		Kind: RuleEvent, Subject: r.Name, Phase: s.phaseOfRule(i), From: string(from.name()), To: string(rs.state.name()),
		Cause: cause, Why: rs.ground(), Evidence: &ev,
	}
}

// ground is why a rollback rule is in its state. The evidence beside it says the
// rest.
func (rs *ruleState) ground() Why {
	switch {
	case rs.state == codeIdle && !rs.active:
		return Why{Code: WhyNotWatched}
	case rs.state == codeIdle:
		return Why{Code: WhyNoDataYet}
	case rs.state == codeSilent:
		return Why{Code: WhyCannotJudge, Cause: rs.cause}
	}
	return Why{Code: WhyMeasured}
}

// tracedEvidence is what a rollback rule judged that has not fired.
func (s *State) tracedEvidence(lay *layout, r *rules.Rule, j *judged) Evidence {
	ev := s.evidence(lay, r, j.shown())
	ev.Datapoints, ev.Last = j.periods(r), whenOrZero(j.last)
	return ev
}

// periods is what a rule with datapoints has counted, nil for others.
func (j *judged) periods(r *rules.Rule) *Periods {
	if r.Datapoints.M == 0 {
		return nil
	}
	p := &Periods{Breaching: j.alarm.Breaching, Premature: j.alarm.Premature}
	if r.Datapoints.Missing == rules.MissingIsBreaching {
		p.Missing = j.alarm.Filled
		p.Breaching += p.Missing
	}
	return p
}

// shown is the stretch that people should see: the breach, else the newest value.
func (j *judged) shown() stretch {
	if j.run.points == 0 {
		return j.newest
	}
	v := j.run
	v.value, v.known = j.newest.value, j.newest.known
	return v
}

func (s *stepper) evidence(r *rules.Rule, v stretch) Evidence {
	return s.st.evidence(s.lay, r, v)
}
