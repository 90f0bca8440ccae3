package people

import (
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Owners are the roles whom what became of a run concerns: the owner of the rule that
// decided it, the owner of the phase, and the manager.
func Owners(plan *rules.Plan, e *fact.Event) []string {
	var roles []string
	add := func(role string) {
		if plan.Role(role) != nil && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	for i := range plan.Rules {
		if plan.Rules[i].Name == e.Why.Rule {
			add(plan.Rules[i].Owner)
		}
	}
	for i := range plan.Phases {
		if plan.Phases[i].Name == e.Phase {
			add(plan.Phases[i].Owner)
		}
	}
	add(plan.Manager)
	return roles
}

// Woken reports whether an event wakes people: a run was rolled back, or has failed, or it is
// of a way back.
func Woken(e *fact.Event) bool {
	return e.Kind == fact.EffectEvent || e.To == rules.RolledBack.String() || e.To == rules.Failed.String()
}

// Address is how a role is reached about an event of a run: where it is woken if it is, and
// has such a place, and else where it is told.
func Address(r *rules.Role, e *fact.Event) rules.Address {
	if Woken(e) && r.Page.Sink != "" {
		return r.Page
	}
	return r.Tell
}

// Told lists the sinks that tell people of an event: those that it names, and of what
// became of a run those that reach its owners. What goes as planned wakes and tells no one.
func Told(plan *rules.Plan, e *fact.Event) []string {
	if e.Kind != fact.RunEvent || len(plan.Roles) == 0 || e.Severity() == fact.Info && e.From != rules.Held.String() {
		return e.Tell
	}
	sinks := slices.Clone(e.Tell)
	for _, name := range Owners(plan, e) {
		if a := Address(plan.Role(name), e); a.Sink != "" && !slices.Contains(sinks, a.Sink) {
			sinks = append(sinks, a.Sink)
		}
	}
	return sinks
}
