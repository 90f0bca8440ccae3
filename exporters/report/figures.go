package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/chart"
	"github.com/relgate/relgate/rules"
)

// charts draws every signal that a rule is shown by, from the first phase to the newest
// tick, also one that nothing came of.
func (m *maker) charts() []figure {
	a, ok := m.axis()
	if !ok {
		return nil
	}
	var list []figure
	for i := range m.Plan.Signals {
		sig := &m.Plan.Signals[i]
		k := slices.IndexFunc(m.Readings, func(s Series) bool { return s.Signal == sig.Name })
		var judges []string
		for j := range m.Plan.Rules {
			if r := &m.Plan.Rules[j]; r.ShownSignal == i && !slices.Contains(judges, r.Name) {
				judges = append(judges, r.Name)
			}
		}
		since := m.watchedSince(i)
		if len(judges) == 0 || sig.Kind == rules.Alarm || since == 0 {
			continue
		}
		var points []rules.Point
		if k >= 0 {
			points = m.Readings[k].Points
		}
		f := figure{Signal: chart.OfSignal(m.Plan, i, points, a), Rules: strings.Join(judges, ", ")}
		f.Sub = fmt.Sprintf("%s, a period is %s", sig.Kind, rules.Duration{Duration: sig.Period})
		gaps := gapsOf(sig, points, since, a)
		f.Bands = append(m.phaseBands(a), gaps...)
		for n := range m.events {
			e := &m.events[n]
			if e.Kind == "rule" && e.To == "fired" && slices.Contains(judges, e.Subject) && e.At != nil {
				f.Fired = append(f.Fired, chart.Shape{X: a.X(e.At.Unix()), Y: chart.Top, H: chart.Height - chart.Bottom, Class: "rollback", Title: e.Headline})
			}
		}
		f.Says = fmt.Sprintf("%s from %s to %s", sig.Name, stamp(new(time.Unix(a.From, 0))), stamp(new(time.Unix(a.To, 0))))
		for _, l := range f.Limits {
			f.Says += ", " + l.Text
		}
		switch len(gaps) {
		case 0:
		case 1:
			f.Says += ", with one gap"
		default:
			f.Says += fmt.Sprintf(", with %d gaps", len(gaps))
		}
		list = append(list, f)
	}
	return list
}

// axis is the time that charts show.
func (m *maker) axis() (chart.Axis, bool) {
	a := chart.Axis{Left: chart.Left}
	for i := range m.Run.Phases {
		w := m.Run.Phases[i].Window
		if w.Start != nil && (a.From == 0 || w.Start.Unix() < a.From) {
			a.From = w.Start.Unix()
		}
	}
	if m.Run.EvaluatedAt != nil {
		a.To = m.Run.EvaluatedAt.Unix()
	}
	return a, a.From > 0 && a.To > a.From
}

// phaseBands are the windows of the phases, every other one shaded.
func (m *maker) phaseBands(a chart.Axis) []chart.Shape {
	var list []chart.Shape
	for i := range m.Run.Phases {
		p := &m.Run.Phases[i]
		if p.Window.Start == nil || p.Window.End == nil || p.Window.Start.Unix() >= a.To {
			continue
		}
		x := a.X(p.Window.Start.Unix())
		list = append(list, chart.Shape{X: x, W: max(a.X(p.Window.End.Unix())-x, 1), H: chart.Height - chart.Bottom, Class: [2]string{"even", "odd"}[i%2],
			Title: fmt.Sprintf("phase %s, %s to %s", p.Phase, stamp(p.Window.Start), stamp(p.Window.End))})
	}
	return list
}

// watchedSince is when the first phase began that has a rule on a signal, in Unix seconds;
// 0 while none has.
func (m *maker) watchedSince(signal int) int64 {
	since := int64(0)
	for k := range m.Plan.Phases {
		p := &m.Plan.Phases[k]
		if !slices.ContainsFunc(slices.Concat(p.Success, p.Rollback), func(r int) bool { return m.Plan.Rules[r].ShownSignal == signal }) {
			continue
		}
		for i := range m.Run.Phases {
			if b := &m.Run.Phases[i]; b.Phase == p.Name && b.Window.Start != nil && (since == 0 || b.Window.Start.Unix() < since) {
				since = b.Window.Start.Unix()
			}
		}
	}
	return since
}

// gapsOf are the stretches in which periods are missing, from when the signal was watched
// to the end. At the end a period is missing only once it should have settled.
func gapsOf(sig *rules.Signal, points []rules.Point, since int64, a chart.Axis) []chart.Shape {
	period := max(int64(sig.Period/time.Second), 1)
	spacing := max(period, typical(points))
	var list []chart.Shape
	gap := func(from, to int64) {
		x := a.X(from)
		list = append(list, chart.Shape{X: x, W: max(a.X(to)-x, 1), H: chart.Height - chart.Bottom, Class: "gap",
			Title: fmt.Sprintf("no data from %s to %s", stamp(new(time.Unix(from, 0))), stamp(new(time.Unix(to, 0))))})
	}
	next := since // where a point is due
	for _, p := range points {
		if p.At < a.From || p.At >= a.To || (sig.Kind == rules.Ratio || sig.Kind == rules.Mean) && p.Samples <= 0 {
			continue
		}
		if p.At-next > 3*spacing/2-period {
			gap(next, p.At)
		}
		next = max(next, p.At+period)
	}
	if late := int64((sig.Settle+sig.Every)/time.Second) + spacing; a.To-next > late {
		gap(next, a.To)
	}
	return list
}

// typical is how far apart most points are: the median.
func typical(points []rules.Point) int64 {
	var all []int64
	for i := 1; i < len(points); i++ {
		all = append(all, points[i].At-points[i-1].At)
	}
	if len(all) == 0 {
		return 0 // nothing is known of it
	}
	slices.Sort(all)
	return all[len(all)/2]
}
