package simulation

import (
	"fmt"

	"github.com/relgate/relgate/evaluator/datapoints"
	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// Datapoints is a rule that M of the newest N looks breach, as CloudWatch's
// alarms have it. A look without events has no data.
type Datapoints struct {
	When      rules.Condition // what breaches
	Good      bool            // the condition is on the share of good events
	MinEvents float64         // a look with fewer has no data
	Spec      datapoints.Spec
	Missing   datapoints.Mode
}

// Name is the rule in a few words.
func (r *Datapoints) Name() string {
	return fmt.Sprintf("%v, %d of %d, missing=%v", r.When, r.Spec.M, r.Spec.N, r.Missing)
}

// Knows is the rollback alone.
func (r *Datapoints) Knows() Reached { return onlyRollback }

// Watch gives the rule before a release.
func (r *Datapoints) Watch() Watcher { return &alarm{rule: r} }

type alarm struct {
	rule  *Datapoints
	slots []datapoints.Slot // at most the range that is evaluated, oldest first
	state datapoints.State
}

func (w *alarm) Reset() { w.slots, w.state = w.slots[:0], datapoints.InsufficientData }

func (w *alarm) Look(_ int, canary, _ evidence.Minute) Reached {
	if far := w.rule.Spec.Range(); len(w.slots) >= far {
		w.slots = append(w.slots[:0], w.slots[len(w.slots)-far+1:]...)
	}
	w.slots = append(w.slots, w.slot(canary))
	w.state = datapoints.Evaluate(w.slots, w.rule.Spec, w.rule.Missing, w.state).State
	if w.state == datapoints.Alarm {
		return onlyRollback
	}
	return 0
}

func (w *alarm) slot(m evidence.Minute) datapoints.Slot {
	if !(m.N > 0) || m.N < w.rule.MinEvents {
		return datapoints.Absent
	}
	share := m.Bad / m.N
	if w.rule.Good {
		share = 1 - share
	}
	if w.rule.When.Holds(share) {
		return datapoints.Breach
	}
	return datapoints.Good
}
