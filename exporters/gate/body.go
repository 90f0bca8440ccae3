package gate

import (
	"time"

	"github.com/relgate/relgate/evaluator"
)

// APIVersion stands in every body; it changes when a field changes its meaning.
const APIVersion = "gate/v1"

// Body is the answer of all three views of a gate. Every field is always there:
// what is not known is null. Numbers are in the unit that people read (per cent,
// seconds), which stands beside them.
type Body struct {
	APIVersion       string     `json:"apiVersion"`
	Plan             string     `json:"plan"`
	Phase            string     `json:"phase"`
	Title            string     `json:"title"`
	Generation       uint64     `json:"generation"` // grows exactly when something changed
	Verdict          string     `json:"verdict"`    // pass, pending, fail, rollback, unknown
	Cause            string     `json:"cause"`
	Pass             bool       `json:"pass"`
	Final            bool       `json:"final"` // only a command can change it
	Stale            bool       `json:"stale"` // the daemon has not evaluated for three intervals
	State            string     `json:"state"` // of the phase
	Action           string     `json:"action"`
	PercentComplete  int        `json:"percentComplete"` // of the monitoring window: by now, or by when the phase was decided
	Summary          string     `json:"summary"`
	Reason           string     `json:"reason"`
	EvaluatedAt      time.Time  `json:"evaluatedAt"`
	DataAsOf         *time.Time `json:"dataAsOf"`         // end of the newest bucket that any of the rules has
	ExpiresAt        *time.Time `json:"expiresAt"`        // null for what does not expire
	NextEvaluationAt *time.Time `json:"nextEvaluationAt"` // null when the run is over
	Window           Span       `json:"window"`
	Deadline         *time.Time `json:"deadline"` // how long the phase waits for data beyond its window
	Traffic          Traffic    `json:"traffic"`
	Subject          Subject    `json:"subject"`
	Policy           Policy     `json:"policy"`
	Run              Run        `json:"run"`
	Rules            []Rule     `json:"rules"` // success rules of the phase, then its rollback rules
	Override         *Override  `json:"override"`
	Links            Links      `json:"links"`
}

// Span is a stretch of time, null where it is not known yet.
type Span struct {
	Start *time.Time `json:"start"`
	End   *time.Time `json:"end"`
}

// Traffic is the share of users that the phase reaches, in per cent.
type Traffic struct {
	TargetPercent   float64  `json:"targetPercent"`
	ObservedPercent *float64 `json:"observedPercent"` // null: no source measures it
}

// Subject is what is released.
type Subject struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  Digest `json:"digest"`
}

// Policy is the plan that was judged by.
type Policy struct {
	URI    string `json:"uri"`
	Digest Digest `json:"digest"` // of the compiled plan's JSON form
}

// Digest names bytes; null where they are not known.
type Digest struct {
	SHA256 *string `json:"sha256"`
}

// Run is the release as a whole.
type Run struct {
	State      string `json:"state"`
	Verdict    string `json:"verdict"`
	Cause      string `json:"cause"`
	Reason     string `json:"reason"`
	Held       bool   `json:"held"`
	Hold       *Hold  `json:"hold"` // null while nobody holds it
	Over       bool   `json:"over"`
	RolledBack bool   `json:"rolledBack"` // the rollback was reported as carried out
}

// Hold is who keeps the run from going on, and why.
type Hold struct {
	Kind   string `json:"kind"` // person, rule
	By     string `json:"by"`   // the person, or the name of the rollback rule
	Cause  string `json:"cause"`
	Reason string `json:"reason"` // the person's, or the rule's sentence as it took hold
}

