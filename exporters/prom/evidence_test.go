package prom_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

func TestEvidence(t *testing.T) {
	now := t0.Add(5 * time.Minute)
	_, page := get(t, newExporter(&now, weighing("p")).Handler())
	high := `{kind="rollback",phase="",plan="p",rule="errors-high"} `
	success := `{kind="success",phase="ten",plan="p",rule="errors"} `
	idle := `{kind="success",phase="all",plan="p",rule="errors"} `
	stars := `{kind="rollback",phase="",plan="p",rule="rating-low"} `
	gap := `{kind="rollback",phase="",plan="p",rule="gap-high"} `
	wantLines(t, page,
		`relgate_plan_false_rollback_ratio{plan="p"} 0.01`,
		`relgate_rule_false_rollback_ratio`+high+`0.0025`,
		`relgate_rule_bad_samples`+high+`6`,
		`relgate_rule_samples`+high+`112`,
		`relgate_rule_value_low`+high+`0.009`,
		`relgate_rule_value_high`+high+`0.15`,
		`relgate_rule_evidence_log`+high+`6.5`,
		`relgate_rule_evidence_bound_log`+high+`5.991464547107982`,
		`relgate_rule_evidence_warning_log`+high+`7.5`,
		`relgate_rule_evidence_middle_log`+high+`1.25`,
		`relgate_rule_evidence_baseline_log`+high+`-2.5`,
		`relgate_rule_baseline_value`+high+`0.0039603960396039604`,
		`relgate_rule_proof_target_log`+success+`-0.5`,
		`relgate_rule_proof_trigger_log`+success+`0.25`,
		`relgate_rule_proof_bound_log`+success+`2.995732273553991`,
		`relgate_rule_samples_needed`+success+`270`,
		`relgate_rule_evidence_earlier_log`+success+`1.75`,
		`relgate_rule_evidence_log`+idle+`0`,
		fmt.Sprintf(`relgate_rule_evidence_bound_log%s%v`, idle, -math.Log(.01)),
		fmt.Sprintf(`relgate_rule_proof_bound_log%s%v`, idle, -math.Log(.05)),
		`relgate_rule_evidence_log`+stars+`6.5`,
		`relgate_rule_value_low`+gap+`0.009`,
		`relgate_rule_false_rollback_ratio`+gap+`0.0025`,
		`relgate_rule_state{kind="rollback",phase="",plan="p",rule="errors-high",state="holding"} 1`,
		`relgate_rule_state{kind="rollback",phase="",plan="p",rule="errors-high",state="warning"} 0`,
		`relgate_rule_state{kind="rollback",phase="",plan="p",rule="rating-low",state="warning"} 1`,
	)
	wantNone(t, page,
		`relgate_rule_proof_target_log`+high, `relgate_rule_samples_needed`+high, `relgate_rule_false_rollback_ratio`+success,
		`relgate_rule_evidence_earlier_log`+high, `relgate_rule_baseline_value`+success, `relgate_rule_evidence_baseline_log`+success, `relgate_rule_value_low`+idle, `relgate_rule_value_high`+idle,
		`relgate_rule_bad_samples`+idle, `relgate_rule_samples_needed`+idle, `relgate_rule_bad_samples`+stars, `relgate_rule_evidence_warning_log`+stars, `relgate_rule_evidence_middle_log`+stars,
		`relgate_rule_evidence_log`+gap, `relgate_rule_evidence_bound_log`+gap, `relgate_rule_bad_samples`+gap,
		`relgate_rule_evidence_log{kind="success",phase="ten",plan="p",rule="api-5xx"}`,
	)
}

