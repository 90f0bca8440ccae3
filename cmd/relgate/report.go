package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/report"
)

type reportCommand struct {
	RunID   string `arg:"" name:"run" type:"given" help:"Run id (PLAN@VERSION)."`
	Journal string `default:"relgate.db" type:"path" help:"Journal file; a daemon may be using it."`
	Output  string `short:"o" enum:"md,html,json" default:"md" help:"md, html (one file, that prints), or json."`
}

// Help is printed by --help.
func (reportCommand) Help() string {
	return `What became of a run: the pass criteria one by one, metrics with numbers and charts,
the timeline, approvals, overrides, messages, deliveries, the rollback with its times,
rules in shadow, forecasts and what came, and the fields of the review. It reads the
journal only, and of the same journal it is the same. A run under way has a report too.

  relgate report bioage@1.4.2 > bioage-1.4.2.md
  relgate report bioage@1.4.2 -o html --journal /var/lib/relgate/relgate.db > report.html

The JSON is described in docs/report.md.`
}

func (c reportCommand) Run(ctx context.Context, con console) error {
	source, err := loadReport(ctx, c.Journal, c.RunID)
	if err != nil {
		return err
	}
	r := report.Make(source)
	switch c.Output {
	case "html":
		return r.HTML(con.out)
	case "json":
		return showJSON(con.out, r, "  ")
	}
	return r.Markdown(con.out)
}

// loadReport reads all that a report of a run is made of from a journal's file.
func loadReport(ctx context.Context, path, run string) (*report.Source, error) {
	j, err := journal.Open(ctx, journal.Config{Path: path, ReadOnly: true})
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	defer j.Close()
	return reportSource(ctx, j, run)
}

// reportSource reads all that a report of a run is made of.
func reportSource(ctx context.Context, j *journal.Journal, run string) (*report.Source, error) {
	c, err := readRun(ctx, j, run)
	if err != nil {
		return nil, err
	}
	sent, err := readReceipts(ctx, j)
	if err != nil {
		return nil, err
	}
	return &report.Source{
		Plan: c.plan, Digest: c.record.Digest, Chain: c.chain, Run: c.body(), Digests: c.digests, Deliveries: sent.of(run, c.record.N),
		Readings: c.readings(), Forecast: forecastOf(c.begun),
	}, nil
}

type planCommand struct {
	Plan    string `arg:"" optional:"" type:"given" help:"Plan id, as the config has it; may be left out when that has one plan. Or a run id (PLAN@VERSION): the plan as the run has it."`
	Config  string `default:"config.toml" type:"path" help:"Config file with the plan."`
	Journal string `default:"relgate.db" type:"path" help:"Journal file with the run."`
	Output  string `short:"o" enum:"md,html" default:"md" help:"md, or html (one file, that prints)."`
}

// Help is printed by --help.
func (planCommand) Help() string {
	return `The plan as the document that people sign: overview, phases, success metrics, rollback
triggers, rehearsal, communications, and review, approvals and pass criteria. It names
the digest of the plan; another plan has another digest.

The plan of a run has its version, its start and its parameters filled in, so its digest
is not that of the plan's file. The journal names the digest of a run's plan.

  relgate plan REL-2025-06-04 > plan.md
  relgate plan REL-2025-06-04@1.0.0 -o html > plan.html`
}

func (c planCommand) Run(ctx context.Context, con console) error {
	doc, err := c.document(ctx, con.err)
	if err != nil {
		return err
	}
	if c.Output == "html" {
		return doc.HTML(con.out)
	}
	return doc.Markdown(con.out)
}

func (c planCommand) document(ctx context.Context, complaints io.Writer) (*report.Document, error) {
	if strings.Contains(c.Plan, "@") {
		return c.ofRun(ctx)
	}
	cfg, problems := configs().Load(c.Config)
	if cfg == nil || len(cfg.Plans) == 0 {
		complain(complaints, problems)
		return nil, exit(exitUsage, errors.New("the config has no plan that can be used"))
	}
	var names []string
	for _, p := range cfg.Plans {
		if p.Name == c.Plan || c.Plan == "" && len(cfg.Plans) == 1 {
			digest, err := digestOf(p)
			if err != nil {
				return nil, err
			}
			return report.OfPlan(p, digest), nil
		}
		names = append(names, p.Name)
	}
	return nil, exit(exitUsage, fmt.Errorf("%s has no plan %q: name one of %s", c.Config, c.Plan, strings.Join(names, ", ")))
}

func (c planCommand) ofRun(ctx context.Context) (*report.Document, error) {
	j, err := journal.Open(ctx, journal.Config{Path: c.Journal, ReadOnly: true})
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	defer j.Close()
	record, err := recordOf(ctx, j, c.Plan)
	if err != nil {
		return nil, err
	}
	plan, err := loadPlan(ctx, j, record.Digest)
	if err != nil {
		return nil, err
	}
	return report.OfPlan(plan, record.Digest), nil
}
