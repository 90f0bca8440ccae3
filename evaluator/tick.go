package evaluator

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// Tick is everything that Step learns at one instant. Ticks are journalled.
type Tick struct {
	At       time.Time       `json:"at"` // UTC, whole seconds, never before the tick before
	Readings []rules.Reading `json:"readings,omitempty"`
	Commands []Command       `json:"commands,omitempty"`

	// Past is the releases that passed before, newest first, in the first tick of
	// a run; later ones have no effect. Nil means that nobody has looked for any,
	// empty that there are none.
	Past []Past `json:"past,omitzero"`
}

// CommandKind is what a person or a pipeline asks for.
type CommandKind string

const (
	StartPhase   CommandKind = "start"         // the phase has begun (CI moved the traffic)
	Hold         CommandKind = "hold"          // no phase may start or pass until resume
	Resume       CommandKind = "resume"        //
	Override     CommandKind = "override"      // decide a phase by hand: Verdict pass or fail
	Abort        CommandKind = "abort"         // roll the whole run back, now
	RollbackDone CommandKind = "rollback_done" // the rollback has been carried out
)

// Command is an input like a reading: it goes through a tick, so it is
// journalled, replayed and audited. By and Why are required.
type Command struct {
	ID      string        `json:"id"` // chosen by the sender; a repeated ID is applied once
	Kind    CommandKind   `json:"kind"`
	Phase   string        `json:"phase,omitempty"`   // start, override: which one; empty means the current
	Verdict rules.Verdict `json:"verdict,omitempty"` // override: pass or fail
	By      string        `json:"by"`
	Why     string        `json:"why"`
}

// Want is one question that is due: the points of a signal from From
// (inclusive) to To (exclusive), Unix seconds.
type Want struct {
	Signal int // index in Plan.Signals
	From   int64
	To     int64
}
