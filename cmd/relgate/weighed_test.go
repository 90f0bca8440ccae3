package main

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// heldView is a run that a rule holds, beside one that warns and one that is clear.
func heldView(edit ...func(*rules.Plan, *fact.Snapshot)) gate.PlanView {
	start := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	plan := &rules.Plan{
		Name: "P", Title: "A release", Version: "1.0.0", Interval: 30 * time.Second, Start: start, Manager: "Ada",
		Binding: rules.Binding{Run: "P@1.0.0", UID: "u1", Try: 1},
		Phases:  []rules.Phase{{Name: "ten", Window: time.Hour, Owner: "Ops"}},
		Signals: []rules.Signal{{Name: "api_5xx", Kind: rules.Ratio, Unit: rules.Percent, Of: -1, Query: rules.Query{Ask: &cloudwatch.Query{}}}},
	}
	s := fact.Snapshot{
		Plan: "P", Run: "P@1.0.0", Title: "A release", Version: "1.0.0", Try: 1, Manager: "Ada", Seq: 7, Start: start, At: start.Add(25 * time.Minute), Interval: 30 * time.Second,
		State: rules.Held, Held: true, Verdict: rules.Pending, Cause: rules.CauseBaseline, Generation: 9,
		Why: fact.Why{Code: fact.WhyHeldByRule, Rule: "api-5xx-high", Cause: rules.CauseBaseline},
		Phases: []fact.PhaseView{{
			Name: "ten", Traffic: .1, State: rules.Monitoring, Verdict: rules.Pending, Why: fact.Why{Code: fact.WhyHeldByRule, Rule: "api-5xx-high"},
			Started: start, WindowEnd: start.Add(time.Hour), Owner: "Ops", Rollback: []int{0, 1, 2},
		}},
	}
	for i, name := range []string{"api-5xx-high", "slow-high", "crash-high"} {
		title := []string{"API 5xx", "Slow answers", "Crashes"}[i]
		plan.Rules = append(plan.Rules, rules.Rule{Name: name, Title: title, Kind: rules.RollbackRule, Owner: "Ops", Action: "revert the alias", Command: "make revert"})
		d := &fact.Weighed{
			Bad: 7, Low: .026, High: .29, Limit: .01, Trigger: .03, Goal: rules.Less, Against: math.Log(196.5), Bound: math.Log(100), Warning: 5, Middle: 1, Canary: true,
			Baseline: &fact.Beside{Signal: "api_5xx@41", Bad: 65, Samples: 540, Worse: -6, Warning: 4, Compared: true},
		}
		d.Rung = []fact.Rung{fact.HoldRung, fact.WarnRung, fact.NoRung}[i]
		d.Rests = rules.CauseBaseline
		s.Rollback = append(s.Rollback, fact.RuleView{
			Name: name, Title: title, Kind: rules.RollbackRule, Owner: "Ops", Action: "revert the alias", Command: "make revert",
			State:   []fact.RuleState{fact.RuleHolding, fact.RuleWarning, fact.RuleClear}[i],
			Verdict: []rules.Verdict{rules.Pending, rules.Pass, rules.Pass}[i],
			Why:     fact.Why{Code: fact.WhyMeasured},
			Evidence: fact.Evidence{
				Signal: "api_5xx", Known: true, Value: .1167, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Samples: 60,
				From: start.Add(20 * time.Minute), To: start.Add(24 * time.Minute), Newest: start.Add(24 * time.Minute), Weighed: d,
			},
		})
	}
	s.Holder = fact.Holder{By: "api-5xx-high", Rule: true, Cause: rules.CauseBaseline, Evidence: &s.Rollback[0].Evidence}
	for _, e := range edit {
		e(plan, &s)
	}
	return gate.PlanView{Name: "P", Title: "A release", Version: "1.0.0", Phases: []string{"ten"}, File: gate.File{State: gate.FileOK}, Runs: []wire.RunView{{Plan: plan, Snapshot: s}}}
}

