package runner

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Start asks for a run of a plan: one release of one version.
type Start struct {
	Version   string            // required
	At        time.Time         // T; zero means now
	Set       map[string]string // parameters
	Previous  rules.Previous    // what {previous} stands for, where the last run that passed is not meant
	Again     bool              // another try of a version whose run ended without passing
	Supersede bool              // end the run that is under way; By and Why are required then
	By, Why   string            //
	Principal string            // the token that proved who; empty without tokens
}

// Started is the run that a Start asked for.
type Started struct {
	Record fact.RunRecord
	New    bool // it began now; otherwise it was there
}

// Refusal is why a run was not begun. Nothing has happened.
type Refusal struct {
	Other string // id of the run that is in the way; empty where none is
	Bad   bool   // the request is wrong in itself: its version, or a parameter
	Text  string // what is wrong, and what to do
}

func (e *Refusal) Error() string { return e.Text }

func refuse(other, format string, args ...any) error {
	return &Refusal{Other: other, Text: fmt.Sprintf(format, args...)}
}

func badStart(format string, args ...any) error {
	return &Refusal{Bad: true, Text: fmt.Sprintf(format, args...)}
}

// StartRun begins a run, at once, as a tick of its own. The same version again is
// the same run while that is undecided or has passed. It returns when the run is
// durable; errors are ErrUnknownPlan, a *Refusal, ErrStopped or ErrJournal.
func (r *Runner) StartRun(ctx context.Context, plan string, s Start) (started Started, err error) {
	err = r.ask(ctx, r.commands, func(ctx context.Context) (err error) {
		started, err = r.startRun(ctx, plan, s)
		return err
	})
	if err != nil {
		return Started{}, fmt.Errorf("starting version %s of plan %q: %w", s.Version, plan, err)
	}
	return started, nil
}

func (r *Runner) startRun(ctx context.Context, plan string, s Start) (Started, error) {
	if r.broken != nil {
		return Started{}, fmt.Errorf("%w: %w", ErrJournal, r.broken)
	}
	p := r.byName(plan)
	switch {
	case p == nil:
		return Started{}, ErrUnknownPlan
	case p.plan == nil:
		return Started{}, refuse("", "the plan's file is %s: %s", p.file, p.note)
	}
	if err := rules.CheckVersion(s.Version); err != nil {
		return Started{}, badStart("%v", err)
	}
	if !p.plan.Template() && s.Version != p.plan.Version {
		return Started{}, badStart("this plan has its version in [release], %s: write version = %q there, or leave version and start out", p.plan.Version, s.Version)
	}
	prior, err := r.newest(ctx, plan, s.Version)
	if err != nil {
		return Started{}, err
	}
	try := 1
	if prior != nil {
		if !evaluator.Decided(prior.State) || prior.State == rules.Passed {
			return Started{Record: *prior}, s.same(prior)
		}
		if !s.Again {
			return Started{}, refuse(prior.ID, "version %s was tried: run %s is %s. Another try begins with --again", s.Version, prior.ID, prior.State)
		}
		try = prior.Try + 1
	}
	return r.beginNow(ctx, p, s, try)
}

// same refuses a Start whose run is there already and is another than it says.
func (s *Start) same(prior *fact.RunRecord) error {
	for name, v := range s.Set {
		if prior.Parameters[name] != v {
			return refuse(prior.ID, "run %s is there already, with %s=%s", prior.ID, name, prior.Parameters[name])
		}
	}
	if !reflect.DeepEqual(prior.Previous.With(s.Previous), prior.Previous) {
		return refuse(prior.ID, "run %s is there already, and another release came before it: version %q with %v", prior.ID, prior.Previous.Version, prior.Previous.Parameters)
	}
	if !s.At.IsZero() && !s.At.Equal(prior.Start) {
		return refuse(prior.ID, "run %s is there already, with start %s", prior.ID, prior.Start.Format(time.RFC3339))
	}
	return nil
}

