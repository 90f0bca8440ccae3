package prom

import (
	"math"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// evidence adds what a rule that weighs evidence judges by. Before anything was
// weighed there is no evidence: its log is 0.
func (b *shownRun) evidence(phase string, r *fact.RuleView, p *rules.Rule) {
	if p == nil || p.Method != rules.Sequential {
		return
	}
	kind, good := rules.Ratio, false
	if p.Signal >= 0 && p.Signal < len(b.Plan.Signals) {
		kind, good = b.Plan.Signals[p.Signal].Kind, b.Plan.Signals[p.Signal].Good
	}
	d := r.Evidence.Weighed
	if d == nil {
		d = &fact.Weighed{Bound: -math.Log(p.Alpha), Proof: -math.Log(b.Plan.FalsePass)}
	} else if r.Evidence.Known {
		b.ofRule(b.c.ruleLow, d.Low, phase, r)
		b.ofRule(b.c.ruleHigh, d.High, phase, r)
	}
	if r.Kind == rules.RollbackRule {
		b.ofRule(b.c.ruleFalseRollback, p.Alpha, phase, r)
	}
	switch kind {
	case rules.Gauge:
		return // a gap between groups is judged by its interval
	case rules.Ratio:
		if wasJudged(r) {
			b.ofRule(b.c.ruleBad, d.Bad, phase, r)
		}
		b.ofRule(b.c.warning, d.Warning, phase, r)
		b.ofRule(b.c.middle, d.Middle, phase, r)
	}
	b.ofRule(b.c.against, d.Against, phase, r)
	b.ofRule(b.c.bound, d.Bound, phase, r)
	if d.Baseline != nil {
		b.ofRule(b.c.beside, d.Baseline.Worse, phase, r)
		if kind == rules.Ratio && d.Baseline.Samples > 0 {
			b.ofRule(b.c.baseline, share(d.Baseline, good), phase, r)
		}
	}
	if d.Past != nil {
		b.ofRule(b.c.earlier, d.Past.Worse, phase, r)
	}
	if r.Kind == rules.Success {
		b.ofRule(b.c.keeps, d.Keeps, phase, r)
		b.ofRule(b.c.spared, d.Spared, phase, r)
		b.ofRule(b.c.proof, d.Proof, phase, r)
		// Zero is "none needed" of a rule that passes; of any other it is not known.
		if r.Evidence.Weighed != nil && (d.More > 0 || r.Verdict == rules.Pass) {
			b.ofRule(b.c.more, d.More, phase, r)
		}
	}
}

// share is the baseline's value as its signal has it: the share of bad samples, or of
// good ones.
func share(b *fact.Beside, good bool) float64 {
	if good {
		return 1 - b.Bad/b.Samples
	}
	return b.Bad / b.Samples
}

// ofRule adds a gauge of a rule, with the four labels that those have.
func (b *shownRun) ofRule(d *desc, value float64, phase string, r *fact.RuleView) {
	b.set(d, value, b.Snapshot.Plan, phase, r.Name, r.Kind.String())
}
