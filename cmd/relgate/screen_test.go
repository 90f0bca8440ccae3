package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

func TestClipCountsColumnsNotBytes(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"exactly te", 10, "exactly t…\x1b[0m"},
		{"\x1b[32mgreen\x1b[0m and more", 8, "\x1b[32mgreen\x1b[0m a…\x1b[0m"},
		{"█░█░█", 4, "█░█…\x1b[0m"},
	} {
		if got := clip(tt.line, tt.width); got != tt.want {
			t.Errorf("clip(%q, %d) = %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}

func TestScreenShowsPhasesRulesAndCountdowns(t *testing.T) {
	start := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	var out strings.Builder
	s := screen{w: &out, width: func() int { return 100 }, start: start}
	s.event(evaluator.Event{At: start, Kind: evaluator.PhaseEvent, Subject: "one", From: "waiting", To: "monitoring", Reason: strings.Repeat("long ", 50)})
	snap := &evaluator.Snapshot{
		Plan: "P", At: start.Add(5 * time.Minute), Start: start,
		Phases: []evaluator.PhaseView{{Name: "one", Traffic: 0.1, State: rules.Monitoring, Verdict: rules.Pending, Started: start, WindowEnd: start.Add(10 * time.Minute)}},
		Rollback: []evaluator.RuleView{{Name: "errors", State: evaluator.RuleBreaching, Evidence: evaluator.Evidence{
			Known: true, Value: 0.05, Op: rules.Greater, Threshold: 0.03, Unit: rules.Percent, Held: "4m0s", For: "10m0s"}}},
	}
	s.draw(snap, true)
	for _, want := range []string{"T+5m", "5m0s left", "████████████░░░░░░░░░░░░", "> 3 %", "4m0s of 10m0s", "waiting -> monitoring"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the frame lacks %q:\n%s", want, &out)
		}
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.NewReplacer("\x1b[2K", "", "\x1b[0m", "", "\x1b[J", "", "\n", "").Replace(line)); n > 100 {
			t.Errorf("a line of %d columns would wrap: %q", n, line)
		}
	}
}
