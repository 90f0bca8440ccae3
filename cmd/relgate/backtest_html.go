package main

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/relgate/relgate/evaluator/lab/backtest"
	"github.com/relgate/relgate/exporters/chart"
)

//go:embed backtest.html
var backtestPage string

// pageData is what the page shows.
type pageData struct {
	Plans   []planPage
	Pairs   []pair // of two plans that are compared
	Fetched string
	Notes   []string
}

// planPage is one plan's part of it.
type planPage struct {
	*backtest.Report
	RunWords string
	Marked   bool
	Outcomes []string // that any phase had
	Stages   []string
	Timeline timeline
	Charts   []chart.Signal
}

// page writes the reports as one HTML page that needs nothing else: no script,
// no font, no network.
func (t *trial) page(w io.Writer) error {
	parsed, err := template.New("backtest").Funcs(template.FuncMap{
		"took": took, "spread": spreadWords, "silence": func(x backtest.RollbackReport) string { return silence(&x) },
		"seen":  func(x backtest.RollbackReport) string { return seen(&x) },
		"upper": strings.ToUpper, "words": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"count": func(marked bool, n int) any {
			if !marked {
				return "–"
			}
			return n
		},
		"join": func(list []string) string { return strings.Join(list, ", ") },
		"add":  func(a, b float64) float64 { return chart.Round1(a + b) }, "sideOf": sideOf,
	}).Parse(backtestPage)
	if err != nil {
		return err // unreachable unless the page in the binary is broken
	}
	data := pageData{Fetched: t.history.Fetched.Format(minute), Notes: noteLines(t.reports)}
	for i, r := range t.reports {
		data.Plans = append(data.Plans, planPage{
			Report: r, RunWords: runWords(r), Marked: len(r.Marks) > 0, Outcomes: outcomesOf(r), Stages: stagesOf(r),
			Timeline: timelineOf(r), Charts: t.charts(t.plans[i], r),
		})
	}
	if len(t.reports) == 2 {
		data.Pairs = pairs(t.reports[0], t.reports[1])
	}
	return parsed.Execute(w, data)
}

// side is one plan's cells of a rule in the comparison.
type side struct {
	backtest.RollbackReport
	None   string // why there are no figures
	Marked bool
}

func sideOf(x *backtest.RollbackReport, marked bool) side {
	switch {
	case x == nil:
		return side{None: "no such rule"}
	case x.Extent == backtest.None:
		return side{None: "no history"}
	}
	return side{RollbackReport: *x, Marked: marked}
}
