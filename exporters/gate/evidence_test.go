package gate_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// weighingPlan watches a canary of 12 requests a minute, beside a baseline of
// 108 if there is one.
func weighingPlan(baseline bool) *rules.Plan {
	ratio := func(name string) rules.Signal {
		return rules.Signal{
			Name: name, Source: "cloudwatch", Kind: rules.Ratio, Unit: rules.Percent, Of: -1, Keep: 30,
			Period: time.Minute, Every: time.Minute, Settle: 2 * time.Minute,
		}
	}
	weighed := rules.Rule{
		Name: "api-5xx", Title: "API 5xx", Kind: rules.Success, Alarm: -1, Coverage: .5, Method: rules.Sequential,
		When: rules.Condition{Op: rules.LessOrEqual, Threshold: .01, Unit: rules.Percent}, Limit: .01, Trigger: .03, Alpha: .01,
	}
	weighed.ShownWhen = weighed.When
	back := weighed
	back.Name, back.Kind, back.Action = "api-5xx-high", rules.RollbackRule, "revert the alias"
	back.When = rules.Condition{Op: rules.Greater, Threshold: .03, Unit: rules.Percent}
	back.ShownWhen = back.When
	p := &rules.Plan{
		Name: planName, Title: "BioAge v1 Launch", Version: "1.0.0", Interval: time.Minute, Start: t0, Binding: rules.Binding{Run: planName + "@1.0.0", UID: "k3v9", Try: 1}, FalseRollback: .01, FalsePass: .05,
		Signals: []rules.Signal{ratio("api_5xx"), ratio("api_5xx@42")},
		Rules:   []rules.Rule{weighed, back},
		Phases:  []rules.Phase{{Name: "ten", Title: "Ten per cent", Traffic: .1, Window: 2 * time.Hour, Extend: time.Hour, Success: []int{0}, Rollback: []int{1}}},
	}
	if baseline {
		p.Signals[0].Baseline, p.Signals[1].BaselineOf = 1, "api_5xx"
	}
	return p
}

// weighing is a run of a plan, minute by minute.
type weighing struct {
	plan   *rules.Plan
	state  *evaluator.State
	events []fact.Event
	bad    func(signal, minute int) float64
	at     time.Time
}

func (w *weighing) step(commands ...fact.Command) {
	tick := fact.Tick{At: w.at, Commands: commands}
	for _, q := range evaluator.Wants(w.plan, w.state, w.at) {
		rd := rules.Reading{Signal: q.Signal, From: q.From, To: q.To, SettledUntil: w.at.Add(-2*time.Minute).Unix() / 60 * 60}
		for at := (q.From + 59) / 60 * 60; at < q.To; at += 60 {
			n := []float64{12, 108}[q.Signal]
			rd.Points = append(rd.Points, rules.Point{At: at, Value: w.bad(q.Signal, int(at-t0.Unix())/60), Samples: n})
		}
		tick.Readings = append(tick.Readings, rd)
	}
	next, events := evaluator.Step(w.plan, w.state, tick)
	w.state, w.events = next, append(w.events, events...)
}

// until runs a plan until the rollback rule is in a state; bad gives the bad
// requests of a minute.
func until(t *testing.T, plan *rules.Plan, state fact.RuleState, bad func(signal, minute int) float64) *weighing {
	t.Helper()
	w := &weighing{plan: plan, state: evaluator.Begin(plan), at: t0, bad: bad}
	for end := t0.Add(90 * time.Minute); w.at.Before(end); w.at = w.at.Add(time.Minute) {
		w.step()
		if evaluator.Look(plan, w.state).Rollback[0].State == state {
			return w
		}
	}
	t.Fatalf("rule api-5xx-high was never %s", state)
	return nil
}

func (w *weighing) view() gate.PlanView {
	s := evaluator.Look(w.plan, w.state)
	s.Seq = uint64(w.at.Sub(t0)/time.Minute) + 1
	return planView(wire.RunView{Plan: w.plan, Snapshot: s})
}

