package fact

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// RuleState is where a rule stands at the newest tick.
type RuleState string

const (
	RuleIdle      RuleState = "idle"      // no phase that names it has begun
	RuleClear     RuleState = "clear"     // satisfied, or not triggered
	RuleBreaching RuleState = "breaching" // breached, but not yet for long enough, or its window has not ended
	RuleFired     RuleState = "fired"     // decided against the release
	RuleSilent    RuleState = "silent"    // cannot be judged: no data, stale, error, too few samples
	RuleWarning   RuleState = "warning"   // weighed: there is some evidence against the release; the rollout may go on
	RuleHolding   RuleState = "holding"   // weighed: the release misses its limit; the run is held

	RuleWouldFire RuleState = "would_fire" // in shadow: it would have rolled the run back
	RuleWouldHold RuleState = "would_hold" // in shadow: it would hold the run
)

// RuleStates lists every RuleState in order, for metrics.
func RuleStates() []RuleState {
	return []RuleState{RuleIdle, RuleClear, RuleBreaching, RuleFired, RuleSilent, RuleWarning, RuleHolding, RuleWouldFire, RuleWouldHold}
}

// Snapshot is a run as it stands after a tick: complete, immutable, made from
// plan and state alone. Exporters show it; they decide nothing.
type Snapshot struct {
	Plan       string
	Run        string // id of the run; empty where a plan is tried without one
	Title      string
	Version    string
	Try        int               // 1 for the first run of this version
	Parameters map[string]string // declared parameters with their values
	Begun      time.Time         // the run's first tick; zero where a plan is tried without a run
	By         string            // who began it; empty where the config did
	Manager    string
	Seq        uint64    // journal sequence of the tick, set by the runner
	At         time.Time // the tick
	Interval   time.Duration
	Start      time.Time // T
	End        time.Time // when the last window ends, as far as is known now
	Horizon    time.Time // when the last phase that is undecided becomes unknown for good
	State      rules.State
	Held       bool          // it waits for resume, and its gates are closed; so it does where it has failed meanwhile
	Holder     Holder        // who or what holds it; zero while it is not held
	Verdict    rules.Verdict // of the run: rollback, fail, pass when all phases passed and the watch has ended, else unknown or pending
	Cause      rules.Cause
	Why        Why
	Generation uint64 // number of events so far; changes exactly when something changed
	Current    int    // index of the phase that "current" means: the latest begun, else the first
	Over       bool   // decided, and nothing is left to do; only a command can change it
	Accused    bool   // failed, and a rollback rule still speaks against it: it is watched on, and may be rolled back
	Phases     []PhaseView
	Rollback   []RuleView // every rollback rule
	Signals    []SignalView
	Fired      *Event // the root of the rollback: the event of the rule that fired, or of the command
	RolledBack bool   // the rollback has been reported as carried out
	People     People
	Effects    Effects
}

// Holder is who keeps a run from going on.
type Holder struct {
	By        string      // the person, or the rollback rule; empty where the traffic of a phase holds it
	Principal string      // the token that proved the person; empty without tokens
	Rule      bool        // By names a rule
	Cause     rules.Cause // manual, or what the rule rests on
	Text      string      // the person's reason
	Evidence  *Evidence   // the rule's, as it took hold
	Mismatch  Why         // the ground, where the traffic of a phase holds it; else zero
}

// PhaseView is one phase of a Snapshot.
type PhaseView struct {
	Name      string
	Title     string
	Target    string
	Traffic   float64
	Owner     string
	Advance   rules.Advance
	State     rules.State
	Verdict   rules.Verdict // what its gate says: that of its rules, but no pass while the run is held
	Cause     rules.Cause
	Why       Why
	Scheduled time.Time // by the plan
	Started   time.Time // zero before it began
	WindowEnd time.Time // zero before it began
	Deadline  time.Time // WindowEnd + Extend
	Decided   time.Time // zero until decided
	Success   []RuleView
	Observed  *Observed // the share that it is seen to have; nil where the plan names no signal that tells it, and once a later phase has begun of which the same signal tells
	Rollback  []int     // indexes in Snapshot.Rollback: the rules that this phase names
}

// Observed is which share of the traffic the released version is seen to have.
type Observed struct {
	Signal   string      // that tells it
	Known    bool        //
	Share    float64     // 0..1; it means nothing unless Known
	Since    time.Time   // start of the oldest period that it is from: with a level, of those in a row that say the same
	At       time.Time   // end of the newest of them; of one that has not ended, the time of the tick
	Samples  float64     // of the release and of what runs beside it, that were counted; 0 for a level
	Cause    rules.Cause // why it is not known
	Mismatch time.Time   // since when it has been another than planned, where that was told; zero while it is not
}

// RuleView is one rule of a Snapshot; a success rule has one for every phase
// that names it.
type RuleView struct {
	Name     string
	Title    string
	Kind     rules.RuleKind
	Owner    string
	State    RuleState
	Verdict  rules.Verdict // success: of the window so far, final when the phase is decided; rollback: pass when clear, rollback when fired, else pending or unknown
	Cause    rules.Cause
	Why      Why
	Evidence Evidence
	Action   string
	Command  string
	Query    string // source and query in a line, for people

	Shadow    bool // it is judged and shown, and never acts
	WouldHave int  // rollback, in shadow: how often it would have rolled the run back
}

// SignalView is one signal of a Snapshot.
type SignalView struct {
	Name     string
	Source   string
	Unit     rules.Unit
	Derived  bool // made by the compiler for a percentile rule
	Known    bool
	Value    float64 // newest period
	Samples  float64
	Newest   time.Time   // end of the newest period
	Settled  time.Time   // watermark
	Asked    time.Time   // when the source was last asked
	NextAsk  time.Time   // when it will be asked next
	Due      time.Time   // when its source owes an answer, or since when it has owed one; zero while nothing needs the signal
	Fault    rules.Fault // of the newest reading
	Detail   string
	Failures int // readings in a row with a fault
}
