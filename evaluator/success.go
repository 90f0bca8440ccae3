package evaluator

import (
	"math"

	"github.com/relgate/relgate/rules"
)

// successView is what a success rule says of its phase's window at a time.
type successView struct {
	rule    *rules.Rule
	stretch stretch
	policy  Why // where a policy has decided
	silence silence
	opinion opinion // Pending with its cause while it cannot be judged
	alarm   bool    // the companion decided
	closed  bool    // its phase is decided: what would come next does not matter

	weigh *weighing // of a rule that weighs evidence
	proof *proof    // nil until it is needed
	soft  *weighed
}

// successView judges a success rule of a phase that has begun, from its points.
func (st *State) successView(lay *layout, k, i int, at int64) successView {
	plan := lay.plan
	p := &plan.Phases[k]
	if lay.weigh[p.Success[i]] != nil {
		return st.provenView(lay, k, i, math.MaxInt64, at)
	}
	r := &plan.Rules[p.Success[i]]
	sr, sl := &st.signals[r.Signal], &lay.signals[r.Signal]
	sig := &plan.Signals[r.Signal]
	w := sr.bucket(sl)
	from, end := st.judgedWindow(plan, k, r)
	v := successView{rule: r}
	v.stretch = aggregate(r, sig, sr.whole(sl, true, min(at, end)), from, end, w)
	v.silence = lay.silence(r.Signal, sr, max(st.phases[k].started, from), math.MaxInt32, v.stretch, at)
	if v.silence.cause == rules.CauseNone && !v.stretch.known {
		none := st.phases[k].started + lay.allowance(r.Signal, w)
		if at > none {
			v.silence = silence{rules.CauseNoData, math.MaxInt64}
		} else {
			v.silence.next = min(v.silence.next, none+1)
		}
	}
	v.opinion.verdict, v.opinion.cause = st.windowVerdict(lay, r, &v.stretch, sr, at, end)
	if at < end {
		v.opinion = opinion{verdict: rules.Pending, cause: rules.CauseWindow}
	} else if r.Alarm >= 0 && r.Alarm < len(plan.Signals) && v.opinion.verdict != rules.Fail {
		st.companion(lay, &v, k, at)
	}
	return v
}

// ground is why a success rule is as its view says. The evidence beside it says
// the rest.
func (v *successView) ground() Why {
	open := v.opinion.cause == rules.CauseWindow
	switch {
	case v.policy != Why{}:
		return v.policy
	case v.alarm && v.opinion.verdict == rules.Fail:
		return Why{Code: WhyAlarmFired}
	case v.alarm:
		return Why{Code: WhyAlarmUnknown, Cause: v.opinion.cause}
	case open && v.closed:
		return Why{Code: WhyCutShort}
	case open:
		return Why{Code: WhySoFar, Cause: v.silence.cause}
	case v.opinion.cause == rules.CauseStale && v.silence.cause == rules.CauseNone:
		return Why{Code: WhyUnsettled}
	case v.undecided():
		return Why{Code: WhyCannotJudge, Cause: v.opinion.cause}
	}
	return Why{Code: WhyMeasured}
}

// undecided reports whether a success rule waits for more samples.
func (v *successView) undecided() bool {
	return v.opinion.verdict != rules.Pass && v.opinion.verdict != rules.Fail
}

// cutShort reports whether a success rule was never judged, since its phase was
// decided before its window ended.
func (v *successView) cutShort() bool { return v.closed && v.opinion.cause == rules.CauseWindow }

// judgedWindow is the stretch of event time that a success rule judges.
func (st *State) judgedWindow(plan *rules.Plan, k int, r *rules.Rule) (from, end int64) {
	end = st.windowEnd(plan, k)
	if over := secs(r.Over); over > 0 {
		return end - over, end
	}
	return st.phases[k].started, end
}

// windowVerdict judges a whole window: only on data that is complete up to its
// end, and thick enough.
func (st *State) windowVerdict(lay *layout, r *rules.Rule, v *stretch, s *series, at, end int64) (rules.Verdict, rules.Cause) {
	sig, sl := &lay.plan.Signals[r.Signal], &lay.signals[r.Signal]
	switch {
	case v.expected < 1:
		return rules.Pending, rules.CauseInsufficientSamples
	case s.settled < alignDown(end, s.bucket(sl)) && s.fails > 0:
		return rules.Pending, faultCause(s.fault)
	case s.settled < alignDown(end, s.bucket(sl)):
		return rules.Pending, rules.CauseStale
	case v.points == 0:
		return rules.Pending, rules.CauseNoData
	case !v.known || !v.covered(r.Coverage) || v.samples < r.MinSamples:
		return rules.Pending, rules.CauseInsufficientSamples
	case meets(r, sig, v.value):
		return rules.Pass, rules.CauseThreshold
	}
	return rules.Fail, rules.CauseThreshold
}

