package prom

import (
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// families is the page's part that comes from the snapshots.
func (p *page) families() []*dto.MetricFamily {
	b := newBuilder(p.catalog)
	for i := range p.views.Plans {
		v := &p.views.Plans[i]
		for _, s := range FileStates() {
			b.flag(b.c.fileState, s == v.File, v.Name, s)
		}
		if v.Run != nil {
			r := shownRun{builder: b, RunView: v.Run, rules: ruleIndex(v.Run.Plan)}
			r.whole(p, v)
		}
	}
	return b.done()
}

// shownRun adds the series of one run.
type shownRun struct {
	*builder
	*wire.RunView
	rules map[ruleName]*rules.Rule // of the plan
}

// ruleName is what a plan's rule is found by.
type ruleName struct {
	kind rules.RuleKind
	name string
}

func ruleIndex(plan *rules.Plan) map[ruleName]*rules.Rule {
	index := make(map[ruleName]*rules.Rule, len(plan.Rules))
	for i := range plan.Rules {
		r := &plan.Rules[i]
		index[ruleName{r.Kind, r.Name}] = r
	}
	return index
}

// planned is a rule as the plan has it, nil when it has none.
func (b *shownRun) planned(r *fact.RuleView) *rules.Rule {
	return b.rules[ruleName{r.Kind, r.Name}]
}

// whole adds a run with its phases, rules and signals.
func (b *shownRun) whole(p *page, v *View) {
	s := &b.Snapshot
	b.flag(b.c.planInfo, true, s.Plan, b.Plan.Title, b.Plan.Version, b.Plan.Manager, planURL(&p.site, s.Plan))
	b.run()
	b.moment(b.c.runDecided, v.Decided, s.Plan)
	budget := false // no rule that weighs evidence, no budget for it
	for i := range b.Plan.Rules {
		r := &b.Plan.Rules[i]
		b.ruleInfo(r)
		budget = budget || r.Kind == rules.RollbackRule && r.Method == rules.Sequential
	}
	if budget {
		b.set(b.c.falseRollback, b.Plan.FalseRollback, s.Plan)
	}
	for k := range s.Phases {
		b.phase(k, p.views.Trouble, p.made)
	}
	for i := range s.Rollback {
		b.rule("", &s.Rollback[i])
	}
	b.people()
	b.effects()
	shown := asked(b.Plan)
	for i := range s.Signals {
		if i < len(shown) && shown[i] {
			b.signal(&s.Signals[i], &b.Plan.Signals[i], p.views.Timeouts)
		}
	}
}

// planURL is where the API shows a plan, empty where the daemon does not know its
// own address.
func planURL(site *wire.Site, plan string) string {
	if site.Base == "" {
		return ""
	}
	return site.Link("v1", "plans", plan)
}

func (b *shownRun) run() {
	s := &b.Snapshot
	b.flag(b.c.runInfo, true, s.Plan, b.ID(), b.Plan.Version)
	b.states(b.c.runState, s.State, s.Plan)
	b.verdicts(b.c.runVerdict, s.Verdict, s.Plan)
	b.flag(b.c.runHeld, s.Held, s.Plan)
	b.flag(b.c.unacknowledged, s.Verdict == rules.Rollback && !s.RolledBack, s.Plan)
	b.set(b.c.runGeneration, float64(s.Generation), s.Plan)
	b.moment(b.c.lastTick, s.At, s.Plan)
	b.set(b.c.planInterval, s.Interval.Seconds(), s.Plan)
	b.moment(b.c.runPlanned, s.Start, s.Plan)
	b.moment(b.c.runExpected, b.Plan.Completion, s.Plan)
	if !evaluator.Decided(s.State) {
		b.moment(b.c.runDeadline, s.Horizon, s.Plan)
	}
}

// states and verdicts add a one-hot set; what is hot is the last label.
func (b *builder) states(d *desc, is rules.State, values ...string) {
	for _, s := range rules.States() {
		b.flag(d, s == is, append(values, s.String())...)
	}
}

func (b *builder) verdicts(d *desc, is rules.Verdict, values ...string) {
	for _, v := range rules.Verdicts() {
		b.flag(d, v == is, append(values, v.String())...)
	}
}

func (b *shownRun) phase(k int, trouble bool, now time.Time) {
	s := &b.Snapshot
	p := &s.Phases[k]
	a := b.PhasePassed(k).Believed(s, wire.AgeOf(s, now))
	if trouble {
		a = a.Troubled(wire.CauseJournal, "")
	}
	is := a.Outcome.Verdict()
	b.flag(b.c.gateOpen, is == rules.Pass, s.Plan, p.Name)
	b.verdicts(b.c.gateVerdict, is, s.Plan, p.Name)
	b.states(b.c.phaseState, p.State, s.Plan, p.Name)
	b.set(b.c.phaseTraffic, p.Traffic, s.Plan, p.Name)
	if o := p.Observed; o != nil {
		b.flag(b.c.phaseMismatch, !o.Mismatch.IsZero(), s.Plan, p.Name)
		if o.Known {
			b.set(b.c.phaseObserved, o.Share, s.Plan, p.Name)
			b.moment(b.c.phaseObservedAt, o.At, s.Plan, p.Name)
		}
	}
	b.set(b.c.phaseWindow, window(b.Plan, p).Seconds(), s.Plan, p.Name)
	b.moment(b.c.phasePlanned, p.Scheduled, s.Plan, p.Name)
	b.moment(b.c.phaseStarted, p.Started, s.Plan, p.Name)
	b.moment(b.c.phaseEnd, p.WindowEnd, s.Plan, p.Name)
	b.moment(b.c.phaseDeadline, p.Deadline, s.Plan, p.Name)
	b.moment(b.c.phaseDecided, p.Decided, s.Plan, p.Name)
	for j := range p.Success {
		b.rule(p.Name, &p.Success[j])
	}
}

func window(plan *rules.Plan, p *fact.PhaseView) time.Duration {
	for i := range plan.Phases {
		if plan.Phases[i].Name == p.Name {
			return plan.Phases[i].Window
		}
	}
	return p.WindowEnd.Sub(p.Started)
}

// ruleInfo adds what the plan says of a rule.
func (b *shownRun) ruleInfo(r *rules.Rule) {
	signal, unit := "", rules.Number
	if r.Signal >= 0 && r.Signal < len(b.Plan.Signals) {
		signal, unit = b.Plan.Signals[r.Signal].Name, b.Plan.Signals[r.Signal].Unit
	}
	op := r.When.Op
	if r.Aggregate == rules.Share {
		op, unit = rules.GreaterOrEqual, rules.Percent
	}
	gate, mode := "", "enforce"
	if r.Shadow {
		mode = "shadow"
	}
	if r.Kind == rules.Success {
		gate = r.Gate.String()
	}
	b.flag(b.c.ruleInfo, true, b.Snapshot.Plan, r.Name, r.Kind.String(), signal, op.String(), baseUnit(unit), r.Title, r.Owner, gate, mode)
}

// baseUnit is the unit in which the page shows a value.
func baseUnit(u rules.Unit) string {
	switch u {
	case rules.Percent:
		return "ratio"
	case rules.Seconds:
		return "seconds"
	}
	return "number"
}

func (b *shownRun) rule(phase string, r *fact.RuleView) {
	plan, kind, e := b.Snapshot.Plan, r.Kind.String(), &r.Evidence
	for _, s := range fact.RuleStates() {
		b.flag(b.c.ruleState, s == r.State, plan, phase, r.Name, kind, string(s))
	}
	b.flag(b.c.ruleKnown, e.Known, plan, phase, r.Name, kind)
	p := b.planned(r)
	b.set(b.c.ruleThreshold, threshold(p, r), plan, phase, r.Name, kind)
	if e.Known {
		b.set(b.c.ruleValue, e.Value, plan, phase, r.Name, kind)
	}
	if q := e.Quantile; q != nil {
		b.set(b.c.ruleQuantile, q.Value, plan, phase, r.Name, kind)
	}
	if p != nil && p.Aggregate == rules.Exceedance {
		b.set(b.c.ruleQuantileLimit, p.ShownWhen.Threshold, plan, phase, r.Name, kind)
	}
	if wasJudged(r) {
		b.set(b.c.ruleSamples, e.Samples, plan, phase, r.Name, kind)
		b.set(b.c.rulePoints, float64(e.Points), plan, phase, r.Name, kind)
		b.set(b.c.ruleExpected, float64(e.Expected), plan, phase, r.Name, kind)
	}
	if p != nil && p.Kind == rules.RollbackRule && p.For > 0 {
		b.set(b.c.ruleFor, p.For.Seconds(), plan, phase, r.Name, kind)
		if e.Known {
			held, _ := time.ParseDuration(e.Held) // empty while it is not breached
			b.set(b.c.ruleBreaching, held.Seconds(), plan, phase, r.Name, kind)
		}
	}
	if r.Shadow && r.Kind == rules.RollbackRule {
		b.set(b.c.ruleWouldHave, float64(r.WouldHave), plan, phase, r.Name, kind)
	}
	b.evidence(phase, r, p)
	b.alert(phase, r)
}

// wasJudged reports whether there was a stretch to judge, with or without data.
func wasJudged(r *fact.RuleView) bool { return r.Evidence.Known || r.Evidence.Expected > 0 }

// threshold is what the value is compared with, judged or not.
func threshold(p *rules.Rule, r *fact.RuleView) float64 {
	switch {
	case r.Evidence.Op != rules.NoOp || p == nil:
		return r.Evidence.Threshold
	case p.Aggregate == rules.Share:
		return p.MinShare
	}
	return p.When.Threshold
}

// alert adds a rule that speaks against the release, as a Prometheus rule would
// be shown: a rollback rule is critical, a success rule a warning.
func (b *shownRun) alert(phase string, r *fact.RuleView) {
	state := ""
	if r.Shadow {
		return // whatever it says, nothing follows
	}
	switch r.State {
	case fact.RuleBreaching, fact.RuleWarning:
		state = "pending"
	case fact.RuleHolding, fact.RuleFired:
		state = "firing"
	default:
		return
	}
	severity := "warning"
	if r.Kind == rules.RollbackRule {
		severity = "critical"
	}
	b.flag(b.c.alerts, true, r.Name, state, b.Snapshot.Plan, phase, severity)
	b.moment(b.c.alertsForState, b.since(phase, r), r.Name, b.Snapshot.Plan, phase, severity)
}

// since is when what speaks against the release began. What was decided without a
// stretch to judge, because no data came, began when it was decided.
func (b *shownRun) since(phase string, r *fact.RuleView) time.Time {
	s := &b.Snapshot
	switch {
	case !r.Evidence.From.IsZero():
		return r.Evidence.From
	case r.Kind == rules.RollbackRule && r.State == fact.RuleFired && s.Fired != nil:
		return s.Fired.At
	}
	for k := range s.Phases {
		if s.Phases[k].Name == phase {
			return s.Phases[k].Decided
		}
	}
	return time.Time{}
}

// asked tells which signals are asked for. A percentile whose rules judge derived
// counts is not: its series would say "no fault" of a question that was never asked.
func asked(plan *rules.Plan) []bool {
	out := make([]bool, len(plan.Signals))
	for i := range out {
		out[i] = true
	}
	set := func(i int, to bool) {
		if i >= 0 && i < len(out) {
			out[i] = to
		}
	}
	for i := range plan.Signals {
		set(plan.Signals[i].Of, false)
	}
	for i := range plan.Rules {
		set(plan.Rules[i].Signal, true)
		set(plan.Rules[i].Alarm, true)
	}
	return out
}

func (b *shownRun) signal(v *fact.SignalView, sig *rules.Signal, timeouts map[string]time.Duration) {
	plan := b.Snapshot.Plan
	b.flag(b.c.signalInfo, true, plan, v.Name, sig.Source, sig.Kind.String(), baseUnit(sig.Unit))
	b.flag(b.c.signalKnown, v.Known, plan, v.Name)
	if v.Known {
		b.set(b.c.signalValue, v.Value, plan, v.Name)
	}
	if !v.Newest.IsZero() {
		b.set(b.c.signalSamples, v.Samples, plan, v.Name)
	}
	b.moment(b.c.signalNewest, v.Newest, plan, v.Name)
	b.moment(b.c.signalSettled, v.Settled, plan, v.Name)
	b.moment(b.c.signalAsked, v.Asked, plan, v.Name)
	if !v.Asked.IsZero() {
		for _, f := range rules.Faults() {
			b.flag(b.c.signalFault, f == v.Fault, plan, v.Name, faultName(f))
		}
	}
	b.set(b.c.signalFailures, float64(v.Failures), plan, v.Name)
	if !v.Due.IsZero() {
		// One answer may be lost: the source is asked again soon, and may take its time again.
		late := 2*timeouts[sig.Source] + max(time.Minute, 2*b.Snapshot.Interval)
		b.flag(b.c.signalOverdue, b.Snapshot.At.Sub(v.Due) > late, plan, v.Name)
	}
}

// faultName is the fault as a label value, which must not be empty.
func faultName(f rules.Fault) string {
	if f == rules.OK {
		return "ok"
	}
	return f.String()
}
