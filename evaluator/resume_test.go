package evaluator

import (
	"slices"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/rules"
)

// heldBeside runs an outage that release and baseline share until the run is held, under
// a rule whose hold may end by itself. After it, each has the rate that then gives.
func heldBeside(t *testing.T, then func(signal int, minute int64) float64) *world {
	t.Helper()
	return heldBesideFor(t, 10*time.Minute, then)
}

// heldBesideFor is the same under a rule that wants its data to be good for so long.
func heldBesideFor(t *testing.T, after time.Duration, then func(signal int, minute int64) float64) *world {
	t.Helper()
	p := weighPlan(8 * time.Hour)
	p.Signals[0].Baseline = 1
	p.Rules[1].ResumeAfter = after
	w := newWorld(t, p)
	w.value = binomials(2, 60, func(signal int, m int64) float64 {
		if m >= 20 && m < 35 {
			return .1
		}
		return then(signal, m)
	})
	for w.now.Before(T.Add(time.Hour)) {
		w.tick()
		w.now = w.now.Add(time.Minute)
		if Look(p, w.state).Held {
			return w
		}
	}
	t.Fatal("the run was never held")
	return nil
}

func good(int, int64) float64 { return .001 }

// resumed is the event of the run going on, nil where it has not.
func (w *world) resumed() *fact.Event {
	for i := range w.events {
		if e := &w.events[i]; e.Kind == fact.RunEvent && e.From == rules.Held.String() {
			return e
		}
	}
	return nil
}

func TestAHoldForABaselineAsBadEndsByItself(t *testing.T) {
	w := heldBeside(t, good)
	w.run(T.Add(7 * time.Hour))
	e := w.resumed()
	if e == nil || e.To != rules.Monitoring.String() || e.Why.Code != fact.WhyResumedItself || e.Why.Rule != "high" || e.Cause != rules.CauseBaseline || !e.Order() {
		t.Fatalf("the run did not go on by itself: %+v\n%s", e, w.lines())
	}
	if e.Why.Since.Before(T.Add(35*time.Minute)) || e.At.Sub(e.Why.Since) < 10*time.Minute {
		t.Errorf("at %v it says that the data has been good since %v", e.At, e.Why.Since)
	}
	t.Logf("held for an outage until T+35m, goes on at T+%v", e.At.Sub(T))
	if v := w.ruleView("high"); v.State != fact.RuleClear {
		t.Errorf("then the rule is %s", v.State)
	}
	w.run(T.Add(9*time.Hour + 30*time.Minute))
	if s := Look(w.plan, w.state); s.State != rules.Passed {
		t.Errorf("the run is %v: %+v", s.State, s.Phases[0].Why)
	}
}

func TestAHoldThatEndedMayComeAgain(t *testing.T) {
	w := heldBeside(t, func(_ int, m int64) float64 {
		if m >= 400 && m < 415 {
			return .1
		}
		return .001
	})
	w.run(T.Add(420 * time.Minute))
	if s := Look(w.plan, w.state); w.resumed() == nil || !s.Held || s.Holder.Cause != rules.CauseBaseline {
		t.Errorf("held %v, %+v\n%s", s.Held, s.Holder, w.lines())
	}
}