// heldDaemon answers as a daemon whose run is held.
func heldDaemon(t *testing.T, edit ...func(*rules.Plan, *fact.Snapshot)) (url string) {
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

func TestWhatHoldsARunIsSaidByEveryCommand(t *testing.T) {
	const (
		fact     = "API 5xx 12 % >= 1 %: 7 of 60 canary requests failed since 02:20 UTC"
		baseline = "Baseline over the same minutes: 65 of 540 (12 %): the baseline is as bad, so rolling back will not help"
	)
	url := heldDaemon(t)
	for _, tt := range []struct {
		args     []string
		code     int
		out, err string
	}{
		{[]string{"gate", "check", "P"}, exitPending, "HOLD P/run 1.0.0: API 5xx 12 % >= 1 % for 4 min (7 of 60)\ndo now   look at API 5xx, then resume the run or abort it  (Ops)\nwhy      " + fact, ""},
		{[]string{"gate", "check", "P", "ten"}, exitPending, baseline, ""},
		{[]string{"gate", "check", "P", "-o", "github"}, exitPending, strings.ReplaceAll(baseline, "%", "%25"), ""},
		{[]string{"gate", "check", "P", "-o", "gitlab"}, exitPending, "relgate_held=true\n", ""},
		{[]string{"gate", "check", "P", "-o", "gitlab"}, exitPending, "relgate_reason=" + fact, ""},
		{[]string{"gate", "verdict", "P"}, exitPass, "pending\n", "held by rollback rule api-5xx-high: " + fact},
		{[]string{"gate", "wait", "P", "--timeout", "200ms"}, exitTimeout, "", fact},
		{[]string{"explain", "P"}, exitPass, "HOLD: API 5xx 12 % >= 1 % for 4 min (7 of 60)\ndo now    look at API 5xx, then resume the run or abort it\nwho       Ops\n", ""},
	} {
		code, out, errs := command(t, append(tt.args, "--url", url)...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.err) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit %d, %q and %q", tt.args, code, out, errs, tt.code, tt.out, tt.err)
		}
	}
	if _, out, _ := command(t, "gate", "verdict", "P", "--url", url); out != "pending\n" {
		t.Errorf("gate verdict prints %q, want the verdict alone", out)
	}
	if _, _, errs := command(t, "gate", "wait", "P", "--timeout", "200ms", "--url", url); strings.Count(errs, "pending: ") != 1 {
		t.Errorf("gate wait says what has not changed again: %q", errs)
	}
}

func TestAPersonsHoldIsSaid(t *testing.T) {
	url := heldDaemon(t, func(_ *rules.Plan, s *fact.Snapshot) {
		s.Holder = fact.Holder{By: "Ada", Cause: rules.CauseManual, Text: "lunch"}
		s.Why = fact.Why{Code: fact.WhyHeld, By: "Ada", Text: "lunch"}
		s.Phases[0].Why = s.Why
	})
	for _, args := range [][]string{{"gate", "check", "P"}, {"gate", "check", "P", "ten"}, {"gate", "verdict", "P"}, {"explain", "P"}} {
		if _, out, errs := command(t, append(args, "--url", url)...); !strings.Contains(out+errs, "held by Ada: lunch") {
			t.Errorf("%q does not say who holds the run: %q%q", args, out, errs)
		}
	}
}

// A share of good ones is shown as the plan has it, with the digits that it deserves;
// a percentile in its own unit, though a share is judged.
func TestExplainWritesNumbersAsThePlanDoes(t *testing.T) {
	url := heldDaemon(t, func(_ *rules.Plan, s *fact.Snapshot) {
		crash, quiet, slow := &s.Rollback[0].Evidence, &s.Rollback[1].Evidence, &s.Rollback[2].Evidence
		crash.Op, crash.Threshold, crash.Value, crash.Samples = rules.Less, .98, .9703125, 1280
		*crash.Weighed = fact.Weighed{Bad: 38, Low: .948, High: .985, Limit: .005, Trigger: .02, Goal: rules.GreaterOrEqual}
		quiet.Known, quiet.Value, quiet.Samples = false, 0, 0
		slow.Quantile = &fact.Quantile{Of: .95, Value: 1.5943, Threshold: 2.5, Unit: rules.Seconds}
	})
	_, out, _ := command(t, "explain", "P", "--url", url)
	for _, want := range []string{
		"api-5xx-high  97.0 % (< 98 %)   38 of 1,280",
		"slow-high     no data (> 3 %)",
		"crash-high    1.59 s (> 2.5 s)  7 of 60",
	} {
		if strings.Count(out, want) != 1 {
			t.Errorf("explain lacks %q:\n%s", want, out)
		}
	}
}

