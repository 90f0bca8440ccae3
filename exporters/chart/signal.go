package chart

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Signal is one signal over the time of an axis.
type Signal struct {
	Title  string
	Sub    string
	Height float64
	Bands  []Shape // bad periods and gaps
	Line   string  // path of the value; it breaks where periods are missing
	Spread string  // path of its least and most in each column
	Limits []Shape // thresholds
	Ticks  []Shape // times
	Levels []Shape // values
	Fired  []Shape
}

// OfSignal draws a signal of a plan with the thresholds of the rules on it. Points are
// ascending. The caller says what Sub, Bands and Fired are.
func OfSignal(plan *rules.Plan, signal int, points []rules.Point, a Axis) Signal {
	sig := &plan.Signals[signal]
	c := Signal{Title: sig.Name, Height: Height}
	cols := sample(points, sig, a)
	limits := limitsOf(plan, signal)
	lo, hi := reach(cols, limits)
	y := func(v float64) float64 {
		return Round1(Top + (Height-Top-Bottom)*(1-min(max((v-lo)/(hi-lo), 0), 1)))
	}
	c.Line, c.Spread = paths(cols, width(sig, a), a, y)
	for _, l := range limits {
		c.Limits = append(c.Limits, Shape{X: Left, Y: y(l.value), W: Width, Class: l.class, Text: l.text})
	}
	for _, v := range []float64{lo, (lo + hi) / 2, hi} {
		c.Levels = append(c.Levels, Shape{X: Left - 6, Y: y(v), Text: sig.Unit.Short(Round3(v))})
	}
	c.Ticks = Times(a, Height)
	return c
}

// columns is the most points of one line.
const columns = 640

// width is how much time a column covers, in seconds.
func width(sig *rules.Signal, a Axis) int64 {
	return max((a.To-a.From)/columns, int64(sig.Period/time.Second), 1)
}

// column is what the periods in one column of a chart say.
type column struct {
	at         int64
	value      float64 // of all of them together
	least, top float64
	sum, of    float64
}

// sample puts points into columns. A period without samples says nothing.
func sample(points []rules.Point, sig *rules.Signal, a Axis) []column {
	width := width(sig, a)
	counts := sig.Kind == rules.Ratio || sig.Kind == rules.Mean
	var cols []column
	for _, p := range points {
		if p.At < a.From || p.At >= a.To || counts && p.Samples <= 0 {
			continue
		}
		v := p.Value
		if counts {
			v /= p.Samples
		}
		if sig.Good && sig.Kind == rules.Ratio {
			v = 1 - v
		}
		at := a.From + (p.At-a.From)/width*width
		if n := len(cols); n == 0 || cols[n-1].at != at {
			cols = append(cols, column{at: at, least: v, top: v})
		}
		c := &cols[len(cols)-1]
		c.least, c.top = min(c.least, v), max(c.top, v)
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
	class string // success, rollback
	text  string
}

// limitsOf lists the thresholds of the rules on a signal, each once.
func limitsOf(plan *rules.Plan, signal int) []limit {
	var list []limit
	for i := range plan.Rules {
		r := &plan.Rules[i]
		when := r.When
		if r.Signal != signal { // a percentile is judged by another signal than it is shown by
			when = r.ShownWhen
		}
		if r.Signal != signal && r.ShownSignal != signal || when.Op == rules.NoOp {
			continue
		}
		l := limit{when.Threshold, "success", r.Name + " " + when.String()}
		if r.Kind == rules.RollbackRule {
			l.class = "rollback"
		}
		if !slices.ContainsFunc(list, func(x limit) bool { return x.value == l.value && x.class == l.class }) {
			list = append(list, l)
		}
	}
	return list
}

// reach is the least and the most that a chart shows.
func reach(cols []column, limits []limit) (lo, hi float64) {
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

// paths draws the line of the values and the band of their least and most. Where a
// column is missing the line breaks: nothing is drawn where nothing is known. A period
// that stands alone between two gaps is a dot.
func paths(cols []column, width int64, a Axis, y func(float64) float64) (line, band string) {
	var l, spread strings.Builder
	gap := 3 * width / 2
	for i, c := range cols {
		begins := i == 0 || c.at-cols[i-1].at > gap
		ends := i+1 == len(cols) || cols[i+1].at-c.at > gap
		op := "L"
		if begins {
			op = "M"
		}
		fmt.Fprintf(&l, "%s%v %v", op, a.X(c.at), y(c.value))
		if begins && ends {
			l.WriteString("h1")
		}
		fmt.Fprintf(&spread, "M%v %vV%v", a.X(c.at), y(c.least), y(c.top))
	}
	return l.String(), spread.String()
}
