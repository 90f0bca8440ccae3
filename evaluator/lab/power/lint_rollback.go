package power

import (
	"fmt"
	"slices"
	"time"

	"github.com/relgate/relgate/rules"
)

// beside warns of a baseline that gets too little: to confirm what its rule finds,
// or to show that it fails as well.
func (ln *linter) beside(at rules.Checker, l *Line) {
	b := l.Beside
	if b == nil || !b.Thin && b.Shared <= plain {
		return
	}
	fix := fmt.Sprintf("leave signals.%s without a baseline: its limit alone decides then", rules.Path(l.Signal))
	if b.Thin && b.Minutes > 0 {
		fix = "a window of " + span(b.Minutes) + " would find it in every second release; or " + fix
	}
	if b.Share > 0 {
		fix = rules.Percent.Short(b.Share) + " of the traffic for the release would do; or " + fix
	}
	left := fmt.Sprintf("%s of the traffic leaves %s of %q for its baseline", rules.Percent.Short(l.phase.Traffic), perTime(b.PerMinute), l.Signal)
	window := rules.Duration{Duration: l.phase.Window}
	if b.Thin {
		at.Warn("thin-baseline", fix, "%s: beside a baseline at %s, rollback rule %q rolls back a release at %s in %s of all cases within %v, without a baseline in %s; until the baseline confirms the fault, the run is held",
			left, l.shown(b.Healthy), l.Rule, l.shown(b.Rate), percent(b.Power), window, percent(b.Alone))
	}
	if b.Shared > plain {
		at.Warn("thin-baseline", fix, "%s: while the baseline has no samples in most of a suspect stretch, the limit alone decides; in an outage of both (%s) rollback rule %q rolls the release back in %s of all cases within %v",
			left, l.shown(b.Outage), l.Rule, percent(b.Shared), window)
	}
}

// alone warns of a baseline that never runs beside the release.
func (ln *linter) alone(top rules.Checker, plan *rules.Plan) {
	for i := range plan.Signals {
		s := &plan.Signals[i]
		if s.Baseline <= 0 || s.Of >= 0 || !alone(plan, i) {
			continue
		}
		top.At("signals", s.Name, "baseline").Warn("thin-baseline", "watch its rollback rules in a phase with a part of the traffic too, or leave the baseline out",
			"every phase that watches it gives the release all of the traffic, so that nothing runs beside it: after %v without a baseline the limit alone decides, and a shared outage rolls the release back",
			rules.Duration{Duration: awaited(plan, &plan.Signals[s.Baseline]).Round(time.Second)})
	}
}

// unbudgeted notes policies that roll a good release back and that no budget covers.
func (ln *linter) unbudgeted(top rules.Checker, plan *rules.Plan) {
	if !budgeted(plan) {
		return
	}
	for i := range plan.Rules {
		r := &plan.Rules[i]
		key, when := "on_no_data", "its data does not come"
		switch {
		case !named(plan, i):
			continue
		case r.OnNoData == rules.PolicyRollback && r.OnError == rules.PolicyRollback:
			when += " or its source is unreachable"
		case r.OnNoData == rules.PolicyRollback:
		case r.OnError == rules.PolicyRollback:
			key, when = "on_error", "its source is unreachable"
		default:
			continue
		}
		if r.Kind == rules.Success && r.OnNoData == rules.PolicyRollback {
			when += ", or it cannot decide after its window"
		}
		top.At(r.Kind.String(), r.Name, key).Note("outside-budget", fmt.Sprintf("write %s = \"hold\" where a person should decide", key),
			"when %s (grace: %v), the release is rolled back, however good it is: that adds to the %s of false_rollback",
			when, rules.Duration{Duration: r.Grace}, rules.Percent.Short(plan.FalseRollback))
	}
}

// budgeted reports whether a plan has a budget to keep to: a rollback rule that a
// phase watches and that weighs evidence.
func budgeted(plan *rules.Plan) bool {
	for i := range plan.Rules {
		if r := &plan.Rules[i]; r.Kind == rules.RollbackRule && r.Method == rules.Sequential && named(plan, i) {
			return true
		}
	}
	return false
}

// named reports whether a phase names a rule.
func named(plan *rules.Plan, rule int) bool {
	return slices.ContainsFunc(plan.Phases, func(p rules.Phase) bool {
		return slices.Contains(p.Rollback, rule) || slices.Contains(p.Success, rule)
	})
}
