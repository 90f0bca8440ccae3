package words

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// ground says why a run, a phase or a command is as it is. Grounds that are a
// rule's are said by Rule; here its title stands for it.
func ground(plan *rules.Plan, w *fact.Why, at time.Time) string {
	until := func() string { return clock(w.Until, at) }
	switch title := titleOf(plan, w.Rule); w.Code {
	case fact.WhyNotBegun:
		return "the release begins at " + until()
	case fact.WhyUnderWay:
		return underWay(w)
	case fact.WhyNoPhase:
		return "no phase has begun"
	case fact.WhyWatchedOn:
		return allPassed(w.Of) + "; watched until " + until()
	case fact.WhyAllPassed:
		return allPassed(w.Of)
	case fact.WhyPhaseFailed, fact.WhyPhaseHasFailed:
		return fmt.Sprintf("phase %s has failed", w.Phase)
	case fact.WhyPhaseUnknown:
		return fmt.Sprintf("phase %s could not be judged in time, %s", w.Phase, causeText(w.Cause))
	case fact.WhyHeldByRule:
		return "held by rollback rule " + title
	case fact.WhyHeld:
		return "held" + by(w.By, w.Text)
	case fact.WhyRuleFired:
		return "rolled back by rule " + title
	case fact.WhyAborted:
		return "aborted" + by(w.By, w.Text)
	case fact.WhyOverridden:
		return fmt.Sprintf("phase %s was overridden with %s%s", w.Phase, w.Verdict, by(w.By, w.Text))
	case fact.WhySuperseded:
		return supersededBy(w)
	case fact.WhyResumed:
		return "resumed" + by(w.By, w.Text)
	case fact.WhyResumedItself:
		return fmt.Sprintf("the data of %s has been good since %s, so its hold has ended by itself", title, clock(w.Since, at))
	case fact.WhyWatchEnded:
		return watchEnded(w, at)
	case fact.WhyBegins:
		return "planned for " + until()
	case fact.WhyNextTick:
		return "the next tick decides"
	case fact.WhyAwaitsCommand:
		return "waiting for a start command"
	case fact.WhyAwaitsPass:
		return fmt.Sprintf("waiting for phase %s to pass", w.Phase)
	case fact.WhyOnSchedule:
		return "started on schedule; watched until " + until()
	case fact.WhyStartedBy:
		return "started" + by(w.By, w.Text) + "; watched until " + until()
	case fact.WhyStartedAfter:
		return fmt.Sprintf("started after the pass of phase %s; watched until %s", w.Phase, until())
	case fact.WhyWatched:
		return "watched until " + until()
	case fact.WhyByRule:
		return title + " decides"
	case fact.WhyRulesHold:
		return rulesHold(plan, w)
	case fact.WhyNothingJudged:
		return "none of its rules could be judged"
	case fact.WhyRuleHolds:
		return fmt.Sprintf("rollback rule %s holds the run", title)
	case fact.WhyRuleBreaches:
		return fmt.Sprintf("rollback rule %s is breaching", title)
	case fact.WhyRuleSilent:
		return fmt.Sprintf("rollback rule %s cannot be judged, %s", title, causeText(w.Cause))
	case fact.WhyNeverSeen:
		return title + " is judged by zeros of a name that was never seen"
	case fact.WhyNotSeenYet:
		return title + " is judged by zeros, and its source has not looked yet whether the name was ever seen"
	case fact.WhyRuleThin:
		return fmt.Sprintf("rollback rule %s has seen too little of the window: %s of %s points are known, %s needed", title, count(float64(w.N)), count(float64(w.Of)), coverage(plan, w.Rule))
	case fact.WhyRuleLate:
		return fmt.Sprintf("%s; rollback rule %s has seen %s of %s points of the window in time", lateText(plan, anyRule(plan, w.Rule), w.Until.Sub(w.Since)), title, count(float64(w.N)), count(float64(w.Of)))
	case fact.WhyEndUnknown:
		return fmt.Sprintf("no data at the end of the window for rollback rule %s; none came there for longer than its grace%s, and what comes later says nothing of it", title, grace(plan, w.Rule))
	case fact.WhyRuleUnsettled:
		return fmt.Sprintf("the data of rollback rule %s has not settled", title)
	case fact.WhyAlarmUnknown, fact.WhyAlarmBefore:
		return withoutData(plan, w)
	case fact.WhyOngoing:
		return ongoing(plan, w)
	case fact.WhyPolicy:
		return fmt.Sprintf("%s could not be judged for %s, %s; %s", title,
			span(int64(w.Until.Sub(w.Since)/time.Second)), causeText(w.Cause), policyText(w))
	}
	return cmp.Or(shareGround(w, at), effectGround(plan, w, at), refusal(w, at))
}

// watchEnded is why a run that has failed is watched no more.
func watchEnded(w *fact.Why, at time.Time) string {
	if w.Until.IsZero() {
		return "it stays failed, no rollback rule speaks against it any more"
	}
	return "it stays failed, its rollback rules were watched until " + clock(w.Until, at)
}

// ongoing says what a phase waits for that is not over: "5.0 % in the last 5 min (12 of
// 240), beyond the trigger of API 5xx".
func ongoing(plan *rules.Plan, w *fact.Why) string {
	rule, good := anyRule(plan, w.Rule), false
	if rule != nil && rule.Signal >= 0 && rule.Signal < len(plan.Signals) {
		good = plan.Signals[rule.Signal].Good
	}
	value := float64(w.N) / float64(max(w.Of, 1))
	if good {
		value = 1 - value
	}
	said := fmt.Sprintf("%s in the last %s (%s of %s), beyond the trigger of %s", rate(good, value),
		spanOf(w.Until.Sub(w.Since)), count(float64(w.N)), count(float64(w.Of)), titleOf(plan, w.Rule))
	if w.Verdict != rules.Pending { // its deadline has gone
		return said + "; the phase's time to wait is over"
	}
	return said + "; the phase waits until that is over"
}