// Rule is one rule with the numbers that it rests on.
type Rule struct {
	ID           string     `json:"id"`
	Title        string     `json:"title"`
	Kind         string     `json:"kind"`   // success, rollback
	Result       string     `json:"result"` // see Results
	State        string     `json:"state"`
	Verdict      string     `json:"verdict"`
	Cause        string     `json:"cause"`
	Reason       string     `json:"reason"`
	Signal       string     `json:"signal"`
	Value        *float64   `json:"value"` // null when it is not known
	Op           string     `json:"op"`
	Threshold    *float64   `json:"threshold"`
	Unit         string     `json:"unit"` // "%", "s" or none
	Samples      float64    `json:"samples"`
	Points       int        `json:"points"`   // buckets present
	Expected     int        `json:"expected"` // buckets that the judged stretch has
	Window       Span       `json:"window"`   // the judged stretch
	LastSampleAt *time.Time `json:"lastSampleAt"`
	Evidence     *Evidence  `json:"evidence"` // null for a rule that compares a value with a threshold
	Held         string     `json:"held"`     // rollback: for how long it has been so
	For          string     `json:"for"`      // and for how long it must be
	Note         string     `json:"note"`
	Owner        string     `json:"owner"`
	Action       string     `json:"action"`
	Command      string     `json:"command"`
	Query        string     `json:"query"`
}

// Override is a decision that a person took.
type Override struct {
	Verdict string     `json:"verdict"`
	By      string     `json:"by"`
	Why     string     `json:"why"`
	At      *time.Time `json:"at"`
}

// Links lead on; a link to what does not exist is null.
type Links struct {
	Self        string  `json:"self"`
	UI          *string `json:"ui"`
	Attestation *string `json:"attestation"`
}

// PlanBody is a whole run: what Body says of every phase, with the signals.
type PlanBody struct {
	APIVersion       string           `json:"apiVersion"`
	Plan             string           `json:"plan"`
	Title            string           `json:"title"`
	Version          string           `json:"version"`
	Manager          string           `json:"manager"`
	Sequence         uint64           `json:"sequence"` // the tick's place in the journal
	Generation       uint64           `json:"generation"`
	Run              Run              `json:"run"`
	Stale            bool             `json:"stale"`
	Current          string           `json:"current"` // the phase that "current" means
	IntervalSeconds  float64          `json:"intervalSeconds"`
	Start            *time.Time       `json:"start"`
	End              *time.Time       `json:"end"`     // when the last window ends, as far as is known
	Horizon          *time.Time       `json:"horizon"` // when the last undecided phase becomes unknown for good
	EvaluatedAt      time.Time        `json:"evaluatedAt"`
	ExpiresAt        *time.Time       `json:"expiresAt"`
	NextEvaluationAt *time.Time       `json:"nextEvaluationAt"`
	Phases           []Body           `json:"phases"`
	Rollback         []Rule           `json:"rollback"` // every rollback rule of the plan
	Signals          []Signal         `json:"signals"`
	Fired            *evaluator.Event `json:"fired"` // the event of the rollback
	Links            Links            `json:"links"`
}

// Signal is one measurement as its source last told it.
type Signal struct {
	Name     string     `json:"name"`
	Source   string     `json:"source"`
	Unit     string     `json:"unit"`
	Derived  bool       `json:"derived"` // counted for a percentile rule, not asked for by name
	Value    *float64   `json:"value"`   // of the newest bucket
	Samples  float64    `json:"samples"`
	Newest   *time.Time `json:"newest"`
	Settled  *time.Time `json:"settled"`
	Asked    *time.Time `json:"asked"`
	NextAsk  *time.Time `json:"nextAsk"`
	Fault    string     `json:"fault"` // empty when the source answered in full
	Detail   string     `json:"detail"`
	Failures int        `json:"failures"`
}

// PlanList is the answer of /v1/plans.
type PlanList struct {
	APIVersion string        `json:"apiVersion"`
	Plans      []PlanSummary `json:"plans"`
}

// PlanSummary is one line of a PlanList.
type PlanSummary struct {
	Plan        string     `json:"plan"`
	Title       string     `json:"title"`
	Version     string     `json:"version"`
	Run         Run        `json:"run"`
	Stale       bool       `json:"stale"`
	Current     string     `json:"current"`
	Generation  uint64     `json:"generation"`
	EvaluatedAt *time.Time `json:"evaluatedAt"` // null before the first tick
	Links       Links      `json:"links"`
}
