package words

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"
	sentry "github.com/relgate/relgate/sources/sentry/kind"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

func when(s string) rules.Condition {
	c, err := rules.ParseCondition(s)
	if err != nil {
		panic(err)
	}
	return c
}

// launch is a plan as people write one: errors, crashes, a latency, stars, a gap.
func launch() *rules.Plan {
	p := &rules.Plan{
		Name: "shop", Title: "Shop", Version: "1.0.1", Start: T, Manager: "Ada",
		Signals: []rules.Signal{
			{Name: "errors", Kind: rules.Ratio, Unit: rules.Percent, Of: -1, Period: time.Minute, Query: rules.Query{Ask: &cloudwatch.Query{}}},
			{Name: "crash_free", Kind: rules.Ratio, Unit: rules.Percent, Good: true, Of: -1, Period: time.Minute, Maturity: 30 * time.Minute, Query: rules.Query{Ask: &sentry.Query{}}},
			{Name: "p95", Kind: rules.Percentile, Unit: rules.Seconds, Quant: .95, Of: -1, Period: time.Minute},
			{Name: "p95 > 2.5 s", Kind: rules.Ratio, Unit: rules.Percent, Of: 2, Above: 2.5, Period: time.Minute},
			{Name: "rating", Kind: rules.Mean, Of: -1, Period: time.Hour},
			{Name: "bias", Kind: rules.Gauge, Of: -1, Period: 15 * time.Minute},
			{Name: "alarm", Kind: rules.Alarm, Of: -1, Period: time.Minute},
		},
		Phases:         []rules.Phase{{Name: "ten", Traffic: .1, Owner: "ops"}, {Name: "all", Traffic: 1, Owner: "ops"}},
		Communications: []rules.Communication{{Name: "live", Channel: "StatusPage", Text: "live to 10 %"}},
	}
	add := func(kind rules.RuleKind, name, title string, signal, shown int, cond string, limit, trigger float64) {
		r := rules.Rule{
			Name: name, Title: title, Kind: kind, Signal: signal, ShownSignal: shown, When: when(cond), ShownWhen: when(cond), Alarm: 6,
			Coverage: .5, Method: rules.Sequential, Limit: limit, Trigger: trigger, Owner: "DevSecOps",
		}
		if signal != shown {
			r.When = rules.Condition{Op: rules.LessOrEqual, Threshold: .05, Unit: rules.Percent}
			if kind == rules.RollbackRule {
				r.When.Op = rules.Greater
			}
		}
		if kind == rules.RollbackRule {
			r.Action, r.Command = "pause the rollout, revert the alias", "aws lambda update-alias"
		}
		p.Rules = append(p.Rules, r)
	}
	add(rules.Success, "few", "API 5xx rate", 0, 0, "< 1 %", .01, .03)
	add(rules.Success, "crashes", "Mobile crash-free sessions", 1, 1, ">= 99.5 %", .005, .02)
	add(rules.Success, "fast", "Lambda p95 latency", 3, 2, "<= 2.5 s", .05, .05)
	add(rules.Success, "stars", "App Store rating", 4, 4, ">= 4.5", 4.5, 3.5)
	add(rules.Success, "fair", "Bias by age", 5, 5, "<= 0.07", .07, .07)
	add(rules.RollbackRule, "high", "API 5xx", 0, 0, "> 3 %", .01, .03)
	add(rules.RollbackRule, "crashy", "Mobile crash-free sessions", 1, 1, "< 98 %", .005, .02)
	add(rules.RollbackRule, "slow", "Lambda p95 latency", 3, 2, "> 2.5 s", .05, .05)
	add(rules.RollbackRule, "calm", "API 5xx", 0, 0, "> 3 %", .01, .03)
	p.Rules[len(p.Rules)-1].ResumeAfter = 10 * time.Minute
	p.Rules = append(p.Rules,
		rules.Rule{Name: "plain", Title: "API 5xx", Kind: rules.RollbackRule, When: when("> 3 %"), ShownWhen: when("> 3 %"), For: 10 * time.Minute, KeepFiring: 5 * time.Minute, Coverage: .8, MinSamples: 100, Grace: 5 * time.Minute},
		rules.Rule{Name: "window", Kind: rules.Success, Grace: 3 * time.Minute, When: when("< 1 %"), ShownWhen: when("< 1 %"), Coverage: .8, MinSamples: 100, Alarm: 6},
		rules.Rule{Name: "counts", Title: "API 5xx", Kind: rules.RollbackRule, When: when("> 3 %"), ShownWhen: when("> 3 %"), Datapoints: rules.Datapoints{M: 3, N: 5}},
		rules.Rule{Name: "share", Title: "p95 share", Kind: rules.Success, Signal: 2, ShownSignal: 2, Aggregate: rules.Share, MinShare: .9, When: when("<= 2.5 s"), ShownWhen: when("<= 2.5 s")},
		rules.Rule{Name: "paged", Title: "Pager", Kind: rules.RollbackRule, Signal: 6, ShownSignal: 6, When: when("ALARM"), ShownWhen: when("ALARM"), Coverage: .8},
		rules.Rule{Name: "plain-p95", Title: "Latency", Kind: rules.RollbackRule, Signal: 3, ShownSignal: 2, Over: 5 * time.Minute, When: when("> 5 %"), ShownWhen: when("> 2.5 s")},
	)
	return p
}

// counts is evidence of so many bad ones.
func counts(bad, n, value float64, from, to time.Time) fact.Evidence {
	return fact.Evidence{
		Known: true, Value: value, Samples: n, From: from, To: to, Newest: to, Points: 10, Expected: 10,
		Weighed: &fact.Weighed{Bad: bad, Low: value / 2, High: min(2*value, 1), Limit: .01, Trigger: .03, Goal: rules.Less, Bound: math.Log(250), Proof: math.Log(20)},
	}
}

type edit func(v *fact.RuleView)

func weighedView(name string, kind rules.RuleKind, e fact.Evidence, edits ...edit) *fact.RuleView {
	v := &fact.RuleView{Name: name, Kind: kind, State: fact.RuleClear, Verdict: rules.Pass, Evidence: e, Why: fact.Why{Code: fact.WhyMeasured}}
	if e.Weighed != nil {
		own := *e.Weighed
		v.Evidence.Weighed = &own
	}
	for _, ed := range edits {
		ed(v)
	}
	return v
}

