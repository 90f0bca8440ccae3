package evaluator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

// heldByRule runs a shared outage until the rule holds the run.
func heldByRule(t *testing.T) *world {
	t.Helper()
	p := weighPlan(4 * time.Hour)
	p.Signals[0].Baseline = 1
	w := newWorld(t, p)
	w.value = binomials(2, 12, func(_ int, m int64) float64 {
		if m >= 20 && m < 35 {
			return .1
		}
		return .005
	})
	for w.now.Before(T.Add(3 * time.Hour)) {
		w.tick()
		w.now = w.now.Add(time.Minute)
		if Look(p, w.state).Held {
			return w
		}
	}
	t.Fatal("the run was never held")
	return nil
}

func TestHolderIsTheRuleAndItsEvidence(t *testing.T) {
	w := heldByRule(t)
	var run *Event
	for i := range w.events {
		if e := &w.events[i]; e.Kind == RunEvent && e.To == rules.Held.String() {
			run = e
		}
	}
	if run == nil {
		t.Fatal("no event says that the run is held")
	}
	got := Look(w.plan, stored(t, w.state)).Holder
	want := Holder{By: "high", Rule: true, Cause: rules.CauseBaseline, Evidence: got.Evidence}
	if got != want || got.Evidence == nil || got.Evidence.Weighed.Rung != HoldRung {
		t.Errorf("holder %+v", got)
	}
	root := w.events[slices.IndexFunc(w.events, func(e Event) bool { return e.ID == run.Because })]
	if root.To != string(RuleHolding) || root.Evidence == nil || run.Evidence != nil || run.Why != (Why{Code: WhyHeldByRule, Rule: "high", Cause: rules.CauseBaseline}) {
		t.Errorf("the run's event %+v goes back to %+v", run, root)
	}
}

func TestHolderIsThePersonAndTheReason(t *testing.T) {
	w := newWorld(t, weighPlan(time.Hour))
	w.value = binomials(2, 12, func(int, int64) float64 { return 0 })
	for _, tt := range []struct {
		kind CommandKind
		want Holder
	}{
		{Hold, Holder{By: "Ada", Cause: rules.CauseManual, Text: "lunch"}},
		{Resume, Holder{}},
	} {
		w.tick(Command{Kind: tt.kind, By: "Ada", Why: "lunch"})
		if got := Look(w.plan, stored(t, w.state)).Holder; got != tt.want {
			t.Errorf("after %s the holder is %+v, want %+v", tt.kind, got, tt.want)
		}
		w.now = w.now.Add(time.Minute)
	}
}

// stored is a state as it comes back from its stored form.
func stored(t *testing.T, s *State) *State {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var out State
	if err := out.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestATokenForHoldsOfOneKindEndsNoOther: whoever held the run first, and however
// often the state went through its stored form.
func TestATokenForHoldsOfOneKindEndsNoOther(t *testing.T) {
	for _, tt := range []struct {
		about  string
		before []Command // given before the rule takes hold
		rule   bool      // it takes hold
		limits bool      // to a person's hold
		want   string
		other  bool // limits to a hold of evidence
	}{
		{"a person's hold", []Command{{Kind: Hold}}, false, true, "applied", false},
		{"a rule's hold", nil, true, true, "evidence_holds", false},
		{"a rule's hold, without the limit", nil, true, false, "applied", false},
		{"a person's hold that a rule has joined", []Command{{Kind: Hold}}, true, true, "evidence_holds", false},
		{"a person's hold that a rule has joined, without the limit", []Command{{Kind: Hold}}, true, false, "applied", false},
		{"no hold", nil, false, true, "not_held", false},
		{"a person's hold, limited to evidence", []Command{{Kind: Hold}}, false, false, "person_holds", true},
		{"a rule's hold, limited to evidence", nil, true, false, "applied", true},
		{"a person's hold that a rule has joined, limited to evidence", []Command{{Kind: Hold}}, true, false, "person_holds", true},
	} {
		t.Run(tt.about, func(t *testing.T) {
			p := weighPlan(4 * time.Hour)
			p.Signals[0].Baseline = 1
			w := newWorld(t, p)
			w.value = binomials(2, 12, func(_ int, m int64) float64 {
				if tt.rule && m >= 20 && m < 35 {
					return .1
				}
				return .005
			})
			give := func(c Command) string {
				c.By, c.Why = "ada", "lunch"
				w.tick(c)
				w.state = stored(t, w.state)
				for i := len(w.events) - 1; i >= 0; i-- {
					if e := &w.events[i]; e.Kind == CommandEvent {
						if e.To == "refused" {
							return string(e.Why.Code)
						}
						return e.To
					}
				}
				t.Fatal("no event of the command")
				return ""
			}
			w.run(T.Add(5 * time.Minute)) // the phase begins first: in a run that is held none does
			for _, c := range tt.before {
				if got := give(c); got != "applied" {
					t.Fatalf("%s: %s", c.Kind, got)
				}
			}
			for end := T.Add(time.Hour); w.now.Before(end); w.now = w.now.Add(time.Minute) {
				w.tick()
			}
			if holding := slices.ContainsFunc(w.events, func(e Event) bool { return e.To == string(RuleHolding) }); holding != tt.rule {
				t.Fatalf("the rule holds: %v, want %v", holding, tt.rule)
			}
			if got := give(Command{Kind: Resume, PersonsHold: tt.limits, EvidenceHold: tt.other}); got != tt.want {
				t.Errorf("resume: %s, want %s", got, tt.want)
			}
			if held := Look(p, w.state).Held; held != strings.HasSuffix(tt.want, "_holds") {
				t.Errorf("afterwards the run is held: %v", held)
			}
			if got := give(Command{Kind: Resume}); (got == "applied") != strings.HasSuffix(tt.want, "_holds") {
				t.Errorf("a resume without the limit afterwards: %s", got)
			}
		})
	}
}
