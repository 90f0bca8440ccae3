package words

import (
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// Rule says where a rule stands.
func Rule(plan *rules.Plan, v *evaluator.RuleView, at time.Time) Text {
	r := ruleNamed(plan, v.Kind, v.Name)
	if r == nil || r.Signal < 0 || r.Signal >= len(plan.Signals) { // the plan has changed since
		verb := verdictWord(v.Verdict)
		return Text{Headline: headline(verb, v.Name), Sentence: sentence(v.Name + ": " + string(v.State)), Who: v.Owner}
	}
	s := speaker{plan: plan, rule: r, sig: &plan.Signals[r.Signal], view: v, ev: &v.Evidence, weighed: v.Evidence.Weighed, at: at}
	t := s.text()
	t.Who = r.Owner
	if v.State == evaluator.RuleFired && r.Kind == rules.RollbackRule || v.Verdict == rules.Rollback {
		t.Do, t.Command = r.Action, r.Command
	}
	return t
}

// speaker says what one rule knows.
type speaker struct {
	plan    *rules.Plan
	rule    *rules.Rule
	sig     *rules.Signal
	view    *evaluator.RuleView
	ev      *evaluator.Evidence
	weighed *evaluator.Weighed // of a rule that weighs evidence; nil for others
	at      time.Time
}

func (s *speaker) title() string {
	if s.rule.Title != "" {
		return s.rule.Title
	}
	return s.rule.Name
}

// verb is the first word of a rule's headline.
func (s *speaker) verb() string {
	if s.rule.Kind == rules.Success {
		return verdictWord(s.view.Verdict)
	}
	switch s.view.State {
	case evaluator.RuleFired:
		return rollback
	case evaluator.RuleHolding:
		return hold
	case evaluator.RuleWarning:
		return warn
	case evaluator.RuleSilent:
		return unknown
	case evaluator.RuleClear:
		return cleared
	}
	return wait
}

// thin reports whether a clear rollback rule has a value that would roll back, with
// too little evidence behind it.
func (s *speaker) thin() bool {
	return s.weighed != nil && s.rule.Kind == rules.RollbackRule && s.view.State == evaluator.RuleClear && s.ev.Known && s.rule.When.Holds(s.ev.Value)
}

func (s *speaker) text() Text {
	title, why := s.title(), &s.view.Why
	say := func(what string, more ...string) Text {
		return Text{Headline: headline(s.verb(), title+": "+what), Sentence: sentence(append([]string{title + ": " + what}, more...)...)}
	}
	switch why.Code {
	case evaluator.WhyNotWatched:
		return say("no phase that names it has begun")
	case evaluator.WhyNoDataYet:
		return say(s.nothingYet())
	case evaluator.WhyPolicy:
		return say(fmt.Sprintf("not judged for %s, %s", span(int64(why.Until.Sub(why.Since)/time.Second)), causeText(why.Cause)),
			fmt.Sprintf("The plan says %s for that", policyText(why.Policy)))
	case evaluator.WhyAlarmFired:
		return say(fmt.Sprintf("alarm %s went off in the window", s.alarm()))
	case evaluator.WhyAlarmUnknown:
		return say(fmt.Sprintf("alarm %s is not known for the whole window, %s", s.alarm(), causeText(why.Cause)))
	case evaluator.WhyResumed, evaluator.WhyRollbackOverridden:
		return s.moved()
	case evaluator.WhyCannotJudge:
		if s.rule.Kind == rules.RollbackRule {
			return say("cannot be judged, "+causeText(why.Cause), s.newest())
		}
	}
	if s.weighed != nil {
		return s.weighedText()
	}
	return s.plainText()
}

// moved is what a command did to a rule.
func (s *speaker) moved() Text {
	if s.view.Why.Code == evaluator.WhyResumed {
		return Text{
			Headline: headline(warn, s.title()+": resumed"+by(s.view.Why.By, s.view.Why.Text)),
			Sentence: sentence(s.title()+": the run was resumed"+by(s.view.Why.By, s.view.Why.Text), "The rule holds it no more, and may still roll it back"),
		}
	}
	return Text{
		Headline: headline(wait, s.title()+": rollback overridden"+by(s.view.Why.By, s.view.Why.Text)),
		Sentence: sentence(s.title()+": the rollback was overridden"+by(s.view.Why.By, s.view.Why.Text), "The rule judges what comes from now on"),
	}
}

func (s *speaker) alarm() string {
	if i := s.rule.Alarm; i >= 0 && i < len(s.plan.Signals) {
		return s.plan.Signals[i].Name
	}
	return s.rule.Name
}

// nothingYet says that no period of the signal is complete.
func (s *speaker) nothingYet() string {
	switch s.sig.Period {
	case time.Minute:
		return "no complete minute yet"
	case time.Hour:
		return "no complete hour yet"
	}
	return "no complete period of " + spanOf(s.sig.Period) + " yet"
}

// newest says how old the newest data are.
func (s *speaker) newest() string {
	if s.ev.Newest.IsZero() {
		return ""
	}
	return "The newest point is " + span(int64(s.at.Sub(s.ev.Newest)/time.Second)) + " old"
}

func policyText(p rules.Policy) string {
	if p == rules.PolicyRollback {
		return "roll back"
	}
	return p.String()
}

// plainText says what a rule with a threshold has measured.
func (s *speaker) plainText() Text {
	value := "no value yet"
	if s.ev.Known {
		value = s.compared()
	}
	fact := s.title() + " " + value
	if s.ev.Datapoints != nil {
		fact = s.title() + ": " + s.periods()
		if s.ev.Known {
			fact = s.title() + " " + value + ": " + s.periods()
		}
	}
	lasts := s.lasts()
	short := s.title() + " " + value
	if missing := s.missing(); missing != "" {
		short = s.title() + ": " + missing
	}
	t := Text{Headline: headline(s.verb(), short, lasts, fmt.Sprintf("(%s samples)", count(s.ev.Samples)))}
	if lasts != "" {
		fact += " " + lasts
	}
	t.Sentence = sentence(fact+" "+s.numbers(), s.exceeding(), s.plainNext())
	return t
}

// lasts says how long a value has been so, or over which time it is taken.
func (s *speaker) lasts() string {
	if s.rule.Kind != rules.RollbackRule || s.ev.Datapoints != nil {
		return ""
	}
	switch {
	case s.rule.For > 0 && s.view.State == evaluator.RuleFired:
		return "for " + spanOf(s.rule.For)
	case s.rule.For > 0 && s.view.State == evaluator.RuleBreaching && s.ev.Last.IsZero():
		return fmt.Sprintf("for %s of %s", spanOf(s.ev.To.Sub(s.ev.From)), spanOf(s.rule.For))
	case s.rule.Over > 0 && s.ev.Known:
		return "over " + spanOf(s.rule.Over)
	}
	return ""
}

// plainNext says what a rule with a threshold waits for.
func (s *speaker) plainNext() string {
	why := &s.view.Why
	switch {
	case !s.ev.Last.IsZero():
		return fmt.Sprintf("It breached until %s, and that counts for %s", clock(s.ev.Last, s.at), spanOf(s.rule.KeepFiring))
	case why.Code == evaluator.WhySoFar && why.Cause != rules.CauseNone:
		return "So far: " + causeText(why.Cause)
	case why.Code == evaluator.WhySoFar:
		return "So far: its window has not ended"
	case why.Code == evaluator.WhyCutShort:
		return "Its phase was decided before its window ended"
	case why.Code == evaluator.WhyUnsettled:
		return "Its data has not settled"
	case why.Code == evaluator.WhyCannotJudge && why.Cause == rules.CauseInsufficientSamples:
		return "It needs " + s.wanted()
	case why.Code == evaluator.WhyCannotJudge:
		return "Not judged: " + causeText(why.Cause)
	case s.view.State == evaluator.RuleClear && s.rule.Kind == rules.RollbackRule:
		return "The rule is clear"
	}
	return ""
}

// wanted is how much of a window a rule needs before it judges it.
func (s *speaker) wanted() string {
	points := rules.Percent.Short(s.rule.Coverage) + " of the points"
	if s.rule.MinSamples > 0 {
		return count(s.rule.MinSamples) + " samples and " + points
	}
	return points
}

// numbers is what a value rests on.
func (s *speaker) numbers() string {
	text := fmt.Sprintf("(%s of %s points, %s samples", count(float64(s.ev.Points)), count(float64(s.ev.Expected)), count(s.ev.Samples))
	if !s.ev.Newest.IsZero() {
		text += ", newest " + span(int64(s.at.Sub(s.ev.Newest)/time.Second)) + " old"
	}
	return text + ")"
}

// periods is what a rule with datapoints has counted.
func (s *speaker) periods() string {
	p := s.ev.Datapoints
	text := fmt.Sprintf("%d of %d periods breach", p.Breaching, s.rule.Datapoints.N)
	if p.Missing > 0 {
		text += fmt.Sprintf(", %d of them missing", p.Missing)
	}
	if p.Premature {
		return text + ", none that is known is good, and the breach is old enough"
	}
	return text + fmt.Sprintf(", %d needed", s.rule.Datapoints.M)
}

// compared writes a known value beside what it is compared with: "5.03 % > 3 %".
// When the condition does not hold it writes the one that does.
func (s *speaker) compared() string {
	if s.sig.Kind == rules.Percentile && s.rule.Aggregate == rules.Share {
		return fmt.Sprintf("%s of points %s, %s needed", rules.Percent.Short(s.ev.Value), s.rule.When, rules.Percent.Short(s.rule.MinShare))
	}
	if s.exceeds() {
		return s.comparedQuantile()
	}
	return comparison(s.ev.Unit, s.ev.Value, rules.Condition{Op: s.ev.Op, Threshold: s.ev.Threshold})
}

func comparison(u rules.Unit, v float64, c rules.Condition) string {
	op := c.Op
	if !c.Holds(v) {
		op = op.Opposite()
	}
	return fmt.Sprintf("%s %s %s", u.Short(v), op, u.Short(c.Threshold))
}

// exceeds reports whether the rule judges a percentile by the share of samples
// above its threshold.
func (s *speaker) exceeds() bool {
	return s.sig.Of >= 0 && s.sig.Of < len(s.plan.Signals) && s.rule.ShownSignal != s.rule.Signal
}

// comparedQuantile writes a percentile in its own unit where it is known and says
// the same as the share that was judged, else that share.
func (s *speaker) comparedQuantile() string {
	if q := s.quantile(); q != nil {
		return comparison(q.Unit, q.Value, s.rule.ShownWhen)
	}
	parent := &s.plan.Signals[s.sig.Of]
	return fmt.Sprintf("%s above %s, %s allowed", share(s.ev.Value), parent.Unit.Short(s.sig.Above), rules.Percent.Format(s.allowed()))
}

// allowed is the share of samples that a rule on a percentile allows above its
// threshold.
func (s *speaker) allowed() float64 {
	if s.weighed != nil {
		return s.weighed.Limit
	}
	return s.rule.When.Threshold
}

// quantile is the percentile itself, nil where it is not known or would say
// something else than the share that was judged.
func (s *speaker) quantile() *evaluator.Quantile {
	q := s.ev.Quantile
	if q == nil || !s.ev.Known || s.rule.ShownWhen.Holds(q.Value) != s.rule.When.Holds(s.ev.Value) {
		return nil
	}
	return q
}

// exceeding says by what a percentile with a threshold was judged.
func (s *speaker) exceeding() string {
	if !s.exceeds() || !s.ev.Known || s.quantile() == nil {
		return ""
	}
	return fmt.Sprintf("%s took longer than %s, %s is allowed", share(s.ev.Value), s.plan.Signals[s.sig.Of].Unit.Short(s.sig.Above), rules.Percent.Format(s.allowed()))
}
