package fact

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// EventKind is what an event is about.
type EventKind string

const (
	RunEvent           EventKind = "run"           // the run's state: waiting, monitoring, held, passed, failed, rolled_back, superseded; from "" as it begins; Over
	PhaseEvent         EventKind = "phase"         // a phase's state
	VerdictEvent       EventKind = "verdict"       // what the gate of a phase says
	RuleEvent          EventKind = "rule"          // a rollback rule's state: clear, breaching, fired, silent, warning, holding; a success rule's verdict in a phase
	SignalEvent        EventKind = "signal"        // a signal's health: ok or a fault
	CommunicationEvent EventKind = "communication" // a planned message fell due, was sent, or is not sent any more
	CommandEvent       EventKind = "command"       // a command was applied or refused
	PlanEvent          EventKind = "plan"          // the plan was edited under way, or is judged anew
	ApprovalEvent      EventKind = "approval"      // a role is asked for its signature, or where that stands; Subject is what it allows
	ReviewEvent        EventKind = "review"        // the review is open, was signed or archived
	RolloutEvent       EventKind = "rollout"       // whether a phase is seen to have the traffic that it was planned to have: Mismatch, Match, Over
	EffectEvent        EventKind = "effect"        // a step of the way back, by rule and name; of the whole way back, by the plan's name, that users are safe
)

// Over is where the event of a run leads that has failed and could still be rolled back,
// once it cannot any more. Its state stays failed.
const Over = "over"

// Where the events of a rollout lead. Over is where a mismatch leads that is not looked at
// any more.
const (
	Mismatch = "mismatch" // a phase is seen to have another share of the traffic than planned
	Match    = "match"    // it has what was planned again
)

// EventKinds lists every EventKind.
func EventKinds() []EventKind {
	return []EventKind{RunEvent, PhaseEvent, VerdictEvent, RuleEvent, SignalEvent, CommunicationEvent, CommandEvent, PlanEvent, ApprovalEvent, ReviewEvent, RolloutEvent, EffectEvent}
}

// Event says that a state changed: from what, to what, and why, in facts. Its
// JSON is what the journal keeps.
//
// What several events have in common stands in one of them, their root: the
// rule that fired, the command. The others name it in Because and carry neither
// its evidence nor who gave the command and why.
type Event struct {
	ID      string      `json:"id"` // id and UID of the run, or the plan's name without a run, "/" and N: the same on every replay and every retry
	N       uint64      `json:"n"`  // ordinal in the run, from 1
	Plan    string      `json:"plan"`
	Run     string      `json:"run,omitempty"` // id of the run
	Version string      `json:"version,omitempty"`
	At      time.Time   `json:"at"`
	Kind    EventKind   `json:"kind"`
	Subject string      `json:"subject"`         // name of the plan, phase, rule, signal, message or command
	Phase   string      `json:"phase,omitempty"` // the phase that it concerns, where there is one
	From    string      `json:"from"`
	To      string      `json:"to"`
	Cause   rules.Cause `json:"cause"`
	Because string      `json:"because,omitempty"` // id of the root; empty where this is one
	Why     Why         `json:"why"`

	Evidence  *Evidence `json:"evidence,omitempty"`
	By        string    `json:"by,omitempty"`        // who gave the command, or began the run
	Principal string    `json:"principal,omitempty"` // the token that proved who
	Notify    []string  `json:"notify,omitempty"`    // webhook endpoints that want it; empty means all
	Tell      []string  `json:"tell,omitempty"`      // sinks that tell people of it
	Begun     *Release  `json:"begun,omitempty"`     // of the event that begins a run
	Edit      *Edit     `json:"edit,omitempty"`      // of a plan event
	Totals    []Total   `json:"totals,omitempty"`    // a run that passes: what it has counted, for those that come after it

	Effect    *Effect    `json:"effect,omitempty"`    // of a step of the way back
	Drill     *Drill     `json:"drill,omitempty"`     // of the way back that was rehearsed
	Signature *Signature `json:"signature,omitempty"` // of an approval or a review
	Told      *Told      `json:"told,omitempty"`      // of a message that falls due: what its text tells of the run
	Kept      string     `json:"kept,omitempty"`      // of what was sent or archived: the receiver's own name for it, or a link
}

