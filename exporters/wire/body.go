package wire

import "time"

// APIVersion stands in every body; it changes when a field changes its meaning.
const APIVersion = "gate/v1"

// A numeric field carries the tag unit: "beside" where its unit is the field "unit"
// of the same object, "count" for what is counted, "log" for a natural logarithm,
// "ordinal" for a place in an order. Names that end in Percent or Seconds need none.

// Body is the answer of every view of a gate.
type Body struct {
	APIVersion       string     `json:"apiVersion"`
	Plan             string     `json:"plan"`
	Phase            string     `json:"phase"`    // the phase that is spoken of; "run" for the whole run
	Question         Question   `json:"question"` // passed, entry
	Current          string     `json:"current"`  // the phase that "current" names: the latest begun, else the first
	Version          string     `json:"version"`  // that is judged
	Title            string     `json:"title"`    // of the phase
	Generation       uint64     `json:"generation" unit:"ordinal"`
	Verdict          string     `json:"verdict"` // pass, pending, fail, rollback, unknown
	Cause            string     `json:"cause"`
	Pass             bool       `json:"pass"`
	Final            bool       `json:"final"`           // only a command can change it
	Stale            bool       `json:"stale"`           // what was evaluated cannot be believed now
	State            string     `json:"state"`           // of the phase, or of the run
	Action           string     `json:"action"`          // proceed, hold, stop, rollback
	PercentComplete  int        `json:"percentComplete"` // of the monitoring window: by now, or by when the phase was decided
	Summary          string     `json:"summary"`         // how far it is
	Headline         string     `json:"headline"`        // at most 80 characters
	Sentence         string     `json:"sentence"`
	Reason           string     `json:"reason"` // the sentence
	Detail           []string   `json:"detail"`
	Do               Do         `json:"do"`
	EvaluatedAt      *time.Time `json:"evaluatedAt"`
	DataAsOf         *time.Time `json:"dataAsOf"`         // end of the newest period that any of the rules has
	ExpiresAt        *time.Time `json:"expiresAt"`        // null for what does not expire
	NextEvaluationAt *time.Time `json:"nextEvaluationAt"` // null when the run is over
	Window           Span       `json:"window"`
	Deadline         *time.Time `json:"deadline"` // how long the phase waits for data beyond its window
	Traffic          Traffic    `json:"traffic"`
	Subject          Subject    `json:"subject"`
	Policy           Policy     `json:"policy"`
	Run              Run        `json:"run"`
	Rules            []Rule     `json:"rules"`     // success rules of the phase, then its rollback rules; none for "run"
	Approvals        []Approval `json:"approvals"` // signatures that the phase needs to begin; of the run, those of its start
	Override         *Override  `json:"override"`
	Links            Links      `json:"links"`
}

// Question is what a gate is asked of a phase.
type Question string

const (
	Passed Question = "passed" // has it passed?
	Entry  Question = "entry"  // may it begin?
)

// Do is what people have to do now.
type Do struct {
	Action  string `json:"action"`  // empty where there is nothing to do
	Command string `json:"command"` // the rehearsed command; relgate never runs it
	Owner   string `json:"owner"`
}

// Span is a stretch of time, null where it is not known yet.
type Span struct {
	Start *time.Time `json:"start"`
	End   *time.Time `json:"end"`
}

// Traffic is the share of users that the phase reaches.
type Traffic struct {
	TargetPercent   *float64 `json:"targetPercent"`   // null for the whole run
	ObservedPercent *float64 `json:"observedPercent"` // null: no source measures it, or it is not known now

	ObservedSince *time.Time `json:"observedSince"` // start of the oldest period that it is from
	ObservedAt    *time.Time `json:"observedAt"`    // end of the newest
	MismatchSince *time.Time `json:"mismatchSince"` // since when another share than planned was seen; null while there is no mismatch
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
	ID         string     `json:"id"` // empty while there is no run
	Version    string     `json:"version"`
	Try        int        `json:"try" unit:"ordinal"` // 1 for the first run of the version; 0 while there is no run
	Start      *time.Time `json:"start"`              // T
	State      string     `json:"state"`
	Verdict    string     `json:"verdict"`
	Cause      string     `json:"cause"`
	Reason     string     `json:"reason"`
	Held       bool       `json:"held"`
	Hold       *Hold      `json:"hold"` // null while nothing holds it
	Over       bool       `json:"over"`
	RolledBack bool       `json:"rolledBack"` // the rollback was reported as carried out
}

