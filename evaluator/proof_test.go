package evaluator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// provenPlan wants to know that the way back exists before a phase begins.
func provenPlan() *rules.Plan {
	p := wayPlan()
	p.Rules[1].Effects, p.Rules[2].Effects = p.Rules[1].Effects[:1], nil
	p.Rules[1].Effects[0].Mark = "revert | alias | aws {previous}"
	p.Rehearsal.Obstacle = true
	p.Phases[0].Owner = "Mobile"
	return p
}

// replies answers each question about a step that was asked in some events.
func (w *world) replies(events []fact.Event, says func(e *fact.Event) *fact.Result) {
	w.t.Helper()
	for i := range events {
		e := &events[i]
		if e.Kind != fact.EffectEvent || e.To != fact.Asked {
			continue
		}
		if r := says(e); r != nil {
			r.Event, r.Sink = e.ID, e.Tell[0]
			w.results(*r)
		}
	}
}

func (w *world) results(list ...fact.Result) {
	w.t.Helper()
	state, events := checkedStep(w.t, w.plan, w.state, fact.Tick{At: w.now, Results: list})
	w.state, w.events = state, append(w.events, events...)
}

// runReplying runs until a time with receivers that answer what is asked at once.
func (w *world) runReplying(until time.Time, says func(e *fact.Event) *fact.Result) {
	w.t.Helper()
	for ; w.now.Before(until); w.now = w.now.Add(w.plan.Interval) {
		w.replies(w.tick(), says)
	}
}

func ready(*fact.Event) *fact.Result {
	return &fact.Result{OK: true, Done: true, Kept: "it would set version 42"}
}

func gone(*fact.Event) *fact.Result { return &fact.Result{Reason: "version 42 is not there"} }

// proofLines are the events of what is known before it is needed, and of phases, without the
// answers that no one hears because they say the same again.
func (w *world) proofLines() string {
	var b strings.Builder
	for _, e := range w.events {
		if e.To != fact.Asked && len(e.Notify) > 0 {
			continue
		}
		if e.Kind == fact.EffectEvent || e.Kind == fact.PhaseEvent {
			fmt.Fprintf(&b, "%s-> %s\n", strings.TrimSuffix(line(e), "\n"), strings.Join(e.Tell, " "))
		}
	}
	return b.String()
}

func (w *world) proves(until time.Time, says func(e *fact.Event) *fact.Result, want string) {
	w.t.Helper()
	w.runReplying(until, says)
	if got := w.proofLines(); got != strings.TrimLeft(want, "\n") {
		w.t.Errorf("got\n%s", got)
	}
	w.events = nil
}

func TestAPhaseBeginsWhenTheWayBackIsKnownToExist(t *testing.T) {
	w := newWorld(t, provenPlan())
	w.now = T.Add(-15 * time.Minute)
	w.proves(T.Add(2*time.Minute), gone, `
01:50:00 effect high/alias:  => asked (manual) way_asked phase=ten state=high/alias-> alias
01:50:00 effect high/alias: asked => missing (manual) way_missing state=high/alias "version 42 is not there"-> pager slack
01:51:00 effect high/alias: missing => asked (manual) way_asked phase=ten state=high/alias-> alias
01:53:00 effect high/alias: missing => asked (manual) way_asked phase=ten state=high/alias-> alias
01:57:00 effect high/alias: missing => asked (manual) way_asked phase=ten state=high/alias-> alias
`)
	v := Look(w.plan, w.state)
	if why := v.Phases[0].Why; v.Phases[0].State != rules.Waiting || why.Code != fact.WhyWayMissing || why.Text != "version 42 is not there" {
		t.Errorf("the phase is %v, because %+v", v.Phases[0].State, why)
	}
	if p := v.Effects.Proofs; len(p) != 1 || p[0].State != fact.Missing || p[0].Says != "version 42 is not there" || !p[0].At.Equal(T.Add(-3*time.Minute)) {
		t.Errorf("what is known: %+v", p)
	}
	w.proves(T.Add(10*time.Minute), ready, `
02:05:00 effect high/alias: missing => asked (manual) way_asked phase=ten state=high/alias-> alias
02:05:00 effect high/alias: asked => ready (manual) way_ready state=high/alias "it would set version 42"-> 
02:05:00 phase ten: waiting => monitoring (window) on_schedule until=02:20:00-> 
`)
	// The answer counts for the next phase, too, and no one is asked once all have begun.
	w.proves(T.Add(45*time.Minute), ready, `
02:22:00 phase ten: monitoring => passed (threshold) rules_hold rule=few 2/2 0.001 15/15 15000-> 
02:22:30 phase all: waiting => monitoring (window) on_schedule until=02:52:30-> 
`)
}