// Signature is what a person signs, or is asked to.
type Signature struct {
	Role    string `json:"role"`
	Name    string `json:"name,omitempty"`    // printed name of who signed
	Meaning string `json:"meaning,omitempty"` // review, approval, responsibility
	Digest  string `json:"digest,omitempty"`  // of the plan that was signed, hex SHA-256
}

// Told is where a run stands when a message falls due, as far as its text says so.
type Told struct {
	Phase    string        `json:"phase"`              // the current phase
	Traffic  float64       `json:"traffic"`            // of that phase, 0..1
	Observed *float64      `json:"observed,omitempty"` // share that it is seen to have, 0..1; nil: not known
	State    rules.State   `json:"state"`              // of the run
	Verdict  rules.Verdict `json:"verdict"`            //
	Cause    rules.Cause   `json:"cause"`
	Why      Why           `json:"why"`
	Values   []Measure     `json:"values,omitempty"`
}

// Measure is what a rule measures. Value means nothing unless Known.
type Measure struct {
	Rule  string     `json:"rule"`
	Known bool       `json:"known"`
	Value float64    `json:"value"` // inner unit: ratio 0..1, seconds
	Unit  rules.Unit `json:"unit"`
}

// Release is what a run releases, as it begins.
type Release struct {
	Start      time.Time         `json:"start"`
	Try        int               `json:"try"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Previous   rules.Previous    `json:"previous,omitzero"`
	Supersedes string            `json:"supersedes,omitempty"` // id of the run whose place it takes
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
	Points    int        `json:"points"`   // periods present
	Expected  int        `json:"expected"` // periods that the stretch has
	Samples   float64    `json:"samples"`
	Newest    time.Time  `json:"newest"`            // end of the newest period known, zero when there is none
	Held      string     `json:"held,omitempty"`    // rollback: how long it has been so, "4m0s"
	For       string     `json:"for,omitempty"`     // and how long it takes
	Note      string     `json:"note,omitempty"`    // the reading's own note
	Last      time.Time  `json:"last,omitzero"`     // rollback: the breach ended then and still counts
	Assumed   bool       `json:"assumed,omitempty"` // the name behind its zeros was never seen, and they count because the plan says so

	Way     rules.Aggregate `json:"way,omitempty"`     // of a gauge: how its periods make the value
	Before  bool            `json:"before,omitempty"`  // rollback: of an alarm that was on before the release, and has not been OK since
	Spacing string          `json:"spacing,omitempty"` // how far apart its values come, where that is more than a period: "5m0s"

	Late string `json:"late,omitempty"` // how long after its end a period comes, where most come after they have settled: "6m0s"

	Quantile   *Quantile `json:"quantile,omitempty"` // of a percentile that is judged by the share of samples above its threshold
	Datapoints *Periods  `json:"datapoints,omitempty"`
	Weighed    *Weighed  `json:"weighed,omitempty"`
	Alarm      *Alarm    `json:"alarm,omitempty"` // rollback: of a rule that names one
}

// Alarm is what the alarm says that a rollback rule names, beside the rule's own numbers.
type Alarm struct {
	Signal string      `json:"signal"`
	State  AlarmState  `json:"state"`
	Since  time.Time   `json:"since,omitzero"`  // on: since when; over: when it was
	Cause  rules.Cause `json:"cause,omitempty"` // unknown: why, where there is a reason
	Fired  bool        `json:"fired,omitempty"` // it is why the rule fires: its own numbers do not
}

// AlarmState is where such an alarm stands.
type AlarmState string

const (
	AlarmUnknown AlarmState = "unknown" // nothing, or nothing new, is known of it
	AlarmOff     AlarmState = "off"
	AlarmOn      AlarmState = "on"
	AlarmOver    AlarmState = "over"   // it was on between the last two looks
	AlarmBefore  AlarmState = "before" // it was on before the watch began, and has not been OK since
)

// Quantile is what a percentile itself was over the judged stretch: the median of
// those of its periods that are still known, weighted by their samples. It is
// shown, never judged.
type Quantile struct {
	Of        float64    `json:"of"` // 0.95
	Value     float64    `json:"value"`
	Threshold float64    `json:"threshold"` // that the plan's author wrote, in Unit
	Unit      rules.Unit `json:"unit"`
}

// Periods is what a rule with datapoints has counted.
type Periods struct {
	Breaching int  `json:"breaching"` // of the newest N periods, the missing ones that count as breaching among them
	Missing   int  `json:"missing"`   // and how many those are
	Premature bool `json:"premature"` // too few are known, none of them is good, and the breach is old enough
}

// Weighed is what a rule that weighs evidence judges by, beside its value. Log
// e-values are natural logs: evidence of log e would appear at any time in fewer
// than one of e^log_e releases that keep the limit.
type Weighed struct {
	Bad     float64  `json:"bad"`            // of Evidence.Samples
	Low     float64  `json:"low"`            // the value lies between Low and High, 95 %, at any time
	High    float64  `json:"high"`           //
	Limit   float64  `json:"limit"`          // what a good release keeps, as the share of bad ones
	Trigger float64  `json:"trigger"`        // what is rolled back
	Goal    rules.Op `json:"goal"`           // how a good value compares with the limit, in the signal's own terms
	Against float64  `json:"against"`        // log e-value against "the limit is kept": holds and rolls back
	Bound   float64  `json:"bound"`          // log e-value at which it acts: ln(1/alpha)
	Warning float64  `json:"warning"`        // log e-value that takes the samples as independent: warns
	Middle  float64  `json:"middle"`         // log e-value against "at most halfway to the trigger": rolls back from ln 5
	Keeps   float64  `json:"keeps"`          // success: log e-value for "the limit is kept"
	Spared  float64  `json:"spared"`         // success: log e-value for "the trigger is not reached"
	Proof   float64  `json:"proof"`          // success: log e-value from which it passes: ln(1/false_pass)
	More    float64  `json:"more,omitempty"` // success: samples without a bad one that would let it pass, at least

	Rung    Rung        `json:"rung,omitempty"`    // how far the evidence has come, whatever the rule's state
	Rests   rules.Cause `json:"rests,omitempty"`   // on what: evidence, or the comparison with what runs beside or ran before
	Suspect bool        `json:"suspect,omitempty"` // From and To are the stretch that looks worst, chosen because it does
	Canary  bool        `json:"canary,omitempty"`  // the samples are those of the release alone
	Weak    bool        `json:"weak,omitempty"`    // success: excluding the trigger is enough
	Outlook *Outlook    `json:"outlook,omitempty"` // success, undecided: what it would take

	Baseline *Beside  `json:"baseline,omitempty"` // what runs beside the release, over the same minutes
	Past     *Earlier `json:"past,omitempty"`     // what earlier releases counted; nil where they were not looked for or something runs beside
	Groups   *Gap     `json:"groups,omitempty"`   // of a gap between groups
	Rating   *Ratings `json:"rating,omitempty"`   // of a mean of stars
	Window   *Own     `json:"window,omitempty"`   // success: its window by itself, if it missed the limit and the rule went on gathering
}

// Own is what a window counted by itself, of a rule that has gathered more after it.
type Own struct {
	Bad     float64 `json:"bad"`
	Samples float64 `json:"samples"`
	After   int64   `json:"after"`             // seconds that were gathered after it
	Refutes bool    `json:"refutes,omitempty"` // it was so bad that the rule does not pass, whatever comes after it
}

// Rung is how far the evidence against a release has come.
type Rung string

const (
	NoRung       Rung = ""
	WarnRung     Rung = "warn"     // worth a message: it may be a burst
	HoldRung     Rung = "hold"     // the release misses its limit: nothing goes on
	RollbackRung Rung = "rollback" // and by so much that it is rolled back
)

// Holds reports whether nothing may go on: at the rung of a hold, or beyond.
func (r Rung) Holds() bool { return r == HoldRung || r == RollbackRung }

// Outlook is what it would take a success rule to pass, and whether it can be had
// in time.
type Outlook struct {
	Excludes Shortfall `json:"excludes"`           // the trigger
	Proves   Shortfall `json:"proves"`             // the limit
	Fails    Shortfall `json:"fails,omitzero"`     // of stars: show the release to be bad
	Meets    Shortfall `json:"meets,omitzero"`     // bring the value to its limit
	Present  float64   `json:"present"`            // samples a second of late
	Futile   bool      `json:"futile,omitempty"`   // cannot pass before its deadline, even with no further bad one
	Late     bool      `json:"late,omitempty"`     // what has come is enough, but counts only after the deadline
	WarnBad  float64   `json:"warn_bad,omitempty"` // so many bad ones
	WarnIn   float64   `json:"warn_in,omitempty"`  // in the next so many samples would warn
}

// Shortfall is what is missing to show something: nothing in its zero value.
type Shortfall struct {
	More  float64   `json:"more,omitempty"`  // good samples beyond those seen
	Wait  int64     `json:"wait,omitempty"`  // seconds until they have come and count, at the present traffic
	Never bool      `json:"never,omitempty"` // no number of them would do
	Young bool      `json:"young,omitempty"` // those that were seen are enough once they count
	Ripe  time.Time `json:"ripe,omitzero"`   // which is then; zero when that is not known
}

// Beside is what runs beside the release.
type Beside struct {
	Signal  string  `json:"signal"`
	Bad     float64 `json:"bad"`
	Samples float64 `json:"samples"`
	Worse   float64 `json:"worse"`   // log e-value against "the release is no worse": confirms a rollback from ln 20
	Warning float64 `json:"warning"` // the same, taking the samples as independent: warns

	Compared    bool      `json:"compared"`              // it is compared with; else it has ended, or has no samples
	Unreachable bool      `json:"unreachable,omitempty"` // its source cannot be reached now
	Until       time.Time `json:"until,omitzero"`        // end of the newest period compared, where that is behind the release
}

// Gap is the greatest gap between the rates of groups.
type Gap struct {
	Highest  string   `json:"highest"`           // group with the highest rate
	Lowest   string   `json:"lowest"`            //
	AtLeast  float64  `json:"at_least"`          // the true gap is at least this; simultaneous for all pairs
	AtMost   float64  `json:"at_most"`           // and at most this
	ByChance float64  `json:"by_chance"`         // what the plain gap would be on average if all groups were alike
	Shrunken float64  `json:"shrunken"`          // the gap with the groups pulled to their mean by their noise
	Small    []string `json:"small,omitempty"`   // groups of fewer than 30
	Looks    int      `json:"looks"`             // answers so far: each later one is judged more strictly
	Compared int      `json:"compared"`          // groups with samples
	Alike    bool     `json:"alike,omitempty"`   // all groups have the same rate
	Thin     bool     `json:"thin,omitempty"`    // the source gave no value with these groups, so nothing passes on them
	Decides  float64  `json:"decides,omitempty"` // success, undecided: samples a group that would decide, if the rates stay
}

// Ratings is a mean of stars.
type Ratings struct {
	Stars   [5]float64 `json:"stars"`   // how many gave one to five
	Average float64    `json:"average"` // pulled to the limit by PriorReviews; for people only
	Low     float64    `json:"low"`     // 95 % interval of the mean
	High    float64    `json:"high"`
}

// PriorReviews is the weight of Ratings.Average's pull.
const PriorReviews = 50
