package rules

import "time"

// Policy is what a rule does about data that does not come.
type Policy uint8

const (
	PolicyHold     Policy = iota // wait, and never pass
	PolicyFail                   // fail the phase
	PolicyRollback               // roll back
	PolicyIgnore                 // judge the phase without this rule
)

// RuleKind tells the rules that let a phase pass from those that take it back.
type RuleKind uint8

const (
	Success      RuleKind = iota // judged over the phase's window, on settled data
	RollbackRule                 // judged at every tick, on all data
)

// Aggregate is how the points of a percentile are judged; other kinds have one
// way only and leave it at Pooled.
type Aggregate uint8

const (
	Pooled     Aggregate = iota // by the signal's kind
	Exceedance                  // share of samples above the threshold, against 1 - quantile (the default for percentiles)
	Worst                       // the worst bucket
	Share                       // share of buckets that satisfy the condition
)

// Rule is one line of the plan: a condition on a signal, and what follows.
type Rule struct {
	Name   string    `json:"name"`
	Title  string    `json:"title"`
	Kind   RuleKind  `json:"kind"`
	Signal int       `json:"signal"` // index in Plan.Signals: what is judged
	When   Condition `json:"when"`   // success: what must hold; rollback: what must not

	// ShownSignal and ShownWhen are what the plan's author wrote. They differ
	// from Signal and When where a percentile is judged by exceedance.
	ShownSignal int       `json:"shown_signal"`
	ShownWhen   Condition `json:"shown_when"`

	For        time.Duration `json:"for,omitempty"`       // rollback: how long it must be so
	Over       time.Duration `json:"over,omitempty"`      // event time that one judged value covers; zero: success the phase's window, rollback one bucket
	Coverage   float64       `json:"coverage"`            // share of the expected buckets that must be present, 0..1
	MinSamples float64       `json:"min_samples"`         // in the judged stretch
	Aggregate  Aggregate     `json:"aggregate"`           //
	MinShare   float64       `json:"min_share,omitempty"` // Share: of the buckets, 0..1
	Alarm      int           `json:"alarm"`               // success: index of an Alarm signal that must be OK all through the window too; -1 for none
	OnNoData   Policy        `json:"on_no_data"`
	OnError    Policy        `json:"on_error"`
	Grace      time.Duration `json:"grace"` // how long data may be missing before a policy other than hold acts

	Owner   string   `json:"owner"`
	Action  string   `json:"action,omitempty"`  // rollback: what is to be done, for people
	Command string   `json:"command,omitempty"` // rollback: the command that was rehearsed; relgate never runs it
	Notify  []string `json:"notify,omitempty"`  // names of webhook endpoints; empty means all
}

// Advance is what starts a phase.
type Advance uint8

const (
	Scheduled Advance = iota // the plan's clock
	Signalled                // a command from CI or a person
	OnPass                   // the pass of the phase before
)

// Phase is one step of the rollout with its monitoring window.
type Phase struct {
	Name     string        `json:"name"`
	Title    string        `json:"title"`
	Target   string        `json:"target"`  // what is rolled out: "lambda alias live"
	Traffic  float64       `json:"traffic"` // 0..1
	Start    time.Duration `json:"start"`   // offset from T
	Window   time.Duration `json:"window"`
	Extend   time.Duration `json:"extend"` // how long beyond its window it may wait for data before it is unknown
	Advance  Advance       `json:"advance"`
	Owner    string        `json:"owner"`
	Success  []int         `json:"success"`  // indexes in Plan.Rules
	Rollback []int         `json:"rollback"` // indexes in Plan.Rules
}

// Communication is a message that falls due on the plan's clock.
type Communication struct {
	Name    string        `json:"name"`
	At      time.Duration `json:"at"` // offset from T, may be negative
	Channel string        `json:"channel"`
	Text    string        `json:"text"`
	Notify  []string      `json:"notify,omitempty"`
}

// Approval is a signature under the plan.
type Approval struct {
	Role string `json:"role"`
	Name string `json:"name,omitempty"`
	Date string `json:"date,omitempty"` // YYYY-MM-DD, empty until signed
}

// Rehearsal is the proof that the rollback commands were tried.
type Rehearsal struct {
	Date        string `json:"date,omitempty"`
	Environment string `json:"environment,omitempty"`
	Note        string `json:"note,omitempty"`
}

// Plan is a compiled release plan: complete, checked, immutable, without any
// secret. Its JSON form is what the journal keeps, so that a replay runs under
// the very plan that was in force.
type Plan struct {
	Name       string        `json:"name"` // plan id, REL-2025-06-04
	Title      string        `json:"title"`
	Version    string        `json:"version,omitempty"` // what is released
	Start      time.Time     `json:"start"`             // T, UTC
	Completion time.Time     `json:"completion"`        // expected
	Manager    string        `json:"manager"`
	Interval   time.Duration `json:"interval"` // between ticks

	Signals        []Signal        `json:"signals"`
	Rules          []Rule          `json:"rules"`                    // in file order, success rules before rollback rules
	Phases         []Phase         `json:"phases"`                   // in order
	Communications []Communication `json:"communications,omitempty"` // by time
	Approvals      []Approval      `json:"approvals,omitempty"`
	Rehearsal      Rehearsal       `json:"rehearsal"`
	PassCriteria   []string        `json:"pass_criteria,omitempty"`
}
