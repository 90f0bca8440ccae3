package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/datapoints"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Datapoints counts the periods that breach: M of the newest N, with missing
// ones as the plan says. It is for rollback rules.
type Datapoints struct{ Threshold }

func (Datapoints) Needs(r *rules.Rule, sl *series.Layout) (judged, keep int64) {
	spec := datapoints.Spec{M: r.Datapoints.M, N: r.Datapoints.N}
	judged = int64(spec.Range()) * sl.Period
	// The oldest range that is evaluated again ends where the newest one begins.
	keep = (2*judged + series.Secs(r.KeepFiring)) / sl.Period
	if sl.Level && int64(sl.Every) < sl.Period { // several are read in a period
		keep *= sl.Period/int64(sl.Every) + 1
	}
	return judged, keep
}

func (Datapoints) Fold(sc *Scene, w *Watch, m *Memory) { sc.heed(w, m) }

func (Datapoints) Stand(sc *Scene, w *Watch, m *Memory, out *Standing) {
	s, sl := sc.series(w)
	since, on := onBefore(w.Rule, w.Sig, s.Whole(sl, false, 0), w.since, w.w, m.Speaks)
	if on {
		out.traced = sc.standOn(w)
	} else {
		out.traced = TraceDatapoints(sc.Lay, w.Rule, s, sc.firm(w), since, w.reexamined(sl), sc.At)
	}
	sc.standTraced(w, out, forever)
}

// periods is a signal's event time as a rule with datapoints sees it: cut into
// periods on the clock's grid, each with a point that breaches, one that does
// not, or none.
type periods struct {
	rule *rules.Rule
	sig  *rules.Signal
	spec datapoints.Spec
	mode datapoints.Mode
	firm *Firm

	points  []rules.Point // of the periods in [first, end)
	w       int64         // a period
	first   int64         // start of the first one that counts
	sure    int64         // from this one on, no range reaches what may have been forgotten
	end     int64         // of the newest that is known: it has a point, or is known to have none
	settled int64         // up to here a period without a point is known to have none
	open    int64         // end of a period that is not over and has a point already; zero when there is none
}

func periodsOf(lay *Layout, r *rules.Rule, s *series.Series, firm *Firm, since, at int64) periods {
	sl := &lay.Signals[r.Signal]
	q := periods{
		rule: r, sig: &lay.Plan.Signals[r.Signal], w: s.Bucket(sl), firm: firm,
		spec: datapoints.Spec{M: r.Datapoints.M, N: r.Datapoints.N},
	}
	if q.mode.UnmarshalText([]byte(r.Datapoints.Missing)) != nil {
		q.mode = datapoints.Missing // the default, also for a mode this version does not know
	}
	q.first = series.AlignUp(since, q.w)
	if sl.Level {
		q.first = series.AlignDown(since, q.w)
	}
	if s.From > q.first { // what lies before was never answered: what is missing there is not known
		q.first = series.AlignUp(s.From, q.w)
	}
	q.sure = q.first
	// What was forgotten is not missing. It may be that nothing was, and a value was
	// removed by its source after it had settled: then the oldest ranges are not looked at again.
	if n := len(s.Points); n > 0 && (s.Gone > 0 || n >= int(sl.Keep)) && s.Points[0].At > q.first {
		q.first = series.AlignUp(s.Points[0].At, q.w)
		q.sure = q.first + int64(q.spec.Range()-1)*q.w
	}
	over := series.AlignDown(at, q.w)
	p := s.Whole(sl, false, at)
	p = p[series.Before(p, max(since, q.first)):]
	if n := series.Before(p, over); n < len(p) {
		q.open, p = series.AlignDown(p[n].At, q.w)+q.w, p[:n]
	}
	for n := len(p); n > 0; n-- { // what does not count yet is not there yet
		a := Accumulator{Rule: r, Kind: q.sig.Kind, Last: -1, firm: firm}
		a.Add(&p[n-1], q.w)
		if _, known := a.judge(q.sig); known || !a.open {
			break
		}
		p = p[:n-1]
	}
	q.points = p
	q.settled = series.AlignDown(min(s.Settled, at), q.w)
	last := q.first // end of the newest point
	if n := len(p); n > 0 {
		last = series.AlignDown(p[n-1].At, q.w) + q.w
	}
	// A later range would have no point either and give the same result.
	far := last + int64(q.spec.Range())*q.w
	q.end = max(q.first, last, min(q.settled, far))
	return q
}

