package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
)

// Budget is how a plan's risk to roll back a good release is split over its
// rollback rules.
type Budget struct {
	Plan          string        `json:"plan"`
	FalseRollback float64       `json:"false_rollback"` // of a release that keeps all its limits, over the whole run; 0..1
	Shares        []BudgetShare `json:"shares"`         // of the rules that weigh evidence, act, and are watched by a phase, in file order
	Uncovered     []string      `json:"uncovered"`      // names of the rollback rules that compare with a threshold: their risk is not known
	Alarms        []BudgetAlarm `json:"alarms"`         // what rolls back beside those rules: that is no evidence, and its risk is not known
}

// BudgetShare is one rule's part of the budget.
type BudgetShare struct {
	Rule   string  `json:"rule"`
	Alpha  float64 `json:"alpha"` // 0..1
	Weight float64 `json:"weight"`
}

// BudgetAlarm is the alarm that a rollback rule names.
type BudgetAlarm struct {
	Rule  string `json:"rule"`
	Alarm string `json:"alarm"` // the signal
	Noun  string `json:"noun"`  // what people call it: "Sentry alert"
}

// Budgets gives the budgets of those plans that have rollback rules which weigh
// evidence, in order.
func Budgets(plans []*rules.Plan) []Budget {
	all := []Budget{}
	for _, p := range plans {
		b := Budget{Plan: p.Name, FalseRollback: p.FalseRollback, Uncovered: []string{}, Alarms: []BudgetAlarm{}}
		for i := range p.Rules {
			r := &p.Rules[i]
			if r.Kind != rules.RollbackRule || r.Shadow || !watched(p, i) {
				continue
			}
			if r.Alarm >= 0 {
				sig := &p.Signals[r.Alarm]
				b.Alarms = append(b.Alarms, BudgetAlarm{Rule: r.Name, Alarm: sig.Name, Noun: cmp.Or(sig.Query.Facts().Alarm, "alarm")})
			}
			switch {
			case r.Method == rules.Sequential:
				b.Shares = append(b.Shares, BudgetShare{Rule: r.Name, Alpha: r.Alpha, Weight: r.Weight})
			default:
				b.Uncovered = append(b.Uncovered, r.Name)
			}
		}
		if len(b.Shares) > 0 {
			all = append(all, b)
		}
	}
	return all
}

// watched reports whether a phase names a rollback rule.
func watched(p *rules.Plan, rule int) bool {
	return slices.ContainsFunc(p.Phases, func(ph rules.Phase) bool { return slices.Contains(ph.Rollback, rule) })
}

// Lines are the budget as people read it: "api-5xx-high: 0.25 %, acts at 1 in
// 400", the number that its sentences name too, and what it does not cover.
func (b Budget) Lines() []string {
	of := rules.Percent.Short(b.FalseRollback)
	lines := []string{fmt.Sprintf("evidence rolls back at most %s of the releases that keep their limits, however often it is looked at", of)}
	for _, s := range b.Shares {
		lines = append(lines, fmt.Sprintf("  %s: %s, acts at 1 in %.0f", s.Rule, rules.Percent.Short(s.Alpha), 1/s.Alpha))
	}
	if len(b.Uncovered) > 0 {
		lines = append(lines, "  not covered, because they compare with a threshold: "+strings.Join(b.Uncovered, ", "))
	}
	if len(b.Alarms) > 0 {
		list := make([]string, 0, len(b.Alarms))
		for _, a := range b.Alarms {
			list = append(list, fmt.Sprintf("%s by the %s %s", a.Rule, a.Noun, a.Alarm))
		}
		lines = append(lines, "  not covered, because an alarm is no evidence: "+strings.Join(list, ", "))
	}
	return lines
}
