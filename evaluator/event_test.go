package evaluator

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// boundPlan is a small plan that a run was begun of.
func boundPlan() *rules.Plan {
	p := smallPlan()
	p.Version = "1.0.1"
	p.Binding = rules.Binding{
		Run: "REL@1.0.1~2", UID: "k3x9", Try: 2, Parameters: map[string]string{"lambda": "43"},
		Previous: rules.Previous{Version: "1.0.0", Parameters: map[string]string{"lambda": "42"}},
	}
	return p
}

func TestTheFirstTickOfARunSaysWhatBegins(t *testing.T) {
	p := boundPlan()
	w := newWorld(t, p)
	var events []fact.Event
	w.state, events = checkedStep(t, p, w.state, fact.Tick{At: w.now, Begin: &fact.Begun{By: "ci", Why: "merged", Principal: "deploy", Supersedes: "REL@1.0.0"}})
	e := events[0]
	if len(events) != 1 || e.ID != "REL@1.0.1~2.k3x9/1" || e.Kind != fact.RunEvent || e.Subject != "REL" || e.From != "" || e.To != "waiting" ||
		e.Run != "REL@1.0.1~2" || e.Version != "1.0.1" || e.By != "ci" || e.Principal != "deploy" || e.Why.Code != fact.WhyRunBegun || e.Why.Text != "merged" {
		t.Errorf("got %d events, the first is %+v", len(events), e)
	}
	if b := e.Begun; b == nil || !b.Start.Equal(T) || b.Try != 2 || b.Parameters["lambda"] != "43" || b.Previous.Version != "1.0.0" || b.Supersedes != "REL@1.0.0" {
		t.Errorf("it begins %+v", b)
	}
	v := Look(p, restored(t, w.state))
	if v.Run != "REL@1.0.1~2" || v.Try != 2 || v.Parameters["lambda"] != "43" || !v.Begun.Equal(w.now) || v.By != "ci" || v.Version != "1.0.1" {
		t.Errorf("it looks like %+v", v)
	}
	w.now = w.now.Add(time.Minute)
	for _, e := range w.tick() {
		if e.Begun != nil {
			t.Errorf("it begins twice: %+v", e)
		}
	}
}

func TestAnEditUnderWayIsAnEvent(t *testing.T) {
	p := boundPlan()
	edit := &fact.Edit{From: "0123456789abcdef", To: "fedcba9876543210", Changes: []rules.Change{{Path: "rollback.high.when", From: "> 3 %", To: "> 2 %"}}}
	_, events := checkedStep(t, p, Begin(p), fact.Tick{At: T.Add(-time.Hour), Edit: edit})
	e := events[0]
	if e.Kind != fact.PlanEvent || e.Subject != "REL" || e.From != "0123456789ab" || e.To != "edited" || e.Why.Code != fact.WhyPlanEdited || len(e.Edit.Changes) != 1 || e.Edit.To != edit.To {
		t.Errorf("got %+v", e)
	}
	edit.Changes[0].To = "> 9 %"
	if e.Edit.Changes[0].To != "> 2 %" {
		t.Error("the event shares its changes with the tick")
	}
}

// roots maps each event, by kind, subject and change, to that of its root.
func roots(events []fact.Event) map[string]string {
	name := func(e *fact.Event) string { return string(e.Kind) + " " + e.Subject + " " + e.To }
	byID, m := map[string]string{}, map[string]string{}
	for i := range events {
		byID[events[i].ID] = name(&events[i])
		m[name(&events[i])] = byID[events[i].Because]
	}
	return m
}

