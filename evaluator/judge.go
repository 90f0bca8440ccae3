package evaluator

import (
	"math"

	"github.com/relgate/relgate/evaluator/datapoints"
	"github.com/relgate/relgate/rules"
)

// stretch is what a stretch of event time says of a signal.
type stretch struct {
	from, to int64
	points   int // periods with a value
	expected int
	samples  float64
	value    float64
	known    bool // value is one
	newest   int64
}

func (s *stretch) covered(share float64) bool {
	return float64(s.points) >= share*float64(s.expected)-1e-9
}

// aggregate gives the value of the periods that lie wholly in a stretch.
// Points must be whole.
func aggregate(r *rules.Rule, sig *rules.Signal, points []rules.Point, from, to, w int64) stretch {
	s := stretch{from: alignUp(from, w), to: alignDown(to, w)}
	s.expected = int(max(0, (s.to-s.from)/w))
	lo, hi := before(points, s.from), before(points, s.to-w+1)
	if lo >= hi {
		return s
	}
	a := accumulator{rule: r, kind: sig.Kind, last: -1}
	for i := lo; i < hi; i++ {
		a.add(&points[i], w)
	}
	s.points, s.samples, s.newest = a.n, a.samples, a.newest
	s.value, s.known = a.value(sig)
	s.known = s.known && s.points > 0 && finite(s.value)
	return s
}

// accumulator puts points together as their kind allows.
type accumulator struct {
	rule    *rules.Rule
	kind    rules.Kind
	n       int
	last    int64 // ordinal of the newest period counted
	newest  int64
	sum     float64
	samples float64
	level   float64
	hits    int // periods that satisfy the condition
	all     int
}

func (a *accumulator) add(p *rules.Point, w int64) {
	if !hasValue(a.kind, p) {
		return
	}
	if p.At/w != a.last {
		a.n++
		a.last = p.At / w
	}
	a.newest = p.At + w
	a.samples += p.Samples
	switch a.kind {
	case rules.Ratio, rules.Mean:
		a.sum += p.Value
	case rules.Gauge:
		a.level = p.Value
	case rules.Alarm:
		a.level = max(a.level, p.Value)
	default:
		if a.all == 0 || worse(a.rule, p.Value, a.level) {
			a.level = p.Value
		}
		if a.rule.When.Holds(p.Value) {
			a.hits++
		}
		a.all++
	}
}

func (a *accumulator) value(sig *rules.Signal) (v float64, known bool) {
	switch {
	case a.n == 0:
		return 0, false
	case a.kind == rules.Ratio && sig.Good:
		return 1 - a.sum/a.samples, a.samples > 0
	case a.kind == rules.Ratio, a.kind == rules.Mean:
		return a.sum / a.samples, a.samples > 0
	case a.kind == rules.Percentile && a.rule.Aggregate == rules.Share:
		return float64(a.hits) / float64(a.all), true
	}
	return a.level, true
}

// hasValue reports whether a period has a value. A share, an average or a quantile
// needs samples.
func hasValue(k rules.Kind, p *rules.Point) bool {
	return k == rules.Gauge || k == rules.Alarm || p.Samples > 0
}

// worse reports whether v is worse than w in the eyes of a rule: nearer to
// breaking a success rule, nearer to triggering a rollback rule.
func worse(r *rules.Rule, v, w float64) bool {
	bad := r.When.Op
	if r.Kind == rules.Success {
		switch bad {
		case rules.Less, rules.LessOrEqual:
			bad = rules.Greater
		case rules.Greater, rules.GreaterOrEqual:
			bad = rules.Less
		case rules.Equal:
			bad = rules.NotEqual
		case rules.NotEqual:
			bad = rules.Equal
		}
	}
	switch bad {
	case rules.Less, rules.LessOrEqual:
		return v < w
	case rules.Equal:
		return math.Abs(v-r.When.Threshold) < math.Abs(w-r.When.Threshold)
	case rules.NotEqual:
		return math.Abs(v-r.When.Threshold) > math.Abs(w-r.When.Threshold)
	}
	return v > w
}

// meets reports whether a value satisfies what the rule's condition says: for a
// success rule that it is good, for a rollback rule that it is bad.
func meets(r *rules.Rule, sig *rules.Signal, v float64) bool {
	if sig.Kind == rules.Percentile && r.Aggregate == rules.Share {
		if r.Kind == rules.RollbackRule && v <= 0 {
			return false
		}
		return finite(v) && v >= r.MinShare
	}
	return r.When.Holds(v)
}

// judged is what a rollback rule says at the newest period.
type judged struct {
	fired  bool
	fire   stretch // what fired
	newest stretch // the newest value
	run    stretch // the unbroken breach up to it; no points when there is none
	open   int64   // end of the period that is not over yet, for a level with For; zero when there is none

	state  ruleCode          // where it stands, codeIdle when newest and run say so
	last   int64             // end of its last breaching period, which still counts; zero when it is not that
	alarm  datapoints.Result // of a rule with datapoints
	silent rules.Cause       // why it cannot be judged although its signal is there
}

