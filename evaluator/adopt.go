package evaluator

import (
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Adopt carries a run over to a changed plan: phases, rules and signals keep what
// they had by name. What a phase decided stays decided; a rule or signal whose
// question changed starts empty.
func Adopt(old, changed *rules.Plan, state *State) *State {
	st := fit(old, state)
	c := *st
	c.Lay = judge.NewLayout(changed)
	a := adoption{old: old, plan: changed, from: st, to: &c}
	a.signals()
	a.past()
	a.rules()
	a.phases()
	c.people = st.people.Adopt(old, changed)
	return &c
}

type adoption struct {
	old, plan *rules.Plan
	from, to  *State
}

func (a *adoption) signals() {
	a.to.Signals = make([]series.Series, len(a.plan.Signals))
	known := index(a.old.Signals, func(s *rules.Signal) string { return s.Name })
	for i := range a.plan.Signals {
		n := &a.plan.Signals[i]
		k, ok := known[n.Name]
		if !ok || !a.old.Signals[k].SameQuestion(n) {
			continue
		}
		a.to.Signals[i] = a.from.Signals[k]
		if o := &a.old.Signals[k]; o.Every != n.Every || o.Settle != n.Settle {
			a.to.Signals[i].Next = 0
		}
	}
}

// past keeps what earlier releases counted, by signal. Of a signal that is new
// nothing is known.
func (a *adoption) past() {
	if a.from.Past == nil {
		return
	}
	a.to.Past = make([]judge.Pooled, len(a.plan.Signals))
	known := index(a.old.Signals, func(s *rules.Signal) string { return s.Name })
	for i := range a.plan.Signals {
		if k, ok := known[a.plan.Signals[i].Name]; ok && a.old.Signals[k].Kind == a.plan.Signals[i].Kind {
			a.to.Past[i] = a.from.Past[k]
			if a.old.Signals[k].Query.Facts().Zeros != a.plan.Signals[i].Query.Facts().Zeros {
				a.to.Past[i].Sighted = false // they counted something of another name
			}
		}
	}
}

func (a *adoption) rules() {
	a.to.rules = make([]ruleState, len(a.plan.Rules))
	a.to.frozen = nil
	known := index(a.old.Rules, func(r *rules.Rule) string { return r.Kind.String() + " " + r.Name })
	for i := range a.plan.Rules {
		n := &a.plan.Rules[i]
		k, ok := known[n.Kind.String()+" "+n.Name]
		if !ok {
			continue
		}
		rs := a.from.rules[k]
		if rs.State != judge.Fired {
			rs.next = 0 // what is known is judged again, under the new plan
		}
		if !judge.SameWeighing(a.old, a.plan, &a.old.Rules[k], n) {
			rs.Ev = nil
		}
		if !judge.SameAlarm(a.old, a.plan, &a.old.Rules[k], n) {
			rs.Speaks = 0
		}
		a.to.rules[i] = rs
		for _, f := range a.from.frozen {
			if f.rule == k {
				f.rule = i
				a.to.frozen = append(a.to.frozen, f)
			}
		}
	}
}

func (a *adoption) phases() {
	a.to.phases = make([]phaseState, len(a.plan.Phases))
	known := index(a.old.Phases, func(p *rules.Phase) string { return p.Name })
	for i := range a.plan.Phases {
		n := &a.plan.Phases[i]
		k, ok := known[n.Name]
		if !ok {
			a.to.phases[i] = freshPhase(n)
			continue
		}
		a.to.phases[i] = a.phase(&a.old.Phases[k], n, a.from.phases[k])
	}
}

func (a *adoption) phase(o, n *rules.Phase, ph phaseState) phaseState {
	if !ph.begun {
		ph.blocked = false
		return ph
	}
	success, rollback := ph.success, ph.rollback
	ph.success = make([]successState, len(n.Success))
	for i, r := range n.Success {
		ph.success[i] = successState{verdict: rules.Pending, cause: rules.CauseWindow}
		if k := a.place(o.Success, r); k >= 0 {
			ph.success[i] = success[k]
			if !judge.SameWeighing(a.old, a.plan, &a.old.Rules[o.Success[k]], &a.plan.Rules[r]) {
				ph.success[i].Ev = nil
			}
		}
		if ph.state == rules.Monitoring {
			ph.success[i].next = 0
		} else {
			ph.success[i].next = math.MaxInt64
		}
	}
	ph.rollback = make([]windowCount, len(n.Rollback))
	ph.marked = false
	for i, r := range n.Rollback {
		if k := a.place(o.Rollback, r); k >= 0 && a.to.Signals[a.plan.Rules[r].Signal].Asked != 0 {
			ph.rollback[i] = rollback[k]
			continue
		}
		if rs := &a.to.rules[r]; !rs.active {
			*rs = ruleState{active: true, since: max(ph.started, a.to.At)}
		}
	}
	return ph
}

// place finds where the old phase named what the new plan knows as rule r.
func (a *adoption) place(old []int, r int) int {
	n := &a.plan.Rules[r]
	return slices.IndexFunc(old, func(k int) bool { return a.old.Rules[k].Name == n.Name && a.old.Rules[k].Kind == n.Kind })
}

// index maps name → place.
func index[T any](list []T, name func(*T) string) map[string]int {
	m := make(map[string]int, len(list))
	for i := range list {
		m[name(&list[i])] = i
	}
	return m
}
