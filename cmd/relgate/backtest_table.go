package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/relgate/relgate/evaluator/lab/backtest"
)

// mostFirings is how many firings of one plan the table lists.
const mostFirings = 40

// table writes the reports for people who read a terminal.
func (t *trial) table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, r := range t.reports {
		if i > 0 {
			fmt.Fprintln(w)
		}
		t.head(w, r)
		rollbackTable(w, r)
		phaseTable(w, r)
		badTable(w, r)
		firingTable(w, r)
	}
	if len(t.reports) == 2 {
		compareTable(w, t.reports[0], t.reports[1])
	}
	notes(w, t.reports)
	return w.Flush()
}

func (t *trial) head(w io.Writer, r *backtest.Report) {
	fmt.Fprintf(w, "%s %s: %s to %s UTC, a release every %s\n", r.Plan, r.Title, r.From.Format(minute), r.To.Format(minute), took(r.Every))
	fmt.Fprintln(w, runWords(r))
}

// runWords is how the releases ended, in a sentence.
func runWords(r *backtest.Report) string {
	x := r.Runs
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{x.Passed, "passed"}, {x.Part, "passed as far as there is history"}, {x.RolledBack, "rolled back"}, {x.Failed, "failed"},
		{x.Held, "held"}, {x.Unknown, "undecided"}, {x.NoHistory, "not decided: no history"}, {x.Cut, "cut by the end of the range"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	text := fmt.Sprintf("%s: %s", amount(x.Releases, "release"), strings.Join(parts, ", "))
	if len(r.Marks) > 0 {
		text += fmt.Sprintf("; %d ended rightly, %d wrongly", x.Right, x.False)
	}
	return text
}

func rollbackTable(w io.Writer, r *backtest.Report) {
	stages := stagesOf(r)
	fmt.Fprint(w, "\nROLLBACK RULE\tWHEN\tRELEASES\tFIRED\tRIGHT\tFALSE\tBAD SEEN\tAFTER BAD\tAFTER START")
	for _, s := range stages {
		fmt.Fprint(w, "\t", strings.ToUpper(s))
	}
	fmt.Fprintln(w, "\tSILENT")
	for i := range r.Rollback {
		x := &r.Rollback[i]
		if x.Extent == backtest.None {
			fmt.Fprintf(w, "%s\t%s\tno history\n", x.Rule, x.When)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s", x.Rule, x.When, x.Releases, x.Fired,
			counted(r, x.Right), counted(r, x.False), seen(x), spreadWords(x.Delay), spreadWords(x.After))
		for _, s := range stages {
			fmt.Fprint(w, "\t", spreadWords(x.Stages[s]))
		}
		fmt.Fprintf(w, "\t%s\n", silence(x))
	}
}

// stagesOf lists the states before firing that any rule was in.
func stagesOf(r *backtest.Report) []string {
	var list []string
	for _, s := range []string{"warning", "holding"} {
		if slices.ContainsFunc(r.Rollback, func(x backtest.RollbackReport) bool { return x.Stages[s].N > 0 }) {
			list = append(list, s)
		}
	}
	return list
}

// counted is a count that means nothing without marks.
func counted(r *backtest.Report, n int) string {
	if len(r.Marks) == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// seen is how many of the bad periods that overlapped its watches a rule fired
// on. Not every rule can see every one: latency says nothing of errors.
func seen(x *backtest.RollbackReport) string {
	if x.Overlaps == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d", x.Found, x.Overlaps)
}

// silence is the share of its watch that a rule could not be judged in.
func silence(x *backtest.RollbackReport) string {
	if x.Watched == 0 || x.Silent == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(x.Silent)/float64(x.Watched))
}

// outcomesOf lists the outcomes that any phase had.
func outcomesOf(r *backtest.Report) []string {
	return slices.DeleteFunc(backtest.Outcomes(), func(o string) bool {
		return !slices.ContainsFunc(r.Phases, func(p backtest.PhaseReport) bool { return p.Outcomes[o] > 0 })
	})
}

func phaseTable(w io.Writer, r *backtest.Report) {
	columns := outcomesOf(r)
	fmt.Fprint(w, "\nPHASE")
	for _, o := range columns {
		fmt.Fprint(w, "\t", strings.ToUpper(strings.ReplaceAll(o, "_", " ")))
	}
	fmt.Fprintln(w, "\tVERDICT AFTER\tAFTER THE WINDOW\tPASSED WHILE BAD")
	for i := range r.Phases {
		p := &r.Phases[i]
		fmt.Fprint(w, p.Phase)
		for _, o := range columns {
			fmt.Fprint(w, "\t", p.Outcomes[o])
		}
		fmt.Fprintf(w, "\t%s\t%s\t%s\n", spreadWords(p.Took), spreadWords(p.Late), counted(r, p.OverBad))
	}
	fmt.Fprintln(w, "\nSUCCESS RULE\tPHASE\tPASS\tFAIL\tUNKNOWN\tNO HISTORY")
	for i := range r.Phases {
		for _, c := range r.Phases[i].Rules {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\n", c.Rule, r.Phases[i].Phase, c.Pass, c.Fail, c.Unknown, c.Unjudged)
		}
	}
}

func badTable(w io.Writer, r *backtest.Report) {
	if len(r.Marks) == 0 {
		return
	}
	fmt.Fprintln(w, "\nBAD PERIOD\tUNTIL\tRELEASES\tFOUND\tMISSED\tFIRED ON BY\tNOTE")
	for _, m := range r.Marks {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", m.From.Format(minute), m.To.Format(minute), m.Releases, m.Found, m.Missed,
			either(strings.Join(m.By, ", "), "-"), m.Note)
	}
}

