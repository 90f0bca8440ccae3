package power

import (
	"math"

	"github.com/relgate/relgate/rules"
)

// breach is what makes a share of bad ones bad: beyond bound, on one side.
type breach struct {
	bound float64
	above bool // a share above the bound is meant, else below
	equal bool // the bound itself is meant too
}

// breachOf gives what a rule on a ratio calls bad, in terms of the share of bad
// ones; for one on a percentile these are the samples beyond its threshold. == and !=
// give none.
func breachOf(r *rules.Rule, sig *rules.Signal) (breach, bool) {
	when := r.When
	b := breach{bound: when.Threshold}
	if sig.Kind == rules.Percentile {
		// By nearest rank, a quantile exceeds what more than 1 - quantile of its
		// samples exceed.
		b.bound = math.Round((1-sig.Quant)*1e12) / 1e12
	}
	switch when.Op {
	case rules.Greater:
		b.above = true
	case rules.GreaterOrEqual:
		b.above, b.equal = true, true
	case rules.Less:
	case rules.LessOrEqual:
		b.equal = true
	default:
		return b, false
	}
	if r.Kind == rules.Success { // it says what is good
		b.above, b.equal = !b.above, !b.equal
	}
	if sig.Good {
		b.above, b.bound = !b.above, 1-b.bound
	}
	if sig.Kind == rules.Percentile {
		b.equal = false
	}
	return b, b.bound > 0 && b.bound < 1
}

// holds reports whether so many bad ones of n are a breach. The slack is for what
// subtracting from 1 adds.
func (b breach) holds(bad, n float64) bool {
	d := bad - b.bound*n
	slack := 1e-9 * n
	switch {
	case math.Abs(d) <= slack:
		return b.equal
	case b.above:
		return d > 0
	}
	return d < 0
}

// chance is the probability of a breach in a stretch with that many samples
// expected, of which a share rate is bad, and that of too few samples to judge:
// fewer than least, or none.
func (b breach) chance(samples, rate, least float64) (hit, thin float64) {
	all := newCounts(samples)
	least = max(math.Ceil(least), 1)
	thin = all.atMost(least - 1)
	bad, good := newCounts(samples*rate), newCounts(samples*(1-rate))
	if bad.mean > mostMean {
		z := (b.bound - rate) / math.Sqrt(rate*(1-rate)/samples)
		hit = normalBelow(z)
		if b.above {
			hit = 1 - hit
		}
		return hit * (1 - thin), thin
	}
	for i := range max(len(bad.cdf), 1) {
		x, p := float64(bad.low+i), 1.0
		if len(bad.cdf) > 0 {
			p = bad.exactly(i)
		}
		hit += p * b.share(x, least, &good)
	}
	return min(hit, 1), thin
}

// share is the probability that good ones come in such numbers that x bad ones
// are a breach of at least so many samples.
func (b breach) share(x, least float64, good *counts) float64 {
	edge := math.Floor(x*(1-b.bound)/b.bound) + 1 // with more good ones the share is surely below the bound
	below := max(least-x, 0) - 1                  // so few are not judged
	if b.above {
		for edge >= 0 && !b.holds(x, x+edge) {
			edge--
		}
		return max(good.atMost(edge)-good.atMost(below), 0)
	}
	for edge > 0 && b.holds(x, x+edge-1) {
		edge--
	}
	return max(1-good.atMost(max(edge-1, below)), 0)
}
