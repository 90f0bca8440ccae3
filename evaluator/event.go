package evaluator

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// EventKind is what an event is about.
type EventKind string

const (
	RunEvent           EventKind = "run"           // the run's state: waiting, monitoring, held, passed, failed, rolled_back
	PhaseEvent         EventKind = "phase"         // a phase's state
	VerdictEvent       EventKind = "verdict"       // the verdict of a phase's gate, while it is undecided or when it is decided
	RuleEvent          EventKind = "rule"          // a rollback rule's state: clear, breaching, fired, silent; a success rule's verdict in a phase
	SignalEvent        EventKind = "signal"        // a signal's health: ok or a fault
	CommunicationEvent EventKind = "communication" // a planned message fell due
	CommandEvent       EventKind = "command"       // a command was applied or refused
)

// Event says that a state changed: from what, to what, and why, with numbers.
// Its JSON form is stable: it is journalled and sent as it is.
type Event struct {
	ID       string      `json:"id"` // plan name, "/" and the event's ordinal in the run: the same on every replay and every retry
	N        uint64      `json:"n"`  // the ordinal, from 1
	Plan     string      `json:"plan"`
	At       time.Time   `json:"at"`
	Kind     EventKind   `json:"kind"`
	Subject  string      `json:"subject"`         // name of the phase, rule, signal, message or command
	Phase    string      `json:"phase,omitempty"` // the phase that it concerns, where there is one
	From     string      `json:"from"`
	To       string      `json:"to"`
	Cause    rules.Cause `json:"cause"`
	Reason   string      `json:"reason"` // one sentence, for people
	Evidence *Evidence   `json:"evidence,omitempty"`
	Owner    string      `json:"owner,omitempty"`
	Action   string      `json:"action,omitempty"`  // a fired rollback rule: what is to be done
	Command  string      `json:"command,omitempty"` // and the rehearsed command
	Notify   []string    `json:"notify,omitempty"`  // webhook endpoints that want it; empty means all
	By       string      `json:"by,omitempty"`      // a command's author
	Why      string      `json:"why,omitempty"`     // and reason
}

// Evidence is the numbers behind a verdict. Value means nothing unless Known.
type Evidence struct {
	Signal    string     `json:"signal"`
	Known     bool       `json:"known"`
	Value     float64    `json:"value"` // inner unit: ratio 0..1, seconds
	Op        rules.Op   `json:"op"`
	Threshold float64    `json:"threshold"`
	Unit      rules.Unit `json:"unit"`
	From      time.Time  `json:"from"` // judged stretch of event time
	To        time.Time  `json:"to"`
	Points    int        `json:"points"`   // buckets present
	Expected  int        `json:"expected"` // buckets that the stretch has
	Samples   float64    `json:"samples"`
	Newest    time.Time  `json:"newest"`         // end of the newest bucket known, zero when there is none
	Held      string     `json:"held,omitempty"` // rollback: how long it has been so, "4m0s"
	For       string     `json:"for,omitempty"`  // and how long it takes
	Note      string     `json:"note,omitempty"` // the reading's own note
}
