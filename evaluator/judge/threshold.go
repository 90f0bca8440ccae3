package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Threshold compares the periods of a signal with a threshold, or what the
// trailing Over says; a breach fires once it has lasted for For. A success rule
// compares what its whole window says.
type Threshold struct{}

func (Threshold) Needs(r *rules.Rule, sl *series.Layout) (judged, keep int64) {
	judged = series.Secs(r.For) + series.Secs(r.Over)
	return judged, (judged + series.Secs(r.KeepFiring)) / sl.Period
}

// Fold has nothing to do: the points of the signal are all that there is to know.
func (Threshold) Fold(*Scene, *Watch, *Memory) {}

func (Threshold) Stand(sc *Scene, w *Watch, _ *Memory, out *Standing) {
	if !sc.plainlyClear(w, &out.traced) {
		out.traced = sc.traced(w)
	}
	sc.standTraced(w, out, lookback(w.Rule))
}

// traced is what a rollback rule says at its look.
func (sc *Scene) traced(w *Watch) judged {
	s, _ := sc.series(w)
	from := w.Changed
	if w.Fresh {
		from = w.since
	}
	return trace(sc.Lay, w.Rule, s, sc.firm(w), w.since, from, sc.At)
}

func (Threshold) Against(sc *Scene, w *Watch, v *Standing) fact.Evidence {
	if v.traced.brief {
		v.traced = sc.traced(w)
	}
	return sc.tracedEvidence(w.Rule, &v.traced)
}

// plainlyClear reports whether a rule that wants a breach to last is clear by its newest
// periods as they came: what is filled up in those that have not settled can only make
// them look better. It fills in j then, which is empty, in brief: of the newest value no more than where
// it ends. Most looks end here.
func (sc *Scene) plainlyClear(w *Watch, j *judged) bool {
	r, sig := w.Rule, w.Sig
	if r.For == 0 || r.Over > 0 || r.KeepFiring > 0 || sig.Kind != rules.Ratio {
		return false
	}
	s, sl := sc.series(w)
	points, newest := sc.wholePoints(w), int64(0)
	for k := len(points) - 1; k >= 0 && points[k].At >= w.since; k-- {
		p := &points[k]
		if p.Samples <= 0 {
			continue
		}
		v := p.Value / p.Samples
		if sig.Good {
			v = 1 - v
		}
		if meets(r, sig, v) {
			return false
		}
		newest = max(newest, p.At+w.w)
		if sl.Settle == 0 || over(p.At, w.w, s.Settled) {
			break
		}
	}
	if newest == 0 {
		return false
	}
	j.newest.known, j.newest.newest, j.brief = true, newest, true
	j.spare = Spacing(sig.Kind, points, w.w) - w.w
	return true
}

func (Threshold) Found(sc *Scene, w *Watch, v *Finding) fact.Evidence {
	return sc.Evidence(w.Rule, v.Stretch)
}

// standTraced says where a rule stands by the periods that it has judged. Gap is for
// how long it puts up with having none.
func (sc *Scene) standTraced(w *Watch, out *Standing, gap int64) {
	j := &out.traced
	if j.Fired {
		out.Rung, out.Fires = evidence.Firing, rules.CauseThreshold
		return
	}
	s, sl := sc.series(w)
	if !j.newest.known && s.Newest(sl) > w.since {
		gap = max(gap, series.Secs(w.Rule.Over)) // its data comes; its first stretch may still fill up
	}
	silent := sc.Lay.silence(w.Rule.Signal, s, w.since, gap+j.spare, j.newest, sc.At)
	if gap < forever {
		silent = sc.gone(w, silent, j.newest.newest, math.MaxInt64, j.spare)
	}
	if silent.Cause == rules.CauseNone {
		silent.Cause = j.silent
	}
	out.State, out.Cause, out.Next, out.Since = j.Code(), silent.Cause, silent.Next, silent.Since
	out.Told = out.Cause
	if silent.Cause != rules.CauseNone {
		out.State = Silent
	}
	if out.State == Clear || out.State == Breaching {
		out.Told = rules.CauseThreshold
	}
	if j.open > sc.At {
		out.Next = min(out.Next, j.open)
	}
}

