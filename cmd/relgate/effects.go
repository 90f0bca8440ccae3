package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
)

type effectsCommand struct {
	List   effectsListCommand `cmd:"" default:"withargs" help:"The steps of the way back: where each stands, who does it, and what was answered."`
	Ack    ackEffectCommand   `cmd:"" help:"Say that whoever is to do a step knows of it. Others are told of it no more."`
	Done   effectDoneCommand  `cmd:"" help:"Say that a step is done."`
	Failed effectFailCommand  `cmd:"" help:"Say that a step could not be done. Others are told at once."`
	Skip   skipEffectCommand  `cmd:"" help:"Say that a step is not to be done. It needs the scope override."`
}

// Help is printed by --help.
func (effectsCommand) Help() string {
	return `A step goes by its rule and its own name, or by its own name alone.

  relgate effects bioage@1.4.2
  relgate effects ack bioage@1.4.2 api-5xx-high/build --by "R. Mobile" --why "on it"
  relgate effects done bioage@1.4.2 build --by "R. Mobile" --why "removed from sale at 02:20"
  relgate effects failed bioage@1.4.2 build --by "R. Mobile" --why "the store is down"
  relgate effects skip bioage@1.4.2 crash-free-low/back --by "R. Manager" --why "we retrain instead"`
}

type effectsListCommand struct {
	remote `embed:""`
	RunID  string `arg:"" name:"run" type:"given" help:"Run id (PLAN@VERSION)."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c effectsListCommand) Run(ctx context.Context, con console) error {
	var run wire.RunBody
	if _, err := c.fetch(ctx, "/v1/runs/"+url.PathEscape(c.RunID), &run); err != nil {
		return err
	}
	if wrong := (asked{run: c.RunID}).foreign(run.APIVersion, run.Plan, run.Version, run.Run.ID); wrong != "" {
		return unreachable(c.astray(wrong))
	}
	if c.Output == "json" {
		return json.NewEncoder(con.out).Encode(run.Effects)
	}
	return listEffects(con.out, &run.Effects)
}

// listEffects writes the steps of a way back, and what is known of users since.
func listEffects(w io.Writer, e *wire.Effects) error {
	if err := listProofs(w, e); err != nil {
		return err
	}
	if len(e.Steps) == 0 {
		fmt.Fprintln(w, "No step of a way back was asked for.")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "STEP\tDO\tSTATE\tSINCE\tDUE\tWHO\tSINK\tTOLD\tANSWER")
	for _, s := range e.Steps {
		told := ""
		if s.Told > 0 {
			told = strconv.Itoa(s.Told)
		}
		fmt.Fprintf(t, "%s/%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", plain(s.Rule), plain(s.Name), plain(s.Do), plain(s.State), utc(s.At), utc(s.Due),
			plain(cmp.Or(s.By, s.Role)), plain(s.Sink), told, plain(s.Kept))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	switch {
	case e.SafeSince != nil:
		fmt.Fprintf(w, "\nUsers are safe since %s.\n", utc(e.SafeSince))
	case e.StoppedSince != nil:
		fmt.Fprintf(w, "\nIt spreads no further since %s. Who has the version keeps it.\n", utc(e.StoppedSince))
	case e.WayTakenAt != nil:
		fmt.Fprintf(w, "\nThe way back was taken at %s. Whether users are safe is not known.\n", utc(e.WayTakenAt))
	}
	return nil
}

// listProofs writes what is known of the way back before it is needed.
func listProofs(w io.Writer, e *wire.Effects) error {
	if len(e.Proofs) == 0 && e.Drill == nil && e.WaivedAt == nil {
		return nil
	}
	if d := e.Drill; d != nil {
		taken := 0
		for _, s := range d.Steps {
			if s.OK {
				taken++
			}
		}
		fmt.Fprintf(w, "Rehearsed in %s at %s by %s: %d of %s taken.\n", plain(d.Environment), utc(d.At), plain(d.By), taken, amount(len(d.Steps), "step"))
	}
	if e.WaivedAt != nil {
		fmt.Fprintf(w, "A person goes on though the way back is not known to exist, since %s.\n", utc(e.WaivedAt))
	}
	if len(e.Proofs) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "BEFORE IT IS NEEDED\tSINK\tSTATE\tSEEN\tIT SAYS")
	for _, p := range e.Proofs {
		says := p.Says
		switch {
		case says != "":
		case p.State == fact.Unknown:
			says = "it cannot be asked without doing it: only a drill shows whether it works"
		case p.State == fact.Asked:
			says = "it has not answered yet"
		}
		fmt.Fprintf(t, "%s/%s\t%s\t%s\t%s\t%s\n", plain(p.Rule), plain(p.Name), plain(p.Sink), plain(p.State), utc(p.At), plain(says))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return nil
}

// stepDeed is a command about one step.
type stepDeed struct {
	deed `embed:""`
	Step string `arg:"" type:"given" help:"RULE/STEP, or the step's name alone."`
}

func (d stepDeed) say(ctx context.Context, con console, kind fact.CommandKind) error {
	return d.give(ctx, con, commandRequest{Kind: kind, Subject: d.Step})
}

type (
	ackEffectCommand struct {
		stepDeed `embed:""`
	}
	effectDoneCommand struct {
		stepDeed `embed:""`
	}
	effectFailCommand struct {
		stepDeed `embed:""`
	}
	skipEffectCommand struct {
		stepDeed `embed:""`
	}
)

func (c ackEffectCommand) Run(ctx context.Context, con console) error {
	return c.say(ctx, con, fact.AckEffect)
}

func (c effectDoneCommand) Run(ctx context.Context, con console) error {
	return c.say(ctx, con, fact.EffectDone)
}

func (c effectFailCommand) Run(ctx context.Context, con console) error {
	return c.say(ctx, con, fact.EffectFailed)
}

func (c skipEffectCommand) Run(ctx context.Context, con console) error {
	return c.say(ctx, con, fact.SkipEffect)
}

// showEffects writes how far the way back is.
func showEffects(w io.Writer, b *wire.PlanBody) {
	open, settled := 0, 0
	for _, s := range b.Effects.Steps {
		switch s.State {
		case fact.Planned, fact.Intended, fact.Acknowledged, fact.Failed:
			open++
		default:
			settled++
		}
	}
	if open+settled > 0 {
		labelled(w, "way back", fmt.Sprintf("%d of %s settled: `relgate effects %s` lists them", settled, amount(settled+open, "step"), b.Run.ID))
	}
}
