package evaluator

import (
	"fmt"
	"math"
	"strings"

	"github.com/relgate/relgate/rules"
)

// Look is the run as it stands: a function of plan and state alone.
func Look(plan *rules.Plan, state *State) Snapshot {
	st := fit(plan, state)
	lay := st.layoutOf(plan)
	v := Snapshot{
		Plan: plan.Name, Title: plan.Title, Version: plan.Version, Manager: plan.Manager,
		Interval: plan.Interval, Start: plan.Start.UTC(),
		Run: plan.Binding.Run, Try: plan.Binding.Try, Parameters: plan.Binding.Parameters,
		Begun: whenOrZero(st.run.begun), By: st.run.by,
		State: st.run.shown(), Held: st.run.held && st.run.state != rules.RolledBack && st.run.state != rules.Superseded, Verdict: st.run.verdict, Cause: st.run.cause, Why: st.run.why,
		Generation: st.n, Current: st.current(), RolledBack: st.run.done,
		Over: st.runOver(),
	}
	if v.Held {
		v.Holder = st.run.holder()
	}
	if st.begun {
		v.At = when(st.at)
	}
	end, horizon := st.ends(plan, lay)
	v.End, v.Horizon = when(end), when(horizon)
	if st.fired != nil {
		f := *st.fired
		v.Fired = &f
	}
	v.lookAt(lay, st)
	return v
}

func (r *runState) holder() Holder {
	return Holder{By: r.hold.By + r.hold.Rule, Principal: r.hold.Principal, Rule: r.hold.Rule != "", Cause: r.holdCause(), Text: r.hold.Text, Evidence: r.holding}
}

// lookAt fills phases, rules and signals.
func (v *Snapshot) lookAt(lay *layout, st *State) {
	plan := lay.plan
	shown := make([]int, len(plan.Rules)) // :: rule → its place in Snapshot.Rollback
	v.Rollback = make([]RuleView, 0, len(lay.roll))
	for _, i := range lay.roll {
		shown[i] = len(v.Rollback)
		v.Rollback = append(v.Rollback, st.rollbackView(lay, int(i)))
	}
	v.Phases = make([]PhaseView, len(plan.Phases))
	for k := range plan.Phases {
		v.Phases[k] = st.phaseView(lay, k, shown)
	}
	v.Signals = make([]SignalView, len(plan.Signals))
	for i := range plan.Signals {
		v.Signals[i] = st.signalView(lay, i)
	}
	if !st.watched(plan, lay, st.at) {
		return
	}
	for i, need := range st.needs(lay, st.at) {
		if need != unneeded {
			v.Signals[i].Due = when(max(st.signals[i].owed(), need, st.run.begun)) // a run that begins late asked no source before
		}
	}
}

// current is the latest phase that has begun, else the first.
func (s *State) current() int {
	for k := len(s.phases) - 1; k >= 0; k-- {
		if s.phases[k].begun {
			return k
		}
	}
	return 0
}

// ends gives when the last window ends, and when the last undecided phase gives
// up waiting for data, as far as is known.
func (s *State) ends(plan *rules.Plan, lay *layout) (end, horizon int64) {
	end, horizon = lay.start, lay.start
	ends := make([]int64, len(plan.Phases)) // :: phase → the end of its window
	for k := range plan.Phases {
		p, ph := &plan.Phases[k], &s.phases[k]
		start := lay.start + secs(p.Start)
		if ph.begun {
			start = ph.started
		} else if ph.state == rules.Waiting {
			start = max(start, s.at) // it cannot begin in the past
			for i := range k {
				if follows(plan, k, i) && s.phases[i].state != rules.Passed {
					start = max(start, ends[i])
				}
			}
		}
		if ph.state == rules.Waiting && !ph.begun && s.doomed(k) {
			continue
		}
		e := start + secs(p.Window)
		ends[k] = e
		end = max(end, e)
		if ph.decided == 0 {
			e += secs(p.Extend)
		}
		horizon = max(horizon, e)
	}
	return end, horizon
}

// doomed reports whether a phase that waits cannot begin without a command: one
// before it has failed, or could not be judged in time.
func (s *State) doomed(k int) bool {
	for i := range k {
		if s.phases[i].state == rules.Failed || s.phases[i].verdict == rules.Unknown {
			return true
		}
	}
	return false
}

