package words

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// standing is a run of two phases an hour after T.
func standing(state rules.State, v rules.Verdict, why fact.Why, edits ...func(s *fact.Snapshot)) *fact.Snapshot {
	s := &fact.Snapshot{
		Plan: "shop", Manager: "Ada", At: T.Add(71 * time.Minute), Start: T, State: state, Verdict: v, Why: why,
		Phases: []fact.PhaseView{
			{Name: "ten", Owner: "ops", State: rules.Passed, Verdict: rules.Pass, Decided: T, Why: fact.Why{Code: fact.WhyRulesHold, Rule: "few", N: 1, Of: 1}},
			{Name: "all", Owner: "ops", State: rules.Waiting, Verdict: rules.Pending, Why: fact.Why{Code: fact.WhyBegins, Until: T.Add(2 * time.Hour)}},
		},
	}
	good := *weighedView("few", rules.Success, counts(0, 900, 0, T, T.Add(time.Hour)))
	s.Phases[0].Success = []fact.RuleView{good}
	for _, ed := range edits {
		ed(s)
	}
	return s
}

func TestARunSaysWhatIsAndWhatToDo(t *testing.T) {
	at := T.Add(71 * time.Minute)
	bad := counts(552, 11010, .0501, T.Add(time.Hour), at)
	bad.Weighed.Rung, bad.Weighed.Against = fact.RollbackRung, math.Log(523)
	fired := &fact.Event{At: at, Kind: fact.RuleEvent, Subject: "high", To: "fired", Evidence: &bad, Why: fact.Why{Code: fact.WhyMeasured}}
	aborted := &fact.Event{At: at, Kind: fact.CommandEvent, Subject: "abort", To: "applied", By: "ada", Why: fact.Why{Code: fact.WhyCommanded, Text: "wrong build"}}
	held := counts(220, 11000, .02, T.Add(time.Hour), at)
	held.Weighed.Rung, held.Weighed.Suspect, held.Weighed.Against = fact.HoldRung, true, math.Log(300)
	second := func(ed func(p *fact.PhaseView)) func(s *fact.Snapshot) {
		return func(s *fact.Snapshot) { ed(&s.Phases[1]) }
	}
	failing := second(func(p *fact.PhaseView) {
		p.State, p.Verdict, p.Decided, p.Why = rules.Failed, rules.Fail, at, fact.Why{Code: fact.WhyByRule, Rule: "few"}
		p.Success = []fact.RuleView{*weighedView("few", rules.Success, bad, state(fact.RuleFired, rules.Fail, fact.HoldRung, rules.CauseEvidence, 523))}
	})
	unknownFor := func(c rules.Cause) func(s *fact.Snapshot) {
		return second(func(p *fact.PhaseView) {
			p.State, p.Verdict, p.Cause, p.Why = rules.Monitoring, rules.Unknown, c, fact.Why{Code: fact.WhyByRule, Rule: "few"}
			p.Success = []fact.RuleView{*weighedView("few", rules.Success, counts(0, 12, 0, T, at), func(v *fact.RuleView) {
				v.Verdict, v.Why = rules.Unknown, fact.Why{Code: fact.WhyCannotJudge, Cause: c}
			})}
		})
	}
	rollbackRule := func(code fact.Code, name string) func(s *fact.Snapshot) {
		return func(s *fact.Snapshot) {
			s.Phases[1].State, s.Phases[1].Verdict, s.Phases[1].Why = rules.Monitoring, rules.Unknown, fact.Why{Code: code, Rule: name, Cause: rules.CauseNoData}
			s.Rollback = []fact.RuleView{*weighedView("high", rules.RollbackRule, held, state(fact.RuleHolding, rules.Pending, fact.HoldRung, rules.CauseEvidence, 300))}
		}
	}
	late := func(s *fact.Snapshot) {
		w := &s.Phases[1].Why
		w.N, w.Of, w.Since, w.Until = 0, 30, at.Add(-6*time.Minute), at
	}
	warns := func(s *fact.Snapshot) {
		s.Rollback = []fact.RuleView{*weighedView("high", rules.RollbackRule, held, state(fact.RuleWarning, rules.Pass, fact.WarnRung, rules.CauseEvidence, 3))}
	}
	holdBy := func(h fact.Holder) func(s *fact.Snapshot) {
		return func(s *fact.Snapshot) {
			s.Held, s.Holder = true, h
			s.Phases[0].Verdict, s.Phases[0].Why = rules.Pending, fact.Why{Code: fact.WhyHeld, By: h.By, Text: h.Text}
			if h.Rule {
				s.Phases[0].Why = fact.Why{Code: fact.WhyHeldByRule, Rule: h.By}
			}
		}
	}
	recovered := func(s *fact.Snapshot) {
		s.Rollback = []fact.RuleView{*weighedView("high", rules.RollbackRule, counts(20, 11000, .0018, T, at), state(fact.RuleHolding, rules.Pending, fact.NoRung, 0, 1))}
	}
	for _, tt := range []struct {
		name     string
		s        *fact.Snapshot
		headline string
		do       string
		command  string
		who      string
		says     []string // parts of the sentence or of lines
	}{
		{"it has not begun", standing(rules.Waiting, rules.Pending, fact.Why{Code: fact.WhyNotBegun, Until: T.Add(3 * time.Hour)}), "WAIT: the release begins at 05:00 UTC", "", "", "Ada", nil},
		{"it is under way", standing(rules.Monitoring, rules.Pending, fact.Why{Code: fact.WhyUnderWay, N: 1, Of: 2, Phase: "ten", State: "passed"}, warns),
			"WAIT: 1 of 2 phases passed; next: all, planned for 04:00 UTC", "", "", "Ada",
			[]string{"WARN: API 5xx 2.0 % >= 1 % for 11 min (220 of 11,000)", "phase ten: pass: API 5xx rate 0 % < 1 % (0 of 900)", "phase all: wait: planned for 04:00 UTC"}},
		{"a rule rolls it back", standing(rules.RolledBack, rules.Rollback, fact.Why{Code: fact.WhyRuleFired, Rule: "high"}, func(s *fact.Snapshot) { s.Fired = fired }, second(func(p *fact.PhaseView) {
			p.State, p.Verdict, p.Why = rules.RolledBack, rules.Rollback, fact.Why{Code: fact.WhyRuleFired, Rule: "high"}
		})),
			"ROLLBACK: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "pause the rollout, revert the alias", "aws lambda update-alias", "DevSecOps", []string{"under 1 in 523", "phase ten: pass"}},
		{"it is aborted", standing(rules.RolledBack, rules.Rollback, fact.Why{Code: fact.WhyAborted, By: "ada", Text: "wrong build"}, func(s *fact.Snapshot) { s.Fired = aborted }),
			"ROLLBACK: aborted by ada: wrong build", "roll the release back, then report it with rollback-done", "aws lambda update-alias", "Ada", nil},
		{"it is aborted, and that is done", standing(rules.RolledBack, rules.Fail, fact.Why{Code: fact.WhyRollbackDone, By: "bo", Text: "alias is back"}, func(s *fact.Snapshot) { s.Fired, s.RolledBack = aborted, true }),
			"FAIL: the rollback has been carried out by bo: alias is back", "", "", "Ada", nil},
		{"its rollback is done", standing(rules.RolledBack, rules.Fail, fact.Why{Code: fact.WhyRollbackDone, By: "bo", Text: "alias is back"}, func(s *fact.Snapshot) { s.Fired, s.RolledBack = fired, true }),
			"FAIL: the rollback has been carried out by bo: alias is back", "", "", "DevSecOps", []string{"API 5xx 5.0 % > 3 %"}},
		{"a person holds it", standing(rules.Held, rules.Pending, fact.Why{Code: fact.WhyHeld}, holdBy(fact.Holder{By: "bo", Text: "lunch"})),
			"HOLD: by bo: lunch", "resume the run, or abort it", "", "bo", []string{"Every gate of the run is closed until it is resumed.", "phase all: hold"}},
		{"a rule holds it", standing(rules.Held, rules.Pending, fact.Why{Code: fact.WhyHeldByRule, Rule: "high"}, holdBy(fact.Holder{By: "high", Rule: true, Evidence: &held})),
			"HOLD: API 5xx 2.0 % >= 1 % for 11 min (220 of 11,000)", "look at API 5xx, then resume the run or abort it", "", "DevSecOps", []string{"220 of 11,000 requests failed since 03:00 UTC (the worst stretch;", "The run is held until it is resumed."}},
		{"a rule holds it that has recovered", standing(rules.Held, rules.Pending, fact.Why{Code: fact.WhyHeldByRule, Rule: "high"}, holdBy(fact.Holder{By: "high", Rule: true, Evidence: &held}), recovered),
			"HOLD: API 5xx 2.0 % >= 1 % for 11 min (220 of 11,000)", "look at API 5xx, then resume the run or abort it", "", "DevSecOps", []string{"now: API 5xx 0.18 % < 1 %: 20 of 11,000 requests failed since 02:00 UTC (likely 0.09 % to 0.36 %). It has recovered since"}},
		{"it has passed", standing(rules.Passed, rules.Pass, fact.Why{Code: fact.WhyAllPassed, Of: 2}), "PASS: all 2 phases have passed", "", "", "", nil},
		{"its phases have passed and are watched", standing(rules.Monitoring, rules.Pending, fact.Why{Code: fact.WhyWatchedOn, Of: 1, Until: at}), "WAIT: the phase has passed; watched until 03:11 UTC", "", "", "Ada", nil},
		{"it has failed", standing(rules.Failed, rules.Fail, fact.Why{Code: fact.WhyPhaseFailed, Phase: "all"}, failing),
			"FAIL: API 5xx rate 5.0 % >= 1 % for 11 min (552 of 11,010)", "stop the rollout: look at API 5xx rate", "", "DevSecOps", []string{"phase all has failed. API 5xx rate 5.0 %"}},
		{"it has failed in a phase that is gone", standing(rules.Failed, rules.Fail, fact.Why{Code: fact.WhyPhaseFailed, Phase: "gone"}), "FAIL: phase gone has failed", "stop the rollout", "", "Ada", nil},
		{"it was overridden with fail", standing(rules.Failed, rules.Fail, fact.Why{Code: fact.WhyPhaseFailed, Phase: "all"}, second(func(p *fact.PhaseView) {
			p.State, p.Verdict, p.Why = rules.Failed, rules.Fail, fact.Why{Code: fact.WhyOverridden, Phase: "all", Verdict: rules.Fail, By: "bo", Text: "seen"}
		})), "FAIL: phase all was overridden with fail by bo: seen", "stop the rollout: look at its rules", "", "ops", nil},
		{"it cannot be judged for too few samples", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all", Cause: rules.CauseInsufficientSamples}, unknownFor(rules.CauseInsufficientSamples)),
			"UNKNOWN: API 5xx rate: too few samples to prove < 1 % (0 of 12)", "extend the window, send more traffic, or override the phase", "", "DevSecOps", []string{"phase all could not be judged in time."}},
		{"it cannot be judged for a source", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all", Cause: rules.CauseSourceError}, unknownFor(rules.CauseSourceError)),
			"UNKNOWN: API 5xx rate: the source is unreachable (0 of 12)", "mend signal errors (the source is unreachable), or override the phase", "", "DevSecOps", nil},
		{"it cannot be judged beside its baseline", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all", Cause: rules.CauseBaseline}, unknownFor(rules.CauseBaseline)),
			"UNKNOWN: API 5xx rate: its baseline is as bad (0 of 12)", "look at API 5xx rate, or override the phase", "", "DevSecOps", nil},
		{"a rollback rule holds a phase up", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all"}, rollbackRule(fact.WhyRuleHolds, "high")),
			"UNKNOWN: rollback rule API 5xx holds the run", "look at API 5xx, or override the phase", "", "DevSecOps", []string{"API 5xx 2.0 % >= 1 %: 220 of 11,000"}},
		{"a rollback rule that is gone holds a phase up", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all"}, rollbackRule(fact.WhyRuleSilent, "gone")),
			"UNKNOWN: rollback rule gone cannot be judged, no data", "look at gone, or override the phase", "", "ops", nil},
		{"its alarm is not known", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all", Cause: rules.CauseNoData}, unknownFor(rules.CauseNoData), second(func(p *fact.PhaseView) { p.Success[0].Why.Code = fact.WhyAlarmUnknown })),
			"UNKNOWN: API 5xx rate: alarm alarm is not known for the whole window, no data", "mend signal alarm (no data), or override the phase", "", "DevSecOps", nil},
		{"the alarm of a silent rollback rule is not known", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all"}, rollbackRule(fact.WhyAlarmUnknown, "slow"), second(func(p *fact.PhaseView) { p.Cause = rules.CauseNoData })),
			"UNKNOWN: the alarm alarm is not known, no data", "mend signal alarm (no data), or override the phase", "", "ops",
			[]string{"the alarm alarm is not known, no data; rollback rule Lambda p95 latency has no data of its own."}},
		{"the alarm of a silent rollback rule is on", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all"}, rollbackRule(fact.WhyAlarmBefore, "slow")),
			"UNKNOWN: the alarm alarm is on; rollback rule Lambda p95 latency has no data …", "look at Lambda p95 latency, or override the phase", "", "ops", nil},
		{"the alarm of a rule that is gone is on", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all"}, rollbackRule(fact.WhyAlarmBefore, "gone")),
			"UNKNOWN: the alarm is on; rollback rule gone has no data of its own", "look at gone, or override the phase", "", "ops", nil},
		{"the end of its window is not known", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all", Cause: rules.CauseNoData}, unknownFor(rules.CauseNoData)),
			"UNKNOWN: API 5xx rate: no data at the end of its window (0 of 12)", "override the phase, or start the release again", "", "DevSecOps", nil},
		{"points come too late", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all"}, rollbackRule(fact.WhyRuleLate, "plain"), late),
			"UNKNOWN: points of errors come 6 min after their minute, settle is 0 s", "write a longer settle for signal errors, or override the phase", "", "ops",
			[]string{`write settle = "7m"; rollback rule API 5xx has seen 0 of 30 points of the window in time.`}},
		{"points come too late for a rule that is gone", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all"}, rollbackRule(fact.WhyRuleLate, "gone"), late),
			"UNKNOWN: points come 6 min late; rollback rule gone has seen 0 of 30 points …", "write a longer settle, or override the phase", "", "ops", nil},
		{"a percentile comes too late", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all"}, rollbackRule(fact.WhyRuleLate, "plain-p95"), late),
			"UNKNOWN: points of p95 come 6 min after their minute, settle is 0 s", "write a longer settle for signal p95, or override the phase", "", "ops", nil},
		{"the end of a window is not known", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "all"}, rollbackRule(fact.WhyEndUnknown, "plain")),
			"UNKNOWN: no data at the end of the window for rollback rule API 5xx", "override the phase, or start the release again", "", "ops", []string{"none came there for longer than its grace, 5 min"}},
		{"a phase that is gone could not be judged", standing(rules.Monitoring, rules.Unknown, fact.Why{Code: fact.WhyPhaseUnknown, Phase: "gone", Cause: rules.CauseNoData}), "UNKNOWN: phase gone could not be judged in time, no data", "look at the phases", "", "Ada", nil},
		{"it is superseded", standing(rules.Superseded, rules.Fail, fact.Why{Code: fact.WhySuperseded, Run: "shop@2", By: "ci", Text: "hotfix"}, second(func(p *fact.PhaseView) {
			p.State, p.Verdict, p.Why = rules.Superseded, rules.Fail, fact.Why{Code: fact.WhySuperseded, Run: "shop@2", By: "ci", Text: "hotfix"}
		})), "SUPERSEDED: run shop@2 takes its place (ci: hotfix)", "stop rolling out this version", "", "Ada", []string{"phase all: superseded"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Run(launch(), tt.s)
			if got.Headline != tt.headline || got.Do != tt.do || got.Command != tt.command || got.Who != tt.who {
				t.Errorf("got\n%q\ndo %q, %q, who %q; want\n%q\ndo %q, %q, who %q", got.Headline, got.Do, got.Command, got.Who, tt.headline, tt.do, tt.command, tt.who)
			}
			all := append([]string{got.Sentence}, got.Detail...)
			for _, want := range tt.says {
				if !slices.ContainsFunc(all, func(l string) bool { return strings.Contains(l, want) }) {
					t.Errorf("it says\n%s\nwant\n%s", strings.Join(all, "\n"), want)
				}
			}
		})
	}
}

