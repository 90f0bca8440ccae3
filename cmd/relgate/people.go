package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// deed is what every command of people's part says: which run, who, why.
type deed struct {
	remote `embed:""`
	RunID  string `arg:"" name:"run" type:"given" help:"Run id (PLAN@VERSION), or plan id: its run that is under way."`
	By     string `required:"" help:"Printed name of who does it."`
	Why    string `required:"" help:"The reason, for those who read the journal."`
	ID     string `help:"Idempotency key: the same id is applied once."`
}

// give sends the command.
func (d deed) give(ctx context.Context, con console, req commandRequest) error {
	o := order{remote: d.remote, Plan: d.RunID, By: d.By, Why: d.Why, ID: d.ID}
	if plan, _, _, ok := rules.ParseRunID(d.RunID); ok {
		o.Plan, o.RunID = plan, d.RunID
	}
	return o.give(ctx, con, req)
}

// signature is what a person signs with.
type signature struct {
	deed    `embed:""`
	Role    string `required:"" help:"Role that signs, as the plan names it."`
	For     string `help:"What is signed for: start, a phase, or override. Left out: the first that the role is asked for."`
	Meaning string `help:"What the signature means: review, approval or responsibility. Left out: what the plan says."`
	Read    string `help:"Digest of the plan that was read, as GET /v1/runs/{id} has it: the signature is refused where the plan in force is another."`
}

type approveCommand struct {
	signature `embed:""`
}

// Help is printed by --help.
func (approveCommand) Help() string {
	return `  relgate approve bioage@1.4.2 --role CTO --by "Kim Lee" --why "read the plan"
  relgate approve bioage --role "Mobile Lead" --for mobile-50 --by "R. Mobile" --why "ratings are good"`
}

func (c approveCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.Approve, Role: c.Role, Subject: c.For, Meaning: c.Meaning, Read: c.Read})
}

type rejectCommand struct {
	deed `embed:""`
	Role string `required:"" help:"Role that refuses to sign, as the plan names it."`
	For  string `help:"What is rejected: start, a phase, or override. Left out: the first that the role is asked for, else what it has signed first."`
}

func (c rejectCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.Reject, Role: c.Role, Subject: c.For})
}

type breakGlassCommand struct {
	deed `embed:""`
	For  string `default:"start" help:"What goes on without the signatures that are missing: start, a phase, a step of the way back or override; way_back: though it is not known to exist."`
}

// Help is printed by --help.
func (breakGlassCommand) Help() string {
	return `It needs the scope override, is told to everybody, and stands apart in the review.

  relgate break-glass bioage@1.4.3 --by "R. Manager" --why "hotfix of incident 4711, no one can be reached"`
}

func (c breakGlassCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.BreakGlass, Subject: c.For})
}

type messagesCommand struct {
	List messagesListCommand `cmd:"" default:"withargs" help:"Which messages were sent, are due or are skipped, and why."`
	Send messagesSendCommand `cmd:"" help:"Send a message now."`
	Skip messagesSkipCommand `cmd:"" help:"Do not send a message."`
}

// Help is printed by --help.
func (messagesCommand) Help() string {
	return `  relgate messages bioage@1.4.2
  relgate messages bioage@1.4.2 --dry-run
  relgate messages send bioage@1.4.2 ops --by "R. Manager" --why "the channel was renamed"
  relgate messages skip bioage@1.4.2 banner --by "R. Manager" --why "the launch is internal"`
}

