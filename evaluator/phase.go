package evaluator

import (
	"fmt"
	"math"
	"slices"

	"github.com/relgate/relgate/rules"
)

// startDue starts the phases whose time has come.
func (s *stepper) startDue() {
	for k := range s.plan.Phases {
		p, ph := &s.plan.Phases[k], &s.st.phases[k]
		due := s.lay.start + secs(p.Start)
		if !clocked(s.plan, k) || ph.begun || ph.state != rules.Waiting || s.at < due {
			continue
		}
		if s.obstacle(k) != "" {
			ph.blocked = true
			continue
		}
		started := due
		if ph.blocked {
			started = s.at
		}
		s.start(k, started, fmt.Sprintf("its time has come: %s", when(due).Format(clock)))
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
		if s.obstacle(k) == "" {
			s.start(k, s.at, fmt.Sprintf("phase %s has passed", s.plan.Phases[k-1].Name))
			any = true
		}
	}
	return any
}

// obstacle says what keeps a phase from starting, "" when nothing does.
func (s *stepper) obstacle(k int) string {
	switch {
	case s.st.run.state == rules.RolledBack:
		return "the run is rolled back"
	case s.settledRun():
		return "the run is over"
	case s.st.run.held:
		return "the run is held"
	}
	for i := range k {
		ph, name := &s.st.phases[i], s.plan.Phases[i].Name
		switch {
		case ph.state == rules.Failed:
			return fmt.Sprintf("phase %s has failed", name)
		case ph.state == rules.Monitoring && s.at >= s.windowEnd(i):
			return fmt.Sprintf("phase %s has ended and has not passed", name)
		case ph.state == rules.Waiting:
			return fmt.Sprintf("phase %s has not begun", name)
		}
	}
	return ""
}

func (s *stepper) windowEnd(k int) int64 { return s.st.windowEnd(s.plan, k) }

func (st *State) windowEnd(plan *rules.Plan, k int) int64 {
	return st.phases[k].started + secs(plan.Phases[k].Window)
}

// start begins a phase and the watch of its rollback rules.
func (s *stepper) start(k int, started int64, reason string) {
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
	s.emit(Event{
		Kind: PhaseEvent, Subject: p.Name, Phase: p.Name, From: rules.Waiting.String(), To: rules.Monitoring.String(),
		Cause: rules.CauseWindow, Owner: p.Owner,
		Reason: fmt.Sprintf("%s: watched until %s", reason, when(s.windowEnd(k)).Format(clock)),
	})
}

// countBefore counts the buckets with a value that begin before a time, the
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
	v := s.phaseVerdict(k)
	switch v.verdict {
	case rules.Pass:
		s.decide(k, rules.Passed, rules.Pass, v.cause, v.reason)
	case rules.Fail:
		s.decide(k, rules.Failed, rules.Fail, v.cause, v.reason)
	default:
		s.verdict(k, v.verdict, v.cause, v.reason)
	}
}

// countWindow keeps the books of the rollback rules: how many buckets each has
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

// windowSeen is how many buckets of a phase's window a rollback rule has seen: of one
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
	reason  string
}