// Hold is who keeps the run from going on, and why.
type Hold struct {
	Kind      string `json:"kind"`      // person, rule, traffic
	By        string `json:"by"`        // the person, in the sender's words, the name of the rollback rule, or that of the phase whose traffic is not as planned
	Principal string `json:"principal"` // name of the token that proved the person; empty without tokens
	Cause     string `json:"cause"`
	Reason    string `json:"reason"`
}

// Rule is one rule with the numbers that it rests on.
type Rule struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Kind    string `json:"kind"` // success, rollback
	Result  string `json:"result"`
	State   string `json:"state"`
	Verdict string `json:"verdict"`
	Cause   string `json:"cause"`
	Reason  string `json:"reason"`
	Evidence
	Owner   string `json:"owner"`
	Action  string `json:"action"`
	Command string `json:"command"`
	Query   string `json:"query"`

	Mode      string `json:"mode"`                   // enforce, shadow
	WouldHave int    `json:"wouldHave" unit:"count"` // rollback, in shadow: how often it would have rolled the run back
}

// Override is a decision that a person took.
type Override struct {
	Verdict   string     `json:"verdict"`
	By        string     `json:"by"`        // in the sender's words
	Principal string     `json:"principal"` // name of the token that proved it; empty without tokens
	Why       string     `json:"why"`
	At        *time.Time `json:"at"`
}

// Links lead on; a link to what does not exist is null.
type Links struct {
	Self        string  `json:"self"`
	Run         *string `json:"run"`
	UI          *string `json:"ui"`
	Attestation *string `json:"attestation"`
}

// PlanBody is a whole run: what Body says of every phase, with the signals.
type PlanBody struct {
	APIVersion       string     `json:"apiVersion"`
	Plan             string     `json:"plan"`
	Title            string     `json:"title"`
	Version          string     `json:"version"`
	Manager          string     `json:"manager"`
	Sequence         uint64     `json:"sequence" unit:"ordinal"`   // the tick's place in the run
	Generation       uint64     `json:"generation" unit:"ordinal"` // grows exactly when something changed
	Headline         string     `json:"headline"`
	Sentence         string     `json:"sentence"`
	Detail           []string   `json:"detail"`
	Do               Do         `json:"do"`
	Run              Run        `json:"run"`
	Stale            bool       `json:"stale"`
	Current          string     `json:"current"`
	IntervalSeconds  float64    `json:"intervalSeconds"`
	Start            *time.Time `json:"start"`
	End              *time.Time `json:"end"`     // when the last window ends, as far as is known
	Horizon          *time.Time `json:"horizon"` // when the last undecided phase becomes unknown for good
	EvaluatedAt      *time.Time `json:"evaluatedAt"`
	ExpiresAt        *time.Time `json:"expiresAt"`
	NextEvaluationAt *time.Time `json:"nextEvaluationAt"`
	Phases           []Body     `json:"phases"`
	Rollback         []Rule     `json:"rollback"` // every rollback rule of the plan
	Signals          []Signal   `json:"signals"`
	People           People     `json:"people"`
	Effects          Effects    `json:"effects"`
	Fired            *EventBody `json:"fired"` // the event of the rollback
	Links            Links      `json:"links"`
}

