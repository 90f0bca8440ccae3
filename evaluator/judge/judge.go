package judge

import (
	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Judge is one way of judging. It is chosen once, when a plan is laid out, and kept
// in a RuleLayout. A judge has no state of its own: what it remembers of a rule is a
// memory, which it alone reads and writes.
type Judge interface {
	// Needs says how much of its signal a rollback rule looks at: the event time
	// that it judges at once, in seconds, and how many periods must be kept for it.
	Needs(r *rules.Rule, sl *series.Layout) (judged, keep int64)
	// Fold takes into a memory what has settled.
	Fold(sc *Scene, w *Watch, m *Memory)
	// Stand says where a rollback rule stands.
	Stand(sc *Scene, w *Watch, m *Memory, out *Standing)
	// Prove says what a success rule makes of the window of its phase.
	Prove(sc *Scene, w *Watch, m *Memory) Finding
	// Against is the evidence for where a rollback rule stands.
	Against(sc *Scene, w *Watch, v *Standing) fact.Evidence
	// Found is the evidence for what a success rule says.
	Found(sc *Scene, w *Watch, v *Finding) fact.Evidence
}

// Scene is what all judges see of a run: its plan, laid out, what is known of its
// signals, and what earlier releases counted.
type Scene struct {
	Lay     *Layout         // numbers worked out from the plan; not stored
	At      int64           // newest tick, Unix seconds
	Signals []series.Series // as Plan.Signals
	Past    []Pooled        // as Plan.Signals; nil when earlier releases were not looked for
}

// Memory is what a judge remembers of a rule between two looks.
type Memory struct {
	Ev     *Weighed // of a rule that weighs evidence
	Speaks int64    // rollback, of an alarm: since when it speaks of the release; 0 while that is not known
}

// Watch is what a rule watches: the periods of a stretch of event time, and what
// the run has to do with it.
type Watch struct {
	Rule *rules.Rule
	Sig  *rules.Signal
	Lay  *WeighLayout
	w    int64 // width of a period
	from int64 // periods begin at or after
	to   int64 // and end at or before

	Changed int64 // first period that has changed since the look before; math.MaxInt64 when none has
	Was     Place // rollback: where it stood at the look before
	since   int64 // rollback: when its watch began
	Fresh   bool  // rollback: nothing that it watches has been examined yet
	Idle    bool  // rollback: its watch has not begun
	Prev    int64 // rollback: the tick before; math.MaxInt64 where nothing is to be examined for firing
	Alarm   int64 // rollback: as Changed, of the alarm that it names

	phase *rules.Phase // success: whose window it is
	weak  bool         // success: excluding the trigger is enough there
	start int64        // success: when the phase began
	end   int64        // success: when its window ends

	Steady int64   // since when it has had the share of the traffic that it has now
	Looks  int64   // how many periods it may come to
	Starts []int64 // when later phases have begun, ascending
	Later  int     // how many later phases there are
	part   float64 // of the traffic that it watches now, 0..1
	deaf   bool    // the source of the baseline cannot be asked
	Past   *Pooled // what earlier releases counted; nil where they do not matter

	firm Firm // rollback: see Scene.firm
}

// Place is where a rollback rule stands.
type Place struct {
	State State
	Cause rules.Cause
	Acked bool // a person let the run go on although it held it

	Unseen bool // it would be clear, but for zeros of a name that was never seen
}

// Standing is what a judge says of a rollback rule.
type Standing struct {
	Place
	Rung   evidence.Rung // how far it has come: at evidence.Firing it fires
	Fires  rules.Cause   // by what
	Told   rules.Cause   // what goes with a change to where it stands
	Notify []string      // and who wants to hear of it; nil for all
	Next   int64         // when that may change without news
	Since  int64         // since when its signal has been silent, where that is known; else zero
	traced judged        // of a rule that judges periods
	weighs Weighing      // of a rule that weighs evidence
	folded *Weighed      // and what it has folded
	alarm  *fact.Alarm   // of a rule that names one
}

// Reset empties a standing. It is large, and mostly only a part of it was filled in.
func (v *Standing) Reset() {
	v.Place, v.Rung, v.Fires, v.Told, v.Notify, v.Next, v.Since, v.traced, v.alarm = Place{}, evidence.NoRung, rules.CauseNone, rules.CauseNone, nil, 0, 0, judged{}, nil
	if v.folded != nil || v.weighs.bound != 0 {
		v.folded, v.weighs = nil, Weighing{}
	}
}

// Breaching reports whether the newest periods that a rule has judged breach, also where it
// has fallen silent since.
func (v *Standing) Breaching() bool { return v.traced.Code() == Breaching }

// State is a RuleState in a byte.
type State uint8

const (
	Idle State = iota
	Clear
	Breaching
	Fired
	Silent
	Warning
	Holding
	WouldFire // in shadow
	WouldHold // in shadow
)

// Name is the state as people and metrics see it.
func (c State) Name() fact.RuleState { return fact.RuleStates()[c] }

// rungName is how far the evidence has come, as facts have it.
func rungName(r evidence.Rung) fact.Rung {
	return [...]fact.Rung{fact.NoRung, fact.WarnRung, fact.HoldRung, fact.RollbackRung}[r]
}

// Finding is what a success rule says of its phase's window at a time.
type Finding struct {
	Rule    *rules.Rule
	Stretch Stretch
	Policy  fact.Why // where a policy has decided
	Silence silence
	Verdict rules.Verdict // Pending while it cannot be judged
	Cause   rules.Cause
	alarm   bool     // the companion decided
	Before  bool     // an alarm was on before the window began, and has not been OK since
	Closed  bool     // its phase is decided: what would come next does not matter
	Unseen  bool     // it would be judged by zeros of a name that was never seen
	looked  bool     // although that was looked for
	Against bool     // what is known of the window speaks against the release, whether it can be judged or not
	Empty   bool     // nothing was counted
	ongoing fact.Why // what goes on at the end of its window, where no rollback rule acts on it

	weigh *Weighing // of a rule that weighs evidence
	Proof *proof    // nil until it is needed
	soft  *Weighed  // with what has not settled; nil where weigh is brief

	folded *Weighed
}

// Layout holds what Step would otherwise work out from the plan at every tick.
// It is a function of the plan alone.
type Layout struct {
	Plan    *rules.Plan
	Start   int64 // T
	Signals []series.Layout
	Roll    []int32 // indexes of the rollback rules
	naming  []int32 // phases that name a rollback rule, rule by rule: see Phases

	Rules    []RuleLayout // :: rule → how it is judged
	Weighing []int32      // the rollback rules that weigh evidence
}

// RuleLayout is how a rule is judged.
type RuleLayout struct {
	Judge  Judge
	Weigh  *WeighLayout // what it weighs with; nil for one that does not weigh
	Beside int32        // signal that it is compared with; 0 for none
	named  int32        // where its phases begin in Layout.naming
}
