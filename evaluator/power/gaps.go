package power

import (
	"math"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// Gaps is what periods without any samples do to a rollback rule in a phase.
type Gaps struct {
	Empty   float64 `json:"empty"`             // share of the periods that have no samples
	Covered float64 `json:"covered"`           // how likely the window has samples in as many periods as the rule's coverage wants: else its phase does not pass
	Stretch float64 `json:"stretch,omitempty"` // the same for a stretch that the rule judges at once, for or over; zero where it judges none
	Silent  float64 `json:"silent"`            // share of the time in which the last sample is so old that the rule is silent
	Acts    float64 `json:"acts,omitempty"`    // how likely such a gap is so long that on_no_data acts in the window

	quiet time.Duration // how long that gap is
}

// The least share of empty periods that is worth a word: coverage wants that many
// anyway only where it is 100 %, and traffic is not as even as that.
const fewEmpty = 1e-6

// sparse fills in what empty periods do to a rollback rule. Where the plan says what
// a missing period counts as, they are no question.
func (f *forecaster) sparse(l *Line) {
	t, r := &l.traffic, l.rule
	empty, full, n := math.Exp(-t.bucket()), -math.Expm1(-t.bucket()), t.buckets(t.window)
	spoken := r.Datapoints.M > 0 && (r.Datapoints.Missing == rules.MissingIsBreaching || r.Datapoints.Missing == rules.MissingIsNotBreaching)
	if l.signal.Kind == rules.Gauge || empty < fewEmpty || n < 1 || spoken {
		return
	}
	g := &Gaps{Empty: empty, Covered: covered(n, r.Coverage, full)}
	if m := t.buckets(max(r.For, r.Over)); r.Method == rules.ByThreshold && r.Datapoints.M == 0 && m > 1 {
		g.Stretch = covered(m, r.Coverage, full)
		if g.Stretch*float64(n) < tolerable {
			l.Blind = "coverage"
		}
	}
	if quiet, speaks := f.patience(l); !speaks {
		g.Silent = math.Pow(empty, float64(t.buckets(quiet)))
		if r.OnNoData == rules.PolicyRollback || r.OnNoData == rules.PolicyFail {
			g.quiet = quiet + r.Grace
			g.Acts = gap(n, t.buckets(g.quiet), empty)
		}
	}
	l.Gaps = g
}

// covered is how likely of n periods as many have samples as a coverage wants, where
// each has with probability full.
func covered(n int, coverage, full float64) float64 {
	if full <= 0 {
		return 0
	}
	return evidence.AtLeast(math.Ceil(coverage*float64(n)-1e-9), float64(n), full)
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
// as the evaluator has it. A source that speaks of empty periods too keeps a rule
// that weighs evidence from it.
func (f *forecaster) patience(l *Line) (quiet time.Duration, speaks bool) {
	r := l.rule
	switch {
	case r.Datapoints.M > 0:
		return 0, true
	case r.Method == rules.Sequential:
		quiet, speaks = max(r.For, 5*l.traffic.period), l.signal.Query.Sentry != nil
	default:
		quiet = time.Duration((1 - r.Coverage) * float64(r.For+r.Over)).Round(time.Second)
	}
	return quiet + awaited(f.plan, l.signal), speaks
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