// faulty fails one request a minute from the twentieth minute on, and as much of
// the baseline if all is at fault.
func faulty(all bool) func(signal, minute int) float64 {
	return func(signal, minute int) float64 {
		switch {
		case minute < 20:
			return 0
		case signal == 0:
			return 1 + float64(minute%2)
		case all:
			return 13
		}
		return 0
	}
}

// burst fails half of one minute.
func burst(_, minute int) float64 {
	if minute == 20 {
		return 6
	}
	return 0
}

func TestTheGateShowsWhatARuleWeighs(t *testing.T) {
	for _, tt := range []struct {
		about    string
		baseline bool
		bad      func(signal, minute int) float64
		state    fact.RuleState
		result   string
		verdict  string
		summary  string
	}{
		{"no fault yet", true, faulty(false), fact.RuleClear, "not_triggered", "pending", "2 of 2 rules good"},
		{"a warning is good, with a note", false, burst, fact.RuleWarning, "warning", "pending", "; 1 of 2 rules good (1 with a warning), 1 not good so far"},
		{"a shared outage holds", true, faulty(true), fact.RuleHolding, "holding", "pending", ", held by api-5xx-high; 0 of 2 rules good, 1 bad, 1 not good so far"},
		{"a fault of the release is rolled back", true, faulty(false), fact.RuleFired, "triggered", "rollback", "rolled back; 0 of 2 rules good, 1 bad, 1 not good by then"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			w := until(t, weighingPlan(tt.baseline), tt.state, tt.bad)
			g, _ := newGate(t, gate.Config{Now: func() time.Time { return w.at }}, w.view())
			b := body(t, g, "ten")
			r := b.Rules[1]
			if r.Result != tt.result || r.State != string(tt.state) || b.Verdict != tt.verdict {
				t.Errorf("result %q, state %q, verdict %q, want %q, %q, %q", r.Result, r.State, b.Verdict, tt.result, tt.state, tt.verdict)
			}
			if !strings.Contains(b.Summary, tt.summary) {
				t.Errorf("summary %q; want %q in it", b.Summary, tt.summary)
			}
			checkEvidence(t, &r, tt.baseline)
			checkHold(t, w, &b)
			for _, target := range []string{"/v1/gates/REL-1/ten/verdict", "/v1/plans/REL-1", "/v1/plans"} {
				checkContract(t, "GET", target, ask(g.Handler(), "GET", target, ""), "")
			}
		})
	}
}

// checkEvidence holds the numbers against each other, and against the sentence.
func checkEvidence(t *testing.T, r *wire.Rule, baseline bool) {
	t.Helper()
	e := r.Weighed
	if e == nil || e.Bad == nil || e.Low == nil || e.High == nil {
		t.Fatalf("evidence %+v", e)
	}
	if *e.Limit != 1 || *e.Trigger != 3 || *e.Bound.OneIn != 100 || math.Abs(*e.Bound.Log-math.Log(100)) > 1e-12 {
		t.Errorf("limit %v, trigger %v, bound %v: want 1, 3 and 100", *e.Limit, *e.Trigger, *e.Bound.OneIn)
	}
	if *e.Samples != *r.Samples || !(*e.Low <= *r.Value && *r.Value <= *e.High) || math.Abs(*r.Value - 100**e.Bad / *e.Samples) > 1e-9 {
		t.Errorf("%v of %v bad are %v, between %v and %v", *e.Bad, *e.Samples, *r.Value, *e.Low, *e.High)
	}
	if e.Keeps.Log != nil || e.Proof.OneIn != nil || e.More != nil || e.Groups != nil || e.Rating != nil {
		t.Errorf("a rollback rule on counts has %+v", e)
	}
	if (e.Baseline != nil) != baseline || baseline && (e.Baseline.Signal != "api_5xx@42" || *e.Baseline.Samples != 9**e.Samples) {
		t.Errorf("baseline %+v", e.Baseline)
	}
}

