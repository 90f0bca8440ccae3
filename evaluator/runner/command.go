package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// job is something that is asked of the loop.
type job struct {
	do   func(ctx context.Context) error
	done chan error // holds one
}

func (j job) run(ctx context.Context) { j.done <- j.do(context.WithoutCancel(ctx)) }

// ask hands a job to the loop and waits for it. Once taken it is done in
// milliseconds, and its outcome is told whatever becomes of ctx.
func (r *Runner) ask(ctx context.Context, to chan job, do func(context.Context) error) error {
	j := job{do: do, done: make(chan error, 1)}
	select {
	case to <- j:
		return <-j.done
	case <-r.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Command gives a run a command, at once, as a tick of its own. Without a run's id
// the run under way is meant, or the newest where none is; a report that a
// rollback was carried out is for the one run that waits for it. It returns when
// the tick is durable, with the event that says whether the command was applied or
// refused; one whose ID was applied before gives an event without an ID of its own
// that says so. It returns ErrUnknownPlan, ErrUnknownRun, ErrStopped, ErrJournal,
// or a *Refusal where more than one run may be meant.
func (r *Runner) Command(ctx context.Context, plan, id string, c evaluator.Command) (event evaluator.Event, err error) {
	err = r.ask(ctx, r.commands, func(ctx context.Context) (err error) {
		event, err = r.command(ctx, plan, id, c)
		return err
	})
	if err != nil {
		return evaluator.Event{}, fmt.Errorf("command %q for plan %q: %w", c.Kind, plan, err)
	}
	return event, nil
}

func (r *Runner) command(ctx context.Context, plan, id string, c evaluator.Command) (evaluator.Event, error) {
	if r.broken != nil {
		return evaluator.Event{}, fmt.Errorf("%w: %w", ErrJournal, r.broken)
	}
	p := r.byName(plan)
	if p == nil {
		return evaluator.Event{}, ErrUnknownPlan
	}
	u, err := r.target(ctx, p, id, &c)
	if err != nil {
		return evaluator.Event{}, err
	}
	if other := p.underWay(); other != nil && other != u {
		c.Blocked = other.record.ID
	}
	s := r.stage(u, evaluator.Tick{At: r.now(u), Commands: []evaluator.Command{cleanCommand(c)}})
	if !slices.Contains(p.runs, u) && !s.entry.Record.Over {
		s.into = p // it was over, and is watched again from here on
	}
	if r.commit(ctx, []staged{s}); r.broken != nil {
		return evaluator.Event{}, fmt.Errorf("%w: %w", ErrJournal, r.broken)
	}
	for _, e := range s.entry.Events {
		if e.Kind == evaluator.CommandEvent {
			return e, nil
		}
	}
	return repeated(u, s.entry.Tick), nil
}

// target is the run that a command is for. A run that is over is read from the
// journal: an override may bring it back to life.
func (r *Runner) target(ctx context.Context, p *policy, id string, c *evaluator.Command) (*run, error) {
	if id == "" {
		return p.meant(c.Kind)
	}
	for _, u := range p.runs {
		if u.record.ID == id {
			return u, nil
		}
	}
	found, err := r.Journal.Runs(ctx, evaluator.RunFilter{ID: id, Plan: p.name, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w %q", ErrUnknownRun, id)
	}
	return r.resume(ctx, found[0])
}

// meant is the run that a command without a run's id is for.
func (p *policy) meant(kind evaluator.CommandKind) (*run, error) {
	if len(p.runs) == 0 {
		return nil, fmt.Errorf("%w: no run of this plan has begun", ErrUnknownRun)
	}
	if kind == evaluator.RollbackDone {
		var waiting []string
		var u *run
		for _, v := range p.runs {
			if v.record.State == rules.RolledBack && !v.record.Over {
				u, waiting = v, append(waiting, v.record.ID)
			}
		}
		switch len(waiting) {
		case 0:
		case 1:
			return u, nil
		default:
			return nil, refuse(waiting[0], "the rollbacks of runs %s are not reported yet: say which was carried out", strings.Join(waiting, " and "))
		}
	}
	if u := p.underWay(); u != nil {
		return u, nil
	}
	return p.runs[0], nil // it says why it refuses
}

// repeated answers a command that the evaluator passed over in silence.
func repeated(u *run, tick evaluator.Tick) evaluator.Event {
	c := &tick.Commands[0]
	return evaluator.Event{
		Plan: u.record.Plan, Run: u.record.ID, Version: u.record.Version, At: tick.At, Kind: evaluator.CommandEvent,
		Subject: string(c.Kind), Phase: c.Phase, To: "applied", Cause: rules.CauseManual, By: c.By, Principal: c.Principal,
		Why: evaluator.Why{Code: evaluator.WhyAppliedEarlier, By: c.By, Text: c.Why},
	}
}
