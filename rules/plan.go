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

// RuleKind tells the rules that let a phase pass from those that roll it back.
type RuleKind uint8

const (
	Success      RuleKind = iota // judged over the phase's window, on settled data
	RollbackRule                 // judged at every tick, on all data
)

// Aggregate is how the points of a percentile or a gauge are judged; other kinds
// have one way only and leave it at Pooled. So does a gauge that is judged by its
// default: see [Plan.Way].
type Aggregate uint8

const (
	Pooled     Aggregate = iota // by the signal's kind
	Exceedance                  // share of samples above the threshold, against 1 - quantile (the default for percentiles)
	Worst                       // the worst period
	Share                       // share of periods that satisfy the condition
	Average                     // a gauge's mean over the periods
	Last                        // a gauge's newest period
)

// Method is how a rule turns numbers into a verdict.
type Method uint8

const (
	// ByThreshold compares the value with the threshold.
	ByThreshold Method = iota
	// Sequential weighs counts: how strongly they speak against the limit, at any
	// look and on any number of samples.
	Sequential
)

// Gate is what a success rule may do to a phase.
type Gate uint8

const (
	Required Gate = iota // the phase passes only if the rule does
	Veto                 // a known failure fails the phase; not knowing does not keep it from passing
	Advisory             // it is shown and decides nothing
)

// Proof is how much a success rule that weighs evidence wants before it passes.
type Proof uint8

const (
	// ProofByTraffic is weak below half of the traffic and strong from there on,
	// and in the last phase.
	ProofByTraffic Proof = iota
	ProofWeak            // the value meets the limit, and the trigger is excluded
	ProofStrong          // the limit itself is proven
)

// Datapoints is CloudWatch's "M out of N": M of the newest N periods breach.
// The zero value is not used.
type Datapoints struct {
	M       int    `json:"m"`
	N       int    `json:"n"`
	Missing string `json:"missing"` // what a missing period counts as: missing, ignore, breaching, notBreaching
}

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
	Over       time.Duration `json:"over,omitempty"`      // event time that one judged value covers; zero: success the phase's window, rollback one period
	Coverage   float64       `json:"coverage"`            // share of the expected periods that must be present, 0..1
	MinSamples float64       `json:"min_samples"`         // in the judged stretch
	Aggregate  Aggregate     `json:"aggregate"`           // see Plan.Way
	MinShare   float64       `json:"min_share,omitempty"` // Share: of the periods, 0..1
	Alarm      int           `json:"alarm"`               // index of an Alarm signal; success: it must be OK all through the window too; rollback: it fires the rule, too; -1 for none
	OnNoData   Policy        `json:"on_no_data"`
	OnError    Policy        `json:"on_error"`
	Grace      time.Duration `json:"grace"` // how long data may be missing before a policy other than hold acts

	Datapoints Datapoints    `json:"datapoints,omitzero"`  // rollback: M of N periods, in place of For
	KeepFiring time.Duration `json:"keep_firing,omitzero"` // rollback: how long a breach still counts as one after its last breaching period

	Shadow      bool          `json:"shadow,omitempty"`       // it is judged, shown and counted, and never acts
	ResumeAfter time.Duration `json:"resume_after,omitempty"` // rollback: a hold beside a baseline as bad ends when the data has been good for so long; zero: only a person ends it

	// A rule that weighs evidence has two bounds on the share of bad ones, 0..1 (on
	// the mean for a Mean, on the gap for a Gauge with groups): what a good release
	// keeps, and what is to be rolled back. Between them the rollout waits. They are
	// equal where the plan has only one of the two on this signal.
	Method  Method  `json:"method,omitempty"`
	Limit   float64 `json:"limit,omitempty"`
	Trigger float64 `json:"trigger,omitempty"`
	Alpha   float64 `json:"alpha,omitempty"`  // how likely it may act on a release that keeps its limit: rollback over the whole run, failing a success rule in each phase
	Weight  float64 `json:"weight,omitempty"` // rollback: share of Plan.FalseRollback, as written; Alpha follows from it
	Gate    Gate    `json:"gate,omitempty"`   // success
	Proof   Proof   `json:"proof,omitempty"`  // success

	RideOut *time.Duration `json:"ride_out,omitempty"` // how long a burst it survives, as written; nil is DefaultRideOut; see Plan.RideOut

	Owner   string   `json:"owner"`
	Action  string   `json:"action,omitempty"`  // rollback: what is to be done, for people
	Command string   `json:"command,omitempty"` // rollback: the command that was rehearsed; relgate never runs it
	Effects []Effect `json:"effects,omitempty"` // rollback: the way back, step by step
	Notify  []string `json:"notify,omitempty"`  // names of webhook endpoints; empty means all
}

// Advance is what starts a phase.
type Advance uint8