// Whoever aborts a release is shown what the plan has rehearsed.
// A failed run that is watched on says so.
func TestAnAccusedRunIsWatchedOn(t *testing.T) {
	const watched = "Its rollback rules are watched on: they may still roll it back"
	for _, accused := range []bool{true, false} {
		s := standing(rules.Failed, rules.Fail, fact.Why{Code: fact.WhyPhaseFailed, Phase: "all"}, func(s *fact.Snapshot) {
			s.Accused = accused
			s.Phases[1].State, s.Phases[1].Verdict, s.Phases[1].Why = rules.Failed, rules.Fail, fact.Why{Code: fact.WhyByRule, Rule: "few"}
		})
		if got := slices.Contains(Run(launch(), s).Detail, watched); got != accused {
			t.Errorf("accused %v: says so %v", accused, got)
		}
	}
}

func TestAnAbortShowsTheRehearsedCommands(t *testing.T) {
	plan := &rules.Plan{Rules: []rules.Rule{
		{Name: "few", Kind: rules.Success, Command: "no"}, {Name: "high", Kind: rules.RollbackRule, Command: "revert api"},
		{Name: "slow", Kind: rules.RollbackRule, Command: "revert api"}, {Name: "quiet", Kind: rules.RollbackRule},
	}}
	e := &fact.Event{Kind: fact.CommandEvent, Subject: "abort", To: "applied", By: "ada", Why: fact.Why{Code: fact.WhyCommanded, Text: "wrong build"}}
	if got := Event(plan, e, nil); got.Command != "revert api" || got.Detail != nil {
		t.Errorf("got command %q and %q, want the one that there is", got.Command, got.Detail)
	}
	plan.Rules = append(plan.Rules, rules.Rule{Name: "crashes", Kind: rules.RollbackRule, Command: "halt phones"})
	want := []string{"command of high: revert api", "command of crashes: halt phones"}
	if got := Event(plan, e, nil); got.Command != "" || !slices.Equal(got.Detail, want) {
		t.Errorf("got command %q and %q, want %q", got.Command, got.Detail, want)
	}
}

