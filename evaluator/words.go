package evaluator

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// counted says what a signal counts, in words: so many of so many requests
// failed.
type counted struct {
	noun string // "requests"
	verb string // "failed"
	good named  // what one is called that is not bad: "crash-free sessions"
	bad  named  // what a bad one is called: "crashes"
}

// named is what one is called, and several of it.
type named struct{ one, many string }

// more is so many more of it: "one more crash", "12 more crashes".
func (n named) more(number string) string {
	if number == "1" {
		return "one more " + n.one
	}
	return number + " more " + n.many
}

func countedAs(plan *rules.Plan, sig *rules.Signal) counted {
	q := &sig.Query
	switch {
	case sig.Of >= 0 && sig.Of < len(plan.Signals) && plan.Signals[sig.Of].Unit == rules.Seconds:
		slow := "took longer than " + rules.Seconds.Format(sig.Above)
		return counted{"requests", slow, named{"request that is faster", "requests that are faster"}, named{"slow one", "slow ones"}}
	case sig.Of >= 0 && sig.Of < len(plan.Signals):
		return counted{"samples", "lay above " + plan.Signals[sig.Of].Unit.Format(sig.Above), named{"sample below it", "samples below it"}, named{"above it", "above it"}}
	case q.Sentry != nil:
		return counted{"sessions", "crashed", named{"crash-free session", "crash-free sessions"}, named{"crash", "crashes"}}
	case q.CloudWatch != nil:
		return counted{"requests", "failed", named{"request without a failure", "requests without a failure"}, named{"failure", "failures"}}
	case sig.Kind == rules.Mean:
		return counted{noun: "reviews"}
	}
	return counted{"samples", "were bad", named{"good sample", "good samples"}, named{"bad one", "bad ones"}}
}

// hour writes a time as people say it beside another: without its day where that
// is the same.
func hour(t, at int64) string {
	if at-t < 20*60*60 && t-at < 20*60*60 {
		return when(t).Format("15:04")
	}
	return when(t).Format("2006-01-02 15:04")
}

// in writes how long something takes, roughly: "40 s", "25 min", "3.5 h".
func in(seconds int64) string {
	switch {
	case seconds < 60:
		return strconv.FormatInt(max(seconds, 0), 10) + " s"
	case seconds < 3*3600:
		return strconv.FormatInt((seconds+59)/60, 10) + " min"
	case seconds < 48*3600:
		return trimmed(float64(seconds)/3600) + " h"
	}
	return trimmed(float64(seconds)/86400) + " days"
}

