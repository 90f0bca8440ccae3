package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// policies is the plans of a config as the runner takes them.
func policies(cfg *config.Config) runner.Policies {
	p := runner.Policies{Plans: cfg.Plans, Broken: map[string]string{}}
	for _, b := range cfg.Broken {
		if b.Plan != "" {
			p.Broken[b.Plan] = fmt.Sprintf("%s has %s", b.File, amount(config.Errors(b.Problems), "problem"))
		}
	}
	return p
}

// gateViews is what the gate shows of what is published.
func gateViews(p *runner.Published) gate.Views {
	v := gate.Views{Plans: make([]gate.PlanView, len(p.Plans))}
	if p.Trouble != nil {
		v.Trouble = gate.Trouble{Cause: wire.CauseJournal, Says: "the journal cannot be written: " + p.Trouble.Error()}
	}
	for i := range p.Plans {
		v.Plans[i] = gateView(&p.Plans[i])
	}
	return v
}

func gateView(p *runner.PlanView) gate.PlanView {
	v := gate.PlanView{Name: p.Name, Template: p.Template, Version: p.Version, File: gate.File{State: gate.FileState(p.File), Reason: p.Note}}
	shown := p.Plan
	if u := p.Newest(); shown == nil && u != nil {
		shown = u.Plan
	}
	if shown != nil {
		v.Title = shown.Title
		for k := range shown.Phases {
			v.Phases = append(v.Phases, shown.Phases[k].Name)
		}
	}
	for k := range p.Runs {
		v.Runs = append(v.Runs, runView(&p.Runs[k]))
	}
	return v
}

// runView is a run as the exporters take it.
func runView(u *runner.RunView) wire.RunView {
	return wire.RunView{Plan: u.Plan, Digest: u.Digest, Snapshot: u.Snapshot}
}

// metricViews is what the metrics page shows: the newest run of each plan.
func metricViews(p *runner.Published, timeouts map[string]time.Duration) prom.Views {
	v := prom.Views{Trouble: p.Trouble != nil, Timeouts: timeouts}
	for i := range p.Plans {
		view := prom.View{Name: p.Plans[i].Name, File: string(p.Plans[i].File)}
		if u := p.Plans[i].Newest(); u != nil {
			view.Run, view.Decided = new(runView(u)), u.Record.Decided
		}
		v.Plans = append(v.Plans, view)
	}
	return v
}

// logLine is what the log says of an event: its headline; of a source's fault the
// whole sentence, because it ends with the source's own words.
func logLine(plan *rules.Plan, e, root *fact.Event) string {
	text := words.Event(plan, e, root)
	if e.Kind == fact.SignalEvent {
		return text.Sentence
	}
	return text.Headline
}

// desk takes commands and starts from the gate to the runner, and answers for
// runs that are not live from the journal.
type desk struct {
	runner  *runner.Runner
	journal records
}

// records is what is read of runs that are not live.
type records interface {
	Runs(ctx context.Context, f fact.RunFilter) ([]fact.RunRecord, error)
	Events(ctx context.Context, run string, after uint64, limit int) ([]fact.Stored, error)
}

// Command hands a command to the runner.
func (d desk) Command(ctx context.Context, plan, run string, c fact.Command) (fact.Event, error) {
	e, err := d.runner.Command(ctx, plan, run, c)
	return e, known(err)
}

// StartRun hands a start to the runner.
func (d desk) StartRun(ctx context.Context, plan string, s gate.StartRequest) (gate.StartAnswer, error) {
	set, previous := rules.Settings(s.Set)
	started, err := d.runner.StartRun(ctx, plan, runner.Start{
		Version: s.Version, At: s.At, Set: set, Previous: s.Previous.With(previous), Again: s.Again, Supersede: s.Supersede,
		By: s.By, Why: s.Why, Principal: s.Principal,
	})
	if err != nil {
		return gate.StartAnswer{}, known(err)
	}
	v, err := d.runner.Recall(ctx, started.Record.ID)
	if err != nil {
		return gate.StartAnswer{}, err
	}
	return gate.StartAnswer{Run: runView(v), Created: started.New}, nil
}

// known is an error of the runner as the gate knows it.
func known(err error) error {
	if refusal, ok := errors.AsType[*runner.Refusal](err); ok {
		if refusal.Bad {
			return &gate.BadStart{Reason: refusal.Text}
		}
		return &gate.Refused{Run: refusal.Other, Reason: refusal.Text}
	}
	if errors.Is(err, runner.ErrUnknownPlan) || errors.Is(err, runner.ErrUnknownRun) {
		return fmt.Errorf("%w: %w", gate.ErrNoRun, err)
	}
	return err
}

// Run reads a run by its id, nil when there is none.
func (d desk) Run(ctx context.Context, id string) (*wire.RunView, error) {
	v, err := d.runner.Recall(ctx, id)
	if errors.Is(err, runner.ErrUnknownRun) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return new(runView(v)), nil
}

// Find reads the newest try of a version, nil when there is none.
func (d desk) Find(ctx context.Context, plan, version string) (*wire.RunView, error) {
	found, err := d.journal.Runs(ctx, fact.RunFilter{Plan: plan, Version: version, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return d.Run(ctx, found[0].ID)
}

// Runs lists runs, the newest first.
func (d desk) Runs(ctx context.Context, plan string, limit int) ([]fact.RunRecord, error) {
	return d.journal.Runs(ctx, fact.RunFilter{Plan: plan, Limit: limit})
}

// Events lists the events of a run after the n-th.
func (d desk) Events(ctx context.Context, id string, after uint64, limit int) ([]fact.Stored, error) {
	return d.journal.Events(ctx, id, after, limit)
}
