package power

import (
	"math"
	"sort"
)

// stream is a sequence of numbers that look random and are the same for the same
// seed (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
// generators", SplitMix64). Its mirror is the same sequence counted from 1 down:
// every other run takes it, so that a lucky run has an unlucky twin and the two
// together say more than two at random (antithetic variates).
type stream struct {
	at     uint64
	mirror bool
}

// twin is the stream of the k-th run.
func twin(k int) stream { return stream{at: uint64(k/2) * 0x632be59bd9b4e019, mirror: k%2 == 1} }

// next is at least 0 and below 1.
func (s *stream) next() float64 {
	s.at += 0x9e3779b97f4a7c15
	z := s.at
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z = (z ^ z>>31) >> 11
	if s.mirror {
		z = 1<<53 - 1 - z
	}
	return float64(z) / (1 << 53)
}

// counts is the distribution of how many events of a Poisson stream fall into a
// stretch: cdf[i] is the probability of at most low+i.
type counts struct {
	mean float64
	low  int
	cdf  []float64
}

// mostMean is the mean above which a count is taken as normal.
const mostMean = 1e5

func newCounts(mean float64) counts {
	c := counts{mean: mean}
	if !(mean > 0) || mean > mostMean {
		return c
	}
	reach := 9*math.Sqrt(mean) + 12
	c.low = int(max(mean-reach, 0))
	high := int(mean + reach)
	lg, _ := math.Lgamma(float64(c.low) + 1)
	p := math.Exp(float64(c.low)*math.Log(mean) - mean - lg)
	sum := 0.0
	for k := c.low; k <= high; k++ {
		sum += p
		c.cdf = append(c.cdf, min(sum, 1))
		p *= mean / float64(k+1)
	}
	c.cdf[len(c.cdf)-1] = 1
	return c
}

// draw is one count.
func (c *counts) draw(s *stream) float64 {
	u := s.next()
	if c.mean > mostMean {
		z := math.Sqrt(-2*math.Log(1-u)) * math.Cos(2*math.Pi*s.next())
		return math.Max(math.Round(c.mean+math.Sqrt(c.mean)*z), 0)
	}
	if len(c.cdf) == 0 || u < c.cdf[0] {
		return float64(c.low)
	}
	if len(c.cdf) < 24 {
		for i, p := range c.cdf {
			if u < p {
				return float64(c.low + i)
			}
		}
	}
	return float64(c.low + sort.SearchFloat64s(c.cdf, u))
}

// atMost is the probability of at most k.
func (c *counts) atMost(k float64) float64 {
	switch {
	case k < 0:
		return 0
	case !(c.mean > 0):
		return 1
	case c.mean > mostMean:
		return normalBelow((k + .5 - c.mean) / math.Sqrt(c.mean))
	}
	i := k - float64(c.low)
	switch {
	case i < 0:
		return 0
	case i >= float64(len(c.cdf)):
		return 1
	}
	return c.cdf[int(i)]
}

// exactly is the probability of low+i.
func (c *counts) exactly(i int) float64 {
	if i == 0 {
		return c.cdf[0]
	}
	return c.cdf[i] - c.cdf[i-1]
}

func normalBelow(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }
