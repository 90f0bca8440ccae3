package runner

import (
	"context"
	"fmt"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// job is something that somebody asks of the loop.
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

// Command gives a plan a command, at once, as a tick of its own. It returns when
// the tick is durable, with the event that says whether the command was applied
// or refused; one whose ID was applied before gives an event without an ID of
// its own that says so. It returns ErrUnknownPlan or ErrStopped; after an error
// of the journal's the command may have been kept or not.
func (r *Runner) Command(ctx context.Context, plan string, c evaluator.Command) (event evaluator.Event, err error) {
	err = r.ask(ctx, r.commands, func(ctx context.Context) error {
		u := r.byName(plan)
		if u == nil {
			return ErrUnknownPlan
		}
		s := r.stage(ctx, u, evaluator.Tick{At: r.now(u), Commands: []evaluator.Command{cleanCommand(c)}})
		if r.commit(ctx, []staged{s}); r.broken != nil {
			return r.broken
		}
		for _, e := range s.entry.Events {
			if e.Kind == evaluator.CommandEvent {
				event = e
				return nil
			}
		}
		event = repeated(plan, s.entry.Tick)
		return nil
	})
	if err != nil {
		return evaluator.Event{}, fmt.Errorf("command %q for plan %q: %w", c.Kind, plan, err)
	}
	return event, nil
}

// repeated answers a command that the evaluator passed over in silence.
func repeated(plan string, tick evaluator.Tick) evaluator.Event {
	c := &tick.Commands[0]
	return evaluator.Event{
		Plan: plan, At: tick.At, Kind: evaluator.CommandEvent, Subject: string(c.Kind), Phase: c.Phase, To: "applied",
		Cause: rules.CauseManual, Reason: "a command with this id was applied before", By: c.By, Why: c.Why,
	}
}

func (r *Runner) byName(plan string) *run {
	for _, u := range r.runs {
		if u.Plan.Name == plan {
			return u
		}
	}
	return nil
}

// Reload puts another set of plans in force between two ticks. Runs go on by the
// plan's name; one that is not named any more stops and keeps its journal. When
// Reload returns nil, what changed is durable. An error leaves the old plans
// running, unless it is the journal's, which stops the runner.
func (r *Runner) Reload(ctx context.Context, plans []*rules.Plan) error {
	err := sound(plans)
	if err == nil {
		err = r.ask(ctx, r.reloads, func(ctx context.Context) error { return r.reload(ctx, plans) })
	}
	if err != nil {
		return fmt.Errorf("changing the plans: %w", err)
	}
	return nil
}

func (r *Runner) reload(ctx context.Context, plans []*rules.Plan) error {
	runs := make([]*run, len(plans))
	for i, p := range plans {
		u, err := r.renew(ctx, p)
		if err != nil {
			return fmt.Errorf("plan %q: %w", p.Name, err)
		}
		runs[i] = u
	}
	if err := r.save(ctx); err != nil { // those that end here end gracefully
		r.broken = err
		return err
	}
	r.runs = runs
	if r.settle(ctx); r.broken != nil {
		return r.broken
	}
	r.publish()
	return nil
}

// renew is the run that a plan goes on with.
func (r *Runner) renew(ctx context.Context, p *rules.Plan) (*run, error) {
	old := r.byName(p.Name)
	if old == nil {
		return r.resume(ctx, p)
	}
	document, digest, err := encode(p)
	if err != nil || digest == old.Digest {
		return old, err
	}
	u := *old
	u.document, u.changed = document, !u.at.IsZero()
	u.Change(p, digest)
	u.next = r.firstSlot(p, u.at)
	return &u, nil
}
