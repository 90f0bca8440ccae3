package words

import (
	"fmt"
	"math"
	"strings"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// counted says what a signal counts, in words: so many of so many requests
// failed.
type counted struct {
	noun string // "requests"
	verb string // "failed"
	good noun   // one that is not bad
	bad  noun   // one that is
}

// noun holds a noun's singular and plural.
type noun rules.Noun

// more is so many more: "1 more failure", "about 260 more good samples".
func (n noun) more(number float64) string {
	switch {
	case number <= 1:
		return "1 more " + n.One
	case number < 100:
		return count(math.Ceil(number)) + " more " + n.Many
	}
	return "about " + about(number) + " more " + n.Many
}

func countedAs(plan *rules.Plan, sig *rules.Signal) counted {
	nouns := sig.Query.Facts().Nouns
	switch {
	case sig.Of >= 0 && sig.Of < len(plan.Signals) && plan.Signals[sig.Of].Unit == rules.Seconds:
		slow := "took longer than " + rules.Seconds.Format(sig.Above)
		return counted{"requests", slow, noun{"faster request", "faster requests"}, noun{"slow request", "slow requests"}}
	case sig.Of >= 0 && sig.Of < len(plan.Signals):
		return counted{"samples", "are above " + plan.Signals[sig.Of].Unit.Format(sig.Above), noun{"lower sample", "lower samples"}, noun{"higher sample", "higher samples"}}
	case sig.Kind == rules.Mean:
		return counted{"reviews", "", noun{"such review", "such reviews"}, noun{"such review", "such reviews"}}
	case nouns.All != "":
		return counted{nouns.All, nouns.Verb, noun(nouns.Good), noun(nouns.Bad)}
	}
	return counted{"samples", "were bad", noun{"good sample", "good samples"}, noun{"bad sample", "bad samples"}}
}

// weighedText says what a rule has weighed.
func (s *speaker) weighedText() Text {
	var fact, short, counts string
	switch {
	case s.sig.Kind == rules.Gauge:
		fact, short = s.gapFact()
	case !s.ev.Known && s.ev.Points > 0:
		short = fmt.Sprintf("%s: no %s yet", s.title(), countedAs(s.plan, s.sig).noun)
		fact = short
	case !s.ev.Known:
		short = s.title() + ": " + s.nothingYet()
		fact = short
	case s.weighed.Rating != nil:
		fact, short = s.starsFact()
		counts = fmt.Sprintf("(%s reviews)", count(s.ev.Samples))
	default:
		fact, short, counts = s.countsFact()
	}
	ahead := s.ahead()
	next := s.next(ahead)
	lasts := s.weighedLasts()
	if missing := s.missing(); missing != "" {
		short, lasts = s.title()+": "+missing, ""
	}
	switch {
	case s.thin():
		short += ", too few samples to act"
	case s.recovered():
		short += ", it has recovered since the hold" // these numbers are not those that held the run
	}
	t := Text{
		Headline: headline(s.verb(), short, lasts, counts),
		Sentence: sentence(fact, s.sure(), next, s.present(), s.spaced()),
	}
	for _, line := range clean(append([]string{s.proven(), s.window(), s.fit(), s.beside(), s.past(), s.cover(), s.groups()}, ahead...)) {
		if !strings.Contains(t.Sentence, line) {
			t.Detail = append(t.Detail, line)
		}
	}
	return t
}

// missing says what keeps a success rule from being judged, after its window.
func (s *speaker) missing() string {
	why := &s.view.Why
	switch {
	case s.rule.Kind != rules.Success || s.decided():
		return ""
	case why.Code == fact.WhyUnsettled:
		return "its data has not settled"
	case why.Code == fact.WhyOngoing:
		return "its last minutes are beyond the trigger"
	case why.Code != fact.WhyCannotJudge:
		return ""
	case why.Cause == rules.CauseInsufficientSamples && s.weighed != nil && s.weighed.Window != nil && s.weighed.Window.Refutes:
		return "its window missed " + s.target()
	case why.Cause == rules.CauseInsufficientSamples && s.weighed != nil:
		return "too few samples to prove " + s.target()
	}
	return s.unknownFor(why.Cause)
}

// unknownFor says why a rule cannot be judged. Of one whose data comes again it is the end
// of its window that is not known.
func (s *speaker) unknownFor(c rules.Cause) string {
	switch {
	case c == rules.CauseBaseline:
		return "its baseline is as bad"
	case c == rules.CauseNoData && s.endUnknown():
		return "no data at the end of its window"
	}
	return causeText(c)
}

// endUnknown reports whether a success rule misses the end of its window, and no more: its
// newest value is younger than its grace.
func (s *speaker) endUnknown() bool {
	return s.rule.Kind == rules.Success && s.ev.Points > 0 && s.at.Sub(s.ev.Newest) <= s.rule.Grace
}

// weighedLasts says for how long the stretch that speaks has lasted.
func (s *speaker) weighedLasts() string {
	if s.weighed.Rung == fact.NoRung || !s.ev.To.After(s.ev.From) || s.sig.Kind != rules.Ratio || s.than() != "" {
		return ""
	}
	return "for " + spanOf(s.ev.To.Sub(s.ev.From))
}

// target is what a good release keeps, as the plan's author wrote it; a
// percentile in its own unit.
func (s *speaker) target() string {
	if s.exceeds() {
		op := s.rule.ShownWhen.Op
		if s.rule.Kind == rules.RollbackRule {
			op = op.Opposite()
		}
		return op.String() + " " + s.plan.Signals[s.sig.Of].Unit.Format(s.sig.Above)
	}
	return s.weighed.Goal.String() + " " + s.bound(s.weighed.Limit)
}

// trigger is from where a release is rolled back.
func (s *speaker) trigger() string {
	if s.exceeds() {
		return share(s.weighed.Trigger)
	}
	return s.bound(s.weighed.Trigger)
}

// bound writes a bound in the signal's own terms.
func (s *speaker) bound(v float64) string {
	if s.sig.Kind == rules.Ratio && s.sig.Good {
		v = goodShare(v)
	}
	if s.sig.Kind == rules.Ratio {
		return rules.Percent.Format(math.Round(v*1e9) / 1e9)
	}
	return s.sig.Unit.Format(math.Round(v*1e9) / 1e9)
}

// against compares the weighed value with the trigger where it is beyond that,
// else with the target.
func (s *speaker) against() string {
	if s.exceeds() {
		return s.comparedQuantile()
	}
	limit, trigger := s.weighed.Limit, s.rule.When
	if s.sig.Kind == rules.Ratio && s.sig.Good {
		limit = goodShare(limit)
	}
	c := rules.Condition{Op: s.weighed.Goal, Threshold: limit}
	if s.rule.Kind == rules.RollbackRule && trigger.Holds(s.ev.Value) {
		c = trigger
	}
	op := c.Op
	if !c.Holds(s.ev.Value) {
		op = op.Opposite()
	}
	value, bound := s.value(s.ev.Value), s.sig.Unit.Format(math.Round(c.Threshold*1e9)/1e9)
	if s.sig.Kind == rules.Ratio {
		bound = rules.Percent.Format(math.Round(c.Threshold*1e9) / 1e9)
		if roundsTo(value, c.Threshold) && s.ev.Value != c.Threshold {
			value = rules.Percent.Short(s.ev.Value)
		}
	}
	return fmt.Sprintf("%s %s %s", value, op, bound)
}

// roundsTo reports whether a shown share looks like a bound.
func roundsTo(shown string, bound float64) bool {
	var p float64
	_, err := fmt.Sscanf(shown, "%g", &p)
	return err == nil && math.Abs(p-bound*100) < 1e-9
}

func (s *speaker) value(v float64) string {
	if s.sig.Kind == rules.Ratio {
		return rate(s.sig.Good, v)
	}
	return rules.Number.Short(v)
}

// countsFact says the counts, and since when: those of the stretch that speaks.
func (s *speaker) countsFact() (fact, short, counts string) {
	c, w := countedAs(s.plan, s.sig), s.weighed
	short = s.title() + " " + s.against()
	if than := s.than(); than != "" {
		short = s.title() + " " + than
	}
	canary, worst := "", ""
	if w.Canary {
		canary = "canary "
	}
	if w.Suspect {
		worst = "the worst stretch; "
	}
	fact = fmt.Sprintf("%s: %s of %s %s%s %s since %s (%slikely %s to %s)", short, count(w.Bad), count(s.ev.Samples), canary, c.noun, c.verb,
		clock(s.ev.From, s.at), worst, rate(s.sig.Good, w.Low), rate(s.sig.Good, w.High))
	return fact, short, fmt.Sprintf("(%s of %s)", count(w.Bad), count(s.ev.Samples))
}

// than compares the weighed value with what a warning rests on, which then is not
// the target; empty where the target or the trigger is what it rests on.
func (s *speaker) than() string {
	w := s.weighed
	if w.Rung != fact.WarnRung || w.Rests != rules.CauseBaseline {
		return ""
	}
	value := rate(s.sig.Good, s.ev.Value)
	if s.exceeds() {
		value += " above " + s.plan.Signals[s.sig.Of].Unit.Short(s.sig.Above)
	}
	switch p, b := w.Past, w.Baseline; {
	case p != nil && p.Releases > 0 && p.Worse >= math.Ln2:
		release := "the last release"
		if p.Releases > 1 {
			release = fmt.Sprintf("the last %d releases", p.Releases)
		}
		return fmt.Sprintf("%s, worse than %s in %s", value, s.pastRate(), release)
	case b != nil && b.Compared && b.Samples > 0:
		return fmt.Sprintf("%s, worse than %s in the baseline", value, share(b.Bad/b.Samples))
	}
	return ""
}

// starsFact says where a mean of stars stands.
func (s *speaker) starsFact() (fact, short string) {
	r := s.weighed.Rating
	short = s.title() + " " + s.against()
	// The prior of few reviews is not theirs: what was counted lies inside.
	low, high := min(r.Low, s.ev.Value), max(r.High, s.ev.Value)
	fact = fmt.Sprintf("%s: %s stars on average in %s reviews since %s (likely %s to %s)", short, rules.Number.Short(s.ev.Value),
		count(s.ev.Samples), clock(s.ev.From, s.at), rules.Number.Short(low), rules.Number.Short(high))
	return fact, short
}

// gapFact says where a gap between groups stands.
func (s *speaker) gapFact() (fact, short string) {
	g := s.weighed.Groups
	switch {
	case g == nil:
		short = s.title() + ": no groups to compare yet"
		return short, short
	case g.Compared < 2:
		short = s.title() + ": fewer than two groups have samples"
		return short, short
	}
	short = s.title() + " " + s.against()
	between := fmt.Sprintf("gap between groups %s and %s", g.Highest, g.Lowest)
	if g.Alike {
		between = "all groups have the same rate"
	}
	fact = fmt.Sprintf("%s: %s (surely %s to %s; chance alone shows %s in groups of this size)", short, between,
		rules.Number.Short(g.AtLeast), rules.Number.Short(g.AtMost), rules.Number.Short(g.ByChance))
	return fact, short
}

// sure is the one number that says how sure the fact is.
func (s *speaker) sure() string {
	w := s.weighed
	switch {
	case s.sig.Kind == rules.Gauge || !s.ev.Known:
		return ""
	case s.view.Verdict == rules.Pass && s.rule.Kind == rules.Success:
		return s.proven()
	case w.Rung == fact.WarnRung && w.Rests == rules.CauseBaseline && s.worse() != "":
		return s.worse()
	case w.Rung == fact.NoRung && s.rule.Kind == rules.Success:
		return ""
	}
	e, if_ := w.Against, ""
	if w.Rung == fact.WarnRung && w.Warning > e {
		e, if_ = w.Warning, " if failures are independent" // it is fast because it assumes so: a burst deceives it
	}
	if e < math.Ln2 {
		return ""
	}
	return fmt.Sprintf("Chance of this in a release that meets %s%s: under %s (acts at %s)", s.target(), if_, oneIn(e), oneIn(w.Bound))
}

// proven says what a success rule has proven.
func (s *speaker) proven() string {
	w := s.weighed
	switch {
	case s.rule.Kind != rules.Success || s.view.Verdict != rules.Pass || s.sig.Kind == rules.Gauge:
		return ""
	case w.Keeps >= w.Proof:
		return fmt.Sprintf("A release that misses %s looks this good in under %s", s.target(), oneIn(w.Proof))
	}
	return fmt.Sprintf("A release at the %s trigger looks this good in under %s; %s itself is met, not proven", s.trigger(), oneIn(w.Proof), s.target())
}

// rare is the chance below which counts do not count as fitting.
const rare = .01

// fit says how ordinary the counts are for a good release, while nothing is
// decided.
func (s *speaker) fit() string {
	w := s.weighed
	if s.sig.Kind != rules.Ratio || s.rule.Kind != rules.Success || s.decided() || w.Rung.Holds() || w.Bad < 1 || !s.ev.Known {
		return ""
	}
	bad := math.Floor(w.Bad)
	healthy, sick := evidence.AtLeast(bad, s.ev.Samples, w.Limit), 1-evidence.AtLeast(bad+1, s.ev.Samples, w.Trigger)
	switch {
	case healthy >= rare && sick >= rare:
		return fmt.Sprintf("Fits a good release (%s of those at the target show this) and a bad one (%s of those at the trigger)", share(healthy), share(sick))
	case healthy >= rare:
		return fmt.Sprintf("Fits a good release (%s of those at the target show this)", share(healthy))
	}
	return fmt.Sprintf("Rare for a good release (%s of those at the target show this)", share(healthy))
}

func (s *speaker) decided() bool {
	v := s.view.Verdict
	return v == rules.Pass || v == rules.Fail || v == rules.Rollback
}

// cover says when too little of the window is known to judge it.
func (s *speaker) cover() string {
	if s.rule.Kind != rules.Success || s.decided() {
		return ""
	}
	switch e := s.ev; {
	case float64(e.Points) < s.rule.Coverage*float64(e.Expected)-1e-9:
		return fmt.Sprintf("%s of %s points are known, %s needed", count(float64(e.Points)), count(float64(e.Expected)), rules.Percent.Short(s.rule.Coverage))
	case e.Samples < s.rule.MinSamples:
		return fmt.Sprintf("%s of the %s samples needed have come", count(e.Samples), count(s.rule.MinSamples))
	}
	return ""
}

// groups says what is special about groups.
func (s *speaker) groups() string {
	g := s.weighed.Groups
	switch {
	case s.weighed.Rating != nil && s.ev.Known:
		return fmt.Sprintf("%s when weighed with %d reviews at the target", rules.Number.Short(s.weighed.Rating.Average), fact.PriorReviews)
	case g == nil || len(g.Small) == 0:
		return ""
	}
	return "Too few samples in groups " + strings.Join(g.Small, ", ")
}

// next says what decides next.
func (s *speaker) next(ahead []string) string {
	w, why := s.weighed, &s.view.Why
	if s.rule.Kind == rules.RollbackRule {
		return s.rollbackNext()
	}
	switch {
	case s.decided():
		return ""
	case why.Code == fact.WhyCutShort:
		return "Its phase was decided before its window ended"
	case w.Rung.Holds() && w.Rests == rules.CauseBaseline:
		return sentenceEnd(s.beside(), "the baseline is as bad, so this is no fault of the release")
	case w.Rung.Holds():
		return "It fails when its window ends"
	case why.Code == fact.WhyCannotJudge && why.Cause != rules.CauseInsufficientSamples:
		return s.notJudged(why.Cause)
	case why.Code == fact.WhyUnsettled:
		return s.unsettled()
	case why.Code == fact.WhyOngoing:
		return ongoing(s.plan, why)
	case why.Cause != rules.CauseNone && why.Code == fact.WhySoFar:
		return "So far: " + causeText(why.Cause)
	case w.Window != nil && w.Window.Refutes:
		return s.window()
	case s.cover() != "" && why.Code == fact.WhyCannotJudge:
		return s.cover()
	}
	if len(ahead) > 0 {
		return ahead[0]
	}
	return ""
}

// sentenceEnd puts a consequence behind what it follows from.
func sentenceEnd(fact, consequence string) string {
	if fact == "" {
		return capital(consequence)
	}
	return fact + ": " + consequence
}

// holds says what ends the hold of a rule that is holding.
func (s *speaker) holds() string {
	switch {
	case s.view.Why.State != "":
		return "the run " + isText(s.view.Why.State) + ", so there is nothing to hold"
	case s.view.Cause == rules.CauseBaseline && s.rule.ResumeAfter > 0:
		return "the hold ends by itself once release and baseline have kept the limit for " + spanOf(s.rule.ResumeAfter)
	}
	if said := s.rollsBack(); said != "" {
		return said + "; the run is held meanwhile"
	}
	return "the run is held until it is resumed"
}

// rollbackNext says what a rollback rule that has come to something leads to.
func (s *speaker) rollbackNext() string {
	w := s.weighed
	switch {
	case s.recovered():
		return "It has recovered since; " + s.holds()
	case s.view.State == fact.RuleHolding && w.Rests == rules.CauseBaseline:
		return sentenceEnd(s.beside(), "the baseline is as bad, so rolling back will not help; "+s.holds())
	case s.view.State == fact.RuleHolding:
		return capital(s.holds())
	case s.view.State == fact.RuleFired:
		return s.beside()
	case s.view.State == fact.RuleWarning:
		return s.past()
	case s.thin():
		return "Too few samples to act"
	case s.view.State == fact.RuleClear:
		return "The rule is clear"
	}
	return ""
}

// rollsBack says when a rule that slows the fault down rolls back; empty where it does not.
func (s *speaker) rollsBack() string {
	switch {
	case s.rule.Kind != rules.RollbackRule || s.rule.Slow() == 0 || s.weighed != nil && s.weighed.Rung != fact.RollbackRung:
		return ""
	case s.back == nil:
		return "it rolls back after " + spanOf(s.rule.Slow()) + " if it still stands"
	case s.back.State == fact.Planned:
		return "it rolls back at " + clock(s.back.Due, s.at) + " if it still stands"
	}
	return "" // a person does not want that, or the rule is good again
}
