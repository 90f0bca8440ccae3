package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// watchOf fills in what a rule watches from a time on.
func (sc *Scene) watchOf(w *Watch, i int, since int64) {
	r := &sc.Lay.Plan.Rules[i]
	bw := sc.Signals[r.Signal].Bucket(&sc.Lay.Signals[r.Signal])
	w.Rule, w.Sig, w.Lay, w.w = r, &sc.Lay.Plan.Signals[r.Signal], sc.Lay.Rules[i].Weigh, bw
	w.from, w.Changed, w.Alarm = series.AlignUp(since, bw), math.MaxInt64, math.MaxInt64
	if w.Lay == nil {
		return
	}
	w.Past = sc.PastOf(r.Signal)
	if b := w.Sig.Baseline; b > 0 && b < len(sc.Signals) {
		w.deaf = sc.Signals[b].Fails > 0
	}
}

// RollbackWatch is what a rollback rule watches: from the start of the first
// phase that names it to the end of the run. Starts are when the later phases
// that name it have begun, ascending. It is put into w, which is large.
func (sc *Scene) RollbackWatch(w *Watch, i int, since int64, starts []int64, part float64) {
	*w = Watch{}
	sc.watchOf(w, i, since)
	w.since, w.part = since, part
	if w.Lay != nil {
		w.to, w.Looks = math.MaxInt64/2, w.Lay.horizon/w.w
		w.Later = max(len(sc.Lay.Phases(i))-1, 0)
		w.Starts = starts
	}
}

// SuccessWatch is what the i-th success rule of a phase watches: its window, and as
// long as the phase waits for it.
func (sc *Scene) SuccessWatch(k, i int, started int64) (w Watch) {
	p := &sc.Lay.Plan.Phases[k]
	sc.watchOf(&w, p.Success[i], started)
	w.phase, w.weak, w.part = p, sc.Lay.Plan.WeakProof(w.Rule, k), p.Traffic
	w.Steady = started
	w.start, w.end = started, started+series.Secs(p.Window)
	w.to = w.end + series.Secs(p.Extend)
	w.Looks = (series.Secs(p.Window) + series.Secs(p.Extend)) / w.w
	return w
}

// judgedFrom is the start of the stretch of event time that a success rule judges.
func (w *Watch) judgedFrom() int64 {
	if over := series.Secs(w.Rule.Over); over > 0 {
		return w.end - over
	}
	return w.start
}

// series is what is known of what a rule watches.
func (sc *Scene) series(w *Watch) (*series.Series, *series.Layout) {
	return &sc.Signals[w.Rule.Signal], &sc.Lay.Signals[w.Rule.Signal]
}

func (sc *Scene) wholePoints(w *Watch) []rules.Point {
	return sc.Signals[w.Rule.Signal].Whole(nil, false, 0)
}

// basePoints are the points of what runs beside the release.
func (sc *Scene) basePoints(w *Watch) []rules.Point {
	b := w.Sig.Baseline
	if b <= 0 || b >= len(sc.Signals) {
		return nil
	}
	return sc.Signals[b].Whole(nil, false, 0)
}

// value is the weighed value in the signal's own terms.
func (v *Weighing) value(sig *rules.Signal) (float64, bool) {
	switch {
	case v.gap != nil:
		return v.gap.Gap, true
	case v.N <= 0:
		return 0, false
	case sig.Kind == rules.Ratio && sig.Good:
		return 1 - v.Bad/v.N, true
	}
	return v.Bad / v.N, true
}

// stretch is what a weighing judged, in the form that all evidence has.
func (w *Watch) stretch(v *Weighing) Stretch {
	s := Stretch{From: w.from, To: v.to, Points: v.points, samples: v.N, real: v.N - v.filled, newest: v.to}
	s.Expected = max(int((v.to-w.from)/w.w), v.points)
	if v.from > w.from {
		s.From = v.from
		s.Expected = int((v.to - v.from) / w.w)
		s.Points = min(s.Points, s.Expected)
	}
	s.value, s.known = v.value(w.Sig)
	s.known = s.known && series.Finite(s.value)
	return s
}

// PastOf is what a rule on a signal is compared with: nil where earlier releases were
// not looked for, and where something better runs beside this one.
func (sc *Scene) PastOf(signal int) *Pooled {
	sig := &sc.Lay.Plan.Signals[signal]
	if sc.Past == nil || !sc.Past[signal].known || sig.Kind != rules.Ratio || sig.Baseline > 0 {
		return nil
	}
	return &sc.Past[signal]
}