func state(s fact.RuleState, verdict rules.Verdict, rung fact.Rung, cause rules.Cause, against float64) edit {
	return func(v *fact.RuleView) {
		v.State, v.Verdict, v.Cause = s, verdict, cause
		if w := v.Evidence.Weighed; w != nil {
			w.Rung, w.Rests, w.Against = rung, cause, math.Log(against)
		}
	}
}

func ground1(code fact.Code, c rules.Cause) edit {
	return func(v *fact.RuleView) {
		v.Why = fact.Why{Code: code, Cause: c, Since: T, Until: T.Add(71 * time.Minute), Policy: rules.PolicyRollback, By: "ada", Text: "known"}
		v.Cause = c
	}
}

// Each state of a rule has its headline and its sentence.
func TestARuleSaysWhereItStands(t *testing.T) {
	at := T.Add(71 * time.Minute)
	bad := counts(552, 11010, .0501, T.Add(time.Hour), at)
	fired := state(fact.RuleFired, rules.Rollback, fact.RollbackRung, rules.CauseEvidence, 523)
	holding := state(fact.RuleHolding, rules.Pending, fact.HoldRung, rules.CauseEvidence, 523)
	pendingAt := func(cause rules.Cause) edit {
		return func(v *fact.RuleView) {
			v.State, v.Verdict, v.Cause, v.Why = fact.RuleSilent, rules.Unknown, cause, fact.Why{Code: fact.WhyCannotJudge, Cause: cause}
		}
	}
	outlook := func(o fact.Outlook) edit { return func(v *fact.RuleView) { v.Evidence.Weighed.Outlook = &o } }
	beside := func(b fact.Beside) edit { return func(v *fact.RuleView) { v.Evidence.Weighed.Baseline = &b } }
	past := func(e fact.Earlier) edit { return func(v *fact.RuleView) { v.Evidence.Weighed.Past = &e } }
	over := func(run string) edit { return func(v *fact.RuleView) { v.Why.State = run } }
	limits := func(limit, trigger float64, goal rules.Op) edit {
		return func(v *fact.RuleView) {
			w := v.Evidence.Weighed
			w.Limit, w.Trigger, w.Goal = limit, trigger, goal
		}
	}
	seconds := func(value float64) edit {
		return func(v *fact.RuleView) {
			v.Evidence.Quantile = &fact.Quantile{Of: .95, Value: value, Threshold: 2.5, Unit: rules.Seconds}
		}
	}
	plain := func(value float64, points, expected int, samples float64) fact.Evidence {
		return fact.Evidence{Known: true, Value: value, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Points: points, Expected: expected, Samples: samples, From: at.Add(-10 * time.Minute), To: at, Newest: at.Add(-2 * time.Minute)}
	}
	level := func(value float64) fact.Evidence {
		return fact.Evidence{Known: true, Value: value, Op: rules.Equal, Threshold: 1, Points: 1, Expected: 1, From: at.Add(-time.Minute), To: at, Newest: at.Add(-time.Minute)}
	}
	good := func(v *fact.RuleView) { v.Evidence.Op, v.Evidence.Threshold = rules.Less, .01 }
	unknownValue := func(v *fact.RuleView) { v.Evidence.Known, v.Evidence.Value = false, 0 }
	for _, tt := range []struct {
		name string
		view *fact.RuleView
		want []string // the headline, then parts of the sentence and of the lines
	}{
		{"a rollback by evidence", weighedView("high", rules.RollbackRule, bad, fired), []string{
			"ROLLBACK: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)",
			"API 5xx 5.0 % > 3 %: 552 of 11,010 requests failed since 03:00 UTC (likely 2.5 % to 10 %). Chance of this in a release that meets < 1 %: under 1 in 523 (acts at 1 in 250)."}},
		{"a rollback of what is good by crashes", weighedView("crashy", rules.RollbackRule, counts(300, 10000, .97, T, at), fired, limits(.005, .02, rules.GreaterOrEqual)), []string{
			"ROLLBACK: Mobile crash-free sessions 97.0 % < 98 % for 71 min (300 of 10,000)", "300 of 10,000 sessions crashed", "a release that meets >= 99.5 %"}},
		{"a percentile in seconds", weighedView("slow", rules.RollbackRule, counts(96, 800, .12, T, at), fired, limits(.05, .05, rules.LessOrEqual), seconds(3.6)), []string{
			"ROLLBACK: Lambda p95 latency 3.6 s > 2.5 s for 71 min (96 of 800)", "96 of 800 requests took longer than 2.5 s", "meets <= 2.5 s"}},
		{"a percentile that would deny the verdict is not shown", weighedView("slow", rules.RollbackRule, counts(96, 800, .12, T, at), fired, limits(.05, .05, rules.LessOrEqual), seconds(2.4)), []string{
			"ROLLBACK: Lambda p95 latency 12 % above 2.5 s, 5 % allowed for 71 min"}},
		{"a hold names the stretch that speaks", weighedView("high", rules.RollbackRule, counts(220, 11000, .02, T.Add(time.Hour), at), holding, func(v *fact.RuleView) { v.Evidence.Weighed.Suspect = true }), []string{
			"HOLD: API 5xx 2.0 % >= 1 % for 11 min (220 of 11,000)", "220 of 11,000 requests failed since 03:00 UTC (the worst stretch; ", "The run is held until it is resumed."}},
		{"a hold with a bad baseline", weighedView("high", rules.RollbackRule, bad, state(fact.RuleHolding, rules.Pending, fact.HoldRung, rules.CauseBaseline, 523),
			beside(fact.Beside{Compared: true, Bad: 450, Samples: 4500, Until: T.Add(65 * time.Minute)})), []string{
			"HOLD: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)",
			"Baseline over the same minutes: 450 of 4,500 (10 %) until 03:05 UTC: the baseline is as bad, so rolling back will not help; the run is held until it is resumed."}},
		{"a hold that ends by itself", weighedView("calm", rules.RollbackRule, bad, state(fact.RuleHolding, rules.Pending, fact.HoldRung, rules.CauseBaseline, 523)), []string{
			"HOLD: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "so rolling back will not help; the hold ends by itself once release and baseline have kept the limit for 10 min."}},
		{"one that rests on evidence by now", weighedView("calm", rules.RollbackRule, bad, state(fact.RuleHolding, rules.Pending, fact.HoldRung, rules.CauseEvidence, 523)), []string{
			"HOLD: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "The run is held until it is resumed."}},
		{"one of a run that has failed", weighedView("calm", rules.RollbackRule, bad, state(fact.RuleHolding, rules.Pending, fact.HoldRung, rules.CauseBaseline, 523), over("failed")), []string{
			"HOLD: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "the run has failed, so there is nothing to hold."}},
		{"one of a run that is rolled back", weighedView("high", rules.RollbackRule, bad, holding, over("rolled_back")), []string{
			"HOLD: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "The run is rolled back, so there is nothing to hold."}},
		{"a hold whose numbers have recovered", weighedView("high", rules.RollbackRule, counts(20, 11000, .0018, T, at), holding, func(v *fact.RuleView) { v.Evidence.Weighed.Rung = fact.NoRung }), []string{
			"HOLD: API 5xx 0.18 % < 1 %, it has recovered since the hold (20 of 11,000)", "It has recovered since; the run is held until it is resumed."}},
		{"a warning says that it warns", weighedView("high", rules.RollbackRule, counts(12, 320, .0375, T, at), state(fact.RuleWarning, rules.Pass, fact.WarnRung, rules.CauseEvidence, 1.5),
			func(v *fact.RuleView) { v.Evidence.Weighed.Warning = math.Log(295) }), []string{
			"WARN: API 5xx 3.8 % > 3 % for 71 min (12 of 320)", "Chance of this in a release that meets < 1 % if failures are independent: under 1 in 295 (acts at 1 in 250)."}},
		{"a warning by earlier releases", weighedView("high", rules.RollbackRule, counts(21, 4200, .005, T, at), state(fact.RuleWarning, rules.Pass, fact.WarnRung, rules.CauseBaseline, 1),
			past(fact.Earlier{Looked: 3, Releases: 2, Bad: 6, Samples: 6000, Worse: math.Log(112)})), []string{
			"WARN: API 5xx 0.50 %, worse than 0.10 % in the last 2 releases (21 of 4,200)",
			"Chance of this in a release as good as those before: under 1 in 112 (warns at 1 in 250). The last 2 releases that passed: 0.10 % (6 of 6,000); they ran at other times, so this only warns."}},
		{"a percentile that warns by the last release", weighedView("slow", rules.RollbackRule, counts(96, 800, .12, T, at), limits(.05, .05, rules.LessOrEqual), seconds(3.6), state(fact.RuleWarning, rules.Pass, fact.WarnRung, rules.CauseBaseline, 1),
			past(fact.Earlier{Looked: 1, Releases: 1, Bad: 6, Samples: 6000, Worse: math.Log(112)})), []string{"WARN: Lambda p95 latency 12 % above 2.5 s, worse than 0.10 % in the last release"}},
		{"a warning by the baseline", weighedView("high", rules.RollbackRule, counts(21, 4200, .005, T, at), state(fact.RuleWarning, rules.Pass, fact.WarnRung, rules.CauseBaseline, 1),
			beside(fact.Beside{Compared: true, Bad: 1, Samples: 9000, Warning: math.Log(300), Worse: math.Log(50)})), []string{
			"WARN: API 5xx 0.50 %, worse than 0.01 % in the baseline (21 of 4,200)", "a release no worse than the baseline: under 1 in 300", "chance of this in a release no worse: under 1 in 50"}},
		{"only what is clear is called so", weighedView("high", rules.RollbackRule, counts(5, 11010, .000454, T, at), past(fact.Earlier{Looked: 1, Releases: 1, Bad: 200, Samples: 1e5, Worse: -3})), []string{
			"CLEAR: API 5xx 0.05 % < 1 % (5 of 11,010)", "The rule is clear.", "The last release that passed: 0.20 % (200 of 100,000)"}},
		{"no earlier release", weighedView("high", rules.RollbackRule, counts(5, 11010, .000454, T, at), past(fact.Earlier{})), []string{"CLEAR: ", "No baseline yet: no earlier release has passed here"}},
		{"earlier releases that did not count it", weighedView("high", rules.RollbackRule, counts(5, 11010, .000454, T, at), past(fact.Earlier{Looked: 2})), []string{"CLEAR: ", "No baseline yet: earlier releases did not count this"}},
		{"a bad value of few samples", weighedView("high", rules.RollbackRule, counts(4, 8, .5, T, at)), []string{
			"CLEAR: API 5xx 50 % > 3 %, too few samples to act (4 of 8)", "Too few samples to act."}},
		{"a good share before", weighedView("crashy", rules.RollbackRule, counts(5, 11010, .9995, T, at), limits(.005, .02, rules.GreaterOrEqual), past(fact.Earlier{Looked: 1, Releases: 1, Bad: 200, Samples: 1e5})), []string{"CLEAR: Mobile crash-free sessions 99.95", "99.80 % (200 of 100,000)"}},
		{"a baseline that ended", weighedView("high", rules.RollbackRule, bad, fired, beside(fact.Beside{Samples: 900})), []string{"ROLLBACK: ", "The baseline has ended, with 0 of 900: the limit alone decides."}},
		{"a baseline without samples", weighedView("high", rules.RollbackRule, bad, fired, beside(fact.Beside{})), []string{"ROLLBACK: ", "The baseline has no samples in these minutes: the limit alone decides."}},
		{"a baseline that is unreachable", weighedView("high", rules.RollbackRule, bad, holding, beside(fact.Beside{Compared: true, Unreachable: true})), []string{"HOLD: ", "The source of the baseline is unreachable"}},
		{"a baseline that is late", weighedView("high", rules.RollbackRule, bad, holding, beside(fact.Beside{Compared: true})), []string{"HOLD: ", "The baseline over the same minutes is not known yet"}},
		{"a value that would look like its bound", weighedView("high", rules.RollbackRule, counts(9999, 1e6, .009999, T, at)), []string{"CLEAR: API 5xx 0.9999 % < 1 % (9,999 of 1,000,000)"}},
		{"a pass that proves the target", weighedView("few", rules.Success, counts(0, 900, 0, T, at), func(v *fact.RuleView) { v.Evidence.Weighed.Keeps = math.Log(20) }), []string{
			"PASS: API 5xx rate 0 % < 1 % (0 of 900)", "A release that misses < 1 % looks this good in under 1 in 20."}},
		{"a pass that excludes the trigger", weighedView("few", rules.Success, counts(0, 180, 0, T, at)), []string{
			"PASS: API 5xx rate 0 % < 1 % (0 of 180)", "A release at the 3 % trigger looks this good in under 1 in 20; < 1 % itself is met, not proven."}},
		{"a fail", weighedView("few", rules.Success, bad, state(fact.RuleFired, rules.Fail, fact.HoldRung, rules.CauseEvidence, 2e6)), []string{
			"FAIL: API 5xx rate 5.0 % >= 1 % for 11 min (552 of 11,010)", "under 1 in a million"}},
		{"too few samples so far", weighedView("few", rules.Success, counts(1, 180, .0056, T, at), ground1(fact.WhySoFar, 0), state("", rules.Pending, "", rules.CauseWindow, 1),
			outlook(fact.Outlook{Present: 1, Proves: fact.Shortfall{More: 180, Wait: 900}, Excludes: fact.Shortfall{}, WarnBad: 6, WarnIn: 40})), []string{
			"WAIT: API 5xx rate 0.56 % < 1 % (1 of 180)", "About 180 more good requests would prove < 1 % (15 min at this traffic).", "These exclude the 3 % trigger",
			"6 more failures in the next 40 would warn", "Fits a good release (84 % of those at the target show this)"}},
		{"too few samples, and none come", weighedView("few", rules.Success, counts(0, 18, 0, T, at), pendingAt(rules.CauseInsufficientSamples), outlook(fact.Outlook{Proves: fact.Shortfall{More: 99}, Excludes: fact.Shortfall{More: 50}})), []string{
			"UNKNOWN: API 5xx rate: too few samples to prove < 1 % (0 of 18)", "99 more good requests would prove < 1 % (none come at present)."}},
		{"what cannot pass in time", weighedView("few", rules.Success, counts(0, 12, 0, T, at), pendingAt(rules.CauseInsufficientSamples), outlook(fact.Outlook{Present: 1, Futile: true, Proves: fact.Shortfall{More: 350, Wait: 1740}})), []string{
			"UNKNOWN: ", "Cannot pass before its deadline at this traffic, even with no further failures: extend the window or send more traffic."}},
		{"what counts too late", weighedView("crashes", rules.Success, counts(0, 400, 1, T, at), pendingAt(rules.CauseInsufficientSamples), limits(.005, .02, rules.GreaterOrEqual),
			outlook(fact.Outlook{Present: 1, Late: true, Proves: fact.Shortfall{Young: true, Ripe: T.Add(80 * time.Minute)}, Excludes: fact.Shortfall{Young: true}})), []string{
			"UNKNOWN: ", "Its samples count only after its deadline: extend the window.", "These would prove >= 99.5 % once they are 30 min old, at 03:20 UTC", "These would exclude the 98 % trigger once they are 30 min old"}},
		{"what no number would prove", weighedView("few", rules.Success, counts(3, 12, .25, T, at), pendingAt(rules.CauseInsufficientSamples), outlook(fact.Outlook{Present: 1, Proves: fact.Shortfall{Never: true}})), []string{
			"UNKNOWN: ", "No number of samples would prove < 1 %.", "Rare for a good release"}},
		{"what must first meet its target", weighedView("few", rules.Success, counts(20, 1500, .0133, T, at), pendingAt(rules.CauseInsufficientSamples), func(v *fact.RuleView) { v.Evidence.Weighed.Weak = true },
			outlook(fact.Outlook{Present: 4, Meets: fact.Shortfall{More: 510, Wait: 120}, Proves: fact.Shortfall{More: 2700, Wait: 540}})), []string{
			"UNKNOWN: ", "About 510 more good requests needed to meet < 1 % (2 min at this traffic)."}},
		{"what is enough for an early phase", weighedView("few", rules.Success, counts(0, 150, 0, T, at), pendingAt(rules.CauseInsufficientSamples), func(v *fact.RuleView) { v.Evidence.Weighed.Weak = true },
			outlook(fact.Outlook{Present: 4, Excludes: fact.Shortfall{More: 17, Wait: 60}, Proves: fact.Shortfall{More: 260, Wait: 540}})), []string{
			"UNKNOWN: ", "17 more good requests would exclude the 3 % trigger (1 min at this traffic), enough for this phase."}},
		{"a window that was bad, and what came after it", weighedView("few", rules.Success, counts(55, 6000, .0091, T, at), pendingAt(rules.CauseInsufficientSamples), func(v *fact.RuleView) {
			v.Evidence.Weighed.Window = &fact.Own{Bad: 48, Samples: 3000, After: 3600, Refutes: true}
		}, outlook(fact.Outlook{Present: 4, Futile: true})), []string{
			"UNKNOWN: API 5xx rate: its window missed < 1 % (55 of 6,000)", "1.6 % in the window, 0.91 % with the 60 min after it: the window missed < 1 %, which nothing after it makes good."}},
		{"a pass in spite of the window alone", weighedView("few", rules.Success, counts(9, 6000, .0015, T, at), func(v *fact.RuleView) {
			v.Evidence.Weighed.Window = &fact.Own{Bad: 9, Samples: 600, After: 3600}
		}), []string{"PASS: ", "1.5 % in the window, 0.15 % with the 60 min after it"}},
		{"what fails at the end of its window", weighedView("few", rules.Success, bad, state("", rules.Pending, fact.HoldRung, rules.CauseEvidence, 500), ground1(fact.WhySoFar, 0)), []string{"WAIT: API 5xx rate 5.0 % >= 1 %", "It fails when its window ends."}},
		{"what fails with its baseline", weighedView("few", rules.Success, bad, state("", rules.Pending, fact.HoldRung, rules.CauseBaseline, 500), ground1(fact.WhyCannotJudge, rules.CauseBaseline), beside(fact.Beside{Compared: true, Bad: 5, Samples: 50})), []string{"WAIT: API 5xx rate: its baseline is as bad (552 of 11,010)", "the baseline is as bad, so this is no fault of the release."}},
		{"what was cut short", weighedView("few", rules.Success, bad, state("", rules.Pending, fact.HoldRung, rules.CauseEvidence, 500), ground1(fact.WhyCutShort, 0)), []string{"WAIT: ", "Its phase was decided before its window ended."}},
		{"too little of the window", weighedView("few", rules.Success, counts(0, 180, 0, T, at), pendingAt(rules.CauseInsufficientSamples), func(v *fact.RuleView) { v.Evidence.Points, v.Evidence.Expected = 1, 4 }), []string{"UNKNOWN: ", "1 of 4 points are known, 50 % needed."}},
		{"data that has not settled", weighedView("few", rules.Success, counts(0, 180, 0, T, at), pendingAt(rules.CauseStale), ground1(fact.WhyUnsettled, 0)), []string{"UNKNOWN: API 5xx rate: its data has not settled", "Its data has not settled."}},
		{"data that is too old", weighedView("few", rules.Success, counts(0, 180, 0, T, at), pendingAt(rules.CauseStale)), []string{"UNKNOWN: API 5xx rate: newest data too old", "Not judged: newest data too old."}},
		{"silence in the window", weighedView("few", rules.Success, counts(0, 180, 0, T, at), state("", rules.Pending, "", rules.CauseWindow, 1), ground1(fact.WhySoFar, rules.CauseSourceError)), []string{"WAIT: ", "So far: the source is unreachable."}},
		{"no complete minute", weighedView("few", rules.Success, counts(0, 0, 0, T, at), ground1(fact.WhySoFar, 0), state("", rules.Pending, "", rules.CauseWindow, 1), unknownValue, func(v *fact.RuleView) { v.Evidence.Points = 0 }), []string{"WAIT: API 5xx rate: no complete minute yet"}},
		{"no requests", weighedView("few", rules.Success, counts(0, 0, 0, T, at), ground1(fact.WhySoFar, 0), state("", rules.Pending, "", rules.CauseWindow, 1), unknownValue), []string{"WAIT: API 5xx rate: no requests yet"}},
		{"stars", weighedView("stars", rules.Success, counts(0, 28, 3.286, T, at), state(fact.RuleFired, rules.Fail, fact.HoldRung, rules.CauseEvidence, 620), limits(4.5, 3.5, rules.GreaterOrEqual),
			func(v *fact.RuleView) {
				v.Evidence.Weighed.Rating = &fact.Ratings{Low: 2.574, High: 3.92, Average: 4.064}
			}), []string{
			"FAIL: App Store rating 3.286 < 4.5 (28 reviews)", "3.286 stars on average in 28 reviews since 02:00 UTC (likely 2.574 to 3.92)", "4.064 when weighed with 50 reviews at the target"}},
		{"stars to come", weighedView("stars", rules.Success, counts(0, 4, 4.25, T, at), pendingAt(rules.CauseInsufficientSamples), limits(4.5, 3.5, rules.GreaterOrEqual), func(v *fact.RuleView) {
			v.Evidence.Weighed.Rating, v.Evidence.Weighed.Weak = &fact.Ratings{Low: 3, High: 5, Average: 4.4}, true
		}, outlook(fact.Outlook{Present: 1, Meets: fact.Shortfall{More: 8, Wait: 60}, Fails: fact.Shortfall{More: 110, Wait: 600}, Proves: fact.Shortfall{Never: true}})), []string{
			"UNKNOWN: App Store rating: too few samples to prove >= 4.5 (4 reviews)", "8 more reviews of five stars needed to meet >= 4.5 (1 min at this traffic).", "About 110 more such reviews would show it bad (10 min at this traffic)"}},
		{"no groups", weighedView("fair", rules.Success, counts(0, 0, 0, T, at), ground1(fact.WhySoFar, 0), state("", rules.Pending, "", rules.CauseWindow, 1), unknownValue), []string{"WAIT: Bias by age: no groups to compare yet"}},
		{"one group", weighedView("fair", rules.Success, counts(0, 9, 0, T, at), ground1(fact.WhySoFar, 0), state("", rules.Pending, "", rules.CauseWindow, 1), gap(fact.Gap{Compared: 1})), []string{"WAIT: Bias by age: fewer than two groups have samples"}},
		{"a gap", weighedView("fair", rules.Success, counts(0, 900, .04, T, at), limits(.07, .07, rules.LessOrEqual), gap(fact.Gap{Highest: "young", Lowest: "old", AtLeast: 0, AtMost: .06, ByChance: .02, Compared: 2, Small: []string{"oldest"}})), []string{
			"PASS: Bias by age 0.04 <= 0.07", "gap between groups young and old (surely 0 to 0.06; chance alone shows 0.02 in groups of this size)", "Too few samples in groups oldest"}},
		{"groups alike", weighedView("fair", rules.Success, counts(0, 900, 0, T, at), limits(.07, .07, rules.LessOrEqual), gap(fact.Gap{Compared: 2, Alike: true, AtMost: .05})), []string{"PASS: Bias by age 0 <= 0.07", "all groups have the same rate"}},
		{"a gap that may be small", weighedView("fair", rules.Success, counts(0, 900, .04, T, at), limits(.07, .07, rules.LessOrEqual), pendingAt(rules.CauseInsufficientSamples), gap(fact.Gap{Compared: 2, AtMost: .09, Decides: 1490})), []string{"UNKNOWN: Bias by age: too few samples to prove <= 0.07", "About 1,500 samples a group would prove it small enough."}},
		{"a gap that may be large", weighedView("fair", rules.Success, counts(0, 900, .1, T, at), limits(.07, .07, rules.LessOrEqual), pendingAt(rules.CauseInsufficientSamples), gap(fact.Gap{Compared: 2, AtMost: .2, Decides: 8200})), []string{"UNKNOWN: ", "About 8,200 samples a group would prove it too large."}},
		{"a gap that decides at the end", weighedView("fair", rules.Success, counts(0, 900, .01, T, at), limits(.07, .07, rules.LessOrEqual), ground1(fact.WhySoFar, 0), state("", rules.Pending, "", rules.CauseWindow, 1), gap(fact.Gap{Compared: 2, AtMost: .03})), []string{"WAIT: ", "These prove it small enough."}},
		{"groups without a value", weighedView("fair", rules.Success, counts(0, 900, .01, T, at), limits(.07, .07, rules.LessOrEqual), pendingAt(rules.CauseInsufficientSamples), gap(fact.Gap{Compared: 2, AtMost: .03, Thin: true})), []string{"UNKNOWN: ", "The source gave no value with these groups, so nothing passes on them."}},

		{"a rollback by a threshold", weighedView("plain", rules.RollbackRule, plain(.0503, 10, 10, 6012), fired), []string{
			"ROLLBACK: API 5xx 5.03 % > 3 % for 10 min (6,012 samples)", "API 5xx 5.03 % > 3 % for 10 min (10 of 10 points, 6,012 samples, newest 2 min old)."}},
		{"a breach that lasts", weighedView("plain", rules.RollbackRule, plain(.0503, 10, 10, 6012), state(fact.RuleBreaching, rules.Pending, "", 0, 1)), []string{"WAIT: API 5xx 5.03 % > 3 % for 10 min of 10 min (6,012 samples)"}},
		{"data that came again after the window", weighedView("window", rules.Success, plain(.005, 20, 30, 1), good, state("", rules.Pending, "", 0, 1), ground1(fact.WhyCannotJudge, rules.CauseNoData)), []string{
			"WAIT: window: no data at the end of its window (1 sample)",
			"window 0.5 % < 1 % (20 of 30 points, 1 sample, newest 2 min old). Not judged: no data at the end of its window, for longer than its grace, 3 min; what comes later says nothing of it."}},
		{"data that has not come again", weighedView("window", rules.Success, plain(.005, 20, 30, 600), good, state("", rules.Pending, "", 0, 1), ground1(fact.WhyCannotJudge, rules.CauseNoData), func(v *fact.RuleView) { v.Evidence.Newest = at.Add(-5 * time.Minute) }), []string{
			"WAIT: window: no data (600 samples)", "Not judged: no data."}},
		{"a rollback rule with too few samples", weighedView("plain", rules.RollbackRule, plain(.01, 1, 1, 6), state(fact.RuleSilent, rules.Unknown, "", 0, 1), ground1(fact.WhyCannotJudge, rules.CauseInsufficientSamples)), []string{
			"UNKNOWN: API 5xx: cannot be judged, too few samples", "It needs 100 samples and 80 % of the points. The newest point is 2 min old."}},
		{"points that come too late", weighedView("plain", rules.RollbackRule, plain(.01, 1, 1, 600), state(fact.RuleClear, rules.Pass, "", 0, 1), func(v *fact.RuleView) { v.Evidence.Late = "6m30s" }), []string{
			"CLEAR: API 5xx 1 % <= 3 % (600 samples)", `The rule is clear. Points of errors come 7 min after their minute, settle is 0 s; write settle = "8m".`}},
		{"a breach with too few samples", weighedView("plain", rules.RollbackRule, plain(.0503, 12, 12, 60), state(fact.RuleBreaching, rules.Pending, "", 0, 1), func(v *fact.RuleView) { v.Evidence.From = at.Add(-12 * time.Minute) }), []string{
			"WAIT: API 5xx 5.03 % > 3 % for 12 min (60 samples)",
			"API 5xx 5.03 % > 3 % for 12 min (12 of 12 points, 60 samples, newest 2 min old). It rolls back once the breach has 100 samples."}},
		{"a breach that is over and still counts", weighedView("plain", rules.RollbackRule, plain(.01, 1, 1, 600), state(fact.RuleBreaching, rules.Pending, "", 0, 1), func(v *fact.RuleView) { v.Evidence.Last = T.Add(70 * time.Minute) }), []string{
			"WAIT: API 5xx 1 % <= 3 % (600 samples)", "It breached until 03:10 UTC, and that counts for 5 min."}},
		{"an alarm that is on", weighedView("paged", rules.RollbackRule, level(1), fired), []string{"ROLLBACK: Pager is ALARM"}},
		{"an alarm that is off", weighedView("paged", rules.RollbackRule, level(0)), []string{"CLEAR: Pager is OK"}},
		{"a threshold that is clear", weighedView("plain", rules.RollbackRule, plain(.01, 1, 1, 600)), []string{"CLEAR: API 5xx 1 % <= 3 % (600 samples)", "The rule is clear."}},
		{"datapoints", weighedView("counts", rules.RollbackRule, plain(.05, 5, 5, 3000), fired, func(v *fact.RuleView) { v.Evidence.Datapoints = &fact.Periods{Breaching: 3, Missing: 1} }), []string{
			"ROLLBACK: API 5xx 5 % > 3 %, 3 of 5 periods breach, 1 of them missing", "API 5xx 5 % > 3 %: 3 of 5 periods breach, 1 of them missing, 3 needed (5 of 5 points"}},
		{"datapoints without a value", weighedView("counts", rules.RollbackRule, plain(.05, 0, 5, 0), fired, unknownValue, func(v *fact.RuleView) { v.Evidence.Datapoints = &fact.Periods{Breaching: 1, Premature: true} }), []string{
			"ROLLBACK: API 5xx: 1 of 5 periods breach (0 samples)", "API 5xx: 1 of 5 periods breach, none that is known is good, and the breach is old enough"}},
		{"a share of periods", weighedView("share", rules.Success, fact.Evidence{Known: true, Value: .8}, state("", rules.Fail, "", rules.CauseThreshold, 1)), []string{"FAIL: p95 share 80 % of points <= 2.5 s, 90 % needed (0 samples)"}},
		{"a plain percentile in seconds", weighedView("plain-p95", rules.RollbackRule, plain(.064, 5, 5, 3000), fired, seconds(3.1)), []string{"ROLLBACK: Latency 3.1 s > 2.5 s over 5 min (3,000 samples)", "6.4 % took longer than 2.5 s, 5 % is allowed."}},
		{"a plain percentile that is not known", weighedView("plain-p95", rules.RollbackRule, plain(.064, 5, 5, 3000), fired), []string{"ROLLBACK: Latency 6.4 % above 2.5 s, 5 % allowed over 5 min (3,000 samples)"}},
		{"a window so far", weighedView("window", rules.Success, plain(.005, 5, 5, 3000), good, ground1(fact.WhySoFar, 0), state("", rules.Pending, "", rules.CauseWindow, 1)), []string{"WAIT: window 0.5 % < 1 % (3,000 samples)", "So far: its window has not ended."}},
		{"a silent window so far", weighedView("window", rules.Success, plain(.005, 5, 5, 3000), good, ground1(fact.WhySoFar, rules.CauseNoData), state("", rules.Pending, "", rules.CauseWindow, 1)), []string{"WAIT: ", "So far: no data."}},
		{"a window with too few", weighedView("window", rules.Success, plain(.005, 5, 10, 30), good, pendingAt(rules.CauseInsufficientSamples)), []string{"UNKNOWN: window: too few samples (30 samples)", "It needs 100 samples and 80 % of the points."}},
		{"a window whose source rejects the query", weighedView("window", rules.Success, plain(.005, 5, 10, 30), good, pendingAt(rules.CauseConfig)), []string{"UNKNOWN: window: the source rejected the query (30 samples)", "Not judged: the source rejected the query."}},
		{"a window that has not settled", weighedView("window", rules.Success, plain(.005, 5, 10, 30), good, pendingAt(rules.CauseStale), ground1(fact.WhyUnsettled, 0)), []string{"UNKNOWN: window: its data has not settled (30 samples)", "Its data has not settled."}},
		{"a window that was cut short", weighedView("window", rules.Success, plain(.005, 5, 10, 30), good, ground1(fact.WhyCutShort, 0)), []string{"PASS: ", "Its phase was decided before its window ended."}},
		{"an alarm that went off", weighedView("window", rules.Success, plain(.005, 5, 10, 30), ground1(fact.WhyAlarmFired, 0), state("", rules.Fail, "", 0, 1)), []string{"FAIL: window: alarm alarm went off in the window"}},
		{"an alarm that is not known", weighedView("window", rules.Success, plain(.005, 5, 10, 30), ground1(fact.WhyAlarmUnknown, rules.CauseNoData), state("", rules.Unknown, "", 0, 1)), []string{"UNKNOWN: window: alarm alarm is not known for the whole window, no data"}},
		{"a policy", weighedView("plain", rules.RollbackRule, fact.Evidence{}, ground1(fact.WhyPolicy, rules.CauseNoData), state(fact.RuleFired, rules.Rollback, "", 0, 1)), []string{"ROLLBACK: API 5xx: not judged for 71 min, no data", `The plan says on_no_data = "rollback".`}},
		{"a rule that is not watched", weighedView("stars", rules.Success, fact.Evidence{}, ground1(fact.WhyNotWatched, 0), state("", rules.Pending, "", 0, 1)), []string{"WAIT: App Store rating: no phase that names it has begun"}},
		{"no complete hour", weighedView("stars", rules.Success, fact.Evidence{}, ground1(fact.WhyNoDataYet, 0), state("", rules.Pending, "", 0, 1)), []string{"WAIT: App Store rating: no complete hour yet"}},
		{"no complete quarter", weighedView("fair", rules.Success, fact.Evidence{}, ground1(fact.WhyNoDataYet, 0), state("", rules.Pending, "", 0, 1)), []string{"WAIT: Bias by age: no complete period of 15 min yet"}},
		{"a silent rollback rule", weighedView("high", rules.RollbackRule, bad, state(fact.RuleSilent, rules.Unknown, "", 0, 1), ground1(fact.WhyCannotJudge, rules.CauseStale)), []string{"UNKNOWN: API 5xx: cannot be judged, newest data too old", "The newest point is 0 s old."}},
		{"a rule that would have held a run that was overridden", weighedView("high", rules.RollbackRule, bad, state(fact.RuleWarning, rules.Pending, "", 0, 1), ground1(fact.WhyOverridden, 0)), []string{"WARN: API 5xx: overridden by ada: known", "The rule holds it no more, and may still roll it back."}},
		{"a rule that was resumed", weighedView("high", rules.RollbackRule, bad, state(fact.RuleWarning, rules.Pending, "", 0, 1), ground1(fact.WhyResumed, 0)), []string{"WARN: API 5xx: resumed by ada: known", "The rule holds it no more, and may still roll it back."}},
		{"a rule whose rollback was overridden", weighedView("high", rules.RollbackRule, bad, state(fact.RuleIdle, rules.Pending, "", 0, 1), ground1(fact.WhyRollbackOverridden, 0)), []string{"WAIT: API 5xx: rollback overridden by ada: known", "The rule judges what comes from now on."}},
		{"a rule that the plan has no more", &fact.RuleView{Name: "gone", Kind: rules.Success, State: fact.RuleClear, Verdict: rules.Pass}, []string{"PASS: gone", "gone: clear."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Rule(launch(), tt.view, at)
			if len(tt.want[0]) < 12 && strings.HasSuffix(tt.want[0], ": ") {
				if !strings.HasPrefix(got.Headline, tt.want[0]) {
					t.Errorf("the headline is %q, want it to begin with %q", got.Headline, tt.want[0])
				}
			} else if !strings.HasPrefix(got.Headline, tt.want[0]) {
				t.Errorf("the headline is\n%q, want\n%q", got.Headline, tt.want[0])
			}
			all := append([]string{got.Sentence}, got.Detail...)
			for _, want := range tt.want[1:] {
				if !slices.ContainsFunc(all, func(l string) bool { return strings.Contains(l, want) }) {
					t.Errorf("it says\n%s\nwant\n%s", strings.Join(all, "\n"), want)
				}
			}
		})
	}
}

func gap(g fact.Gap) edit { return func(v *fact.RuleView) { v.Evidence.Weighed.Groups = &g } }

// Who is asked, what is to be done and the command that was rehearsed stand beside
// a rollback, and only there.
func TestARollbackSaysWhatToDo(t *testing.T) {
	bad := counts(552, 11010, .0501, T, T.Add(time.Hour))
	v := weighedView("high", rules.RollbackRule, bad, state(fact.RuleFired, rules.Rollback, fact.RollbackRung, rules.CauseEvidence, 523))
	if got := Rule(launch(), v, T); got.Do != "pause the rollout, revert the alias" || got.Command != "aws lambda update-alias" || got.Who != "DevSecOps" {
		t.Errorf("got %+v", got)
	}
	v.State = fact.RuleHolding
	v.Verdict = rules.Pending
	if got := Rule(launch(), v, T); got.Do != "" || got.Command != "" || got.Who != "DevSecOps" {
		t.Errorf("a hold says %+v", got)
	}
}

// Whatever of its facts is missing, a rule says something.
func TestARuleSaysSomethingWhateverIsMissing(t *testing.T) {
	plan := launch()
	full := counts(5, 100, .05, T, T.Add(time.Hour))
	bare := full
	bare.Weighed = &fact.Weighed{}
	for i := range plan.Rules {
		r := &plan.Rules[i]
		for _, code := range codes(t) {
			for _, st := range append(fact.RuleStates(), "") {
				for _, e := range []fact.Evidence{{}, {Known: true, Weighed: &fact.Weighed{Groups: &fact.Gap{}, Baseline: &fact.Beside{}, Outlook: &fact.Outlook{}, Rung: fact.HoldRung}}, full, bare} {
					for _, verdict := range rules.Verdicts() {
						v := fact.RuleView{Name: r.Name, Kind: r.Kind, State: st, Verdict: verdict, Why: fact.Why{Code: code}, Evidence: e}
						if got := Rule(plan, &v, T); got.Headline == "" || got.Sentence == "" || len([]rune(got.Headline)) > 80 {
							t.Fatalf("%s %s %s %v: %+v", r.Name, code, st, verdict, got)
						}
					}
				}
			}
		}
	}
}

// How long a rule could not be judged is what it was when its policy acted.
func TestAPolicysSilenceDoesNotGrow(t *testing.T) {
	plan := launch()
	v := fact.RuleView{Name: "plain", Kind: rules.RollbackRule, State: fact.RuleFired, Verdict: rules.Rollback, Cause: rules.CauseNoData,
		Why: fact.Why{Code: fact.WhyPolicy, Rule: "plain", Cause: rules.CauseNoData, Policy: rules.PolicyRollback, Since: T, Until: T.Add(71 * time.Minute)}}
	for _, later := range []time.Duration{71 * time.Minute, 9 * time.Hour} {
		at := T.Add(later)
		if got := Rule(plan, &v, at).Headline; got != "ROLLBACK: API 5xx: not judged for 71 min, no data" {
			t.Errorf("after %v the rule says %q", later, got)
		}
		if got := ground(plan, &v.Why, at); got != `API 5xx could not be judged for 71 min, no data; the plan says on_no_data = "rollback"` {
			t.Errorf("after %v the ground is %q", later, got)
		}
	}
}

// A rule in shadow says that nothing follows, and how often something would have.
func TestARuleInShadowSaysWhatItWouldHaveDone(t *testing.T) {
	for _, tt := range []struct {
		name     string
		view     fact.RuleView
		headline string
		says     string
	}{
		{"it would roll back", fact.RuleView{Name: "high", State: fact.RuleWouldFire, WouldHave: 1}, "SHADOW: API 5xx", "In shadow: it would have rolled back, and does nothing."},
		{"it would again", fact.RuleView{Name: "high", State: fact.RuleClear, WouldHave: 2}, "CLEAR: API 5xx", "In shadow: it would have rolled back twice, and does nothing."},
		{"and again", fact.RuleView{Name: "high", State: fact.RuleWouldFire, WouldHave: 3}, "SHADOW: API 5xx", "In shadow: it would have rolled back 3 times, and does nothing."},
		{"it would hold", fact.RuleView{Name: "high", State: fact.RuleWouldHold}, "SHADOW: API 5xx", "In shadow: it would have held the run, and does nothing."},
		{"it has nothing to say", fact.RuleView{Name: "high", State: fact.RuleClear}, "CLEAR: API 5xx", "In shadow: it does nothing."},
		{"a success rule would fail", fact.RuleView{Name: "few", Kind: rules.Success, Verdict: rules.Fail}, "SHADOW: API 5xx rate", "In shadow: it decides nothing."},
		{"a success rule would pass", fact.RuleView{Name: "few", Kind: rules.Success, Verdict: rules.Pass}, "PASS: API 5xx rate", "In shadow: it decides nothing."},
	} {
		plan := launch()
		v := tt.view
		if v.Name == "high" {
			v.Kind = rules.RollbackRule
		}
		for i := range plan.Rules {
			plan.Rules[i].Shadow = plan.Rules[i].Name == v.Name && plan.Rules[i].Kind == v.Kind
		}
		v.Why.Code, v.Evidence = fact.WhyMeasured, counts(5, 100, .05, T, T.Add(time.Hour))
		got := Rule(plan, &v, T.Add(time.Hour))
		if !strings.HasPrefix(got.Headline, tt.headline) || !strings.HasSuffix(got.Sentence, tt.says) || got.Do != "" || got.Command != "" {
			t.Errorf("%s: got %q, %q, do %q", tt.name, got.Headline, got.Sentence, got.Do)
		}
	}
}

func TestARuleInShadowSaysForHowLongItWouldHaveRolledBack(t *testing.T) {
	plan := launch()
	for i := range plan.Rules {
		plan.Rules[i].Shadow = true
	}
	e := fact.Event{At: T.Add(time.Hour), Kind: fact.RuleEvent, Subject: "plain", From: "breaching", To: string(fact.RuleWouldFire), Why: fact.Why{Code: fact.WhyMeasured, N: 2},
		Evidence: &fact.Evidence{Known: true, Value: .05, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, From: T, To: T.Add(11 * time.Minute), Points: 11, Expected: 11, Samples: 1000}}
	got := Event(plan, &e, nil)
	if !strings.HasPrefix(got.Headline, "SHADOW: API 5xx 5 % > 3 % for 11 min") || !strings.HasSuffix(got.Sentence, "it would have rolled back twice, and does nothing.") {
		t.Errorf("got %q, %q", got.Headline, got.Sentence)
	}
}

// Which rollback rules warned as a phase passed is said by name, and only what is clear
// is called so.
func TestAPassSaysWhichRulesWarn(t *testing.T) {
	for _, tt := range []struct {
		why  fact.Why
		want string
	}{
		{fact.Why{Of: 2, N: 2}, "2 rollback rules are clear"},
		{fact.Why{Of: 1, Warn: "high"}, "rollback rule API 5xx warns"},
		{fact.Why{Of: 3, N: 1, Warn: "high"}, "1 rollback rule is clear, rollback rule API 5xx warns, 1 rollback rule was not judged"},
		{fact.Why{Of: 3, Warn: "high plain gone"}, "rollback rules API 5xx, API 5xx and gone warn"},
		{fact.Why{}, ""},
	} {
		if got := rollbackRules(launch(), &tt.why); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.why, got, tt.want)
		}
	}
}
