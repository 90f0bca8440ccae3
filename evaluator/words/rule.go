package words

import (
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Rule says where a rule stands.
func Rule(plan *rules.Plan, v *fact.RuleView, at time.Time) Text { return ruleText(plan, v, at, nil) }

// ruleText is Rule for one that slows the fault down: back is the step that rolls back.
func ruleText(plan *rules.Plan, v *fact.RuleView, at time.Time, back *fact.EffectView) Text {
	r := ruleNamed(plan, v.Kind, v.Name)
	if r == nil || r.Signal < 0 || r.Signal >= len(plan.Signals) { // the plan has changed since
		verb := verdictWord(v.Verdict)
		return Text{Headline: headline(verb, v.Name), Sentence: sentence(v.Name + ": " + string(v.State)), Who: v.Owner}
	}
	s := speaker{plan: plan, rule: r, sig: &plan.Signals[r.Signal], view: v, ev: &v.Evidence, weighed: v.Evidence.Weighed, at: at, back: back}
	t := s.text()
	if said := s.besides(); said != "" && (v.Evidence.Alarm == nil || !v.Evidence.Alarm.Fired) {
		t.Sentence = sentence(t.Sentence, capital(said))
	}
	if s.ev.Assumed {
		t.Sentence = sentence(t.Sentence, "The name behind its zeros was never seen, and they count because the plan says assume_seen = true")
	}
	if late, err := time.ParseDuration(s.ev.Late); err == nil {
		t.Sentence = sentence(t.Sentence, capital(lateText(plan, r, late)))
	}
	t.Who = r.Owner
	if v.State == fact.RuleFired && r.Kind == rules.RollbackRule || v.Verdict == rules.Rollback {
		t.Do, t.Command = r.Action, r.Command
	}
	if r.Shadow {
		t.Sentence = sentence(t.Sentence, s.inShadow())
	}
	return t
}

// inShadow says what a rule in shadow would do, or has come to.
func (s *speaker) inShadow() string {
	n, often := s.view.WouldHave, ""
	switch n {
	case 0, 1:
	case 2:
		often = " twice"
	default:
		often = fmt.Sprintf(" %d times", n)
	}
	switch {
	case s.rule.Kind == rules.Success:
		return "In shadow: it decides nothing"
	case n > 0:
		return "In shadow: it would have rolled back" + often + ", and does nothing"
	case s.view.State == fact.RuleWouldHold:
		return "In shadow: it would have held the run, and does nothing"
	}
	return "In shadow: it does nothing"
}

// speaker says what one rule knows.
type speaker struct {
	plan    *rules.Plan
	rule    *rules.Rule
	sig     *rules.Signal
	view    *fact.RuleView
	ev      *fact.Evidence
	weighed *fact.Weighed // of a rule that weighs evidence; nil for others
	at      time.Time
	back    *fact.EffectView // that rolls back, of a rule that slows the fault down; nil: not known
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
		if v := s.view.Verdict; s.rule.Shadow && v != rules.Pass && v != rules.Pending {
			return shadow
		}
		return verdictWord(s.view.Verdict)
	}
	switch s.view.State {
	case fact.RuleWouldFire, fact.RuleWouldHold:
		return shadow
	case fact.RuleFired:
		return rollback
	case fact.RuleHolding:
		return hold
	case fact.RuleWarning:
		return warn
	case fact.RuleSilent:
		return unknown
	case fact.RuleClear:
		return cleared
	}
	return wait
}

// thin reports whether a clear rollback rule has a value that would roll back, with
// too little evidence behind it.
func (s *speaker) thin() bool {
	return s.weighed != nil && s.rule.Kind == rules.RollbackRule && s.view.State == fact.RuleClear && s.ev.Known && s.rule.When.Holds(s.ev.Value)
}

// recovered reports whether a rule that holds the run would not hold it by what is known
// now.
func (s *speaker) recovered() bool {
	return s.view.State == fact.RuleHolding && !s.weighed.Rung.Holds()
}

