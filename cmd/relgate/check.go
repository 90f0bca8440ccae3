package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/server"
	"github.com/relgate/relgate/rules"
)

type checkCommand struct {
	File   string `arg:"" optional:"" default:"config.toml" help:"Config file; - is standard input."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text, or json for editors."`
	Strict bool   `help:"Warnings count as errors."`
}

// Help is printed by --help.
func (checkCommand) Help() string {
	return `Every problem is reported at once, in file order, with line, key and fix.
Exit 0 when all plans can be used, 2 when one cannot. Of a template it says what
its runs are told when they begin. Where signals have an expected_rate, it says what each rule can decide in its phase's window; where
rules weigh evidence, how the risk of a false rollback is split over them.

Of a file on standard input, names are relative to the working directory.

  relgate check config.toml
  relgate check - < config.toml
  relgate check -o json config.toml | jq '.problems[].message'`
}

// checkReport is what check -o json prints.
type checkReport struct {
	File     string            `json:"file"`
	Valid    bool              `json:"valid"`
	Plans    []checkedPlan     `json:"plans"`
	Problems []config.Problem  `json:"problems"`
	Budgets  []config.Budget   `json:"budgets"`
	Forecast []planForecast    `json:"forecast"`
	Cost     []config.LineItem `json:"cost"`
}

// checkedPlan is a plan, and what its runs are told when they begin.
type checkedPlan struct {
	Name       string            `json:"name"`
	File       string            `json:"file"`
	Template   bool              `json:"template"`
	Begin      string            `json:"begin,omitempty"`   // of a template: the command that begins a run
	First      []string          `json:"first,omitempty"`   // of a template: settings that the first run needs too, because none has passed before it
	Run        string            `json:"run,omitempty"`     // of any other plan: id of the run that begins by itself
	Parameters []rules.Parameter `json:"parameters"`        //
	Previous   rules.Previous    `json:"previous,omitzero"` // what the file says of the release before the first run
}