func TestExplainCountsFailures(t *testing.T) {
	url := heldDaemon(t, func(_ *rules.Plan, s *fact.Snapshot) {
		for i, tt := range []struct {
			fault rules.Fault
			n     int
		}{{rules.NoData, 0}, {rules.Throttled, 1}, {rules.Unavailable, 7}} {
			s.Signals = append(s.Signals, fact.SignalView{Name: string(rune('a' + i)), Fault: tt.fault, Failures: tt.n, Detail: "so"})
		}
	})
	_, out, _ := command(t, "explain", "P", "--url", url)
	for _, want := range []string{"\nsignal a: the source has no data: so\n", "\nsignal b: the source asks to slow down, once: so\n", "\nsignal c: the source is unreachable or failed, 7 times in a row: so\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("explain lacks %q:\n%s", want, out)
		}
	}
}

func TestExplainColoursTheFirstLineAndWhatRulesSay(t *testing.T) {
	var body wire.PlanBody
	_, out, _ := command(t, "explain", "P", "-o", "json", "--url", heldDaemon(t))
	if err := json.Unmarshal([]byte(out), &body); err != nil {
		t.Fatal(err)
	}
	var plain, coloured strings.Builder
	explain(&plain, &body, false)
	explain(&coloured, &body, true)
	if strings.Contains(plain.String(), "\x1b") {
		t.Errorf("there are colours where none are wanted: %q", plain.String())
	}
	if got := strip(coloured.String()); got != plain.String() {
		t.Errorf("with colours it says\n%s\nand without\n%s", got, plain.String())
	}
	for _, want := range []string{"\x1b[36mHOLD: API 5xx", "\x1b[1;35mholding\x1b[0m ", "\x1b[33mwarning\x1b[0m ", "\x1b[32mnot triggered\x1b[0m "} {
		if !strings.Contains(coloured.String(), want) {
			t.Errorf("it lacks %q: %q", want, coloured.String())
		}
	}
}

// A phase whose window ends on another day, a long fault and long names stay within
// a terminal.
func TestExplainStaysWithinEightyColumns(t *testing.T) {
	url := heldDaemon(t, func(plan *rules.Plan, s *fact.Snapshot) {
		plan.Phases[0].Name, s.Phases[0].Name = "mobile-and-web-25", "mobile-and-web-25"
		s.Phases[0].WindowEnd = s.Phases[0].Started.Add(30 * time.Hour)
		s.Rollback[2].Name, s.Rollback[2].Owner = "a-rule-with-a-name-that-is-long", "Release Engineering"
		s.Signals = append(s.Signals, fact.SignalView{Name: "api_5xx", Fault: rules.Unavailable, Failures: 7, Detail: strings.Repeat("the source said a lot ", 9)})
	})
	code, out, errs := command(t, "explain", "P", "--all", "--url", url)
	if code != exitPass {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line has %d columns: %q", n, line)
		}
	}
	for _, want := range []string{"2025-06-04 02:00 to 06-05 08:00 UTC, 1 %", "a-rule-with-a-name-that-is-long  12 %"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q:\n%s", want, out)
		}
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
	for _, s := range fact.RuleStates() {
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

// What is seen of the traffic stands beside what was planned, and what holds the run by it.
func TestExplainSaysWhatIsSeenOfTheTraffic(t *testing.T) {
	url := heldDaemon(t, func(_ *rules.Plan, s *fact.Snapshot) {
		s.Phases[0].Traffic = .1
		s.Phases[0].Observed = &fact.Observed{Known: true, Share: .005, Mismatch: s.At}
		s.Holder = fact.Holder{Cause: rules.CauseThreshold, Mismatch: fact.Why{Code: fact.WhyHeldByMismatch, Phase: s.Phases[0].Name, Observed: .005, Planned: .1, Since: s.At}}
	})
	_, out, _ := command(t, "explain", "P", "--url", url)
	for _, want := range []string{"0.5 % of the traffic has it, 10 % planned", "10 % planned, 0.5 % seen"} {
		if !strings.Contains(out, want) {
			t.Errorf("explain lacks %q:\n%s", want, out)
		}
	}
}