// An answer that is too old is none, and what is being asked is not known.
func TestAnAnswerCountsForATime(t *testing.T) {
	w := newWorld(t, provenPlan())
	w.now = T.Add(-5 * time.Minute)
	w.runReplying(T.Add(-2*time.Minute), ready)
	w.plan.Phases[0].Advance = rules.Signalled
	w.runReplying(T.Add(40*time.Minute), func(*fact.Event) *fact.Result { return nil })
	if why := Look(w.plan, w.state).Phases[0].Why; why.Code != fact.WhyWayAsked {
		t.Errorf("an answer of 45 minutes ago: %+v", why)
	}
	if got := outcome(w.tick(command(fact.StartPhase, "ci", "ten"))); got != "way_asked" {
		t.Errorf("the phase is started: %s", got)
	}
	asked := 0
	for _, e := range w.events {
		if e.To == fact.Asked {
			asked++
		}
	}
	if asked != 3 { // at 01:55, and at 02:25 and 02:40 without an answer
		t.Errorf("it was asked %d times:\n%s", asked, w.proofLines())
	}
}

// Where the plan wants a warning only, the phase begins, and people are told.
func TestAWayBackThatIsMissingIsTold(t *testing.T) {
	p := provenPlan()
	p.Rehearsal.Obstacle, p.Phases[1].Advance, p.Phases[1].Start = false, rules.OnPass, 0
	w := newWorld(t, p)
	w.proves(T.Add(time.Minute), gone, `
01:55:00 effect high/alias:  => asked (manual) way_asked phase=ten state=high/alias-> alias
01:55:00 effect high/alias: asked => missing (manual) way_missing state=high/alias "version 42 is not there"-> pager slack
01:56:00 effect high/alias: missing => asked (manual) way_asked phase=ten state=high/alias-> alias
01:58:00 effect high/alias: missing => asked (manual) way_asked phase=ten state=high/alias-> alias
02:00:00 phase ten: waiting => monitoring (window) on_schedule until=02:15:00-> 
`)
	// A phase that waits for the pass of another is near when the window of that ends.
	w.runReplying(T.Add(30*time.Minute), ready)
	if got := w.proofLines(); !strings.HasPrefix(got, "02:05:00 effect high/alias: missing => asked") || !strings.Contains(got, "phase all: waiting => monitoring") {
		t.Errorf("got\n%s", got)
	}
}

// Of a receiver that cannot be asked nothing is known, and a drill is the only proof.
func TestWhatCannotBeAskedIsNoObstacle(t *testing.T) {
	w := newWorld(t, provenPlan())
	w.runReplying(T.Add(time.Minute), func(*fact.Event) *fact.Result { return &fact.Result{OK: true} })
	v := Look(w.plan, w.state)
	if v.Phases[0].State != rules.Monitoring || v.Effects.Proofs[0].State != fact.Unknown {
		t.Errorf("%v, %+v", v.Phases[0].State, v.Effects.Proofs)
	}
}

