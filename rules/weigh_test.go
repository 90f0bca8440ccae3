package rules

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// A success rule's limit and a rollback rule's trigger on one signal belong
// together, as bounds on what is bad, and the budget is split by weight.
func TestLimitsTriggersAndBudget(t *testing.T) {
	spec := weighingSpec()
	spec.Release.FalseRollback, spec.Release.FalsePass = &Fraction{0.04}, &Fraction{0.1}
	spec.Rollback = append(spec.Rollback, RollbackSpec{RuleSpec: RuleSpec{Name: "crashes-high", Signal: "crash_free", When: when("< 98 %"), Owner: "Ops"}, Action: "a", Command: "b", Weight: ptr(2.0)})
	spec.Phases[1].Rollback = append(spec.Phases[1].Rollback, "crashes-high")
	plan := compile(t, spec)
	if plan.FalseRollback != 0.04 || plan.FalsePass != 0.1 {
		t.Errorf("got risks %v and %v", plan.FalseRollback, plan.FalsePass)
	}
	for name, want := range map[string][3]float64{
		"errors":       {0.01, 0.03, 0.01},
		"errors-high":  {0.01, 0.03, 0.01},
		"slow":         {0.05, 0.05, 0.04}, // two different exceedances have no bounds in common
		"slow-high":    {0.05, 0.05, 0.01},
		"crashes":      {0.005, 0.02, 0.02},
		"crashes-high": {0.005, 0.02, 0.02},
		"gap":          {0.07, 0.07, 0.04},
		"stars":        {4.5, 4.5, 0.04},
	} {
		for _, r := range plan.Rules {
			if got := [3]float64{r.Limit, r.Trigger, r.Alpha}; r.Name == name && (r.Method != Sequential || got != want) {
				t.Errorf("%s (%v): got limit, trigger and alpha %v, want %v", name, r.Method, got, want)
			}
		}
	}
}

// A rule that no phase watches takes nothing from those that may fire.
func TestUnwatchedRuleHasNoPartInTheBudget(t *testing.T) {
	spec := weighingSpec()
	spec.Rollback[1].Weight = ptr(3.0)
	spec.Phases[0].Rollback = []string{"errors-high"}
	plan, problems := Compile(spec)
	if plan == nil {
		t.Fatal(problems)
	}
	if got := [2]float64{plan.Rules[5].Alpha, plan.Rules[6].Alpha}; got != [2]float64{0.01, 0.0075} {
		t.Errorf("got alphas %v, want all of the budget for the rule that is watched", got)
	}
}

// What a rule says itself comes before what its partners say.
func TestOwnLimitAndTrigger(t *testing.T) {
	spec := weighingSpec()
	limit, trigger, stars := when("<= 0.5 %"), when("> 4 %"), when("< 4.2")
	spec.Rollback[0].Limit, spec.Success[0].Trigger, spec.Success[4].Trigger = &limit, &trigger, &stars
	spec.Success[1].Proof, spec.Success[0].Gate = ptr(ProofStrong), ptr(Veto)
	plan := compile(t, spec)
	if r := plan.Rules[5]; r.Limit != 0.005 || r.Trigger != 0.03 || r.Weight != 1 {
		t.Errorf("got %+v", r)
	}
	if r := plan.Rules[0]; r.Limit != 0.01 || r.Trigger != 0.04 || r.Gate != Veto {
		t.Errorf("got %+v", r)
	}
	if r := plan.Rules[4]; r.Limit != 4.5 || r.Trigger != 4.2 {
		t.Errorf("got %+v", r)
	}
	if got := plan.Rules[1].Proof; got != ProofStrong {
		t.Errorf("got proof %v", got)
	}
}

