package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Published is everything that may be seen, as of one commit. It is immutable.
type Published struct {
	At      time.Time  // newest tick of any run; zero before the first
	Ready   bool       // the journal is recovered, and the runs that the plans' files begin have begun
	Asked   bool       // and each of these has asked its sources; it stays so, whatever begins later
	Plans   []PlanView // in the order of the configuration
	Trouble error      // why the journal cannot be written, nil while it can
}

// PlanView is one plan as it may be seen.
type PlanView struct {
	Name string
	Plan *rules.Plan // as its file has it, not bound to a version; nil when the file is gone or cannot be used
	File FileState
	Note string    // why File is not ok, in words
	Runs []RunView // live ones, the newest begun first

	// Template says that its runs begin by a command. Version is the one that its
	// file names, empty for a template. Both are as they were last where the file
	// cannot be read.
	Template bool
	Version  string
}

// RunView is one run as it may be seen.
type RunView struct {
	Plan     *rules.Plan // bound to the run
	Digest   string      // of Plan
	Record   fact.RunRecord
	Snapshot fact.Snapshot
}

// Plan finds a plan by its name.
func (p *Published) Plan(name string) (*PlanView, bool) {
	for i := range p.Plans {
		if p.Plans[i].Name == name {
			return &p.Plans[i], true
		}
	}
	return nil, false
}

// Run finds a live run by its id.
func (p *Published) Run(id string) (*RunView, bool) {
	for i := range p.Plans {
		for k := range p.Plans[i].Runs {
			if u := &p.Plans[i].Runs[k]; u.Record.ID == id {
				return u, true
			}
		}
	}
	return nil, false
}

// Newest is the newest run of a plan, nil when none has begun.
func (p *PlanView) Newest() *RunView {
	if len(p.Runs) == 0 {
		return nil
	}
	return &p.Runs[0]
}

// Published returns what may be seen. It is never nil, and empty until the
// journal is recovered.
func (r *Runner) Published() *Published { return r.published.Load() }

// Watch returns a channel that is closed when something newer is published than
// what Published returned after the call to Watch.
func (r *Runner) Watch() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watch
}

// look is the run as it may be seen.
func (u *run) look() *RunView {
	v := &RunView{Plan: u.Plan, Digest: u.Digest, Record: u.record, Snapshot: evaluator.Look(u.Plan, u.State)}
	v.Snapshot.Seq = u.record.Seq
	return v
}

// publish shows the runs as they stand. They are committed.
func (r *Runner) publish() {
	p := &Published{Ready: r.started, Plans: make([]PlanView, len(r.policies)), Trouble: r.broken}
	for i, pol := range r.policies {
		v := PlanView{Name: pol.name, Plan: pol.plan, File: pol.file, Note: pol.note, Runs: make([]RunView, len(pol.runs))}
		v.Template, v.Version = pol.names()
		for k, u := range pol.runs {
			p.At = later(p.At, u.record.At)
			if u.view == nil {
				u.view = u.look()
			}
			v.Runs[k] = *u.view
		}
		p.Plans[i] = v
	}
	if !r.asked && r.started {
		_, waits := p.unasked()
		r.asked = !waits
	}
	p.Asked = r.asked
	r.published.Store(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.watch)
	r.watch = make(chan struct{})
}

// unasked is a run that has not asked its sources yet: it has had no tick but the one
// that began it.
func (p *Published) unasked() (run string, waits bool) {
	for _, plan := range p.Plans {
		for _, u := range plan.Runs {
			if !evaluator.Decided(u.Record.State) && u.Record.Seq < 2 {
				return u.Record.ID, true
			}
		}
	}
	return "", false
}

// Ready says why the runner is not ready to be believed: nil once the journal is
// recovered and can be written, and the runs that it found or that the plans' files
// begin have asked their sources. A run that is begun later changes nothing: the
// others are judged as before, and its own gates are closed until it has asked.
func (r *Runner) Ready() error {
	p := r.published.Load()
	switch {
	case !p.Ready:
		return errors.New("it is starting: the journal is not recovered, or the runs of its plans have not begun")
	case p.Trouble != nil:
		return fmt.Errorf("%w: %w", ErrJournal, p.Trouble)
	}
	if err := r.Journal.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	if run, waits := p.unasked(); waits && !p.Asked {
		return fmt.Errorf("run %q has not asked its sources yet", run)
	}
	return nil
}

// Healthy says why the runner is not healthy: nil while the newest tick of every
// run under way is at most three intervals old. While the journal cannot be
// written the process is healthy: a restart would not mend that.
func (r *Runner) Healthy(now time.Time) error {
	select {
	case <-r.stopped:
		return ErrStopped
	default:
	}
	p, since := r.published.Load(), r.counts.started()
	if p.Trouble != nil {
		return nil
	}
	for _, plan := range p.Plans {
		for _, u := range plan.Runs {
			// A run that was just recovered may be old: it is given its time.
			age := now.Sub(later(u.Snapshot.At, since))
			if age > 3*u.Plan.Interval && underWay(&u.Record) {
				return fmt.Errorf("run %q: the newest tick is %s old, its interval is %s", u.Record.ID, age.Round(time.Second), u.Plan.Interval)
			}
		}
	}
	return nil
}

// Recall is a run as the journal has it, live or not. It may be called at any
// time, beside Run. It returns ErrUnknownRun.
func (r *Runner) Recall(ctx context.Context, id string) (*RunView, error) {
	if u, ok := r.published.Load().Run(id); ok {
		return u, nil
	}
	found, err := r.Journal.Runs(ctx, fact.RunFilter{ID: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w %q", ErrUnknownRun, id)
	}
	u, err := r.resume(ctx, found[0])
	if err != nil {
		return nil, fmt.Errorf("recalling run %q: %w", id, err)
	}
	return u.look(), nil
}