// phaseVerdict puts the rules of a phase together. A known failure outranks
// what is missing; what is missing outranks every pass.
func (s *stepper) phaseVerdict(k int) opinion {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	judged := 0
	var missing *opinion
	for i := range ph.success {
		ss, gate := &ph.success[i], s.plan.Rules[p.Success[i]].Gate
		switch {
		case gate == rules.Advisory:
		case ss.verdict == rules.Fail:
			return opinion{rules.Fail, ss.cause, s.successReason(k, i)}
		case ss.ignored:
		case gate == rules.Veto && ss.verdict != rules.Pass && s.heard(k, i):
		case ss.verdict == rules.Pass:
			judged++
		case missing == nil && s.at >= s.windowEnd(k):
			missing = &opinion{rules.Pending, ss.cause, s.successReason(k, i)}
		}
	}
	if s.at < s.windowEnd(k) {
		return opinion{rules.Pending, rules.CauseWindow, fmt.Sprintf("watched until %s", when(s.windowEnd(k)).Format(clock))}
	}
	if missing == nil {
		missing = s.unclear(k, &judged)
	}
	if missing == nil && judged == 0 {
		missing = &opinion{rules.Pending, rules.CauseNoData, "none of its rules could be judged"}
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
	return opinion{rules.Pass, s.passCause(k), s.passReason(k)}
}

// heldOpinion says who holds the run.
func (st *State) heldOpinion() opinion {
	if st.run.heldFor == rules.CauseNone {
		return opinion{rules.Pending, rules.CauseManual, "the run is held"}
	}
	return opinion{rules.Pending, st.run.heldFor, "the run is held: " + st.run.heldWords()}
}

// heldWords says by which rule a run is held.
func (r *runState) heldWords() string {
	return fmt.Sprintf("rollback rule %s: %s", r.heldBy, r.heldWhy)
}

// heard reports whether the data of a success rule reach to the end of its
// phase's window: one that may only veto keeps nobody waiting after that.
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
	o := opinion{verdict: rules.Pending}
	switch {
	case rs.state == codeHolding:
		o.cause, o.reason = rs.cause, fmt.Sprintf("rollback rule %s holds the run", r.Name)
	case rs.state == codeBreaching:
		o.cause, o.reason = rules.CauseThreshold, fmt.Sprintf("rollback rule %s is breaching", r.Name)
	case rs.state == codeSilent:
		o.cause, o.reason = rs.cause, fmt.Sprintf("rollback rule %s cannot be judged: %s", r.Name, causeWords(rs.cause))
	case s.st.phases[k].rollback[i].result == windowThin:
		seen := s.windowSeen(k, r, s.st.phases[k].rollback[i])
		o.cause, o.reason = rules.CauseInsufficientSamples, fmt.Sprintf("rollback rule %s has seen too few points in the window: %d of %d are known, %s of them are wanted",
			r.Name, max(seen.points, 0), seen.expected, rules.Percent.Short(r.Coverage))
	default:
		o.cause, o.reason = rules.CauseStale, fmt.Sprintf("rollback rule %s waits for its data to settle", r.Name)
	}
	return o
}

// verdict notes a verdict of an undecided phase.
func (s *stepper) verdict(k int, v rules.Verdict, c rules.Cause, reason string) {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	from := ph.verdict
	ph.verdict, ph.cause = v, c
	if from == v {
		return
	}
	s.emit(Event{
		Kind: VerdictEvent, Subject: p.Name, Phase: p.Name, From: from.String(), To: v.String(),
		Cause: c, Reason: reason, Owner: p.Owner, Evidence: s.leading(k),
	})
}

// decide moves a phase to a state that stands until a command moves it.
func (s *stepper) decide(k int, to rules.State, v rules.Verdict, c rules.Cause, reason string) {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	from := ph.state
	s.freeze(k)
	ph.state, ph.decided, ph.reason = to, s.at, reason
	s.emit(Event{
		Kind: PhaseEvent, Subject: p.Name, Phase: p.Name, From: from.String(), To: to.String(),
		Cause: c, Reason: reason, Owner: p.Owner, Evidence: s.leading(k), By: ph.by, Why: ph.why,
	})
	s.verdict(k, v, c, reason)
}

// freeze keeps what the success rules said when the phase was decided: the
// points will be forgotten.
func (s *stepper) freeze(k int) {
	ph := &s.st.phases[k]
	if !ph.begun {
		return
	}
	ph.success = slices.Clone(ph.success)
	for i := range ph.success {
		if ph.success[i].frozen == nil {
			v := s.judgedView(k, i)
			v.closed = true
			ph.success[i].frozen = &frozenRule{rule: s.plan.Phases[k].Success[i], reason: s.st.viewWords(s.lay, k, i, s.at, &v), evidence: s.st.successEvidence(s.lay, k, i, &v)}
		}
		ph.success[i].next = math.MaxInt64
	}
}

// leading is the evidence of the success rule that decides, or would: the first
// that failed, else the first that is missing, else the first.
func (s *stepper) leading(k int) *Evidence {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	if !ph.begun || len(p.Success) == 0 {
		return nil
	}
	best := 0
	for i := range ph.success {
		if s.rank(k, i) > s.rank(k, best) {
			best = i
		}
	}
	if f := ph.success[best].frozen; f != nil {
		return &f.evidence
	}
	v := s.judgedView(k, best)
	ev := s.st.successEvidence(s.lay, k, best, &v)
	return &ev
}

// rank says how much a success rule has to do with what its phase says.
func (s *stepper) rank(k, i int) int {
	ss, gate := &s.st.phases[k].success[i], s.plan.Rules[s.plan.Phases[k].Success[i]].Gate
	switch {
	case gate == rules.Advisory:
		return 0
	case ss.verdict == rules.Fail:
		return 3
	case ss.verdict != rules.Pass && !ss.ignored && gate == rules.Required:
		return 2
	}
	return 1
}
