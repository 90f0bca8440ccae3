package evidence

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// long runs as many releases as docs/deciding.md rests on: go test
// ./evaluator/evidence -long -v. Without it there are some hundred, in fewer cells.
var long = flag.Bool("long", false, "simulate as many releases as the documents' figures rest on")

// scale is the number of releases in a cell: all of them with -long, else a few.
func scale(all int) int {
	if *long {
		return all
	}
	return max(all/40, 100)
}

// dice draw the minutes of releases.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(5_170_933, seed))} }

// count draws a minute of about mean events at a bad rate.
func (d dice) count(mean, rate float64) Minute {
	bad, good := d.poisson(mean*rate), d.poisson(mean*(1-rate))
	return Minute{N: bad + good, Bad: bad}
}

func (d dice) poisson(mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	return distuv.Poisson{Lambda: mean, Src: d.Rand}.Rand()
}

// beta draws a rate with a mean and the correlation rho between the events of a
// minute: the number of bad ones is then beta-binomial.
func (d dice) beta(mean, rho float64) float64 {
	if rho <= 0 {
		return mean
	}
	k := 1/rho - 1
	a := distuv.Gamma{Alpha: mean * k, Beta: 1, Src: d.Rand}.Rand()
	b := distuv.Gamma{Alpha: (1 - mean) * k, Beta: 1, Src: d.Rand}.Rand()
	if !(a+b > 0) {
		return 0
	}
	return a / (a + b)
}

// gamma draws a rate with a mean and a coefficient of variation.
func (d dice) gamma(mean, cv float64) float64 {
	if cv <= 0 {
		return mean
	}
	shape := 1 / (cv * cv)
	return min(1, distuv.Gamma{Alpha: shape, Beta: shape / mean, Src: d.Rand}.Rand())
}

// kl is the divergence of Bernoulli(p) from Bernoulli(q), in nats.
func kl(p, q float64) float64 {
	return xlog(p, p/q) + (1-p)*(math.Log1p(-p)-math.Log1p(-q))
}

// share tells a cell, and fails when more than bound of the runs are hits by more than
// chance explains.
func share(t *testing.T, what string, hits, runs int, bound float64) {
	t.Helper()
	t.Logf("%-64s %6.2f %%", what, 100*float64(hits)/float64(runs))
	if lo, _ := ClopperPearson(float64(hits), float64(runs), .9998); lo > bound {
		t.Errorf("%s: %d of %d, want at most %g %%", what, hits, runs, 100*bound)
	}
}

// never is a run that did not get there.
const never = math.MaxInt32

// quantiles are the median and the 95th percentile.
func quantiles(after []int) (median, most int) {
	s := slices.Clone(after)
	slices.Sort(s)
	return s[(len(s)-1)/2], s[min(len(s)*95/100, len(s)-1)]
}