func (s *speaker) text() Text {
	title, why := s.title(), &s.view.Why
	say := func(what string, more ...string) Text {
		return Text{Headline: headline(s.verb(), title+": "+what), Sentence: sentence(append([]string{title + ": " + what}, more...)...)}
	}
	switch why.Code {
	case fact.WhyNotWatched:
		return say("no phase that names it has begun")
	case fact.WhyNoDataYet:
		return say(s.nothingYet())
	case fact.WhyPolicy:
		return say(fmt.Sprintf("not judged for %s, %s", span(int64(why.Until.Sub(why.Since)/time.Second)), causeText(why.Cause)),
			capital(policyText(why)))
	case fact.WhyNeverSeen, fact.WhyNotSeenYet:
		return s.unseen()
	case fact.WhyAlarmFired:
		return say(fmt.Sprintf("alarm %s went off in the window", s.alarm()))
	case fact.WhyAlarmUnknown:
		return say(fmt.Sprintf("alarm %s is not known for the whole window, %s", s.alarm(), causeText(why.Cause)))
	case fact.WhyAlarmBefore:
		return say(s.onBefore())
	case fact.WhyResumed, fact.WhyResumedItself, fact.WhyOverridden, fact.WhyRollbackOverridden:
		return s.moved()
	case fact.WhyCannotJudge:
		if s.rule.Kind == rules.RollbackRule {
			return say("cannot be judged, "+causeText(why.Cause), s.wants(), s.newest())
		}
	}
	if s.ev.Before {
		return say(s.onBefore())
	}
	if a := s.ev.Alarm; a != nil && a.Fired {
		t := say(s.alarmNoun() + " " + alarmSince(a, s.at)) // its name may be long
		t.Sentence = sentence(title + ": " + s.besides() + "; " + s.own())
		return t
	}
	if s.weighed != nil {
		return s.weighedText()
	}
	return s.plainText()
}

// onBefore says that an alarm says nothing of the release yet.
func (s *speaker) onBefore() string {
	return fmt.Sprintf("alarm %s was ALARM before the phase began; it counts once it has been OK", s.alarm())
}