func TestEveryEventOfOneCauseNamesIt(t *testing.T) {
	bad := func(signal int, at int64) (float64, float64, bool) { return 50 - 49*float64(signal), 1000, true }
	weak := func(signal int, at int64) (float64, float64, bool) { return 20, 1000, true }
	for _, tt := range []struct {
		name  string
		value func(int, int64) (float64, float64, bool)
		do    []fact.Command // at T+18m, one a tick
		want  map[string]string
	}{
		{"a rule that fires", bad, nil, map[string]string{
			"rule high fired": "", "run REL rolled_back": "rule high fired", "phase ten rolled_back": "rule high fired",
			"verdict ten rollback": "rule high fired", "phase all rolled_back": "rule high fired", "verdict all rollback": "rule high fired",
		}},
		{"a rule that fails", weak, nil, map[string]string{
			"rule few fail": "", "phase ten failed": "rule few fail", "verdict ten fail": "rule few fail", "run REL failed": "rule few fail",
		}},
		{"a pass", healthy, nil, map[string]string{"phase ten passed": "", "verdict ten pass": "phase ten passed"}},
		{"a hold and its end", healthy, []fact.Command{{Kind: fact.Hold}, {Kind: fact.Resume}}, map[string]string{
			"command hold applied": "", "run REL held": "command hold applied", "verdict ten pending": "command hold applied",
			"command resume applied": "", "verdict ten pass": "command resume applied",
		}},
		{"an abort", healthy, []fact.Command{{Kind: fact.Abort}, {Kind: fact.RollbackDone}}, map[string]string{
			"command abort applied": "", "run REL rolled_back": "command abort applied", "verdict ten rollback": "command abort applied",
			"phase all rolled_back": "command abort applied", "verdict ten fail": "command rollback_done applied",
		}},
		{"a supersede", healthy, []fact.Command{{Kind: fact.Supersede, Next: "REL@2"}}, map[string]string{
			"command supersede applied": "", "run REL superseded": "command supersede applied", "verdict ten fail": "command supersede applied",
			"phase all superseded": "command supersede applied", "verdict all fail": "command supersede applied",
		}},
		{"an override", weak, []fact.Command{{Kind: fact.Override, Phase: "ten", Verdict: rules.Pass}}, map[string]string{
			"phase ten passed": "command override applied", "verdict ten pass": "command override applied", "run REL monitoring": "command override applied",
		}},
		{"a rollback that is overridden", bad, []fact.Command{{Kind: fact.Override, Verdict: rules.Pass}}, map[string]string{
			"rule high idle": "command override applied", "run REL monitoring": "command override applied", "phase ten monitoring": "command override applied",
			"verdict ten pending": "command override applied", "phase all waiting": "command override applied",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, smallPlan())
			w.value = tt.value
			w.run(T.Add(18 * time.Minute))
			for _, c := range tt.do {
				c.By, c.Why = "ann", "drill"
				w.tick(c)
				w.now = w.now.Add(time.Second)
			}
			got := roots(w.events)
			for event, root := range tt.want {
				if was, ok := got[event]; !ok || was != root {
					t.Errorf("%s goes back to %q (%v), want %q", event, was, ok, root)
				}
			}
			for _, e := range w.events {
				if e.Because != "" && (e.Evidence != nil || e.Why.Text != "" || e.By != "") {
					t.Errorf("%s copies the facts of %s: %+v", e.ID, e.Because, e)
				}
			}
		})
	}
}

// The event of the rollback is that of the rule, or of the command.
func TestTheRootOfARollbackIsKept(t *testing.T) {
	w := newWorld(t, smallPlan())
	w.run(T.Add(3 * time.Minute))
	w.command(fact.Command{Kind: fact.Abort})
	f := Look(w.plan, restored(t, w.state)).Fired
	if f == nil || f.Kind != fact.CommandEvent || f.By != "ann" || f.Why != (fact.Why{Code: fact.WhyCommanded, Text: "drill"}) {
		t.Errorf("got %+v", f)
	}
}

