package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/series"
)

// ahead is what it takes counts. What has come and is too young comes to
// count without a sample more.
func (Counts) ahead(sc *Scene, w *Watch, v *Finding) {
	f, a := v.Proof, v.Proof.Ahead
	a.Lag = max(series.Secs(w.Sig.Maturity), sc.Lay.Signals[w.Rule.Signal].Settle)
	ripe := *v.soft
	w.ripen(&ripe, sc.wholePoints(w), ripe.Until)
	seen := w.proofOf(&ripe)
	a.Excludes = seen.toExclude(w.Lay.spared, f.spared, seen.spared)
	a.Proves = seen.toExclude(w.Lay.keeps, f.keeps, seen.keeps)
	if a.Excludes.Young {
		a.Excludes.Ripe = sc.ripeAt(w, v.soft, a.Lag, func(f *proof) bool { return f.spared >= f.need })
	}
	if a.Proves.Young {
		a.Proves.Ripe = sc.ripeAt(w, v.soft, a.Lag, func(f *proof) bool { return f.keeps >= f.need })
	}
	side, pass := w.Lay.keeps, a.Proves
	if f.Weak {
		side, pass = w.Lay.spared, a.Excludes
	}
	// Clusters may turn out smaller than they look now, and traffic varies.
	least, ok := side.NeedClean(seen.bad, seen.n, math.Exp(-f.need), max(w.Sig.Cluster, 1))
	left := a.most * float64(max(w.to-series.Secs(w.Sig.Maturity)-v.Stretch.newest, 0))
	left += 3 * math.Sqrt(left)
	a.futile = !ok || max(least, a.meets) > left || f.refuted && sc.At >= w.end
	a.late = !a.futile && sc.At < w.to && pass.Young && pass.Ripe > w.to
	if !pass.Never {
		a.more = max(pass.More, a.meets)
	}
}

// proofOf is what counts prove in favour of a release.
func (w *Watch) proofOf(z *Weighed) proof {
	f := w.proof()
	Counts{}.prove(w, z, &f)
	return f
}

// toExclude is what it takes to exclude a rate, for which there is so much
// evidence now, and so much when all that was seen counts.
func (f *proof) toExclude(side *evidence.Ladder, now, then float64) want {
	switch {
	case now >= f.need:
		return want{}
	case then >= f.need:
		return want{Young: true}
	}
	more, ok := side.NeedClean(f.bad, f.n, math.Exp(-f.need), f.phi)
	return want{More: max(more, 1), Never: !ok}
}

// ripeAt is when what was seen comes to count enough.
func (sc *Scene) ripeAt(w *Watch, z *Weighed, lag int64, enough func(*proof) bool) int64 {
	points, then := sc.wholePoints(w), *z
	for _, p := range points[series.Before(points, max(z.Ripe, w.from)):] {
		w.ripen(&then, points, p.At+1)
		f := w.proofOf(&then)
		if t := p.At + w.w + lag; enough(&f) && t > sc.At {
			return t
		}
	}
	return 0
}