// trace judges a rollback rule. Without For, ends of periods that begin at or after
// from are examined for firing: what lies before was examined by earlier ticks. With
// For the breach must last until now: one that is over takes nothing back. A period that
// looks good and has not settled does not end it: the rule waits, until the breach has
// lasted for settle more, and those that looked good at first have not been so.
func trace(lay *Layout, r *rules.Rule, s *series.Series, firm *Firm, since, from, at int64) judged {
	sig, sl := &lay.Plan.Signals[r.Signal], &lay.Signals[r.Signal]
	t := tracer{rule: r, sig: sig, w: s.Bucket(sl), since: since, firm: firm}
	t.points = s.Whole(sl, r.For > 0, at)
	t.spacing = Spacing(sig.Kind, t.points, t.w)
	j := judged{spare: t.spacing - t.w}
	if n := len(t.points); n < len(s.Points) && sl.Level {
		j.open = s.Points[n].At + t.w
	}
	lo := series.Before(t.points, since)
	k := max(lo, series.Before(t.points, from))
	if r.For > 0 {
		k = len(t.points)
	}
	for k > lo {
		k--
		if sl.Settle > 0 && t.young(k) {
			continue
		}
		if v := t.at(k); v.known && !meets(r, sig, v.value) {
			j.newest, k = v, k+1 // a run begins after it
			break
		}
	}
	var buf [12]breach // most runs are short
	run, doubt := buf[:0], int64(0)
	for ; k < len(t.points); k++ {
		v := t.at(k)
		if !v.known {
			continue
		}
		bad := meets(r, sig, v.value)
		if !bad && sl.Settle > 0 && r.For > 0 && len(run) > 0 && t.young(k) {
			doubt = t.points[k].At
			continue
		}
		j.newest = v
		if !bad {
			run = run[:0]
			continue
		}
		run = t.grow(run, &t.points[k])
		if r.For == 0 && !j.Fired && t.points[k].At >= from {
			j.fire, j.Fired = v, true
		}
	}
	if len(run) > 0 {
		j.run = t.stretch(run, 0)
		if r.For > 0 {
			j.fire, j.Fired = t.fires(run, j.newest, doubt, sl.Settle)
		}
	} else {
		t.keptBreach(&j)
	}
	return j
}

// tracer walks the periods of one rollback rule.
type tracer struct {
	rule   *rules.Rule
	sig    *rules.Signal
	points []rules.Point
	w      int64
	since  int64
	firm   *Firm

	spacing int64 // of its values: a period, or more
}

// at is the judged value at the end of period k: of the period, or of the
// trailing Over.
func (t *tracer) at(k int) Stretch {
	p := &t.points[k]
	end := p.At + t.w
	if over := series.Secs(t.rule.Over); over > t.w {
		from := max(series.AlignUp(end, t.w)-over, t.since)
		s := aggregate(t.rule, t.sig, t.points[:k+1], from, series.AlignUp(end, t.w), t.w, t.firm)
		s.Expected = int((over + t.spacing - 1) / t.spacing) // all of it, also while the watch is younger
		s.known = s.known && s.real >= t.rule.MinSamples && s.Covered(t.rule.Coverage)
		return s
	}
	s := Stretch{From: p.At, To: end, Expected: 1, newest: end}
	a := Accumulator{Rule: t.rule, Kind: t.sig.Kind, Last: -1, firm: t.firm}
	if a.put(p, t.w) {
		a.n = 1
	}
	s.Points, s.samples, s.real = a.n, a.samples, a.real
	s.value, s.known = a.judge(t.sig)
	if t.rule.For == 0 || t.rule.Over > 0 {
		s.known = s.known && s.real >= t.rule.MinSamples
	}
	return s
}

func (t *tracer) grow(run []breach, p *rules.Point) []breach {
	taken, _ := t.firm.Take(p)
	b := breach{at: p.At, n: 1, samples: taken.Samples, real: p.Samples}
	if len(run) > 0 {
		last := run[len(run)-1]
		b.samples += last.samples
		b.real += last.real
		b.n += last.n
		if last.at/t.w == p.At/t.w {
			b.n--
		}
	}
	return append(run, b)
}

// young reports whether period k has not settled.
func (t *tracer) young(k int) bool {
	return t.firm != nil && !over(t.points[k].At, t.firm.width, t.firm.settled)
}

// fires reports whether the run that ends at the newest period is long, full
// and thick enough, counted from any of its periods. One with a period in it, at doubt,
// that looks good and has not settled must be longer by settle, seconds.
func (t *tracer) fires(run []breach, v Stretch, doubt, settle int64) (Stretch, bool) {
	for i := range run {
		s := t.stretch(run, i)
		lasted := s.To - s.From - series.Secs(t.rule.For)
		if lasted < 0 {
			break
		}
		if run[i].at < doubt && lasted < settle {
			continue
		}
		thick := t.rule.Over > 0 || s.real >= t.rule.MinSamples
		if s.Points >= 2 && thick && s.Covered(t.rule.Coverage) {
			return t.valued(s, v), true
		}
	}
	return Stretch{}, false
}

