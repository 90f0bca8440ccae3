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
	RuleEvent          EventKind = "rule"          // a rollback rule's state: clear, breaching, fired, silent, warning, holding; a success rule's verdict in a phase
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
	Totals   []Total     `json:"totals,omitempty"`  // a run that passes: what it has counted, for those that come after it
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
	Weighed   *Weighed   `json:"weighed,omitempty"`
}

// Weighed is what a rule that weighs evidence judges by, beside its value. Log
// e-values are natural logs: evidence of log e would appear at any time in fewer
// than one of e^log_e releases that keep the limit.
type Weighed struct {
	Bad     float64 `json:"bad"`            // of Evidence.Samples
	Low     float64 `json:"low"`            // the value lies between Low and High, 95 %, at any time
	High    float64 `json:"high"`           //
	Limit   float64 `json:"limit"`          // what a good release keeps, as the share of bad ones
	Trigger float64 `json:"trigger"`        // what is to be taken back
	Against float64 `json:"against"`        // log e-value against "the limit is kept": holds and rolls back
	Bound   float64 `json:"bound"`          // log e-value at which it acts: ln(1/alpha)
	Warning float64 `json:"warning"`        // log e-value that takes the samples as independent: warns
	Middle  float64 `json:"middle"`         // log e-value against "at most halfway to the trigger": rolls back from ln 5
	Keeps   float64 `json:"keeps"`          // success: log e-value for "the limit is kept"
	Spared  float64 `json:"spared"`         // success: log e-value for "the trigger is not reached"
	Proof   float64 `json:"proof"`          // success: log e-value from which it passes: ln(1/false_pass)
	More    float64 `json:"more,omitempty"` // success: samples without a bad one that would let it pass, at least

	Baseline *Beside  `json:"baseline,omitempty"` // what runs beside the release, over the same minutes
	Past     *Earlier `json:"past,omitempty"`     // what earlier releases counted; nil where nobody looked for them or something runs beside
	Groups   *Gap     `json:"groups,omitempty"`   // of a gap between groups
	Rating   *Ratings `json:"rating,omitempty"`   // of a mean of stars
}

// Beside is what runs beside the release.
type Beside struct {
	Signal  string  `json:"signal"`
	Bad     float64 `json:"bad"`
	Samples float64 `json:"samples"`
	Worse   float64 `json:"worse"`   // log e-value against "the release is no worse": confirms a rollback from ln 20
	Warning float64 `json:"warning"` // the same, taking the samples as independent: warns
}

// Gap is the greatest gap between the rates of groups.
type Gap struct {
	Highest  string   `json:"highest"`         // group with the highest rate
	Lowest   string   `json:"lowest"`          //
	AtLeast  float64  `json:"at_least"`        // the true gap is at least this; simultaneous for all pairs
	AtMost   float64  `json:"at_most"`         // and at most this
	ByChance float64  `json:"by_chance"`       // what the plain gap would be on average if all groups were alike
	Shrunken float64  `json:"shrunken"`        // the gap with the groups pulled to their mean by their noise
	Small    []string `json:"small,omitempty"` // groups of fewer than 30
	Looks    int      `json:"looks"`           // answers so far: each later one is judged more strictly
}

// Ratings is a mean of stars.
type Ratings struct {
	Stars   [5]float64 `json:"stars"`   // how many gave one to five
	Average float64    `json:"average"` // pulled to the limit by fifty reviews; for people only
	Low     float64    `json:"low"`     // 95 % interval of the mean
	High    float64    `json:"high"`
}