func TestAHoldDoesNotEndByItself(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(signal int, minute int64) float64
		bend func(w *world)
	}{
		{"where the plan does not say so", good, func(w *world) { w.plan.Rules[1].ResumeAfter = 0 }},
		{"before its data can have been good for so long", good, func(w *world) {
			p := *w.plan
			p.Rules = slices.Clone(p.Rules)
			p.Rules[1].ResumeAfter = 9 * time.Hour
			w.plan = &p
		}},
		{"while the baseline is bad", func(signal int, _ int64) float64 { return .1 * float64(signal) }, func(*world) {}},
		{"while the release is bad", func(int, int64) float64 { return .02 }, func(*world) {}},
		{"while the source of the baseline is down", good, func(w *world) {
			w.bend = func(rd *rules.Reading) bool {
				if rd.Signal == 1 && rd.To > T.Add(40*time.Minute).Unix() {
					rd.Points, rd.Fault = nil, rules.Unavailable
				}
				return true
			}
		}},
		{"while the release is silent", good, func(w *world) {
			w.bend = func(rd *rules.Reading) bool { return rd.Signal == 1 || rd.To < T.Add(40*time.Minute).Unix() }
		}},
		{"on data with holes", good, func(w *world) {
			value := w.value
			w.value = func(signal int, at int64) (float64, float64, bool) {
				if at/60%3 != 0 {
					return 0, 0, false
				}
				return value(signal, at)
			}
		}},
		{"once it rests on evidence against the release", good, func(w *world) { w.state.rules[1].Cause = rules.CauseEvidence }},
		{"that another rule caused, which has left the plan", good, func(w *world) { w.state.run.hold.Rule = "gone" }},
		{"that began with evidence against the release", good, func(w *world) { w.state.run.hold.Cause = rules.CauseEvidence }},
		{"which a person has joined", good, func(w *world) {
			if got := w.command(fact.Command{Kind: fact.Hold}); got != "applied" {
				t.Errorf("a person's hold: %s", got)
			}
			if h := Look(w.plan, restored(t, w.state)).Holder; h.By != "ann" || h.Rule || h.Evidence != nil || h.Cause != rules.CauseManual {
				t.Errorf("then the holder is %+v", h)
			}
			if got := w.command(fact.Command{Kind: fact.Hold}); got != "held_already" {
				t.Errorf("a second hold of a person: %s", got)
			}
			w.now = w.now.Add(time.Minute)
		}},
		{"of a person", good, func(w *world) { w.state.run.hold = fact.Why{Code: fact.WhyHeld, By: "ada"} }},
		{"of a rule that has left the plan", good, func(w *world) { w.state.rules[1].State, w.state.rules[1].Acked = judge.Warning, true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := heldBeside(t, tt.then)
			tt.bend(w)
			w.run(T.Add(7 * time.Hour))
			if e := w.resumed(); e != nil {
				t.Errorf("it ended: %s", line(*e))
			}
		})
	}
}

// A hold that began beside a baseline as bad, and whose baseline is good again while the
// release is not, rests on evidence from then on.
func TestAHoldTurnsAgainstTheReleaseThatStaysBad(t *testing.T) {
	w := heldBeside(t, func(signal int, m int64) float64 {
		if signal == 0 && m >= 35 && m < 90 {
			return .1
		}
		return .001
	})
	p := *w.plan
	p.Rules = slices.Clone(p.Rules)
	p.Rules[1].MinSamples = 1e6 // it can hold, and not roll back
	w.plan = &p
	w.run(T.Add(7 * time.Hour))
	if e := w.resumed(); e != nil && e.Why.Code == fact.WhyResumedItself {
		t.Errorf("it ended: %s", line(*e))
	}
	if v := w.ruleView("high"); v.State != fact.RuleHolding || v.Cause != rules.CauseEvidence {
		t.Errorf("the rule is %s by %s\n%s", v.State, v.Cause, w.lines())
	}
}

// The data has been good for all of the time that the plan says, also where that is longer
// than the rules look back.
func TestAHoldEndsByItselfOnAllOfTheTime(t *testing.T) {
	for _, after := range []time.Duration{50 * time.Minute, 2 * time.Hour} {
		earliest := T.Add(34*time.Minute - after/10) // so much of an outage at 10 % keeps the limit of 1 %
		w := heldBesideFor(t, after, good)
		w.run(T.Add(7 * time.Hour))
		if e := w.resumed(); e == nil || e.Why.Since.Before(earliest) || e.At.Sub(e.Why.Since) < after {
			t.Errorf("the outage ended at T+35m; it goes on: %+v", e)
		}
		p := *w.plan
		edited := heldBesideFor(t, 0, good) // by hand, and little is kept
		edited.run(T.Add(3 * time.Hour))
		edited.state, edited.plan = Adopt(edited.plan, &p, edited.state), &p
		edited.run(T.Add(7 * time.Hour))
		if e := edited.resumed(); e == nil || e.Why.Since.Before(T.Add(2*time.Hour+20*time.Minute)) || e.At.Sub(e.Why.Since) < after {
			t.Errorf("after an edit, of what was kept until then, it goes on: %+v", e)
		}
	}
}

// What a person holds goes on when a person says so, with the rules that held it.
func TestAPersonsHoldOverARulesHoldEndsByACommand(t *testing.T) {
	w := heldBeside(t, good)
	w.command(fact.Command{Kind: fact.Hold})
	w.run(T.Add(3 * time.Hour))
	if got := w.command(fact.Command{Kind: fact.Resume, EvidenceHold: true}); got != "person_holds" {
		t.Errorf("a resume that ends no hold of a person: %s", got)
	}
	if got := w.command(fact.Command{Kind: fact.Resume, PersonsHold: true}); got != "evidence_holds rule=high" {
		t.Errorf("a resume that ends a person's hold only: %s", got)
	}
	if got := w.command(fact.Command{Kind: fact.Resume}); got != "applied" || Look(w.plan, w.state).Held || w.ruleView("high").State == fact.RuleHolding {
		t.Errorf("a resume: %s\n%s", got, w.lines())
	}
}