// stretch is the run from its i-th period on.
func (t *tracer) stretch(run []breach, i int) Stretch {
	last := run[len(run)-1]
	s := Stretch{From: run[i].at, To: last.at + t.w, Points: last.n, samples: last.samples, real: last.real, newest: last.at + t.w}
	if i > 0 {
		s.Points -= run[i-1].n
		s.samples -= run[i-1].samples
		s.real -= run[i-1].real
	}
	s.Expected = int((s.To-t.w-s.From)/t.spacing) + 1
	return s
}

// valued gives a stretch the value that people should see: that of the whole
// stretch, or the newest one when each is an aggregate of its own.
func (t *tracer) valued(s, v Stretch) Stretch {
	s.value, s.known = v.value, v.known
	if t.rule.Over > 0 {
		s.samples = v.samples
		return s
	}
	a := Accumulator{Rule: t.rule, Kind: t.sig.Kind, Last: -1, firm: t.firm}
	for i := series.Before(t.points, s.From); i < series.Before(t.points, s.To-t.w+1); i++ {
		a.Add(&t.points[i], t.w)
	}
	if all, ok := a.Value(t.sig); ok && series.Finite(all) {
		s.value = all
	}
	return s
}

// lookback is how long a gap in the data a rollback rule puts up with: the share
// of its stretch that its coverage does not demand.
func lookback(r *rules.Rule) int64 {
	return int64((1 - r.Coverage) * float64(series.Secs(r.For)+series.Secs(r.Over)))
}

// keptBreach fills in that a rule which is clear still counts as breaching: so
// little event time has gone by since its last breaching value.
func (t *tracer) keptBreach(j *judged) {
	keep := series.Secs(t.rule.KeepFiring)
	if keep == 0 || !j.newest.known || len(t.points) == 0 {
		return
	}
	end := t.points[len(t.points)-1].At + t.w
	for k := len(t.points) - 1; k >= 0; k-- {
		p := &t.points[k]
		if p.At < t.since || end-(p.At+t.w) >= keep {
			return
		}
		if v := t.at(k); v.known && meets(t.rule, t.sig, v.value) {
			j.state, j.last = Breaching, p.At+t.w
			return
		}
	}
}

func (Threshold) Prove(sc *Scene, w *Watch, _ *Memory) Finding {
	s, sl := sc.series(w)
	v := Finding{Rule: w.Rule}
	points := s.Whole(sl, true, min(sc.At, w.end))
	speaks, on := onBefore(w.Rule, w.Sig, points, w.start, w.w, 0)
	v.Stretch, v.Before = aggregate(w.Rule, w.Sig, points, w.judgedFrom(), w.end, w.w, nil), on
	if w.Sig.Kind == rules.Alarm && speaks > v.Stretch.From { // what it was before the phase says nothing of it, however far over reaches back
		v.Stretch = v.Stretch.since(w.Rule, w.Sig, points, speaks, w.w)
	}
	v.Against = !on && v.Stretch.known && v.Stretch.real >= w.Rule.MinSamples && !meets(w.Rule, w.Sig, v.Stretch.value)
	v.Empty = v.Stretch.Points == 0
	v.Silence = sc.Lay.silence(w.Rule.Signal, s, max(w.start, w.judgedFrom()), math.MaxInt32, v.Stretch, sc.At)
	if v.Silence.Cause == rules.CauseNone {
		spare := Spacing(w.Sig.Kind, points, w.w) - w.w
		if gap := gapAfter(w.Rule, s, w.w, max(v.Stretch.newest, v.Stretch.From)+spare, v.Stretch.To); gap.Cause != rules.CauseNone {
			gap.Since -= spare
			v.Silence = gap
		}
	}
	if v.Silence.Cause == rules.CauseNone && !v.Stretch.known {
		none := w.start + sc.Lay.allowance(w.Rule.Signal, w.w)
		if sc.At > none {
			v.Silence = silence{Cause: rules.CauseNoData, Next: math.MaxInt64}
		} else {
			v.Silence.Next = min(v.Silence.Next, none+1)
		}
	}
	if sc.At < w.end {
		v.Verdict, v.Cause = rules.Pending, rules.CauseWindow
	} else {
		v.Verdict, v.Cause = sc.windowVerdict(w.Rule, &v.Stretch, w.end)
		v.tooOld()
	}
	if on && v.Verdict == rules.Fail {
		v.Verdict, v.Cause = rules.Pending, rules.CauseThreshold
	}
	sc.companion(w, &v)
	return v
}

// tracedEvidence is what a rollback rule has judged: what fired, or where it stands.
func (sc *Scene) tracedEvidence(r *rules.Rule, j *judged) fact.Evidence {
	if j.Fired {
		ev := sc.Evidence(r, j.fire)
		ev.Datapoints = j.periods(r)
		return ev
	}
	ev := sc.Evidence(r, j.shown())
	ev.Before = j.before
	ev.Datapoints, ev.Last = j.periods(r), series.WhenOrZero(j.last)
	return ev
}
