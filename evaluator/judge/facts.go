package judge

import (
	"cmp"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Evidence is what a stretch says, with everything that it was judged by.
func (sc *Scene) Evidence(r *rules.Rule, v Stretch) fact.Evidence {
	plan := sc.Lay.Plan
	sig, sr := &plan.Signals[r.Signal], &sc.Signals[r.Signal]
	e := fact.Evidence{
		Signal: sig.Name, Known: v.known, Value: v.value, Op: r.When.Op, Threshold: r.When.Threshold, Unit: sig.Unit,
		Points: v.Points, Expected: v.Expected, Samples: v.samples,
		Newest: series.WhenOrZero(sr.Newest(&sc.Lay.Signals[r.Signal])),
	}
	if sig.Kind == rules.Gauge {
		e.Way = r.Way(sig.Kind).Aggregate
	}
	if byShare(r, sig.Kind) {
		e.Op, e.Threshold, e.Unit = rules.GreaterOrEqual, r.MinShare, rules.Percent
	}
	if !v.known {
		e.Value = 0
	}
	if v.To > v.From {
		e.From, e.To = series.When(v.From), series.When(v.To)
	}
	if r.Kind == rules.RollbackRule && r.For > 0 {
		e.For = r.For.String()
		if v.known && meets(r, sig, v.value) {
			e.Held = (time.Duration(v.To-v.From) * time.Second).String()
		}
	}
	if w := sr.Bucket(&sc.Lay.Signals[r.Signal]); Spacing(sig.Kind, sr.Points, w) > w {
		e.Spacing = (time.Duration(Spacing(sig.Kind, sr.Points, w)) * time.Second).String()
	}
	if sr.Words != nil {
		e.Note = sr.Words.Note
	}
	if late := sc.late(r.Signal); late > 0 {
		e.Late = (time.Duration(late) * time.Second).String()
	}
	e.Assumed = sc.assumed(r.Signal)
	e.Quantile = sc.quantile(r, v.From, v.To)
	return e
}

// quantile is what a percentile itself was over a stretch, nil where a rule judges
// none by the share above its threshold, or where it is not known.
func (sc *Scene) quantile(r *rules.Rule, from, to int64) *fact.Quantile {
	i := ShownQuantile(sc.Lay.Plan, r)
	if i < 0 {
		return nil
	}
	points := sc.Signals[i].Whole(&sc.Lay.Signals[i], false, 0)
	lo, hi := series.Before(points, from), series.Before(points, to)
	list := make([]rules.Point, 0, max(0, hi-lo))
	all := 0.
	for _, p := range points[lo:max(lo, hi)] {
		if p.Samples > 0 {
			list, all = append(list, p), all+p.Samples
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b rules.Point) int { return cmp.Compare(a.Value, b.Value) })
	q := &fact.Quantile{Of: sc.Lay.Plan.Signals[i].Quant, Threshold: r.ShownWhen.Threshold, Unit: sc.Lay.Plan.Signals[i].Unit}
	sum := 0.
	for _, p := range list {
		q.Value = p.Value
		if sum += p.Samples; 2*sum >= all {
			break
		}
	}
	return q
}

// ShownQuantile is the signal of the percentile that a rule judges by the share of
// samples above its threshold, -1 for other rules.
func ShownQuantile(plan *rules.Plan, r *rules.Rule) int {
	i := r.ShownSignal
	if i == r.Signal || i < 0 || i >= len(plan.Signals) || plan.Signals[i].Kind != rules.Percentile {
		return -1
	}
	return i
}

// shown is a weighing as people should see it: a hold, or a failure, names the
// stretch that speaks, where all that was seen would not.
func (w *Watch) shown(v *Weighing) *Weighing {
	success := w.Rule.Kind == rules.Success
	if v.rung < evidence.Holding || v.rung == evidence.Firing && v.from > w.from || success && !w.meets(v) {
		return v
	}
	s := *v
	switch {
	case v.miss.LLR > max(v.llr, 0) && v.miss.Start > w.from:
		s.Bad, s.N, s.from, s.base = v.miss.Bad, v.miss.N, v.miss.Start, Tally{v.miss.Over.Bad, v.miss.Over.N}
	case success && v.llr > 0 && v.suspect.Start > w.from:
		s.Bad, s.N, s.from = v.suspect.Bad, v.suspect.N, v.suspect.Start
	}
	return &s
}

// beside is what runs beside the release, nil where nothing does.
func (w *Watch) beside(plan *rules.Plan, v *Weighing) *fact.Beside {
	if w.Sig.Baseline <= 0 || w.Sig.Kind != rules.Ratio {
		return nil
	}
	b := &fact.Beside{
		Signal: plan.Signals[w.Sig.Baseline].Name, Bad: v.base.Bad, Samples: v.base.N, Worse: v.confirm, Warning: v.pair,
		Compared: v.compared, Unreachable: w.deaf,
	}
	if v.base.N > 0 && v.baseTo < v.to {
		b.Until = series.When(v.baseTo)
	}
	return b
}

// earlier is what earlier releases counted, beside what this one does.
func (w *Watch) earlier(v *Weighing) *fact.Earlier {
	if w.Past == nil {
		return nil
	}
	return &fact.Earlier{Looked: int(w.Past.Looked), Releases: int(w.Past.Had), Bad: w.Past.Sum.Bad, Samples: w.Past.Sum.N, Worse: v.worse}
}
