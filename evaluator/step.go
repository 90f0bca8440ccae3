package evaluator

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/relgate/relgate/rules"
)

// Step gives the state after a tick, and what changed. It changes neither
// argument and keeps no reference to the tick. A tick that is earlier than the
// one before counts as at the same time.
//
// The order within a tick is fixed: the run's beginning, an edit of its plan,
// commands, readings, phases that are due, rollback rules, phases, the run,
// communications.
func Step(plan *rules.Plan, state *State, tick Tick) (*State, []Event) {
	s := newStepper(plan, state, tick)
	if !state.begun {
		s.st.recall(plan, tick.Past)
		s.begin(tick.Begin)
	}
	s.edited(tick.Edit)
	for i := range tick.Commands {
		s.command(&tick.Commands[i])
	}
	if tick.Begin != nil && len(tick.Readings) == 0 {
		return s.st, s.events // no source has been asked yet: silence means nothing
	}
	s.readings(tick.Readings)
	s.startDue()
	s.judgeRollback()
	s.judgePhases()
	s.judgeRun()
	s.communicate()
	return s.st, s.events
}

// stepper is one Step under way. Parts of the old state are copied before their
// first change.
type stepper struct {
	plan   *rules.Plan
	lay    *layout
	st     *State
	at     int64
	prev   int64 // the tick before
	events []Event

	// dirty holds one more than the first period that changed in this tick, for
	// each signal; zero when nothing came. It is nil when no reading came at all.
	dirty []int64

	ownSignals, ownRules bool
}

func newStepper(plan *rules.Plan, old *State, tick Tick) *stepper {
	old = fit(plan, old)
	next := *old
	next.lay = old.layoutOf(plan)
	next.phases = slices.Clone(old.phases)
	at := tick.At.Unix()
	if old.begun {
		at = max(at, old.at)
	}
	next.at, next.begun = at, true
	return &stepper{plan: plan, lay: next.lay, st: &next, at: at, prev: old.at}
}

// emit makes an event of what the caller says has changed, and gives the ordinal
// of its root: its own, or root where that is not 0. The facts stand in the root
// alone. The pointer is good until the next event.
func (s *stepper) emit(e Event, root uint64) (*Event, uint64) {
	s.st.n++
	e.N = s.st.n
	e.ID, e.Plan, e.Run, e.Version = s.eventID(e.N), s.plan.Name, s.plan.Binding.Run, s.plan.Version
	e.At = when(s.at)
	e.Why.Principal = ""
	if root != 0 {
		e.Because = s.eventID(root)
		e.Evidence, e.Why.By, e.Why.Text = nil, "", ""
	}
	s.events = append(s.events, e)
	return &s.events[len(s.events)-1], cmp.Or(root, e.N)
}

// eventID is the id of the n-th event of the run.
func (s *stepper) eventID(n uint64) string {
	prefix := s.plan.Name
	if b := &s.plan.Binding; b.Run != "" {
		prefix = b.Run + "." + b.UID
	}
	return prefix + "/" + strconv.FormatUint(n, 10)
}

// begin says that a run begins.
func (s *stepper) begin(b *Begun) {
	if b == nil {
		return
	}
	s.st.run.begun, s.st.run.by = s.at, b.By
	bound := &s.plan.Binding
	s.emit(Event{
		Kind: RunEvent, Subject: s.plan.Name, From: "", To: s.st.run.shown().String(), Cause: s.st.run.cause,
		Why: Why{Code: WhyRunBegun, Until: s.plan.Start.UTC(), By: b.By, Text: b.Why}, By: b.By, Principal: b.Principal,
		Begun: &Release{
			Start: s.plan.Start.UTC(), Try: bound.Try, Parameters: bound.Parameters, Previous: bound.Previous, Supersedes: b.Supersedes,
		},
	}, 0)
}

// edited says that the plan in force was changed.
func (s *stepper) edited(e *Edit) {
	if e == nil {
		return
	}
	own := *e
	own.Changes = slices.Clone(e.Changes)
	s.emit(Event{
		Kind: PlanEvent, Subject: s.plan.Name, From: shortDigest(e.From), To: "edited", Cause: rules.CauseManual,
		Why: Why{Code: WhyPlanEdited}, Edit: &own,
	}, 0)
}

// shortDigest is what people see of a digest.
func shortDigest(d string) string { return d[:min(len(d), 12)] }

// rule gives a rule's state to be changed.
func (s *stepper) rule(i int) *ruleState {
	if !s.ownRules {
		s.st.rules, s.ownRules = slices.Clone(s.st.rules), true
	}
	return &s.st.rules[i]
}

// readings merges what the sources answered.
func (s *stepper) readings(readings []rules.Reading) {
	if len(readings) == 0 {
		return
	}
	s.dirty = make([]int64, len(s.plan.Signals))
	s.st.signals, s.ownSignals = slices.Clone(s.st.signals), true
	needed := s.st.windowNeeds(s.lay)
	for i := range readings {
		rd := &readings[i]
		if rd.Signal < 0 || rd.Signal >= len(s.plan.Signals) {
			continue
		}
		s.reading(rd, needed.of(rd.Signal))
	}
}

func (s *stepper) reading(rd *rules.Reading, needed int64) {
	i := rd.Signal
	sig, was := &s.plan.Signals[i], s.st.signals[i].fault
	next, changed := s.st.signals[i].merge(sig, &s.lay.signals[i], rd, s.at, needed)
	s.st.signals[i] = next
	if d := &s.dirty[i]; *d == 0 || changed < *d-1 {
		*d = changed
		if changed != healthOnly {
			*d = changed + 1
		}
	}
	if was != rd.Fault {
		s.emit(Event{
			Kind: SignalEvent, Subject: sig.Name, From: faultName(was), To: faultName(rd.Fault),
			Cause: faultCause(rd.Fault), Why: signalWhy(rd),
		}, 0)
	}
}

// touched gives the first changed period of a signal, and whether anything came.
func (s *stepper) touched(signal int) (from int64, any bool) {
	if s.dirty == nil || s.dirty[signal] == 0 {
		return math.MaxInt64, false
	}
	if s.dirty[signal] == healthOnly {
		return math.MaxInt64, true
	}
	return s.dirty[signal] - 1, true
}

func signalWhy(rd *rules.Reading) Why {
	if rd.Fault == rules.OK {
		return Why{Code: WhySignalBack}
	}
	return Why{Code: WhySignalFault, Text: rd.Detail}
}

func faultName(f rules.Fault) string {
	if f == rules.OK {
		return "ok"
	}
	return f.String()
}

func faultCause(f rules.Fault) rules.Cause {
	switch f {
	case rules.OK:
		return rules.CauseNone
	case rules.NoData:
		return rules.CauseNoData
	case rules.StaleData:
		return rules.CauseStale
	case rules.ConfigFault:
		return rules.CauseConfig
	}
	return rules.CauseSourceError
}
