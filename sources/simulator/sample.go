package simulator

import (
	"math"
	"slices"
	"sort"
)

// sample is what CloudWatch got of one metric in one minute: n values, either
// zeros and ones, or drawn one by one, or spread as a lognormal distribution is.
type sample struct {
	n     float64
	ones  float64   // how many of n are 1, the others 0
	drawn []float64 // the n values themselves, sorted
	mu    float64   // lognormal: of ln x
	sigma float64   // lognormal if above 0
}

// latencySigma is the spread of ln(duration) of every latency but a cold
// start's. Those take some four seconds, whatever the version.
const (
	latencySigma = 0.4
	coldSigma    = 0.1
	coldP95      = 4500 // milliseconds
)

// z95 is the 95th percentile of the standard normal distribution.
const z95 = 1.6448536269514722

// drawMost is how many invocations of a minute are drawn one by one. With few,
// chance decides how many are slow; with more, the distribution is accurate enough.
const drawMost = 150

// latency is n durations whose 95th percentile is p95, in p95's own unit. A
// larger n adds durations and changes none.
func (w *world) latency(what string, m int64, n, p95, sigma float64) sample {
	// A duration of 0 has no logarithm.
	s := sample{n: n, mu: math.Log(max(p95, 1e-6)) - sigma*z95, sigma: sigma}
	if n == 0 || n > drawMost || n != math.Trunc(n) {
		return s
	}
	s.drawn = make([]float64, int(n))
	for i := range s.drawn {
		u := w.noise(what, m*drawMost+int64(i))
		s.drawn[i] = math.Exp(s.mu + s.sigma*math.Sqrt2*math.Erfinv(2*max(u, 1e-12)-1))
	}
	slices.Sort(s.drawn)
	return s
}

// below is how many of the values are at most x, a whole number.
func (s sample) below(x float64) float64 { return math.Round(s.upTo(x)) }

// upTo is how many of the values are at most x, by their distribution if they
// were not drawn.
func (s sample) upTo(x float64) float64 {
	switch {
	case s.drawn != nil:
		return float64(sort.SearchFloat64s(s.drawn, math.Nextafter(x, math.Inf(1))))
	case s.sigma > 0 && x <= 0:
		return 0
	case s.sigma > 0:
		return s.n * 0.5 * math.Erfc(-(math.Log(x)-s.mu)/s.sigma/math.Sqrt2)
	case x < 0:
		return 0
	case x < 1:
		return s.n - s.ones
	}
	return s.n
}

// at is the value below which a share p of the values lies.
func (s sample) at(p float64) float64 {
	switch {
	case s.drawn != nil:
		i := int(math.Ceil(p*s.n)) - 1
		return s.drawn[min(max(i, 0), len(s.drawn)-1)]
	case s.sigma > 0:
		return math.Exp(s.mu + s.sigma*math.Sqrt2*math.Erfinv(2*p-1))
	case p*s.n > s.n-s.ones:
		return 1
	}
	return 0
}

func (s sample) sum() float64 {
	switch {
	case s.drawn != nil:
		total := 0.0
		for _, v := range s.drawn {
			total += v
		}
		return total
	case s.sigma > 0:
		return s.n * math.Exp(s.mu+s.sigma*s.sigma/2)
	}
	return s.ones
}

// samples are the minutes of one period.
type samples []sample

func (ss samples) total(f func(sample) float64) float64 {
	var t float64
	for _, s := range ss {
		t += f(s)
	}
	return t
}

func (ss samples) count() float64 { return ss.total(func(s sample) float64 { return s.n }) }

// between is how many values lie in (lo, hi]; the bounds may be infinite.
func (ss samples) between(lo, hi float64) float64 {
	upTo := func(x float64) float64 {
		if math.IsInf(x, 1) {
			return ss.count()
		}
		return ss.total(func(s sample) float64 { return s.below(x) })
	}
	if math.IsInf(lo, -1) {
		return upTo(hi)
	}
	return max(0, upTo(hi)-upTo(lo))
}

// percentile is the value below which a share p, 0 to 1, of all the values
// lies. Several minutes are one population: their percentiles are not averaged.
func (ss samples) percentile(p float64) float64 {
	lo, hi := ss.extremes(func(s sample) float64 { return s.at(p) })
	if lo == hi || ss[0].sigma == 0 {
		if ss[0].sigma == 0 {
			return ss.pooled().at(p)
		}
		return lo
	}
	n := ss.count()
	for range 60 {
		mid := (lo + hi) / 2
		if ss.total(func(s sample) float64 { return s.upTo(mid) }) < p*n {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

func (ss samples) pooled() sample {
	return sample{n: ss.count(), ones: ss.total(func(s sample) float64 { return s.ones })}
}

func (ss samples) extremes(f func(sample) float64) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, s := range ss {
		v := f(s)
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}

func (ss samples) minimum() float64 {
	lo, _ := ss.extremes(func(s sample) float64 { return s.at(0.5 / s.n) })
	return lo
}

func (ss samples) maximum() float64 {
	_, hi := ss.extremes(func(s sample) float64 { return s.at(1 - 0.5/s.n) })
	return hi
}