func (s *State) phaseView(lay *layout, k int, shown []int) PhaseView {
	p, ph := &lay.plan.Phases[k], &s.phases[k]
	v := PhaseView{
		Name: p.Name, Title: p.Title, Target: p.Target, Traffic: p.Traffic, Owner: p.Owner, Advance: p.Advance,
		State: ph.state, Verdict: s.gateOf(k), Cause: ph.cause, Why: ph.why,
		Scheduled: when(lay.start + secs(p.Start)), Decided: whenOrZero(ph.decided),
	}
	if v.Verdict != ph.verdict {
		v.Cause, v.Why = s.run.holdCause(), s.run.hold
	}
	if ph.begun {
		end := s.windowEnd(lay.plan, k)
		v.Started, v.WindowEnd, v.Deadline = when(ph.started), when(end), when(end+secs(p.Extend))
	}
	v.Success = make([]RuleView, len(p.Success))
	for i := range p.Success {
		v.Success[i] = s.successRuleView(lay, k, i)
	}
	v.Rollback = make([]int, len(p.Rollback))
	for i, r := range p.Rollback {
		v.Rollback[i] = shown[r]
	}
	if v.Why == (Why{}) {
		v.Why = s.undecided(lay, k)
	}
	if (s.run.state == rules.RolledBack || s.run.state == rules.Superseded) && ph.state != s.run.state {
		v.Why = s.run.why
	}
	return v
}

// undecided is why a phase is not decided.
func (s *State) undecided(lay *layout, k int) Why {
	p, ph := &lay.plan.Phases[k], &s.phases[k]
	st := stepper{plan: lay.plan, lay: lay, st: s, at: s.at}
	if !ph.begun {
		return st.notBegun(k)
	}
	end := s.windowEnd(lay.plan, k)
	if s.at < end {
		return Why{Code: WhyWatched, Until: when(end)}
	}
	for i, ss := range ph.success {
		r := &lay.plan.Rules[p.Success[i]]
		if ss.verdict != rules.Pass && !ss.ignored && (r.Gate == rules.Required || r.Gate == rules.Veto && ss.verdict == rules.Fail) {
			return Why{Code: WhyByRule, Rule: r.Name}
		}
	}
	var judged int
	switch o := st.unclear(k, &judged); {
	case o != nil:
		return o.why
	case s.run.held:
		return s.run.hold
	}
	return Why{Code: WhyNextTick} // unreachable unless the plan was changed since the last tick
}

// notBegun is why a phase has not begun.
func (s *stepper) notBegun(k int) Why {
	p, why := &s.plan.Phases[k], s.obstacle(k)
	switch {
	case clocked(s.plan, k) && !s.st.phases[k].blocked:
		return Why{Code: WhyBegins, Until: when(s.lay.start + secs(p.Start))}
	case p.Advance == rules.OnPass && k > 0 && (why == nil || s.passes(k, why)):
		return Why{Code: WhyAwaitsPass, Phase: s.plan.Phases[k-1].Name}
	case why != nil:
		return *why
	case p.Advance == rules.Signalled:
		return Why{Code: WhyAwaitsCommand}
	}
	return Why{Code: WhyNextTick}
}

// passes reports whether an obstacle goes by itself as the phases before k are
// watched and pass, or is just that the one whose pass it awaits has not passed.
func (s *stepper) passes(k int, why *Why) bool {
	switch why.Code {
	case WhyPhaseWatched, WhyPhaseNotBegun:
		return true
	case WhyPhaseNotPassed:
		return why.Phase == s.plan.Phases[k-1].Name
	}
	return false
}

func (s *State) successRuleView(lay *layout, k, i int) RuleView {
	plan, ph := lay.plan, &s.phases[k]
	r := &plan.Rules[plan.Phases[k].Success[i]]
	v := ruleView(plan, r)
	if !ph.begun {
		v.State, v.Verdict, v.Cause = RuleIdle, rules.Pending, rules.CauseWindow
		v.Why = Why{Code: WhyNotWatched}
		v.Evidence = s.evidence(lay, r, stretch{})
		return v
	}
	ss := &ph.success[i]
	v.State, v.Verdict, v.Cause = ss.state.name(), ss.verdict, ss.cause
	if ss.frozen != nil {
		v.Why, v.Evidence = ss.frozen.why, ss.frozen.evidence
		return v
	}
	now := s.successView(lay, k, i, s.at)
	v.Why, v.Evidence = now.ground(), s.successEvidence(lay, k, i, &now)
	return v
}