// Whoever asks for a phase of a held run reads of the hold first: its gate is closed by
// it, whatever else the phase waits for.
func TestAPhaseOfAHeldRunSaysTheHoldFirst(t *testing.T) {
	s := standing(rules.Held, rules.Pending, fact.Why{Code: fact.WhyHeld})
	s.Holder = fact.Holder{By: "bo", Text: "lunch"}
	got := Phase(launch(), s, 1)
	if got.Headline != "HOLD: by bo: lunch" || got.Do != "resume the run, or abort it" || len(got.Detail) == 0 {
		t.Errorf("got %+v", got)
	}
}

// A phase says that it waits for what goes on only while it does.
func TestWhatGoesOnIsWaitedForUntilTheDeadline(t *testing.T) {
	for v, want := range map[rules.Verdict]string{
		rules.Pending: "5.0 % in the last 5 min (12 of 240), beyond the trigger of API 5xx; the phase waits until that is over.",
		rules.Unknown: "5.0 % in the last 5 min (12 of 240), beyond the trigger of API 5xx; the phase's time to wait is over.",
	} {
		s := standing(rules.Monitoring, v, fact.Why{Code: fact.WhyUnderWay}, func(s *fact.Snapshot) {
			s.Phases[1].State, s.Phases[1].Verdict = rules.Monitoring, v
			s.Phases[1].Why = fact.Why{Code: fact.WhyOngoing, Rule: "high", Verdict: v, Since: T, Until: T.Add(5 * time.Minute), N: 12, Of: 240}
		})
		if got := Phase(launch(), s, 1).Sentence; got != want {
			t.Errorf("%v: got %q, want %q", v, got, want)
		}
	}
}

