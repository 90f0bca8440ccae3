package backtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// begin is a report of nothing yet.
func (r *run) begin() *Report {
	report := &Report{
		Plan: r.plan.Name, Title: r.plan.Title, Version: r.plan.Version, From: when(r.from), To: when(r.to),
		Every: r.every, Length: r.length, Tolerance: r.marks.tolerance,
		Visibility: "A period is taken as known when it has ended and its signal's settle has passed, with its present value; a running daemon may see it earlier, and may see a value that is corrected later.",
		Firings:    []Firing{}, Marks: []MarkReport{}, Releases: []Release{}, Rollback: []RollbackReport{}, Signals: []SignalReport{},
	}
	for _, q := range Questions(r.plan, when(r.from), when(r.to)) {
		report.Signals = append(report.Signals, r.signal(q.Signal))
	}
	return report
}

func (r *run) signal(i int) SignalReport {
	sig, s := &r.plan.Signals[i], r.series[i]
	out := SignalReport{Signal: sig.Name, Source: sig.Source, Width: seconds(sig.Period), Settle: seconds(sig.Settle)}
	if s == nil {
		out.None = "it was not fetched"
		return out
	}
	out.None, out.Note, out.Points, out.Width = s.None, s.Note, s.from(r.to)-s.from(r.from), s.width(out.Width)
	for _, g := range s.Gaps {
		if g.To > r.from && g.From < r.to {
			out.Gaps = append(out.Gaps, Hole{when(max(g.From, r.from)), when(min(g.To, r.to)), g.Detail})
		}
	}
	return out
}

// finish counts what the releases hold.
func (r *run) finish(report *Report) {
	slices.SortStableFunc(report.Firings, func(a, b Firing) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Rule, b.Rule))
	})
	for _, i := range r.watched {
		report.Rollback = append(report.Rollback, r.rollback(report, i))
	}
	for k := range r.plan.Phases {
		report.Phases = append(report.Phases, r.phaseTotals(report, k))
	}
	report.Runs = runs(report.Releases)
	for i := range r.marks.list {
		report.Marks = append(report.Marks, r.mark(report, i))
	}
}

// rollback counts one rollback rule.
func (r *run) rollback(report *Report, rule int) RollbackReport {
	rl := &r.plan.Rules[rule]
	out := RollbackReport{Rule: rl.Name, Title: rl.Title, Signal: r.shown(rl), When: condition(rl), Extent: None, Stages: map[string]Spread{}}
	stages := map[string][]int64{}
	for i := range report.Releases {
		rel := &report.Releases[i]
		j := slices.IndexFunc(rel.Watches, func(w Watch) bool { return w.Rule == rl.Name })
		w := &rel.Watches[j]
		if w.Extent != Whole && out.Why == "" {
			out.Why = w.Why
		}
		if w.Extent == None {
			out.Unjudged++
			continue
		}
		if !w.From.Before(report.To) {
			continue // the range ended before its watch began
		}
		out.Releases++
		out.Watched += max(w.To.Unix()-w.From.Unix(), 0)
		out.Silent += w.Silent
		out.Overlaps += len(w.Missed)
		out.Missed += len(w.Missed)
		for state, at := range w.First {
			stages[state] = append(stages[state], at.Unix()-rel.Start.Unix())
		}
	}
	switch {
	case out.Releases > 0 && out.Why == "":
		out.Extent = Whole
	case out.Releases > 0:
		out.Extent = Partly
	}
	for state, list := range stages {
		out.Stages[state] = spread(list)
	}
	out.fired(report.Firings)
	return out
}

// fired counts a rule's firings.
func (o *RollbackReport) fired(firings []Firing) {
	var after, delay []int64
	for i := range firings {
		f := &firings[i]
		if f.Rule != o.Rule {
			continue
		}
		o.Fired++
		after = append(after, f.After)
		switch f.Judgement {
		case Right:
			o.Right++
			o.Found++
			o.Overlaps++
			delay = append(delay, f.Delay)
		case False:
			o.False++
		}
	}
	o.After, o.Delay = spread(after), spread(delay)
}

func (r *run) shown(rl *rules.Rule) string {
	if i := rl.ShownSignal; i >= 0 && i < len(r.plan.Signals) {
		return r.plan.Signals[i].Name
	}
	return ""
}

