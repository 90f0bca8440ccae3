package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/lab/scenario"
	"github.com/relgate/relgate/evaluator/replay"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

type replayCommand struct {
	Journal string `arg:"" optional:"" default:"relgate.db" type:"path" help:"Journal file; a daemon may be using it."`
	RunID   string `name:"run" help:"Run id (PLAN@VERSION); may be left out when the journal has one run."`
	Output  string `short:"o" enum:"text,json,scenario" default:"text" help:"text, json (the events), or scenario (a file for relgate test)."`
}

// Help is printed by --help.
func (replayCommand) Help() string {
	return `Runs every tick of a run again. The events must be those of the journal, fact for
fact; exit 1 names the first difference. Ticks from before an upgrade that changed how
relgate judges may differ: what this version would say instead is listed, and it is no
difference. The ticks must be those of the run's hash chain, too (docs/proof.md): an error
names the first that is not.

  relgate replay relgate.db
  relgate replay relgate.db -o scenario > incident.txtar && relgate test incident.txtar`
}

func (c replayCommand) Run(ctx context.Context, con console) error {
	j, err := journal.Open(ctx, journal.Config{Path: c.Journal, ReadOnly: true})
	if err != nil {
		return exit(exitUsage, err)
	}
	defer j.Close()
	id, err := c.onlyRun(ctx, j)
	if err != nil {
		return err
	}
	var seen recording
	var head string
	each := seen.tick(c.Output, con.out)
	report, err := replay.Replay(ctx, j, id, replay.Options{Kinds: upstreamKinds(), Each: func(k fact.Kept, plan *rules.Plan, state *evaluator.State) error {
		head = k.Link
		if each == nil {
			return nil
		}
		return each(k, plan, state)
	}})
	if err != nil {
		return err
	}
	if report.Differs != nil {
		return exit(exitFail, fmt.Errorf("the replay differs: %v", report.Differs))
	}
	for _, d := range report.Older {
		fmt.Fprintln(con.err, "older judging:", plain(d.String()))
	}
	switch c.Output {
	case "text":
		if n := len(report.Older); n > 0 {
			fmt.Fprintf(con.out, "run %s: %s of an older judging would differ, see above\n", id, amount(n, "tick"))
		}
		_, err = fmt.Fprintf(con.out, "run %s: %s from %s to %s give the same %s\n", id, amount(report.Ticks, "tick"),
			report.From.Format("2006-01-02T15:04:05Z"), report.To.Format("2006-01-02T15:04:05Z"), amount(report.Events, "event"))
		if head != "" && err == nil {
			_, err = fmt.Fprintf(con.out, "run %s: the chain is whole, its head is %s\n", id, head)
		}
	case "scenario":
		err = seen.write(con.out)
	}
	return err
}

func (c replayCommand) onlyRun(ctx context.Context, j *journal.Journal) (string, error) {
	if c.RunID != "" {
		return c.RunID, nil
	}
	runs, err := j.Runs(ctx, fact.RunFilter{})
	if err != nil {
		return "", err
	}
	if len(runs) != 1 {
		var ids []string
		for _, r := range runs[:min(len(runs), 10)] {
			ids = append(ids, r.ID)
		}
		return "", exit(exitUsage, fmt.Errorf("journal %q has %s (%s): name one with --run", c.Journal, amount(len(runs), "run"), strings.Join(ids, ", ")))
	}
	return runs[0].ID, nil
}

// recording is what a replay has passed, for a scenario.
type recording struct {
	plan   *rules.Plan
	ticks  []fact.Tick
	events []fact.Event
	plans  int
}

func (r *recording) tick(output string, w io.Writer) func(fact.Kept, *rules.Plan, *evaluator.State) error {
	switch output {
	case "json":
		roots := map[string]*fact.Event{}
		return func(k fact.Kept, plan *rules.Plan, _ *evaluator.State) error {
			for i := range k.Events {
				e := &k.Events[i]
				if e.Because == "" {
					roots[e.ID] = e
				}
				event := wire.Event(plan, e, roots[e.Because])
				event.Chain = wire.ChainOf(k.Seq, k.Link)
				if err := showJSON(w, event, ""); err != nil {
					return err
				}
			}
			return nil
		}
	case "scenario":
		return func(k fact.Kept, plan *rules.Plan, _ *evaluator.State) error {
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

func (r *recording) write(w io.Writer) error {
	switch {
	case r.plan == nil:
		return errors.New("the journal has no such run")
	case r.plans > 1:
		return errors.New("the plan was edited while this run was under way, and a scenario holds one plan")
	}
	text, err := scenario.Write(r.plan, r.ticks, r.events)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
