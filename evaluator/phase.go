package evaluator

import (
	"cmp"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/rollout"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// startDue starts the phases that the plan's clock starts, or their share of the traffic.
func (s *stepper) startDue() {
	for k := range s.plan.Phases {
		p, ph := &s.plan.Phases[k], &s.st.phases[k]
		due, why := rollout.Due(&s.st.Scene, k)
		if why.Code == "" || ph.begun || ph.state != rules.Waiting || s.at < due {
			continue
		}
		if s.obstacle(k) != nil {
			ph.blocked = true
			continue
		}
		started := max(due, s.st.people.Allowed(s.plan, p.Name))
		if ph.blocked || s.revived {
			started = s.at
		}
		s.start(k, started, why, 0)
	}
}

// compareShares says where a phase has another share of the traffic than planned.
func (s *stepper) compareShares() {
	for k := range s.st.phases {
		ph, e, root := &s.st.phases[k], fact.Event{}, uint64(0)
		if ph.rollout, e = ph.rollout.Step(&s.st.Scene, k, s.st.began, s.settledRun()); e.Kind != "" {
			_, root = s.emit(e, 0)
		}
		if s.st.run.held || s.settledRun() {
			continue
		}
		if next, why := ph.rollout.Holds(&s.st.Scene, k); why.Code != "" {
			ph.rollout = next
			s.hold(true, why, nil, fact.Event{Phase: why.Phase, Cause: why.Cause}, root)
		}
	}
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
			s.start(k, s.at, fact.Why{Code: fact.WhyStartedAfter, Phase: s.plan.Phases[k-1].Name}, s.st.phases[k-1].root)
			any = true
		}
	}
	return any
}

// obstacle is what keeps a phase from starting, nil when nothing does.
func (s *stepper) obstacle(k int) *fact.Why {
	return cmp.Or(s.inTheWay(k), s.st.keeps(s.plan, k))
}

// inTheWay is the same without signatures.
func (s *stepper) inTheWay(k int) *fact.Why {
	switch {
	case s.settledRun():
		return &fact.Why{Code: fact.WhyRunIs, State: s.st.run.state.String()}
	case s.st.run.held:
		return &fact.Why{Code: fact.WhyRunHeld}
	}
	for i := range k {
		ph, name := &s.st.phases[i], s.plan.Phases[i].Name
		switch end := s.windowEnd(i); {
		case ph.state == rules.Failed:
			return &fact.Why{Code: fact.WhyPhaseHasFailed, Phase: name}
		case ph.state == rules.Monitoring && s.at >= end:
			return &fact.Why{Code: fact.WhyPhaseNotPassed, Phase: name}
		case ph.state == rules.Monitoring && s.plan.Follows(k, i):
			return &fact.Why{Code: fact.WhyPhaseWatched, Phase: name, Until: series.When(end)}
		case ph.state == rules.Waiting:
			return &fact.Why{Code: fact.WhyPhaseNotBegun, Phase: name}
		}
	}
	return nil
}

// start begins a phase and the watch of its rollback rules.
func (s *stepper) start(k int, started int64, why fact.Why, root uint64) {
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
	why.Until = series.When(s.windowEnd(k))
	s.emit(fact.Event{
		Kind: fact.PhaseEvent, Subject: p.Name, Phase: p.Name, From: rules.Waiting.String(), To: rules.Monitoring.String(),
		Cause: rules.CauseWindow, Why: why,
	}, root)
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
	sr, sl := &s.st.Signals[r.Signal], &s.lay.Signals[r.Signal]
	w := sr.Bucket(sl)
	from, to := series.AlignUp(s.st.phases[k].started, w), series.AlignDown(s.windowEnd(k), w)
	if c.result == windowUnmarked && sr.Settled >= from {
		c.mark, c.result = int32(sr.ValuedBefore(sl, from)), windowOpen
	}
	if sr.Settled < to || c.result != windowOpen && (c.result != windowThin || r.Method != rules.Sequential) {
		return c
	}
	seen, own := s.windowSeen(k, r, c), judge.Stretch{From: from, To: to}
	switch ends := c.result == windowOpen && s.st.EndsSilent(r, &own); {
	case judge.GapsSpeak(r) && seen.Expected > 0:
		c.result = windowCovered
	case ends && (r.Method == rules.Sequential || seen.Covered(r.Coverage)):
		c.result = windowSilent // what comes later says nothing of it
	case seen.Expected < 1 || seen.Points < 1 || !seen.Covered(r.Coverage) || s.st.EndsSilent(r, &seen),
		len(sr.Points) == 0 || sr.Points[0].At > seen.To-w: // what was forgotten may lie beyond
		c.result = windowThin
	default:
		c.result = windowCovered
	}
	return c
}

