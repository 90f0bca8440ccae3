package report_test

import (
	"flag"
	"time"

	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

var update = flag.Bool("update", false, "write the golden files again")

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// at is a time on the run's clock, in minutes.
func at(minute int) *time.Time { return new(t0.Add(time.Duration(minute) * time.Minute)) }

const (
	signed = "1111111111111111111111111111111111111111111111111111111111111111"
	edited = "2222222222222222222222222222222222222222222222222222222222222222"
)

// shop is the plan of the run that the tests tell of.
func shop() *rules.Plan {
	percent := func(op rules.Op, v float64) rules.Condition {
		return rules.Condition{Op: op, Threshold: v, Unit: rules.Percent}
	}
	return &rules.Plan{
		Name: "shop", Title: "Shop", Version: "1.4.2", Start: t0, Completion: t0.Add(3 * time.Hour), Manager: "R. Manager", Interval: time.Minute, FalseRollback: .01,
		Signals: []rules.Signal{
			{Name: "errors", Source: "cloudwatch", Kind: rules.Ratio, Unit: rules.Percent, Period: time.Minute, Every: time.Minute, Of: -1},
			{Name: "reviews", Source: "appstore", Kind: rules.Mean, Period: 10 * time.Minute, Every: 10 * time.Minute, Of: -1},
			{Name: "errors_alarm", Source: "cloudwatch", Kind: rules.Alarm, Period: time.Minute, Every: time.Minute, Of: -1},
		},
		Rules: []rules.Rule{
			{Name: "few-errors", Title: "Errors", Kind: rules.Success, When: percent(rules.Less, .01), ShownWhen: percent(rules.Less, .01), Alarm: -1, Owner: "Ops"},
			{Name: "stars", Title: "Stars", Kind: rules.Success, Signal: 1, ShownSignal: 1, ShownWhen: rules.Condition{Op: rules.GreaterOrEqual, Threshold: 4.5}, Alarm: -1, Gate: rules.Veto, Owner: "Product"},
			{Name: "many-errors", Title: "Errors", Kind: rules.RollbackRule, When: percent(rules.Greater, .03), ShownWhen: percent(rules.Greater, .03), For: 10 * time.Minute, Alarm: 2, Action: "revert the alias", Command: "deploy revert shop", Owner: "Ops"},
			{Name: "tight", Title: "Errors, tight", Kind: rules.RollbackRule, When: percent(rules.Greater, .02), ShownWhen: percent(rules.Greater, .02), Shadow: true, Alarm: -1, Owner: "Ops"},
		},
		Phases: []rules.Phase{
			{Name: "small", Title: "Small", Target: "alias live", Traffic: .1, Window: 15 * time.Minute, Owner: "Ops", Success: []int{0}, Rollback: []int{2, 3}},
			{Name: "all", Title: "All", Target: "alias live", Traffic: 1, Start: 20 * time.Minute, Window: time.Hour, Advance: rules.OnPass, Owner: "Ops", Success: []int{0, 1}, Rollback: []int{2, 3}},
		},
		Communications: []rules.Communication{{Name: "ops", At: -2 * time.Hour, To: rules.Address{Sink: "slack", Target: "#ops"}, Text: "Shop starts soon"}, {Name: "customers", Phase: "all", At: time.Hour, To: rules.Address{Sink: "statuspage", Target: "app"}, Text: "Shop is live to {traffic}"}},
		Roles:          []rules.Role{{Name: "CTO", Sign: []string{"cto@shop.example"}}},
		Approvals:      []rules.Approval{{Allows: rules.ApprovesStart, Roles: []string{"CTO", "Product Manager"}, Need: 2, Meaning: rules.MeansApproval}, {Allows: "all", Roles: []string{"Security Officer"}, Need: 1, Meaning: rules.MeansResponsibility}},
		Review:         rules.Review{Sign: []string{"Release Manager"}, Archive: "confluence"},
		Author:         "D. Engineer",
		Rehearsal:      rules.Rehearsal{Date: "2025-05-30", Environment: "staging", Note: "all commands tested"},
		PassCriteria:   append(rules.Criteria(), "the CEO is happy"),
		Parameters:     []rules.Parameter{{Name: "lambda", Required: true}},
		Binding:        rules.Binding{Run: "shop@1.4.2", UID: "u1", Try: 1, Parameters: map[string]string{"lambda": "43"}, Previous: rules.Previous{Version: "1.4.1"}},
	}
}

// story collects the events of a run.
type story struct{ events []wire.EventBody }

func (s *story) add(e wire.EventBody) string {
	e.N = uint64(len(s.events)) + 1
	e.ID = "shop@1.4.2.u1/" + string(rune('0'+e.N/10)) + string(rune('0'+e.N%10))
	e.Run, e.Plan, e.Version = "shop@1.4.2", "shop", "1.4.2"
	if e.Headline == "" {
		e.Headline = e.Kind + " " + e.Subject + ": " + e.To
	}
	if e.Sentence == "" {
		e.Sentence = e.Headline + "."
	}
	s.events = append(s.events, e)
	return e.ID
}

// span is a window in minutes.
func span(from, to int) wire.Span { return wire.Span{Start: at(from), End: at(to)} }

// successRule is a success rule as a phase shows it.
func successRule(id, title, result string, value float64) wire.Rule {
	return wire.Rule{ID: id, Title: title, Kind: "success", Result: result, Mode: "enforce", Owner: "Ops", Reason: title + " is judged.",
		Evidence: wire.Evidence{Signal: "errors", Value: &value, Op: "<", Threshold: new(1.0), Unit: "%", Samples: new(2000.0)}}
}

// rolledBack is a run with everything in it: it is approved, edited, overridden, and rolled
// back by a rule.
func rolledBack() *report.Source {
	s := &story{}
	s.add(wire.EventBody{Kind: "run", Subject: "shop", To: "waiting", At: at(-180), By: "R. Manager", Principal: "ci", Why: "the June release", Begun: &wire.Begun{Start: at(0), Try: 1}})
	s.add(wire.EventBody{Kind: "approval", Subject: "start", To: "asked", At: at(-180), Signature: &wire.Signature{Role: "CTO"}})
	approve := s.add(wire.EventBody{Kind: "command", Subject: "approve", To: "applied", At: at(-170), By: "C. Officer", Principal: "mail:cto@shop.example", Why: "I have read it"})
	s.add(wire.EventBody{Kind: "approval", Subject: "start", From: "asked", To: "approved", At: at(-170), Because: approve,
		Signature: &wire.Signature{Role: "CTO", Name: "Clara Officer", Meaning: "approval", Digest: wire.Digest{SHA256: new(signed)}}})
	s.add(wire.EventBody{Kind: "communication", Subject: "ops", To: "due", At: at(-120), Sentence: "slack #ops: Shop starts soon."})
	s.add(wire.EventBody{Kind: "communication", Subject: "ops", To: "sent", At: at(-120), Kept: "1749000000.000100"})
	s.add(wire.EventBody{Kind: "plan", Subject: "shop", To: "edited", At: at(-60), Changes: []wire.Change{{Path: "rollback.many-errors.when", From: "> 5 %", To: "> 3 %"}}})
	s.add(wire.EventBody{Kind: "approval", Subject: "start", From: "approved", To: "void", At: at(-60), Signature: &wire.Signature{Role: "CTO"}})
	glass := s.add(wire.EventBody{Kind: "command", Subject: "break_glass", To: "applied", At: at(-10), By: "R. Manager", Principal: "rm", Why: "the CTO is on a plane"})
	s.add(wire.EventBody{Kind: "approval", Subject: "start", From: "asked", To: "overridden", At: at(-10), Because: glass, Headline: "BREAK-GLASS: the start of the release without the signatures of CTO"})
	s.add(wire.EventBody{Kind: "phase", Subject: "small", Phase: "small", From: "waiting", To: "monitoring", At: at(0)})
	s.add(wire.EventBody{Kind: "rule", Subject: "few-errors", Phase: "small", From: "pending", To: "pass", At: at(18), Evidence: &wire.Evidence{Samples: new(2000.0)}})
	s.add(wire.EventBody{Kind: "phase", Subject: "small", Phase: "small", From: "monitoring", To: "passed", At: at(18)})
	s.add(wire.EventBody{Kind: "phase", Subject: "all", Phase: "all", From: "waiting", To: "monitoring", At: at(20)})
	s.add(wire.EventBody{Kind: "rule", Subject: "many-errors", Phase: "all", From: "clear", To: "warning", At: at(25)})
	s.add(wire.EventBody{Kind: "rule", Subject: "many-errors", Phase: "all", From: "warning", To: "clear", At: at(28)})
	s.add(wire.EventBody{Kind: "rule", Subject: "tight", Phase: "all", From: "clear", To: "would_fire", At: at(41), Headline: "SHADOW: it would have rolled back"})
	s.add(wire.EventBody{Kind: "rule", Subject: "many-errors", Phase: "all", From: "clear", To: "warning", At: at(42)})
	fired := s.add(wire.EventBody{Kind: "rule", Subject: "many-errors", Phase: "all", From: "warning", To: "fired", At: at(51), Headline: "ROLLBACK: Errors 5 % > 3 %",
		Action: "revert the alias", Command: "deploy revert shop", Owner: "Ops", Evidence: &wire.Evidence{Window: span(40, 50), Samples: new(900.0)}})
	s.add(wire.EventBody{Kind: "run", Subject: "shop", From: "monitoring", To: "rolled_back", At: at(51), Because: fired, Headline: "ROLLBACK: Errors 5 % > 3 %", Sentence: "Errors 5 % > 3 %: 45 of 900.", Owner: "Ops"})
	s.add(wire.EventBody{Kind: "phase", Subject: "all", Phase: "all", From: "monitoring", To: "rolled_back", At: at(51), Because: fired})
	s.add(wire.EventBody{Kind: "command", Subject: "rollback_done", To: "applied", At: at(60), By: "O. Engineer", Principal: "ops", Why: "alias reverted"})
	s.add(wire.EventBody{Kind: "review", Subject: "shop", To: "open", At: at(70)})
	edit := s.add(wire.EventBody{Kind: "command", Subject: "edit_review", To: "applied", At: at(75), By: "R. Manager", Principal: "rm", Why: "Test the cache.\nTwice."})
	s.add(wire.EventBody{Kind: "review", Subject: "lessons", To: "edited", At: at(75), Because: edit})
	edit = s.add(wire.EventBody{Kind: "command", Subject: "edit_review", To: "applied", At: at(76), By: "R. Manager", Principal: "rm", Why: "O. Engineer: a test for the cache, 2025-06-11"})
	s.add(wire.EventBody{Kind: "review", Subject: "actions", To: "edited", At: at(76), Because: edit})
	sign := s.add(wire.EventBody{Kind: "command", Subject: "sign_review", To: "applied", At: at(90), By: "R. Manager", Principal: "rm", Why: "complete"})
	s.add(wire.EventBody{Kind: "review", Subject: "Release Manager", From: "asked", To: "approved", At: at(90), Because: sign,
		Signature: &wire.Signature{Role: "Release Manager", Name: "R. Manager", Meaning: "review", Digest: wire.Digest{SHA256: new(edited)}}})
	s.add(wire.EventBody{Kind: "review", Subject: "shop", From: "open", To: "complete", At: at(90), Because: sign})
	digests := map[uint64]string{}
	for _, e := range s.events {
		digests[e.N] = edited
		if e.N < 7 {
			digests[e.N] = signed
		}
	}
	small, all := successRule("few-errors", "Errors", "pass", .2), successRule("few-errors", "Errors", "fail", 1.9)
	stars := wire.Rule{ID: "stars", Title: "Stars", Kind: "success", Result: "no_data", Mode: "enforce", Owner: "Product", Reason: "Stars: no data.", Evidence: wire.Evidence{Signal: "reviews", Op: ">=", Threshold: new(4.5)}}
	many := wire.Rule{ID: "many-errors", Title: "Errors", Kind: "rollback", Result: "triggered", Mode: "enforce", Owner: "Ops", Reason: "Errors 5 % > 3 %.", Action: "revert the alias", Command: "deploy revert shop",
		Evidence: wire.Evidence{Signal: "errors", Value: new(5.0), Op: ">", Threshold: new(3.0), Unit: "%", Samples: new(900.0)}}
	tight := wire.Rule{ID: "tight", Title: "Errors, tight", Kind: "rollback", Result: "would_fire", Mode: "shadow", WouldHave: 1, Owner: "Ops", Reason: "In shadow: it would have rolled back, and does nothing.",
		Evidence: wire.Evidence{Signal: "errors", Value: new(5.0), Op: ">", Threshold: new(2.0), Unit: "%", Samples: new(900.0)}}
	run := wire.RunBody{
		PlanBody: wire.PlanBody{
			Plan: "shop", Title: "Shop", Version: "1.4.2", Manager: "R. Manager", Headline: "ROLLBACK: Errors 5 % > 3 %", Sentence: "Errors 5 % > 3 %: 45 of 900.", EvaluatedAt: at(90),
			Run: wire.Run{ID: "shop@1.4.2", Version: "1.4.2", Try: 1, Start: at(0), State: "rolled_back", Verdict: "fail", Over: true, RolledBack: true},
			Phases: []wire.Body{
				{Phase: "small", Title: "Small", State: "passed", Verdict: "rollback", Window: span(0, 15), Traffic: wire.Traffic{TargetPercent: new(10.0)}, Rules: []wire.Rule{small, many, tight}},
				{Phase: "all", Title: "All", State: "rolled_back", Verdict: "rollback", Window: span(20, 80), Traffic: wire.Traffic{TargetPercent: new(100.0)}, Rules: []wire.Rule{all, stars, many, tight}},
			},
			Rollback: []wire.Rule{many, tight},
			People: wire.People{
				Approvals: []wire.Approval{{Allows: "start", Need: 2, Waived: true, Given: true, Missing: []string{"CTO", "Product Manager"}}},
				Messages:  []wire.MessageLine{{Name: "ops", To: "slack #ops", State: "sent", Due: at(-120), At: at(-120)}, {Name: "customers", To: "statuspage app", State: "waiting", Due: at(80)}},
				Criteria: []wire.Criterion{
					{Name: rules.CriterionPhases, Text: "all phases executed and metrics within thresholds", State: "not_met"}, {Name: rules.CriterionRollback, Text: "no rollback triggered", State: "not_met"},
					{Name: rules.CriterionSigned, Text: "all approvals signed before what they allow", State: "not_met"}, {Name: rules.CriterionMessages, Text: "all messages sent", State: "open"},
					{Name: rules.CriterionReview, Text: "review completed and archived", State: "open"}, {Name: "the CEO is happy", Text: "the CEO is happy", State: "met"},
				},
			},
		},
		Parameters: map[string]string{"lambda": "43"}, Previous: wire.Previous{Version: "1.4.1"}, Events: s.events,
	}
	errors := report.Series{Signal: "errors"}
	for m := range 60 {
		if m < 30 || m > 35 {
			errors.Points = append(errors.Points, rules.Point{At: at(m).Unix(), Value: float64(m / 10), Samples: 90})
		}
	}
	return &report.Source{
		Plan: shop(), Digest: edited, Chain: &wire.Chain{Seq: 412, Head: "c0ffee"}, Run: run, Digests: digests, Readings: []report.Series{errors},
		Deliveries: []report.Delivery{
			{Endpoint: "ops", Done: 31, Newest: 31},
			{Endpoint: "pager", Done: 12, Newest: 31, Attempts: 4, LastError: "answered 500", Waiting: []report.Waiting{{Event: fired, Attempts: 4, LastError: "answered 500"}}, GivenUp: []report.GivenUp{{Event: "shop@1.4.2.u1/04", At: *at(-100), Reason: "answered 410"}}},
		},
		Forecast: []report.Forecast{
			{Phase: "small", Rule: "few-errors", Kind: rules.Success, Samples: 1800, Minutes: 4, Said: "passes in its window"},
			{Phase: "all", Rule: "few-errors", Kind: rules.Success, Samples: 36000, Minutes: 1, Said: "passes in its window"},
			{Phase: "all", Rule: "many-errors", Kind: rules.RollbackRule, Samples: 36000, Minutes: 20, Said: "finds 3 % in 20m"},
		},
	}
}