func (r *Runner) beginNow(ctx context.Context, p *policy, s Start, try int) (Started, error) {
	var batch []staged
	begun := fact.Begun{By: rules.OneLine(s.By), Why: rules.OneLine(s.Why), Principal: s.Principal}
	if u := p.underWay(); u != nil {
		switch {
		case !s.Supersede && u.record.State == rules.Failed:
			return Started{}, refuse(u.record.ID, "run %s has failed and may still be rolled back: a rule speaks against it. Wait until it is over, or end it with --supersede --by WHO --why REASON", u.record.ID)
		case !s.Supersede:
			return Started{}, refuse(u.record.ID, "run %s is under way (%s). Wait for it, or end it with --supersede --by WHO --why REASON", u.record.ID, u.record.State)
		case s.By == "" || s.Why == "":
			return Started{}, badStart("superseding run %s: by and why are required", u.record.ID)
		}
		begun.Supersedes = u.record.ID
		ended := r.stage(u, fact.Tick{At: r.now(u), Commands: []fact.Command{cleanCommand(fact.Command{
			ID: r.NewUID(), Kind: fact.Supersede, By: s.By, Why: s.Why, Principal: s.Principal, Next: rules.RunID(p.name, s.Version, try),
		})}})
		if ended.entry.Record.State != rules.Superseded {
			return Started{}, badStart("run %s cannot be superseded so: by and why must say something", u.record.ID)
		}
		batch = append(batch, ended)
	}
	bind := rules.Bind{Version: s.Version, Start: s.At.UTC().Truncate(time.Second), Try: try, Parameters: s.Set, Previous: s.Previous}
	if s.At.IsZero() {
		bind.Start = r.Clock.Now().UTC().Truncate(time.Second)
	}
	next, err := r.begin(ctx, p, bind, begun)
	if err != nil {
		return Started{}, err
	}
	if r.commit(ctx, append(batch, next)); r.broken != nil {
		return Started{}, fmt.Errorf("%w: %w", ErrJournal, r.broken)
	}
	p.pending = false
	return Started{Record: next.record, New: true}, nil
}

// begin stages the first tick of a run. What {previous} stands for comes from the
// last run that passed, unless it was told. A *Refusal is of the version or the
// parameters; other errors are the journal's.
func (r *Runner) begin(ctx context.Context, p *policy, bind rules.Bind, begun fact.Begun) (staged, error) {
	passed, err := r.Journal.Runs(ctx, fact.RunFilter{Plan: p.name, States: []rules.State{rules.Passed}, Limit: 1})
	if err != nil {
		return staged{}, err
	}
	if len(passed) > 0 {
		bind.Previous = rules.Previous{Version: passed[0].Version, Parameters: passed[0].Parameters}.With(bind.Previous)
	}
	bind.UID = r.NewUID()
	bound, err := p.plan.Bound(bind)
	if err != nil {
		return staged{}, badStart("%v", err)
	}
	document, digest, err := encode(bound)
	if err != nil {
		return staged{}, err
	}
	u := &run{document: document, record: fact.RunRecord{
		ID: bound.Binding.Run, Plan: p.name, Version: bound.Version, Try: bind.Try, Start: bound.Start,
		Parameters: bound.Binding.Parameters, Previous: bound.Binding.Previous,
	}}
	u.Change(bound, digest)
	if len(p.runs) > 0 {
		r.Clock.NotBefore(p.runs[0].record.Begun) // the newest begun comes first, whatever the clock says
	}
	tick := fact.Tick{At: r.Clock.Now().UTC().Truncate(time.Second), Begin: &begun}
	if r.History > 0 {
		if tick.Past, err = r.Journal.Passed(ctx, p.name, u.record.ID, r.History); err != nil {
			return staged{}, err
		}
	}
	if bound.WayBack && r.Drilled != nil {
		d, err := r.Drilled(ctx, p.name)
		if err != nil {
			return staged{}, err
		}
		if d != nil {
			tick.Results = []fact.Result{{Drill: d}}
		}
	}
	s := r.stage(u, tick)
	s.into = p
	return s, nil
}

// newest is the newest run of a version, nil when there is none.
func (r *Runner) newest(ctx context.Context, plan, version string) (*fact.RunRecord, error) {
	found, err := r.Journal.Runs(ctx, fact.RunFilter{Plan: plan, Version: version, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}