// How many samples a rule still needs is 0 of one that passes, and absent of one that
// no further samples would let pass.
func TestSamplesNeededAreZeroOnlyOfARuleThatPasses(t *testing.T) {
	now := t0.Add(5 * time.Minute)
	v := weighing("p")
	r := &v.Run.Snapshot.Phases[0].Success[1]
	r.Evidence.Weighed.More = 0
	_, page := get(t, newExporter(&now, v).Handler())
	wantNone(t, page, `relgate_rule_samples_needed{kind="success",phase="ten",plan="p",rule="errors"}`)
	r.Verdict = rules.Pass
	_, page = get(t, newExporter(&now, v).Handler())
	wantLines(t, page, `relgate_rule_samples_needed{kind="success",phase="ten",plan="p",rule="errors"} 0`)
}

// What a baseline of good samples is worth is the share of good ones, and what has no
// samples is worth nothing that could be shown.
func TestABaselineIsShownAsItsSignalIs(t *testing.T) {
	now := t0.Add(5 * time.Minute)
	v := weighing("p")
	high := `relgate_rule_baseline_value{kind="rollback",phase="",plan="p",rule="errors-high"}`
	for i := range v.Run.Plan.Signals {
		v.Run.Plan.Signals[i].Good = true
	}
	_, page := get(t, newExporter(&now, v).Handler())
	wantLines(t, page, high+` 0.996039603960396`)
	for i := range v.Run.Snapshot.Rollback {
		if w := v.Run.Snapshot.Rollback[i].Evidence.Weighed; w != nil && w.Baseline != nil {
			w.Baseline.Samples, w.Baseline.Bad = 0, 0
		}
	}
	_, page = get(t, newExporter(&now, v).Handler())
	wantNone(t, page, high)
}

// A plan whose rollback rules compare with thresholds has no budget of false rollbacks.
func TestAPlanThatWeighsNothingHasNoBudget(t *testing.T) {
	now := t0.Add(5 * time.Minute)
	v := weighing("p")
	for i := range v.Run.Plan.Rules {
		if r := &v.Run.Plan.Rules[i]; r.Kind == rules.RollbackRule {
			r.Method = rules.ByThreshold
		}
	}
	_, page := get(t, newExporter(&now, v).Handler())
	wantNone(t, page, "relgate_plan_false_rollback_ratio")
}

func TestEvidenceAlerts(t *testing.T) {
	now := t0.Add(5 * time.Minute)
	_, page := get(t, newExporter(&now, weighing("p")).Handler())
	wantLines(t, page,
		`ALERTS{alertname="errors-high",alertstate="firing",phase="",plan="p",severity="critical"} 1`,
		`ALERTS{alertname="rating-low",alertstate="pending",phase="",plan="p",severity="critical"} 1`,
		`ALERTS{alertname="errors",alertstate="pending",phase="ten",plan="p",severity="warning"} 1`,
		fmt.Sprintf(`ALERTS_FOR_STATE{alertname="errors-high",phase="",plan="p",severity="critical"} %v`, float64(t0.Add(time.Minute).Unix())),
	)
	wantNone(t, page, `ALERTS{alertname="gap-high"`)
}

// No number of the evidence makes a series that no comparison can see, and no
// sentence becomes a label.
func TestEvidenceIsFinite(t *testing.T) {
	now := t0
	for _, odd := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		v := weighing("p")
		v.Run.Plan.Rules[4].Alpha = odd
		r := &v.Run.Snapshot.Rollback[2]
		r.Evidence.Weighed = &fact.Weighed{
			Bad: odd, Low: odd, High: odd, Against: odd, Bound: odd, Warning: odd, Middle: odd, Baseline: &fact.Beside{Worse: odd},
		}
		v.Run.Snapshot.Holder = fact.Holder{By: r.Name, Rule: true, Text: "HOLD: because"}
		_, page := get(t, newExporter(&now, v).Handler())
		if strings.Contains(page, "HOLD") {
			t.Error("the sentence is on the page")
		}
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "relgate_rule_") && (strings.HasSuffix(line, "NaN\n") || strings.HasSuffix(line, "Inf\n")) {
				t.Errorf("%v: %s", odd, line)
			}
		}
	}
}