// condition is a rule as its author wrote it, in short.
func condition(rl *rules.Rule) string {
	text := rl.ShownWhen.String()
	for _, x := range [...]struct {
		word string
		d    time.Duration
	}{{"for", rl.For}, {"over", rl.Over}} {
		if x.d > 0 {
			text += " " + x.word + " " + rules.Duration{Duration: x.d}.String()
		}
	}
	if rl.Datapoints.N > 0 {
		text += fmt.Sprintf(" %d of %d", rl.Datapoints.M, rl.Datapoints.N)
	}
	if rl.Method == rules.Sequential {
		text += " (sequential)"
	}
	return text
}

// phaseTotals counts one phase.
func (r *run) phaseTotals(report *Report, k int) PhaseReport {
	p := &r.plan.Phases[k]
	out := PhaseReport{Phase: p.Name, Title: p.Title, Outcomes: map[string]int{}, Rules: []SuccessCount{}}
	for _, o := range Outcomes() {
		out.Outcomes[o] = 0
	}
	for _, i := range p.Success {
		out.Rules = append(out.Rules, SuccessCount{Rule: r.plan.Rules[i].Name})
	}
	var took, late []int64
	for i := range report.Releases {
		v := &report.Releases[i].Phases[k]
		out.Outcomes[v.Outcome]++
		bad := !v.Started.IsZero() && r.marks.over("", v.Started.Unix(), v.WindowEnd.Unix()) >= 0
		switch v.Outcome {
		case OutcomePass, OutcomePart:
			if bad {
				out.OverBad++
			}
		case OutcomeFail:
			if !bad && len(r.marks.list) > 0 {
				out.FailGood++
			}
		}
		if v.Outcome == OutcomePass || v.Outcome == OutcomePart || v.Outcome == OutcomeFail {
			took = append(took, v.Decided.Unix()-v.Started.Unix())
			late = append(late, v.Decided.Unix()-v.WindowEnd.Unix())
		}
		out.count(v)
	}
	out.Took, out.Late = spread(took), spread(late)
	return out
}

// count adds what the success rules said in one release: only of a window that
// was judged at all.
func (o *PhaseReport) count(v *PhaseRun) {
	for i := range v.Rules {
		s, c := &v.Rules[i], &o.Rules[i]
		switch {
		case v.Started.IsZero():
		case s.Extent == None:
			c.Unjudged++
		case s.Verdict == rules.Pass:
			c.Pass++
		case s.Verdict == rules.Fail, s.Verdict == rules.Rollback:
			c.Fail++
		case s.Extent == Partly:
			c.Unjudged++
		case v.Outcome == OutcomeUnknown, v.Outcome == OutcomeNone, v.Outcome == OutcomePass, v.Outcome == OutcomePart, v.Outcome == OutcomeFail:
			c.Unknown++ // the phase was decided without it, or could not be
		}
	}
}

func runs(releases []Release) RunTotals {
	t := RunTotals{Releases: len(releases)}
	var took []int64
	for i := range releases {
		rel := &releases[i]
		switch rel.Outcome {
		case OutcomePass:
			t.Passed++
		case OutcomePart:
			t.Part++
		case OutcomeFail:
			t.Failed++
		case OutcomeRollback:
			t.RolledBack++
		case OutcomeHeld:
			t.Held++
		case OutcomeNone:
			t.NoHistory++
		case OutcomeCut:
			t.Cut++
		default:
			t.Unknown++
		}
		switch rel.Judgement {
		case Right:
			t.Right++
		case False:
			t.False++
		}
		if !slices.Contains([]string{OutcomeCut, OutcomeUnknown, OutcomeNone, OutcomeHeld}, rel.Outcome) {
			took = append(took, rel.Took)
		}
	}
	t.Took = spread(took)
	return t
}

// mark counts one marked period.
func (r *run) mark(report *Report, i int) MarkReport {
	out := MarkReport{Mark: r.marks.list[i]}
	for k := range report.Releases {
		rel := &report.Releases[k]
		if !rel.Start.Before(out.To) || !rel.Ended.After(out.From) {
			continue
		}
		out.Releases++
		if rel.Mark == i+1 {
			out.Found++
		} else {
			out.Missed++
		}
	}
	for _, f := range report.Firings {
		if f.Mark == i+1 && !slices.Contains(out.By, f.Rule) {
			out.By = append(out.By, f.Rule)
		}
	}
	return out
}

// spread is the median and the most of some durations.
func spread(list []int64) Spread {
	if len(list) == 0 {
		return Spread{}
	}
	slices.Sort(list)
	n := len(list)
	return Spread{N: n, Median: (list[(n-1)/2] + list[n/2]) / 2, Most: list[n-1]}
}
