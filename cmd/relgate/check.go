package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/rules"
)

type checkCommand struct {
	File   string `arg:"" optional:"" default:"config.toml" help:"Config file."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text, or json for editors."`
	Strict bool   `help:"Warnings count as errors."`
}

// Help is printed by --help.
func (checkCommand) Help() string {
	return `Every problem is reported at once, in file order, with line, key and fix.
Exit 0 when the config can be used, 2 when it cannot. Where signals have an
expected_rate, it says what each rule can decide in its phase's window; where
rules weigh evidence, how the risk of a false rollback is split over them.

  relgate check config.toml
  relgate check -o json config.toml | jq '.problems[].message'`
}

// checkReport is what check -o json prints.
type checkReport struct {
	File     string            `json:"file"`
	Valid    bool              `json:"valid"`
	Plans    []string          `json:"plans"`
	Problems []config.Problem  `json:"problems"`
	Budgets  []config.Budget   `json:"budgets"`
	Forecast []planForecast    `json:"forecast"`
	Cost     []config.LineItem `json:"cost"`
}

func (c checkCommand) Run(con console) error {
	cfg, problems := config.Load(c.File)
	report := checkReport{File: c.File, Valid: cfg != nil, Plans: []string{}, Problems: problems, Budgets: []config.Budget{}, Forecast: []planForecast{}, Cost: []config.LineItem{}}
	if cfg != nil {
		for _, p := range cfg.Plans {
			report.Plans = append(report.Plans, p.Name)
		}
		report.Budgets = config.Budgets(cfg.Plans)
		report.Cost = config.Price(cfg.Plans)
		report.Forecast, report.Problems = forecast(cfg, problems)
		report.Valid = !c.Strict || !slices.ContainsFunc(report.Problems, func(p config.Problem) bool { return p.Severity != rules.SeverityNote })
	}
	if report.Problems == nil {
		report.Problems = []config.Problem{}
	}
	if err := c.print(con, report); err != nil {
		return err
	}
	if !report.Valid {
		return exit(exitUsage, nil)
	}
	return nil
}

func (c checkCommand) print(con console, r checkReport) error {
	if c.Output == "json" {
		enc := json.NewEncoder(con.out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	for _, p := range r.Problems {
		fmt.Fprintln(con.err, p)
	}
	if !r.Valid {
		return nil
	}
	total := 0.0
	for _, plan := range r.Plans {
		fmt.Fprintf(con.out, "plan %s: valid\n", plan)
	}
	for _, b := range r.Budgets {
		fmt.Fprintf(con.out, "%s: %s\n", b.Plan, strings.Join(b.Lines(), "\n"))
	}
	if err := showForecast(con.out, r.Forecast); err != nil {
		return err
	}
	for _, cost := range r.Cost {
		fmt.Fprintf(con.out, "  %s\n", cost)
		total += cost.USD
	}
	_, err := fmt.Fprintf(con.out, "about %.2f USD a month while it watches\n", total)
	return err
}

type schemaCommand struct{}

// Help is printed by --help.
func (schemaCommand) Help() string {
	return `  relgate schema > relgate.schema.json
  # first line of config.toml:  #:schema ./relgate.schema.json`
}

func (schemaCommand) Run(con console) error {
	_, err := con.out.Write(config.Schema())
	return err
}
