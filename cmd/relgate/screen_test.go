package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/relgate/relgate"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

func TestClipCountsColumnsNotBytes(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"exactly te", 10, "exactly t…"},
		{"\x1b[32mgreen\x1b[0m and more", 8, "\x1b[32mgreen\x1b[0m a…\x1b[0m"},
		{"█░█░█", 4, "█░█…"},
	} {
		if got := clip(tt.line, tt.width); got != tt.want {
			t.Errorf("clip(%q, %d) = %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}

// theCommand is the longest rehearsed command of the project's config: two lines of
// a terminal.
const theCommand = "aws lambda update-alias --function-name bioage-inference --name live --function-version 42 --routing-config AdditionalVersionWeights={}"

// rolledBackRun is the project's own plan, with its five phases and four rollback
// rules, at the moment of a rollback.
func rolledBackRun(t *testing.T) *runner.RunView {
	t.Helper()
	text, err := relgate.Files.ReadFile("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := configs().Decode("config.toml", text, relgate.Files.ReadFile)
	if cfg == nil {
		t.Fatal(problems)
	}
	plan := cfg.Plans[0].Example()
	plan.Approvals = nil
	plan.Binding = rules.Binding{Run: "REL-2025-06-04@1.0.0", UID: "u1", Try: 1}
	at := plan.Start.Add(71 * time.Minute)
	fired := &fact.Event{
		ID: "REL-2025-06-04@1.0.0.u1/9", N: 9, Plan: plan.Name, Run: plan.Binding.Run, At: at, Kind: fact.RuleEvent, Subject: "api-5xx-high",
		From: string(fact.RuleWarning), To: string(fact.RuleFired), Cause: rules.CauseEvidence, Why: fact.Why{Code: fact.WhyMeasured},
		Evidence: &fact.Evidence{
			Signal: "api_5xx_rate", Known: true, Value: .0501, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Samples: 11010,
			From: plan.Start.Add(time.Hour), To: at, Newest: at, For: "10m0s",
			Weighed: &fact.Weighed{Bad: 552, Low: .042, High: .059, Limit: .01, Trigger: .03, Goal: rules.Less, Against: 9, Bound: 5.5, Warning: 40, Middle: 3, Rung: fact.RollbackRung, Rests: rules.CauseEvidence},
		},
	}
	s := fact.Snapshot{
		Plan: plan.Name, Run: plan.Binding.Run, Title: plan.Title, Version: plan.Version, Try: 1, Manager: plan.Manager, At: at, Interval: plan.Interval, Start: plan.Start,
		State: rules.RolledBack, Verdict: rules.Rollback, Cause: rules.CauseEvidence, Why: fact.Why{Code: fact.WhyRuleFired, Rule: "api-5xx-high"}, Fired: fired, Generation: 40,
	}
	for k := range plan.Phases {
		p := &plan.Phases[k]
		v := fact.PhaseView{Name: p.Name, Title: p.Title, Traffic: p.Traffic, Owner: p.Owner, State: rules.RolledBack, Verdict: rules.Rollback, Scheduled: plan.Start.Add(time.Duration(k) * time.Hour), Decided: at, Why: s.Why}
		s.Phases = append(s.Phases, v)
	}
	for i := range plan.Rules {
		r := &plan.Rules[i]
		if r.Kind != rules.RollbackRule {
			continue
		}
		v := fact.RuleView{Name: r.Name, Title: r.Title, Kind: r.Kind, Owner: r.Owner, Action: r.Action, Command: r.Command, State: fact.RuleSilent, Verdict: rules.Unknown, Evidence: fact.Evidence{Op: r.When.Op, Threshold: r.When.Threshold}}
		switch r.Name {
		case "lambda-p95-high":
			v.State, v.Verdict = fact.RuleClear, rules.Pass
			v.Evidence.Known, v.Evidence.Value, v.Evidence.Quantile = true, .0008, &fact.Quantile{Of: .95, Value: 1.5943, Threshold: 3, Unit: rules.Seconds}
		case "api-5xx-high":
			v.State, v.Verdict, v.Evidence = fact.RuleFired, rules.Rollback, *fired.Evidence
		}
		s.Rollback = append(s.Rollback, v)
	}
	return &runner.RunView{Record: fact.RunRecord{ID: plan.Binding.Run}, Plan: plan, Snapshot: s}
}

// drawn gives the lines of a frame on a terminal of the size.
func drawn(u *runner.RunView, columns, rows int, colour bool) []string {
	var out strings.Builder
	s := screen{w: &out, size: func() (int, int) { return columns, rows }, colour: colour}
	for i := range 40 {
		e := &fact.Event{N: uint64(i), At: u.Plan.Start.Add(time.Duration(i) * time.Minute), Kind: fact.PhaseEvent, Subject: "lambda-10", Phase: "lambda-10", From: "waiting", To: "monitoring", Why: fact.Why{Code: fact.WhyOnSchedule, Until: u.Plan.Start.Add(time.Hour)}}
		s.event(u.Plan, e, nil)
	}
	s.draw(u, true)
	return strings.Split(strings.TrimSuffix(out.String(), "\n\x1b[J"), "\n")
}

func TestTheFrameOfARollbackFitsATerminal(t *testing.T) {
	u := rolledBackRun(t)
	if len(u.Snapshot.Phases) != 5 || len(u.Snapshot.Rollback) != 4 {
		t.Fatalf("the plan has %d phases and %d rollback rules, want 5 and 4", len(u.Snapshot.Phases), len(u.Snapshot.Rollback))
	}
	for _, size := range []struct{ columns, rows int }{{80, 24}, {100, 30}, {132, 50}, {60, 24}, {80, 10}, {20, 3}} {
		for _, colour := range []bool{false, true} {
			lines := drawn(u, size.columns, size.rows, colour)
			if len(lines) > size.rows-1 {
				t.Errorf("%d lines on a terminal of %d:\n%s", len(lines), size.rows, strings.Join(lines, "\n"))
			}
			for _, line := range lines {
				if n := utf8.RuneCountInString(strip(line)); n > size.columns {
					t.Errorf("%d columns on a terminal of %d would wrap: %q", n, size.columns, line)
				}
			}
		}
	}
	text := strip(strings.Join(drawn(u, 80, 24, false), "\n"))
	flat := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{
		"REL-2025-06-04@1.0.0 BioAge v1 Launch", "2025-06-04 03:11:00 UTC T+1h11m rolled_back", "ROLLBACK: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)",
		"do now pause the rollout, revert the alias (DevSecOps)", theCommand,
		"lambda-10 10 % rolled back", "mobile-100 100 % rolled back", "api-5xx-high 5.01 % rolls back > 3 % fired", "bias-high no data rolls back > 0.07 silent",
		"lambda-p95-high 1.59 s rolls back > 3 s clear",
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("the frame lacks %q:\n%s", want, text)
		}
	}
}

// What goes on in a phase is seen: how far its window has come, and for how long a
// rule has been breaching.
func TestTheFrameShowsCountdowns(t *testing.T) {
	u := rolledBackRun(t)
	s := &u.Snapshot
	s.State, s.Verdict, s.Fired, s.Why = rules.Monitoring, rules.Pending, nil, fact.Why{Code: fact.WhyUnderWay, Phase: "lambda-10", State: "monitoring", Of: 5}
	s.At = s.Start.Add(5 * time.Minute)
	s.Phases[0] = fact.PhaseView{Name: "lambda-10", Traffic: .1, State: rules.Monitoring, Verdict: rules.Pending, Started: s.Start, WindowEnd: s.Start.Add(10 * time.Minute)}
	s.Phases[1] = fact.PhaseView{Name: "lambda-100", Traffic: 1, State: rules.Waiting, Verdict: rules.Pending, Scheduled: s.Start.Add(20 * time.Minute)}
	s.Rollback[0].State = fact.RuleBreaching
	s.Rollback[0].Evidence = fact.Evidence{Known: true, Value: 0.05, Op: rules.Greater, Threshold: 0.03, Unit: rules.Percent, Held: "4m0s", For: "10m0s"}
	text := strings.Join(drawn(u, 80, 24, false), "\n")
	for _, want := range []string{
		"T+5m  monitoring", "phase lambda-10 is watched", "██████████░░░░░░░░░░ 5m0s left", "░░░░░░░░░░░░░░░░░░░░ planned T+20m",
		"5 %  rolls back > 3 %", "4m0s of 10m0s", "T+39m",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the frame lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "do now") {
		t.Errorf("there is nothing to do, and the frame says:\n%s", text)
	}
}

func TestTheFrameIsColouredWhereThatIsWanted(t *testing.T) {
	u := rolledBackRun(t)
	if got := strings.Join(drawn(u, 80, 24, true), "\n"); !strings.Contains(got, "\x1b[1;31mROLLBACK: ") || !strings.Contains(got, "\x1b[1;31mfired") {
		t.Errorf("states have no colour: %q", got)
	}
	for _, line := range drawn(u, 80, 24, false) {
		if strings.Contains(strings.TrimPrefix(line, "\x1b[2K"), "\x1b") {
			t.Errorf("a colour where none is wanted: %q", line)
		}
	}
}

// A frame is drawn over the one before, however many lines that had.
func TestAFrameTakesThePlaceOfTheOneBefore(t *testing.T) {
	u := rolledBackRun(t)
	var out strings.Builder
	s := screen{w: &out, size: func() (int, int) { return 80, 24 }}
	s.draw(u, true)
	n := strings.Count(out.String(), "\n")
	out.Reset()
	s.draw(u, true)
	if !strings.HasPrefix(out.String(), fmt.Sprintf("\x1b[%dA", n)) {
		t.Errorf("after a frame of %d lines the next begins with %q", n, out.String()[:10])
	}
	out.Reset()
	if s.draw(u, false); out.Len() > 0 {
		t.Error("a frame is drawn again at once")
	}
}
