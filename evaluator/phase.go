package evaluator

import (
	"slices"

	"github.com/relgate/relgate/rules"
)

// startDue starts the phases that the plan's clock starts.
func (s *stepper) startDue() {
	for k := range s.plan.Phases {
		p, ph := &s.plan.Phases[k], &s.st.phases[k]
		due := s.lay.start + secs(p.Start)
		if !clocked(s.plan, k) || ph.begun || ph.state != rules.Waiting || s.at < due {
			continue
		}
		if s.obstacle(k) != nil {
			ph.blocked = true
			continue
		}
		started := due
		if ph.blocked {
			started = s.at
		}
		s.start(k, started, Why{Code: WhyOnSchedule}, 0)
	}
}

// clocked reports whether the plan's clock starts a phase. The first phase has
// none before it whose pass it could wait for.
func clocked(plan *rules.Plan, k int) bool {
	a := plan.Phases[k].Advance
	return a == rules.Scheduled || a == rules.OnPass && k == 0
}

// startOnPass starts a phase that waits for the one before.
func (s *stepper) startOnPass() bool {
	any := false
	for k := 1; k < len(s.plan.Phases); k++ {
		p, ph := &s.plan.Phases[k], &s.st.phases[k]
		if p.Advance != rules.OnPass || ph.begun || ph.state != rules.Waiting || s.st.phases[k-1].state != rules.Passed {
			continue
		}
		if s.obstacle(k) == nil {
			s.start(k, s.at, Why{Code: WhyStartedAfter, Phase: s.plan.Phases[k-1].Name}, s.st.phases[k-1].root)
			any = true
		}
	}
	return any
}

// obstacle is what keeps a phase from starting, nil when nothing does.
func (s *stepper) obstacle(k int) *Why {
	switch {
	case s.settledRun():
		return &Why{Code: WhyRunIs, State: s.st.run.state.String()}
	case s.st.run.held:
		return &Why{Code: WhyRunHeld}
	}
	for i := range k {
		ph, name := &s.st.phases[i], s.plan.Phases[i].Name
		switch end := s.windowEnd(i); {
		case ph.state == rules.Failed:
			return &Why{Code: WhyPhaseHasFailed, Phase: name}
		case ph.state == rules.Monitoring && s.at >= end:
			return &Why{Code: WhyPhaseNotPassed, Phase: name}
		case ph.state == rules.Monitoring && follows(s.plan, k, i):
			return &Why{Code: WhyPhaseWatched, Phase: name, Until: when(end)}
		case ph.state == rules.Waiting:
			return &Why{Code: WhyPhaseNotBegun, Phase: name}
		}
	}
	return nil
}

// follows reports whether a phase was planned to begin after the window of an
// earlier one: then it waits for that one's pass, however late it began.
func follows(plan *rules.Plan, k, earlier int) bool {
	e := &plan.Phases[earlier]
	return plan.Phases[k].Start >= e.Start+e.Window
}

func (s *stepper) windowEnd(k int) int64 { return s.st.windowEnd(s.plan, k) }

func (st *State) windowEnd(plan *rules.Plan, k int) int64 {
	return st.phases[k].started + secs(plan.Phases[k].Window)
}

// start begins a phase and the watch of its rollback rules.
func (s *stepper) start(k int, started int64, why Why, root uint64) {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	ph.state, ph.begun, ph.started = rules.Monitoring, true, started
	ph.cause = rules.CauseWindow
	ph.success = make([]successState, len(p.Success))
	for i := range ph.success {
		ph.success[i].verdict = rules.Pending
		ph.success[i].cause = rules.CauseWindow
	}
	ph.rollback = make([]windowCount, len(p.Rollback))
	for _, r := range p.Rollback {
		if rs := &s.st.rules[r]; !rs.active {
			rs = s.rule(r)
			rs.active, rs.since, rs.next = true, started, 0
		}
	}
	why.Until = when(s.windowEnd(k))
	s.emit(Event{
		Kind: PhaseEvent, Subject: p.Name, Phase: p.Name, From: rules.Waiting.String(), To: rules.Monitoring.String(),
		Cause: rules.CauseWindow, Why: why,
	}, root)
}

// countBefore counts the periods with a value that begin before a time, the
// forgotten ones included.
func (st *State) countBefore(lay *layout, signal int, t int64) int {
	sr, sl := &st.signals[signal], &lay.signals[signal]
	p := sr.whole(sl, false, 0)
	return int(sr.gone) + valued(p[:before(p, t)], sr.bucket(sl), sl)
}

// judgePhases judges what is watched until nothing follows any more: a phase
// that passes may start the next.
func (s *stepper) judgePhases() {
	s.rollbackAll()
	if s.settledRun() {
		return
	}
	for again := true; again; {
		s.eachWatched(s.judgeWindow)
		s.rollbackAll() // a policy may want it; then nothing passes
		s.eachWatched(s.conclude)
		again = s.startOnPass()
		if again {
			s.judgeRollback()
			s.rollbackAll()
		}
	}
}

