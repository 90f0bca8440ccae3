package grafana

import (
	"fmt"
	"strings"
)

// join holds the labels by which series of one plan belong together. Two daemons may
// watch plans of the same name.
const join = "on (job, instance, plan)"

// ofRun keeps an expression to the times at which the chosen run was the plan's newest:
// the series of a plan are those of its newest run.
func ofRun(expr string) string {
	return "(" + expr + ") and " + join + ` relgate_run_info{plan="$plan",run=~"$run"}`
}

// ofPlan is a metric of the chosen plan, with further matchers.
func ofPlan(metric string, matchers ...string) string {
	return metric + "{" + strings.Join(append([]string{`plan="$plan"`}, matchers...), ",") + "}"
}

// numbered makes one series of a one-hot set: the number of the state that is hot, from
// 1. by are the labels that tell the sets apart.
func numbered(metric, label string, states []string, by ...string) string {
	var parts []string
	for i, s := range states {
		parts = append(parts, fmt.Sprintf("%d * %s", i+1, ofPlan(metric, fmt.Sprintf("%s=%q", label, s))))
	}
	return fmt.Sprintf("sum by (%s) (%s)", strings.Join(append([]string{"job", "instance", "plan"}, by...), ", "), strings.Join(parts, " or "))
}

// live is a metric of rules while it means something now: of a rollback rule always, of
// a success rule while its phase is watched.
func live(metric string) string {
	return "(" + ofPlan(metric, `kind="rollback"`) + " or " + watched(ofPlan(metric, `kind="success"`)) + ")"
}

// watched keeps an expression to the phases that are under way.
func watched(expr string) string { return inState(expr, "monitoring|held") }

// inState keeps an expression to the phases in some states.
func inState(expr, states string) string {
	return fmt.Sprintf(`%s and on (job, instance, plan, phase) relgate_phase_state{plan="$plan",state=~%q} == 1`, expr, states)
}

// ofSignal keeps an expression on rules to those on the signal that a variable names, in
// some units, and adds the labels signal and unit.
func ofSignal(expr, variable, units string) string {
	return fmt.Sprintf(`%s * on (job, instance, plan, rule, kind) group_left (signal, unit) relgate_rule_info{plan="$plan",unit=~%q,signal=~"$%s"}`, expr, units, variable)
}

// sinceTick is how far a moment is from the newest tick: positive while it lies ahead. It
// goes by relgate's own clock, so that a demo in virtual time shows the same.
func sinceTick(moment string) string {
	return moment + " - " + join + ` group_left () relgate_last_tick_timestamp_seconds{plan="$plan"}`
}