// checkHold holds what the gate says of a hold against the event of it.
func checkHold(t *testing.T, w *weighing, b *wire.Body) {
	t.Helper()
	h := b.Run.Hold
	if (h != nil) != b.Run.Held || h == nil && b.Run.State == "held" {
		t.Fatalf("the run is %s, held is %v, hold is %+v", b.Run.State, b.Run.Held, h)
	}
	if h == nil {
		return
	}
	for _, e := range w.events {
		if e.Kind == fact.RuleEvent && e.To == string(fact.RuleHolding) {
			if h.Kind != "rule" || h.By != e.Subject || h.Cause != e.Cause.String() || h.Reason == "" {
				t.Errorf("hold %+v, want one by rule %s for %s", *h, e.Subject, e.Cause)
			}
		}
	}
}

func TestSuccessEvidence(t *testing.T) {
	w := until(t, weighingPlan(false), fact.RuleClear, func(int, int) float64 { return 0 })
	for ; w.at.Before(t0.Add(10 * time.Minute)); w.at = w.at.Add(time.Minute) {
		w.step()
	}
	g, _ := newGate(t, gate.Config{Now: func() time.Time { return w.at }}, w.view())
	r := body(t, g, "ten").Rules[0]
	e := r.Weighed
	if e == nil || e.Keeps.Log == nil || e.Spared.Log == nil || *e.Proof.OneIn != 20 || e.More == nil || *e.More <= 0 {
		t.Fatalf("evidence %+v", e)
	}
	if !(*e.Keeps.Log > 0 && *e.Keeps.Log < *e.Spared.Log) || *e.Bad != 0 || *e.Against.OneIn != 1 {
		t.Errorf("keeps %v, spared %v, against %v of a release without a failure", *e.Keeps.Log, *e.Spared.Log, *e.Against.OneIn)
	}
}

func TestHeldByAPerson(t *testing.T) {
	w := until(t, weighingPlan(false), fact.RuleClear, func(int, int) float64 { return 0 })
	w.at = w.at.Add(time.Minute)
	w.step(fact.Command{ID: "1", Kind: fact.Hold, By: "Ada", Why: "lunch"})
	g, _ := newGate(t, gate.Config{Now: func() time.Time { return w.at }}, w.view())
	b := body(t, g, "ten")
	if h := b.Run.Hold; h == nil || h.Kind != "person" || h.By != "Ada" || h.Cause != "manual" {
		t.Errorf("hold %+v, want one by Ada", b.Run.Hold)
	}
	if !strings.Contains(b.Summary, ", held by Ada;") || b.Cause != "manual" {
		t.Errorf("summary %q, cause %q", b.Summary, b.Cause)
	}
	w.at = w.at.Add(time.Minute)
	w.step(fact.Command{ID: "2", Kind: fact.Resume, By: "Ada", Why: "back"})
	show(g, w.view())
	if b := body(t, g, "ten"); b.Run.Held || b.Run.Hold != nil || b.Cause != "window" {
		t.Errorf("resumed: hold %+v, cause %q", b.Run.Hold, b.Cause)
	}
}

// What no number of JSON can say is null, in every part of the evidence.
func TestEvidenceIsFinite(t *testing.T) {
	for _, odd := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64} {
		full := fact.Weighed{
			Bad: odd, Low: odd, High: odd, Limit: odd, Trigger: odd, Against: odd, Bound: odd, Warning: odd, Middle: odd, Keeps: odd, Spared: odd,
			Proof: odd, More: odd, Baseline: &fact.Beside{Signal: "b", Bad: odd, Samples: odd, Worse: odd, Warning: odd},
			Past: &fact.Earlier{Releases: 3, Bad: odd, Samples: odd, Worse: odd},
		}
		gap, stars := full, full
		gap.Groups = &fact.Gap{Highest: "a", Lowest: "b", AtLeast: odd, AtMost: odd, ByChance: odd, Shrunken: odd}
		stars.Rating = &fact.Ratings{Stars: [5]float64{odd, odd, odd, odd, odd}, Average: odd, Low: odd, High: odd}
		for _, d := range []*fact.Weighed{&full, &gap, &stars} {
			for _, kind := range []rules.RuleKind{rules.Success, rules.RollbackRule} {
				v := view(planName, func(s *fact.Snapshot) {
					rule := fact.RuleView{Name: "x", Kind: kind, State: fact.RuleHolding, Evidence: fact.Evidence{Samples: odd, Weighed: d}}
					s.Phases[0].Success[0], s.Rollback[0] = rule, rule
					s.Fired = &fact.Event{Kind: fact.RuleEvent, Evidence: &rule.Evidence}
				})
				g, _ := newGate(t, gate.Config{}, v)
				for _, target := range []string{"/v1/gates/REL-1/ten/verdict", "/v1/plans/REL-1"} {
					res := ask(g.Handler(), "GET", target, "")
					if b := readBack(t, res); !json.Valid(b) || len(b) < 1000 {
						t.Fatalf("%v: %s answers %q", odd, target, b)
					}
					checkContract(t, "GET", target, res, "")
				}
			}
		}
	}
}

