package words

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// standing is a run of two phases an hour after T.
func standing(state rules.State, v rules.Verdict, why evaluator.Why, edits ...func(s *evaluator.Snapshot)) *evaluator.Snapshot {
	s := &evaluator.Snapshot{
		Plan: "shop", Manager: "Ada", At: T.Add(71 * time.Minute), Start: T, State: state, Verdict: v, Why: why,
		Phases: []evaluator.PhaseView{
			{Name: "ten", Owner: "ops", State: rules.Passed, Verdict: rules.Pass, Decided: T, Why: evaluator.Why{Code: evaluator.WhyRulesHold, Rule: "few", N: 1, Of: 1}},
			{Name: "all", Owner: "ops", State: rules.Waiting, Verdict: rules.Pending, Why: evaluator.Why{Code: evaluator.WhyBegins, Until: T.Add(2 * time.Hour)}},
		},
	}
	good := *weighedView("few", rules.Success, counts(0, 900, 0, T, T.Add(time.Hour)))
	s.Phases[0].Success = []evaluator.RuleView{good}
	for _, ed := range edits {
		ed(s)
	}
	return s
}

func TestARunSaysWhatIsAndWhatToDo(t *testing.T) {
	at := T.Add(71 * time.Minute)
	bad := counts(552, 11010, .0501, T.Add(time.Hour), at)
	bad.Weighed.Rung, bad.Weighed.Against = evaluator.RollbackRung, math.Log(523)
	fired := &evaluator.Event{At: at, Kind: evaluator.RuleEvent, Subject: "high", To: "fired", Evidence: &bad, Why: evaluator.Why{Code: evaluator.WhyMeasured}}
	aborted := &evaluator.Event{At: at, Kind: evaluator.CommandEvent, Subject: "abort", To: "applied", By: "ada", Why: evaluator.Why{Code: evaluator.WhyCommanded, Text: "wrong build"}}
	held := counts(220, 11000, .02, T.Add(time.Hour), at)
	held.Weighed.Rung, held.Weighed.Suspect, held.Weighed.Against = evaluator.HoldRung, true, math.Log(300)
	second := func(ed func(p *evaluator.PhaseView)) func(s *evaluator.Snapshot) {
		return func(s *evaluator.Snapshot) { ed(&s.Phases[1]) }
	}
	failing := second(func(p *evaluator.PhaseView) {
		p.State, p.Verdict, p.Decided, p.Why = rules.Failed, rules.Fail, at, evaluator.Why{Code: evaluator.WhyByRule, Rule: "few"}
		p.Success = []evaluator.RuleView{*weighedView("few", rules.Success, bad, state(evaluator.RuleFired, rules.Fail, evaluator.HoldRung, rules.CauseEvidence, 523))}
	})
	unknownFor := func(c rules.Cause) func(s *evaluator.Snapshot) {
		return second(func(p *evaluator.PhaseView) {
			p.State, p.Verdict, p.Cause, p.Why = rules.Monitoring, rules.Unknown, c, evaluator.Why{Code: evaluator.WhyByRule, Rule: "few"}
			p.Success = []evaluator.RuleView{*weighedView("few", rules.Success, counts(0, 12, 0, T, at), func(v *evaluator.RuleView) {
				v.Verdict, v.Why = rules.Unknown, evaluator.Why{Code: evaluator.WhyCannotJudge, Cause: c}
			})}
		})
	}
	rollbackRule := func(code evaluator.Code, name string) func(s *evaluator.Snapshot) {
		return func(s *evaluator.Snapshot) {
			s.Phases[1].State, s.Phases[1].Verdict, s.Phases[1].Why = rules.Monitoring, rules.Unknown, evaluator.Why{Code: code, Rule: name, Cause: rules.CauseNoData}
			s.Rollback = []evaluator.RuleView{*weighedView("high", rules.RollbackRule, held, state(evaluator.RuleHolding, rules.Pending, evaluator.HoldRung, rules.CauseEvidence, 300))}
		}
	}
	warns := func(s *evaluator.Snapshot) {
		s.Rollback = []evaluator.RuleView{*weighedView("high", rules.RollbackRule, held, state(evaluator.RuleWarning, rules.Pass, evaluator.WarnRung, rules.CauseEvidence, 3))}
	}
	holdBy := func(h evaluator.Holder) func(s *evaluator.Snapshot) {
		return func(s *evaluator.Snapshot) {
			s.Held, s.Holder = true, h
			s.Phases[0].Verdict, s.Phases[0].Why = rules.Pending, evaluator.Why{Code: evaluator.WhyHeld, By: h.By, Text: h.Text}
			if h.Rule {
				s.Phases[0].Why = evaluator.Why{Code: evaluator.WhyHeldByRule, Rule: h.By}
			}
		}
	}
	recovered := func(s *evaluator.Snapshot) {
		s.Rollback = []evaluator.RuleView{*weighedView("high", rules.RollbackRule, counts(20, 11000, .0018, T, at), state(evaluator.RuleHolding, rules.Pending, evaluator.NoRung, 0, 1))}
	}
	for _, tt := range []struct {
		name     string
		s        *evaluator.Snapshot
		headline string
		do       string
		command  string
		who      string
		says     []string // parts of the sentence or of lines
	}{
		{"it has not begun", standing(rules.Waiting, rules.Pending, evaluator.Why{Code: evaluator.WhyNotBegun, Until: T.Add(3 * time.Hour)}), "WAIT: the release begins at 05:00 UTC", "", "", "Ada", nil},
		{"it is under way", standing(rules.Monitoring, rules.Pending, evaluator.Why{Code: evaluator.WhyUnderWay, N: 1, Of: 2, Phase: "ten", State: "passed"}, warns),
			"WAIT: 1 of 2 phases passed; next: all, planned for 04:00 UTC", "", "", "Ada",
			[]string{"WARN: API 5xx 2.0 % >= 1 % for 11 min (220 of 11,000)", "phase ten: pass: API 5xx rate 0 % < 1 % (0 of 900)", "phase all: wait: planned for 04:00 UTC"}},
		{"a rule rolls it back", standing(rules.RolledBack, rules.Rollback, evaluator.Why{Code: evaluator.WhyRuleFired, Rule: "high"}, func(s *evaluator.Snapshot) { s.Fired = fired }, second(func(p *evaluator.PhaseView) {
			p.State, p.Verdict, p.Why = rules.RolledBack, rules.Rollback, evaluator.Why{Code: evaluator.WhyRuleFired, Rule: "high"}
		})),
			"ROLLBACK: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "pause the rollout, revert the alias", "aws lambda update-alias", "DevSecOps", []string{"under 1 in 523", "phase ten: pass"}},
		{"it is aborted", standing(rules.RolledBack, rules.Rollback, evaluator.Why{Code: evaluator.WhyAborted, By: "ada", Text: "wrong build"}, func(s *evaluator.Snapshot) { s.Fired = aborted }),
			"ROLLBACK: aborted by ada: wrong build", "roll the release back, then report it with rollback-done", "aws lambda update-alias", "Ada", nil},
		{"it is aborted, and that is done", standing(rules.RolledBack, rules.Fail, evaluator.Why{Code: evaluator.WhyRollbackDone, By: "bo", Text: "alias is back"}, func(s *evaluator.Snapshot) { s.Fired, s.RolledBack = aborted, true }),
			"FAIL: the rollback has been carried out by bo: alias is back", "", "", "Ada", nil},
		{"its rollback is done", standing(rules.RolledBack, rules.Fail, evaluator.Why{Code: evaluator.WhyRollbackDone, By: "bo", Text: "alias is back"}, func(s *evaluator.Snapshot) { s.Fired, s.RolledBack = fired, true }),
			"FAIL: the rollback has been carried out by bo: alias is back", "", "", "DevSecOps", []string{"API 5xx 5.0 % > 3 %"}},
		{"a person holds it", standing(rules.Held, rules.Pending, evaluator.Why{Code: evaluator.WhyHeld}, holdBy(evaluator.Holder{By: "bo", Text: "lunch"})),
			"HOLD: by bo: lunch", "resume the run, or abort it", "", "bo", []string{"Every gate of the run is closed until it is resumed.", "phase all: hold"}},
		{"a rule holds it", standing(rules.Held, rules.Pending, evaluator.Why{Code: evaluator.WhyHeldByRule, Rule: "high"}, holdBy(evaluator.Holder{By: "high", Rule: true, Evidence: &held})),
			"HOLD: API 5xx 2.0 % >= 1 % for 11 min (220 of 11,000)", "look at API 5xx, then resume the run or abort it", "", "DevSecOps", []string{"220 of 11,000 requests failed since 03:00 UTC (the worst stretch;", "The run is held until it is resumed."}},
		{"a rule holds it that has recovered", standing(rules.Held, rules.Pending, evaluator.Why{Code: evaluator.WhyHeldByRule, Rule: "high"}, holdBy(evaluator.Holder{By: "high", Rule: true, Evidence: &held}), recovered),
			"HOLD: API 5xx 2.0 % >= 1 % for 11 min (220 of 11,000)", "look at API 5xx, then resume the run or abort it", "", "DevSecOps", []string{"now: API 5xx 0.18 % < 1 %: 20 of 11,000 requests failed since 02:00 UTC (likely 0.09 % to 0.36 %). It has recovered since"}},
		{"it has passed", standing(rules.Passed, rules.Pass, evaluator.Why{Code: evaluator.WhyAllPassed, Of: 2}), "PASS: all 2 phases have passed", "", "", "", nil},
		{"its phases have passed and are watched", standing(rules.Monitoring, rules.Pending, evaluator.Why{Code: evaluator.WhyWatchedOn, Of: 1, Until: at}), "WAIT: the phase has passed; watched until 03:11 UTC", "", "", "Ada", nil},
		{"it has failed", standing(rules.Failed, rules.Fail, evaluator.Why{Code: evaluator.WhyPhaseFailed, Phase: "all"}, failing),
			"FAIL: API 5xx rate 5.0 % >= 1 % for 11 min (552 of 11,010)", "stop the rollout: look at API 5xx rate", "", "DevSecOps", []string{"phase all has failed. API 5xx rate 5.0 %"}},
		{"it has failed in a phase that is gone", standing(rules.Failed, rules.Fail, evaluator.Why{Code: evaluator.WhyPhaseFailed, Phase: "gone"}), "FAIL: phase gone has failed", "stop the rollout", "", "Ada", nil},
		{"it was overridden with fail", standing(rules.Failed, rules.Fail, evaluator.Why{Code: evaluator.WhyPhaseFailed, Phase: "all"}, second(func(p *evaluator.PhaseView) {
			p.State, p.Verdict, p.Why = rules.Failed, rules.Fail, evaluator.Why{Code: evaluator.WhyOverridden, Phase: "all", Verdict: rules.Fail, By: "bo", Text: "seen"}
		})), "FAIL: phase all was overridden with fail by bo: seen", "stop the rollout: look at its rules", "", "ops", nil},
		{"it cannot be judged for too few samples", standing(rules.Monitoring, rules.Unknown, evaluator.Why{Code: evaluator.WhyPhaseUnknown, Phase: "all", Cause: rules.CauseInsufficientSamples}, unknownFor(rules.CauseInsufficientSamples)),
			"UNKNOWN: API 5xx rate: too few samples to prove < 1 % (0 of 12)", "extend the window, send more traffic, or override the phase", "", "DevSecOps", []string{"phase all could not be judged in time."}},
		{"it cannot be judged for a source", standing(rules.Monitoring, rules.Unknown, evaluator.Why{Code: evaluator.WhyPhaseUnknown, Phase: "all", Cause: rules.CauseSourceError}, unknownFor(rules.CauseSourceError)),
			"UNKNOWN: API 5xx rate: the source is unreachable (0 of 12)", "mend signal errors (the source is unreachable), or override the phase", "", "DevSecOps", nil},
		{"it cannot be judged beside its baseline", standing(rules.Monitoring, rules.Unknown, evaluator.Why{Code: evaluator.WhyPhaseUnknown, Phase: "all", Cause: rules.CauseBaseline}, unknownFor(rules.CauseBaseline)),
			"UNKNOWN: API 5xx rate: the comparison with the baseline decides (0 of 12)", "look at API 5xx rate, or override the phase", "", "DevSecOps", nil},
		{"a rollback rule holds a phase up", standing(rules.Monitoring, rules.Unknown, evaluator.Why{Code: evaluator.WhyPhaseUnknown, Phase: "all"}, rollbackRule(evaluator.WhyRuleHolds, "high")),
			"UNKNOWN: rollback rule API 5xx holds the run", "look at API 5xx, or override the phase", "", "DevSecOps", []string{"API 5xx 2.0 % >= 1 %: 220 of 11,000"}},
		{"a rollback rule that is gone holds a phase up", standing(rules.Monitoring, rules.Unknown, evaluator.Why{Code: evaluator.WhyPhaseUnknown, Phase: "all"}, rollbackRule(evaluator.WhyRuleSilent, "gone")),
			"UNKNOWN: rollback rule gone cannot be judged, no data", "look at gone, or override the phase", "", "ops", nil},
		{"a phase that is gone could not be judged", standing(rules.Monitoring, rules.Unknown, evaluator.Why{Code: evaluator.WhyPhaseUnknown, Phase: "gone", Cause: rules.CauseNoData}), "UNKNOWN: phase gone could not be judged in time, no data", "look at the phases", "", "Ada", nil},
		{"it is superseded", standing(rules.Superseded, rules.Fail, evaluator.Why{Code: evaluator.WhySuperseded, Run: "shop@2", By: "ci", Text: "hotfix"}, second(func(p *evaluator.PhaseView) {
			p.State, p.Verdict, p.Why = rules.Superseded, rules.Fail, evaluator.Why{Code: evaluator.WhySuperseded, Run: "shop@2", By: "ci", Text: "hotfix"}
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
func TestAnAbortShowsTheRehearsedCommands(t *testing.T) {
	plan := &rules.Plan{Rules: []rules.Rule{
		{Name: "few", Kind: rules.Success, Command: "no"}, {Name: "high", Kind: rules.RollbackRule, Command: "revert api"},
		{Name: "slow", Kind: rules.RollbackRule, Command: "revert api"}, {Name: "quiet", Kind: rules.RollbackRule},
	}}
	e := &evaluator.Event{Kind: evaluator.CommandEvent, Subject: "abort", To: "applied", By: "ada", Why: evaluator.Why{Code: evaluator.WhyCommanded, Text: "wrong build"}}
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
	s := standing(rules.Held, rules.Pending, evaluator.Why{Code: evaluator.WhyHeld})
	s.Holder = evaluator.Holder{By: "bo", Text: "lunch"}
	got := Phase(launch(), s, 1)
	if got.Headline != "HOLD: by bo: lunch" || got.Do != "resume the run, or abort it" || len(got.Detail) == 0 {
		t.Errorf("got %+v", got)
	}
}
