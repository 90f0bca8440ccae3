package power

import (
	"math"
	"slices"

	"github.com/relgate/relgate/rules"
)

// pattern is when a rollback rule fires that compares values with a threshold.
type pattern struct {
	breach   breach
	bucket   float64 // samples in one period
	looks    int     // periods in the phase's window
	width    int     // periods that one value covers
	need     int     // periods that a breach has to last; 0 when one value is enough
	least    float64 // samples in a value, or where a value is a period that has to last, in all of them
	coverage float64
	of       rules.Datapoints
	perValue bool    // least is meant of each value
	minute   float64 // of a period
}

func patternOf(l *Line) pattern {
	t, r := &l.traffic, l.rule
	return pattern{
		bucket: t.bucket() / t.cluster, looks: t.buckets(t.window), width: max(t.buckets(r.Over), 1), need: t.buckets(r.For),
		least: r.MinSamples / t.cluster, coverage: r.Coverage, of: r.Datapoints, perValue: r.For == 0 || r.Over > 0,
		minute: t.period.Minutes(),
	}
}

// value is how likely one judged value is a breach, and how likely it cannot be
// judged.
func (p *pattern) value(rate float64) (hit, thin float64) {
	n, least := p.bucket*float64(p.width), p.least
	if !p.perValue {
		least = 0
	}
	if !p.perValue && p.least > 0 {
		lasting := newCounts(p.bucket * float64(max(p.need, 1)))
		if lasting.atMost(math.Ceil(p.least)-1) > .95 {
			return 0, 1
		}
	}
	return p.breach.chance(n, rate, least)
}

// simple reports whether every period is judged by itself.
func (p *pattern) simple() bool { return p.width == 1 && p.need == 0 && p.of.N == 0 }

// detect gives the chance that it fires in the window, and the median until it does.
func (p *pattern) detect(rate float64) Detection {
	hit, _ := p.value(rate)
	d := Detection{Rate: rate, Power: new(float64)}
	switch {
	case hit <= 0 && !p.breaching():
	case p.simple():
		*d.Power = -math.Expm1(float64(p.looks) * math.Log1p(-min(hit, 1-1e-15)))
		d.Minutes = math.Ceil(-math.Ln2/math.Log1p(-min(hit, 1-1e-15))) * p.minute
	case p.atMost(hit) < .002:
		*d.Power = 0
	default:
		p.simulate(rate, &d)
	}
	if !(d.Minutes < 60*87600) {
		d.Minutes = 0
	}
	return d
}

// atMost bounds the chance that it fires in the window: the sum over all looks.
func (p *pattern) atMost(hit float64) float64 {
	apart := 1.0 // values that share no samples
	switch {
	case p.of.N > 0:
		apart = math.Ceil(float64(p.of.M) / float64(p.width))
	case p.need > 0:
		apart = math.Ceil(max(float64(p.need)*p.coverage, 2) / float64(p.width))
	}
	ways := 1.0
	if p.of.N > 0 {
		ways = math.Pow(2, float64(min(p.of.N, 60)))
	}
	if p.width > 1 && p.least < 1 || p.breaching() { // the first values cover less, and jump about more
		return 1
	}
	return float64(p.looks) * ways * math.Pow(hit, apart)
}

// steps is how many periods a simulation may take, and longest those of one run of
// it. What comes later in a longer window is as likely as before.
const (
	steps   = 40000
	longest = 2000
)

// simulate follows runs for two windows, for the median's sake.
func (p *pattern) simulate(rate float64, d *Detection) {
	bad, good := newCounts(p.bucket*rate), newCounts(p.bucket*(1-rate))
	spent, runs, inside := 0, 0, 0
	looks := min(p.looks, max(longest, 4*(p.need+p.width+p.of.N)))
	var fired []int
	for runs < mostRuns && (spent < steps || runs < fewest || runs%2 == 1) {
		s := twin(runs)
		at := p.run(&s, &bad, &good, 2*looks)
		spent += min(at, looks*2)
		fired = append(fired, at)
		runs++
		if at <= looks {
			inside++
		}
	}
	*d.Power = float64(inside) / float64(runs)
	if p.looks > looks {
		*d.Power = 1 - math.Pow(1-*d.Power, float64(p.looks)/float64(looks))
	}
	slices.Sort(fired)
	if median := fired[(runs-1)/2]; median < never {
		d.Minutes = float64(median) * p.minute
	}
}

// run is one run: after how many periods it fires, if at all within so many looks.
func (p *pattern) run(s *stream, bad, good *counts, looks int) int {
	w := window{pattern: p, ring: make([]sample, p.width), recent: make([]bool, max(p.of.N, 1))}
	for k := range looks {
		x := bad.draw(s)
		if w.add(k, x, x+good.draw(s)) {
			return k + 1
		}
	}
	return never
}

type sample struct{ bad, n float64 }

// window is where a run stands.
type window struct {
	*pattern
	ring   []sample // the periods of a value
	sum    sample
	valued int // periods of the value that have samples

	begun  int // period of the first breach of those without a break, -1 for none
	hits   int
	thick  float64
	recent []bool // datapoints
	of     int    // how many of them breach
}

// add takes a period in and reports whether the rule fires.
func (w *window) add(k int, bad, n float64) bool {
	if k == 0 {
		w.begun = -1
	}
	old := &w.ring[k%w.width]
	if old.n > 0 {
		w.valued--
	}
	if n > 0 {
		w.valued++
	}
	w.sum.bad += bad - old.bad
	w.sum.n += n - old.n
	*old = sample{bad, n}
	covered := w.width == 1 || float64(w.valued) >= w.coverage*float64(min(k+1, w.width))-1e-9
	known := n > 0 && covered && (!w.perValue || w.sum.n >= w.least)
	hit := known && w.breach.holds(w.sum.bad, w.sum.n)
	switch {
	case w.pattern.of.N > 0:
		return w.counted(k, hit || n == 0 && w.breaching())
	case w.need == 0:
		return hit
	case hit:
		return w.lasts(k, n)
	case known:
		w.begun = -1
	}
	return false
}

// breaching reports whether a period without samples counts as a breach. Otherwise
// it counts as none, which is near to what the other ways of treating it come to.
func (p *pattern) breaching() bool { return p.of.N > 0 && p.of.Missing == "breaching" }

// counted judges M out of N.
func (w *window) counted(k int, hit bool) bool {
	slot := &w.recent[k%len(w.recent)]
	if *slot {
		w.of--
	}
	if hit {
		w.of++
	}
	*slot = hit
	return hit && w.of >= w.pattern.of.M
}

// lasts judges a breach that has to last.
func (w *window) lasts(k int, n float64) bool {
	if w.begun < 0 {
		w.begun, w.hits, w.thick = k, 0, 0
	}
	w.hits++
	w.thick += n
	length := k - w.begun + 1
	return length >= w.need && w.hits >= 2 && float64(w.hits) >= w.coverage*float64(length)-1e-9 && (w.perValue || w.thick >= w.least)
}
