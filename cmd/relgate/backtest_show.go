package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/relgate/relgate/evaluator/lab/backtest"
	"github.com/relgate/relgate/rules"
)

// backtestOutput is what -o json prints.
type backtestOutput struct {
	Fetched time.Time          `json:"fetched"` // when the history was
	Plans   []*backtest.Report `json:"plans"`   // the plan, and the one it is compared with
}

// show writes the report in the form that was asked for: to stdout, or to the
// file with the table on stdout.
func (t *trial) show() error {
	fmt.Fprintf(t.con.err, "%s, %s in %s\n", amount(len(t.reports), "plan"), amount(t.ticks(), "tick"), t.took.Round(time.Millisecond))
	var b bytes.Buffer
	if err := t.write(&b, t.Format); err != nil {
		return err
	}
	if t.Output == "" {
		_, err := t.con.out.Write(b.Bytes())
		return err
	}
	if err := os.WriteFile(t.Output, b.Bytes(), 0o644); err != nil {
		return exit(exitUsage, fmt.Errorf("writing the report: %w", err))
	}
	return t.write(t.con.out, "table")
}

func (t *trial) ticks() int {
	n := 0
	for _, r := range t.reports {
		n += r.Ticks
	}
	return n
}

func (t *trial) write(w io.Writer, format string) error {
	switch format {
	case "json":
		return showJSON(w, backtestOutput{t.history.Fetched, t.reports}, "  ")
	case "html":
		return t.page(w)
	}
	return t.table(plainLines{w}) // its reasons hold what the upstreams said
}

// took writes seconds for people: "14m30s", "1h".
func took(seconds int64) string {
	return rules.Duration{Duration: time.Duration(seconds) * time.Second}.String()
}

// spreadWords is "14m, at most 16m", "-" when it never happened.
func spreadWords(s backtest.Spread) string {
	switch {
	case s.N == 0:
		return "-"
	case s.N == 1 || s.Median == s.Most:
		return took(s.Median)
	}
	return took(s.Median) + ", at most " + took(s.Most)
}

// minute is how times are written in tables, UTC.
const minute = "2006-01-02 15:04"
