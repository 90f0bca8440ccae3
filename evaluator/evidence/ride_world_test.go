package evidence

import (
	"math"
	"testing"
)

// script makes the minutes of one release after another.
type script func(d dice) func(t int) Minute

// steady fails at a rate in every minute.
func steady(mean, rate float64) script { return stepped(mean, rate, rate, 0) }

// stepped fails at another rate from a minute on.
func stepped(mean, before, after float64, since int) script {
	return func(d dice) func(int) Minute {
		return func(t int) Minute {
			if t < since {
				return d.count(mean, before)
			}
			return d.count(mean, after)
		}
	}
}

// burst fails at a rate, and for some minutes from anywhere in a minute on at another.
func burst(mean, rate, high, length float64, at int) script {
	return func(d dice) func(int) Minute {
		begin := float64(at) + d.Float64()
		return func(t int) Minute {
			in := max(0, min(float64(t+1), begin+length)-max(float64(t), begin))
			return d.count(mean, rate*(1-in)+high*in)
		}
	}
}

// drifting fails at a lognormal rate whose logarithm is an AR(1) process.
func drifting(mean, rate, cv, keep float64) script {
	sigma := math.Sqrt(math.Log1p(cv * cv))
	return func(d dice) func(int) Minute {
		z := d.NormFloat64()
		return func(int) Minute {
			m := d.count(mean, min(rate*math.Exp(sigma*z-sigma*sigma/2), 1))
			z = keep*z + math.Sqrt(1-keep*keep)*d.NormFloat64()
			return m
		}
	}
}

// swinging fails at a gamma-distributed rate in each minute.
func swinging(mean, rate, cv float64) script {
	return func(d dice) func(int) Minute { return func(int) Minute { return d.count(mean, d.gamma(rate, cv)) } }
}

// stormy fails at a rate in some minutes, and at none in the others.
func stormy(mean, chance, rate float64) script {
	return func(d dice) func(int) Minute {
		return func(int) Minute {
			if d.Float64() < chance {
				return d.count(mean, rate)
			}
			return d.count(mean, 0)
		}
	}
}

// retried fails in groups of five, of which a share spills over into the next minute.
func retried(mean, rate, spill float64) script {
	return func(d dice) func(int) Minute {
		over := 0.
		return func(int) Minute {
			n, bad := d.poisson(mean), over
			over = 0
			for range 5 * int(d.poisson(n*rate/5)) {
				if d.Float64() >= spill {
					bad++
				} else {
					over++
				}
			}
			return Minute{N: max(n, bad), Bad: bad}
		}
	}
}

// outcomes are after how many minutes releases were held and rolled back.
type outcomes struct{ held, rolled []int }

// ride lets releases run past a rule, limit 1 %, trigger 3 %, without a baseline. With
// aside 0 it is the rule without ride_out.
func (s script) ride(seed uint64, looks, aside, runs int, alpha float64) (o outcomes) {
	rule := ruled(false, aside)
	rule.Bound = -math.Log(alpha)
	for i := range runs {
		d := newDice(seed*1_000_003 + uint64(i))
		next := s(d)
		var c Case
		held, rolled := never, never
		for t := 0; t < looks && rolled == never; t++ {
			rule.Look(&c, int64(t), int64(t+1), next(t), Minute{}, prior(&c, looks))
			held, rolled = rule.climbed(&c, Scope{Newest: int64(t + 1)}, t+1, held, rolled)
		}
		o.held, o.rolled = append(o.held, held), append(o.rolled, rolled)
	}
	return o
}

// reached is how many got there.
func reached(after []int) (n int) {
	for _, v := range after {
		if v != never {
			n++
		}
	}
	return n
}

// tell logs shares, medians and 95th percentiles, counted from a minute on.
func (o outcomes) tell(t *testing.T, what string, since int) {
	t.Helper()
	minutes := func(v int) float64 {
		if v == never {
			return math.Inf(1)
		}
		return float64(v - since)
	}
	h50, h95 := quantiles(o.held)
	r50, r95 := quantiles(o.rolled)
	all := float64(len(o.held))
	t.Logf("%-58s held %6.2f %% %4.0f/%4.0f  rolled back %6.2f %% %4.0f/%4.0f", what,
		100*float64(reached(o.held))/all, minutes(h50), minutes(h95), 100*float64(reached(o.rolled))/all, minutes(r50), minutes(r95))
}

// prior is the start weight of the next period of a window.
func prior(c *Case, looks int) float64 {
	if c.Track.Looks == 0 {
		return .5
	}
	return .5 / float64(looks-1)
}

// climbed is after how many minutes a release was held and rolled back, given what was
// so before minute t.
func (r *Rule) climbed(c *Case, in Scope, t, held, rolled int) (int, int) {
	switch r.Standing(c, in).Rung {
	case Holding:
		held = min(held, t)
	case Firing:
		held, rolled = min(held, t), min(rolled, t)
	}
	return held, rolled
}