// slots gives the periods from one to another. Those without a point that may
// still get one are holes.
func (q *periods) slots(from, to int64, hole datapoints.Slot) (slots []datapoints.Slot, holes bool) {
	slots = make([]datapoints.Slot, max(0, (to-from)/q.w))
	i := series.Before(q.points, from)
	for k := range slots {
		start := from + int64(k)*q.w
		a := Accumulator{Rule: q.rule, Kind: q.sig.Kind, Last: -1, firm: q.firm}
		for ; i < len(q.points) && q.points[i].At < start+q.w; i++ {
			a.Add(&q.points[i], q.w)
		}
		switch v, known := q.judge(&a); {
		case known && meets(q.rule, q.sig, v):
			slots[k] = datapoints.Breach
		case known:
			slots[k] = datapoints.Good
		case start+q.w > q.settled:
			slots[k], holes = hole, true
		}
	}
	return slots, holes
}

// judge gives the value of a period, if it is one that can be judged.
func (q *periods) judge(a *Accumulator) (v float64, known bool) {
	v, known = a.judge(q.sig)
	return v, known && a.real >= q.rule.MinSamples
}

// evaluation is what the rule says at the end of one period after the other.
type evaluation struct {
	spec   datapoints.Spec
	mode   datapoints.Mode
	slots  []datapoints.Slot
	strict []datapoints.Slot // with every hole as a good point; nil when there is none
}

func (q *periods) evaluation(from, to int64) evaluation {
	e := evaluation{spec: q.spec, mode: q.mode}
	holes := false
	if e.slots, holes = q.slots(from, to, datapoints.Absent); holes {
		e.strict, _ = q.slots(from, to, datapoints.Good)
	}
	return e
}

// at evaluates the range that ends with slot k. An alarm may rest on gaps only
// if they are known to be gaps: a period that is late is not one yet.
func (e *evaluation) at(k int, previous datapoints.State) datapoints.Result {
	from := max(0, k+1-e.spec.Range())
	r := datapoints.Evaluate(e.slots[from:k+1], e.spec, e.mode, previous)
	if e.strict != nil && r.State == datapoints.Alarm && r.Breaching < e.spec.M {
		return datapoints.Evaluate(e.strict[from:k+1], e.spec, e.mode, previous)
	}
	return r
}

// before gives the state at the end of a period, worked out from as far back as it
// was kept on and on: INSUFFICIENT_DATA before anything.
func (q *periods) before(end int64) datapoints.State {
	back := int64(q.spec.Range()) * q.w
	for end > q.first {
		e := q.evaluation(max(q.first, end-back), end)
		r := e.at(len(e.slots)-1, datapoints.InsufficientData)
		if !r.Retained {
			return r.State
		}
		if r.Real > 0 {
			end -= q.w
			continue
		}
		i := series.Before(q.points, end-back)
		if i == 0 {
			break
		}
		end = series.AlignDown(q.points[i-1].At, q.w) + back // where it was last in the range
	}
	return datapoints.InsufficientData
}

