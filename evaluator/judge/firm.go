package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Firm says how the periods of a signal that may still change count against a release.
// A rollback cannot be undone by the minute when the numbers that caused it are
// corrected. So a period that has not settled counts only as far as its total is
// plausible beside those that have: see docs/deciding.md, "What has not settled". It
// counts in favour of nothing: what passes is judged on settled data.
//
// A nil Firm lets every period count as it is.
type Firm struct {
	settled int64   // periods that end at or before it count as they are
	width   int64   // of a period, seconds
	counted bool    // a period has a total
	grows   bool    // the more samples, the better the release looks: the total may be filled up
	known   bool    // least is known; where it is not, a period waits until it has settled
	least   float64 // the least plausible total of a period
}

const (
	// settledFew is how many settled totals say what is plausible: the newest ones.
	settledFew = 10
	// settledEnough is how many there must be before they are taken at their word.
	settledEnough = 3
	// roughly is the part of an estimate that is still plausible where no total has
	// settled: traffic differs from hour to hour.
	roughly = .5
)

// firm is how a rollback rule's watch takes what has not settled.
func (sc *Scene) firm(w *Watch) *Firm {
	s, sl := sc.series(w)
	n := len(s.Points)
	if n == 0 || over(s.Points[n-1].At, w.w, s.Settled) || w.Sig.Kind == rules.Alarm && sl.Settle == 0 {
		return nil // a state is known when it is read
	}
	f := &w.firm // no look needs room of its own for it
	*f = Firm{settled: s.Settled, width: w.w, counted: !sl.Level, grows: grows(w.Rule, w.Sig)}
	if f.counted = f.counted && (f.grows || w.Sig.Kind != rules.Ratio); !f.counted {
		return f
	}
	f.least, f.known = LeastTotal(s.Points, max(sc.Lay.Start, w.Steady), s.Settled, w.w)
	if !f.known {
		f.least, f.known = sc.roughTotal(w)
	}
	return f
}

// grows reports whether more samples in a period can only make the release look
// better: the rule acts where the share of bad ones is high.
func grows(r *rules.Rule, sig *rules.Signal) bool {
	switch r.When.Op {
	case rules.Greater, rules.GreaterOrEqual:
		return sig.Kind == rules.Ratio && (!sig.Good || r.Method == rules.Sequential)
	case rules.Less, rules.LessOrEqual:
		return sig.Kind == rules.Ratio && (sig.Good || r.Method == rules.Sequential)
	}
	return sig.Kind == rules.Ratio && r.Method == rules.Sequential
}

// LeastTotal is the least total that a period which has not settled is plausible to
// come to, by the newest settled ones from a time on: their lower quartile, less two
// standard deviations of a Poisson count. It is not known before one has settled;
// before three have, half of the least is taken.
func LeastTotal(points []rules.Point, from, settled, width int64) (least float64, known bool) {
	var lowest [settledFew/4 + 1]float64 // ascending
	n, last := 0, series.Before(points, settled-width+1)
	for i := last - 1; i >= max(0, last-settledFew) && points[i].At >= from; i-- {
		v := points[i].Samples
		if v <= 0 {
			continue
		}
		k := min(n, len(lowest)-1)
		if n++; k < n-1 && v >= lowest[k] {
			continue
		}
		for ; k > 0 && lowest[k-1] > v; k-- {
			lowest[k] = lowest[k-1]
		}
		lowest[k] = v
	}
	if n == 0 {
		return 0, false
	}
	q := lowest[n/4]
	if n < settledEnough {
		q = lowest[0] * roughly
	}
	return math.Floor(max(q-2*math.Sqrt(q), 0)), true
}

// roughTotal is the least plausible total while none has settled: half of what the
// baseline's newest settled period, or the expected rate, lets expect at this share of
// the traffic.
func (sc *Scene) roughTotal(w *Watch) (least float64, known bool) {
	if b := w.Sig.Baseline; b > 0 && b < len(sc.Signals) && w.part > 0 && w.part < 1 {
		bs, bl := &sc.Signals[b], &sc.Lay.Signals[b]
		if beside, ok := LeastTotal(bs.Points, max(sc.Lay.Start, w.Steady), bs.Settled, bs.Bucket(bl)); ok {
			return math.Floor(beside * w.part / (1 - w.part) * roughly), true
		}
	}
	if w.Sig.Rate > 0 && w.part > 0 {
		return math.Floor(w.Sig.Rate * w.part * float64(w.w) * roughly), true
	}
	return 0, false
}

// over reports whether the period around a time is over at another. A level may be read in
// the middle of one; mostly no division is needed to tell.
func over(at, width, then int64) bool {
	return at < then && (at+width <= then || series.AlignDown(at, width)+width <= then)
}

// Take gives a period as it counts against the release, and whether it counts yet.
func (f *Firm) Take(p *rules.Point) (rules.Point, bool) {
	switch {
	case f == nil || over(p.At, f.width, f.settled):
		return *p, true
	case !f.counted || !f.known:
		return *p, false
	case f.grows:
		q := *p
		if q.Samples > 0 {
			q.Samples = max(q.Samples, f.least)
		}
		return q, true
	}
	return *p, p.Samples >= f.least && p.Samples > 0
}
