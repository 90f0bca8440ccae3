package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/lab/backtest"
	"github.com/relgate/relgate/rules"
)

// The charts' sizes, in the units of their view boxes.
const (
	chartWidth  = 960.0
	chartHeight = 170.0
	chartLeft   = 64.0 // for the axis' numbers
	chartTop    = 8.0
	chartBottom = 20.0 // for the times
	rowHeight   = 22.0
	letter      = 6.2 // of a label, about
	columns4    = 640 // points of one line, at most
)

// axis maps a time to a place: from left to the chart's right edge.
type axis struct {
	from, to int64
	left     float64
}

func (a axis) x(at int64) float64 {
	share := float64(at-a.from) / float64(max(a.to-a.from, 1))
	return round1(a.left + (chartWidth-a.left)*min(max(share, 0), 1))
}

func round1(v float64) float64 { return math.Round(v*10) / 10 }

// shape is something at a place of a chart: a band, a bar, a dot or a label.
type shape struct {
	X, Y, W, H float64
	Class      string
	Title      string // shown where the pointer rests
	Text       string
}

// chart is one signal over the range.
type chart struct {
	Title  string
	Sub    string
	Height float64
	Bands  []shape // bad periods and gaps
	Line   string  // path of the value
	Spread string  // path of its least and most in each column
	Limits []shape // thresholds
	Ticks  []shape // times
	Levels []shape // values
	Fired  []shape
}

// charts makes a chart of every signal that has points.
func (t *trial) charts(plan *rules.Plan, r *backtest.Report) []chart {
	a := axis{r.From.Unix(), r.To.Unix(), chartLeft}
	var list []chart
	for _, s := range r.Signals {
		i := slices.IndexFunc(plan.Signals, func(x rules.Signal) bool { return x.Name == s.Signal })
		if s.None != "" || s.Points == 0 || i < 0 || plan.Signals[i].Kind == rules.Alarm {
			continue
		}
		list = append(list, t.chart(plan, r, i, a))
	}
	return list
}

func (t *trial) chart(plan *rules.Plan, r *backtest.Report, signal int, a axis) chart {
	sig := &plan.Signals[signal]
	c := chart{Title: sig.Name, Height: chartHeight, Sub: fmt.Sprintf("%s, a period is %s", sig.Kind, took(int64(sig.Period/time.Second)))}
	cols := sample(t.history.Points(sig), sig, a)
	limits := limitsOf(plan, signal)
	lo, hi := reachOfValues(cols, limits)
	y := func(v float64) float64 {
		return round1(chartTop + (chartHeight-chartTop-chartBottom)*(1-min(max((v-lo)/(hi-lo), 0), 1)))
	}
	c.Line, c.Spread = paths(cols, a, y)
	for _, l := range limits {
		c.Limits = append(c.Limits, shape{X: chartLeft, Y: y(l.value), W: chartWidth, Class: l.class, Text: l.text})
	}
	for _, v := range []float64{lo, (lo + hi) / 2, hi} {
		c.Levels = append(c.Levels, shape{X: chartLeft - 6, Y: y(v), Text: sig.Unit.Short(round3(v))})
	}
	c.Bands = append(badBands(r, a, chartHeight-chartBottom), gapBands(r, sig.Name, a)...)
	c.Ticks = times(a, chartHeight)
	for _, f := range r.Firings {
		if k := slices.IndexFunc(plan.Rules, func(x rules.Rule) bool { return x.Name == f.Rule }); k >= 0 && plan.Rules[k].Signal == signal {
			c.Fired = append(c.Fired, shape{X: a.x(f.At.Unix()), Y: chartTop, H: chartHeight - chartBottom, Class: f.Judgement,
				Title: fmt.Sprintf("%s fired %s UTC: %s", f.Rule, f.At.Format(minute), f.Reason)})
		}
	}
	return c
}