// Signal is one measurement as its source last told it.
type Signal struct {
	Name     string     `json:"name"`
	Source   string     `json:"source"`
	Unit     string     `json:"unit"`
	Derived  bool       `json:"derived"`              // counted for a percentile rule, not asked for by name
	Value    *float64   `json:"value" unit:"beside"`  // of the newest period
	Samples  *float64   `json:"samples" unit:"count"` // behind it; null while the value is not known
	Newest   *time.Time `json:"newest"`
	Settled  *time.Time `json:"settled"`
	Asked    *time.Time `json:"asked"`
	NextAsk  *time.Time `json:"nextAsk"`
	Fault    string     `json:"fault"` // empty when the source answered in full
	Detail   string     `json:"detail"`
	Failures int        `json:"failures" unit:"count"` // readings in a row with a fault
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
	Template    bool       `json:"template"` // its runs begin by a start command
	Version     string     `json:"version"`  // that the file names; empty for a template
	File        File       `json:"file"`
	Run         *Run       `json:"run"` // the newest that is shown; null while there is none
	Stale       bool       `json:"stale"`
	Current     string     `json:"current"`
	Generation  uint64     `json:"generation" unit:"ordinal"`
	EvaluatedAt *time.Time `json:"evaluatedAt"` // null before the first tick
	Links       Links      `json:"links"`
}

// File is how a plan's file stands.
type File struct {
	State  string `json:"state"`  // ok, gone, broken, waiting
	Reason string `json:"reason"` // empty where the file is in force
}

// RunList is the answer of /v1/runs, newest first.
type RunList struct {
	APIVersion string       `json:"apiVersion"`
	Runs       []RunSummary `json:"runs"`
}

// RunSummary is one line of a RunList.
type RunSummary struct {
	ID          string            `json:"id"`
	Plan        string            `json:"plan"`
	Version     string            `json:"version"`
	Try         int               `json:"try" unit:"ordinal"`
	Start       *time.Time        `json:"start"` // T
	Begun       *time.Time        `json:"begun"` // its first tick
	State       string            `json:"state"`
	Verdict     string            `json:"verdict"`
	DecidedAt   *time.Time        `json:"decidedAt"` // null while it is undecided
	Over        bool              `json:"over"`
	Generation  uint64            `json:"generation" unit:"ordinal"`
	EvaluatedAt *time.Time        `json:"evaluatedAt"`
	Parameters  map[string]string `json:"parameters"`
	Previous    Previous          `json:"previous"`
	Digest      Digest            `json:"digest"` // of the plan in force
	Links       Links             `json:"links"`
}

// Previous is the release before, as the run was told or found it.
type Previous struct {
	Version    string            `json:"version"`
	Parameters map[string]string `json:"parameters"`
}

// RunBody is a run with what has happened in it, also after it is over and after its
// plan's file is gone.
type RunBody struct {
	PlanBody
	Parameters map[string]string `json:"parameters"`
	Previous   Previous          `json:"previous"`
	Commands   []EventBody       `json:"commands"`   // those of the events that are commands
	Amendments []EventBody       `json:"amendments"` // those that are changes of the plan
	Events     []EventBody       `json:"events"`     // in order
	More       bool              `json:"more"`       // there are later events: ask /events?after=
}

// EventList is the answer of /v1/runs/{id}/events, in order.
type EventList struct {
	APIVersion string      `json:"apiVersion"`
	Run        string      `json:"run"`
	Events     []EventBody `json:"events"`
	More       bool        `json:"more"` // there are later ones: ask again with after the last one's n
}

