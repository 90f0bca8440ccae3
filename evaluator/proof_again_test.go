package evaluator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// What a person said of one plan is not said of the plan after an edit, and a run that is over
// is not let go on.
func TestAnEditTakesBackThatAPersonGoesOnWithoutAWayBack(t *testing.T) {
	w := newWorld(t, provenPlan())
	w.runReplying(T.Add(-4*time.Minute), gone)
	c := command(fact.BreakGlass, "kim", "", about(rules.ApprovesWayBack))
	w.does(deed{"a person goes on", c, "applied"})
	var events []fact.Event
	w.state, events = checkedStep(t, w.plan, w.state, fact.Tick{At: w.now, Edit: &fact.Edit{From: "d1", To: "d2", Changes: []rules.Change{{Path: "rollback.high.effects.alias.command"}}}})
	told := slices.ContainsFunc(events, func(e fact.Event) bool {
		return e.To == fact.Missing && e.Why.Code == fact.WhyWayVoid && slices.Equal(e.Tell, []string{"slack"})
	})
	if !told || !Look(w.plan, w.state).Effects.Waived.IsZero() {
		t.Errorf("told: %v, gone on since %v", told, Look(w.plan, w.state).Effects.Waived)
	}
	w.runReplying(T.Add(time.Minute), gone)
	if v := Look(w.plan, w.state).Phases[0]; v.State != rules.Waiting || v.Why.Code != fact.WhyWayMissing {
		t.Errorf("the phase is %v: %+v", v.State, v.Why)
	}
	w.does(deed{"the run is ended", command(fact.Abort, "kim", ""), "applied"}, deed{"and gone on with", c, "run_is"})
}

// A drill whose time is yet to come has no known age, and hides none that came after it.
func TestADrillOfAWrongClockProvesNothing(t *testing.T) {
	p := provenPlan()
	p.Rehearsal.MaxAge = time.Hour
	p.Phases[0].Advance = rules.Signalled
	w := newWorld(t, p)
	good := fact.DrillStep{Rule: "high", Name: "alias", Mark: p.Rules[1].Effects[0].Mark, OK: true}
	bad := good
	bad.OK, bad.Answer = false, "denied"
	w.runReplying(T, ready)
	w.results(drill("d1", T.Add(365*24*time.Hour), good))
	if got := outcome(w.tick(command(fact.StartPhase, "ci", "ten"))); got != "not_rehearsed" {
		t.Errorf("a drill of next year: %s", got)
	}
	w.results(drill("d2", T, bad))
	if v := Look(p, w.state); v.Effects.Drill.ID != "d2" || !strings.Contains(v.Phases[0].Why.Text, "denied") {
		t.Errorf("the newest is %+v, and the phase waits because %+v", v.Effects.Drill, v.Phases[0].Why)
	}
	// Clocks that differ by a little are no wrong clocks, and time alone makes it count.
	w.results(drill("d3", w.now.Add(90*time.Second), good))
	if why := Look(p, w.state).Phases[0].Why; why.Code != fact.WhyNotRehearsed {
		t.Errorf("90 s ahead: %+v", why)
	}
	w.runReplying(w.now.Add(31*time.Second), ready)
	w.does(deed{"a minute ahead", command(fact.StartPhase, "ci", "ten"), "applied"})
}

// signedPlan has two rules with the same step, of which the first wants a signature.
func signedPlan() *rules.Plan {
	p := wayPlan()
	p.Rules[1].Effects = p.Rules[1].Effects[:1]
	p.Rules[2].Effects = nil
	p.Roles = append(p.Roles, rules.Role{Name: "CTO", Tell: rules.Address{Sink: "mail"}})
	p.Approvals = []rules.Approval{approval("high/alias", "CTO")}
	return p
}

// A signature, and a refusal, are of one rollback: the next is signed for anew.
func TestAStepIsSignedForEachTime(t *testing.T) {
	for kind, want := range map[fact.CommandKind]string{fact.Approve: fact.Intended, fact.Reject: fact.Skipped} {
		w := newWorld(t, signedPlan())
		w.value = badSignal(0, 4, 44)
		w.run(T.Add(8 * time.Minute))
		w.does(deed{"answered", command(kind, "kim", "", role("CTO")), "applied"})
		if s := Look(w.plan, w.state).Effects.Steps; len(s) != 1 || s[0].State != want {
			t.Fatalf("%s: %+v", kind, s)
		}
		w.does(deed{"overridden", command(fact.Override, "kim", "", func(c *fact.Command) { c.Verdict = rules.Pass }), "applied"})
		w.run(T.Add(30 * time.Minute))
		v := Look(w.plan, w.state)
		last := v.Effects.Steps[len(v.Effects.Steps)-1]
		if v.State != rules.RolledBack || len(v.Effects.Steps) != 2 || last.State != fact.Planned || v.People.Approvals[0].Roles[0].State != fact.Asked {
			t.Errorf("%s of before: the run is %v, the steps %+v, the signature %+v", kind, v.State, v.Effects.Steps, v.People.Approvals)
		}
		w.does(deed{"signed", command(fact.Approve, "kim", "", role("CTO")), "applied"})
		if s := Look(w.plan, w.state).Effects.Steps; s[1].State != fact.Intended {
			t.Errorf("it is signed anew, and %+v", s)
		}
	}
}

// A step that may be refused stands for no other rule's: what needs no signature is asked for
// at once.
func TestAStepThatIsNotSignedKeepsNoOther(t *testing.T) {
	p := signedPlan()
	p.Rules[2].Effects = slices.Clone(p.Rules[1].Effects)
	w := newWorld(t, p)
	w.run(T.Add(2 * time.Minute))
	w.does(deed{"aborted", command(fact.Abort, "kim", ""), "applied"})
	w.run(T.Add(4 * time.Minute))
	states := map[string]string{}
	for _, s := range Look(p, w.state).Effects.Steps {
		states[s.Rule+"/"+s.Name] = s.State
	}
	if states["high/alias"] != fact.Planned || states[p.Rules[2].Name+"/alias"] != fact.Intended {
		t.Errorf("got %v", states)
	}
}

// A signature that was never asked for, because no step was due, is missing in no release.
func TestAStepThatIsNeverDueNeedsNoSignature(t *testing.T) {
	p := signedPlan()
	p.Review = rules.Review{Sign: []string{"Manager"}}
	p.PassCriteria = []string{rules.CriterionSigned}
	w := newWorld(t, p)
	w.run(T.Add(3 * time.Hour))
	if v := Look(p, w.state); v.State != rules.Passed || v.People.Criteria[0].State != fact.CriterionMet {
		t.Errorf("the run is %v: %+v", v.State, v.People.Criteria)
	}
}
