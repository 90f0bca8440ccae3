package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/recipes"
	"github.com/relgate/relgate/rules"
)

type recipeCommand struct {
	Kind     string        `arg:"" enum:"argo,curl,flagger,github,gitlab,jenkins" help:"argo, curl, flagger, github, gitlab or jenkins."`
	Plan     string        `arg:"" optional:"" type:"given" help:"Plan id; may be left out when the config has one plan."`
	Config   string        `default:"config.toml" type:"path" help:"Config file."`
	Target   string        `help:"Only the phases of this target."`
	JobLimit time.Duration `help:"How long a job may live. Left out: 6h of github, 3h of gitlab, for ever of the others."`
}

// Help is printed by --help.
func (recipeCommand) Help() string {
	return `What is written goes to standard output: a pipeline of GitHub Actions or GitLab CI, a
Jenkinsfile, a shell script with curl, or what Argo Rollouts and Flagger want. Intervals,
counts and limits come from the plan's windows. Addresses come from daemon.external_url.

  relgate recipe github shop > .github/workflows/release.yml
  relgate recipe curl shop --config shop.toml > release.sh
  relgate recipe argo REL-2025-06-04 --target "lambda alias live"

A phase that can take longer than a job may live is asked once, and its pass starts the next
pipeline: docs/integrations.md#ci.`
}

func (c recipeCommand) Run(con console) error {
	cfg, problems := configs().Load(c.Config)
	if cfg == nil || config.Errors(problems) > 0 {
		complain(con.err, problems)
		return exit(exitUsage, fmt.Errorf("%s: %s; nothing was written", c.Config, amount(config.Errors(problems), "problem")))
	}
	plan, err := c.plan(cfg.Plans)
	if err != nil {
		return exit(exitUsage, err)
	}
	text, err := recipes.Write(c.Kind, recipes.Config{Plan: plan, Target: c.Target, BaseURL: cfg.Daemon.ExternalURL, JobLimit: c.JobLimit})
	if err != nil {
		return exit(exitUsage, err)
	}
	_, err = con.out.Write(text)
	return err
}

// plan is the one that is named, or the only one.
func (c recipeCommand) plan(plans []*rules.Plan) (*rules.Plan, error) {
	if c.Plan == "" && len(plans) == 1 {
		return plans[0], nil
	}
	var names []string
	for _, p := range plans {
		if p.Name == c.Plan {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if c.Plan == "" {
		return nil, errors.New("name a plan: " + strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("unknown plan %q: the config has %s", c.Plan, strings.Join(names, ", "))
}