// A phase that waits for a rule of an earlier one says so, and that the rule's policy fails
// no phase that does not name it.
func TestAPhaseThatWaitsForAnEarlierRuleSaysSo(t *testing.T) {
	const watched = "rollback rule API 5xx cannot be judged, %s. It is a rule of phase ten, which is over, and is watched to the end of the run."
	plan := launch()
	high := slices.IndexFunc(plan.Rules, func(r rules.Rule) bool { return r.Name == "high" })
	for _, tt := range []struct {
		name          string
		phase         int // that names the rule
		cause         rules.Cause
		noData, error rules.Policy
		want          string
	}{
		{"its own", 1, rules.CauseNoData, rules.PolicyFail, 0, "rollback rule API 5xx cannot be judged, no data."},
		{"an earlier one", 0, rules.CauseNoData, 0, rules.PolicyFail, fmt.Sprintf(watched, "no data")},
		{"one that fails without data", 0, rules.CauseNoData, rules.PolicyFail, 0, fmt.Sprintf(watched, "no data") + ` Its on_no_data = "fail" fails the phases that name it, and this one does not.`},
		{"one that fails by its source", 0, rules.CauseSourceError, 0, rules.PolicyFail, fmt.Sprintf(watched, "the source is unreachable") + ` Its on_error = "fail" fails the phases that name it, and this one does not.`},
		{"one of no phase", -1, rules.CauseNoData, rules.PolicyFail, 0, "rollback rule API 5xx cannot be judged, no data."},
	} {
		plan.Phases[0].Rollback, plan.Phases[1].Rollback = nil, nil
		if tt.phase >= 0 {
			plan.Phases[tt.phase].Rollback = []int{high}
		}
		plan.Rules[high].OnNoData, plan.Rules[high].OnError = tt.noData, tt.error
		s := standing(rules.Monitoring, rules.Pending, fact.Why{Code: fact.WhyUnderWay}, func(s *fact.Snapshot) {
			s.Phases[1].State, s.Phases[1].Why = rules.Monitoring, fact.Why{Code: fact.WhyRuleSilent, Rule: "high", Cause: tt.cause}
			s.Rollback = []fact.RuleView{*weighedView("high", rules.RollbackRule, counts(0, 10, 0, T, T), state(fact.RuleSilent, rules.Unknown, "", 0, 1))}
		})
		if got := Phase(plan, s, 1).Sentence; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What ends the hold of a rule is said by what it rests on now.
func TestAHeldRunSaysWhatEndsTheHold(t *testing.T) {
	ev := counts(552, 11010, .0501, T.Add(time.Hour), T.Add(71*time.Minute))
	ev.Weighed.Rung = fact.HoldRung
	for cause, want := range map[rules.Cause]string{
		rules.CauseBaseline: "The hold ends by itself once release and baseline have kept the limit for 10 min.",
		rules.CauseEvidence: "The run is held until it is resumed.",
	} {
		s := standing(rules.Held, rules.Pending, fact.Why{Code: fact.WhyHeldByRule, Rule: "calm"})
		s.Holder = fact.Holder{By: "calm", Rule: true, Cause: rules.CauseBaseline, Evidence: &ev}
		s.Rollback = []fact.RuleView{*weighedView("calm", rules.RollbackRule, ev, state(fact.RuleHolding, rules.Pending, fact.HoldRung, cause, 523))}
		if got := Run(launch(), s).Sentence; !strings.Contains(got, want) {
			t.Errorf("%v: %q lacks %q", cause, got, want)
		}
	}
}
