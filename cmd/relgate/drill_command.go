package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

type drillCommand struct {
	remote      `embed:""`
	Plan        string            `arg:"" optional:"" type:"given" help:"Plan id; left out: the daemon's only plan."`
	Environment string            `placeholder:"NAME" help:"Where: the name of a table of [environments]. Left out: the drills that are known are listed."`
	Version     string            `help:"What is released there. Left out: what the plan's file says, or the newest run."`
	Set         map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"A parameter of the plan; may be repeated. previous=VERSION and previous.NAME=VALUE say what the release before has there."`
	By          string            `help:"Who rehearses: a name that people know. Required with --environment."`
	Why         string            `help:"The reason, for those who read the journal."`
	Output      string            `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Help is printed by --help.
func (drillCommand) Help() string {
	return `Rehearses the way back of a plan: the daemon sends each step to what stands in for
its receiver in the environment, and keeps who rehearsed, when, what was answered
and how long it took. A plan can ask for a drill that is not too old: max_age in
[rehearsal]. Exit 0 when every step was taken, 1 when one was not.

  relgate drill bioage --environment staging --by "R. Manager"
  relgate drill bioage --environment staging --by "R. Manager" --version 1.4.2 --set lambda=12 --set previous.lambda=11
  relgate drill bioage`
}

// drillRequest is the body of POST /v1/plans/{plan}/drills.
type drillRequest struct {
	Environment string            `json:"environment"`
	Version     string            `json:"version,omitempty"`
	Set         map[string]string `json:"set,omitempty"`
	By          string            `json:"by"`
	Why         string            `json:"why,omitempty"`
}

func (c drillCommand) Run(ctx context.Context, con console) error {
	if c.Environment == "" && (c.By != "" || c.Why != "" || c.Version != "" || len(c.Set) > 0) {
		return exit(exitUsage, fmt.Errorf("--environment is required: where the way back is rehearsed. Without it and what belongs to it the drills that are known are listed"))
	}
	plan, err := c.plan(ctx)
	if err != nil {
		return err
	}
	path := "/v1/plans/" + url.PathEscape(plan) + "/drills"
	if c.Environment == "" {
		return c.list(ctx, con, path)
	}
	if strings.TrimSpace(c.By) == "" {
		return exit(exitUsage, fmt.Errorf("--by is required: who rehearses"))
	}
	a, err := c.call(ctx, http.MethodPost, path, drillRequest{Environment: c.Environment, Version: c.Version, Set: c.Set, By: c.By, Why: c.Why})
	if err != nil {
		return unreachable(err)
	}
	if a.status != http.StatusOK && (a.status != http.StatusConflict || a.problem() != nil) {
		return a.refusal()
	}
	var drill wire.Drill
	if err := c.decode(a, &drill); err != nil {
		return unreachable(err)
	}
	if drill.Plan != plan || drill.Environment != c.Environment {
		return unreachable(c.astray("it is of another drill"))
	}
	if c.Output == "json" {
		if err := writeBody(con.out, a.body); err != nil {
			return err
		}
	} else if err := showDrill(con.out, &drill); err != nil {
		return err
	}
	if a.status == http.StatusConflict {
		return exit(exitFail, fmt.Errorf("the way back was not rehearsed as a whole: see what was answered"))
	}
	return nil
}

// plan is the plan that is meant: the one that is named, else the daemon's only one.
func (c drillCommand) plan(ctx context.Context) (string, error) {
	if c.Plan != "" {
		return c.Plan, nil
	}
	a, err := c.call(ctx, http.MethodGet, "/v1/plans", nil)
	if err != nil {
		return "", unreachable(err)
	}
	if a.status != http.StatusOK {
		return "", a.refusal()
	}
	var list wire.PlanList
	if err := c.decode(a, &list); err != nil {
		return "", unreachable(err)
	}
	if len(list.Plans) != 1 {
		return "", exit(exitUsage, fmt.Errorf("the daemon has %d plans: say which is meant", len(list.Plans)))
	}
	return list.Plans[0].Plan, nil
}

func (c drillCommand) list(ctx context.Context, con console, path string) error {
	a, err := c.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return unreachable(err)
	}
	if a.status != http.StatusOK {
		return a.refusal()
	}
	var list struct {
		Drills []wire.Drill `json:"drills"`
	}
	if err := c.decode(a, &list); err != nil {
		return unreachable(err)
	}
	if c.Output == "json" {
		return json.NewEncoder(con.out).Encode(list.Drills)
	}
	if len(list.Drills) == 0 {
		fmt.Fprintln(con.out, "The way back was never rehearsed.")
	}
	for i := range list.Drills {
		if err := showDrill(con.out, &list.Drills[i]); err != nil {
			return err
		}
	}
	return nil
}

// showDrill writes what was answered to each step.
func showDrill(w io.Writer, d *wire.Drill) error {
	taken := 0
	for _, s := range d.Steps {
		if s.OK {
			taken++
		}
	}
	at := "at an unknown time"
	if d.At != nil {
		at = d.At.Format("2006-01-02 15:04:05 UTC")
	}
	fmt.Fprintf(w, "Drill of %s in %s, %s, by %s: %d of %s taken.\n", plain(d.Plan), plain(d.Environment), at, plain(d.By), taken, amount(len(d.Steps), "step"))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range d.Steps {
		word, took := "taken", ""
		if !s.OK {
			word = "NOT TAKEN"
		}
		if s.TookSeconds != nil {
			took = time.Duration(*s.TookSeconds * float64(time.Second)).Round(time.Millisecond).String()
		}
		fmt.Fprintf(table, "  %s/%s\t%s at %s\t%s\t%s\t%s\n", plain(s.Rule), plain(s.Name), plain(s.Do), plain(s.To), word, took, plain(s.Answer))
	}
	return table.Flush()
}
