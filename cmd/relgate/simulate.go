package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/webhook/dispatchtest"
	"github.com/relgate/relgate/sources/simulator"
)

type simulateCommand struct {
	Scenario    string    `default:"healthy" help:"What happens: ${scenarios}, or a scenario file."`
	Start       time.Time `help:"T: the time that the scenario counts from, RFC 3339; now when left out. The simulator's clock begins there too, whatever the real one says." format:"2006-01-02T15:04:05Z07:00"`
	Speed       float64   `default:"1" help:"Virtual seconds in a real one, from the start of the program."`
	AWS         string    `default:"127.0.0.1:4566" help:"Address of CloudWatch, Athena and Lambda."`
	Sentry      string    `default:"127.0.0.1:4567" help:"Address of Sentry."`
	AppStore    string    `default:"127.0.0.1:4568" help:"Address of App Store Connect and the public lookup."`
	EventBridge string    `name:"eventbridge" default:"127.0.0.1:4569" help:"Address of EventBridge, which takes any credentials."`
	GitHub      string    `name:"github" default:"127.0.0.1:4570" help:"Address of GitHub, whose repositories have every workflow that is started."`
	GitLab      string    `name:"gitlab" default:"127.0.0.1:4571" help:"Address of GitLab, whose projects take every pipeline trigger token."`
	SentryToken string    `help:"The one token that is accepted; any when left out."`
}

// Help is printed by --help.
func (simulateCommand) Help() string {
	return `The upstreams, and the receivers at GitHub, GitLab and EventBridge, speak the real
wire formats, so the SDKs' own clients work:

  relgate simulate --scenario outage &
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x \
    relgate serve config.toml

With --start the upstreams' own clock begins at T as well: to a daemon on the real clock
they are as far behind, or ahead, as T is.

App Store Connect's tokens are checked for all but their signature.`
}

func (c simulateCommand) Run(ctx context.Context, con console) error {
	scenario, err := simulator.Load(c.Scenario)
	if err != nil {
		return exit(exitUsage, err)
	}
	if c.Speed <= 0 {
		return exit(exitUsage, fmt.Errorf("--speed %v: want a number above 0", c.Speed))
	}
	begun := time.Now()
	if c.Start.IsZero() {
		c.Start = begun
	}
	now := func() time.Time { return c.Start.Add(time.Duration(float64(time.Since(begun)) * c.Speed)).UTC() }
	w := &world{others: map[string]http.Handler{"eventbridge": &dispatchtest.EventBridge{}, "github": &dispatchtest.GitHub{}, "gitlab": &dispatchtest.GitLab{}}}
	w.simulator, err = simulator.New(simulator.Config{
		Scenario: scenario, Start: c.Start.UTC(), Now: now, SentryToken: c.SentryToken, TokenClock: time.Now,
	})
	if err != nil {
		return exit(exitUsage, err)
	}
	if err := w.listen(ctx, map[string]string{"aws": c.AWS, "sentry": c.Sentry, "appstore": c.AppStore, "eventbridge": c.EventBridge, "github": c.GitHub, "gitlab": c.GitLab}); err != nil {
		return exit(exitUsage, err)
	}
	fmt.Fprintf(con.out, "scenario %s: %s\nT is %s\n", scenario.Name, scenario.Title, c.Start.UTC().Format(time.RFC3339))
	for _, name := range w.names() {
		fmt.Fprintf(con.out, "%-11s %s\n", name, w.url(name))
	}
	return errors.Join(w.Run(ctx), w.close())
}

// scenarioNames is shown in help.
func scenarioNames() string { return strings.Join(simulator.Scenarios(), ", ") }
