package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/relgate/relgate/exporters/wire"
)

type startCommand struct {
	remote    `embed:""`
	Plan      string            `arg:"" type:"given" help:"Plan id."`
	Version   string            `required:"" type:"version" help:"What is released: \"1.4.2\"."`
	At        string            `default:"now" help:"T, an RFC 3339 time, or now."`
	Set       map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"A parameter of the plan; may be repeated. previous=VERSION and previous.NAME=VALUE say what the release before had."`
	Again     bool              `help:"Another try of a version whose run ended without passing."`
	Supersede bool              `help:"End the run that is under way; wants --by and --why."`
	By        string            `help:"Who decides: a name that people know."`
	Why       string            `help:"The reason, for those who read the journal."`
	Output    string            `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Help is printed by --help.
func (startCommand) Help() string {
	return `Begins the run of a version under a plan whose file names no version. The same
version again is the same run while that is undecided or has passed.
Exit 0 when the run is there, 1 when it was refused.

  relgate start bioage --version 1.4.2
  relgate start bioage --version 1.4.2 --at 2025-06-04T02:00:00Z --set lambda=43
  relgate start bioage --version 1.4.3 --supersede --by "R. Manager" --why "hotfix"`
}

// startRequest is the body of POST /v1/plans/{plan}/runs.
type startRequest struct {
	Version   string            `json:"version"`
	At        string            `json:"at,omitempty"`
	Set       map[string]string `json:"set,omitempty"`
	Again     bool              `json:"again,omitempty"`
	Supersede bool              `json:"supersede,omitempty"`
	By        string            `json:"by,omitempty"`
	Why       string            `json:"why,omitempty"`
}

func (c startCommand) Run(ctx context.Context, con console) error {
	a, err := c.call(ctx, http.MethodPost, "/v1/plans/"+url.PathEscape(c.Plan)+"/runs", startRequest{
		Version: c.Version, At: c.At, Set: c.Set, Again: c.Again, Supersede: c.Supersede, By: c.By, Why: c.Why,
	})
	if err != nil {
		return unreachable(err)
	}
	switch {
	case a.status == http.StatusOK, a.status == http.StatusCreated:
	case a.status == http.StatusConflict && a.problem() != nil:
		return exit(exitFail, fmt.Errorf("refused: %s", strings.TrimPrefix(a.said(), "the run was refused: ")))
	default:
		return a.refusal()
	}
	var run wire.RunBody
	if err := c.decode(a, &run); err != nil {
		return unreachable(err)
	}
	wrong := asked{plan: c.Plan, version: c.Version}.foreign(run.APIVersion, run.Plan, run.Version, run.Run.ID)
	if run.Run.ID == "" {
		wrong = cmp.Or(wrong, "it names no run")
	}
	if wrong != "" {
		return unreachable(c.astray(wrong))
	}
	if c.Output == "json" {
		return writeBody(con.out, a.body)
	}
	word := "is there already"
	if a.status == http.StatusCreated {
		word = "has begun"
	}
	fmt.Fprintf(con.out, "%s %s: %s\n", plain(run.Run.ID), word, plain(strings.TrimSpace(run.Headline)))
	return nil
}
