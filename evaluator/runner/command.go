package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
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
func (r *Runner) Command(ctx context.Context, plan, id string, c fact.Command) (event fact.Event, err error) {
	err = r.ask(ctx, r.commands, func(ctx context.Context) (err error) {
		event, err = r.command(ctx, plan, id, c)
		return err
	})
	if err != nil {
		return fact.Event{}, fmt.Errorf("command %q for plan %q: %w", c.Kind, plan, err)
	}
	return event, nil
}

func (r *Runner) command(ctx context.Context, plan, id string, c fact.Command) (fact.Event, error) {
	if r.broken != nil {
		return fact.Event{}, fmt.Errorf("%w: %w", ErrJournal, r.broken)
	}
	p := r.byName(plan)
	if p == nil {
		return fact.Event{}, ErrUnknownPlan
	}
	u, err := r.target(ctx, p, id, &c)
	if err != nil {
		return fact.Event{}, err
	}
	if other := p.underWay(); other != nil && other != u {
		c.Blocked = other.record.ID
	}
	if c.Kind == fact.Approve || c.Kind == fact.Reject || c.Kind == fact.SignReview {
		if c.Digest = u.Digest; u.amended != nil {
			c.Digest = u.amended.digest
		}
	}
	s := r.stage(u, fact.Tick{At: r.now(u), Commands: []fact.Command{cleanCommand(c)}})
	if !slices.Contains(p.runs, u) && !(s.entry.Record.Over && s.idle) {
		s.into = p // it was over, and is watched again from here on
	}
	if r.commit(ctx, []staged{s}); r.broken != nil {
		return fact.Event{}, fmt.Errorf("%w: %w", ErrJournal, r.broken)
	}
	for _, e := range s.entry.Events {
		if e.Kind == fact.CommandEvent {
			return e, nil
		}
	}
	return repeated(u, s.entry.Tick), nil
}

// Report tells a run what became of something that one of its events sent to a sink, at
// once, as a tick of its own. The run may be over. It returns when that is durable; the
// same result twice changes nothing.
func (r *Runner) Report(ctx context.Context, id string, result fact.Result) error {
	result.Kept, result.Reason = rules.OneLine(result.Kept), rules.OneLine(result.Reason)
	err := r.ask(ctx, r.commands, func(ctx context.Context) error { return r.report(ctx, id, result) })
	if err != nil {
		return fmt.Errorf("a result for run %q: %w", id, err)
	}
	return nil
}

func (r *Runner) report(ctx context.Context, id string, result fact.Result) error {
	if r.broken != nil {
		return fmt.Errorf("%w: %w", ErrJournal, r.broken)
	}
	plan, _, _, _ := rules.ParseRunID(id)
	p := r.byName(plan)
	if p == nil {
		return ErrUnknownPlan
	}
	u, err := r.target(ctx, p, id, nil)
	if err != nil {
		return err
	}
	s := r.stage(u, fact.Tick{At: r.now(u), Results: []fact.Result{result}})
	if len(s.entry.Events) == 0 {
		return nil // it is known already, or about nothing that waits for it
	}
	if !slices.Contains(p.runs, u) && !(s.entry.Record.Over && s.idle) {
		s.into = p
	}
	if r.commit(ctx, []staged{s}); r.broken != nil {
		return fmt.Errorf("%w: %w", ErrJournal, r.broken)
	}
	return nil
}

// target is the run that a command is for. A run that is over is read from the
// journal: an override may bring it back to life.
func (r *Runner) target(ctx context.Context, p *policy, id string, c *fact.Command) (*run, error) {
	if id == "" {
		return p.meant(c.Kind)
	}
	for _, u := range p.runs {
		if u.record.ID == id {
			return u, nil
		}
	}
	found, err := r.Journal.Runs(ctx, fact.RunFilter{ID: id, Plan: p.name, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w %q", ErrUnknownRun, id)
	}
	return r.resume(ctx, found[0])
}

// meant is the run that a command without a run's id is for.
func (p *policy) meant(kind fact.CommandKind) (*run, error) {
	if len(p.runs) == 0 {
		return nil, fmt.Errorf("%w: no run of this plan has begun", ErrUnknownRun)
	}
	if kind == fact.RollbackDone {
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
func repeated(u *run, tick fact.Tick) fact.Event {
	c := &tick.Commands[0]
	return fact.Event{
		Plan: u.record.Plan, Run: u.record.ID, Version: u.record.Version, At: tick.At, Kind: fact.CommandEvent,
		Subject: string(c.Kind), Phase: c.Phase, To: "applied", Cause: rules.CauseManual, By: c.By, Principal: c.Principal,
		Why: fact.Why{Code: fact.WhyAppliedEarlier, By: c.By, Text: c.Why},
	}
}
