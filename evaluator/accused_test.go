package evaluator

import (
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// failing is a run whose only phase fails while its rollback rule breaches: it does so
// from a minute on, up to another, and rolls back after ten.
func failing(t *testing.T, from, to int64) *world {
	p := smallPlan()
	p.Phases, p.Communications = p.Phases[:1], nil
	w := newWorld(t, p)
	w.value = func(signal int, at int64) (float64, float64, bool) {
		if m := (at - T.Unix()) / 60; signal == 0 && m >= from && m < to {
			return 200, 1000, true
		}
		return 1, 1000, true
	}
	return w
}

func TestAAccusedRunIsStillRolledBack(t *testing.T) {
	w := failing(t, 12, 60)
	w.run(T.Add(18 * time.Minute))
	s := Look(w.plan, restored(t, w.state))
	if s.State != rules.Failed || !s.Accused || s.Over || len(Wants(w.plan, w.state, w.now.Add(time.Minute))) == 0 || Outlined(w.plan, w.state).Idle {
		t.Fatalf("%v, accused %v, over %v\n%s", s.State, s.Accused, s.Over, w.lines())
	}
	w.run(T.Add(30 * time.Minute))
	s = Look(w.plan, w.state)
	if s.State != rules.RolledBack || s.Fired == nil || s.Fired.Subject != "high" || s.Phases[0].State != rules.Failed || s.Phases[0].Verdict != rules.Rollback || s.Accused {
		t.Errorf("%v, phase %v %v\n%s", s.State, s.Phases[0].State, s.Phases[0].Verdict, w.lines())
	}
}

func TestAFailedRunIsOverOnceItsRulesAreClear(t *testing.T) {
	w := failing(t, 12, 20)
	w.run(T.Add(18 * time.Minute))
	if s := Look(w.plan, w.state); s.State != rules.Failed || s.Over {
		t.Fatalf("%v, over %v", s.State, s.Over)
	}
	w.run(T.Add(24 * time.Minute))
	s := Look(w.plan, w.state)
	if s.State != rules.Failed || s.Accused || !s.Over || len(Wants(w.plan, w.state, w.now.Add(time.Minute))) != 0 || !Outlined(w.plan, w.state).Idle {
		t.Errorf("%v, accused %v, over %v\n%s", s.State, s.Accused, s.Over, w.lines())
	}
	w.want("rule high: breaching => clear", "run REL: failed => over (threshold) watch_ended\n")
	n := len(w.events)
	w.run(T.Add(time.Hour))
	if len(w.events) != n {
		t.Errorf("then %s", w.lines())
	}
}

// A failed run that is not accused is over at once, also where its rules cannot be
// judged, warn of something else, or are in shadow.
func TestAFailedRunThatIsNotAccusedIsOver(t *testing.T) {
	for name, bend := range map[string]func(w *world){
		"its rule was clear":     func(w *world) { w.plan.Rules[1].When = pct("> 90 %") },
		"its rule was in shadow": func(w *world) { w.plan.Rules[1].Shadow = true },
		"its rule has no data": func(w *world) {
			w.plan.Rules[1].Signal, w.plan.Rules[2].Signal = 1, 1
			value := w.value
			w.value = func(signal int, at int64) (float64, float64, bool) {
				v, n, _ := value(signal, at)
				return v, n, signal == 0
			}
		},
	} {
		w := failing(t, 0, 60)
		bend(w)
		w.run(T.Add(18 * time.Minute))
		if s := Look(w.plan, w.state); s.State != rules.Failed || !s.Over {
			t.Errorf("%s: %v, over %v\n%s", name, s.State, s.Over, w.lines())
		}
	}
}

// Silence does not end the watch, and nothing is watched for ever.
func TestTheWatchOfAFailedRunEnds(t *testing.T) {
	w := failing(t, 12, 20)
	value := w.value
	w.value = func(signal int, at int64) (float64, float64, bool) {
		v, n, ok := value(signal, at)
		return v, n, ok && at < T.Add(18*time.Minute).Unix()
	}
	w.run(T.Add(3 * time.Hour))
	if s := Look(w.plan, w.state); s.State != rules.Failed || !s.Accused {
		t.Fatalf("%v, accused %v\n%s", s.State, s.Accused, w.lines())
	}
	w.now = Quiet(w.plan, w.state)
	for range 3000 {
		if w.tick(); Look(w.plan, w.state).Over {
			break
		}
		w.now = maxTime(Quiet(w.plan, w.state), w.now.Add(w.plan.Interval))
	}
	if s := Look(w.plan, w.state); !s.Over || s.At.Before(T.Add(24*time.Hour)) || s.At.After(T.Add(26*time.Hour)) {
		t.Errorf("over %v at %v", s.Over, s.At)
	}
	if e := w.events[len(w.events)-1]; e.To != fact.Over || !e.Why.Until.Equal(e.At) || e.Severity() != fact.Info || e.Order() {
		t.Errorf("it ends with %s", line(e))
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Evidence that held the run keeps it watched for as long as it stands.
func TestAFailedRunIsWatchedWhileEvidenceStands(t *testing.T) {
	p := weighPlan(time.Hour)
	p.Signals = p.Signals[:1]
	p.Rules[1].For = 50 * time.Minute // it holds soon, and rolls back late
	w := newWorld(t, p)
	w.value = binomials(4, 60, func(_ int, m int64) float64 {
		if m >= 45 && m < 75 {
			return .1
		}
		return .001
	})
	w.run(T.Add(65 * time.Minute))
	s := Look(p, restored(t, w.state))
	if s.State != rules.Failed || !s.Accused || s.Rollback[0].State != fact.RuleHolding {
		t.Fatalf("%v, accused %v, the rule is %v\n%s", s.State, s.Accused, s.Rollback[0].State, w.lines())
	}
	w.run(T.Add(6 * time.Hour))
	if s := Look(p, w.state); s.Accused || s.State == rules.Failed && s.Rollback[0].State == fact.RuleHolding {
		t.Errorf("%v, accused %v, the rule is %v\n%s", s.State, s.Accused, s.Rollback[0].State, w.lines())
	}
}

// holdsAfterFailing is a run that a person has failed while its rule warned, and whose
// rule has come to hold since: nothing holds the run.
func holdsAfterFailing(t *testing.T) *world {
	t.Helper()
	p := weighPlan(4 * time.Hour)
	p.Signals = p.Signals[:1]
	p.Rules[1].For = 20 * time.Hour // it holds, and does not roll back
	p.Phases = append(p.Phases, rules.Phase{Name: "all", Traffic: 1, Start: 30 * time.Minute, Window: time.Hour, Extend: time.Hour, Success: []int{0}, Rollback: []int{1}})
	p.Phases[0].Window = 20 * time.Minute
	w := newWorld(t, p)
	w.value = binomials(4, 60, func(_ int, m int64) float64 {
		if m >= 10 {
			return .05
		}
		return .001
	})
	for w.now.Before(T.Add(2 * time.Hour)) {
		w.run(w.now.Add(time.Minute))
		switch w.ruleView("high").State {
		case fact.RuleWarning:
			if Look(p, w.state).State == rules.Monitoring {
				if got := w.command(fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Fail}); got != "applied" {
					t.Fatalf("override: %s", got)
				}
			}
		case fact.RuleHolding:
			e := w.events[len(w.events)-1]
			if s := Look(p, w.state); s.State != rules.Failed || s.Held || !s.Accused || s.Rollback[0].Why.State != "failed" || e.To != string(fact.RuleHolding) || e.Why.State != "failed" {
				t.Fatalf("it is %v, held %v, accused %v\n%s", s.State, s.Held, s.Accused, w.lines())
			}
			return w
		}
	}
	t.Fatalf("it never holds:\n%s", w.lines())
	return nil
}

// Whoever overrides a failed run knows of the rules that would hold it: they hold it again
// only by a resume's terms, and the run is not stuck behind a hold that it does not have.
func TestAnOverrideAcknowledgesTheRulesThatWouldHold(t *testing.T) {
	w := holdsAfterFailing(t)
	if got := w.command(fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Pass}); got != "applied" {
		t.Fatalf("override: %s", got)
	}
	w.want("command override:  => applied (manual) commanded phase=ten verdict=pass", "rule high: holding => warning (manual) overridden phase=ten verdict=pass", "run REL: failed => monitoring")
	v := w.ruleView("high")
	if s := Look(w.plan, w.state); s.State != rules.Monitoring || s.Held || v.State != fact.RuleWarning || v.Verdict != rules.Pending {
		t.Fatalf("it is %v, held %v; the rule is %s, %v\n%s", s.State, s.Held, v.State, v.Verdict, w.lines())
	}
	w.run(w.now.Add(10 * time.Minute))
	if s := Look(w.plan, w.state); s.Held || s.Phases[1].Why.Code == fact.WhyRuleHolds {
		t.Errorf("held %v, the next phase says %+v\n%s", s.Held, s.Phases[1].Why, w.lines())
	}
}

// A run that is held stays so when it is overridden.
func TestAnOverrideEndsNoHold(t *testing.T) {
	w := holdsAfterFailing(t)
	w.state.run.held, w.state.run.hold = true, fact.Why{Code: fact.WhyHeldByRule, Rule: "high", Cause: rules.CauseEvidence}
	w.command(fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Pass})
	if s := Look(w.plan, w.state); s.State != rules.Held || w.ruleView("high").State != fact.RuleHolding {
		t.Errorf("it is %v, the rule %s\n%s", s.State, w.ruleView("high").State, w.lines())
	}
}

