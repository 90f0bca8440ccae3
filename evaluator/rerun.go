package evaluator

import (
	"fmt"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Rerun goes through a run once more, from what a journal kept of it. A daemon
// that starts again and `relgate replay` both do it with this.
type Rerun struct {
	Load func(digest string) (*rules.Plan, error) // a plan by its digest; required

	Plan   *rules.Plan // in force; nil before the first tick of all
	Digest string      // of Plan
	State  *State      // nil before the first tick of all
}

// Start takes the state from which the run goes on.
func (r *Rerun) Start(from fact.Recovery) error {
	if from.Digest == "" {
		return nil // it never ran
	}
	plan, err := r.Load(from.Digest)
	if err != nil {
		return err
	}
	state := Begin(plan)
	if from.Snapshot != nil {
		state = new(State)
		if err := state.UnmarshalBinary(from.Snapshot); err != nil {
			return fmt.Errorf("decoding the state after sequence %d: %w", from.Seq, err)
		}
	}
	r.Plan, r.Digest, r.State = plan, from.Digest, state
	return nil
}

// Next takes the next tick. The difference is nil when it gives the events that
// were kept with it, fact for fact. After one that is Older the run stands where the
// journal says, not where this program would have led it.
func (r *Rerun) Next(k fact.Kept) (*fact.Difference, error) {
	if k.Digest != r.Digest {
		changed, err := r.Load(k.Digest)
		if err != nil {
			return nil, err
		}
		r.Change(changed, k.Digest)
	}
	state, events := Step(r.Plan, r.State, k.Tick)
	d, err := fact.Differs(&k, events)
	if d != nil && k.Tick.JudgedBy() < Judging {
		d.Older = true
		state = follow(r.Plan, r.State, k)
	}
	if k.Tick.JudgedBy() < judgingAccuses {
		state.run.accused = false // it was over then
	}
	r.State = state
	return d, err
}

// Change puts another version of the plan in force.
func (r *Rerun) Change(plan *rules.Plan, digest string) {
	if r.State == nil {
		r.State = Begin(plan)
	} else {
		r.State = Adopt(r.Plan, plan, r.State)
	}
	r.Plan, r.Digest = plan, digest
}
