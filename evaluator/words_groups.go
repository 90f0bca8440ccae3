package evaluator

import (
	"fmt"
	"strings"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// starWords says where a mean of stars stands.
func starWords(w *watch, v *weighing, lead string, at int64) string {
	s := evidence.Stars(v.stars)
	if s.N() == 0 {
		return fmt.Sprintf("%s: no reviews yet", orTitle(lead, w.rule))
	}
	low, high := evidence.RatingInterval(s, evidence.Stars{.5, .5, .5, .5, .5}, .95)
	avg, raw := evidence.BayesianAverage(s, w.rule.Limit, priorReviews)
	low, high = min(low, raw), max(high, raw) // the prior of few reviews is not theirs
	text := fmt.Sprintf("%s: %s stars on average in %s reviews since %s (likely %s to %s; %s when weighed with %d reviews at the target)",
		orTitle(lead, w.rule), rules.Number.Short(raw), count(s.N()), hour(v.from, at), rules.Number.Short(low), rules.Number.Short(high),
		rules.Number.Short(avg), priorReviews)
	return text + againstWords(w, v)
}

// priorReviews is the weight of the Bayesian average that people are shown.
const priorReviews = 50

// gapWords says where a gap between groups stands.
func gapWords(w *watch, v *weighing, lead string) string {
	g := v.gap
	if g == nil {
		return fmt.Sprintf("%s: no groups to compare yet", orTitle(lead, w.rule))
	}
	if len(v.groups)-len(g.Silent) < 2 {
		return fmt.Sprintf("%s: no two groups with samples to compare", orTitle(lead, w.rule))
	}
	between := fmt.Sprintf("the gap between groups %s and %s is", v.names[0], v.names[1])
	if g.High == g.Low {
		between = "the groups are all alike, the gap between them is"
	}
	text := fmt.Sprintf("%s: %s %s (surely %s to %s, wanted %s); chance alone would show %s in groups of this size",
		orTitle(lead, w.rule), between, rules.Number.Short(g.Gap), rules.Number.Short(max(g.LowerFail, 0)),
		rules.Number.Short(g.UpperPass), target(w), rules.Number.Short(g.Expected))
	if len(v.small) > 0 {
		text += fmt.Sprintf("; too few in %s", strings.Join(v.small, ", "))
	}
	return text
}

// undecided reports whether a success rule waits for more samples.
func (v *successView) undecided() bool {
	return v.opinion.verdict != rules.Pass && v.opinion.verdict != rules.Fail
}

// cutShort reports whether a success rule was never judged, since its phase was
// decided before its window ended.
func (v *successView) cutShort() bool { return v.closed && v.opinion.cause == rules.CauseWindow }

// enoughGroups says how many samples a group would decide, if the rates of the
// groups stay as they are.
func enoughGroups(w *watch, v *successView) string {
	g := v.weigh.gap
	if !v.undecided() || v.cutShort() || g == nil {
		return ""
	}
	switch {
	case v.weigh.rung >= rungHold:
		return failsAtEnd
	case g.UpperPass <= w.rule.Limit && v.weigh.thin:
		return "; its source gave no value with these groups, and nothing passes on that"
	case g.UpperPass <= w.rule.Limit:
		return "; these prove it small enough"
	}
	what := "prove it small enough"
	if g.Gap > w.rule.Limit {
		what = "prove it too large"
	}
	decides := func(times float64) bool {
		more := v.weigh.grown(w, times)
		return more.LowerFail > w.rule.Limit || more.UpperPass <= w.rule.Limit
	}
	low := 1.
	for _, times := range [...]float64{1.5, 2, 3, 5, 10, 20, 50, 100} {
		if !decides(times) {
			low = times
			continue
		}
		for range 4 {
			if mid := (low + times) / 2; decides(mid) {
				times = mid
			} else {
				low = mid
			}
		}
		return fmt.Sprintf("; about %s in a group would %s", about(times*v.weigh.n/float64(len(v.weigh.groups))), what)
	}
	return ""
}

// grown is the gap if there were so many times the samples.
func (v *weighing) grown(w *watch, times float64) evidence.Disparity {
	x, n := make([]float64, len(v.groups)), make([]float64, len(v.groups))
	for i, g := range v.groups {
		x[i], n[i] = g.Value*times, g.Samples*times
	}
	return w.disparity(x, n, 1)
}