func round3(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// column is what the buckets in one column of a chart say.
type column struct {
	at         int64
	value      float64 // of all of them together
	least, top float64
	n          int
	sum, of    float64
}

// sample puts points into at most columns4 columns.
func sample(points []rules.Point, sig *rules.Signal, a axis) []column {
	width := max((a.to-a.from)/columns4, int64(sig.Period/time.Second), 1)
	var cols []column
	for _, p := range points {
		counts := sig.Kind == rules.Ratio || sig.Kind == rules.Mean
		if p.At < a.from || p.At >= a.to || counts && p.Samples <= 0 {
			continue
		}
		v := p.Value
		if counts {
			v /= p.Samples
		}
		if sig.Good && sig.Kind == rules.Ratio {
			v = 1 - v
		}
		at := a.from + (p.At-a.from)/width*width
		if n := len(cols); n == 0 || cols[n-1].at != at {
			cols = append(cols, column{at: at, least: v, top: v})
		}
		c := &cols[len(cols)-1]
		c.least, c.top, c.n = min(c.least, v), max(c.top, v), c.n+1
		if counts {
			c.sum, c.of = c.sum+p.Value, c.of+p.Samples
		} else {
			c.sum, c.of = c.sum+p.Value, c.of+1
		}
		if c.value = c.sum / c.of; sig.Good && sig.Kind == rules.Ratio {
			c.value = 1 - c.value
		}
	}
	return cols
}

// limit is a threshold on a chart.
type limit struct {
	value float64
	class string
	text  string
}

// limitsOf lists the thresholds of the rules on a signal, each once.
func limitsOf(plan *rules.Plan, signal int) []limit {
	var list []limit
	for i := range plan.Rules {
		r := &plan.Rules[i]
		if r.Signal != signal || r.When.Op == rules.NoOp {
			continue
		}
		l := limit{r.When.Threshold, "success", r.Name + " " + r.When.String()}
		if r.Kind == rules.RollbackRule {
			l.class = "rollback"
		}
		if !slices.ContainsFunc(list, func(x limit) bool { return x.value == l.value && x.class == l.class }) {
			list = append(list, l)
		}
	}
	return list
}

// reachOfValues is the least and the most that a chart shows.
func reachOfValues(cols []column, limits []limit) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, c := range cols {
		lo, hi = min(lo, c.least), max(hi, c.top)
	}
	for _, l := range limits {
		lo, hi = min(lo, l.value), max(hi, l.value)
	}
	if lo > hi {
		return 0, 1
	}
	pad := (hi - lo) * 0.06
	if pad == 0 {
		pad = max(math.Abs(hi)*0.1, 1e-6)
	}
	if lo >= 0 && lo < (hi-lo)/2 {
		return 0, hi + pad // zero is near: show it
	}
	return lo - pad, hi + pad
}

// paths draws the line of the values and the band of their least and most. Where
// columns are missing the line breaks.
func paths(cols []column, a axis, y func(float64) float64) (line, band string) {
	var l, up, down strings.Builder
	gap := 3 * max((a.to-a.from)/columns4, 1)
	for i, c := range cols {
		begins := i == 0 || c.at-cols[i-1].at > max(gap, 3*typical(cols))
		op := "L"
		if begins {
			op = "M"
		}
		fmt.Fprintf(&l, "%s%v %v", op, a.x(c.at), y(c.value))
		fmt.Fprintf(&up, "M%v %vV%v", a.x(c.at), y(c.least), y(c.top))
	}
	return l.String(), up.String() + down.String()
}

// typical is the distance of two columns.
func typical(cols []column) int64 {
	if len(cols) < 2 {
		return 1
	}
	return (cols[len(cols)-1].at - cols[0].at) / int64(len(cols)-1)
}

func badBands(r *backtest.Report, a axis, height float64) []shape {
	var list []shape
	for i, m := range r.Marks {
		x := a.x(m.From.Unix())
		list = append(list, shape{X: x, Y: 0, W: max(a.x(m.To.Unix())-x, 1), H: height, Class: "bad",
			Title: fmt.Sprintf("bad period %d: %s to %s UTC %s", i+1, m.From.Format(minute), m.To.Format(minute), m.Note)})
	}
	return list
}

