package evaluator

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// stepper is one Step under way. Parts of the old state are copied before their
// first change.
type stepper struct {
	plan   *rules.Plan
	lay    *judge.Layout
	st     *State
	at     int64
	prev   int64 // the tick before
	events []fact.Event

	// dirty holds one more than the first period that changed in this tick, for
	// each signal; zero when nothing came. It is nil when no reading came at all.
	dirty []int64

	ownSignals, ownRules bool

	revived  bool         // a command let a run go on that had ended
	followed []fact.Event // of a tick of an older judging: what was refused then stays so
	judging
}

// judging is the rule that is judged now, kept over all: no look needs room of its own.
type judging struct {
	watch    judge.Watch
	memory   judge.Memory
	standing judge.Standing
}

func newStepper(plan *rules.Plan, old *State, tick fact.Tick) *stepper {
	old = fit(plan, old)
	next := *old
	next.phases = slices.Clone(old.phases)
	at := tick.At.Unix()
	if old.judging > 0 {
		at = max(at, old.At)
	}
	next.At = at
	return &stepper{plan: plan, lay: next.Lay, st: &next, at: at, prev: old.At}
}

// emit makes an event of what the caller says has changed, and gives the ordinal
// of its root: its own, or root where that is not 0. The facts stand in the root
// alone. The pointer is good until the next event.
func (s *stepper) emit(e fact.Event, root uint64) (*fact.Event, uint64) {
	s.st.n++
	e.N = s.st.n
	e.ID, e.Plan, e.Run, e.Version = s.eventID(e.N), s.plan.Name, s.plan.Binding.Run, s.plan.Version
	e.At, e.Tell, e.Why.Principal = series.When(s.at), people.Told(s.plan, &e), ""
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

// rule gives a rule's state to be changed.
func (s *stepper) rule(i int) *ruleState {
	if !s.ownRules {
		s.st.rules, s.ownRules = slices.Clone(s.st.rules), true
	}
	return &s.st.rules[i]
}

// touched gives the first changed period of a signal, and whether anything came.
func (s *stepper) touched(signal int) (from int64, any bool) {
	if s.dirty == nil || s.dirty[signal] == 0 {
		return math.MaxInt64, false
	}
	if s.dirty[signal] == series.HealthOnly {
		return math.MaxInt64, true
	}
	return s.dirty[signal] - 1, true
}

// settledRun reports whether no rule can change the run any more.
func (s *stepper) settledRun() bool { return Decided(s.st.run.state) }

// changed gives the first period that has changed of what a rule watches, and whether
// anything came. Mostly nothing did, and the rule itself is not looked up.
func (s *stepper) changed(i int) (from int64, news bool) {
	if s.dirty == nil {
		return math.MaxInt64, false
	}
	from, news = s.touched(s.plan.Rules[i].Signal)
	if a := s.plan.Rules[i].Alarm; a >= 0 && a < len(s.plan.Signals) {
		_, more := s.touched(a)
		news = news || more
	}
	if b := int(s.lay.Rules[i].Beside); b > 0 {
		beside, more := s.touched(b)
		from, news = min(from, beside), news || more
	}
	return from, news
}

// phaseOfRule names the newest phase that has begun and names the rule.
func (s *stepper) phaseOfRule(i int) string {
	name := ""
	for _, k := range s.lay.Phases(i) {
		if s.st.phases[k].begun {
			name = s.plan.Phases[k].Name
		}
	}
	return name
}

// opinion is a verdict with its grounds.
type opinion struct {
	verdict rules.Verdict
	cause   rules.Cause
	why     fact.Why
	root    uint64 // event that it goes back to, by its ordinal; 0 for none
}