// breach is one breaching period of a run, with the sums up to it.
type breach struct {
	at      int64
	n       int
	samples float64
}

// trace judges a rollback rule. Ends of periods that begin at or after from are
// examined for firing: what lies before was examined by earlier ticks.
func trace(lay *layout, r *rules.Rule, s *series, since, from, at int64) judged {
	if r.Datapoints.M > 0 {
		return traceDatapoints(lay, r, s, since, from, at)
	}
	sig, sl := &lay.plan.Signals[r.Signal], &lay.signals[r.Signal]
	t := tracer{rule: r, sig: sig, w: s.bucket(sl), since: since}
	t.points = s.whole(sl, r.For > 0, at)
	var j judged
	if n := len(t.points); n < len(s.points) && sl.level {
		j.open = s.points[n].At + t.w
	}
	lo := before(t.points, since)
	k := max(lo, before(t.points, from))
	for k > lo {
		k--
		if v := t.at(k); v.known && !meets(r, sig, v.value) {
			break
		}
	}
	var buf [12]breach // most runs are short
	run := buf[:0]
	for ; k < len(t.points); k++ {
		v := t.at(k)
		if !v.known {
			continue
		}
		j.newest = v
		if !meets(r, sig, v.value) {
			run = run[:0]
			continue
		}
		run = t.grow(run, &t.points[k])
		if !j.fired && t.points[k].At >= from {
			j.fire, j.fired = t.fires(run, v)
		}
	}
	if len(run) > 0 {
		j.run = t.stretch(run, 0)
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
}

// at is the judged value at the end of period k: of the period, or of the
// trailing Over.
func (t *tracer) at(k int) stretch {
	p := &t.points[k]
	end := p.At + t.w
	if over := secs(t.rule.Over); over > t.w {
		from := max(alignUp(end, t.w)-over, t.since)
		s := aggregate(t.rule, t.sig, t.points[:k+1], from, alignUp(end, t.w), t.w)
		s.known = s.known && s.samples >= t.rule.MinSamples && s.covered(t.rule.Coverage)
		return s
	}
	s := stretch{from: p.At, to: end, expected: 1, newest: end}
	a := accumulator{rule: t.rule, kind: t.sig.Kind, last: -1}
	a.add(p, t.w)
	s.points, s.samples = a.n, a.samples
	s.value, s.known = a.value(t.sig)
	s.known = s.known && finite(s.value)
	if t.rule.For == 0 || t.rule.Over > 0 {
		s.known = s.known && s.samples >= t.rule.MinSamples
	}
	return s
}

func (t *tracer) grow(run []breach, p *rules.Point) []breach {
	b := breach{at: p.At, n: 1, samples: p.Samples}
	if len(run) > 0 {
		last := run[len(run)-1]
		b.samples += last.samples
		b.n += last.n
		if last.at/t.w == p.At/t.w {
			b.n--
		}
	}
	return append(run, b)
}

// fires reports whether the run that ends at the newest period is long, full
// and thick enough, counted from any of its periods.
func (t *tracer) fires(run []breach, v stretch) (stretch, bool) {
	if t.rule.For == 0 {
		return v, true
	}
	for i := range run {
		s := t.stretch(run, i)
		if s.to-s.from < secs(t.rule.For) {
			break
		}
		thick := t.rule.Over > 0 || s.samples >= t.rule.MinSamples
		if s.points >= 2 && thick && s.covered(t.rule.Coverage) {
			return t.valued(s, v), true
		}
	}
	return stretch{}, false
}

// stretch is the run from its i-th period on.
func (t *tracer) stretch(run []breach, i int) stretch {
	last := run[len(run)-1]
	s := stretch{from: run[i].at, to: last.at + t.w, points: last.n, samples: last.samples, newest: last.at + t.w}
	if i > 0 {
		s.points -= run[i-1].n
		s.samples -= run[i-1].samples
	}
	s.expected = int((s.to - s.from) / t.w)
	return s
}

// valued gives a stretch the value that people should see: that of the whole
// stretch, or the newest one when each is an aggregate of its own.
func (t *tracer) valued(s, v stretch) stretch {
	s.value, s.known = v.value, v.known
	if t.rule.Over > 0 {
		s.samples = v.samples
		return s
	}
	a := accumulator{rule: t.rule, kind: t.sig.Kind, last: -1}
	for i := before(t.points, s.from); i < before(t.points, s.to-t.w+1); i++ {
		a.add(&t.points[i], t.w)
	}
	if all, ok := a.value(t.sig); ok && finite(all) {
		s.value = all
	}
	return s
}
