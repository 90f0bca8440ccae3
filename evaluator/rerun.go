package evaluator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

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

// Difference is a tick that gave other events than it did the first time: other
// facts. How events are put into words is no part of them.
type Difference struct {
	Seq  uint64
	At   time.Time
	N    int    // index of the first event that differs among those of the tick
	Was  []byte // its JSON in the journal; nil when there was none
	Gave []byte // its JSON now; nil when there is none
}

// Start takes the state from which the run goes on.
func (r *Rerun) Start(from Recovery) error {
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
// were kept with it, fact for fact.
func (r *Rerun) Next(k Kept) (*Difference, error) {
	if k.Digest != r.Digest {
		changed, err := r.Load(k.Digest)
		if err != nil {
			return nil, err
		}
		r.Change(changed, k.Digest)
	}
	state, events := Step(r.Plan, r.State, k.Tick)
	r.State = state
	return differs(k, events)
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

func differs(k Kept, events []Event) (*Difference, error) {
	for i := range max(len(events), len(k.Raw)) {
		var was, gave []byte
		if i < len(k.Raw) {
			was = k.Raw[i]
		}
		if i < len(events) {
			var err error
			if gave, err = json.Marshal(&events[i]); err != nil { // unreachable unless evidence holds a number that is not finite
				return nil, fmt.Errorf("encoding event %q: %w", events[i].ID, err)
			}
		}
		if !sameFacts(was, gave) {
			return &Difference{Seq: k.Seq, At: k.Tick.At, N: i, Was: was, Gave: gave}, nil
		}
	}
	return nil, nil
}

// sameFacts reports whether two events in JSON say the same, however their
// encoding differs.
func sameFacts(was, gave []byte) bool {
	if bytes.Equal(was, gave) {
		return true
	}
	var a, b *Event
	if json.Unmarshal(was, &a) != nil || json.Unmarshal(gave, &b) != nil {
		return false
	}
	return reflect.DeepEqual(a, b)
}