func firingTable(w io.Writer, r *backtest.Report) {
	if len(r.Firings) == 0 {
		fmt.Fprintln(w, "\nNo rollback rule would have fired.")
		return
	}
	fmt.Fprintln(w, "\nFIRED\tRELEASE\tAT\tRULE\tALARM\tAFTER BAD\tWHY")
	for i, f := range r.Firings {
		if i == mostFirings {
			fmt.Fprintf(w, "and %d more; -o json has all\n", len(r.Firings)-i)
			break
		}
		delay := "-"
		if f.Mark > 0 {
			delay = took(f.Delay)
		}
		fmt.Fprintf(w, "%s\t%d\tT+%s\t%s\t%s\t%s\t%s\n", f.At.Format(minute), f.Release, took(f.After), f.Rule, f.Judgement, delay, f.Reason)
	}
}

// compareTable puts the rules and the runs of two plans side by side.
func compareTable(w io.Writer, a, b *backtest.Report) {
	fmt.Fprintln(w, "\nSIDE BY SIDE\tFIRED\t\tFALSE\t\tBAD SEEN\t\tAFTER BAD\t")
	for _, row := range pairs(a, b) {
		fmt.Fprint(w, row.Rule)
		for _, of := range []func(r *backtest.Report, x *backtest.RollbackReport) string{
			func(_ *backtest.Report, x *backtest.RollbackReport) string { return strconv.Itoa(x.Fired) },
			func(r *backtest.Report, x *backtest.RollbackReport) string { return counted(r, x.False) },
			func(_ *backtest.Report, x *backtest.RollbackReport) string { return seen(x) },
			func(_ *backtest.Report, x *backtest.RollbackReport) string { return spreadWords(x.Delay) },
		} {
			fmt.Fprintf(w, "\t%s\t%s", sideCell(a, row.A, of), sideCell(b, row.B, of))
		}
		fmt.Fprintln(w)
	}
	for _, x := range []struct {
		what string
		a, b int
	}{
		{"releases rolled back", a.Runs.RolledBack, b.Runs.RolledBack}, {"releases failed", a.Runs.Failed, b.Runs.Failed},
		{"releases passed", a.Runs.Passed + a.Runs.Part, b.Runs.Passed + b.Runs.Part}, {"ended wrongly", a.Runs.False, b.Runs.False},
	} {
		fmt.Fprintf(w, "%s\t%d\t%d\n", x.what, x.a, x.b)
	}
}

func sideCell(r *backtest.Report, x *backtest.RollbackReport, of func(*backtest.Report, *backtest.RollbackReport) string) string {
	switch {
	case x == nil:
		return "no such rule"
	case x.Extent == backtest.None:
		return "no history"
	}
	return of(r, x)
}

// pair is a rule of one or both of two plans.
type pair struct {
	Rule string
	A, B *backtest.RollbackReport
}

// pairs matches rules by name, in the first plan's order.
func pairs(a, b *backtest.Report) []pair {
	var list []pair
	for i := range a.Rollback {
		list = append(list, pair{Rule: a.Rollback[i].Rule, A: &a.Rollback[i]})
	}
	for i := range b.Rollback {
		x := &b.Rollback[i]
		k := slices.IndexFunc(list, func(p pair) bool { return p.Rule == x.Rule })
		if k < 0 {
			list = append(list, pair{Rule: x.Rule, B: x})
			continue
		}
		list[k].B = x
	}
	return list
}

// notes says what the figures rest on, and what they lack.
func notes(w io.Writer, reports []*backtest.Report) {
	fmt.Fprintln(w)
	for _, line := range noteLines(reports) {
		fmt.Fprintln(w, line)
	}
}

// noteLines is the same for every format.
func noteLines(reports []*backtest.Report) []string {
	lines := []string{reports[0].Visibility}
	if len(reports[0].Marks) == 0 {
		lines = append(lines, "No bad period was marked (--bad), so no firing is called right or false.")
	} else {
		lines = append(lines, fmt.Sprintf("A firing is right within a bad period or %s after its end.", took(reports[0].Tolerance)))
	}
	for _, r := range reports {
		for _, s := range r.Signals {
			switch {
			case s.None != "":
				lines = append(lines, fmt.Sprintf("no history: %s: %s", s.Signal, s.None))
			case s.Points == 0:
				lines = append(lines, fmt.Sprintf("nothing at all: %s: the source answered and had no data in the whole range", s.Signal))
			}
			for i, g := range s.Gaps {
				if i == 3 {
					lines = append(lines, fmt.Sprintf("no history: %s: and %d more gaps", s.Signal, len(s.Gaps)-i))
					break
				}
				lines = append(lines, fmt.Sprintf("no history: %s from %s to %s: %s", s.Signal, g.From.Format(minute), g.To.Format(minute), g.Detail))
			}
		}
	}
	slices.Sort(lines[2:])
	return append(lines[:2], slices.Compact(lines[2:])...)
}
