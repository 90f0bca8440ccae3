package prom

import (
	"math"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// evidence adds what a rule that weighs evidence judges by. Before anything was
// weighed there is no evidence: its log is 0.
func (b *builder) evidence(v *wire.RunView, phase string, r *evaluator.RuleView) {
	p := planned(v.Plan, r)
	if p == nil || p.Method != rules.Sequential {
		return
	}
	kind := rules.Ratio
	if p.Signal >= 0 && p.Signal < len(v.Plan.Signals) {
		kind = v.Plan.Signals[p.Signal].Kind
	}
	d := r.Evidence.Weighed
	if d == nil {
		d = &evaluator.Weighed{Bound: -math.Log(p.Alpha), Proof: -math.Log(v.Plan.FalsePass)}
	} else if r.Evidence.Known {
		b.ofRule(b.c.ruleLow, d.Low, v, phase, r)
		b.ofRule(b.c.ruleHigh, d.High, v, phase, r)
	}
	if r.Kind == rules.RollbackRule {
		b.ofRule(b.c.ruleFalseRollback, p.Alpha, v, phase, r)
	}
	switch kind {
	case rules.Gauge:
		return // a gap between groups is judged by its interval
	case rules.Ratio:
		b.ofRule(b.c.ruleBad, d.Bad, v, phase, r)
		b.ofRule(b.c.warning, d.Warning, v, phase, r)
		b.ofRule(b.c.middle, d.Middle, v, phase, r)
	}
	b.ofRule(b.c.against, d.Against, v, phase, r)
	b.ofRule(b.c.bound, d.Bound, v, phase, r)
	if d.Baseline != nil {
		b.ofRule(b.c.beside, d.Baseline.Worse, v, phase, r)
	}
	if d.Past != nil {
		b.ofRule(b.c.earlier, d.Past.Worse, v, phase, r)
	}
	if r.Kind == rules.Success {
		b.ofRule(b.c.keeps, d.Keeps, v, phase, r)
		b.ofRule(b.c.spared, d.Spared, v, phase, r)
		b.ofRule(b.c.proof, d.Proof, v, phase, r)
		b.ofRule(b.c.more, d.More, v, phase, r)
	}
}

// ofRule adds a gauge of a rule, with the four labels that those have.
func (b *builder) ofRule(d *desc, value float64, v *wire.RunView, phase string, r *evaluator.RuleView) {
	b.set(d, value, v.Snapshot.Plan, phase, r.Name, r.Kind.String())
}
