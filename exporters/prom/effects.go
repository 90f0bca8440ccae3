package prom

import (
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

type effectDescs struct {
	effect, wayReady, rehearsed, rollbackOrder, rollbackTaken, rollbackSafe, rollbackStopped *desc
}

func (c *catalog) addEffects() {
	c.effect = c.gauge("relgate_effect_state", "Where a step of the way back stands: planned, intended, acknowledged, done, failed, skipped, dropped, verified. What was not asked for yet is planned.", "plan", "rule", "effect", "state")
	c.wayReady = c.gauge("relgate_way_back_ready", "1 where the receiver of a step says, before it is needed, that it could be done, 0 where it could not. Absent while that is not known.", "plan", "rule", "effect")
	c.rehearsed = c.gauge("relgate_rehearsal_timestamp_seconds", "Unix time of the newest drill of the way back that the run knows of. Absent where there is none.", "plan")
	c.rollbackOrder = c.gauge("relgate_rollback_order_timestamp_seconds", "Unix time at which the run was rolled back. Absent while it is not.", "plan")
	c.rollbackTaken = c.gauge("relgate_rollback_taken_timestamp_seconds", "Unix time at which every step of the way back was done. Absent before.", "plan")
	c.rollbackSafe = c.gauge("relgate_rollback_safe_timestamp_seconds", "Unix time since when the signals are good again after the way back was taken. Absent while that is not known, and where the release was only stopped.", "plan")
	c.rollbackStopped = c.gauge("relgate_rollback_stopped_timestamp_seconds", "Unix time since when the version spreads no further, where who has it keeps it. Absent otherwise.", "plan")
}

// effectStates are shown as one series each.
var effectStates = []string{fact.Planned, fact.Intended, fact.Acknowledged, fact.Done, fact.Failed, fact.Skipped, fact.Dropped, fact.Verified}

func (b *shownRun) effects() {
	s := &b.Snapshot
	type name struct{ rule, effect string }
	now := map[name]string{}
	for i := range s.Effects.Steps {
		v := &s.Effects.Steps[i]
		now[name{v.Rule, v.Name}] = v.State // the newest counts, where a rule has fired twice
	}
	for i := range b.Plan.Rules {
		r := &b.Plan.Rules[i]
		if r.Kind != rules.RollbackRule {
			continue
		}
		for k := range r.Effects {
			is, ok := now[name{r.Name, r.Effects[k].Name}]
			for _, state := range effectStates {
				b.flag(b.c.effect, state == is || !ok && state == fact.Planned, s.Plan, r.Name, r.Effects[k].Name, state)
			}
		}
	}
	for i := range s.Effects.Proofs {
		if v := &s.Effects.Proofs[i]; b.declares(v.Rule, v.Name) && (v.State == fact.Ready || v.State == fact.Missing) {
			b.flag(b.c.wayReady, v.State == fact.Ready, s.Plan, v.Rule, v.Name)
		}
	}
	if d := s.Effects.Drill; d != nil {
		b.moment(b.c.rehearsed, d.At, s.Plan)
	}
	order := s.Effects.Rolled
	if order.IsZero() && s.State == rules.RolledBack && s.Fired != nil { // a plan without steps
		order = s.Fired.At
	}
	b.moment(b.c.rollbackOrder, order, s.Plan)
	b.moment(b.c.rollbackTaken, s.Effects.Back, s.Plan)
	if s.Effects.Stopped {
		b.moment(b.c.rollbackStopped, s.Effects.Ended, s.Plan)
	} else {
		b.moment(b.c.rollbackSafe, s.Effects.Ended, s.Plan)
	}
}

// declares reports whether the plan has a step: an edit may have taken it out.
func (b *shownRun) declares(rule, effect string) bool {
	return slices.ContainsFunc(b.Plan.Rules, func(r rules.Rule) bool {
		return r.Kind == rules.RollbackRule && r.Name == rule && slices.ContainsFunc(r.Effects, func(e rules.Effect) bool { return e.Name == effect })
	})
}
