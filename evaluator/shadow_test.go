package evaluator

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// shadowed puts every rule of a kind in shadow.
func shadowed(p *rules.Plan, kind rules.RuleKind) *rules.Plan {
	for i := range p.Rules {
		if p.Rules[i].Kind == kind {
			p.Rules[i].Shadow = true
		}
	}
	return p
}

// ruleView is what a snapshot says of a rollback rule.
func (w *world) ruleView(name string) fact.RuleView {
	w.t.Helper()
	s := Look(w.plan, restored(w.t, w.state))
	for _, v := range s.Rollback {
		if v.Name == name {
			return v
		}
	}
	w.t.Fatalf("no rollback rule %q", name)
	return fact.RuleView{}
}

// ruleStates are the states that a rollback rule was told to come to, in order.
func (w *world) ruleStates(name string) string {
	var list []string
	for _, e := range w.events {
		if e.Kind == fact.RuleEvent && e.Subject == name {
			list = append(list, e.To)
		}
	}
	return strings.Join(list, " ")
}

func TestARollbackRuleInShadowCountsAndNeverActs(t *testing.T) {
	p := shadowed(smallPlan(), rules.RollbackRule)
	p.Rules[0].When = pct("< 50 %")
	w := newWorld(t, p)
	w.value = func(signal int, at int64) (float64, float64, bool) {
		minute := (at - T.Unix()) / 60
		if signal == 0 && (minute < 12 || minute >= 22 && minute < 34) {
			return 50, 1000, true
		}
		return 1, 1000, true
	}
	w.run(T.Add(20 * time.Minute))
	if got := w.ruleView("high"); got.WouldHave != 1 || !got.Shadow {
		t.Errorf("after the first breach: %+v", got)
	}
	w.run(T.Add(2 * time.Hour))
	s := Look(p, w.state)
	if s.State == rules.RolledBack || s.Held || s.Fired != nil {
		t.Errorf("the run is %v, held %v, fired %v", s.State, s.Held, s.Fired)
	}
	if got := w.ruleView("high"); got.WouldHave != 2 || got.State != fact.RuleClear || got.Verdict != rules.Pass {
		t.Errorf("at the end: %+v", got)
	}
	if got, want := w.ruleStates("high"), "clear breaching would_fire clear breaching would_fire clear"; !strings.HasSuffix(got, strings.TrimPrefix(want, "clear ")) {
		t.Errorf("it went through %s, want %s", got, want)
	}
	for _, e := range w.events {
		if e.To == string(fact.RuleWouldFire) && (e.Severity() != fact.Warning || e.Order() || e.Evidence == nil || e.Why.N == 0) {
			t.Errorf("%s: severity %s, order %v", line(e), e.Severity(), e.Order())
		}
	}
}

func TestWhatARollbackRuleInShadowSaysKeepsNoPhaseFromPassing(t *testing.T) {
	for name, bend := range map[string]func(w *world){
		"it breaches": func(w *world) { w.plan.Rules[1].When = pct("> 0.01 %"); w.plan.Rules[1].For = 10 * time.Hour },
		"it fires":    func(w *world) { w.plan.Rules[1].When = pct("> 0.01 %") },
		"it is silent": func(w *world) {
			w.value = func(signal int, at int64) (float64, float64, bool) { return 1, 1000, signal == 0 }
		},
		"it would fail or roll back when silent": func(w *world) {
			w.plan.Rules[1].OnNoData, w.plan.Rules[2].OnNoData = rules.PolicyFail, rules.PolicyRollback
			w.value = func(signal int, at int64) (float64, float64, bool) { return 1, 1000, signal == 0 }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, shadowed(smallPlan(), rules.RollbackRule))
			bend(w)
			w.run(T.Add(2 * time.Hour))
			s := Look(w.plan, w.state)
			if s.State != rules.Passed {
				t.Errorf("the run is %v:\n%s", s.State, w.lines())
			}
			if why := s.Phases[0].Why; why.Code != fact.WhyRulesHold || why.Of != 0 || why.N != 0 || why.Warn != "" {
				t.Errorf("the first phase passed by %+v", why)
			}
		})
	}
}

