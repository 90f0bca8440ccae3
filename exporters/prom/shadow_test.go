package prom_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// What a rule in shadow has come to is counted, and is no alert.
func TestARuleInShadowIsNoAlert(t *testing.T) {
	now := t0
	v := view("p")
	v.Run.Snapshot.Rollback = append(v.Run.Snapshot.Rollback, fact.RuleView{Name: "tried", Kind: rules.RollbackRule, State: fact.RuleWouldFire, Shadow: true, WouldHave: 2})
	v.Run.Snapshot.Phases[0].Success = append(v.Run.Snapshot.Phases[0].Success, fact.RuleView{Name: "tried-too", Kind: rules.Success, State: fact.RuleFired, Shadow: true})
	plan := *v.Run.Plan
	plan.Rules = append(slices.Clone(plan.Rules), rules.Rule{Name: "tried", Kind: rules.RollbackRule, Shadow: true})
	v.Run.Plan = &plan
	_, page := get(t, newExporter(&now, v).Handler())
	for _, want := range []string{
		`kind="rollback",mode="shadow",op="",owner="",plan="p",rule="tried",`,
		`relgate_rule_state{kind="rollback",phase="",plan="p",rule="tried",state="would_fire"} 1`,
		`relgate_rule_would_have_rolled_back{kind="rollback",phase="",plan="p",rule="tried"} 2`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(line, "ALERTS") && strings.Contains(line, "tried") || strings.Contains(line, "rolled_back") && strings.Contains(line, "tried-too") {
			t.Errorf("the page says %s", line)
		}
	}
}