func (s *stepper) eachWatched(do func(k int)) {
	for k := range s.st.phases {
		if s.st.phases[k].state == rules.Monitoring {
			do(k)
		}
	}
}

// judgeWindow judges the success rules of a phase.
func (s *stepper) judgeWindow(k int) {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	s.countWindow(k)
	owned := false
	for i := range p.Success {
		next, changed := s.judgeSuccess(k, i)
		if !changed {
			continue
		}
		if !owned {
			ph.success, owned = slices.Clone(ph.success), true
		}
		ph.success[i] = next
	}
}

// conclude puts what the rules of a phase say together.
func (s *stepper) conclude(k int) {
	switch o := s.phaseVerdict(k); o.verdict {
	case rules.Pass:
		s.decide(k, rules.Passed, o)
	case rules.Fail:
		s.decide(k, rules.Failed, o)
	default:
		s.verdict(k, o)
	}
}

// countWindow keeps the books of the rollback rules: how many periods each has
// seen before the phase's window, once that has settled, and in it.
func (s *stepper) countWindow(k int) {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	if ph.marked && s.at < s.windowEnd(k) {
		return
	}
	owned := false
	ph.marked = true
	for i, r := range p.Rollback {
		was := ph.rollback[i]
		now := s.windowCount(k, &s.plan.Rules[r], was)
		ph.marked = ph.marked && now.result != windowUnmarked
		if now == was {
			continue
		}
		if !owned {
			ph.rollback, owned = slices.Clone(ph.rollback), true
		}
		ph.rollback[i] = now
	}
}

func (s *stepper) windowCount(k int, r *rules.Rule, c windowCount) windowCount {
	sr, sl := &s.st.signals[r.Signal], &s.lay.signals[r.Signal]
	w := sr.bucket(sl)
	from, to := alignUp(s.st.phases[k].started, w), alignDown(s.windowEnd(k), w)
	if c.result == windowUnmarked && sr.settled >= from {
		c.mark, c.result = int32(s.st.countBefore(s.lay, r.Signal, from)), windowOpen
	}
	if sr.settled < to || c.result != windowOpen && (c.result != windowThin || r.Method != rules.Sequential) {
		return c
	}
	seen := s.windowSeen(k, r, c)
	c.result = windowCovered
	if len(sr.points) == 0 || sr.points[0].At > seen.to-w { // what was forgotten may lie beyond
		c.result = windowThin
	}
	if seen.points < 1 || !seen.covered(r.Coverage) {
		c.result = windowThin
	}
	if gapsSpeak(r) {
		c.result = windowCovered
	}
	if seen.expected < 1 {
		c.result = windowThin
	}
	return c
}

// windowSeen is how many periods of a phase's window a rollback rule has seen: of one
// that weighs evidence also of what has settled since, while the phase waits.
func (s *stepper) windowSeen(k int, r *rules.Rule, c windowCount) stretch {
	sr, sl := &s.st.signals[r.Signal], &s.lay.signals[r.Signal]
	w := sr.bucket(sl)
	end := s.windowEnd(k)
	if r.Method == rules.Sequential {
		end = max(end, min(sr.settled, end+secs(s.plan.Phases[k].Extend)))
	}
	from, to := alignUp(s.st.phases[k].started, w), alignDown(end, w)
	return stretch{from: from, to: to, points: s.st.countBefore(s.lay, r.Signal, to-w+1) - int(c.mark), expected: int((to - from) / w)}
}

// opinion is a verdict with its grounds.
type opinion struct {
	verdict rules.Verdict
	cause   rules.Cause
	why     Why
	root    uint64 // event that it goes back to, by its ordinal; 0 for none
}

// phaseVerdict puts the rules of a phase together. A known failure outranks
// what is missing; what is missing outranks every pass.
func (s *stepper) phaseVerdict(k int) opinion {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	judged := 0
	var missing *opinion
	for i := range ph.success {
		ss, r := &ph.success[i], &s.plan.Rules[p.Success[i]]
		byRule := Why{Code: WhyByRule, Rule: r.Name}
		switch {
		case r.Gate == rules.Advisory:
		case ss.verdict == rules.Fail:
			return opinion{rules.Fail, ss.cause, byRule, ss.event}
		case ss.ignored:
		case r.Gate == rules.Veto && ss.verdict != rules.Pass && s.heard(k, i):
		case ss.verdict == rules.Pass:
			judged++
		case missing == nil && s.at >= s.windowEnd(k):
			missing = &opinion{rules.Pending, ss.cause, byRule, ss.event}
		}
	}
	if s.at < s.windowEnd(k) {
		return opinion{rules.Pending, rules.CauseWindow, Why{Code: WhyWatched, Until: when(s.windowEnd(k))}, 0}
	}
	if missing == nil {
		missing = s.unclear(k, &judged)
	}
	if missing == nil && judged == 0 {
		missing = &opinion{rules.Pending, rules.CauseNoData, Why{Code: WhyNothingJudged}, 0}
	}
	switch {
	case missing != nil && s.at >= s.windowEnd(k)+secs(p.Extend):
		missing.verdict = rules.Unknown
		return *missing
	case missing != nil:
		return *missing
	case s.st.run.held:
		return s.st.heldOpinion()
	}
	return opinion{rules.Pass, s.passCause(k), s.passWhy(k), 0}
}