// windowSeen is how many periods of a phase's window a rollback rule has seen: of one
// that weighs evidence also of what has settled since, while the phase waits.
func (s *stepper) windowSeen(k int, r *rules.Rule, c windowCount) judge.Stretch {
	sr, sl := &s.st.Signals[r.Signal], &s.lay.Signals[r.Signal]
	w := sr.Bucket(sl)
	end := s.windowEnd(k)
	if r.Method == rules.Sequential {
		end = max(end, min(sr.Settled, end+series.Secs(s.plan.Phases[k].Extend)))
	}
	from, to := series.AlignUp(s.st.phases[k].started, w), series.AlignDown(end, w)
	return judge.Stretch{From: from, To: to, Points: sr.ValuedBefore(sl, to-w+1) - int(c.mark), Expected: int((to - from) / w)}
}

// phaseVerdict puts the rules of a phase together. A known failure outranks
// what is missing; what is missing outranks every pass.
func (s *stepper) phaseVerdict(k int) opinion {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	judged := 0
	var missing *opinion
	for i := range ph.success {
		ss, r := &ph.success[i], &s.plan.Rules[p.Success[i]]
		byRule := fact.Why{Code: fact.WhyByRule, Rule: r.Name}
		switch {
		case r.OnlyShown():
		case ss.verdict == rules.Fail:
			return opinion{rules.Fail, ss.cause, byRule, ss.event}
		case ss.ignored:
		case r.Gate == rules.Veto && ss.verdict != rules.Pass && !ss.against && (s.st.Heard(r, s.windowEnd(k)) || ss.silent != 0 && s.at >= s.windowEnd(k)+series.Secs(r.Grace)):
		case ss.verdict == rules.Pass:
			judged++
		case missing == nil && s.at >= s.windowEnd(k):
			missing = &opinion{rules.Pending, ss.cause, byRule, ss.event}
		}
	}
	if s.at < s.windowEnd(k) {
		return opinion{rules.Pending, rules.CauseWindow, fact.Why{Code: fact.WhyWatched, Until: series.When(s.windowEnd(k))}, 0}
	}
	if missing == nil {
		missing = s.unclear(k, &judged)
	}
	if missing == nil && judged == 0 {
		missing = &opinion{rules.Pending, rules.CauseNoData, fact.Why{Code: fact.WhyNothingJudged}, 0}
	}
	switch {
	case missing != nil && s.at >= s.windowEnd(k)+series.Secs(p.Extend):
		missing.verdict, missing.why.Verdict = rules.Unknown, rules.Unknown
		return *missing
	case missing != nil:
		return *missing
	case s.st.run.held:
		return s.st.heldOpinion()
	}
	return opinion{rules.Pass, s.passCause(k), s.passWhy(k), 0}
}

// passCause is what a phase passes by: by evidence where any of its rules does.
func (s *stepper) passCause(k int) rules.Cause {
	p, judged := &s.plan.Phases[k], false
	for i := range s.st.phases[k].success {
		ss := &s.st.phases[k].success[i]
		switch {
		case s.plan.Rules[p.Success[i]].OnlyShown() || ss.verdict != rules.Pass:
		case ss.cause == rules.CauseEvidence:
			return rules.CauseEvidence
		default:
			judged = true
		}
	}
	for _, r := range p.Rollback {
		if !judged && s.lay.Rules[r].Weigh != nil && !s.plan.Rules[r].Shadow {
			return rules.CauseEvidence
		}
	}
	return rules.CauseThreshold
}

// passWhy is the ground of a pass, with the rule whose evidence goes with it.
func (s *stepper) passWhy(k int) fact.Why {
	p := &s.plan.Phases[k]
	why := fact.Why{Code: fact.WhyRulesHold}
	if i := s.leadingRule(k); i >= 0 {
		why.Rule = s.plan.Rules[p.Success[i]].Name
	}
	for _, i := range p.Rollback {
		r := &s.plan.Rules[i]
		if r.Shadow {
			continue
		}
		why.Of++
		switch s.st.rules[i].State {
		case judge.Clear:
			why.N++
		case judge.Warning:
			why.Warn = strings.TrimPrefix(why.Warn+" "+r.Name, " ")
		}
	}
	return why
}

