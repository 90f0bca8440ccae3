package evaluator

import (
	"math"
	"slices"
	"sort"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// weighed is what a rule that weighs evidence has folded. Its size
// does not depend on how long the rule watches: periods that have settled are
// folded into it, the few that may still change are weighed again at each look.
type weighed struct {
	until  int64   // periods that begin before it are taken in
	ripe   int64   // success: and those before it count in favour as well
	newest int64   // end of the newest period that is known
	points int32   // how many are, also those in which nothing happened
	begun  int32   // phase starts whose weight has been given
	given  float64 // start weight given so far: never more than one in all, also when a plan grows

	track  evidence.Track
	favour evidence.Spread // success: the periods old enough to help to pass
	worst  evidence.Minute // and the one of them that stands out most

	vs *versus // what runs beside the release; nil where nothing does. It is not changed once it is shared

	stars  [5]float64 // reviews by their stars
	looks  int32      // answers with groups
	looked int64      // period of the newest of them
}

// versus is a release against what runs beside it.
type versus struct {
	pair     evidence.PairTrack
	beside   [5]tally // :: segment of the track → the baseline over the minutes of each segment; the last is that of Miss
	compared int64    // end of the newest period with a baseline
}

// against is the comparison with the baseline; zero when there is none.
func (z *weighed) against() versus {
	if z.vs == nil {
		return versus{}
	}
	return *z.vs
}

// tally is two counts.
type tally struct{ bad, n float64 }

// watch is what a rule weighs: the periods of a stretch of event time.
type watch struct {
	rule   *rules.Rule
	sig    *rules.Signal
	lay    *weighLayout
	w      int64   // width of a period
	from   int64   // periods begin at or after
	to     int64   // and end at or before
	looks  int64   // how many periods it may come to
	starts []int64 // when later phases have begun, ascending
	later  int     // how many later phases there are
	part   float64 // of the traffic that it watches now, 0..1
	deaf   bool    // the source of the baseline cannot be asked
	past   *pooled // what earlier releases counted; nil where they do not matter
}

// weighLayout is what the plan alone says of a rule that weighs evidence.
type weighLayout struct {
	test    *evidence.Test
	pair    *evidence.Pair
	horizon int64 // seconds from the start of the first phase that names it to the end of the last
	floor   int64 // how long its stretch must be before it rolls back
	bound   float64
	pass    float64
	goal    rules.Op // how a good value compares with the limit
	grace   int64    // how far the baseline may be behind the release before it counts as gone
}

func newWeighLayout(plan *rules.Plan, i int) *weighLayout {
	r := &plan.Rules[i]
	l := &weighLayout{floor: secs(r.For), bound: -math.Log(r.Alpha), pass: -math.Log(plan.FalsePass), goal: goalOf(plan, r)}
	sig := &plan.Signals[r.Signal]
	if sig.Kind == rules.Ratio {
		l.test = evidence.NewTest(r.Limit, r.Trigger).Clustered(sig.Cluster)
		l.pair = evidence.NewPair(0).Clustered(sig.Cluster)
	}
	first, last := int64(math.MaxInt64), int64(0)
	for k := range plan.Phases {
		p := &plan.Phases[k]
		if slices.Contains(p.Rollback, i) || slices.Contains(p.Success, i) {
			first = min(first, secs(p.Start))
		}
		last = max(last, secs(p.Start)+secs(p.Window))
	}
	l.horizon = max(last-first, 0)
	return l
}

// weight is the prior probability that a fault begins with a period: half of it
// at the first, the rest spread evenly; where phases follow, part of it at their
// starts. The weights of all periods sum to at most one. Only periods with a
// value count, so that a missing one changes nothing.
func (w *watch) weight(z *weighed, at int64) float64 {
	spread := float64(max(w.looks, 2) - 1)
	first, rest, atStart := .5, .5, 0.
	if w.later > 0 {
		first, rest, atStart = .4, .3, .3/float64(w.later)
	}
	var omega float64
	switch n := z.track.Looks; {
	case n == 0:
		omega = first
	case float64(n) <= spread:
		omega = rest / spread
	}
	for int(z.begun) < len(w.starts) && w.starts[z.begun] <= at {
		if z.begun < int32(w.later) {
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
func (w *watch) take(z *weighed, points, base []rules.Point, upto int64) []rules.Point {
	upto = min(upto, w.to-w.w+1)
	lo, hi := before(points, max(z.until, w.from)), before(points, upto)
	k := before(base, max(z.until, w.from))
	for i := lo; i < hi; i++ {
		p := &points[i]
		z.points++
		z.newest = p.At + w.w
		if p.Samples <= 0 {
			continue // nothing happened in it: it is known, and says nothing
		}
		for k < len(base) && base[k].At < p.At {
			k++
		}
		var b rules.Point
		if k < len(base) && base[k].At == p.At {
			b = base[k]
		}
		w.add(z, p, &b)
	}
	if hi > 0 && upto > points[hi-1].At+w.w {
		upto = points[hi-1].At + w.w // what has not come yet may still come
	}
	if hi <= lo {
		return nil
	}
	z.until = max(z.until, upto)
	return points[lo:hi]
}

func (w *watch) add(z *weighed, p, b *rules.Point) {
	if w.lay.test == nil {
		return
	}
	omega := w.weight(z, p.At)
	canary := evidence.Minute{N: p.Samples, Bad: p.Value}
	w.lay.test.Look(&z.track, p.At, canary, omega)
	if z.vs == nil {
		return
	}
	for j := range z.vs.beside {
		if segmentOf(&z.track, j).Start == p.At {
			z.vs.beside[j] = tally{}
		}
	}
	if b.Samples <= 0 {
		return
	}
	w.lay.pair.Look(&z.vs.pair, canary, evidence.Minute{N: b.Samples, Bad: b.Value}, omega)
	z.vs.compared = p.At + w.w
	for j := range z.vs.beside {
		z.vs.beside[j].bad += b.Value
		z.vs.beside[j].n += b.Samples
	}
}

// segmentOf is the j-th segment of a track, Miss behind the others.
func segmentOf(t *evidence.Track, j int) *evidence.Segment {
	if j == len(t.Segments) {
		return &t.Miss
	}
	return &t.Segments[j]
}

// ripen adds the periods that begin in [z.ripe, upto) to what counts in favour.
func (w *watch) ripen(z *weighed, points []rules.Point, upto int64) {
	upto = min(upto, w.to-w.w+1)
	from := max(z.ripe, w.from)
	for _, p := range points[before(points, from):max(before(points, upto), before(points, from))] {
		m := evidence.Minute{N: p.Samples, Bad: p.Value}
		z.favour.Add(m)
		if p.Samples > 0 && (z.worst.N == 0 || m.Bad*m.Bad*z.worst.N > z.worst.Bad*z.worst.Bad*m.N) {
			z.worst = m
		}
	}
	z.ripe = max(z.ripe, upto)
}

// phi is by how much bad ones come in clusters, without the period that stands
// out most: its bad ones count in full, but one burst says nothing of the rest.
func (z *weighed) phi() float64 {
	s := z.favour
	if s.Looks > 2 {
		s.N, s.Bad, s.Looks = s.N-z.worst.N, s.Bad-z.worst.Bad, s.Looks-1
		s.Square -= z.worst.Bad * z.worst.Bad / z.worst.N
	}
	return s.Phi()
}

// surplus is what a second burst like the worst period would add.
func (z *weighed) surplus() float64 { return max(z.worst.Bad-1, 0) }

// count adds the stars of periods that are taken in: groups of a period without a
// value are no answer.
func (z *weighed) count(taken []rules.Point, parts []rules.Parts) {
	for i := range taken {
		at := taken[i].At
		k := sort.Search(len(parts), func(k int) bool { return parts[k].At >= at })
		if k == len(parts) || parts[k].At != at {
			continue
		}
		for _, g := range parts[k].Groups {
			if s := starsOf(g.Name); s > 0 {
				z.stars[s-1] += g.Samples
			}
		}
	}
}

func starsOf(name string) int {
	if len(name) == 1 && name[0] >= '1' && name[0] <= '5' {
		return int(name[0] - '0')
	}
	return 0
}

// fold gives what a watch has taken in once all periods that begin before upto
// are in it. It returns z itself when nothing is new.
func (st *State) fold(w *watch, z *weighed, upto, ripe int64) *weighed {
	var next weighed
	if z != nil {
		next = *z
	}
	st.advance(w, &next, upto, ripe)
	if z != nil && next.until == z.until && next.ripe == z.ripe && next.points == z.points {
		return z // nothing was new
	}
	return &next
}

func (st *State) advance(w *watch, z *weighed, upto, ripe int64) {
	if w.lay.test != nil && w.sig.Baseline > 0 {
		vs := z.against()
		z.vs = &vs
	}
	points := st.wholePoints(w)
	taken := w.take(z, points, st.basePoints(w), upto)
	if w.rule.Kind == rules.Success && w.lay.test != nil {
		w.ripen(z, points, min(ripe, z.until))
	}
	if w.sig.Kind == rules.Mean {
		z.count(taken, st.signals[w.rule.Signal].parts)
	}
}

func (st *State) wholePoints(w *watch) []rules.Point {
	return st.signals[w.rule.Signal].whole(nil, false, 0)
}

// basePoints are the points of what runs beside the release.
func (st *State) basePoints(w *watch) []rules.Point {
	b := w.sig.Baseline
	if b <= 0 || b >= len(st.signals) {
		return nil
	}
	return st.signals[b].whole(nil, false, 0)
}

// foldedUntil is the event time before which nothing of a watch is expected to
// change any more: the watermark, less as far as a correction may still reach. A
// rule that wants its evidence to last for a time reads all of that time again,
// so that it never fires on a peak that its source has corrected. A baseline
// that is behind is waited for, unless it has fallen silent.
func (st *State) foldedUntil(lay *layout, w *watch, at int64) int64 {
	s, sl := &st.signals[w.rule.Signal], &lay.signals[w.rule.Signal]
	upto := s.settled - max(sl.settle, w.lay.floor)
	if b := w.sig.Baseline; b > 0 && b < len(st.signals) {
		bs, bl := &st.signals[b], &lay.signals[b]
		if bs.settled > 0 && bs.settled+lay.allowance(b, bs.bucket(bl)) > at {
			upto = min(upto, bs.settled-max(bl.settle, w.lay.floor))
		}
	}
	return alignDown(upto, w.w)
}

// now is what a watch says with the periods that have not settled. It goes on from
// soft, what it said at the look before, unless a period of that has changed; the
// result is the same, since periods are added in the same order.
func (st *State) now(w *watch, z, soft *weighed, changed, ripe int64) *weighed {
	all := new(weighed)
	switch {
	case soft != nil && changed >= soft.until && (z == nil || soft.until >= z.until):
		*all = *soft
		if z != nil {
			all.looks, all.looked = z.looks, z.looked
		}
	case z != nil:
		*all = *z
	}
	st.advance(w, all, math.MaxInt64, ripe)
	return all
}

// changed is the first period of a watch that this tick has changed.
func (s *stepper) changed(w *watch) int64 {
	from, _ := s.touched(w.rule.Signal)
	if b := w.sig.Baseline; b > 0 {
		beside, _ := s.touched(b)
		from = min(from, beside)
	}
	return from
}

// forget drops what was weighed of periods that may still change: no rule has
// looked at them for a while.
func (s *stepper) forget() {
	for _, i := range s.lay.weighing {
		s.rule(int(i)).soft = nil
	}
	for k := range s.st.phases {
		ph := &s.st.phases[k]
		ph.success = slices.Clone(ph.success)
		for i := range ph.success {
			ph.success[i].soft = nil
		}
	}
}

// watchOf is what a rule watches from a time on.
func (st *State) watchOf(lay *layout, i int, since int64) watch {
	r := &lay.plan.Rules[i]
	bw := st.signals[r.Signal].bucket(&lay.signals[r.Signal])
	w := watch{
		rule: r, sig: &lay.plan.Signals[r.Signal], lay: lay.weigh[i], w: bw, from: alignUp(since, bw),
		past: st.pastOf(lay.plan, r.Signal),
	}
	if b := w.sig.Baseline; b > 0 && b < len(st.signals) {
		w.deaf = st.signals[b].fails > 0
	}
	return w
}

// rollbackWatch is what a rollback rule watches: from the start of the first
// phase that names it to the end of the run.
func (st *State) rollbackWatch(lay *layout, i int) watch {
	w := st.watchOf(lay, i, st.rules[i].since)
	w.to, w.looks = math.MaxInt64/2, w.lay.horizon/w.w
	named := lay.phases(i)
	for _, k := range named {
		if st.phases[k].begun {
			w.part = lay.plan.Phases[k].Traffic
		}
	}
	w.later = max(len(named)-1, 0)
	if w.later == 0 {
		return w
	}
	for _, k := range named {
		if ph := &st.phases[k]; ph.begun && ph.started > st.rules[i].since {
			w.starts = append(w.starts, ph.started)
		}
	}
	slices.Sort(w.starts)
	return w
}

// successWatch is what a success rule watches in a phase: its window, and as
// long as the phase waits for it.
func (st *State) successWatch(lay *layout, k, i int) watch {
	p := &lay.plan.Phases[k]
	w := st.watchOf(lay, p.Success[i], st.phases[k].started)
	w.to, w.part = st.windowEnd(lay.plan, k)+secs(p.Extend), p.Traffic
	w.looks = (secs(p.Window) + secs(p.Extend)) / w.w
	return w
}
