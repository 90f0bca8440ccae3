package judge

import (
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// SignalView is a signal as a snapshot shows it.
func (sc *Scene) SignalView(i int) fact.SignalView {
	sig, sr, sl := &sc.Lay.Plan.Signals[i], &sc.Signals[i], &sc.Lay.Signals[i]
	v := fact.SignalView{
		Name: sig.Name, Source: sig.Source, Unit: sig.Unit, Derived: sig.Of >= 0,
		Settled: series.WhenOrZero(sr.Settled), Asked: series.WhenOrZero(sr.Asked), NextAsk: series.WhenOrZero(sr.Next),
		Fault: sr.Fault, Failures: int(sr.Fails), Newest: series.WhenOrZero(sr.Newest(sl)),
	}
	if sr.Words != nil {
		v.Detail = sr.Words.Detail
	}
	p := sr.Whole(sl, false, 0)
	if len(p) == 0 {
		return v
	}
	last := &p[len(p)-1]
	v.Samples = last.Samples
	a := Accumulator{Rule: &rules.Rule{}, Kind: sig.Kind, Last: -1}
	a.Add(last, sr.Bucket(sl))
	v.Value, v.Known = a.Value(sig)
	if !v.Known {
		v.Value = 0
	}
	return v
}

// QueryLine writes a signal's question in a line.
func QueryLine(plan *rules.Plan, sig *rules.Signal) string {
	what := sig.Name
	if ask := sig.Query.Ask; ask != nil {
		what = ask.Line()
	}
	if sig.Of >= 0 && sig.Of < len(plan.Signals) {
		what += ", above " + plan.Signals[sig.Of].Unit.Format(sig.Above)
	}
	return sig.Source + ": " + what
}

// RuleView begins the view of a rule with what its plan says of it.
func RuleView(plan *rules.Plan, r *rules.Rule) fact.RuleView {
	return fact.RuleView{
		Name: r.Name, Title: r.Title, Kind: r.Kind, Owner: r.Owner, Action: r.Action, Command: r.Command,
		Query: QueryLine(plan, &plan.Signals[r.Signal]), Shadow: r.Shadow,
	}
}