// Of several partners the one that favours the release counts: the widest limit,
// the nearest trigger.
func TestPartnersFavourTheRelease(t *testing.T) {
	spec := weighingSpec()
	for i, c := range []string{"< 2 %", "< 0.5 %"} {
		r := SuccessSpec{RuleSpec: RuleSpec{Name: "more" + string(rune('a'+i)), Signal: "error_rate", When: when(c), Owner: "Ops"}}
		spec.Success = append(spec.Success, r)
		spec.Phases[1].Success = append(spec.Phases[1].Success, r.Name)
	}
	for i, c := range []string{"> 2.5 %", "> 5 %"} {
		r := RollbackSpec{RuleSpec: RuleSpec{Name: "back" + string(rune('a'+i)), Signal: "error_rate", When: when(c), Owner: "Ops"}, Action: "a", Command: "b"}
		spec.Rollback = append(spec.Rollback, r)
		spec.Phases[1].Rollback = append(spec.Phases[1].Rollback, r.Name)
	}
	plan := compile(t, spec)
	for _, r := range plan.Rules {
		if r.Signal != 0 {
			continue
		}
		if r.Kind == RollbackRule && r.Limit != 0.02 {
			t.Errorf("%s: got limit %v, want the widest, 2 %%", r.Name, r.Limit)
		}
		if r.Kind == Success && r.Trigger != 0.025 {
			t.Errorf("%s: got trigger %v, want the nearest, 2.5 %%", r.Name, r.Trigger)
		}
	}
}

func TestEvidenceByDefault(t *testing.T) {
	plan := compileGood(t)
	for _, r := range plan.Rules {
		if r.Method != ByThreshold || r.Limit != 0 || r.Alpha != 0 || r.Weight != 0 {
			t.Errorf("got rule %+v, want a plain one", r)
		}
	}
	if plan.FalseRollback != 0.01 || plan.FalsePass != 0.05 {
		t.Errorf("got risks %v and %v", plan.FalseRollback, plan.FalsePass)
	}
	if r := compile(t, weighingSpec()).Rules[0]; r.Coverage != 0.5 {
		t.Errorf("got coverage %v", r.Coverage)
	}
	_, s := compile(t, weighingSpec()).signal(t, "crash_free")
	if s.Maturity.Hours() != 2 || s.Cluster != 0 || s.Rate != 0 {
		t.Errorf("got signal %+v, want two hours to mature", s)
	}
}

// bounds draws a condition that may make sense where another stands.
func bounds(t *rapid.T, c Condition, label string) Condition {
	switch rapid.IntRange(0, 3).Draw(t, label) {
	case 0:
		c.Op = Op(rapid.IntRange(int(NoOp), int(NotEqual)).Draw(t, label))
	case 1:
		c.Unit = Unit(rapid.IntRange(0, 2).Draw(t, label))
	}
	c.Threshold = rapid.SampledFrom([]float64{0, 0.005, 0.01, 0.03, 0.5, 0.95, 0.99, 1, 2.5, 4.5, 5}).Draw(t, label)
	return c
}

// evidenceSpec draws a plan with any of the keys that evidence has.
func evidenceSpec(t *rapid.T) Spec {
	s := weighingSpec()
	most := rapid.IntRange(0, 6).Draw(t, "changes")
	maybe := func(label string) bool { // a few changes, so that some plans are without errors
		if most == 0 || !rapid.Bool().Draw(t, label) {
			return false
		}
		most--
		return true
	}
	share := rapid.SampledFrom([]float64{0, 0.01, 0.3, 0.5, 0.7})
	if maybe("budget") {
		s.Release.FalseRollback, s.Release.FalsePass = &Fraction{share.Draw(t, "false rollback")}, &Fraction{share.Draw(t, "false pass")}
	}
	for i := range s.Success {
		r := &s.Success[i]
		if maybe("when") {
			r.When = bounds(t, r.When, "when")
		}
		if maybe("trigger") {
			c := bounds(t, s.Rollback[i%2].When, "trigger")
			r.Trigger = &c
		}
		if maybe("gate") {
			r.Gate = ptr(Gate(rapid.IntRange(0, 2).Draw(t, "gate")))
		}
		if maybe("evidence") {
			r.Evidence = ptr(Method(rapid.IntRange(0, 1).Draw(t, "evidence")))
		}
	}
	for i := range s.Rollback {
		r := &s.Rollback[i]
		if maybe("when") {
			r.When = bounds(t, r.When, "when")
		}
		if maybe("limit") {
			c := bounds(t, s.Success[i].When, "limit")
			r.Limit = &c
		}
		if maybe("weight") {
			r.Weight = ptr(rapid.SampledFrom([]float64{-1, 0, 0.1, 1, 1000, math.Inf(1), math.NaN()}).Draw(t, "weight"))
		}
		if maybe("evidence") {
			r.Evidence = ptr(Method(rapid.IntRange(0, 1).Draw(t, "evidence")))
		}
		if maybe("datapoints") {
			r.For, r.Datapoints = nil, rapid.SampledFrom([]string{"3 of 5", "6 of 5", "x"}).Draw(t, "datapoints")
		}
		if maybe("signal") {
			r.Signal = rapid.SampledFrom([]string{"crash_free", "stars", "gap", "page"}).Draw(t, "signal")
		}
	}
	for i := range s.Signals {
		if maybe("baseline") {
			s.Signals[i].Baseline = rapid.SampledFrom([]*BaselineSpec{nil, {}, {"release", "p@0"}, {"ExecutedVersion", "42"}, {"ExecutedVersion", "43"}}).Draw(t, "baseline")
		}
		if maybe("rate") {
			s.Signals[i].Rate = rapid.SampledFrom([]string{"2/s", "x"}).Draw(t, "rate")
		}
	}
	return s
}

