package evaluator

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Look is the run as it stands: a function of plan and state alone.
func Look(plan *rules.Plan, state *State) Snapshot {
	st := fit(plan, state)
	lay := st.layoutOf(plan)
	v := Snapshot{
		Plan: plan.Name, Title: plan.Title, Version: plan.Version, Manager: plan.Manager,
		Interval: plan.Interval, Start: plan.Start.UTC(),
		State: st.run.shown(), Held: st.run.held, Verdict: st.run.verdict, Cause: st.run.cause, Reason: st.run.reason,
		Generation: st.n, Current: st.current(), RolledBack: st.run.done,
		Over: st.run.done || st.run.state == rules.Passed || st.run.state == rules.Failed,
	}
	if st.run.held {
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
	h := Holder{By: r.heldBy, Rule: r.heldFor != rules.CauseNone, Cause: r.heldFor, Why: r.heldWhy}
	if !h.Rule {
		h.Cause = rules.CauseManual
	}
	return h
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
	for k := range plan.Phases {
		p, ph := &plan.Phases[k], &s.phases[k]
		start := lay.start + secs(p.Start)
		if ph.begun {
			start = ph.started
		} else if ph.state == rules.Waiting {
			start = max(start, s.at) // it cannot begin in the past
		}
		if ph.state == rules.Waiting && !ph.begun && s.doomed(k) {
			continue
		}
		e := start + secs(p.Window)
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
		State: ph.state, Verdict: ph.verdict, Cause: ph.cause, Reason: ph.reason,
		Scheduled: when(lay.start + secs(p.Start)), Decided: whenOrZero(ph.decided), By: ph.by, Why: ph.why,
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
	if v.Reason == "" {
		v.Reason = s.undecided(lay, k, v.Success)
	}
	if s.run.state == rules.RolledBack && ph.state != rules.RolledBack {
		v.Reason = s.run.reason
	}
	return v
}

// undecided says why a phase is not decided.
func (s *State) undecided(lay *layout, k int, success []RuleView) string {
	p, ph := &lay.plan.Phases[k], &s.phases[k]
	if !ph.begun {
		if p.Advance == rules.Signalled {
			return "waiting to be started by a command"
		}
		if p.Advance == rules.OnPass && k > 0 {
			return fmt.Sprintf("waiting for phase %s to pass", lay.plan.Phases[k-1].Name)
		}
		if ph.blocked {
			return s.blockedBy(lay.plan, k)
		}
		return "begins at " + when(lay.start+secs(p.Start)).Format(clock)
	}
	end := s.windowEnd(lay.plan, k)
	if s.at < end {
		return "watched until " + when(end).Format(clock)
	}
	for i := range success {
		v, gate := &success[i], lay.plan.Rules[p.Success[i]].Gate
		if v.Verdict != rules.Pass && !ph.success[i].ignored && (gate == rules.Required || gate == rules.Veto && v.Verdict == rules.Fail) {
			return v.Reason
		}
	}
	st := stepper{plan: lay.plan, lay: lay, st: s, at: s.at}
	var judged int
	if o := st.unclear(k, &judged); o != nil {
		return o.reason
	}
	if s.run.held {
		return "the run is held"
	}
	return "waiting for the next tick" // unreachable unless the plan was changed since the last tick
}

func (s *State) blockedBy(plan *rules.Plan, k int) string {
	st := stepper{plan: plan, st: s, at: s.at}
	if why := st.obstacle(k); why != "" {
		return "its time has come, but " + why
	}
	return "starts at the next tick"
}

func (s *State) successRuleView(lay *layout, k, i int) RuleView {
	plan, ph := lay.plan, &s.phases[k]
	r := &plan.Rules[plan.Phases[k].Success[i]]
	v := ruleView(plan, r)
	if !ph.begun {
		v.State, v.Verdict, v.Cause = RuleIdle, rules.Pending, rules.CauseWindow
		v.Reason = plainTitle(r) + ": its phase has not begun"
		v.Evidence = s.evidence(lay, r, stretch{})
		return v
	}
	ss := &ph.success[i]
	v.State, v.Verdict, v.Cause = ss.state.name(), ss.verdict, ss.cause
	if ss.frozen != nil {
		v.Reason, v.Evidence = ss.frozen.reason, ss.frozen.evidence
		return v
	}
	now := s.successView(lay, k, i, s.at)
	v.Reason, v.Evidence = s.viewWords(lay, k, i, s.at, &now), s.successEvidence(lay, k, i, &now)
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
				v.Reason, v.Evidence = s.frozen[f].reason, s.frozen[f].evidence
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
	v.Reason = rollbackWords(lay, r, rs, &j, s.at)
	v.Evidence = s.evidence(lay, r, j.shown())
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
	v.Reason, v.Evidence = s.evidenceWords(lay, &w, rs, &now, s.at), s.weighedEvidence(lay, &w, &now)
}

func ruleView(plan *rules.Plan, r *rules.Rule) RuleView {
	return RuleView{
		Name: r.Name, Title: r.Title, Kind: r.Kind, Owner: r.Owner, Action: r.Action, Command: r.Command,
		Query: queryLine(plan, &plan.Signals[r.Signal]),
	}
}

// evidence is what a stretch says, with everything that it was judged by.
func (s *State) evidence(lay *layout, r *rules.Rule, v stretch) Evidence {
	plan := lay.plan
	sig, sr := &plan.Signals[r.Signal], &s.signals[r.Signal]
	e := Evidence{
		Signal: sig.Name, Known: v.known, Value: v.value, Op: r.When.Op, Threshold: r.When.Threshold, Unit: sig.Unit,
		Points: v.points, Expected: v.expected, Samples: v.samples,
		Newest: whenOrZero(sr.newest(&lay.signals[r.Signal])),
	}
	if sig.Kind == rules.Percentile && r.Aggregate == rules.Share {
		e.Op, e.Threshold, e.Unit = rules.GreaterOrEqual, r.MinShare, rules.Percent
	}
	if !v.known {
		e.Value = 0
	}
	if v.to > v.from {
		e.From, e.To = when(v.from), when(v.to)
	}
	if r.Kind == rules.RollbackRule && r.For > 0 {
		e.For = r.For.String()
		if v.known && meets(r, sig, v.value) {
			e.Held = (time.Duration(v.to-v.from) * time.Second).String()
		}
	}
	if sr.words != nil {
		e.Note = sr.words.note
	}
	return e
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
