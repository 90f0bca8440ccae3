package evaluator

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// State is a run between two ticks: everything that Step needs to go on.
type State struct{}

// Begin is the state of a run before its first tick.
func Begin(plan *rules.Plan) *State { panic("todo") }

// Step gives the state after a tick, and what changed. It changes neither
// argument and keeps no reference to the tick.
func Step(plan *rules.Plan, state *State, tick Tick) (*State, []Event) { panic("todo") }

// Wants lists the questions that are due at a time: which signals are to be asked for
// which range. It depends on plan and state alone, so that a daemon that
// was restarted asks what the undisturbed one would have asked.
func Wants(plan *rules.Plan, state *State, now time.Time) []Want { panic("todo") }

// Look is the run as it stands.
func Look(plan *rules.Plan, state *State) Snapshot { panic("todo") }

// Adopt carries a run over to a changed plan: phases, rules and signals keep what
// they had by name.
func Adopt(old, changed *rules.Plan, state *State) *State { panic("todo") }

// MarshalBinary is the stored form.
func (s *State) MarshalBinary() ([]byte, error) { panic("todo") }

// UnmarshalBinary reads the stored form; any other bytes give an error.
func (s *State) UnmarshalBinary(b []byte) error { panic("todo") }