// unclear gives the first rollback rule that is not known to have been quiet
// over the window.
func (s *stepper) unclear(k int, judged *int) *opinion {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	for i, ri := range p.Rollback {
		r, rs := &s.plan.Rules[ri], &s.st.rules[ri]
		if r.Shadow {
			continue
		}
		covered := ph.rollback[i].result == windowCovered && (rs.State == judge.Clear || rs.State == judge.Warning)
		o := s.whyUnclear(k, int(ri), ph.rollback[i])
		silentSince := s.windowEnd(k)
		if rs.silent != 0 {
			silentSince = min(silentSince, rs.silent)
		}
		speaks := rs.State == judge.Breaching || rs.State == judge.Holding
		if !covered && (speaks || !judge.Ignores(r, o.cause, false) || s.at < silentSince+series.Secs(r.Grace)) {
			return &o
		}
		switch {
		case s.ongoing(int(ri), &o):
			return &o
		case covered:
			*judged++
		}
	}
	return s.stillSpeaks(k)
}

// stillSpeaks gives the first rollback rule of an earlier phase that is not known to be
// quiet, where a phase is the last that the run waits for: all are watched to its end.
func (s *stepper) stillSpeaks(k int) *opinion {
	for i := range s.st.phases {
		if i != k && s.st.phases[i].state != rules.Passed {
			return nil
		}
	}
	for _, i := range s.lay.Roll {
		r, rs := &s.plan.Rules[i], &s.st.rules[i]
		if r.Shadow || !rs.active || slices.Contains(s.plan.Phases[k].Rollback, int(i)) {
			continue
		}
		o := s.whyUnclear(k, int(i), windowCount{})
		if s.ongoing(int(i), &o) || rs.State == judge.Breaching || rs.State == judge.Holding || rs.State == judge.Silent && !judge.Ignores(r, rs.Cause, false) {
			return &o
		}
	}
	return nil
}

// ongoing reports, in o where there is more to say than that a rollback rule breaches, whether
// no pass is given over what it says: while its ladder stands, it warns or falls silent.
func (s *stepper) ongoing(i int, o *opinion) bool {
	r, rs := &s.plan.Rules[i], &s.st.rules[i]
	if s.st.people.Way().Ladder(r.Name) != 0 { // also where a person resumed, and silence is ignored
		*o = opinion{rules.Pending, rules.CauseThreshold, fact.Why{Code: fact.WhyRuleBreaches, Rule: r.Name}, 0}
		return true
	} else if rs.State != judge.Silent && rs.State != judge.Warning {
		return false
	}
	w, m, v := new(judge.Watch), rs.Memory, new(judge.Standing)
	s.st.rollbackWatch(w, i)
	s.lay.Rules[i].Judge.Stand(&s.st.Scene, w, &m, v)
	cause, why, ok := s.st.Waits(w, v, rs.State == judge.Silent)
	if why.Code != "" {
		*o = opinion{rules.Pending, cause, why, 0}
	}
	return ok
}

func (s *stepper) whyUnclear(k, rule int, c windowCount) opinion {
	r, rs := &s.plan.Rules[rule], &s.st.rules[rule]
	o := opinion{verdict: rules.Pending, why: fact.Why{Rule: r.Name}}
	switch {
	case rs.State == judge.Holding:
		o.cause, o.why.Code = rs.Cause, fact.WhyRuleHolds
	case rs.State == judge.Breaching:
		o.cause, o.why.Code = rules.CauseThreshold, fact.WhyRuleBreaches
	case rs.Unseen:
		o.cause, o.why.Code = rules.CauseNoData, rs.ground(s.st.run.state).Code
	case rs.State == judge.Silent:
		o.cause, o.why.Code, o.why.Cause = rs.Cause, fact.WhyRuleSilent, rs.Cause
	case c.result == windowCovered && rs.State == judge.Idle:
		o.cause, o.why.Code, o.why.Cause = rules.CauseNoData, fact.WhyRuleSilent, rules.CauseNoData
	case c.result == windowThin || c.result == windowSilent:
		seen := s.windowSeen(k, r, c)
		o.cause, o.why = s.st.Thin(r, &seen, c.result == windowSilent)
	default:
		o.cause, o.why.Code = rules.CauseUnsettled, fact.WhyRuleUnsettled
	}
	return o
}
