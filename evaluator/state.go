package evaluator

import (
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/evaluator/rollout"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// State is a run between two ticks: everything that Step needs to go on. It is
// immutable: Step makes a new one, which shares with the old what did not change.
type State struct {
	judge.Scene

	n       uint64 // events so far
	judging int    // number of the judging that it was stepped by last; 0 before its first tick

	run     runState
	rules   []ruleState  // as Plan.Rules; those of success rules stay zero
	phases  []phaseState // as Plan.Phases
	people  people.State
	applied []string     // the newest commands that were applied: see fact.Command.Once
	frozen  []frozenRule // evidence of the rollback rules that fired, by rule
	fired   *fact.Event  // the root of the rollback: a rule's event, or that of the command
}

// runState is where the run as a whole stands.
type runState struct {
	state   rules.State
	held    bool
	hold    fact.Why       // who or what holds it
	holding *fact.Evidence // of the rule that holds it, as it took hold; nil when a person does
	done    bool           // the rollback has been reported as carried out
	accused bool           // it has failed, and a rollback rule still spoke against it: it is watched on
	verdict rules.Verdict
	cause   rules.Cause
	why     fact.Why
	begun   int64  // its first tick, where that said that a run begins
	by      string // who began it
}

// phaseState is where one phase stands.
type phaseState struct {
	state    rules.State
	verdict  rules.Verdict // what its rules say
	gate     rules.Verdict // what its gate says: verdict, but for a hold
	cause    rules.Cause
	begun    bool
	blocked  bool // its start came while something stood in its way
	marked   bool // no count is windowUnmarked
	started  int64
	decided  int64
	why      fact.Why // of the decision
	root     uint64   // event that the decision goes back to, by its ordinal; 0 while it is undecided
	success  []successState
	rollback []windowCount
	rollout  rollout.State
}

// successState is what a success rule says in one phase.
type successState struct {
	verdict rules.Verdict
	cause   rules.Cause
	state   judge.State
	ignored bool   // a policy lets the phase be judged without it
	against bool   // what is known of the window speaks against the release, whether it can be judged or not
	event   uint64 // the newest event of its verdict, by its ordinal; 0 for none
	silent  int64  // since when it could not be judged, zero when it can
	next    int64  // from when it has to be looked at again even if nothing arrives
	frozen  *frozenRule
	judge.Memory
}

// windowCount follows how many periods of a phase's window a rollback rule has
// seen: the points themselves are forgotten long before the window ends.
type windowCount struct {
	mark   int32 // periods counted before the window
	result uint8 // windowUnmarked until the watermark has passed the window's start, then windowOpen until its end
}

const (
	windowUnmarked uint8 = iota
	windowOpen           // mark is known
	windowCovered        // enough of its periods were seen
	windowThin           // too few
	windowSilent         // nothing came at its end
)

// ruleState is where a rollback rule stands. It is small because there may be
// very many; what a value was is worked out from the points when it is asked.
type ruleState struct {
	since  int64 // judged on periods that begin at or after
	silent int64 // since when it could not be judged, zero when it can
	next   int64 // from when it has to be looked at again even if nothing arrives
	judge.Memory
	judge.Place
	active bool
	would  int16 // in shadow: how often it would have rolled the run back
}

// frozenRule is what a rule said when it was decided.
type frozenRule struct {
	rule     int
	why      fact.Why
	evidence fact.Evidence
}

// Begin is the state of a run before its first tick.
func Begin(plan *rules.Plan) *State {
	st := &State{
		run:    runState{verdict: rules.Pending, cause: rules.CauseWindow, why: fact.Why{Code: fact.WhyNotBegun, Until: plan.Start.UTC()}},
		Scene:  judge.Scene{Signals: make([]series.Series, len(plan.Signals))},
		rules:  make([]ruleState, len(plan.Rules)),
		phases: make([]phaseState, len(plan.Phases)),
		people: people.Begin(plan),
	}
	for i := range st.phases {
		st.phases[i] = freshPhase(&plan.Phases[i])
	}
	return st
}

// rollout is what is remembered of the share of a phase.
func (s *State) rollout(k int) *rollout.State { return &s.phases[k].rollout }

func freshPhase(p *rules.Phase) phaseState {
	ph := phaseState{verdict: rules.Pending, gate: rules.Pending, cause: rules.CauseWindow}
	if p.Advance == rules.Signalled {
		ph.cause = rules.CauseApproval
	}
	return ph
}

// fit gives a state with the plan's layout, whose parts have the plan's lengths. They
// differ only when a state is used under another plan than its own without Adopt; what
// is missing then starts from the beginning.
func fit(plan *rules.Plan, st *State) *State {
	fits := st.fits(plan)
	if fits && st.Lay != nil && st.Lay.Plan == plan {
		return st
	}
	c := *st
	c.Lay = judge.NewLayout(plan)
	if fits {
		return &c
	}
	c.Signals = resize(st.Signals, len(plan.Signals))
	c.rules = resize(st.rules, len(plan.Rules))
	c.phases = resize(st.phases, len(plan.Phases))
	c.people = st.people.Fitted(plan)
	if c.Past != nil {
		c.Past = resize(st.Past, len(plan.Signals))
	}
	for i := range c.phases {
		ph := &c.phases[i]
		if i >= len(st.phases) {
			*ph = freshPhase(&plan.Phases[i])
		}
		if ph.begun {
			ph.success = resize(ph.success, len(plan.Phases[i].Success))
			ph.rollback = resize(ph.rollback, len(plan.Phases[i].Rollback))
		}
	}
	c.frozen = slices.DeleteFunc(slices.Clone(c.frozen), func(f frozenRule) bool { return f.rule >= len(plan.Rules) })
	return &c
}

func (s *State) fits(plan *rules.Plan) bool {
	if len(s.Signals) != len(plan.Signals) || len(s.rules) != len(plan.Rules) ||
		len(s.phases) != len(plan.Phases) || !s.people.Fits(plan) ||
		s.Past != nil && len(s.Past) != len(plan.Signals) {
		return false
	}
	for i := range s.phases {
		ph, p := &s.phases[i], &plan.Phases[i]
		if ph.begun && (len(ph.success) != len(p.Success) || len(ph.rollback) != len(p.Rollback)) {
			return false
		}
	}
	return true
}

func resize[T any](s []T, n int) []T {
	c := make([]T, n)
	copy(c, s)
	return c
}