func trimmed(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// share writes a rate with the digits that it deserves. What is not all is never
// written as all, nor what is not nothing as nothing.
func share(v float64) string {
	p := v * 100
	switch {
	case p >= 100:
		return "100 %"
	case p >= 99.995:
		return ">99.99 %"
	case p >= 99.95:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	case p >= 99.5:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	case p >= 10:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	case p >= 1:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	case p >= .005:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	case p <= 0:
		return "0 %"
	}
	return "<0.01 %"
}

// rate writes a value of a ratio: a good share with as many digits as its
// distance from all deserves.
func rate(sig *rules.Signal, v float64) string {
	if !sig.Good || v < .9 {
		return share(v)
	}
	digits := 0
	switch bad := 1 - v; {
	case bad <= 0:
		return "100 %"
	case bad < 5e-6:
		return ">99.999 %"
	case bad < .001:
		digits = 3
	case bad < .01:
		digits = 2
	case bad < .1:
		digits = 1
	}
	return strconv.FormatFloat(v*100, 'f', digits, 64) + " %"
}

// oneIn writes a log e-value: how few releases would show as much.
func oneIn(logE float64) string {
	e := math.Exp(min(logE, 700))
	switch {
	case e >= 1e6:
		return "a million"
	case e >= 1000:
		return count(math.Floor(e/100) * 100)
	}
	return count(math.Floor(e))
}

// target writes the limit as the plan's author did: "< 1 %", ">= 99.5 %".
func target(w *watch) string {
	return w.lay.goal.String() + " " + limitWords(w)
}

func limitWords(w *watch) string {
	bound := w.rule.Limit
	if w.sig.Good && w.sig.Kind == rules.Ratio {
		bound = goodShare(bound)
	}
	return w.sig.Unit.Format(round(bound))
}

// goalOf is how a good value of a rule compares with its limit. A rollback rule
// has the limit of a success rule, or else of its own condition.
func goalOf(plan *rules.Plan, r *rules.Rule) rules.Op {
	sig := &plan.Signals[r.Signal]
	if r.Kind == rules.Success {
		return r.When.Op
	}
	for i := range plan.Rules {
		o := &plan.Rules[i]
		if o.Kind == rules.Success && o.Method == rules.Sequential && o.Signal == r.Signal && o.Limit == r.Limit {
			return o.When.Op
		}
	}
	switch {
	case r.Limit == r.Trigger && r.When.Op != rules.NoOp:
		return opposite(r.When.Op)
	case sig.Good || sig.Kind == rules.Mean:
		return rules.GreaterOrEqual
	}
	return rules.LessOrEqual
}

func goodShare(bad float64) float64 { return round(1 - bad) }

// round takes away what subtracting has added.
func round(v float64) float64 { return math.Round(v*1e9) / 1e9 }

// canary is what the samples belong to: the part of the traffic that the release
// has, where its signal tells that from the rest.
func (w *watch) canary() string {
	if w.sig.Baseline > 0 && w.part < 1 {
		return "canary "
	}
	return ""
}

// rungNames lead a sentence.
var rungNames = [...]string{"", "WARN", "HOLD", "ROLLBACK"}

// evidenceWords says where a rollback rule stands that weighs evidence.
func (st *State) evidenceWords(lay *layout, w *watch, rs *ruleState, v *weighing, at int64) string {
	switch {
	case rs.state == codeSilent:
		return silentWords(w.rule, rs.cause, v, at)
	case rs.state == codeIdle && !rs.active:
		return fmt.Sprintf("%s: no phase that names it has begun", plainTitle(w.rule))
	case v.points == 0:
		return fmt.Sprintf("%s: waiting for the first data", plainTitle(w.rule))
	}
	rung := v.rung
	switch {
	case rung == rungRollback:
	case rs.state == codeHolding:
		rung = rungHold
	case rs.state == codeWarning:
		rung = rungWarn
	}
	switch w.sig.Kind {
	case rules.Mean:
		return starWords(w, v, rungNames[rung], at)
	case rules.Gauge:
		return gapWords(w, v, rungNames[rung])
	}
	if rung == rungNone {
		return plainTitle(w.rule) + ": " + st.facts(lay, w, v, at) + againstWords(w, v) + pastWords(w, v)
	}
	text := rungNames[rung] + ": " + st.facts(lay, w, v, at) + againstWords(w, v) + besideWords(w, v) + pastWords(w, v)
	if rung == rungHold {
		text += "; the run is held until it is resumed"
	}
	return text
}

func silentWords(r *rules.Rule, c rules.Cause, v *weighing, at int64) string {
	last := "nothing known yet"
	if v.points > 0 {
		last = "newest point " + span(max(0, at-v.to)) + " old"
	}
	return fmt.Sprintf("%s cannot be judged: %s, %s", plainTitle(r), causeWords(c), last)
}

// facts writes the counts: "6 of 112 canary requests failed since 14:07 (5.4 %;
// likely 0.9 % to 15 %)".
func (st *State) facts(lay *layout, w *watch, v *weighing, at int64) string {
	c := countedAs(lay.plan, w.sig)
	value, known := v.value(w.sig)
	if !known {
		return fmt.Sprintf("no %s yet", c.noun)
	}
	low, high := v.interval(w.sig)
	worst := ""
	if v.from > w.from {
		worst = " in the stretch that looks worst" // it was chosen because it does
	}
	return fmt.Sprintf("%s of %s %s%s %s since %s (%s%s; likely %s)", count(v.bad), count(v.n), w.canary(), c.noun, c.verb,
		hour(v.from, at), rate(w.sig, value), worst, rate(w.sig, low)+" to "+rate(w.sig, high))
}

// interval is where the value lies, 95 %, at any time.
func (v *weighing) interval(sig *rules.Signal) (low, high float64) {
	low, high = evidence.ConfidenceSequence(v.bad, v.n, .05, 1, 1)
	if sig.Good {
		return 1 - high, 1 - low
	}
	return low, high
}

// againstWords says how strong the evidence against a release is. Below one it
// says nothing.
func againstWords(w *watch, v *weighing) string {
	if v.rung == rungWarn && v.cause == rules.CauseBaseline {
		return "" // it keeps its limit: the comparison says what is wrong
	}
	e, met := v.hold, ""
	if v.rung == rungWarn && v.warn > e {
		// This one is fast because it assumes so: a burst deceives it.
		e, met = v.warn, " and each of them failed for itself"
	}
	if e < math.Ln2 {
		return ""
	}
	return fmt.Sprintf("; if the release met its %s target%s, evidence this strong would appear at any time in fewer than 1 of %s releases (limit 1 in %s)",
		target(w), met, oneIn(e), oneIn(v.bound+1e-9))
}

func besideWords(w *watch, v *weighing) string {
	switch {
	case !v.compared && w.sig.Baseline > 0 && v.rung >= rungHold && v.base.n > 0:
		return fmt.Sprintf("; the baseline ended in these minutes, with %s/%s until then, so that the limit alone decides", count(v.base.bad), count(v.base.n))
	case !v.compared && w.sig.Baseline > 0 && v.rung >= rungHold:
		return "; the baseline had no samples in these minutes, so nothing confirms or denies it"
	case !v.compared:
		return ""
	case w.deaf:
		return "; the source of the baseline cannot be asked now"
	case v.base.n <= 0:
		return "; the baseline over the same minutes is not known yet"
	}
	text := fmt.Sprintf("; baseline over the same minutes %s/%s", count(v.base.bad), count(v.base.n))
	if v.baseTo < v.to {
		text += " until " + hour(v.baseTo, v.to)
	}
	e, met := v.confirm, ""
	if v.rung == rungWarn && v.pair > e {
		e, met = v.pair, " and each of whose failures was its own"
	}
	if e >= evidence.ConfirmAt {
		text += fmt.Sprintf(", a release no worse than that%s would ever look so in fewer than 1 of %s releases (limit 1 in %s)", met, oneIn(e), oneIn(v.bound+1e-9))
	}
	if v.rung == rungHold && v.cause == rules.CauseBaseline {
		return text + ": the baseline is bad as well and nothing shows the release to be worse, so rolling back will not help"
	}
	return text
}

// provenWords says where a success rule stands that weighs evidence.
func (st *State) provenWords(lay *layout, w *watch, v *successView, k int, at int64) string {
	if v.alarm {
		return alarmWords(lay, v)
	}
	st.forecast(lay, w, v, k)
	var text string
	switch w.sig.Kind {
	case rules.Mean:
		text = starWords(w, v.weigh, verdictWord(v.opinion.verdict), at) + st.enoughStars(w, v)
		if v.opinion.verdict == rules.Pass {
			text += passWords(w, v.proof)
		}
	case rules.Gauge:
		text = gapWords(w, v.weigh, verdictWord(v.opinion.verdict)) + enoughGroups(w, v)
	default:
		text = st.countWords(lay, w, v, at)
	}
	text += pastWords(w, v.weigh) + coverWords(w, v)
	switch c := v.opinion.cause; {
	case v.opinion.verdict == rules.Pass || v.opinion.verdict == rules.Fail || c == rules.CauseInsufficientSamples:
		return text
	case v.silence.cause != rules.CauseNone:
		return text + "; " + causeWords(v.silence.cause)
	case v.cutShort():
		return text + "; its phase was decided before its window ended"
	}
	return text + "; " + causeWords(v.opinion.cause)
}

// coverWords says when too little of the window is known to judge it.
func coverWords(w *watch, v *successView) string {
	switch {
	case v.opinion.cause != rules.CauseInsufficientSamples:
		return ""
	case !v.stretch.covered(w.rule.Coverage):
		return fmt.Sprintf("; %d of %d points are known, %s of them are wanted", v.stretch.points, v.stretch.expected, rules.Percent.Short(w.rule.Coverage))
	case v.stretch.samples < w.rule.MinSamples:
		return fmt.Sprintf("; %s of the %s samples that it wants have come", count(v.stretch.samples), count(w.rule.MinSamples))
	}
	return ""
}

func verdictWord(v rules.Verdict) string {
	switch v {
	case rules.Pass:
		return "PASS"
	case rules.Fail:
		return "FAIL"
	}
	return "No verdict"
}

func (st *State) countWords(lay *layout, w *watch, v *successView, at int64) string {
	f, facts := v.proof, st.facts(lay, w, v.weigh, at)
	switch v.opinion.verdict {
	case rules.Pass:
		return "PASS: " + facts + passWords(w, f)
	case rules.Fail:
		return "FAIL: " + facts + againstWords(w, v.weigh) + besideWords(w, v.weigh)
	}
	switch {
	case v.weigh.n <= 0:
		return "No verdict: " + facts
	case v.weigh.rung >= rungHold && v.weigh.cause == rules.CauseBaseline:
		return "No verdict: " + facts + againstWords(w, v.weigh) + besideWords(w, v.weigh)
	case v.weigh.rung >= rungHold && v.cutShort():
		return "No verdict: " + facts + againstWords(w, v.weigh) + besideWords(w, v.weigh)
	case v.weigh.rung >= rungHold:
		return "No verdict yet: " + facts + againstWords(w, v.weigh) + besideWords(w, v.weigh) + failsAtEnd
	case v.cutShort():
		return "No verdict: " + facts + fitWords(w, v.weigh)
	}
	return "No verdict: " + facts + fitWords(w, v.weigh) + "; " + st.moreWords(lay, w, v)
}

// passWords says what has been proven, and how surely.
func passWords(w *watch, f *proof) string {
	odds := oneIn(f.need + 1e-9)
	if f.keeps >= f.need {
		return fmt.Sprintf("; a release that missed its %s target would look this good in fewer than 1 of %s releases", target(w), odds)
	}
	return fmt.Sprintf("; its %s target is met and the %s trigger excluded (it would look this good in fewer than 1 of %s releases), the target itself is not proven",
		target(w), triggerWords(w), odds)
}

func triggerWords(w *watch) string {
	if w.sig.Good {
		return rules.Percent.Format(goodShare(w.rule.Trigger))
	}
	return w.sig.Unit.Format(w.rule.Trigger)
}

// fitWords says how ordinary the counts are for a healthy release.
func fitWords(w *watch, v *weighing) string {
	bad := math.Floor(v.bad)
	healthy, sick := evidence.AtLeast(bad, v.n, w.rule.Limit), 1-evidence.AtLeast(bad+1, v.n, w.rule.Trigger)
	switch {
	case v.bad < 1:
		return ""
	case healthy >= rare && sick >= rare:
		return fmt.Sprintf(" fits both a healthy release (%s of those at %s show this) and a bad one (%s of those at %s)",
			share(healthy), limitWords(w), share(sick), triggerWords(w))
	case healthy >= rare:
		return fmt.Sprintf(" fits a healthy release (%s of those at %s show this)", share(healthy), limitWords(w))
	}
	if healthy < 1e-6 {
		return fmt.Sprintf(" is rare for a healthy release (hardly any of those at %s show this)", limitWords(w))
	}
	return fmt.Sprintf(" is rare for a healthy release (%s of those at %s show this)", share(healthy), limitWords(w))
}

// rare is the chance below which counts do not count as fitting.
const rare = .01

func alarmWords(lay *layout, v *successView) string {
	name := lay.plan.Signals[v.rule.Alarm].Name
	if v.opinion.verdict == rules.Fail {
		return fmt.Sprintf("%s: alarm %s went off in the window", plainTitle(v.rule), name)
	}
	return fmt.Sprintf("%s: alarm %s is not known for the whole window: %s", plainTitle(v.rule), name, causeWords(v.opinion.cause))
}

func orTitle(lead string, r *rules.Rule) string {
	if lead == "" {
		return plainTitle(r)
	}
	return lead
}

// weighedEvidence is what a rule has weighed, with everything that it was judged by.
func (st *State) weighedEvidence(lay *layout, w *watch, v *weighing) Evidence {
	e := st.evidence(lay, w.rule, w.stretch(v))
	e.Held = ""
	if w.rule.For > 0 && v.rung > rungNone {
		e.Held = (time.Duration(v.to-v.from) * time.Second).String()
	}
	d := &Weighed{
		Bad: v.bad, Limit: w.rule.Limit, Trigger: w.rule.Trigger,
		Against: v.hold, Bound: v.bound, Warning: v.warn, Middle: v.mid, Proof: w.lay.pass,
	}
	if w.sig.Kind == rules.Ratio {
		d.Low, d.High = v.interval(w.sig)
	}
	if v.compared {
		d.Baseline = &Beside{Signal: lay.plan.Signals[w.sig.Baseline].Name, Bad: v.base.bad, Samples: v.base.n, Worse: v.confirm, Warning: v.pair}
	}
	d.Past = w.earlier(v)
	st.describeGap(d, v)
	describeStars(d, w, v)
	e.Weighed = d
	return e
}

func (st *State) describeGap(d *Weighed, v *weighing) {
	g := v.gap
	if g == nil {
		return
	}
	d.Bad, d.Low, d.High = 0, max(g.LowerFail, 0), g.UpperPass
	d.Groups = &Gap{
		Highest: v.names[0], Lowest: v.names[1], AtLeast: max(g.LowerFail, 0), AtMost: g.UpperPass,
		ByChance: g.Expected, Shrunken: g.Shrunken, Small: v.small, Looks: v.looks,
	}
}

func describeStars(d *Weighed, w *watch, v *weighing) {
	if w.sig.Kind != rules.Mean {
		return
	}
	s := evidence.Stars(v.stars)
	low, high := evidence.RatingInterval(s, evidence.Stars{.5, .5, .5, .5, .5}, .95)
	avg, _ := evidence.BayesianAverage(s, w.rule.Limit, priorReviews)
	d.Low, d.High = low, high
	d.Rating = &Ratings{Stars: v.stars, Average: avg, Low: low, High: high}
}

// provenEvidence adds what speaks in favour.
func (st *State) provenEvidence(lay *layout, k, i int, v *successView) Evidence {
	w := st.successWatch(lay, k, i)
	e := st.weighedEvidence(lay, &w, v.weigh)
	e.Points, e.Expected = v.stretch.points, v.stretch.expected
	st.forecast(lay, &w, v, k)
	e.Weighed.Keeps, e.Weighed.Spared, e.Weighed.More = v.proof.keeps, v.proof.spared, v.proof.ahead.more
	return e
}
