package simulator

import "math"

// sample is what CloudWatch got of one metric in one minute: n values, either
// zeros and ones, or drawn from a lognormal distribution.
type sample struct {
	n     float64
	ones  float64 // how many of n are 1, the others 0
	mu    float64 // lognormal: of ln x
	sigma float64 // lognormal if above 0
}

// latencySigma is the spread of ln(duration) of every latency.
const latencySigma = 0.4

// z95 is the 95th percentile of the standard normal distribution.
const z95 = 1.6448536269514722

// latency is n durations whose 95th percentile is p95, in p95's own unit.
func latency(n, p95 float64) sample {
	// A duration of nothing has no logarithm.
	return sample{n: n, mu: math.Log(max(p95, 1e-6)) - latencySigma*z95, sigma: latencySigma}
}

// below is how many of the values are at most x, a whole number.
func (s sample) below(x float64) float64 {
	if s.sigma > 0 {
		if x <= 0 {
			return 0
		}
		z := (math.Log(x) - s.mu) / s.sigma
		return math.Round(s.n * 0.5 * math.Erfc(-z/math.Sqrt2))
	}
	switch {
	case x < 0:
		return 0
	case x < 1:
		return s.n - s.ones
	}
	return s.n
}

// at is the value below which a share p of the values lies.
func (s sample) at(p float64) float64 {
	if s.sigma > 0 {
		return math.Exp(s.mu + s.sigma*math.Sqrt2*math.Erfinv(2*p-1))
	}
	if p*s.n > s.n-s.ones {
		return 1
	}
	return 0
}

func (s sample) sum() float64 {
	if s.sigma > 0 {
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
		if ss.total(func(s sample) float64 { return s.n * 0.5 * math.Erfc(-(math.Log(mid)-s.mu)/s.sigma/math.Sqrt2) }) < p*n {
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
