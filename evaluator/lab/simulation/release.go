package simulation

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/relgate/relgate/evaluator/evidence"
)

// Traffic is how many events a look counts on average; how many it really
// counts is Poisson.
type Traffic struct {
	Canary   float64 // of the release; positive
	Baseline float64 // of what runs beside it; 0 when there is nothing
}

// PerLook is the traffic of a service with rate events a second of which the
// release gets share, 0..1, in a look of so many seconds. With beside the rest
// of the events is a baseline.
func PerLook(rate, share, seconds float64, beside bool) Traffic {
	t := Traffic{Canary: rate * share * seconds}
	if beside {
		t.Baseline = rate * (1 - share) * seconds
	}
	return t
}

// Release is how a release fails. The zero value never does.
type Release struct {
	Rate   float64 // share of bad events, 0..1, from look Since on
	Since  int     // looks before the fault; 0: it is there from the start
	Before float64 // the share in those looks

	CV    float64 // how much the share changes from look to look: the coefficient of variation of a gamma distribution around it; 0: not at all
	Group int     // bad events come in groups of so many, as retries do; below 2: each for itself
	Storm Storm   // looks that fail at another rate, at random
	Burst Burst   // looks in which the release alone fails

	Baseline float64 // share of bad events of the baseline
	Outage   Burst   // looks in which release and baseline fail alike
}

// Storm is a rate that a look has by chance.
type Storm struct {
	Chance float64 // of each look, 0..1
	Rate   float64 // share of bad events in it, 0..1
}

// Burst is a stretch of looks with its own rate.
type Burst struct {
	At    int     // first look
	Looks int     // how many; 0: there is none
	Rate  float64 // share of bad events, 0..1
}

func (b Burst) covers(look int) bool { return look >= b.At && look < b.At+b.Looks }

// check reports what makes a release or its traffic impossible.
func (r *Release) check(t Traffic) error {
	shares := map[string]float64{
		"rate": r.Rate, "rate before the fault": r.Before, "rate of the baseline": r.Baseline, "chance of a storm": r.Storm.Chance,
		"rate of a storm": r.Storm.Rate, "rate of a burst": r.Burst.Rate, "rate of an outage": r.Outage.Rate,
	}
	for name, v := range shares {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%s is %v: want a share, 0 to 1", name, v)
		}
	}
	switch {
	case !(t.Canary > 0) || t.Canary > 1e8 || !(t.Baseline >= 0) || t.Baseline > 1e8:
		return fmt.Errorf("%v events a look and %v of the baseline: want more than none, and at most 1e8", t.Canary, t.Baseline)
	case r.Since < 0:
		return errors.New("a fault cannot begin before the release")
	case !(r.CV >= 0) || r.CV > 100:
		return fmt.Errorf("coefficient of variation is %v: want 0 to 100", r.CV)
	}
	return nil
}

// script makes the looks of one release after another.
type script struct {
	release Release
	traffic Traffic
	rng     *rand.Rand
	source  *rand.PCG
	seed    uint64
	tables  []*table // the means that come again and again
}

func newScript(r Release, t Traffic, seed uint64) *script {
	source := rand.NewPCG(0, 0)
	return &script{release: r, traffic: t, rng: rand.New(source), source: source, seed: seed}
}

// begin turns to release i.
func (s *script) begin(i int) { s.source.Seed(mix(s.seed), mix(uint64(i)+1)) }

// mix spreads neighbouring numbers over all of uint64 (the finalizer of
// SplitMix64), so that the streams of neighbouring releases have nothing in
// common.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// look makes one look. Looks of a release must be made in order.
func (s *script) look(t int) (canary, baseline evidence.Minute) {
	p, varies := s.rate(t)
	canary = s.count(s.traffic.Canary, p, varies)
	if s.traffic.Baseline > 0 {
		p = s.release.Baseline
		if s.release.Outage.covers(t) {
			p = s.release.Outage.Rate
		}
		baseline = s.count(s.traffic.Baseline, p, false)
	}
	return canary, baseline
}

// rate is the release's share of bad events in a look, and whether it is one
// that hardly comes again.
func (s *script) rate(t int) (p float64, varies bool) {
	r := &s.release
	switch {
	case r.Outage.covers(t):
		return r.Outage.Rate, false
	case r.Burst.covers(t):
		return r.Burst.Rate, false
	case r.Storm.Chance > 0 && s.rng.Float64() < r.Storm.Chance:
		return r.Storm.Rate, false
	}
	p = r.Rate
	if t < r.Since {
		p = r.Before
	}
	if r.CV > 0 && p > 0 {
		shape := 1 / (r.CV * r.CV)
		return min(1, distuv.Gamma{Alpha: shape, Beta: shape / p, Src: s.source}.Rand()), true
	}
	return p, false
}

// count draws the events of a look with a mean of all, of which the share p is
// bad. Bad and good events of a Poisson stream are independent Poisson streams,
// which is the same as to draw the events first and the bad ones of them.
func (s *script) count(all, p float64, varies bool) evidence.Minute {
	if s.release.Group > 1 {
		n := s.poisson(all, false)
		group := float64(s.release.Group)
		return evidence.Minute{N: n, Bad: min(n, group*s.poisson(n*p/group, true))}
	}
	bad := s.poisson(all*p, varies)
	return evidence.Minute{N: bad + s.poisson(all*(1-p), varies), Bad: bad}
}

// poisson draws from a Poisson distribution.
func (s *script) poisson(mean float64, varies bool) float64 {
	switch {
	case mean <= 0:
		return 0
	case varies || mean > 1e5:
		return distuv.Poisson{Lambda: mean, Src: s.source}.Rand()
	}
	for _, t := range s.tables {
		if t.mean == mean {
			return t.draw(s.rng.Float64())
		}
	}
	t := newTable(mean)
	s.tables = append(s.tables, t)
	return t.draw(s.rng.Float64())
}

// table is the distribution function of a Poisson distribution, for drawing by
// inversion: a look into guide, and a step or two from there.
type table struct {
	mean  float64
	first int       // the count of cdf[0]
	cdf   []float64 // the last is +Inf
	guide []int     // guide[k] is the first i with cdf[i] > k/len(guide)
}

// newTable tabulates all counts whose probability is not lost in rounding.
func newTable(mean float64) *table {
	t := &table{mean: mean}
	logP := func(k int) float64 {
		lg, _ := math.Lgamma(float64(k) + 1)
		return float64(k)*math.Log(mean) - mean - lg
	}
	const least = -45 // e^-45 is below the last bit of a probability
	mode := int(mean)
	for t.first = mode; t.first > 0 && logP(t.first-1) > least; {
		t.first--
	}
	sum := 0.0
	for k := t.first; k <= mode || logP(k) > least; k++ {
		sum += math.Exp(logP(k))
		t.cdf = append(t.cdf, sum)
	}
	t.cdf = append(t.cdf, math.Inf(1))
	t.guide = make([]int, len(t.cdf))
	for k, i := 0, 0; k < len(t.guide); k++ {
		for t.cdf[i] <= float64(k)/float64(len(t.guide)) {
			i++
		}
		t.guide[k] = i
	}
	return t
}

// draw gives the count at u, 0 <= u < 1.
func (t *table) draw(u float64) float64 {
	i := t.guide[int(u*float64(len(t.guide)))]
	for t.cdf[i] <= u {
		i++
	}
	return float64(t.first + i)
}
