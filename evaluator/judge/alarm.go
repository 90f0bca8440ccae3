package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// onBefore says from when on an alarm speaks of the release. One that was on when the
// watch began says nothing of it until it has been OK once: then from is when that was,
// and on reports that it has not been so yet. It was on where its newest state before the
// watch says so, or the first of the watch where nothing is known from before. Known is
// what was found before, as Memory.Speaks has it.
func onBefore(r *rules.Rule, sig *rules.Signal, points []rules.Point, since, width, known int64) (from int64, on bool) {
	switch {
	case sig.Kind != rules.Alarm:
		return since, false
	case known != 0 && known != mute:
		return known, false
	}
	bad := func(p *rules.Point) bool { return meets(r, sig, p.Value) == (r.Kind == rules.RollbackRule) }
	k := series.Before(points, since)
	switch {
	case known == mute:
	case k == len(points) || !bad(&points[k]):
		return since, false
	case k > 0 && !bad(&points[k-1]), k == 0 && points[k].At >= since+width:
		return since, false
	}
	for ; k < len(points); k++ {
		if !bad(&points[k]) {
			return points[k].At, false
		}
	}
	return since, true
}

// since is a stretch with the value that it has from a time on. All of it must be known
// all the same: an alarm may have been OK, and gone off again, while it was silent.
func (s Stretch) since(r *rules.Rule, sig *rules.Signal, points []rules.Point, from, width int64) Stretch {
	late := aggregate(r, sig, points, max(from, s.From), s.To, width, nil)
	late.Points, late.Expected = s.Points, s.Expected
	return late
}

// mute stands for the time at which an alarm that was on when the watch began will have
// been OK once.
const mute = math.MaxInt64

// heed remembers since when an alarm speaks of the release: the points that say so will
// be forgotten.
func (sc *Scene) heed(w *Watch, m *Memory) {
	if w.Sig.Kind != rules.Alarm || w.Idle || m.Speaks != 0 && m.Speaks != mute {
		return
	}
	s, sl := sc.series(w)
	points := s.Whole(sl, false, 0)
	if sl.Settle > 0 {
		points = points[:series.Before(points, s.Settled-w.w+1)]
	}
	if series.Before(points, w.since) == len(points) {
		return // nothing came since
	}
	from, on := onBefore(w.Rule, w.Sig, points, w.since, w.w, m.Speaks)
	if m.Speaks = from; on {
		m.Speaks = mute
	}
}

// standOn is where a rollback rule stands whose alarm was on before its watch began, and
// still is.
func (sc *Scene) standOn(w *Watch) judged {
	s, sl := sc.series(w)
	points := s.Whole(sl, false, 0)
	p := &points[len(points)-1]
	return judged{state: Breaching, before: true, newest: Stretch{
		From: p.At, To: p.At + w.w, Points: 1, Expected: 1, samples: p.Samples, real: p.Samples, value: p.Value, known: true, newest: p.At + w.w,
	}}
}

// wentOff reports whether an alarm was on in a period that lies wholly in a stretch. The
// stretch is a whole window, and it is looked through at each look.
func wentOff(points []rules.Point, from, to, width int64) bool {
	lo, hi := series.Before(points, series.AlignUp(from, width)), series.Before(points, series.AlignDown(to, width)-width+1)
	for i := lo; i < hi; i++ {
		if points[i].Value >= 1 {
			return true
		}
	}
	return false
}

// companion judges the alarm that a success rule names: it must be known OK all through
// the window. One that goes off fails the rule, at once, also after the window, while the
// rule has not decided. One that was on before the phase began must
// have been OK once, and since then. A policy that ignores a signal without data ignores no
// alarm: nothing else is known of the release then.
func (sc *Scene) companion(w *Watch, v *Finding) {
	r := w.Rule
	if r.Alarm < 0 || r.Alarm >= len(sc.Signals) || v.Verdict == rules.Fail {
		return
	}
	watch := *r
	watch.Signal, watch.Alarm, watch.MinSamples = r.Alarm, -1, 0
	watch.When = rules.Condition{Op: rules.Less, Threshold: 1}
	s, sl, sig := &sc.Signals[r.Alarm], &sc.Lay.Signals[r.Alarm], &sc.Lay.Plan.Signals[r.Alarm]
	width := s.Bucket(sl)
	points := s.Whole(sl, false, 0)
	if sl.Settle > 0 { // what may still change fails nothing
		points = points[:series.Before(points, s.Settled-width+1)]
	}
	from, on := onBefore(&watch, sig, points, w.start, width, 0)
	switch {
	case on:
		v.Before, v.alarm = true, true
		if v.Verdict == rules.Pass {
			v.Verdict, v.Cause = rules.Pending, rules.CauseThreshold
		}
		return
	case wentOff(points, from, w.to, width):
		v.Verdict, v.Cause, v.alarm = rules.Fail, rules.CauseThreshold, true
		return
	case sc.At < w.end || v.Verdict != rules.Pass && !v.Ignored(v.Cause):
		return
	}
	whole := s.Whole(sl, true, w.end)
	a := aggregate(&watch, sig, whole, w.start, w.end, width, nil)
	if from > w.start {
		a = a.since(&watch, sig, whole, from, width)
	}
	if verdict, cause := sc.windowVerdict(&watch, &a, w.end); verdict != rules.Pass {
		v.Verdict, v.Cause, v.alarm = verdict, cause, true
	}
}
