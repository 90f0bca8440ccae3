package judge

import "github.com/relgate/relgate/evaluator/series"

// Gauge compares a level: each point is one, whole as soon as it is known. A
// breach that has to last counts the newest period once it is over.
type Gauge struct{ Threshold }

func (Gauge) Fold(sc *Scene, w *Watch, m *Memory) { sc.heed(w, m) }

func (Gauge) Stand(sc *Scene, w *Watch, m *Memory, out *Standing) {
	s, sl := sc.series(w)
	from := w.Changed
	switch {
	case w.Fresh:
		from = w.since
	case w.Rule.For > 0:
		from = w.reexamined(sl)
	}
	since, on := onBefore(w.Rule, w.Sig, s.Whole(sl, false, 0), w.since, w.w, m.Speaks)
	if on {
		out.traced = sc.standOn(w)
	} else {
		out.traced = trace(sc.Lay, w.Rule, s, sc.firm(w), since, from, sc.At)
	}
	sc.standTraced(w, out, lookback(w.Rule))
}

// reexamined is the first period that is to be examined for firing: the first that has
// changed, and of a level also those that have ended since the tick before, without
// any news.
func (w *Watch) reexamined(sl *series.Layout) int64 {
	switch {
	case w.Fresh:
		return w.since
	case sl.Level:
		return min(w.Changed, w.Prev-w.w+1)
	}
	return w.Changed
}