type messagesListCommand struct {
	remote `embed:""`
	RunID  string `arg:"" name:"run" type:"given" help:"Run id (PLAN@VERSION)."`
	DryRun bool   `help:"Show what is still to be sent alone."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c messagesListCommand) Run(ctx context.Context, con console) error {
	var run wire.RunBody
	if _, err := c.fetch(ctx, "/v1/runs/"+url.PathEscape(c.RunID), &run); err != nil {
		return err
	}
	if wrong := (asked{run: c.RunID}).foreign(run.APIVersion, run.Plan, run.Version, run.Run.ID); wrong != "" {
		return unreachable(c.astray(wrong))
	}
	lines := run.People.Messages
	if c.DryRun {
		lines = []wire.MessageLine{}
		for _, m := range run.People.Messages {
			if m.State == fact.Waiting || m.State == fact.Due {
				lines = append(lines, m)
			}
		}
	}
	if c.Output == "json" {
		return json.NewEncoder(con.out).Encode(lines)
	}
	said := map[string]string{} // :: message → the newest that was said of it
	for i := range run.Events {
		if e := &run.Events[i]; e.Kind == string(fact.CommunicationEvent) && e.To != fact.Due {
			said[e.Subject] = e.Sentence
		}
	}
	t := tabwriter.NewWriter(con.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "MESSAGE\tTO\tSTATE\tDUE\tSINCE\tWHY")
	for _, m := range lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", plain(m.Name), plain(m.To), plain(m.State), utc(m.Due), utc(m.At), plain(said[m.Name]))
	}
	return t.Flush()
}

type messagesSendCommand struct {
	deed `embed:""`
	Name string `arg:"" type:"given" help:"Name of the message in the plan."`
}

func (c messagesSendCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.SendMessage, Subject: c.Name})
}

type messagesSkipCommand struct {
	deed `embed:""`
	Name string `arg:"" type:"given" help:"Name of the message in the plan."`
}

func (c messagesSkipCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.SkipMessage, Subject: c.Name})
}

type reviewCommand struct {
	Edit reviewEditCommand `cmd:"" help:"Write in a field of the review. Signatures that were given before count no more."`
	Sign reviewSignCommand `cmd:"" help:"Sign the review. The last signature sends it to the archive."`
}

// Help is printed by --help.
func (reviewCommand) Help() string {
	return `  relgate review edit bioage@1.4.2 lessons --by "R. Manager" --text "test on the oldest phone first"
  relgate review sign bioage@1.4.2 --role "Release Manager" --by "R. Manager" --why "complete"`
}

type reviewEditCommand struct {
	remote `embed:""`
	RunID  string `arg:"" name:"run" type:"given" help:"Run id (PLAN@VERSION)."`
	Field  string `arg:"" type:"given" help:"Field of the review: feedback, lessons, actions, or a name of your own."`
	By     string `required:"" help:"Printed name of who writes."`
	Text   string `required:"" help:"What is written."`
	ID     string `help:"Idempotency key: the same id is applied once."`
}

func (c reviewEditCommand) Run(ctx context.Context, con console) error {
	d := deed{remote: c.remote, RunID: c.RunID, By: c.By, Why: c.Text, ID: c.ID}
	return d.give(ctx, con, commandRequest{Kind: fact.EditReview, Subject: c.Field})
}

type reviewSignCommand struct {
	deed    `embed:""`
	Role    string `required:"" help:"Role that signs, as the plan names it."`
	Meaning string `help:"What the signature means: review, approval or responsibility. Default: review."`
	Read    string `help:"Digest of the plan that was read: see relgate plan show. Refused where the plan is another by now."`
}

func (c reviewSignCommand) Run(ctx context.Context, con console) error {
	return c.give(ctx, con, commandRequest{Kind: fact.SignReview, Role: c.Role, Meaning: c.Meaning, Read: c.Read})
}

// showApprovals writes what is still to be signed.
func showApprovals(w io.Writer, b *wire.PlanBody) {
	for _, a := range b.People.Approvals {
		switch {
		case a.Waived:
			labelled(w, "signed", a.Allows+": break-glass, without the signatures that were missing")
		case !a.Given && a.Allows != rules.ApprovesOverride:
			labelled(w, "to sign", fmt.Sprintf("%s: %d of %d, missing: %s", a.Allows, a.Have, a.Need, strings.Join(a.Missing, ", ")))
		}
	}
}

// showCriteria writes the pass criteria of a run that is decided, where it has a review.
func showCriteria(w io.Writer, b *wire.PlanBody) {
	if r := b.People.Review; r == nil || r.State == "" {
		return
	}
	fmt.Fprintln(w, "\npass criteria")
	for _, c := range b.People.Criteria {
		fmt.Fprintf(w, "  %-7s  %s\n", strings.ReplaceAll(c.State, "_", " "), plain(c.Text))
	}
}
