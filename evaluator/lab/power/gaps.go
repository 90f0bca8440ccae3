package power

import (
	"math"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// Gaps is what periods without any samples do to a rule in a phase.
type Gaps struct {
	Empty   float64 `json:"empty"`             // share of the periods that have no samples
	Covered float64 `json:"covered"`           // how likely as many periods as the rule's coverage wants are known before the phase gives up, and its window's end: else it does not pass
	Tail    float64 `json:"tail,omitempty"`    // how likely the end of the window is silent for longer than grace, so that it is not known
	Stretch float64 `json:"stretch,omitempty"` // rollback: the same for a stretch that the rule judges at once, for or over; zero where it judges none
	Silent  float64 `json:"silent,omitempty"`  // rollback: share of the time in which the last sample is so old that the rule is silent
	Acts    float64 `json:"acts,omitempty"`    // rollback: how likely such a gap is so long that on_no_data acts in the window

	quiet time.Duration // how long that gap is
}

// fewEmpty is how many empty periods a window must be expected to have before they are
// worth a word: traffic is not as even as fewer would say.
const fewEmpty = .01

// gaps begins what empty periods do to a rule, nil where they do nothing: there are
// none, they count as known, or the rule is judged by its newest point.
func (f *forecaster) gaps(l *Line) *Gaps {
	t, r := &l.traffic, l.rule
	n, empty := t.buckets(t.window), math.Exp(-t.bucket())
	if l.signal.Kind == rules.Gauge || empty*float64(n) < fewEmpty || f.knowsEmpty(l) {
		return nil
	}
	last := n
	if r.Method == rules.Sequential {
		last = t.buckets(t.waits)
	}
	if p := r.OnNoData; r.Kind == rules.Success && (p == rules.PolicyFail || p == rules.PolicyRollback) {
		last = min(last, n+t.buckets(r.Grace)) // then it is judged no longer
	}
	g := &Gaps{Empty: empty, Covered: everCovered(n, last, r.Coverage, 1-empty)}
	if r.Datapoints.M == 0 && (r.Kind == rules.Success || r.Method == rules.ByThreshold || l.signal.Kind == rules.Ratio) {
		g.Tail = math.Pow(empty, float64(t.buckets(r.Grace)+1))
		g.Covered *= 1 - g.Tail
	}
	return g
}

// knowsEmpty reports whether a period in which nothing happened counts as known to a
// rule: it weighs evidence, on a source that says so; and if it is a rollback rule, no
// other on the signal needs a value in each.
func (f *forecaster) knowsEmpty(l *Line) bool {
	if l.rule.Method != rules.Sequential || !l.signal.Query.Facts().Fills {
		return false
	}
	return l.rule.Kind == rules.Success || !slices.ContainsFunc(f.plan.Rules, func(o rules.Rule) bool {
		return o.Signal == l.rule.Signal && o.Method != rules.Sequential
	})
}

// uncovered fills in what empty periods do to a success rule. One that judges its
// window by a threshold is not judged at all without its coverage; one that weighs
// evidence can still fail.
func (f *forecaster) uncovered(l *Line) {
	l.Gaps = f.gaps(l)
	if g := l.Gaps; g != nil && g.Covered < tolerable && (l.rule.Method == rules.ByThreshold || l.rule.Gate == rules.Required) {
		l.Blind = "coverage"
	}
}

// sparse fills in what empty periods do to a rollback rule. Where the plan says what
// a missing period counts as, they are no question.
func (f *forecaster) sparse(l *Line) {
	t, r := &l.traffic, l.rule
	g := f.gaps(l)
	if spoken := r.Datapoints.M > 0 && (r.Datapoints.Missing == rules.MissingIsBreaching || r.Datapoints.Missing == rules.MissingIsNotBreaching); g == nil || spoken {
		return
	}
	l.Gaps = g
	n := t.buckets(t.window)
	if m := t.buckets(max(r.For, r.Over)); r.Method == rules.ByThreshold && r.Datapoints.M == 0 && m > 1 {
		g.Stretch = covered(m, r.Coverage, 1-g.Empty)
		if g.Stretch*float64(n) < tolerable {
			l.Blind = "coverage"
		}
	}
	if r.Datapoints.M > 0 || r.Method == rules.Sequential && l.signal.Query.Facts().Fills {
		return // never silent
	}
	if r.OnNoData != rules.PolicyRollback && r.OnNoData != rules.PolicyFail {
		g.Silent = math.Pow(g.Empty, float64(t.buckets(f.patience(l))))
		return
	}
	g.quiet = r.Grace + t.period // it acts as soon as nothing has come for longer than grace
	g.Silent = math.Pow(g.Empty, float64(t.buckets(g.quiet)))
	g.Acts = gap(n, t.buckets(g.quiet), g.Empty)
}

// covered is how likely of n periods as many have samples as a coverage wants, where
// each has with probability full.
func covered(n int, coverage, full float64) float64 {
	if full <= 0 {
		return 0
	}
	return evidence.AtLeast(math.Ceil(coverage*float64(n)-1e-9), float64(n), full)
}

// mostPeriods is how many periods are followed one by one.
const mostPeriods = 2000

// everCovered is how likely, at one of the looks from n periods on to m, as many of
// those that have come have samples as a coverage wants: a phase that waits looks
// again. Of more than some periods only the first look and the last are told.
func everCovered(n, m int, coverage, full float64) float64 {
	p := covered(n, coverage, full)
	if m <= n || n < 1 || p > 1-1e-9 || coverage >= 1 {
		return p
	}
	if m > mostPeriods {
		return max(p, covered(m, coverage, full))
	}
	short := make([]float64, m+1) // :: periods with samples → how likely it is so many, and never enough yet
	short[0] = 1
	ever := 0.
	for k := 1; k <= m; k++ {
		for x := k; x > 0; x-- {
			short[x] += (short[x-1] - short[x]) * full
		}
		short[0] *= 1 - full
		if k < n {
			continue
		}
		for x := int(math.Ceil(coverage*float64(k) - 1e-9)); x <= k; x++ {
			ever += short[x]
			short[x] = 0
		}
	}
	return min(ever, 1)
}

// gap is how likely n periods hold a run of at least so many empty ones: runs begin
// nearly like a Poisson stream, one at the window's own start among them.
func gap(n, run int, empty float64) float64 {
	if run > n {
		return 0
	}
	each := math.Pow(empty, float64(run))
	return -math.Expm1(-each * (1 + float64(n-run)*(1-empty)))
}

// patience is how old the newest sample of a rule may be before the rule is silent,
// as the evaluator has it.
func (f *forecaster) patience(l *Line) time.Duration {
	r := l.rule
	quiet := max(r.For, 5*l.traffic.period)
	if r.Method != rules.Sequential {
		quiet = time.Duration((1 - r.Coverage) * float64(r.For+r.Over)).Round(time.Second)
	}
	return quiet + awaited(f.plan, l.signal)
}

// patient is a grace with which the end of the window is nearly always known.
func (l *Line) patient() rules.Duration {
	periods := math.Ceil(math.Log(tolerable/4) / math.Log(l.Gaps.Empty))
	return rules.Duration{Duration: time.Duration(periods) * l.traffic.period}
}

// lighter is a coverage that nearly every window has, in whole per cent, 0 where
// there is none.
func (l *Line) lighter() float64 {
	n := l.traffic.buckets(l.traffic.window)
	for c := math.Floor(100 * (1 - l.Gaps.Empty)); c >= 1; c-- {
		if covered(n, c/100, 1-l.Gaps.Empty) >= 1-tolerable {
			return c / 100
		}
	}
	return 0
}
