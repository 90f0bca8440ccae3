package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/lab/backtest"
	"github.com/relgate/relgate/exporters/chart"
	"github.com/relgate/relgate/rules"
)

// charts makes a chart of every signal that has points.
func (t *trial) charts(plan *rules.Plan, r *backtest.Report) []chart.Signal {
	a := chart.Axis{From: r.From.Unix(), To: r.To.Unix(), Left: chart.Left}
	var list []chart.Signal
	for _, s := range r.Signals {
		i := slices.IndexFunc(plan.Signals, func(x rules.Signal) bool { return x.Name == s.Signal })
		if s.None != "" || s.Points == 0 || i < 0 || plan.Signals[i].Kind == rules.Alarm {
			continue
		}
		list = append(list, t.chart(plan, r, i, a))
	}
	return list
}

func (t *trial) chart(plan *rules.Plan, r *backtest.Report, signal int, a chart.Axis) chart.Signal {
	sig := &plan.Signals[signal]
	c := chart.OfSignal(plan, signal, t.history.Points(sig), a)
	c.Sub = fmt.Sprintf("%s, a period is %s", sig.Kind, took(int64(sig.Period/time.Second)))
	c.Bands = append(badBands(r, a, chart.Height-chart.Bottom), gapBands(r, sig.Name, a)...)
	for _, f := range r.Firings {
		if k := slices.IndexFunc(plan.Rules, func(x rules.Rule) bool { return x.Name == f.Rule }); k >= 0 && plan.Rules[k].Signal == signal {
			c.Fired = append(c.Fired, chart.Shape{X: a.X(f.At.Unix()), Y: chart.Top, H: chart.Height - chart.Bottom, Class: f.Judgement,
				Title: fmt.Sprintf("%s fired %s UTC: %s", f.Rule, f.At.Format(minute), f.Reason)})
		}
	}
	return c
}

func badBands(r *backtest.Report, a chart.Axis, height float64) []chart.Shape {
	var list []chart.Shape
	for i, m := range r.Marks {
		x := a.X(m.From.Unix())
		list = append(list, chart.Shape{X: x, Y: 0, W: max(a.X(m.To.Unix())-x, 1), H: height, Class: "bad",
			Title: fmt.Sprintf("bad period %d: %s to %s UTC %s", i+1, m.From.Format(minute), m.To.Format(minute), m.Note)})
	}
	return list
}

func gapBands(r *backtest.Report, signal string, a chart.Axis) []chart.Shape {
	var list []chart.Shape
	for _, s := range r.Signals {
		if s.Signal != signal {
			continue
		}
		for _, g := range s.Gaps {
			x := a.X(g.From.Unix())
			list = append(list, chart.Shape{X: x, Y: 0, W: max(a.X(g.To.Unix())-x, 1), H: chart.Height - chart.Bottom, Class: "gap", Title: "no history: " + g.Detail})
		}
	}
	return list
}

// timeline is the releases and every rollback rule over the range.
type timeline struct {
	Height float64
	Bands  []chart.Shape
	Ticks  []chart.Shape
	Labels []chart.Shape
	Bars   []chart.Shape
	Dots   []chart.Shape
}

func timelineOf(r *backtest.Report) timeline {
	longest := len("releases")
	for _, x := range r.Rollback {
		longest = max(longest, len(x.Rule))
	}
	a := chart.Axis{From: r.From.Unix(), To: r.To.Unix(), Left: min(12+chart.Letter*float64(longest), chart.Width/3)}
	height := chart.Top + chart.RowHeight*float64(len(r.Rollback)+1) + chart.Bottom
	t := timeline{Height: height, Bands: badBands(r, a, height-chart.Bottom), Ticks: chart.Times(a, height)}
	t.Labels = append(t.Labels, chart.Shape{Y: chart.Top + 12, Text: "releases"})
	for _, rel := range r.Releases {
		x := a.X(rel.Start.Unix())
		t.Bars = append(t.Bars, chart.Shape{X: x, Y: chart.Top + 2, W: max(a.X(rel.Ended.Unix())-x-1, 2), H: chart.RowHeight - 8, Class: "run " + rel.Outcome,
			Title: fmt.Sprintf("release %d from %s UTC: %s %s %s", rel.N, rel.Start.Format(minute), rel.Outcome, rel.Judgement, rel.Reason)})
	}
	for i, x := range r.Rollback {
		y := chart.Top + chart.RowHeight*float64(i+1)
		t.Labels = append(t.Labels, chart.Shape{Y: y + 12, Text: x.Rule})
		t.watches(r, x.Rule, a, y)
		for _, f := range r.Firings {
			if f.Rule == x.Rule {
				t.Dots = append(t.Dots, chart.Shape{X: a.X(f.At.Unix()), Y: y + chart.RowHeight/2 - 3, W: 5, Class: f.Judgement,
					Title: fmt.Sprintf("%s fired %s UTC, release %d, %s: %s", f.Rule, f.At.Format(minute), f.Release, f.Judgement, f.Reason)})
			}
		}
	}
	return t
}

// watches draws when a rule was watched, and its steps before firing.
func (t *timeline) watches(r *backtest.Report, rule string, a chart.Axis, y float64) {
	for _, rel := range r.Releases {
		for _, w := range rel.Watches {
			if w.Rule != rule {
				continue
			}
			x := a.X(w.From.Unix())
			t.Bars = append(t.Bars, chart.Shape{X: x, Y: y + chart.RowHeight/2 - 4, W: max(a.X(w.To.Unix())-x-1, 1), H: 2, Class: "watch " + string(w.Extent), Title: w.Why})
			for _, stage := range []string{"warning", "holding"} {
				if at, ok := w.First[stage]; ok {
					t.Dots = append(t.Dots, chart.Shape{X: a.X(at.Unix()), Y: y + chart.RowHeight/2 - 3, W: 3, Class: stage,
						Title: fmt.Sprintf("%s %s %s UTC", rule, stage, at.Format(minute))})
				}
			}
		}
	}
}