// moved is what a command did to a rule, or the end of its hold.
func (s *speaker) moved() Text {
	how := "overridden"
	switch code := s.view.Why.Code; {
	case code == fact.WhyResumedItself:
		good := "good since " + clock(s.view.Why.Since, s.at)
		return Text{
			Headline: headline(warn, s.title()+": "+good+", the run goes on"),
			Sentence: sentence(s.title()+": the data has been "+good+", so the run goes on by itself", "The rule may hold it again"),
		}
	case code == fact.WhyResumed:
		how = "resumed"
		fallthrough
	case s.view.State == fact.RuleWarning: // it would have held the run
		return Text{
			Headline: headline(warn, s.title()+": "+how+by(s.view.Why.By, s.view.Why.Text)),
			Sentence: sentence(s.title()+": the run was "+how+by(s.view.Why.By, s.view.Why.Text), "The rule holds it no more, and may still roll it back"),
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
	if s.sig.Kind == rules.Alarm {
		return s.sig.Name
	}
	return s.rule.Name
}

// nothingYet says that no period of the signal is complete.
func (s *speaker) nothingYet() string {
	return "no complete " + period(s.sig.Period) + " yet"
}

// newest says how old the newest data are.
func (s *speaker) newest() string {
	if s.ev.Newest.IsZero() {
		return ""
	}
	return "The newest point is " + span(int64(s.at.Sub(s.ev.Newest)/time.Second)) + " old"
}

// policyText says which policy acts on silence: `the plan says on_no_data = "fail"`.
func policyText(w *fact.Why) string {
	return fmt.Sprintf("the plan says %s = %q", policyKey(w.Cause), w.Policy.String())
}

// policyKey is the key of the policy for a cause of silence.
func policyKey(c rules.Cause) string {
	if c == rules.CauseSourceError || c == rules.CauseConfig {
		return "on_error"
	}
	return "on_no_data"
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
	switch missing := s.missing(); {
	case missing != "":
		short = s.title() + ": " + missing
	case s.ev.Datapoints != nil && s.ev.Known:
		short += ", " + s.breaching()
	case s.ev.Datapoints != nil:
		short = s.title() + ": " + s.breaching()
	}
	of := "(" + samples(s.ev.Samples) + ")"
	if s.ev.Samples == 0 && (s.sig.Kind == rules.Gauge || s.sig.Kind == rules.Alarm) {
		of = "" // a level has none
	}
	t := Text{Headline: headline(s.verb(), short, lasts, of)}
	if lasts != "" {
		fact += " " + lasts
	}
	t.Sentence = sentence(fact+" "+s.numbers(), s.exceeding(), s.plainNext(), s.spaced())
	return t
}

// lasts says how long a value has been so, or over which time it is taken.
func (s *speaker) lasts() string {
	if s.rule.Kind != rules.RollbackRule || s.ev.Datapoints != nil {
		return ""
	}
	switch {
	case s.rule.For > 0 && s.view.State == fact.RuleFired:
		return "for " + spanOf(s.rule.For)
	case s.rule.For > 0 && s.view.State == fact.RuleWouldFire && s.ev.Last.IsZero() && s.ev.To.After(s.ev.From):
		return "for " + spanOf(s.ev.To.Sub(s.ev.From))
	case s.thinBreach() && s.ev.To.Sub(s.ev.From) > s.rule.For:
		return "for " + spanOf(s.ev.To.Sub(s.ev.From))
	case s.rule.For > 0 && s.view.State == fact.RuleBreaching && s.ev.Last.IsZero():
		return fmt.Sprintf("for %s of %s", spanOf(s.ev.To.Sub(s.ev.From)), spanOf(s.rule.For))
	case s.rule.Over > 0 && s.ev.Known:
		return "over " + spanOf(s.rule.Over)
	}
	return ""
}

// thinBreach reports whether a breach has lasted for long enough, and has too few samples.
func (s *speaker) thinBreach() bool {
	return s.rule.Kind == rules.RollbackRule && s.view.State == fact.RuleBreaching && s.rule.For > 0 && s.rule.Over == 0 && s.ev.Last.IsZero() &&
		s.ev.To.Sub(s.ev.From) >= s.rule.For && s.ev.Samples < s.rule.MinSamples
}

// plainNext says what a rule with a threshold waits for.
func (s *speaker) plainNext() string {
	why := &s.view.Why
	switch {
	case !s.ev.Last.IsZero():
		return fmt.Sprintf("It breached until %s, and that counts for %s", clock(s.ev.Last, s.at), spanOf(s.rule.KeepFiring))
	case s.thinBreach():
		return fmt.Sprintf("It rolls back once the breach has %s samples", count(s.rule.MinSamples))
	case why.Code == fact.WhySoFar && why.Cause != rules.CauseNone:
		return "So far: " + causeText(why.Cause)
	case why.Code == fact.WhySoFar:
		return "So far: its window has not ended"
	case why.Code == fact.WhyCutShort:
		return "Its phase was decided before its window ended"
	case why.Code == fact.WhyUnsettled:
		return s.unsettled()
	case why.Code == fact.WhyCannotJudge && why.Cause == rules.CauseInsufficientSamples:
		return "It needs " + s.wanted()
	case why.Code == fact.WhyCannotJudge:
		return s.notJudged(why.Cause)
	case s.view.State == fact.RuleClear && s.rule.Kind == rules.RollbackRule:
		return "The rule is clear"
	case s.view.State == fact.RuleHolding:
		return capital(s.holds())
	}
	return ""
}

// unsettled says that data may still change, and for how long.
func (s *speaker) unsettled() string {
	if s.sig.Settle <= 0 {
		return "Its data has not settled"
	}
	return fmt.Sprintf("Its data has not settled, which takes %s after the window", spanOf(s.sig.Settle))
}

// notJudged says why a rule cannot be judged after its window.
func (s *speaker) notJudged(c rules.Cause) string {
	said := "Not judged: " + s.unknownFor(c)
	if c == rules.CauseNoData && s.endUnknown() {
		said += fmt.Sprintf(", for longer than its grace, %s; what comes later says nothing of it", spanOf(s.rule.Grace))
	}
	return said
}

// wants says what a rollback rule needs that has too few samples.
func (s *speaker) wants() string {
	if s.view.Why.Cause != rules.CauseInsufficientSamples {
		return ""
	}
	return "It needs " + s.wanted()
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
	text := fmt.Sprintf("(%s of %s points, %s", count(float64(s.ev.Points)), count(float64(s.ev.Expected)), samples(s.ev.Samples))
	if !s.ev.Newest.IsZero() {
		text += ", newest " + span(int64(s.at.Sub(s.ev.Newest)/time.Second)) + " old"
	}
	return text + ")"
}

// spaced says that values come farther apart than the plan says, and what to do.
func (s *speaker) spaced() string {
	d, err := time.ParseDuration(s.ev.Spacing)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("Points come every %s and the period of %s is %s: write period = %q", spanOf(d), s.sig.Name, spanOf(s.sig.Period), rules.Duration{Duration: d})
}

// present says how much of what it judges a rule that weighs evidence has seen, and how
// old the newest of it is.
func (s *speaker) present() string {
	if s.ev.Expected == 0 || s.ev.Newest.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s of %s points, newest %s old", count(float64(s.ev.Points)), count(float64(s.ev.Expected)), span(int64(s.at.Sub(s.ev.Newest)/time.Second)))
}

// periods is what a rule with datapoints has counted.
func (s *speaker) periods() string {
	text := s.breaching()
	if s.ev.Datapoints.Premature {
		return text + ", none that is known is good, and the breach is old enough"
	}
	return text + fmt.Sprintf(", %d needed", s.rule.Datapoints.M)
}

// breaching says how many periods breach, and how many of those are missing.
func (s *speaker) breaching() string {
	p := s.ev.Datapoints
	text := fmt.Sprintf("%d of %d periods breach", p.Breaching, s.rule.Datapoints.N)
	if p.Missing > 0 {
		text += fmt.Sprintf(", %d of them missing", p.Missing)
	}
	return text
}

// compared writes a known value beside what it is compared with: "5.03 % > 3 %".
// When the condition does not hold it writes the one that does.
func (s *speaker) compared() string {
	if s.plan.Way(s.rule).Aggregate == rules.Share {
		return fmt.Sprintf("%s of points %s, %s needed", rules.Percent.Short(s.ev.Value), s.rule.When, rules.Percent.Short(s.rule.MinShare))
	}
	if s.sig.Kind == rules.Alarm {
		return "is " + s.sig.Says(rules.Condition{Op: rules.Equal, Threshold: s.ev.Value})
	}
	if s.exceeds() {
		return s.comparedQuantile()
	}
	return s.way() + comparison(s.ev.Unit, s.ev.Value, rules.Condition{Op: s.ev.Op, Threshold: s.ev.Threshold})
}

// way says how a gauge's value was made of several periods.
func (s *speaker) way() string {
	if s.ev.Expected <= 1 && s.ev.Points <= 1 {
		return ""
	}
	switch s.ev.Way {
	case rules.Worst:
		return "worst " + period(s.sig.Period) + " "
	case rules.Average:
		return "mean "
	case rules.Last:
		return "newest " + period(s.sig.Period) + " "
	}
	return ""
}

// period is what people call a period.
func period(d time.Duration) string {
	switch d {
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return "period of " + spanOf(d)
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
func (s *speaker) quantile() *fact.Quantile {
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
