package words

import (
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// ground says why a run, a phase or a command is as it is. Grounds that are a
// rule's are said by Rule; here its title stands for it.
func ground(plan *rules.Plan, w *evaluator.Why, at time.Time) string {
	until := func() string { return clock(w.Until, at) }
	switch title := titleOf(plan, w.Rule); w.Code {
	case evaluator.WhyNotBegun:
		return "the release begins at " + until()
	case evaluator.WhyUnderWay:
		return underWay(w)
	case evaluator.WhyNoPhase:
		return "no phase has begun"
	case evaluator.WhyWatchedOn:
		return allPassed(w.Of) + "; watched until " + until()
	case evaluator.WhyAllPassed:
		return allPassed(w.Of)
	case evaluator.WhyPhaseFailed, evaluator.WhyPhaseHasFailed:
		return fmt.Sprintf("phase %s has failed", w.Phase)
	case evaluator.WhyPhaseUnknown:
		return fmt.Sprintf("phase %s could not be judged in time, %s", w.Phase, causeText(w.Cause))
	case evaluator.WhyHeldByRule:
		return "held by rollback rule " + title
	case evaluator.WhyHeld:
		return "held" + by(w.By, w.Text)
	case evaluator.WhyRuleFired:
		return "rolled back by rule " + title
	case evaluator.WhyAborted:
		return "aborted" + by(w.By, w.Text)
	case evaluator.WhyOverridden:
		return fmt.Sprintf("phase %s was overridden with %s%s", w.Phase, w.Verdict, by(w.By, w.Text))
	case evaluator.WhyRollbackOverridden:
		return "the rollback was overridden" + by(w.By, w.Text)
	case evaluator.WhyRollbackDone:
		return "the rollback has been carried out" + by(w.By, w.Text)
	case evaluator.WhySuperseded:
		return supersededBy(w)
	case evaluator.WhyResumed:
		return "resumed" + by(w.By, w.Text)
	case evaluator.WhyBegins:
		return "planned for " + until()
	case evaluator.WhyNextTick:
		return "the next tick decides"
	case evaluator.WhyAwaitsCommand:
		return "waiting for a start command"
	case evaluator.WhyAwaitsPass:
		return fmt.Sprintf("waiting for phase %s to pass", w.Phase)
	case evaluator.WhyOnSchedule:
		return "started on schedule; watched until " + until()
	case evaluator.WhyStartedBy:
		return "started" + by(w.By, w.Text) + "; watched until " + until()
	case evaluator.WhyStartedAfter:
		return fmt.Sprintf("started after the pass of phase %s; watched until %s", w.Phase, until())
	case evaluator.WhyWatched:
		return "watched until " + until()
	case evaluator.WhyByRule:
		return title + " decides"
	case evaluator.WhyRulesHold:
		return rulesHold(w)
	case evaluator.WhyNothingJudged:
		return "none of its rules could be judged"
	case evaluator.WhyRuleHolds:
		return fmt.Sprintf("rollback rule %s holds the run", title)
	case evaluator.WhyRuleBreaches:
		return fmt.Sprintf("rollback rule %s is breaching", title)
	case evaluator.WhyRuleSilent:
		return fmt.Sprintf("rollback rule %s cannot be judged, %s", title, causeText(w.Cause))
	case evaluator.WhyRuleThin:
		return fmt.Sprintf("rollback rule %s has seen too little of the window: %s of %s points are known, %s needed", title, count(float64(w.N)), count(float64(w.Of)), coverage(plan, w.Rule))
	case evaluator.WhyRuleUnsettled:
		return fmt.Sprintf("the data of rollback rule %s has not settled", title)
	case evaluator.WhyPolicy:
		return fmt.Sprintf("%s could not be judged for %s, %s; the plan says %s for that", title,
			span(int64(w.Until.Sub(w.Since)/time.Second)), causeText(w.Cause), policyText(w.Policy))
	}
	return refusal(w, at)
}

// underWay says how far a run has come.
func underWay(w *evaluator.Why) string {
	passed := phasesPassed(w)
	switch {
	case w.State != rules.Monitoring.String():
		return passed
	case w.Of == 1:
		return fmt.Sprintf("phase %s is watched", w.Phase)
	}
	return fmt.Sprintf("%s; phase %s is watched", passed, w.Phase)
}

func phasesPassed(w *evaluator.Why) string { return fmt.Sprintf("%d of %d phases passed", w.N, w.Of) }

func allPassed(phases int) string {
	if phases == 1 {
		return "the phase has passed"
	}
	return fmt.Sprintf("all %d phases have passed", phases)
}

func supersededBy(w *evaluator.Why) string {
	text := "superseded"
	if w.Run != "" {
		text = "run " + w.Run + " takes its place"
	}
	switch {
	case w.By != "" && w.Text != "":
		return fmt.Sprintf("%s (%s: %s)", text, w.By, w.Text)
	case w.By != "":
		return fmt.Sprintf("%s (%s)", text, w.By)
	}
	return text
}

// rulesHold says which rules let a phase pass.
func rulesHold(w *evaluator.Why) string {
	text := "its success rules hold"
	if more := rollbackRules(w); more != "" {
		text += "; " + more
	}
	return text
}

// rollbackRules says where the rollback rules stood as a phase passed. Only what
// is clear is called so.
func rollbackRules(w *evaluator.Why) string {
	others := plural(w.Of-w.N, "rollback rule warns or was not judged", "rollback rules warn or were not judged")
	switch {
	case w.Of == 0:
		return ""
	case w.N == w.Of:
		return plural(w.N, "rollback rule is clear", "rollback rules are clear")
	case w.N == 0:
		return others
	}
	return plural(w.N, "rollback rule is clear", "rollback rules are clear") + ", " + others
}

// coverage is the share of points that a rule needs.
func coverage(plan *rules.Plan, rule string) string {
	if r := anyRule(plan, rule); r != nil {
		return rules.Percent.Short(r.Coverage)
	}
	return "more"
}

// refusal says why a command was refused, or a phase does not begin.
func refusal(w *evaluator.Why, at time.Time) string {
	switch w.Code {
	case evaluator.WhyNoAuthor:
		return `"by" is required: say who gives the command`
	case evaluator.WhyNoReason:
		return `"why" is required: give a reason`
	case evaluator.WhyUnknownCommand:
		return fmt.Sprintf("unknown command %q", w.Text)
	case evaluator.WhyRunDone:
		return "the run is over: its rollback has been carried out"
	case evaluator.WhyRunIs:
		return "the run is " + stateText(w.State)
	case evaluator.WhyAnotherRun:
		return fmt.Sprintf("run %s is under way: this run has ended and stays as it is", w.Run)
	case evaluator.WhyRunHeld:
		return "the run is held: resume it first"
	case evaluator.WhyHeldAlready:
		return "the run is held already"
	case evaluator.WhyNotHeld:
		return "the run is not held"
	case evaluator.WhyEvidenceHolds:
		return "the run is held by evidence: resume needs a token with scope override"
	case evaluator.WhyPersonHolds:
		return "a person holds the run: resume needs a token with scope stop"
	case evaluator.WhyNotRolledBack:
		return "the run is not rolled back"
	case evaluator.WhyNoSuchPhase:
		return fmt.Sprintf("the plan has no phase %q", w.Phase)
	case evaluator.WhyNoPhaseWaits:
		return "no phase is waiting"
	case evaluator.WhyPhaseIs:
		return fmt.Sprintf("phase %s is %s", w.Phase, stateText(w.State))
	case evaluator.WhyPhaseNotBegun:
		return fmt.Sprintf("phase %s has not begun", w.Phase)
	case evaluator.WhyPhaseWatched:
		return fmt.Sprintf("phase %s must pass first; it is watched until %s", w.Phase, clock(w.Until, at))
	case evaluator.WhyPhaseNotPassed:
		return fmt.Sprintf("phase %s must pass first; its window has ended and it has not passed", w.Phase)
	case evaluator.WhyOverrideRun:
		return "the run is rolled back: override the run, without a phase, or report that the rollback is done"
	case evaluator.WhyOnlyPass:
		return "the run is rolled back: it can be overridden with pass only"
	case evaluator.WhyPassOrFail:
		return fmt.Sprintf("a phase is overridden with pass or fail, not with %s", w.Verdict)
	case evaluator.WhyAppliedEarlier:
		return "a command with this id was applied before"
	}
	return ""
}