func (c checkCommand) Run(con console) error {
	cfg, problems, err := c.load(con)
	if err != nil {
		return err
	}
	if cfg != nil {
		problems = cfg.Locate(problems, nil, checkAuthorities(cfg))
		if cfg.Daemon.TLS != nil {
			problems = cfg.Locate(problems, nil, checkTLS(*cfg.Daemon.TLS, time.Now()))
		}
	}
	report := checkReport{File: c.name(), Plans: []checkedPlan{}, Problems: problems, Budgets: []config.Budget{}, Forecast: []planForecast{}, Cost: []config.LineItem{}}
	report.Valid = cfg != nil && config.Errors(problems) == 0
	if report.Valid {
		for _, p := range cfg.Plans {
			report.Plans = append(report.Plans, checked(p, cfg.FileOf(p)))
		}
		for _, p := range cfg.Plans {
			problems = cfg.Locate(problems, p, p.LintNow(time.Now()))
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

// name is what the file is called in problems.
func (c checkCommand) name() string {
	if c.File == "-" {
		return "<stdin>"
	}
	return c.File
}

func (c checkCommand) load(con console) (*config.Config, []config.Problem, error) {
	if c.File != "-" {
		cfg, problems := configs().Load(c.File)
		return cfg, problems, nil
	}
	data, err := io.ReadAll(con.in)
	if err != nil {
		return nil, nil, exit(exitUsage, fmt.Errorf("reading standard input: %w", err))
	}
	cfg, problems := configs().Decode(c.name(), data, os.ReadFile)
	return cfg, problems, nil
}

// checkAuthorities reads the files of authorities by which relgate is to know others.
func checkAuthorities(cfg *config.Config) rules.Problems {
	var found rules.Problems
	top := rules.Check("", &found)
	for i := range cfg.Sources {
		authorities(top.At("sources", cfg.Sources[i].Name, "ca"), cfg.Sources[i].CA)
	}
	for i := range cfg.Webhooks {
		authorities(top.At("webhooks", cfg.Webhooks[i].Name, "ca"), cfg.Webhooks[i].CA)
	}
	for i := range cfg.Alertmanagers {
		authorities(top.At("alertmanager", cfg.Alertmanagers[i].Name, "ca"), cfg.Alertmanagers[i].CA)
	}
	for i := range cfg.Daemon.OIDC {
		authorities(top.At("daemon", "oidc", cfg.Daemon.OIDC[i].Name, "ca"), cfg.Daemon.OIDC[i].CA)
	}
	if cfg.Grafana != nil {
		authorities(top.At("grafana", "ca"), cfg.Grafana.CA)
	}
	if cfg.OTLP != nil {
		authorities(top.At("otlp", "ca"), cfg.OTLP.CA)
	}
	return found
}

// authorities reports a file of authorities that cannot be read, or holds none.
func authorities(c rules.Checker, path string) {
	if path == "" {
		return
	}
	if _, err := server.Authorities(path); err != nil {
		c.Fail("bad-certificate", "name a PEM file with the certificates of the authorities", "%v", err)
	}
}

// checkTLS reads the files of daemon.tls. A certificate whose time is over is no error:
// a daemon that is restarted with one is better than none.
func checkTLS(t config.TLSSpec, now time.Time) rules.Problems {
	var found rules.Problems
	c := rules.Check("daemon.tls", &found)
	authorities(c.At("client_ca"), t.ClientCA)
	cert := c.At("cert")
	pair, _, err := server.Files{Cert: t.Cert, Key: t.Key}.Load()
	if err != nil {
		cert.Fail("bad-certificate", "name PEM files of a certificate and of its own private key", "%v", err)
		return found
	}
	from, to := pair.Leaf.NotBefore.UTC(), pair.Leaf.NotAfter.UTC()
	switch {
	case now.After(to):
		cert.Warn("certificate-time", "replace it", "%s ended on %s: clients refuse it", t.Cert, to.Format(time.RFC3339))
	case now.Before(from):
		cert.Warn("certificate-time", "replace it, or set the clock", "%s begins on %s: clients refuse it until then", t.Cert, from.Format(time.RFC3339))
	case to.Sub(now) < server.SoonTime:
		cert.Warn("certificate-time", "replace it", "%s ends on %s", t.Cert, to.Format(time.RFC3339))
	}
	return found
}

func checked(p *rules.Plan, file string) checkedPlan {
	c := checkedPlan{Name: p.Name, File: file, Template: p.Template(), Parameters: p.Parameters, Previous: p.GivenPrevious}
	if c.Parameters == nil {
		c.Parameters = []rules.Parameter{}
	}
	if !c.Template {
		c.Run = rules.RunID(p.Name, p.Version, 1)
		return c
	}
	c.Begin = "relgate start " + p.Name + " --version V"
	for _, d := range p.Parameters {
		if d.Required {
			c.Begin += " --set " + d.Name + "=…"
		}
	}
	for _, name := range p.Placeholders() {
		parameter, of := strings.CutPrefix(name, "previous.")
		_, given := p.GivenPrevious.Parameters[parameter]
		if name == "previous" && p.GivenPrevious.Version == "" || of && !given {
			c.First = append(c.First, "--set "+name+"=…")
		}
	}
	return c
}

func (p checkedPlan) lines() []string {
	lines := []string{"plan " + p.Name + ": valid"}
	if p.Template {
		lines[0] += ", a template: its runs begin with `" + p.Begin + "`"
	}
	if len(p.First) > 0 {
		lines = append(lines, "  its first run needs "+strings.Join(p.First, " ")+" too")
	}
	for _, d := range p.Parameters {
		line := "  parameter " + d.Name + ": "
		if d.Required {
			line += "required"
		} else {
			line += fmt.Sprintf("%q by default", d.Default)
		}
		if d.Pattern != "" {
			line += ", matches " + d.Pattern
		}
		if d.Description != "" {
			line += ": " + d.Description
		}
		lines = append(lines, line)
	}
	return lines
}

func (c checkCommand) print(con console, r checkReport) error {
	if c.Output == "json" {
		return showJSON(con.out, r, "  ")
	}
	complain(con.err, r.Problems)
	if !r.Valid {
		return nil
	}
	total := 0.0
	for _, plan := range r.Plans {
		for _, line := range plan.lines() {
			fmt.Fprintln(con.out, plain(line))
		}
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