// Before a run that is overridden goes further, its rollback rules are judged.
func TestAnOverriddenRunIsJudgedBeforeItGoesOn(t *testing.T) {
	until := func(now time.Time) *world {
		p := smallPlan()
		p.Communications = nil
		p.Phases[1].Start = 19 * time.Minute
		w := newWorld(t, p)
		w.value = failing(t, 12, 60).value
		w.run(now)
		return w
	}
	first := until(T.Add(40 * time.Minute))
	if first.events[len(first.events)-1].To == "" || Look(first.plan, first.state).State != rules.RolledBack {
		t.Fatalf("it is not rolled back:\n%s", first.lines())
	}
	fired := Look(first.plan, first.state).Fired.At
	w := until(fired)
	if s := Look(w.plan, w.state); s.State != rules.Failed || !w.now.Equal(fired) {
		t.Fatalf("it is %v at %v", s.State, w.now)
	}
	w.command(fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Pass})
	w.want("run REL: failed => monitoring", "rule high: breaching => fired", "run REL: monitoring => rolled_back")
	w.never("phase all: waiting => monitoring")
}

// Other rules than the one that fired may hold a run whose rollback is overridden.
func TestAnOverriddenRollbackAcknowledgesTheRulesThatWouldHold(t *testing.T) {
	w := holdsAfterFailing(t)
	if got := w.command(fact.Command{Kind: fact.Abort}); got != "applied" {
		t.Fatalf("abort: %s", got)
	}
	w.run(w.now.Add(2 * time.Minute))
	if got := w.command(fact.Command{Kind: fact.Override, Verdict: rules.Pass}); got != "applied" {
		t.Fatalf("override: %s", got)
	}
	w.want("rule high: holding => warning (manual) rollback_overridden", "run REL: rolled_back => monitoring")
}

// A phase whose start came while its run was over begins when that goes on: what its
// sources counted before is not of it.
func TestAPhaseOfAnOverriddenRunBeginsWithIt(t *testing.T) {
	override := func(v rules.Verdict, phase string) fact.Command {
		return fact.Command{Kind: fact.Override, Phase: phase, Verdict: v}
	}
	for about, commands := range map[string][]fact.Command{
		"a failure":  {override(rules.Fail, "ten"), override(rules.Pass, "ten")},
		"a rollback": {override(rules.Pass, "ten"), {Kind: fact.Abort}, override(rules.Pass, "")},
	} {
		w := newWorld(t, smallPlan())
		w.run(T.Add(10 * time.Minute))
		for i, c := range commands {
			if w.now = w.now.Add(w.plan.Interval); i == len(commands)-1 {
				w.now = T.Add(4 * time.Hour)
			}
			if got := w.command(c); got != "applied" {
				t.Fatalf("%s: %s: %s", about, c.Kind, got)
			}
		}
		if v := Look(w.plan, w.state).Phases[1]; v.State != rules.Monitoring || !v.Started.Equal(w.now) {
			t.Errorf("%s: the next phase is %v, began at %v\n%s", about, v.State, v.Started, w.lines())
		}
	}
}