// A decided run needs no more ticks once its messages are told.
func TestADecidedRunIsQuiet(t *testing.T) {
	far := time.Unix(1<<50, 0)
	for _, tt := range []struct {
		name string
		do   fact.Command
		over bool
	}{
		{"superseded", fact.Command{Kind: fact.Supersede, Next: "REL@2"}, true},
		{"rolled back, not done", fact.Command{Kind: fact.Abort}, false},
		{"failed", fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Fail}, true},
	} {
		w := newWorld(t, smallPlan())
		w.run(T.Add(3 * time.Minute))
		w.command(tt.do)
		if got, want := Quiet(w.plan, w.state), T.Add(25*time.Minute); !got.Equal(want) {
			t.Errorf("%s: quiet until %v, want %v, when a message falls due", tt.name, got, want)
		}
		w.now = T.Add(25 * time.Minute)
		w.tick()
		if got := Quiet(w.plan, w.state); !got.After(far) {
			t.Errorf("%s: quiet until %v, want the far future", tt.name, got)
		}
		if v := Look(w.plan, w.state); v.Over != tt.over || Wants(w.plan, w.state, w.now) != nil {
			t.Errorf("%s: over %v, want %v", tt.name, v.Over, tt.over)
		}
	}
	w := newWorld(t, smallPlan())
	w.run(T.Add(3 * time.Minute))
	w.command(fact.Command{Kind: fact.Abort})
	w.command(fact.Command{Kind: fact.RollbackDone})
	if v := Look(w.plan, w.state); !v.Over || !v.RolledBack {
		t.Errorf("the rollback is done: over %v", v.Over)
	}
}

// A phase that waits for one that began late says until when that is watched, and
// the run's end moves with it.
func TestALateStartMovesWhatFollows(t *testing.T) {
	p := smallPlan()
	p.Phases[1].Start = 15 * time.Minute // right behind the first
	w := newWorld(t, p)
	w.run(T.Add(-time.Minute))
	w.command(fact.Command{Kind: fact.Hold})
	w.run(T.Add(30 * time.Minute))
	w.command(fact.Command{Kind: fact.Resume})
	v := Look(p, w.state)
	if end := T.Add(75 * time.Minute); v.Phases[0].Started != T.Add(30*time.Minute) || !v.End.Equal(end) {
		t.Errorf("the first phase began at %v, the run ends at %v, want %v", v.Phases[0].Started, v.End, end)
	}
	w.run(T.Add(40 * time.Minute))
	if got, want := Look(p, w.state).Phases[1].Why, (fact.Why{Code: fact.WhyPhaseWatched, Phase: "ten", Until: T.Add(45 * time.Minute)}); got != want {
		t.Errorf("the second phase waits for %+v, want %+v", got, want)
	}
	w.run(T.Add(50 * time.Minute))
	if lines := w.lines(); !strings.Contains(lines, "02:47:00 phase ten: monitoring => passed") || !strings.Contains(lines, "02:47:30 phase all: waiting => monitoring") {
		t.Errorf("got\n%s", lines)
	}
}

// A percentile that is judged by the share above its threshold is asked for too,
// and its evidence has the median of its periods, weighted by their samples.
func TestAPercentileIsShownInItsUnit(t *testing.T) {
	p := onePlan(rules.Rule{Title: "Lambda p95 latency", Over: 5 * time.Minute, Coverage: .8, ShownSignal: 1, ShownWhen: pct("> 3 s")})
	p.Signals = append(p.Signals, rules.Signal{Name: "p95", Unit: rules.Seconds, Kind: rules.Percentile, Quant: .95, Of: -1, Period: time.Minute, Every: time.Minute, Keep: 30})
	p.Signals[0].Of, p.Signals[0].Above = 1, 3
	w := newWorld(t, p)
	w.value = func(signal int, at int64) (float64, float64, bool) {
		switch {
		case signal == 0:
			return 10, 1000, true
		case at < T.Unix()+120:
			return 9, 0, true // without samples it says nothing
		case at < T.Unix()+240:
			return 2.4, 100, true
		}
		return 2.9, 900, true
	}
	w.run(T.Add(2 * time.Minute))
	if q := Look(p, w.state).Rollback[0].Evidence.Quantile; q != nil {
		t.Errorf("nothing is known of it yet: %+v", q)
	}
	w.run(T.Add(6 * time.Minute))
	if q, want := Look(p, w.state).Rollback[0].Evidence.Quantile, (fact.Quantile{Of: .95, Value: 2.9, Threshold: 3, Unit: rules.Seconds}); q == nil || *q != want {
		t.Errorf("got %+v, want %+v", q, want)
	}
}