// What is known to be missing is said before what is still asked for.
func TestWhatIsMissingIsSaidFirst(t *testing.T) {
	p := provenPlan()
	p.Rules[1].Effects = append(p.Rules[1].Effects, rules.Effect{Name: "other", Do: "restart", To: rules.Address{Sink: "pipeline"}})
	w := newWorld(t, p)
	w.runReplying(T.Add(time.Minute), func(e *fact.Event) *fact.Result {
		if e.Effect.Name == "other" {
			return nil
		}
		return gone(e)
	})
	if why := Look(p, w.state).Phases[0].Why; why.Code != fact.WhyWayMissing || why.State != "high/alias" {
		t.Errorf("got %+v", why)
	}
}

// The same step of two rules is asked for once; that of a rule in shadow, of one that no
// phase names yet, and of a person, never.
func TestEachStepIsAskedForOnce(t *testing.T) {
	p := provenPlan()
	p.Rules[2].Effects = append(slices.Clone(p.Rules[1].Effects), rules.Effect{Name: "other", Do: "restart", To: rules.Address{Sink: "pipeline"}}, rules.Effect{Name: "build", Do: "remove it", By: "Mobile"})
	p.Phases[0].Rollback, p.Phases[1].Rollback = []int{1}, []int{1, 2}
	w := newWorld(t, p)
	w.runReplying(T.Add(time.Minute), ready)
	if proofs := Look(p, w.state).Effects.Proofs; len(proofs) != 1 {
		t.Errorf("before the first phase: %+v", proofs)
	}
	w.runReplying(T.Add(30*time.Minute), ready)
	if proofs := Look(p, w.state).Effects.Proofs; len(proofs) != 2 || proofs[1].Sink != "pipeline" {
		t.Errorf("before the second: %+v", proofs)
	}
	p = provenPlan()
	p.Rules[1].Shadow = true
	w = newWorld(t, p)
	w.runReplying(T.Add(time.Minute), ready)
	if v := Look(p, w.state); len(v.Effects.Proofs) != 0 || v.Phases[0].State != rules.Monitoring {
		t.Errorf("in shadow: %+v", v.Effects.Proofs)
	}
}

// A person may go on though nothing is known of the way back. All is told.
func TestAPersonGoesOnWithoutAWayBack(t *testing.T) {
	w := newWorld(t, provenPlan())
	w.runReplying(T.Add(time.Minute), gone)
	c := command(fact.BreakGlass, "kim", "")
	c.Subject = rules.ApprovesWayBack
	if got := outcome(w.tick(c)); got != "applied" {
		t.Fatal(got)
	}
	v := Look(w.plan, w.state)
	if v.Phases[0].State != rules.Monitoring || v.Effects.Waived.IsZero() {
		t.Errorf("%v, %v", v.Phases[0].State, v.Effects.Waived)
	}
	if got := outcome(w.tick(c)); got != "nothing_to_skip" {
		t.Errorf("twice: %s", got)
	}
	for _, e := range w.events {
		if e.Kind == fact.EffectEvent && e.To == fact.Overridden && (e.Severity() != fact.Critical || !slices.Equal(e.Tell, []string{"slack"})) {
			t.Errorf("got %s to %v", e.Severity(), e.Tell)
		}
	}
}

// drill is a rehearsal of the step of provenPlan.
func drill(id string, at time.Time, step fact.DrillStep) fact.Result {
	return fact.Result{Drill: &fact.Drill{ID: id, Environment: "staging", At: at, By: "ann", Steps: []fact.DrillStep{step}}}
}