// A policy that would roll back is told and counted like any other rollback.
func TestAPolicyInShadowIsCounted(t *testing.T) {
	p := shadowed(smallPlan(), rules.RollbackRule)
	p.Rules[2].OnNoData = rules.PolicyRollback
	w := newWorld(t, p)
	w.value = func(signal int, at int64) (float64, float64, bool) {
		return 1, 1000, signal == 0 || at > T.Add(40*time.Minute).Unix()
	}
	w.run(T.Add(35 * time.Minute))
	if v := w.ruleView("crashy"); v.State != fact.RuleWouldFire || v.WouldHave != 1 || v.Cause != rules.CauseNoData || v.Why.Code != fact.WhyCannotJudge {
		t.Errorf("while it is silent: %+v\n%s", v, w.lines())
	}
	w.run(T.Add(60 * time.Minute))
	if v := w.ruleView("crashy"); v.State != fact.RuleClear || v.WouldHave != 1 {
		t.Errorf("after it has come back: %+v\n%s", v, w.lines())
	}
}

// It would have rolled back until it is clear, in a lull too.
func TestARuleInShadowWouldHaveUntilItIsClear(t *testing.T) {
	p := shadowed(smallPlan(), rules.RollbackRule)
	p.Rules[1].KeepFiring = 10 * time.Minute
	w := newWorld(t, p)
	w.value = func(signal int, at int64) (float64, float64, bool) {
		if signal == 0 && at < T.Add(11*time.Minute).Unix() {
			return 50, 1000, true
		}
		return 0, 1000, true
	}
	w.run(T.Add(14 * time.Minute))
	if v := w.ruleView("high"); v.State != fact.RuleWouldFire || v.Cause != rules.CauseThreshold || v.WouldHave != 1 {
		t.Errorf("it is %s, %s, %d times", v.State, v.Cause, v.WouldHave)
	}
}

func TestAHoldInShadowHoldsNothing(t *testing.T) {
	w := newWorld(t, shadowed(weighPlan(4*time.Hour), rules.RollbackRule))
	w.plan.Signals[0].Baseline = 1
	w.value = binomials(2, 12, func(_ int, m int64) float64 {
		if m >= 20 && m < 35 {
			return .1
		}
		return .005
	})
	w.run(T.Add(6 * time.Hour))
	if s := Look(w.plan, w.state); s.Held || !strings.Contains(w.ruleStates("high"), "would_hold") || strings.Contains(w.ruleStates("high"), " holding") {
		t.Errorf("held %v; the rule went through %s", s.Held, w.ruleStates("high"))
	}
	if v := w.ruleView("high"); v.WouldHave != 0 {
		t.Errorf("it would have rolled back %d times", v.WouldHave)
	}
}

// Evidence that would roll back does so as long as it stands.
func TestEvidenceInShadowWouldFireOnce(t *testing.T) {
	w := newWorld(t, shadowed(weighPlan(4*time.Hour), rules.RollbackRule))
	w.value = binomials(1, 120, func(int, int64) float64 { return .08 })
	w.run(T.Add(3 * time.Hour))
	v := w.ruleView("high")
	if v.State != fact.RuleWouldFire || v.WouldHave != 1 || v.Why.N != 1 || v.Evidence.Weighed.Rung != fact.RollbackRung {
		t.Errorf("%+v", v)
	}
	if s := Look(w.plan, w.state); s.State != rules.Monitoring || s.Held {
		t.Errorf("the run is %v, held %v", s.State, s.Held)
	}
}

func TestASuccessRuleInShadowDecidesNothing(t *testing.T) {
	for _, policy := range []rules.Policy{rules.PolicyHold, rules.PolicyFail, rules.PolicyRollback} {
		p := smallPlan()
		p.Rules = append(p.Rules, rules.Rule{
			Name: "tight", Kind: rules.Success, Signal: 1, When: pct("< 0.01 %"), Alarm: -1, Coverage: .8, Shadow: true, OnNoData: policy,
		})
		p.Phases[0].Success, p.Phases[1].Success = []int{0, 3}, []int{3, 0}
		w := newWorld(t, p)
		silent := policy != rules.PolicyHold
		if silent {
			p.Phases[0].Rollback, p.Phases[1].Rollback = []int{1}, []int{1}
			w.value = func(signal int, at int64) (float64, float64, bool) { return 1, 1000, signal == 0 }
		}
		w.run(T.Add(2 * time.Hour))
		s := Look(p, w.state)
		if s.State != rules.Passed {
			t.Errorf("%v: the run is %v:\n%s", policy, s.State, w.lines())
		}
		if v := s.Phases[0].Success[1]; !v.Shadow || v.Verdict != rules.Fail {
			t.Errorf("%v: the rule says %+v", policy, v)
		}
		if why := s.Phases[1].Why; why.Rule != "few" {
			t.Errorf("%v: the second phase passed by %q", policy, why.Rule)
		}
	}
}