// The rungs at which nothing goes on, and the kinds of events: none is forgotten.
func TestRungsAndKinds(t *testing.T) {
	for r, want := range map[fact.Rung]bool{fact.NoRung: false, fact.WarnRung: false, fact.HoldRung: true, fact.RollbackRung: true} {
		if r.Holds() != want {
			t.Errorf("%q holds: %v", r, r.Holds())
		}
	}
	p := peoplePlan()
	p.Approvals[0].Allows = "override"
	p.Communications = boundPlan().Communications
	p.WayBack = true
	for i := range p.Rules {
		if p.Rules[i].Kind == rules.RollbackRule {
			p.Rules[i].Effects = wayPlan().Rules[1].Effects
		}
	}
	p.Signals = append(p.Signals, rules.Signal{Name: "share", Kind: rules.Gauge, Unit: rules.Percent, Of: -1, Keep: 20, Period: time.Minute})
	p.Phases[0].Observe, p.Phases[0].Traffic = "share", .1
	w := newWorld(t, p)
	w.value = func(signal int, _ int64) (float64, float64, bool) {
		if signal == 2 {
			return .5, 1, true
		}
		return 90, 1000, true
	}
	var events []fact.Event
	w.state, events = checkedStep(t, w.plan, w.state, fact.Tick{At: w.now, Begin: &fact.Begun{}, Edit: &fact.Edit{}})
	w.events = append(w.events, events...)
	w.bend = func(rd *rules.Reading) bool {
		if w.now.Before(T.Add(time.Minute)) {
			rd.Fault = rules.Throttled
		}
		return true
	}
	w.tick(fact.Command{Kind: fact.Hold}, command(fact.Approve, "kim", "", role("CTO")))
	w.run(T.Add(20 * time.Minute))
	w.now = T.Add(26 * time.Hour) // whether users are safe is watched for a day, and the review waits for that
	w.tick()
	seen := map[fact.EventKind]bool{}
	for _, e := range w.events {
		seen[e.Kind] = true
	}
	for _, k := range fact.EventKinds() {
		if !seen[k] {
			t.Errorf("there was no event of kind %s", k)
		}
		delete(seen, k)
	}
	if len(seen) > 0 {
		t.Errorf("kinds that are not listed: %v", seen)
	}
}

// The rule whose numbers go with a pass is one that decides, not one that is only
// shown.
func TestAnAdvisoryRuleDoesNotLead(t *testing.T) {
	p := smallPlan()
	p.Rules[0].Gate = rules.Advisory
	p.Rules = append(p.Rules, p.Rules[0])
	p.Rules[3].Name, p.Rules[3].Gate = "decides", rules.Required
	p.Phases = p.Phases[:1]
	p.Phases[0].Success = []int{0, 3}
	w := newWorld(t, p)
	w.run(T.Add(20 * time.Minute))
	w.want("phase ten: monitoring => passed (threshold) rules_hold rule=decides 2/2 0.001 15/15")
}

// A run may begin after its T. No source has been asked then, so that nothing is
// judged by its silence, however strict the plan is.
func TestTheFirstTickOfARunJudgesNothing(t *testing.T) {
	p := boundPlan()
	for i := range p.Rules {
		p.Rules[i].OnNoData, p.Rules[i].OnError, p.Rules[i].Grace = rules.PolicyRollback, rules.PolicyRollback, 0
	}
	state, events := Step(p, Begin(p), fact.Tick{At: T.Add(24 * time.Hour), Begin: &fact.Begun{}})
	if len(events) != 1 || Look(p, state).State != rules.Waiting {
		t.Errorf("got %d events, the run is %s", len(events), Look(p, state).State)
	}
	if next := Quiet(p, state); next.After(T.Add(24 * time.Hour)) {
		t.Errorf("the next tick is due at %v, want at once", next)
	}
}
