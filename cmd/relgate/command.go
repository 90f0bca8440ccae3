package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// order is what every command to the daemon says: which run, who, why.
type order struct {
	remote  `embed:""`
	Plan    string `type:"given" help:"Plan id; may be left out when the daemon has one plan."`
	Version string `type:"version" help:"Version that is meant: its newest try. Left out: the run that is under way."`
	RunID   string `name:"run" type:"given" help:"Run that is meant, by its id."`
	By      string `required:"" help:"Who decides: a name that people know."`
	Why     string `required:"" help:"The reason, for those who read the journal."`
	ID      string `help:"Idempotency key: the same id is applied once."`
}

// commandRequest is the body of POST /v1/plans/{plan}/commands.
type commandRequest struct {
	ID      string           `json:"id"`
	Kind    fact.CommandKind `json:"kind"`
	Phase   string           `json:"phase,omitempty"`
	Verdict string           `json:"verdict,omitempty"`
	Subject string           `json:"subject,omitempty"`
	Role    string           `json:"role,omitempty"`
	Meaning string           `json:"meaning,omitempty"`
	Read    string           `json:"read,omitempty"`
	Run     string           `json:"run,omitempty"`
	Version string           `json:"version,omitempty"`
	By      string           `json:"by"`
	Why     string           `json:"why"`
}

// give sends a command and shows the event that the daemon has committed.
func (o order) give(ctx context.Context, con console, req commandRequest) error {
	plan, err := o.plan(ctx, o.Plan)
	if err != nil {
		return err
	}
	req.ID, req.Run, req.Version, req.By, req.Why = o.ID, o.RunID, o.Version, o.By, o.Why
	if req.ID == "" {
		req.ID = rand.Text()
	}
	a, err := o.call(ctx, http.MethodPost, "/v1/plans/"+url.PathEscape(plan)+"/commands", req)
	if err != nil {
		return unreachable(err)
	}
	if a.problem() != nil || a.status != http.StatusOK && a.status != http.StatusConflict {
		return a.refusal()
	}
	var event wire.EventBody
	if err := o.decode(a, &event); err != nil {
		return unreachable(err)
	}
	applied := a.status == http.StatusOK
	wrong := asked{plan, o.Version, o.RunID}.foreign(wire.APIVersion, event.Plan, event.Version, event.Run) // an event names no API
	if event.Kind != string(fact.CommandEvent) || event.Subject != string(req.Kind) || applied != (event.To == "applied") {
		wrong = cmp.Or(wrong, fmt.Sprintf("it is %s %s, %s", event.Kind, event.Subject, event.To))
	}
	if wrong != "" {
		return unreachable(o.astray("its event is not of this command: " + wrong))
	}
	hit := plain(cmp.Or(event.Run, event.Plan))
	if !applied { // its sentence says that it was refused
		return exit(exitFail, fmt.Errorf("%s: %s", hit, plain(event.Sentence)))
	}
	fmt.Fprintf(con.out, "%s: %s applied: %s\n", hit, req.Kind, plain(event.Sentence))
	labelled(con.out, "token", event.Principal)
	return nil
}

type phaseCommand struct {
	Start phaseStartCommand `cmd:"" help:"Say that a phase has begun: the traffic is moved."`
}

type phaseStartCommand struct {
	order `embed:""`
	Phase string `arg:"" optional:"" type:"given" help:"Phase name; the next one when left out."`
}

// Help is printed by --help.
func (phaseStartCommand) Help() string {
	return `  relgate phase start lambda-10 --by ci --why "pipeline 4711 moved the alias"`
}

func (c phaseStartCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.StartPhase, Phase: c.Phase})
}

type holdCommand struct {
	order `embed:""`
}

func (c holdCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.Hold})
}

type resumeCommand struct {
	order `embed:""`
}

func (c resumeCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.Resume})
}

type overrideCommand struct {
	order   `embed:""`
	Verdict string `arg:"" enum:"pass,fail" help:"pass or fail."`
	Phase   string `arg:"" optional:"" type:"given" help:"Phase name; left out: the current one, or the whole run when it is rolled back."`
}

// Help is printed by --help.
func (overrideCommand) Help() string {
	return `  relgate override pass mobile-10 --by "R. Manager" --why "crash is in a debug menu"`
}

func (c overrideCommand) Run(ctx context.Context, con console) error {
	var v rules.Verdict
	if err := v.UnmarshalText([]byte(c.Verdict)); err != nil {
		return exit(exitUsage, err) // unreachable unless the enum above and the language part ways
	}
	return c.give(ctx, con, commandRequest{Kind: fact.Override, Phase: c.Phase, Verdict: v.String()})
}

type abortCommand struct {
	order `embed:""`
}

func (c abortCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.Abort})
}

type rollbackDoneCommand struct {
	order `embed:""`
}

func (c rollbackDoneCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.RollbackDone})
}
