package prom

import (
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// families is the page's part that comes from the snapshots.
func (c *catalog) families(views *Views, now time.Time) []*dto.MetricFamily {
	b := newBuilder(c)
	for i := range views.Plans {
		p := &views.Plans[i]
		for _, s := range FileStates() {
			b.flag(b.c.fileState, s == p.File, p.Name, s)
		}
		if p.Run != nil {
			b.whole(p.Run, views.Trouble, now)
		}
	}
	return b.done()
}

// whole adds a run with its phases, rules and signals.
func (b *builder) whole(v *wire.RunView, trouble bool, now time.Time) {
	b.run(v)
	b.set(b.c.falseRollback, v.Plan.FalseRollback, v.Snapshot.Plan)
	for k := range v.Snapshot.Phases {
		b.phase(v, k, trouble, now)
	}
	for i := range v.Snapshot.Rollback {
		b.rule(v, "", &v.Snapshot.Rollback[i])
	}
	shown := asked(v.Plan)
	for i := range v.Snapshot.Signals {
		if i >= len(shown) || shown[i] {
			b.signal(v.Snapshot.Plan, &v.Snapshot.Signals[i])
		}
	}
}

func (b *builder) run(v *wire.RunView) {
	s := &v.Snapshot
	b.flag(b.c.runInfo, true, s.Plan, v.ID(), v.Plan.Version)
	b.states(b.c.runState, s.State, s.Plan)
	b.verdicts(b.c.runVerdict, s.Verdict, s.Plan)
	b.flag(b.c.runHeld, s.Held, s.Plan)
	b.set(b.c.runGeneration, float64(s.Generation), s.Plan)
	b.moment(b.c.lastTick, s.At, s.Plan)
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

func (b *builder) phase(v *wire.RunView, k int, trouble bool, now time.Time) {
	s := &v.Snapshot
	p := &s.Phases[k]
	a := v.PhasePassed(k).Believed(s, wire.AgeOf(s, now))
	if trouble {
		a = a.Troubled(wire.CauseJournal, "")
	}
	is := a.Outcome.Verdict()
	b.flag(b.c.gateOpen, is == rules.Pass, s.Plan, p.Name)
	b.verdicts(b.c.gateVerdict, is, s.Plan, p.Name)
	b.states(b.c.phaseState, p.State, s.Plan, p.Name)
	b.set(b.c.phaseTraffic, p.Traffic, s.Plan, p.Name)
	b.set(b.c.phaseWindow, window(v.Plan, p).Seconds(), s.Plan, p.Name)
	b.moment(b.c.phaseStarted, p.Started, s.Plan, p.Name)
	b.moment(b.c.phaseEnd, p.WindowEnd, s.Plan, p.Name)
	for j := range p.Success {
		b.rule(v, p.Name, &p.Success[j])
	}
}

func window(plan *rules.Plan, p *evaluator.PhaseView) time.Duration {
	for i := range plan.Phases {
		if plan.Phases[i].Name == p.Name {
			return plan.Phases[i].Window
		}
	}
	return p.WindowEnd.Sub(p.Started)
}

func (b *builder) rule(v *wire.RunView, phase string, r *evaluator.RuleView) {
	plan, kind, e := v.Snapshot.Plan, r.Kind.String(), &r.Evidence
	for _, s := range evaluator.RuleStates() {
		b.flag(b.c.ruleState, s == r.State, plan, phase, r.Name, kind, string(s))
	}
	b.flag(b.c.ruleKnown, e.Known, plan, phase, r.Name, kind)
	if e.Known {
		b.set(b.c.ruleValue, e.Value, plan, phase, r.Name, kind)
	}
	b.set(b.c.ruleThreshold, threshold(v.Plan, r), plan, phase, r.Name, kind)
	b.set(b.c.ruleSamples, e.Samples, plan, phase, r.Name, kind)
	b.evidence(v, phase, r)
	b.alert(&v.Snapshot, phase, r)
}

// threshold is what the value is compared with, judged or not.
func threshold(plan *rules.Plan, r *evaluator.RuleView) float64 {
	if r.Evidence.Op != rules.NoOp {
		return r.Evidence.Threshold
	}
	if p := planned(plan, r); p != nil {
		return p.When.Threshold
	}
	return r.Evidence.Threshold
}

// planned is a rule as the plan has it, nil when it has none.
func planned(plan *rules.Plan, r *evaluator.RuleView) *rules.Rule {
	for i := range plan.Rules {
		if p := &plan.Rules[i]; p.Name == r.Name && p.Kind == r.Kind {
			return p
		}
	}
	return nil
}

// alert adds a rule that speaks against the release, as a Prometheus rule would
// be shown: a rollback rule is critical, a success rule a warning.
func (b *builder) alert(s *evaluator.Snapshot, phase string, r *evaluator.RuleView) {
	state := ""
	switch r.State {
	case evaluator.RuleBreaching, evaluator.RuleWarning:
		state = "pending"
	case evaluator.RuleHolding, evaluator.RuleFired:
		state = "firing"
	default:
		return
	}
	severity := "warning"
	if r.Kind == rules.RollbackRule {
		severity = "critical"
	}
	b.flag(b.c.alerts, true, r.Name, state, s.Plan, phase, severity)
	b.moment(b.c.alertsForState, since(s, r), r.Name, s.Plan, phase, severity)
}

// since is when what speaks against the release began.
func since(s *evaluator.Snapshot, r *evaluator.RuleView) time.Time {
	if held, err := time.ParseDuration(r.Evidence.Held); err == nil {
		return s.At.Add(-held)
	}
	if !r.Evidence.From.IsZero() {
		return r.Evidence.From
	}
	return s.At
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

func (b *builder) signal(plan string, v *evaluator.SignalView) {
	b.flag(b.c.signalKnown, v.Known, plan, v.Name)
	if v.Known {
		b.set(b.c.signalValue, v.Value, plan, v.Name)
	}
	b.set(b.c.signalSamples, v.Samples, plan, v.Name)
	b.moment(b.c.signalNewest, v.Newest, plan, v.Name)
	b.moment(b.c.signalSettled, v.Settled, plan, v.Name)
	b.moment(b.c.signalAsked, v.Asked, plan, v.Name)
	for _, f := range rules.Faults() {
		b.flag(b.c.signalFault, f == v.Fault, plan, v.Name, faultName(f))
	}
	b.set(b.c.signalFailures, float64(v.Failures), plan, v.Name)
}

// faultName is the fault as a label value, which must not be empty.
func faultName(f rules.Fault) string {
	if f == rules.OK {
		return "ok"
	}
	return f.String()
}
