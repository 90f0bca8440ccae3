package runner

import (
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// Published is everything that may be seen, as of one commit. It is immutable.
type Published struct {
	Seq   uint64     // newest sequence of the journal
	At    time.Time  // newest tick of any plan; zero before the first
	Plans []PlanView // in the order of the configuration
}

// PlanView is one plan as it may be seen.
type PlanView struct {
	Plan     *rules.Plan
	Digest   string // of the plan's document
	Snapshot evaluator.Snapshot
}

// Plan finds a plan by its name.
func (p *Published) Plan(name string) (*PlanView, bool) {
	for i := range p.Plans {
		if p.Plans[i].Plan.Name == name {
			return &p.Plans[i], true
		}
	}
	return nil, false
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

// publish shows the runs as they stand. They are committed, or have not begun.
func (r *Runner) publish() {
	old := r.published.Load()
	p := &Published{Seq: r.seq, Plans: make([]PlanView, len(r.runs))}
	for i, u := range r.runs {
		p.At = later(p.At, u.at)
		if v, ok := old.Plan(u.Plan.Name); ok && v.Plan == u.Plan && v.Snapshot.Seq == u.seq && u.seq > 0 {
			p.Plans[i] = *v // it did not tick
			continue
		}
		v := PlanView{Plan: u.Plan, Digest: u.Digest, Snapshot: evaluator.Look(u.Plan, u.State)}
		v.Snapshot.Seq = u.seq
		p.Plans[i] = v
	}
	r.published.Store(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.watch)
	r.watch = make(chan struct{})
}

// Ready says why the runner is not ready to be believed: nil once the journal is
// recovered and every plan has had a tick, whose sources answered or timed out.
func (r *Runner) Ready() error {
	p := r.published.Load()
	if p.Plans == nil {
		return errors.New("the journal is not recovered yet")
	}
	for _, v := range p.Plans {
		if v.Snapshot.Seq == 0 {
			return fmt.Errorf("plan %q has had no tick yet", v.Plan.Name)
		}
	}
	return nil
}

// Healthy says why the runner is not healthy: nil while every plan's newest tick
// is at most three intervals old.
func (r *Runner) Healthy(now time.Time) error {
	select {
	case <-r.stopped:
		return ErrStopped
	default:
	}
	since := r.counts.started()
	for _, v := range r.published.Load().Plans {
		// A plan that was just recovered may be old: it is given its time.
		age := now.Sub(later(v.Snapshot.At, since))
		if age > 3*v.Plan.Interval {
			return fmt.Errorf("plan %q: the newest tick is %s old, its interval is %s", v.Plan.Name, age.Round(time.Second), v.Plan.Interval)
		}
	}
	return nil
}
