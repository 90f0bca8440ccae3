package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Each row changes one thing, and names every change that is told.
func TestDiffTellsWhatThePlanFileSays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"nothing", func(*Spec) {}, ""},
		{"an interval", func(s *Spec) { s.Release.Interval = dur(time.Minute) }, "release.interval: 30s → 1m"},
		{"a version", func(s *Spec) { s.Release.Version = "1.0.1" }, "release.version: 1.0.0 → 1.0.1"},
		{"a start", func(s *Spec) { s.Release.Start = s.Release.Start.Add(time.Hour) },
			"release.start: 2025-06-04T02:00:00Z → 2025-06-04T03:00:00Z; release.expected_completion: 2025-06-05T04:00:00Z → 2025-06-05T05:00:00Z"},
		{"the release before", func(s *Spec) { s.Release.Previous = map[string]Literal{"version": {"0.9"}} }, "release.previous.version:  → 0.9"},
		{"a parameter of the release before", func(s *Spec) {
			s.Parameters, s.Rollback[0].Command = []ParameterSpec{{Name: "lambda", Default: &Literal{"1"}}}, "to {previous.lambda}"
			s.Release.Previous = map[string]Literal{"lambda": {"42"}}
		}, "release.previous.lambda:  → 42; parameters.lambda:  → 1; rollback.errors-high.command: revert --now → to {previous.lambda}"},
		{"a template", func(s *Spec) {
			s.Release.Version, s.Release.Start, s.Release.Completion = "", time.Time{}, Instant{Offset: &Offset{48 * time.Hour}}
		}, "release.expected_completion: 2025-06-05T04:00:00Z → T+2d; release.version: 1.0.0 → ; release.start: 2025-06-04T02:00:00Z → "},
		{"how many samples", func(s *Spec) { s.Success[0].MinSamples = ptr(250.0) }, "success.errors.min_samples:  → 250"},
		{"a cluster", func(s *Spec) { s.Signals[0].Cluster = ptr(2.0) }, "signals.error_rate.cluster:  → 2"},
		{"a window", func(s *Spec) { s.Phases[1].Window = dur(12 * time.Hour) }, "release.expected_completion: 2025-06-05T04:00:00Z → 2025-06-04T16:00:00Z; phases.all.window: 1d → 12h"},
		{"a share of the traffic", func(s *Spec) { s.Phases[0].Traffic = &Fraction{0.25} }, "phases.canary.traffic: 10 % → 25 %"},
		{"a phase's rules", func(s *Spec) { s.Phases[0].Rollback = s.Phases[0].Rollback[:1] }, `phases.canary.rollback: ["errors-high", "slow-high"] → ["errors-high"]`},
		{"one more phase", func(s *Spec) {
			p := s.Phases[1]
			p.Name, p.Advance, p.Start, p.Traffic, p.Window = "p50", nil, &Offset{26 * time.Hour}, &Fraction{0.5}, dur(time.Hour)
			s.Phases = append(s.Phases, p)
		}, "release.expected_completion: 2025-06-05T04:00:00Z → 2025-06-05T05:00:00Z; phases.p50:  → 50 % from T+1d2h for 1h"},
		{"one phase less", func(s *Spec) { s.Phases = s.Phases[:1]; s.Success = s.Success[:3]; s.Signals = s.Signals[:4] },
			"release.expected_completion: 2025-06-05T04:00:00Z → 2025-06-04T04:00:00Z; phases.all: 100 % from T+2h for 1d → ; " +
				"success.crashes: crash_free >= 99.5 % → ; success.stars: stars >= 4.5 → ; signals.crash_free: ratio from sentry → ; signals.stars: mean from store → "},
		{"phases in another order", func(s *Spec) {
			s.Phases[0], s.Phases[1] = s.Phases[1], s.Phases[0]
			s.Phases[0].Advance, s.Phases[0].Start, s.Phases[1].Start = nil, &Offset{}, &Offset{}
		}, "phases: canary, all → all, canary; release.expected_completion: 2025-06-05T04:00:00Z → 2025-06-04T04:00:00Z; phases.all.start: T+2h → T; phases.all.advance: on_pass → scheduled"},
		{"a condition", func(s *Spec) { s.Success[0].When = when("< 0.5 %") }, "success.errors.when: < 1 % → < 0.5 %"},
		{"a percentile's condition", func(s *Spec) { s.Rollback[1].When = when("> 3500 ms") }, "rollback.slow-high.when: > 3 s → > 3.5 s"},
		{"how long", func(s *Spec) { s.Rollback[0].For = nil }, "rollback.errors-high.for: 10m → "},
		{"a command", func(s *Spec) { s.Rollback[0].Command = "revert --fast" }, "rollback.errors-high.command: revert --now → revert --fast"},
		{"datapoints", func(s *Spec) { s.Rollback[0].For, s.Rollback[0].Datapoints = nil, "3 of 5" },
			"rollback.errors-high.datapoints:  → 3 of 5; rollback.errors-high.missing:  → missing; rollback.errors-high.for: 10m → "},
		{"a rule in shadow", func(s *Spec) { s.Success[0].Mode = ptr(Shadow) }, "success.errors.mode:  → shadow"},
		{"how a gauge is judged", func(s *Spec) { s.Success[2].Aggregate = ptr(Average) }, "success.gap.aggregate: worst → mean"},
		{"a name that was never seen", func(s *Spec) { s.Signals[0].AssumeSeen = true }, "signals.error_rate.assume_seen:  → true"},
		{"a rule's alarm", func(s *Spec) { s.Success[0].Alarm, s.Success[1].Alarm = "", "page" }, "success.errors.alarm: page → ; success.slow.alarm:  → page"},
		{"a dimension", func(s *Spec) {
			cloudWatch(s.Signals[0].Query).Dimensions = map[string]string{"ApiName": "shop", "St age": "prod"}
		},
			`signals.error_rate.cloudwatch.dimensions:  → { ApiName = "shop", "St age" = "prod" }`},
		{"a metric", func(s *Spec) { cloudWatch(s.Signals[0].Query).Bad = "4XXError" }, "signals.error_rate.cloudwatch.bad: 5XXError → 4XXError"},
		{"a switch", func(s *Spec) { cloudWatch(s.Signals[0].Query).MissingBadIsZero = true }, "signals.error_rate.cloudwatch.missing_bad_is_zero:  → true"},
		{"SQL", func(s *Spec) { athena(s.Signals[3].Query).SQL, athena(s.Signals[3].Query).File = "SELECT\n?", "q.sql" }, "signals.gap.athena.file: , checksum bee9ebd8 → q.sql, checksum bf2a932e"},
		{"an expected rate", func(s *Spec) { s.Signals[0].Rate = "120/min" }, "signals.error_rate.expected_rate:  → 2/s"},
		{"a message", func(s *Spec) { s.Communications[0].Text = "LIVE" }, "communications.later.text: live → LIVE"},
		{"one message more", func(s *Spec) {
			s.Communications = append(s.Communications, CommunicationSpec{Name: "x", At: &Moment{}, Channel: "chat", Text: "now"})
		}, "communications.x:  → T chat: now"},
		{"fewer signatures", func(s *Spec) { s.Approvals[0].Need = ptr(1) }, "approvals.start.need: 2 → 1"},
		{"a signature of another role", func(s *Spec) { s.Approvals[0].Roles = []string{"CEO", "Legal"} }, `approvals.start.roles: ["CTO", "Legal"] → ["CEO", "Legal"]`},
		{"another approval", func(s *Spec) {
			s.Approvals = append(s.Approvals, ApprovalSpec{Name: "override", Roles: []string{"CTO"}, NotAuthor: new(bool)})
		}, "approvals.override:  → 1 of CTO"},
		{"a role", func(s *Spec) { s.People = []PersonSpec{{Name: "CTO", Sign: Several{"cto@example.com"}, Slack: "@cto"}} }, "people.CTO:  → cto@example.com"},
		{"when a message is sent", func(s *Spec) {
			m := &s.Communications[0]
			m.At, m.On, m.OnlyIf = nil, &Wanted{States: []State{Passed}}, &Wanted{Phase: "canary", Not: true, States: []State{Failed, RolledBack}}
			m.Quiet, m.To = &Quiet{From: 22 * time.Hour, Till: 7 * time.Hour}, "slack #ops"
		}, `communications.later.on:  → run passed; communications.later.only_if:  → canary not failed or rolled_back; ` +
			`communications.later.quiet_hours:  → 22:00-07:00; communications.later.to:  → slack #ops; communications.later.at: T+1h → `},
		{"data that settles at once", func(s *Spec) { s.Signals[0].Settle = dur(0) }, "success.errors.grace: 6m → 3m; rollback.errors-high.grace: 6m → 3m; signals.error_rate.settle: 3m → 0s"},
		{"sessions that count at once", func(s *Spec) { s.Signals[4].Maturity = dur(0) }, "signals.crash_free.maturity: 2h → 0s"},
		{"no grace", func(s *Spec) { s.Rollback[0].Grace = dur(0) }, "rollback.errors-high.grace: 6m → 0s"},
		{"what the review asks", func(s *Spec) { s.Review.PassCriteria = nil }, `review.pass_criteria: ["customers are pleased"] → `},
		{"a parameter", func(s *Spec) {
			s.Parameters, s.Release.Title = []ParameterSpec{{Name: "x", Default: &Literal{"1"}}}, "The launch of {x}"
		}, "release.title: The launch → The launch of {x}; parameters.x:  → 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := goodSpec()
			tt.change(&spec)
			changed, problems := Compile(spec)
			if changed == nil {
				t.Fatal(problems)
			}
			if got := diffText(compileGood(t), changed); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDiffTellsOfAHoldThatEndsByItself(t *testing.T) {
	spec := weighingSpec()
	spec.Rollback[0].Resume = ptr(ResumeAuto)
	if got, want := diffText(compile(t, weighingSpec()), compile(t, spec)), "rollback.errors-high.resume:  → auto; rollback.errors-high.resume_after:  → 6m"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func diffText(old, new *Plan) string {
	var lines []string
	for _, c := range Diff(old, new) {
		lines = append(lines, fmt.Sprintf("%s: %s → %s", c.Path, c.From, c.To))
	}
	return strings.Join(lines, "; ")
}

// A rule that weighs evidence has bounds and shares that follow from other rules:
// a change is told where it was written.
func TestDiffLeavesOutWhatFollows(t *testing.T) {
	weighed := func(change func(*Spec)) *Plan {
		spec := goodSpec()
		spec.Release.Evidence = ptr(Sequential)
		spec.Signals[4].Baseline = &BaselineSpec{Dimension: "release", Value: "p@0"}
		change(&spec)
		plan, problems := Compile(spec)
		if plan == nil {
			t.Fatal(problems)
		}
		return plan
	}
	cond := func(text string) *Condition { c := when(text); return &c }
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"the limit of another rule", func(s *Spec) { s.Success[0].When = when("< 2 %") }, "success.errors.when: < 1 % → < 2 %"},
		{"the trigger of another rule", func(s *Spec) { s.Rollback[0].When = when("> 4 %") }, "rollback.errors-high.when: > 3 % → > 4 %"},
		{"a limit of its own", func(s *Spec) { s.Rollback[0].Limit = cond("<= 2 %") }, "rollback.errors-high.limit:  → <= 2 %"},
		{"a trigger of its own", func(s *Spec) { s.Success[3].Trigger = cond("< 98 %") }, "success.crashes.trigger:  → < 98 %"},
		{"a weight", func(s *Spec) { s.Rollback[1].Weight = ptr(3.0) }, "rollback.slow-high.weight: 1 → 3"},
		{"the budget", func(s *Spec) { s.Release.FalseRollback = &Fraction{0.02} }, "release.false_rollback: 1 % → 2 %"},
		{"a baseline", func(s *Spec) { s.Signals[4].Baseline = &BaselineSpec{Dimension: "release", Value: "p@00"} },
			`signals.crash_free.baseline: { dimension = "release", value = "p@0" } → { dimension = "release", value = "p@00" }`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := diffText(weighed(func(*Spec) {}), weighed(tt.change)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDiffSaysHowManyMore(t *testing.T) {
	many := func(n int) *Plan {
		spec := goodSpec()
		for i := range n {
			spec.Communications = append(spec.Communications, CommunicationSpec{Name: fmt.Sprintf("m%02d", i), At: &Moment{}, Channel: "chat", Text: "x"})
		}
		return compiled(t, spec)
	}
	if got := Diff(many(0), many(50)); len(got) != 50 || got[49].Path != "communications.m49" {
		t.Errorf("got %d changes, the last %+v, want all 50", len(got), got[len(got)-1])
	}
	if got := Diff(many(60), many(0)); len(got) != 50 || got[49] != (Change{Path: "…", To: "11 more changes"}) {
		t.Errorf("got %d changes, the last %+v, want 49 and that there are 11 more", len(got), got[len(got)-1])
	}
}

func TestARunDiffersFromItsPlanInWhatItWasTold(t *testing.T) {
	plan := compiled(t, templateSpec())
	one, err := plan.Bound(bind)
	if err != nil {
		t.Fatal(err)
	}
	other := bind
	other.UID, other.Try = "u2", 3
	two, err := plan.Bound(other)
	if err != nil {
		t.Fatal(err)
	}
	if got := diffText(one, two); got != "" {
		t.Errorf("got %s of two runs that differ in their ids", got)
	}
}

// How a rule on a gauge judges is a part of it in one line.
func TestDiffNamesTheWayOfAGauge(t *testing.T) {
	without, with := gaugeSpec(), gaugeSpec()
	without.Rollback = without.Rollback[:2]
	without.Phases[0].Rollback = without.Phases[0].Rollback[:2]
	with.Rollback[2].Over = dur(10 * time.Minute)
	got := diffText(compile(t, without), compile(t, with))
	if !strings.Contains(got, "rollback.gap-high:  → gap > 90, mean over 10m") {
		t.Errorf("got %s", got)
	}
}

// A burst that the release names is told where it counts.
func TestDiffTellsOfBursts(t *testing.T) {
	before, after := weighingSpec(), weighingSpec()
	after.Rollback[1].RideOut = dur(0)
	if got := diffText(compile(t, before), compile(t, after)); got != "rollback.slow-high.ride_out: 3m → 0s" {
		t.Errorf("got %s", got)
	}
}