// companion judges the alarm that a success rule names: it must be known OK all
// through the window. An alarm that went off fails the rule.
func (st *State) companion(lay *layout, v *successView, k int, at int64) {
	r := v.rule
	watch := *r
	watch.Signal, watch.Alarm, watch.MinSamples = r.Alarm, -1, 0
	watch.When = rules.Condition{Op: rules.Less, Threshold: 1}
	sr, sl := &st.signals[r.Alarm], &lay.signals[r.Alarm]
	from, end := st.judgedWindow(lay.plan, k, r)
	a := aggregate(&watch, &lay.plan.Signals[r.Alarm], sr.whole(sl, true, end), from, end, sr.bucket(sl))
	verdict, cause := st.windowVerdict(lay, &watch, &a, sr, at, end)
	if verdict == rules.Fail || v.opinion.verdict == rules.Pass && verdict != rules.Pass {
		v.opinion.verdict, v.opinion.cause, v.alarm = verdict, cause, true
	}
}

// judgeSuccess gives the new state of a success rule in a phase, and whether it
// differs from the old one.
func (s *stepper) judgeSuccess(k, i int) (successState, bool) {
	p := &s.plan.Phases[k]
	r := &s.plan.Rules[p.Success[i]]
	old := s.st.phases[k].success[i]
	_, news := s.touched(r.Signal)
	news = news || s.besideTouched(p.Success[i])
	if r.Alarm >= 0 && r.Alarm < len(s.plan.Signals) {
		_, more := s.touched(r.Alarm)
		news = news || more
	}
	if !news && s.at < old.next {
		return old, false
	}
	ss := old
	ss.ev = s.foldSuccess(k, i, old.ev)
	v := s.judgedView(k, i)
	ss.soft = v.soft
	ss.verdict, ss.cause = v.opinion.verdict, v.opinion.cause
	ss.state = v.code(&s.plan.Signals[r.Signal])
	ss.next = s.nextLook(k, &v)
	if deadline := s.windowEnd(k) + secs(p.Extend); s.at >= deadline && ss.verdict == rules.Pending {
		ss.verdict = rules.Unknown
	}
	s.successPolicy(k, p.Success[i], &ss, &v)
	if ss.verdict != old.verdict {
		ev := s.st.successEvidence(s.lay, k, i, &v)
		e, n := s.emit(Event{
			Kind: RuleEvent, Subject: r.Name, Phase: p.Name, From: old.verdict.String(), To: ss.verdict.String(),
			Cause: ss.cause, Why: v.ground(), Evidence: &ev,
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

// judgedView judges a success rule with what this tick has changed.
func (s *stepper) judgedView(k, i int) successView {
	if s.lay.weigh[s.plan.Phases[k].Success[i]] == nil {
		return s.st.successView(s.lay, k, i, s.at)
	}
	w := s.st.successWatch(s.lay, k, i)
	return s.st.provenView(s.lay, k, i, s.changed(&w), s.at)
}

// successEvidence is what a success rule judged by.
func (st *State) successEvidence(lay *layout, k, i int, v *successView) Evidence {
	if v.weigh != nil {
		return st.provenEvidence(lay, k, i, v)
	}
	return st.evidence(lay, v.rule, v.stretch)
}

func (v *successView) code(sig *rules.Signal) ruleCode {
	switch {
	case v.opinion.verdict == rules.Fail:
		return codeFired
	case v.opinion.verdict == rules.Pass:
		return codeClear
	case v.opinion.cause != rules.CauseWindow || v.silence.cause != rules.CauseNone:
		return codeSilent
	case !v.stretch.known:
		return codeIdle
	case meets(v.rule, sig, v.stretch.value):
		return codeClear
	}
	return codeBreaching
}

// nextLook is when a success rule may change without news.
func (s *stepper) nextLook(k int, v *successView) int64 {
	next := v.silence.next
	end := s.windowEnd(k)
	for _, t := range [...]int64{end, end + secs(s.plan.Phases[k].Extend)} {
		if t > s.at {
			next = min(next, t)
		}
	}
	if s.lay.signals[v.rule.Signal].level && s.at < end {
		next = min(next, s.at+1) // a level's period may have ended
	}
	return next
}

// successPolicy does what the rule wants done about data that does not come: in
// the window while its signal is silent, after it while it cannot be judged.
func (s *stepper) successPolicy(k, i int, ss *successState, v *successView) {
	r := &s.plan.Rules[i]
	ss.ignored = false
	cause := v.silence.cause
	if s.at >= s.windowEnd(k) {
		cause = rules.CauseNone
		if v.opinion.verdict == rules.Pending {
			cause = v.opinion.cause
		}
	}
	if cause == rules.CauseNone {
		ss.silent = 0
		return
	}
	if ss.silent == 0 {
		ss.silent = s.at
	}
	p := policyFor(r, cause)
	if p == rules.PolicyHold {
		return
	}
	if due := ss.silent + secs(r.Grace); s.at < due {
		ss.next = min(ss.next, due)
		return
	}
	switch p {
	case rules.PolicyIgnore:
		ss.ignored = true
	case rules.PolicyFail:
		ss.verdict, ss.cause, ss.state = rules.Fail, cause, codeFired
	case rules.PolicyRollback:
		ss.verdict, ss.cause, ss.state = rules.Rollback, cause, codeFired
	}
	if ss.verdict != rules.Pending && ss.verdict != rules.Unknown {
		v.policy = s.policyWhy(r, ss.silent, cause)
		if f := ss.frozen; f != nil && f.why.Since.Equal(v.policy.Since) && f.why.Cause == cause {
			v.policy = f.why // it has acted before, and its phase goes on: the rule is advisory
		}
		ss.frozen = &frozenRule{rule: i, why: v.policy, evidence: s.evidence(r, v.stretch)}
	}
}