// heldOpinion is that of a phase, or a run, that nothing keeps from going on but
// the hold.
func (st *State) heldOpinion() opinion {
	return opinion{rules.Pending, st.run.holdCause(), st.run.hold, 0}
}

// holdCause is what a hold rests on.
func (r *runState) holdCause() rules.Cause {
	if r.hold.Code == WhyHeldByRule {
		return r.hold.Cause
	}
	return rules.CauseManual
}

// passCause is what a phase passes by: by evidence where any of its rules does.
func (s *stepper) passCause(k int) rules.Cause {
	p, judged := &s.plan.Phases[k], false
	for i := range s.st.phases[k].success {
		ss := &s.st.phases[k].success[i]
		switch {
		case s.plan.Rules[p.Success[i]].Gate == rules.Advisory || ss.verdict != rules.Pass:
		case ss.cause == rules.CauseEvidence:
			return rules.CauseEvidence
		default:
			judged = true
		}
	}
	for _, r := range p.Rollback {
		if !judged && s.lay.weigh[r] != nil {
			return rules.CauseEvidence
		}
	}
	return rules.CauseThreshold
}

// passWhy is the ground of a pass, with the rule whose evidence goes with it.
func (s *stepper) passWhy(k int) Why {
	p := &s.plan.Phases[k]
	why := Why{Code: WhyRulesHold, Of: len(p.Rollback)}
	if i := s.leadingRule(k); i >= 0 {
		why.Rule = s.plan.Rules[p.Success[i]].Name
	}
	for _, r := range p.Rollback {
		if s.st.rules[r].state == codeClear {
			why.N++
		}
	}
	return why
}

// heard reports whether the data of a success rule reach to the end of its
// phase's window: one that may only veto is not waited for after that.
func (s *stepper) heard(k, i int) bool {
	r := &s.plan.Rules[s.plan.Phases[k].Success[i]]
	sr, sl := &s.st.signals[r.Signal], &s.lay.signals[r.Signal]
	return sr.settled >= alignDown(s.windowEnd(k), sr.bucket(sl))
}

// unclear gives the first rollback rule that is not known to have been quiet
// over the window.
func (s *stepper) unclear(k int, judged *int) *opinion {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	for i, ri := range p.Rollback {
		r, rs := &s.plan.Rules[ri], &s.st.rules[ri]
		covered := ph.rollback[i].result == windowCovered
		if covered && (rs.state == codeClear || rs.state == codeWarning) {
			*judged++
			continue
		}
		o := s.whyUnclear(k, i)
		silentSince := s.windowEnd(k)
		if rs.silent != 0 {
			silentSince = min(silentSince, rs.silent)
		}
		if rs.state != codeBreaching && rs.state != codeHolding && policyFor(r, o.cause) == rules.PolicyIgnore && s.at >= silentSince+secs(r.Grace) {
			continue
		}
		return &o
	}
	return nil
}

func (s *stepper) whyUnclear(k, i int) opinion {
	r := &s.plan.Rules[s.plan.Phases[k].Rollback[i]]
	rs := &s.st.rules[s.plan.Phases[k].Rollback[i]]
	o := opinion{verdict: rules.Pending, why: Why{Rule: r.Name}}
	switch {
	case rs.state == codeHolding:
		o.cause, o.why.Code = rs.cause, WhyRuleHolds
	case rs.state == codeBreaching:
		o.cause, o.why.Code = rules.CauseThreshold, WhyRuleBreaches
	case rs.state == codeSilent:
		o.cause, o.why.Code, o.why.Cause = rs.cause, WhyRuleSilent, rs.cause
	case s.st.phases[k].rollback[i].result == windowThin:
		seen := s.windowSeen(k, r, s.st.phases[k].rollback[i])
		o.cause, o.why.Code, o.why.N, o.why.Of = rules.CauseInsufficientSamples, WhyRuleThin, max(seen.points, 0), seen.expected
	default:
		o.cause, o.why.Code = rules.CauseStale, WhyRuleUnsettled
	}
	return o
}