func (s *State) rollbackView(lay *layout, i int) RuleView {
	r, rs := &lay.plan.Rules[i], &s.rules[i]
	v := ruleView(lay.plan, r)
	v.State, v.Cause = rs.state.name(), rs.cause
	switch rs.state {
	case codeFired:
		v.Verdict = rules.Rollback
		for f := range s.frozen {
			if s.frozen[f].rule == i {
				v.Why, v.Evidence = s.frozen[f].why, s.frozen[f].evidence
			}
		}
		return v
	case codeClear:
		v.Verdict, v.Cause = rules.Pass, rules.CauseThreshold
	case codeBreaching:
		v.Verdict, v.Cause = rules.Pending, rules.CauseThreshold
	case codeWarning:
		v.Verdict = rules.Pass
		if rs.acked { // it held the run, and a person let that go on
			v.Verdict = rules.Pending
		}
	case codeHolding:
		v.Verdict = rules.Pending
	case codeSilent:
		v.Verdict = rules.Unknown
	default:
		v.Verdict = rules.Pending
	}
	if lay.weigh[i] != nil {
		s.weighedView(lay, i, &v)
		return v
	}
	var j judged
	if rs.active {
		j = trace(lay, r, &s.signals[r.Signal], rs.since, math.MaxInt64, s.at)
	}
	v.Why, v.Evidence = rs.ground(), s.tracedEvidence(lay, r, &j)
	return v
}

// weighedView fills in what a rollback rule has weighed.
func (s *State) weighedView(lay *layout, i int, v *RuleView) {
	rs := &s.rules[i]
	w := s.rollbackWatch(lay, i)
	z := new(weighed)
	if rs.active {
		z = s.now(&w, rs.ev, rs.soft, math.MaxInt64, 0)
	}
	now := s.weigh(&w, z)
	if v.Cause == rules.CauseThreshold {
		v.Cause = rules.CauseEvidence
	}
	v.Why, v.Evidence = rs.ground(), s.weighedEvidence(lay, &w, &now)
}

func ruleView(plan *rules.Plan, r *rules.Rule) RuleView {
	return RuleView{
		Name: r.Name, Title: r.Title, Kind: r.Kind, Owner: r.Owner, Action: r.Action, Command: r.Command,
		Query: queryLine(plan, &plan.Signals[r.Signal]),
	}
}

func (s *State) signalView(lay *layout, i int) SignalView {
	sig, sr, sl := &lay.plan.Signals[i], &s.signals[i], &lay.signals[i]
	v := SignalView{
		Name: sig.Name, Source: sig.Source, Unit: sig.Unit, Derived: sig.Of >= 0,
		Settled: whenOrZero(sr.settled), Asked: whenOrZero(sr.asked), NextAsk: whenOrZero(sr.next),
		Fault: sr.fault, Failures: int(sr.fails), Newest: whenOrZero(sr.newest(sl)),
	}
	if sr.words != nil {
		v.Detail = sr.words.detail
	}
	p := sr.whole(sl, false, 0)
	if len(p) == 0 {
		return v
	}
	last := &p[len(p)-1]
	v.Samples = last.Samples
	a := accumulator{rule: &rules.Rule{}, kind: sig.Kind, last: -1}
	a.add(last, sr.bucket(sl))
	v.Value, v.Known = a.value(sig)
	if !v.Known {
		v.Value = 0
	}
	return v
}

// queryLine writes a signal's question in a line.
func queryLine(plan *rules.Plan, sig *rules.Signal) string {
	q := &sig.Query
	var what string
	switch {
	case q.CloudWatch != nil && q.CloudWatch.Alarm != "":
		what = "alarm " + q.CloudWatch.Alarm
	case q.CloudWatch != nil && q.CloudWatch.Total != "":
		what = fmt.Sprintf("%s %s / %s", q.CloudWatch.Namespace, q.CloudWatch.Bad, q.CloudWatch.Total)
	case q.CloudWatch != nil:
		what = strings.TrimSpace(fmt.Sprintf("%s %s %s", q.CloudWatch.Namespace, q.CloudWatch.Metric, q.CloudWatch.Stat))
	case q.Sentry != nil:
		what = strings.TrimSpace(fmt.Sprintf("sessions of %s %s %s", q.Sentry.Project, q.Sentry.Release, q.Sentry.Environment))
	case q.AppStore != nil:
		what = strings.TrimSpace(fmt.Sprintf("%s of app %s %s", q.AppStore.Fact, q.AppStore.App, q.AppStore.Version))
	case q.Athena != nil:
		what = "query " + q.Athena.File
	default:
		what = sig.Name
	}
	if sig.Of >= 0 && sig.Of < len(plan.Signals) {
		what += ", above " + plan.Signals[sig.Of].Unit.Format(sig.Above)
	}
	return sig.Source + ": " + what
}
