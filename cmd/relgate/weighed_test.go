package main

import (
	"bytes"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// heldView is a run that a rule holds, beside one that warns and one that is clear.
func heldView(edit ...func(*rules.Plan, *evaluator.Snapshot)) gate.PlanView {
	start := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	plan := &rules.Plan{
		Name: "P", Title: "A release", Version: "1.0.0", Interval: 30 * time.Second, Start: start, Manager: "Ada",
		Binding: rules.Binding{Run: "P@1.0.0", UID: "u1", Try: 1},
		Phases:  []rules.Phase{{Name: "ten", Window: time.Hour, Owner: "Ops"}},
		Signals: []rules.Signal{{Name: "api_5xx", Kind: rules.Ratio, Unit: rules.Percent}},
	}
	s := evaluator.Snapshot{
		Plan: "P", Run: "P@1.0.0", Title: "A release", Version: "1.0.0", Try: 1, Manager: "Ada", Seq: 7, Start: start, At: start.Add(25 * time.Minute), Interval: 30 * time.Second,
		State: rules.Held, Held: true, Verdict: rules.Pending, Cause: rules.CauseBaseline, Generation: 9,
		Why: evaluator.Why{Code: evaluator.WhyHeldByRule, Rule: "api-5xx-high", Cause: rules.CauseBaseline},
		Phases: []evaluator.PhaseView{{
			Name: "ten", Traffic: .1, State: rules.Monitoring, Verdict: rules.Pending, Why: evaluator.Why{Code: evaluator.WhyHeldByRule, Rule: "api-5xx-high"},
			Started: start, WindowEnd: start.Add(time.Hour), Owner: "Ops", Rollback: []int{0, 1, 2},
		}},
	}
	for i, name := range []string{"api-5xx-high", "slow-high", "crash-high"} {
		title := []string{"API 5xx", "Slow answers", "Crashes"}[i]
		plan.Rules = append(plan.Rules, rules.Rule{Name: name, Title: title, Kind: rules.RollbackRule, Owner: "Ops", Action: "revert the alias", Command: "make revert"})
		d := &evaluator.Weighed{
			Bad: 7, Low: .026, High: .29, Limit: .01, Trigger: .03, Goal: rules.Less, Against: math.Log(196.5), Bound: math.Log(100), Warning: 5, Middle: 1, Canary: true,
			Baseline: &evaluator.Beside{Signal: "api_5xx@41", Bad: 65, Samples: 540, Worse: -6, Warning: 4, Compared: true},
		}
		d.Rung = []evaluator.Rung{evaluator.HoldRung, evaluator.WarnRung, evaluator.NoRung}[i]
		d.Rests = rules.CauseBaseline
		s.Rollback = append(s.Rollback, evaluator.RuleView{
			Name: name, Title: title, Kind: rules.RollbackRule, Owner: "Ops", Action: "revert the alias", Command: "make revert",
			State:   []evaluator.RuleState{evaluator.RuleHolding, evaluator.RuleWarning, evaluator.RuleClear}[i],
			Verdict: []rules.Verdict{rules.Pending, rules.Pass, rules.Pass}[i],
			Why:     evaluator.Why{Code: evaluator.WhyMeasured},
			Evidence: evaluator.Evidence{
				Signal: "api_5xx", Known: true, Value: .1167, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Samples: 60,
				From: start.Add(20 * time.Minute), To: start.Add(24 * time.Minute), Newest: start.Add(24 * time.Minute), Weighed: d,
			},
		})
	}
	s.Holder = evaluator.Holder{By: "api-5xx-high", Rule: true, Cause: rules.CauseBaseline, Evidence: &s.Rollback[0].Evidence}
	for _, e := range edit {
		e(plan, &s)
	}
	return gate.PlanView{Name: "P", Title: "A release", Version: "1.0.0", Phases: []string{"ten"}, File: gate.File{State: gate.FileOK}, Runs: []wire.RunView{{Plan: plan, Snapshot: s}}}
}

// heldDaemon answers as a daemon whose run is held.
func heldDaemon(t *testing.T, edit ...func(*rules.Plan, *evaluator.Snapshot)) (url string) {
	t.Helper()
	view := heldView(edit...)
	g, err := gate.New(gate.Config{Now: func() time.Time { return view.Runs[0].Snapshot.At }})
	if err != nil {
		t.Fatal(err)
	}
	g.Update(gate.Views{Plans: []gate.PlanView{view}})
	srv := httptest.NewServer(g.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(g.Drain) // before the server, which waits for long polls
	return srv.URL
}

func TestXX(t *testing.T) {
	url := heldDaemon(t)
	for _, args := range [][]string{{"gate", "check", "P"}, {"gate", "check", "P", "-o", "github"}, {"gate", "check", "P", "-o", "gitlab"}, {"gate", "verdict", "P"}, {"gate", "wait", "P", "--timeout", "200ms"}, {"explain", "P"}, {"explain", "P", "--all"}} {
		code, out, errs := command(t, append(args, "--url", url)...)
		t.Logf("%v %d\n%s\nERR %s", args, code, out, errs)
	}
}

// strip takes the escape sequences out.
func strip(s string) string {
	var b strings.Builder
	escape := false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r < 'A' || r == '['
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestEveryStateHasAColour(t *testing.T) {
	for _, s := range evaluator.RuleStates() {
		if stateColours[s] == "" {
			t.Errorf("state %s has none", s)
		}
	}
}

func TestSummaryKeepsTheFirstOfEach(t *testing.T) {
	var r rollbackSummary
	for i, to := range []string{"clear", "warning", "clear", "warning", "holding", "warning", "fired"} {
		from := ""
		if i == 5 {
			from = "holding"
		}
		r.note(&moment{Offset: string(rune('a' + i)), From: from, To: to})
	}
	if r.FirstEvent.Offset != "a" || r.Warning.Offset != "b" || r.Holding.Offset != "e" || r.Fired.Offset != "g" {
		t.Errorf("first %s, warning %s, holding %s, fired %s; want a, b, e, g", r.FirstEvent.Offset, r.Warning.Offset, r.Holding.Offset, r.Fired.Offset)
	}
	var out bytes.Buffer
	p := linePresenter{out: &out}
	r.Rule = "errors-high"
	p.rollback(&r)
	if got, want := out.String(), "  rule errors-high: warning at b, holding at e, fired at g\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	resumed := rollbackSummary{}
	resumed.note(&moment{From: "holding", To: "warning"})
	if resumed.Warning != nil {
		t.Error("a hold that was resumed is no first warning")
	}
	out.Reset()
	p.rollback(&rollbackSummary{Rule: "quiet", FirstEvent: &moment{To: "clear"}})
	if out.Len() > 0 {
		t.Errorf("a rule that said nothing has a line: %q", out.String())
	}
}

func TestWrapped(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, ""}, {"one", 10, "one"}, {"one two three", 7, "one two|three"}, {"incomprehensible it is", 5, "incomprehensible|it is"}, {"große Lüge", 10, "große Lüge"},
	} {
		if got := strings.Join(wrapped(tt.text, tt.width), "|"); got != tt.want {
			t.Errorf("wrapped(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}
