package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/replay"
	"github.com/relgate/relgate/evaluator/scenario"
	"github.com/relgate/relgate/rules"
)

type replayCommand struct {
	Journal string `arg:"" optional:"" default:"relgate.db" type:"path" help:"Journal file; a daemon may be using it."`
	Plan    string `help:"Plan id; may be left out when the journal has one plan."`
	Output  string `short:"o" enum:"text,json,scenario" default:"text" help:"text, json (the events), or scenario (a file for relgate test)."`
}

// Help is printed by --help.
func (replayCommand) Help() string {
	return `Runs every tick of the journal again. The events must be those of the journal,
byte for byte; exit 1 names the first difference.

  relgate replay relgate.db
  relgate replay relgate.db -o scenario > incident.txtar && relgate test incident.txtar`
}

func (c replayCommand) Run(ctx context.Context, con console) error {
	j, err := journal.Open(ctx, journal.Config{Path: c.Journal, ReadOnly: true})
	if err != nil {
		return exit(exitUsage, fmt.Errorf("opening journal %q: %w", c.Journal, err))
	}
	defer j.Close()
	plan, err := c.onlyPlan(ctx, j)
	if err != nil {
		return err
	}
	var seen recording
	report, err := replay.Replay(ctx, j, plan, replay.Options{Each: seen.tick(c.Output, con.out)})
	if err != nil {
		return err
	}
	if report.Differs != nil {
		return exit(exitFail, fmt.Errorf("the replay differs: %v", report.Differs))
	}
	switch c.Output {
	case "text":
		_, err = fmt.Fprintf(con.out, "plan %s: %s from %s to %s give the same %s\n", plan, amount(report.Ticks, "tick"),
			report.From.Format("2006-01-02T15:04:05Z"), report.To.Format("2006-01-02T15:04:05Z"), amount(report.Events, "event"))
	case "scenario":
		err = seen.write(con.out, report.FromSeq)
	}
	return err
}

func (c replayCommand) onlyPlan(ctx context.Context, j *journal.Journal) (string, error) {
	if c.Plan != "" {
		return c.Plan, nil
	}
	plans, err := j.Plans(ctx)
	if err != nil {
		return "", err
	}
	if len(plans) != 1 {
		return "", exit(exitUsage, fmt.Errorf("journal %q has %d plans (%q): name one with --plan", c.Journal, len(plans), plans))
	}
	return plans[0], nil
}

// recording is what a replay has passed, for a scenario.
type recording struct {
	plan   *rules.Plan
	ticks  []evaluator.Tick
	events []evaluator.Event
	plans  int
}

func (r *recording) tick(output string, w io.Writer) func(evaluator.Kept, *rules.Plan, *evaluator.State) error {
	switch output {
	case "json":
		return func(k evaluator.Kept, _ *rules.Plan, _ *evaluator.State) error {
			for _, raw := range k.Raw {
				if _, err := fmt.Fprintf(w, "%s\n", raw); err != nil {
					return err
				}
			}
			return nil
		}
	case "scenario":
		return func(k evaluator.Kept, plan *rules.Plan, _ *evaluator.State) error {
			if r.plan != plan {
				r.plan = plan
				r.plans++
			}
			r.ticks = append(r.ticks, k.Tick)
			r.events = append(r.events, k.Events...)
			return nil
		}
	}
	return nil
}

func (r *recording) write(w io.Writer, from uint64) error {
	switch {
	case r.plan == nil:
		return errors.New("the journal has no tick of the plan")
	case from != 0:
		return errors.New("the journal's beginning has been pruned; a scenario needs all of it")
	case r.plans > 1:
		return fmt.Errorf("the plan was changed %d times in this run; a scenario holds one", r.plans-1)
	}
	text, err := scenario.Write(r.plan, r.ticks, r.events)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