func gapBands(r *backtest.Report, signal string, a axis) []shape {
	var list []shape
	for _, s := range r.Signals {
		if s.Signal != signal {
			continue
		}
		for _, g := range s.Gaps {
			x := a.x(g.From.Unix())
			list = append(list, shape{X: x, Y: 0, W: max(a.x(g.To.Unix())-x, 1), H: chartHeight - chartBottom, Class: "gap", Title: "no history: " + g.Detail})
		}
	}
	return list
}

// times are the labels of a time axis: round ones, at most nine.
func times(a axis, height float64) []shape {
	step := int64(60)
	for _, s := range []int64{60, 300, 900, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 90 * 86400} {
		if step = s; (a.to-a.from)/s <= 8 {
			break
		}
	}
	layout := "01-02 15:04"
	if step >= 86400 {
		layout = "01-02"
	}
	var list []shape
	for at := (a.from + step - 1) / step * step; at <= a.to; at += step {
		if x := a.x(at); x < chartWidth-30 {
			list = append(list, shape{X: x, Y: height - 5, H: height - chartBottom, Text: time.Unix(at, 0).UTC().Format(layout)})
		}
	}
	return list
}

// timeline is the releases and every rollback rule over the range.
type timeline struct {
	Height float64
	Bands  []shape
	Ticks  []shape
	Labels []shape
	Bars   []shape
	Dots   []shape
}

func timelineOf(r *backtest.Report) timeline {
	longest := len("releases")
	for _, x := range r.Rollback {
		longest = max(longest, len(x.Rule))
	}
	a := axis{r.From.Unix(), r.To.Unix(), min(12+letter*float64(longest), chartWidth/3)}
	height := chartTop + rowHeight*float64(len(r.Rollback)+1) + chartBottom
	t := timeline{Height: height, Bands: badBands(r, a, height-chartBottom), Ticks: times(a, height)}
	t.Labels = append(t.Labels, shape{Y: chartTop + 12, Text: "releases"})
	for _, rel := range r.Releases {
		x := a.x(rel.Start.Unix())
		t.Bars = append(t.Bars, shape{X: x, Y: chartTop + 2, W: max(a.x(rel.Ended.Unix())-x-1, 2), H: rowHeight - 8, Class: "run " + rel.Outcome,
			Title: fmt.Sprintf("release %d from %s UTC: %s %s %s", rel.N, rel.Start.Format(minute), rel.Outcome, rel.Judgement, rel.Reason)})
	}
	for i, x := range r.Rollback {
		y := chartTop + rowHeight*float64(i+1)
		t.Labels = append(t.Labels, shape{Y: y + 12, Text: x.Rule})
		t.watches(r, x.Rule, a, y)
		for _, f := range r.Firings {
			if f.Rule == x.Rule {
				t.Dots = append(t.Dots, shape{X: a.x(f.At.Unix()), Y: y + rowHeight/2 - 3, W: 5, Class: f.Judgement,
					Title: fmt.Sprintf("%s fired %s UTC, release %d, %s: %s", f.Rule, f.At.Format(minute), f.Release, f.Judgement, f.Reason)})
			}
		}
	}
	return t
}

// watches draws when a rule was watched, and its steps before firing.
func (t *timeline) watches(r *backtest.Report, rule string, a axis, y float64) {
	for _, rel := range r.Releases {
		for _, w := range rel.Watches {
			if w.Rule != rule {
				continue
			}
			x := a.x(w.From.Unix())
			t.Bars = append(t.Bars, shape{X: x, Y: y + rowHeight/2 - 4, W: max(a.x(w.To.Unix())-x-1, 1), H: 2, Class: "watch " + string(w.Extent), Title: w.Why})
			for _, stage := range []string{"warning", "holding"} {
				if at, ok := w.First[stage]; ok {
					t.Dots = append(t.Dots, shape{X: a.x(at.Unix()), Y: y + rowHeight/2 - 3, W: 3, Class: stage,
						Title: fmt.Sprintf("%s %s %s UTC", rule, stage, at.Format(minute))})
				}
			}
		}
	}
}