// underWay says how far a run has come.
func underWay(w *fact.Why) string {
	passed := phasesPassed(w)
	switch {
	case w.State != rules.Monitoring.String():
		return passed
	case w.Of == 1:
		return fmt.Sprintf("phase %s is watched", w.Phase)
	}
	return fmt.Sprintf("%s; phase %s is watched", passed, w.Phase)
}

func phasesPassed(w *fact.Why) string { return fmt.Sprintf("%d of %d phases passed", w.N, w.Of) }

func allPassed(phases int) string {
	if phases == 1 {
		return "the phase has passed"
	}
	return fmt.Sprintf("all %d phases have passed", phases)
}

func supersededBy(w *fact.Why) string {
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
func rulesHold(plan *rules.Plan, w *fact.Why) string {
	text := "its success rules hold"
	if more := rollbackRules(plan, w); more != "" {
		text += "; " + more
	}
	return text
}

// rollbackRules says where the rollback rules stood as a phase passed: how many are
// clear, and which warn.
func rollbackRules(plan *rules.Plan, w *fact.Why) string {
	var parts []string
	names := strings.Fields(w.Warn)
	if w.N > 0 {
		parts = append(parts, plural(w.N, "rollback rule is clear", "rollback rules are clear"))
	}
	switch len(names) {
	case 0:
	case 1:
		parts = append(parts, fmt.Sprintf("rollback rule %s warns", titleOf(plan, names[0])))
	default:
		for i := range names {
			names[i] = titleOf(plan, names[i])
		}
		parts = append(parts, fmt.Sprintf("rollback rules %s and %s warn", strings.Join(names[:len(names)-1], ", "), names[len(names)-1]))
	}
	if others := w.Of - w.N - len(names); others > 0 {
		parts = append(parts, plural(others, "rollback rule was not judged", "rollback rules were not judged"))
	}
	return strings.Join(parts, ", ")
}

// coverage is the share of points that a rule needs.
func coverage(plan *rules.Plan, rule string) string {
	if r := anyRule(plan, rule); r != nil {
		return rules.Percent.Short(r.Coverage)
	}
	return "more"
}

// lateText says how late the points of a rule's signal come, and what to write.
func lateText(plan *rules.Plan, r *rules.Rule, late time.Duration) string {
	if r == nil || r.Signal < 0 || r.Signal >= len(plan.Signals) {
		return "points come " + spanOf(late) + " late"
	}
	sig := plan.Signals[r.Signal]
	if sig.Of >= 0 && sig.Of < len(plan.Signals) {
		sig = plan.Signals[sig.Of]
	}
	each := max(sig.Period, time.Minute)
	settle := (late + each - 1).Truncate(each) + sig.Period
	return fmt.Sprintf("points of %s come %s after their %s, settle is %s; write settle = %q", sig.Name, spanOf(late), period(sig.Period), spanOf(sig.Settle), rules.Duration{Duration: settle})
}

// grace is for how long a rule may be without data: ", 5 min".
func grace(plan *rules.Plan, rule string) string {
	if r := anyRule(plan, rule); r != nil && r.Grace > 0 {
		return ", " + spanOf(r.Grace)
	}
	return ""
}

// refusal says why a command was refused, or a phase does not begin.
func refusal(w *fact.Why, at time.Time) string {
	switch w.Code {
	case fact.WhyNoAuthor:
		return `"by" is required: say who gives the command`
	case fact.WhyNoReason:
		return `"why" is required: give a reason`
	case fact.WhyUnknownCommand:
		return fmt.Sprintf("unknown command %q", w.Text)
	case fact.WhyRunDone:
		return "the run is over: its rollback has been carried out"
	case fact.WhyRunIs:
		return "the run " + isText(w.State)
	case fact.WhyAnotherRun:
		return fmt.Sprintf("run %s is under way: this run has ended and stays as it is", w.Run)
	case fact.WhyRunHeld:
		return "the run is held: resume it first"
	case fact.WhyHeldAlready:
		return "the run is held already"
	case fact.WhyNotHeld:
		return "the run is not held"
	case fact.WhyEvidenceHolds:
		return "the run is held by evidence: resume needs a token with scope override"
	case fact.WhyPersonHolds:
		return "a person holds the run: resume needs a token with scope stop"
	case fact.WhyNotRolledBack:
		return "the run is not rolled back"
	case fact.WhyNoSuchPhase:
		return fmt.Sprintf("the plan has no phase %q", w.Phase)
	case fact.WhyNoPhaseWaits:
		return "no phase is waiting"
	case fact.WhyPhaseIs:
		return fmt.Sprintf("phase %s %s", w.Phase, isText(w.State))
	case fact.WhyPhaseNotBegun:
		return fmt.Sprintf("phase %s has not begun", w.Phase)
	case fact.WhyPhaseWatched:
		return fmt.Sprintf("phase %s must pass first; it is watched until %s", w.Phase, clock(w.Until, at))
	case fact.WhyPhaseNotPassed:
		return fmt.Sprintf("phase %s must pass first; its window has ended and it has not passed", w.Phase)
	case fact.WhyOverrideRun:
		return "the run is rolled back: override the run, without a phase, or report that the rollback is done"
	case fact.WhyOnlyPass:
		return "the run is rolled back: it can be overridden with pass only"
	case fact.WhyPassOrFail:
		return fmt.Sprintf("a phase is overridden with pass or fail, not with %s", w.Verdict)
	case fact.WhyAppliedEarlier:
		return "a command with this id was applied before"
	}
	return peopleGround(w, at)
}