// A gap and a mean have no share of bad ones, and no odds that they are not
// judged by.
func TestEvidenceOfGapsAndMeans(t *testing.T) {
	rule := func(unit rules.Unit, d fact.Weighed) *wire.Weighed {
		d.Limit, d.Trigger, d.Against, d.Bound, d.Warning, d.Keeps, d.Proof = .05, .07, 2, 3, 4, 1, 3
		g, _ := newGate(t, gate.Config{}, view(planName, func(s *fact.Snapshot) {
			s.Phases[0].Success[0].Evidence = fact.Evidence{Known: true, Value: .08, Op: rules.Less, Unit: unit, Samples: 500, Weighed: &d}
		}))
		target := "/v1/gates/REL-1/ten/verdict"
		checkContract(t, "GET", target, ask(g.Handler(), "GET", target, ""), "")
		return body(t, g, "ten").Rules[0].Weighed
	}
	gap := rule(rules.Number, fact.Weighed{Low: .02, High: .11, Groups: &fact.Gap{
		Highest: "80+", Lowest: "30-39", AtLeast: .02, AtMost: .11, ByChance: .03, Shrunken: .06, Small: []string{"90+"}, Looks: 3,
	}})
	if g := gap.Groups; gap.Bad != nil || gap.Against.Log != nil || gap.Bound.Log != nil || gap.Keeps.Log != nil || *gap.High != .11 || *gap.Limit != .05 ||
		g.Highest != "80+" || g.Lowest != "30-39" || *g.AtLeast != .02 || *g.AtMost != .11 || *g.ByChance != .03 || *g.Shrunken != .06 || g.Small[0] != "90+" || g.Looks != 3 {
		t.Errorf("a gap: %+v, %+v", gap, g)
	}
	past := rule(rules.Percent, fact.Weighed{Past: &fact.Earlier{Releases: 4, Bad: 12, Samples: 40_000, Worse: 2}}).Earlier
	if past == nil || past.Releases != 4 || *past.Bad != 12 || *past.Samples != 40_000 || *past.Worse.OneIn != 7 {
		t.Errorf("earlier releases: %+v", past)
	}
	none := rule(rules.Number, fact.Weighed{Groups: &fact.Gap{}})
	if none.Groups.Small == nil {
		t.Error("no small group is null, want an empty list")
	}
	mean := rule(rules.Number, fact.Weighed{Bad: 84, Low: 3.9, High: 4.6, Rating: &fact.Ratings{Stars: [5]float64{1, 0, 2, 3, 14}, Average: 4.4, Low: 3.9, High: 4.6}})
	if r := mean.Rating; mean.Bad != nil || *mean.Against.OneIn != 7 || *mean.Bound.Log != 3 || mean.Warning.Log != nil || *mean.Keeps.Log != 1 ||
		stars(r) != [5]float64{1, 0, 2, 3, 14} || *r.Average != 4.4 || *r.Low != 3.9 || *r.High != 4.6 {
		t.Errorf("a mean: %+v, %+v", mean, r)
	}
}

func stars(r *wire.Rating) (out [5]float64) {
	for i, n := range r.Stars {
		out[i] = *n
	}
	return out
}