// TraceDatapoints is trace for a rule with datapoints. It fires at the end of the
// first period from which on something changed that is an ALARM. As CloudWatch
// does, it evaluates at every period, with real points from further back in place
// of missing ones; unlike it, it counts nothing that was before the watch began.
func TraceDatapoints(lay *Layout, r *rules.Rule, s *series.Series, firm *Firm, since, from, at int64) judged {
	q := periodsOf(lay, r, s, firm, since, at)
	j := judged{open: q.open}
	if q.end <= q.first {
		return j
	}
	begin := q.end - q.w // of the first period that is examined
	if from < begin {
		begin = min(begin, max(q.sure, series.AlignDown(from, q.w)))
	}
	lo := max(q.first, begin-int64(q.spec.Range()-1)*q.w)
	e := q.evaluation(lo, q.end)
	k := int((begin - lo) / q.w)
	var was datapoints.State
	if q.mode == datapoints.Ignore {
		was = q.before(begin)
	}
	for ; k < len(e.slots); k++ {
		j.alarm = e.at(k, was)
		was = j.alarm.State
		start := lo + int64(k)*q.w
		if was == datapoints.Alarm && start >= series.AlignDown(from, q.w) {
			j.Fired, j.fire = true, q.stretch(start+q.w, &j.alarm)
			return j
		}
	}
	j.newest = q.stretch(q.end, &j.alarm)
	j.count(&q, &e)
	return j
}

// count says where a rule with datapoints stands that does not fire.
func (j *judged) count(q *periods, e *evaluation) {
	switch {
	case j.alarm.State == datapoints.InsufficientData:
		j.newest.known = false
		if q.end-q.first >= int64(q.spec.N)*q.w {
			j.silent = rules.CauseNoData
		}
	case q.mode == datapoints.Ignore && j.alarm.Real == 0: // the state is kept; what is so now is not known
		j.newest.known, j.silent = false, rules.CauseNoData
	case e.breaching(&j.alarm):
		j.state = Breaching
	case q.lately() != 0:
		j.state, j.last = Breaching, q.lately()
	default:
		j.state = Clear
	}
}

// breaching reports whether the newest period that counts is a breach, so that it
// may come to an alarm.
func (e *evaluation) breaching(r *datapoints.Result) bool {
	for k := len(e.slots) - 1; k >= max(0, len(e.slots)-e.spec.Range()); k-- {
		switch e.slots[k] {
		case datapoints.Breach:
			return true
		case datapoints.Good:
			return false
		}
		if r.Filled > 0 && (e.mode == datapoints.Breaching || e.mode == datapoints.NotBreaching) {
			return e.mode == datapoints.Breaching
		}
	}
	return false
}

// lately gives the end of the last period that breached and still counts as a
// breach, zero when there is none.
func (q *periods) lately() int64 {
	keep := series.Secs(q.rule.KeepFiring)
	if keep == 0 {
		return 0
	}
	from := max(q.first, series.AlignDown(q.end-keep, q.w))
	slots, _ := q.slots(from, q.end, datapoints.Absent)
	for k := len(slots) - 1; k >= 0; k-- {
		if end := from + int64(k+1)*q.w; slots[k] == datapoints.Breach && q.end-end < keep {
			return end
		}
	}
	return 0
}

// stretch is what a range that ends at a time rests on: its newest N periods, with
// the newest value.
func (q *periods) stretch(end int64, r *datapoints.Result) Stretch {
	s := Stretch{From: max(q.first, end-int64(q.spec.N)*q.w), To: end, Points: r.Real, Expected: q.spec.N}
	oldest := max(q.first, end-int64(q.spec.Range())*q.w)
	for real := 0; end > oldest && real < r.Real; end -= q.w {
		a := Accumulator{Rule: q.rule, Kind: q.sig.Kind, Last: -1, firm: q.firm}
		for i := series.Before(q.points, end-q.w); i < len(q.points) && q.points[i].At < end; i++ {
			a.Add(&q.points[i], q.w)
		}
		v, known := q.judge(&a)
		if !known {
			continue
		}
		real++
		s.samples += a.samples
		s.From = min(s.From, end-q.w)
		if !s.known {
			s.value, s.known, s.newest = v, true, end
		}
	}
	return s
}

// GapsSpeak reports whether a rule's plan says what a missing period is: then
// the rule has seen its window as soon as it is known what is missing in it.
func GapsSpeak(r *rules.Rule) bool {
	missing := r.Datapoints.Missing
	return r.Datapoints.M > 0 && (missing == rules.MissingIsBreaching || missing == rules.MissingIsNotBreaching)
}

// forever is a gap that every rule puts up with.
const forever = math.MaxInt32