// Whatever is written: either it is said what is wrong with it, with a fix, or
// the plan is one that evidence can be weighed by.
func TestCompiledEvidenceCanBeWeighed(t *testing.T) {
	plans := 0
	rapid.Check(t, func(t *rapid.T) {
		plan, problems := Compile(evidenceSpec(t))
		for _, p := range problems {
			if p.Path == "" || p.ID == "" || p.Message == "" {
				t.Fatalf("%+v: lacks a path, an id or a message", p)
			}
		}
		if plan == nil {
			return
		}
		plans++
		spent := 0.0
		for _, r := range plan.Rules {
			spent += weighed(t, plan, &r)
		}
		if spent > plan.FalseRollback*(1+1e-9) {
			t.Fatalf("the rules spend %v of %v", spent, plan.FalseRollback)
		}
		for _, p := range plan.Phases {
			required := false
			for _, i := range p.Success {
				required = required || plan.Rules[i].Gate == Required
			}
			if !required {
				t.Fatalf("phase %q could pass on nothing", p.Name)
			}
		}
		text, err := json.Marshal(plan)
		back, read := ReadPlan(text, standIns)
		if err != nil || read != nil || !reflect.DeepEqual(back, plan) {
			t.Fatalf("%s reads back as another plan (%v)", text, err)
		}
	})
	if plans == 0 {
		t.Error("no plan was without errors")
	}
}

// weighed checks a rule of a plan without errors, and gives what it may spend of
// the budget.
func weighed(t *rapid.T, plan *Plan, r *Rule) float64 {
	if r.Method != Sequential {
		if r.Limit != 0 || r.Trigger != 0 || r.Alpha != 0 {
			t.Fatalf("%+v: compares, and has bounds to weigh against", r)
		}
		return 0
	}
	sig := &plan.Signals[r.Signal]
	low, high := sig.extent()
	if r.Over != 0 || r.Alpha <= 0 || r.Alpha > plan.FalseRollback || !(r.Limit > low && r.Limit < high && r.Trigger > low && r.Trigger < high) || !sig.beyond(r.Trigger, r.Limit) {
		t.Fatalf("%+v: cannot be weighed", r)
	}
	if b := sig.Baseline; b != 0 {
		other := &plan.Signals[b]
		if other.BaselineOf != sig.Name || other.Kind != sig.Kind || other.Above != sig.Above || other.Keep != sig.Keep || reflect.DeepEqual(other.Query, sig.Query) {
			t.Fatalf("%+v is no baseline of %+v", other, sig)
		}
		if sig.Of >= 0 && plan.Signals[other.Of].BaselineOf != plan.Signals[sig.Of].Name {
			t.Fatalf("%+v is derived of another signal than the baseline of what %+v is of", other, sig)
		}
	}
	if r.Kind == Success {
		return 0
	}
	return r.Alpha
}