func TestAWayBackIsRehearsedBeforeAPhaseBegins(t *testing.T) {
	good := fact.DrillStep{Rule: "high", Name: "alias", Mark: "revert | alias | aws {previous}", OK: true, Answer: "version 42 has all"}
	failed, other, moved := good, good, good
	failed.OK, failed.Answer = false, "access denied"
	other.Mark = "revert | alias | aws --all"
	moved.Rule, moved.Name = "low", "back" // the same, under another name
	for name, tt := range map[string]struct {
		drill fact.Result
		want  string // what keeps the phase from beginning; empty: nothing
	}{
		"none":              {fact.Result{}, "not_rehearsed phase=ten state=REL"},
		"a good one":        {drill("d1", T.Add(-time.Hour), good), ""},
		"of the same":       {drill("d1", T.Add(-time.Hour), moved), ""},
		"a month ago":       {drill("d1", T.Add(-31*24*time.Hour), good), "not_rehearsed since=02:00:00 phase=ten state=REL"},
		"it failed":         {drill("d1", T.Add(-time.Hour), failed), `not_rehearsed since=01:00:00 phase=ten state=REL "step high/alias failed in it: access denied"`},
		"another command":   {drill("d1", T.Add(-time.Hour), other), `not_rehearsed since=01:00:00 phase=ten state=REL "step high/alias is not part of it"`},
		"on the last day":   {drill("d1", T.Add(-30*24*time.Hour), good), ""},
		"a second too late": {drill("d1", T.Add(-30*24*time.Hour-time.Second), good), "not_rehearsed since=01:59:59 phase=ten state=REL"},
	} {
		t.Run(name, func(t *testing.T) {
			p := provenPlan()
			p.Rehearsal.MaxAge = 30 * 24 * time.Hour
			w := newWorld(t, p)
			if tt.drill.Drill != nil {
				w.replies(w.tick(), ready)
				w.results(tt.drill)
			}
			w.runReplying(T.Add(time.Second), ready)
			v := Look(p, w.state)
			got := ""
			if v.Phases[0].State == rules.Waiting {
				got = factsOf(v.Phases[0].Why, nil)
			}
			if sorted(got) != sorted(tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func sorted(facts string) string {
	head, text, _ := strings.Cut(facts, `"`)
	parts := strings.Fields(head)
	slices.Sort(parts)
	return strings.Join(parts, " ") + text
}

// What a drill says is told once, and a newer one counts.
func TestTheNewestDrillCounts(t *testing.T) {
	p := provenPlan()
	p.Rehearsal.MaxAge = time.Hour
	p.Binding = rules.Binding{Run: "REL@1", UID: "u"} // whose events have ids of their own
	w := newWorld(t, p)
	good := fact.DrillStep{Rule: "high", Name: "alias", Mark: p.Rules[1].Effects[0].Mark, OK: true}
	bad := good
	bad.OK, bad.Answer = false, "denied"
	w.runReplying(T.Add(5*time.Minute), ready)
	w.results(drill("d1", T, good), drill("d1", T, good), drill("d0", T.Add(-time.Minute), bad))
	got := w.proofLines()
	for _, want := range []string{
		"01:55:00 effect REL:  => missing (manual) not_rehearsed phase=ten state=REL-> slack\n",
		"02:05:00 effect REL:  => rehearsed (manual) rehearsed state=staging 1/1 since=02:00:00 by=ann",
		"02:05:00 phase ten: waiting => monitoring",
	} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, got)
		}
	}
	w.events = nil
	w.results(drill("d2", T.Add(4*time.Minute), bad))
	w.runReplying(T.Add(50*time.Minute), ready)
	v := Look(p, w.state)
	if why := v.Phases[1].Why; v.Phases[1].State != rules.Waiting || why.Code != fact.WhyNotRehearsed || !strings.Contains(why.Text, "denied") || v.Effects.Drill.ID != "d2" {
		t.Errorf("%+v, %+v", why, v.Effects.Drill)
	}
	if got := w.proofLines(); !strings.Contains(got, "effect REL:  => missing (manual) not_rehearsed") {
		t.Errorf("it is not told:\n%s", got)
	}
}

// Time alone makes a drill too old, and that is said when a phase is near.
func TestADrillGrowsOld(t *testing.T) {
	p := provenPlan()
	p.Rehearsal.MaxAge = 20 * time.Minute
	w := newWorld(t, p)
	w.tick()
	w.results(drill("d1", T.Add(-5*time.Minute), fact.DrillStep{Rule: "high", Name: "alias", Mark: p.Rules[1].Effects[0].Mark, OK: true}))
	w.runReplying(T.Add(30*time.Minute), ready)
	if got := w.proofLines(); !strings.Contains(got, "02:15:30 effect REL:  => missing (manual) not_rehearsed since=01:55:00 phase=all") && !strings.Contains(got, "02:15:30 effect REL:  => missing (manual) not_rehearsed phase=all state=REL since=01:55:00") {
		t.Errorf("got\n%s", got)
	}
	if v := Look(p, w.state); v.Phases[1].State != rules.Waiting {
		t.Errorf("the next phase is %v", v.Phases[1].State)
	}
}

// A step that wants a signature is asked for when it is there, skipped when it is refused,
// and others are told while no one answers.
func TestAStepWaitsForItsSignature(t *testing.T) {
	begin := func() *world {
		p := wayPlan()
		p.Rules[1].Effects, p.Rules[2].Effects = p.Rules[1].Effects[:1], nil
		p.Roles = append(p.Roles, rules.Role{Name: "CTO", Tell: rules.Address{Sink: "mail"}})
		p.Approvals = []rules.Approval{approval("high/alias", "CTO")}
		w := newWorld(t, p)
		w.value = badSignal(0, 4, 14)
		w.run(T.Add(8 * time.Minute))
		return w
	}
	signed := func(kind fact.CommandKind) fact.Command { return command(kind, "kim", "", role("CTO")) }
	w := begin()
	v := Look(w.plan, w.state)
	if v.State != rules.RolledBack || v.Effects.Steps[0].State != fact.Planned || v.People.Approvals[0].Roles[0].State != fact.Asked {
		t.Errorf("the run is %v, the step %+v, the signature %+v", v.State, v.Effects.Steps, v.People.Approvals)
	}
	w.run(T.Add(13 * time.Minute))
	told := 0
	for _, e := range w.events {
		if e.Kind == fact.EffectEvent && e.To == fact.Escalated && e.Why.Code == fact.WhyEffectUnsigned && e.Why.Text == "CTO" && e.From == fact.Planned {
			told++
		}
	}
	if told != 1 {
		t.Errorf("others were told %d times:\n%s", told, w.effectLines())
	}
	w.does(deed{"signed", signed(fact.Approve), "applied"})
	if v := Look(w.plan, w.state); v.Effects.Steps[0].State != fact.Intended {
		t.Errorf("it is signed, and %+v", v.Effects.Steps)
	}
	w = begin()
	w.does(deed{"refused", signed(fact.Reject), "applied"})
	if v := Look(w.plan, w.state); v.Effects.Steps[0].State != fact.Skipped || v.Effects.Steps[0].By != "kim" {
		t.Errorf("it is refused, and %+v", v.Effects.Steps)
	}
	w = begin()
	w.plan.Approvals[0].Roles, w.plan.Approvals[0].Need = []string{"CTO", "Legal"}, 1
	w.state = Begin(w.plan)
	w.now, w.events = T.Add(-5*time.Minute), nil
	w.run(T.Add(8 * time.Minute))
	w.does(deed{"refused by one of two", signed(fact.Reject), "applied"})
	if v := Look(w.plan, w.state); v.Effects.Steps[0].State != fact.Planned {
		t.Errorf("the other can still sign, and %+v", v.Effects.Steps)
	}
	w.does(deed{"signed by the other", command(fact.Approve, "lee", "", role("Legal")), "applied"})
	if v := Look(w.plan, w.state); v.Effects.Steps[0].State != fact.Intended {
		t.Errorf("one of two was enough, and %+v", v.Effects.Steps)
	}
	w = begin()
	c := command(fact.BreakGlass, "kim", "")
	c.Subject = "high/alias"
	w.does(deed{"gone on without", c, "applied"})
	if v := Look(w.plan, w.state); v.Effects.Steps[0].State != fact.Intended {
		t.Errorf("a person goes on without, and %+v", v.Effects.Steps)
	}
}
