package judge

import (
	"sort"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// proof is what it takes a release to pass, and nothing in favour of it yet.
func (w *Watch) proof() proof {
	return proof{need: w.Lay.pass, Weak: w.weak}
}

// Weight is the prior probability that a fault begins with a period: half of it
// at the first, the rest spread evenly; where phases follow, part of it at their
// starts. The weights of all periods sum to at most one. Only periods with a
// value count, so that a missing one changes nothing.
func (w *Watch) Weight(z *Weighed, at int64) float64 {
	spread := float64(max(w.Looks, 2) - 1)
	first, rest, atStart := .5, .5, 0.
	if w.Later > 0 {
		first, rest, atStart = .4, .3, .3/float64(w.Later)
	}
	var omega float64
	switch n := z.Track.Looks; {
	case n == 0:
		omega = first
	case float64(n) <= spread:
		omega = rest / spread
	}
	for int(z.begun) < len(w.Starts) && w.Starts[z.begun] <= at {
		if z.begun < int32(w.Later) {
			omega += atStart
		}
		z.begun++
	}
	if z.given+omega > 1+1e-9 {
		omega = max(1-z.given, 0)
	}
	z.given += omega
	return omega
}

// take adds the periods that begin before upto to z, and gives those that were new.
func (w *Watch) take(z *Weighed, points, base []rules.Point, upto int64, f *Firm) []rules.Point {
	return w.each(&z.taken, points, base, upto, f, func(p, b rules.Point) { w.add(z, &p, &b) })
}

// each gives add the periods from where z ends that begin before upto, each with that of
// what runs beside it, and gives those that were new. What has not settled counts as f
// says; the first period that has to wait ends it.
func (w *Watch) each(z *taken, points, base []rules.Point, upto int64, f *Firm, add func(p, b rules.Point)) []rules.Point {
	upto = min(upto, w.to-w.w+1)
	lo, hi := series.Before(points, max(z.Until, w.from)), series.Before(points, upto)
	k := series.Before(base, max(z.Until, w.from))
	for i := lo; i < hi; i++ {
		p, counts := f.Take(&points[i])
		if !counts {
			hi = i
			break
		}
		z.filled += p.Samples - points[i].Samples
		z.points++
		z.newest = p.At + w.w
		if w.phase != nil && z.newest <= w.end {
			z.inside = z.newest
		}
		if p.Samples <= 0 {
			continue // nothing happened in it: it is known, and says nothing
		}
		if w.phase != nil && z.newest <= w.end {
			if z.lively > 0 {
				z.pause = max(z.pause, p.At-z.lively)
			}
			z.lively = z.newest
		}
		for k < len(base) && base[k].At < p.At {
			k++
		}
		var b rules.Point
		if k < len(base) && base[k].At == p.At {
			b = base[k]
		}
		add(p, b)
	}
	if hi > 0 && upto > points[hi-1].At+w.w {
		upto = points[hi-1].At + w.w // what has not come yet may still come
	}
	if hi <= lo {
		return nil
	}
	z.Until = max(z.Until, upto)
	return points[lo:hi]
}

func (w *Watch) add(z *Weighed, p, b *rules.Point) {
	if w.Lay.rule == nil {
		return
	}
	canary := evidence.Minute{N: p.Samples, Bad: p.Value}
	w.Lay.rule.Look(&z.Case, p.At, p.At+w.w, canary, evidence.Minute{N: b.Samples, Bad: b.Value}, w.Weight(z, p.At))
	if w.phase != nil && p.At+w.w <= w.end {
		z.own.Add(canary)
	}
}

// ripen adds the periods that begin in [z.ripe, upto) to what counts in favour.
func (w *Watch) ripen(z *Weighed, points []rules.Point, upto int64) {
	upto = min(upto, w.to-w.w+1)
	from := max(z.Ripe, w.from)
	for _, p := range points[series.Before(points, from):max(series.Before(points, upto), series.Before(points, from))] {
		z.favour.Add(evidence.Minute{N: p.Samples, Bad: p.Value})
	}
	z.Ripe = max(z.Ripe, upto)
}

// badToWarn is how many of the next n samples must be bad for the evidence that
// warns to reach its bound; 0 when not even all of them would do.
func (w *Watch) badToWarn(z *Weighed, n float64) float64 {
	then := *z
	omega := w.Weight(&then, z.newest)
	warns := func(bad int) bool {
		track := z.Track
		w.Lay.rule.Test.Look(&track, z.newest, evidence.Minute{N: n, Bad: float64(bad)}, omega)
		return w.Lay.rule.Test.Warn(&track) >= w.Lay.bound
	}
	bad := sort.Search(int(n)+1, warns)
	if bad > int(n) {
		return 0
	}
	return float64(bad)
}
