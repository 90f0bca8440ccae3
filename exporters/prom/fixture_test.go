package prom_test

import (
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// view is a run with two phases, some way into the first.
func view(plan string) prom.View {
	p := &rules.Plan{
		Name: plan, Title: "The launch", Manager: "Ada", Start: t0, Completion: t0.Add(2 * time.Hour), Interval: 30 * time.Second, Version: "1.0.0", Binding: rules.Binding{Run: plan + "@1.0.0", Try: 1},
		Signals: []rules.Signal{{Name: "api_5xx_rate", Source: "cloudwatch", Unit: rules.Percent, Of: -1}, {Name: "crash_free", Source: "sentry", Unit: rules.Percent, Of: -1}, {Name: "p95", Of: -1}, {Name: "p95 > 3 s", Of: 2}},
		Rules: []rules.Rule{
			{Name: "api-5xx", Title: "API 5xx", Owner: "Ops", Kind: rules.Success, Gate: rules.Veto, Alarm: -1, When: rules.Condition{Op: rules.Less, Threshold: 0.01, Unit: rules.Percent}},
			{Name: "api-5xx", Kind: rules.RollbackRule, For: 10 * time.Minute, Alarm: -1, When: rules.Condition{Op: rules.Greater, Threshold: 0.03, Unit: rules.Percent}},
			{Name: "p95-high", Kind: rules.RollbackRule, Signal: 3, Alarm: -1, Aggregate: rules.Exceedance, When: rules.Condition{Op: rules.Greater, Threshold: 0.05}, ShownWhen: rules.Condition{Op: rules.Greater, Threshold: 3, Unit: rules.Seconds}},
			{Name: "crash-free-low", Kind: rules.RollbackRule, Signal: 1, Alarm: -1, When: rules.Condition{Op: rules.Less, Threshold: 0.98, Unit: rules.Percent}},
		},
		Phases: []rules.Phase{{Name: "ten", Window: 15 * time.Minute}, {Name: "all", Window: time.Hour}},
	}
	good := fact.Evidence{Known: true, Value: 0.002, Op: rules.Less, Threshold: 0.01, Unit: rules.Percent, Points: 4, Expected: 5, Samples: 1200, From: t0, Newest: t0.Add(4 * time.Minute)}
	s := fact.Snapshot{
		Plan: plan, Start: t0, Horizon: t0.Add(3 * time.Hour), Seq: 10, At: t0.Add(5 * time.Minute), Interval: 30 * time.Second, State: rules.Monitoring,
		Verdict: rules.Pending, Generation: 4,
		Phases: []fact.PhaseView{
			{
				Name: "ten", Traffic: 0.1, Observed: &fact.Observed{Signal: "share", Known: true, Share: .005, At: t0.Add(4 * time.Minute), Mismatch: t0}, State: rules.Monitoring, Verdict: rules.Pending, Scheduled: t0,
				Started: t0, WindowEnd: t0.Add(15 * time.Minute), Deadline: t0.Add(20 * time.Minute),
				Success: []fact.RuleView{{Name: "api-5xx", Kind: rules.Success, State: fact.RuleClear, Verdict: rules.Pending, Evidence: good}},
			},
			{
				Name: "all", Traffic: 1, State: rules.Waiting, Verdict: rules.Pending, Scheduled: t0.Add(20 * time.Minute),
				Success: []fact.RuleView{{Name: "api-5xx", Kind: rules.Success, State: fact.RuleIdle}},
			},
		},
		Rollback: []fact.RuleView{
			{Name: "api-5xx", Kind: rules.RollbackRule, State: fact.RuleBreaching, Evidence: fact.Evidence{Known: true, Value: 0.05, Op: rules.Greater, Threshold: 0.03, Held: "4m0s", For: "10m0s", Points: 4, Expected: 4, From: t0.Add(time.Minute)}},
			{Name: "crash-free-low", Kind: rules.RollbackRule, State: fact.RuleSilent},
			{Name: "p95-high", Kind: rules.RollbackRule, State: fact.RuleClear, Evidence: fact.Evidence{Known: true, Value: .02, Op: rules.Greater, Threshold: .05, Quantile: &fact.Quantile{Of: .95, Value: 2.25, Threshold: 3, Unit: rules.Seconds}}},
		},
		Signals: []fact.SignalView{
			{Name: "api_5xx_rate", Known: true, Value: 0.05, Samples: 600, Newest: t0.Add(4 * time.Minute), Settled: t0.Add(4 * time.Minute), Asked: t0.Add(5 * time.Minute), Due: t0.Add(6 * time.Minute)},
			{Name: "crash_free", Fault: rules.Throttled, Failures: 3, Asked: t0.Add(4 * time.Minute), Due: t0},
			{Name: "p95"},
			{Name: "p95 > 3 s", Derived: true, Known: true, Value: 0.5},
		},
	}
	return prom.View{Name: plan, File: "ok", Run: &wire.RunView{Plan: p, Snapshot: s}}
}

// weighing is a run whose rules weigh evidence: a success rule, a rollback rule
// beside a baseline, one on a mean of stars and one on a gap between groups.
func weighing(plan string) prom.View {
	v := view(plan)
	p, s := v.Run.Plan, &v.Run.Snapshot
	p.FalseRollback, p.FalsePass = .01, .05
	s.People = fact.People{
		Approvals: []fact.ApprovalView{{Allows: "start", Need: 3, Have: 1}, {Allows: "override", Need: 1, Waived: true}},
		Messages:  []fact.MessageView{{Name: "ops", State: fact.Sent}},
		Review:    fact.ReviewView{State: fact.Open, Roles: []fact.RoleView{{Role: "CTO", State: fact.Approved}, {Role: "Legal"}}},
		Criteria:  []fact.Criterion{{Name: rules.CriterionPhases, State: fact.CriterionMet}, {Name: "customers are pleased", State: fact.CriterionOpen}},
	}
	p.Signals = append(p.Signals, rules.Signal{Name: "stars", Kind: rules.Mean, Of: -1}, rules.Signal{Name: "gap", Kind: rules.Gauge, Of: -1})
	for i, name := range []string{"errors", "errors-high", "rating-low", "gap-high"} {
		p.Rules = append(p.Rules, rules.Rule{
			Name: name, Kind: rules.RollbackRule, Alarm: -1, Method: rules.Sequential, Limit: .01, Trigger: .03, Alpha: .0025, Signal: []int{0, 0, 4, 5}[i],
		})
	}
	p.Rules[4].Kind, p.Rules[4].Alpha = rules.Success, .01
	p.Rules[1].Effects = []rules.Effect{{Name: "alias", Do: rules.DoRevert}, {Name: "build", Do: "remove the build"}, {Name: "later", Do: "scale down"}}
	s.Effects = fact.Effects{Rolled: t0.Add(time.Minute), Back: t0.Add(2 * time.Minute), Ended: t0.Add(3 * time.Minute), Steps: []fact.EffectView{
		{Rule: "api-5xx", Name: "alias", State: fact.Failed}, {Rule: "api-5xx", Name: "build", State: fact.Intended}, {Rule: "api-5xx", Name: "alias", State: fact.Verified}, {Rule: "gone", Name: "x", State: fact.Done},
	}, Drill: &fact.Drill{At: t0}, Proofs: []fact.ProofView{
		{Rule: "api-5xx", Name: "alias", State: fact.Ready}, {Rule: "api-5xx", Name: "build", State: fact.Missing},
		{Rule: "api-5xx", Name: "later", State: fact.Asked}, {Rule: "gone", Name: "alias", State: fact.Ready},
	}}
	weighed := fact.Weighed{
		Bad: 6, Low: .009, High: .15, Limit: .01, Trigger: .03, Against: 6.5, Bound: 5.991464547107982, Warning: 7.5, Middle: 1.25,
		Keeps: -.5, Spared: .25, Proof: 2.995732273553991, More: 270,
	}
	evidence := func(edit func(*fact.Weighed)) fact.Evidence {
		d := weighed
		edit(&d)
		return fact.Evidence{Known: true, Value: .054, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Samples: 112, From: t0.Add(time.Minute), Weighed: &d}
	}
	s.Phases[0].Success = append(s.Phases[0].Success, fact.RuleView{Name: "errors", Kind: rules.Success, State: fact.RuleBreaching, Evidence: evidence(func(d *fact.Weighed) {
		d.Past = &fact.Earlier{Releases: 4, Bad: 12, Samples: 40_000, Worse: 1.75}
	})})
	s.Phases[1].Success = append(s.Phases[1].Success, fact.RuleView{Name: "errors", Kind: rules.Success, State: fact.RuleIdle})
	s.Rollback = append(s.Rollback,
		fact.RuleView{Name: "errors-high", Kind: rules.RollbackRule, State: fact.RuleHolding, Evidence: evidence(func(d *fact.Weighed) {
			d.Baseline = &fact.Beside{Signal: "errors@42", Bad: 4, Samples: 1010, Worse: -2.5}
		})},
		fact.RuleView{Name: "rating-low", Kind: rules.RollbackRule, State: fact.RuleWarning, Evidence: evidence(func(d *fact.Weighed) {
			d.Rating = &fact.Ratings{}
		})},
		fact.RuleView{Name: "gap-high", Kind: rules.RollbackRule, State: fact.RuleClear, Shadow: true, WouldHave: 2, Evidence: evidence(func(d *fact.Weighed) {
			d.Groups = &fact.Gap{}
		})},
	)
	return v
}

// config fills every part of the page.
func config(now *time.Time) prom.Config {
	return prom.Config{
		Now:   func() time.Time { return *now },
		Build: prom.Build{Version: "1.2.3"},
		Runner: func() prom.RunnerStats {
			return prom.RunnerStats{
				Ticks: 7, Missed: 2, Commands: 1,
				Events:   []prom.EventCount{{Plan: "REL-1", Kind: fact.RuleEvent, Count: 2}, {Plan: "gone", Kind: fact.RuleEvent, Count: 9}},
				Evaluate: prom.Took{Count: 7, Seconds: 0.014, Last: 0.002}, Commit: prom.Took{Count: 5, Seconds: 60, Last: 30}, Fetch: prom.Took{Count: 1, Seconds: 2, Last: 2},
			}
		},
		Sources: func() []prom.SourceStats {
			return []prom.SourceStats{{Source: "cloudwatch", Fetches: 7, Readings: map[rules.Fault]uint64{rules.OK: 5, rules.Throttled: 2}, RateRemaining: -1, LeftAlone: t0, Took: 1500 * time.Millisecond}, {Source: "sentry", RateRemaining: 12, LastSuccess: t0}}
		},
		Inboxes: func() []prom.InboxStats {
			return []prom.InboxStats{{Source: "am", Last: t0, Pushes: []prom.InboxPushes{{Result: "accepted", Count: 3}, {Result: "signature", Count: 1}}}}
		},
		Alerts: func() []prom.PusherStats {
			return []prom.PusherStats{{Alertmanager: "main", Address: "am-1:9093", Attempts: 9, Failures: 4, Refused: 2, Lag: 3 * time.Minute, LastSuccess: t0}, {Alertmanager: "main", Address: "am-2:9093"}}
		},
		GitHubs: func() []prom.GitHubStats {
			return []prom.GitHubStats{{App: "acme", Requests: []prom.InboxPushes{{Result: "accepted", Count: 2}}, Waiting: 2, Untold: 1}}
		},
		HTTP:    func() prom.HTTPStats { return prom.HTTPStats{Open: 7, Limit: 2000, Closed: 3, Handshakes: 4} },
		BaseURL: "https://gate.example/",
		Webhooks: func() []prom.EndpointStats {
			return []prom.EndpointStats{{Endpoint: "pipeline", Class: "action", Attempts: 3, Delivered: 2, Failures: 1, Pending: 4, Lag: 90 * time.Second, OrdersPending: 1, LastSuccess: t0}, {Endpoint: "ops", Class: "notify"}}
		},
		Reload: func() prom.ReloadStats { return prom.ReloadStats{OK: true, Success: t0} },
		Gate: func() prom.GateStats {
			return prom.GateStats{Answers: []prom.GateAnswers{{View: "gate", Status: 503, Count: 9}}, Waiting: 2, Refusals: []prom.GateRefusals{{Reason: "scope", Count: 5}, {Reason: "plan"}}}
		},
		Clock: func() prom.ClockStats {
			return prom.ClockStats{Forward: 40 * time.Second, Back: time.Hour, Ahead: 90 * time.Second}
		},
		Journal: func() prom.JournalStats { return prom.JournalStats{OK: true} },
		Process: true,
	}
}

// decided is a run that failed in its first phase.
func decided(plan string) prom.View {
	v := weighing(plan)
	s := &v.Run.Snapshot
	s.State, s.Verdict, s.Over, s.Effects.Stopped = rules.Failed, rules.Fail, true, true
	s.Phases[0].State, s.Phases[0].Verdict, s.Phases[0].Decided = rules.Failed, rules.Fail, t0.Add(4*time.Minute)
	for i := range s.Signals {
		s.Signals[i].Due = time.Time{}
	}
	v.Decided = t0.Add(4 * time.Minute)
	return v
}

// wide is a view that gives about n series.
func wide(n int) prom.View {
	v := view("wide")
	v.Run.Snapshot.Signals, v.Run.Plan.Signals, v.Run.Plan.Rules = nil, nil, nil
	for i := range (n - 60) / 16 {
		name := fmt.Sprintf("signal_%05d", i)
		v.Run.Plan.Signals = append(v.Run.Plan.Signals, rules.Signal{Name: name, Source: "cloudwatch", Of: -1})
		v.Run.Snapshot.Signals = append(v.Run.Snapshot.Signals, fact.SignalView{Name: name, Known: true, Value: float64(i) / 7, Newest: t0, Settled: t0, Asked: t0, Due: t0})
	}
	return v
}