// EventBody says that a state changed: from what, to what and why, with numbers.
type EventBody struct {
	Kind      string     `json:"kind"`     // run, phase, verdict, rule, signal, communication, command, plan, approval, review, rollout, effect
	Type      string     `json:"type"`     // relgate.KIND.TO: relgate.run.rolled_back
	Severity  string     `json:"severity"` // info, warning, critical
	ID        string     `json:"id"`       // the same on every replay and every retry
	N         uint64     `json:"n" unit:"ordinal"`
	Run       string     `json:"run"`
	Plan      string     `json:"plan"`
	Version   string     `json:"version"`
	At        *time.Time `json:"at"`
	Subject   string     `json:"subject"` // name of the phase, rule, signal, message, command or step
	Phase     string     `json:"phase"`
	From      string     `json:"from"`
	To        string     `json:"to"`
	Cause     string     `json:"cause"`
	Because   string     `json:"because"` // id of the event that caused it; empty where it is its own cause
	Headline  string     `json:"headline"`
	Sentence  string     `json:"sentence"`
	Detail    []string   `json:"detail"`
	Owner     string     `json:"owner"`
	Action    string     `json:"action"`    // what is to be done
	Command   string     `json:"command"`   // the rehearsed command
	By        string     `json:"by"`        // of a command: who, in the sender's words
	Principal string     `json:"principal"` // name of the token that proved it; empty without tokens
	Why       string     `json:"why"`
	Evidence  *Evidence  `json:"evidence"`
	Begun     *Begun     `json:"begun"`     // of the event that begins a run
	Changes   []Change   `json:"changes"`   // of an event of kind plan: what was edited
	Totals    []Total    `json:"totals"`    // of a run that passed: what it has counted
	Message   *Message   `json:"message"`   // of what a sink sends to people
	Signature *Signature `json:"signature"` // of an approval or a review
	Effect    *Effect    `json:"effect"`    // of a step of the way back, or of all of it
	Drill     *Drill     `json:"drill"`     // of the way back that was rehearsed
	Target    string     `json:"target"`    // whom a sink reaches with it there: a channel, addresses; empty for the sink's own
	Kept      string     `json:"kept"`      // of what was sent or archived: the receiver's own name for it, or a link
	Chain     *Chain     `json:"chain"`     // of the tick that brought it
}

// Chain is how far the hash chain of a run goes: see docs/proof.md.
type Chain struct {
	Seq  uint64 `json:"seq" unit:"ordinal"` // of a tick of the run
	Head string `json:"head"`               // its link, hex SHA-256
}

// Signature is what a person signs, or is asked to.
type Signature struct {
	Role    string `json:"role"`
	Name    string `json:"name"`    // printed name of who signed; empty where someone is asked to
	Meaning string `json:"meaning"` // review, approval, responsibility
	Digest  Digest `json:"digest"`  // of the plan that was signed
}

// Message is what is sent of a communication of the plan that fell due.
type Message struct {
	Name    string `json:"name"`    // of the communication
	Sink    string `json:"sink"`    // name of the sink that sends it; empty where the webhooks do
	Target  string `json:"target"`  // to whom there: a channel, addresses, components; empty for the sink's own
	Subject string `json:"subject"` // one line, for what has a title
	Text    string `json:"text"`    // with its fields filled in
	Link    string `json:"link"`    // to the run; empty where the daemon knows no address of its own
}

// Begun is what a run releases, as it begins.
type Begun struct {
	Start      *time.Time        `json:"start"` // T
	Try        int               `json:"try" unit:"ordinal"`
	Parameters map[string]string `json:"parameters"`
	Previous   Previous          `json:"previous"`
	Supersedes string            `json:"supersedes"` // id of the run whose place it takes; empty where it takes none
}

// Change is one difference between two versions of a plan.
type Change struct {
	Path string `json:"path"` // key path: "rollback.api-5xx-high.when"
	From string `json:"from"` // as the plan writes it; empty where it was not there
	To   string `json:"to"`   // empty where it is not there any more
}

// Total is what a run has counted of a signal.
type Total struct {
	Signal  string   `json:"signal"`
	Bad     *float64 `json:"bad" unit:"count"`
	Samples *float64 `json:"samples" unit:"count"`
}

// Problem is the body of every answer that is not one of a gate (RFC 9457).
type Problem struct {
	Type   string `json:"type"` // always about:blank: the status says it
	Title  string `json:"title"`
	Status int    `json:"status" unit:"ordinal"`
	Detail string `json:"detail"`
	Run    string `json:"run"` // the run that stands in the way; empty where there is none
}

// CauseJournal is the cause of an answer that is unknown because the journal cannot
// be written or read. No rule has it.
const CauseJournal = "journal"