const (
	Scheduled Advance = iota // the plan's clock
	Signalled                // a command from CI or a person
	OnPass                   // the pass of the phase before
	Observed                 // the share of the traffic that it is seen to have: see Phase.Observe
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

	Observe     string        `json:"observe,omitempty"`      // name of the signal that tells which share of the traffic the release has; empty: that is not known
	OnMismatch  OnMismatch    `json:"on_mismatch,omitempty"`  // what follows when that is another than Traffic
	MismatchFor time.Duration `json:"mismatch_for,omitempty"` // and for how long it must be; zero without Observe
}

// Communication is a message that is planned: it falls due on the plan's clock, at a
// time after the start of a phase, or whenever the run or a phase comes to a state.
type Communication struct {
	Name    string        `json:"name"`
	At      time.Duration `json:"at"`              // offset from T, may be negative; from the start of Phase where there is one
	Phase   string        `json:"phase,omitempty"` // At counts from the start of this phase
	On      Wanted        `json:"on,omitzero"`     // it falls due whenever this comes to be so; At means nothing then
	OnlyIf  Wanted        `json:"only_if,omitzero"`
	Grace   time.Duration `json:"grace,omitempty"` // how late it may be sent; zero is DefaultGrace
	Quiet   Quiet         `json:"quiet,omitzero"`
	To      Address       `json:"to,omitzero"` // the sink that sends it; none: the webhooks tell of it
	Channel string        `json:"channel"`     // where it goes, for people
	Subject string        `json:"subject,omitempty"`
	Text    string        `json:"text"`
	Notify  []string      `json:"notify,omitempty"`
}

// DefaultGrace is how late a message may be sent where the plan does not say.
const DefaultGrace = time.Hour

// Plan is a compiled release plan: complete, checked, immutable, without any
// secret. Its JSON form is what the journal keeps, so that a replay runs under
// the very plan that was in force.
type Plan struct {
	Name       string        `json:"name"` // plan id, REL-2025-06-04
	Title      string        `json:"title"`
	Version    string        `json:"version,omitempty"`  // what is released
	Start      time.Time     `json:"start"`              // T, UTC; zero of a template
	Completion time.Time     `json:"completion"`         // expected; zero of a template
	Length     time.Duration `json:"length,omitempty"`   // of a template: from T to the expected completion
	Promised   bool          `json:"promised,omitempty"` // the expected completion is written, and no default
	Manager    string        `json:"manager"`
	Interval   time.Duration `json:"interval"` // between ticks

	FalseRollback float64 `json:"false_rollback,omitempty"` // how likely a good release may be rolled back by the rules that weigh evidence, 0..1
	FalsePass     float64 `json:"false_pass,omitempty"`     // how likely one such rule may pass a release that misses its bound, 0..1

	WayBack bool `json:"way_back,omitempty"` // a rollback rule says step by step what is to happen when it fires

	Signals        []Signal        `json:"signals"`
	Rules          []Rule          `json:"rules"`                    // in file order, success rules before rollback rules
	Phases         []Phase         `json:"phases"`                   // in order
	Communications []Communication `json:"communications,omitempty"` // by time
	Roles          []Role          `json:"roles,omitempty"`
	Approvals      []Approval      `json:"approvals,omitempty"`
	Rehearsal      Rehearsal       `json:"rehearsal"`
	Review         Review          `json:"review,omitzero"`
	PassCriteria   []string        `json:"pass_criteria,omitempty"`
	Author         string          `json:"author,omitempty"` // who wrote a plan that begins its run by itself

	Parameters    []Parameter `json:"parameters,omitempty"`    // that a run is told when it begins, in file order
	GivenPrevious Previous    `json:"given_previous,omitzero"` // what the plan file says of the release before, for a run that no passed one comes before

	Binding Binding `json:"binding,omitzero"` // what makes a run of the plan; zero for a plan by itself
}

// Binding makes a run of a plan: one release of one version. Its values stand in
// the plan's texts, queries and commands already. It is zero for a plan that no
// run was begun of, as a scenario or a backtest has it.
type Binding struct {
	Run        string            `json:"run"`                  // id of the run: "shop@1.0.0", "shop@1.0.0~2"; safe in URLs and shells
	UID        string            `json:"uid"`                  // random: makes the ids of events unique across journals
	Try        int               `json:"try"`                  // 1 for the first run of this version
	Template   bool              `json:"template,omitempty"`   // the plan's file names no version: the run was begun by a command
	Parameters map[string]string `json:"parameters,omitempty"` // declared parameters with their values, defaults included
	Previous   Previous          `json:"previous,omitzero"`    // what {previous} and {previous.NAME} stand for
}

// Previous is the release before: the last run that passed, unless the run was
// told otherwise.
type Previous struct {
	Version    string            `json:"version,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
}
