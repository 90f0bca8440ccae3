package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/lab/power"
)

// planForecast is what the rules of a plan can decide.
type planForecast struct {
	Plan  string       `json:"plan"`
	Lines []power.Line `json:"lines"`
}

// forecast says what the rules of all plans can decide, and adds what is wrong with
// that to the problems. Only check asks for it: what cannot decide is no reason not
// to start.
func forecast(cfg *config.Config, problems []config.Problem) ([]planForecast, []config.Problem) {
	all := []planForecast{}
	for _, plan := range cfg.Plans {
		lines := power.Forecast(plan)
		problems = cfg.Locate(problems, plan, power.Lint(plan, lines))
		if len(lines) > 0 {
			all = append(all, planForecast{plan.Name, lines})
		}
	}
	return all, problems
}

func showForecast(out io.Writer, all []planForecast) error {
	for _, f := range all {
		fmt.Fprintf(out, "what the rules of %s can decide (proofs: median, of a release at a tenth of its limit; faults: median, and how likely in the window)\n", f.Plan)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "  phase\trule\trate\tsamples\tforecast\n")
		for _, row := range power.Table(f.Lines) {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", row[0], row[1], row[2], row[3], row[4])
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
