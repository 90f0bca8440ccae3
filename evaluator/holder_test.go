package evaluator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
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
	var run *fact.Event
	for i := range w.events {
		if e := &w.events[i]; e.Kind == fact.RunEvent && e.To == rules.Held.String() {
			run = e
		}
	}
	if run == nil {
		t.Fatal("no event says that the run is held")
	}
	got := Look(w.plan, restored(t, w.state)).Holder
	want := fact.Holder{By: "high", Rule: true, Cause: rules.CauseBaseline, Evidence: got.Evidence}
	if got != want || got.Evidence == nil || got.Evidence.Weighed.Rung != fact.HoldRung {
		t.Errorf("holder %+v", got)
	}
	root := w.events[slices.IndexFunc(w.events, func(e fact.Event) bool { return e.ID == run.Because })]
	if root.To != string(fact.RuleHolding) || root.Evidence == nil || run.Evidence != nil || run.Why != (fact.Why{Code: fact.WhyHeldByRule, Rule: "high", Cause: rules.CauseBaseline}) {
		t.Errorf("the run's event %+v goes back to %+v", run, root)
	}
}

func TestHolderIsThePersonAndTheReason(t *testing.T) {
	w := newWorld(t, weighPlan(time.Hour))
	w.value = binomials(2, 12, func(int, int64) float64 { return 0 })
	for _, tt := range []struct {
		kind fact.CommandKind
		want fact.Holder
	}{
		{fact.Hold, fact.Holder{By: "Ada", Cause: rules.CauseManual, Text: "lunch"}},
		{fact.Resume, fact.Holder{}},
	} {
		w.tick(fact.Command{Kind: tt.kind, By: "Ada", Why: "lunch"})
		if got := Look(w.plan, restored(t, w.state)).Holder; got != tt.want {
			t.Errorf("after %s the holder is %+v, want %+v", tt.kind, got, tt.want)
		}
		w.now = w.now.Add(time.Minute)
	}
}

// restored is a state as it comes back from its stored form.
func restored(t *testing.T, s *State) *State {
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
		before []fact.Command // given before the rule takes hold
		rule   bool           // it takes hold
		limits bool           // to a person's hold
		want   string
		other  bool // limits to a hold of evidence
	}{
		{"a person's hold", []fact.Command{{Kind: fact.Hold}}, false, true, "applied", false},
		{"a rule's hold", nil, true, true, "evidence_holds", false},
		{"a rule's hold, without the limit", nil, true, false, "applied", false},
		{"a person's hold that a rule has joined", []fact.Command{{Kind: fact.Hold}}, true, true, "evidence_holds", false},
		{"a person's hold that a rule has joined, without the limit", []fact.Command{{Kind: fact.Hold}}, true, false, "applied", false},
		{"no hold", nil, false, true, "not_held", false},
		{"a person's hold, limited to evidence", []fact.Command{{Kind: fact.Hold}}, false, false, "person_holds", true},
		{"a rule's hold, limited to evidence", nil, true, false, "applied", true},
		{"a person's hold that a rule has joined, limited to evidence", []fact.Command{{Kind: fact.Hold}}, true, false, "person_holds", true},
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
			give := func(c fact.Command) string {
				c.By, c.Why = "ada", "lunch"
				w.tick(c)
				w.state = restored(t, w.state)
				for i := len(w.events) - 1; i >= 0; i-- {
					if e := &w.events[i]; e.Kind == fact.CommandEvent {
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
			if holding := slices.ContainsFunc(w.events, func(e fact.Event) bool { return e.To == string(fact.RuleHolding) }); holding != tt.rule {
				t.Fatalf("the rule holds: %v, want %v", holding, tt.rule)
			}
			if got := give(fact.Command{Kind: fact.Resume, PersonsHold: tt.limits, EvidenceHold: tt.other}); got != tt.want {
				t.Errorf("resume: %s, want %s", got, tt.want)
			}
			if held := Look(p, w.state).Held; held != strings.HasSuffix(tt.want, "_holds") {
				t.Errorf("afterwards the run is held: %v", held)
			}
			if got := give(fact.Command{Kind: fact.Resume}); (got == "applied") != strings.HasSuffix(tt.want, "_holds") {
				t.Errorf("a resume without the limit afterwards: %s", got)
			}
		})
	}
}

// A hold, a failure and a rollback by evidence name the stretch that speaks: its value
// misses the limit, whatever came before it.
func TestNoNumberDeniesItsVerdict(t *testing.T) {
	said := 0
	for seed := range uint64(12) {
		for _, rate := range []float64{.016, .02, .05} {
			p := weighPlan(3 * time.Hour)
			p.Signals = p.Signals[:1]
			w := newWorld(t, p)
			w.value = binomials(seed, 400, func(_ int, m int64) float64 {
				if m < 22+int64(seed)*5 {
					return .001
				}
				return rate
			})
			w.run(T.Add(3 * time.Hour))
			for _, e := range w.events {
				if e.Kind != fact.RuleEvent || e.Evidence == nil || e.To != string(fact.RuleHolding) && e.To != string(fact.RuleFired) && e.To != rules.Fail.String() {
					continue
				}
				said++
				if !e.Evidence.Known || e.Evidence.Value <= p.Rules[0].Limit {
					t.Errorf("seed %d at %g: %s", seed, rate, line(e))
				}
			}
			if h := Look(p, w.state).Holder; h.Evidence != nil && h.Evidence.Value <= p.Rules[0].Limit {
				t.Errorf("seed %d at %g: held by %+v", seed, rate, h.Evidence)
			}
		}
	}
	if said < 20 {
		t.Errorf("only %d of 36 releases were held", said)
	}
}
