package evaluator

import (
	"math"
	"sort"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// outlook is what it would take a success rule to pass, and whether it can be had
// in time.
type outlook struct {
	traffic
	excludes, proves, fails want    // the trigger excluded, the limit proven, the release shown to be bad
	meets                   float64 // good ones until the value meets the limit; 0 when it does
	more                    float64 // good ones that would let it pass; 0 when it does, or when none would
	lag                     int64   // seconds until what has come counts in favour
	futile                  bool    // not even without another bad one before the phase gives up
	late                    bool    // what has come is enough, but too young before the phase gives up
}

// want is what it takes to show something: nothing in its zero value.
type want struct {
	more  float64 // good ones beyond those that were seen
	never bool    // no number of them would do
	young bool    // those that were seen are enough once they count
	ripe  int64   // which is then; zero when that is not known
}

// traffic is how many samples come, a second.
type traffic struct {
	present float64 // of late
	most    float64 // and for how much it may be taken with good will
}

const (
	// recent is how many of the newest periods are the present.
	recent = 15
	// newestFew is how many are, where they show that the traffic has changed.
	newestFew = 5
)

// forecast works out what it would take to pass, for those who want to read it.
func (st *State) forecast(lay *layout, w *watch, v *successView, k int) {
	w.inFavour(v, lay.plan, k)
	v.proof.ahead = new(outlook)
	if !v.undecided() || v.weigh.n <= 0 {
		return
	}
	a := v.proof.ahead
	a.traffic = st.traffic(w, v)
	a.meets = w.toMeet(v.weigh)
	deadline := st.windowEnd(lay.plan, k) + secs(lay.plan.Phases[k].Extend)
	switch w.sig.Kind {
	case rules.Ratio:
		a.lag = max(secs(w.sig.Maturity), lay.signals[w.rule.Signal].settle)
		st.countsAhead(lay.plan, w, v, k, deadline)
	case rules.Mean:
		w.starsAhead(v)
	}
}

// traffic is that of the newest periods: of the fifteen last, or of the five last
// where those differ from the ones before by more than chance. Periods without a
// sample count; periods that are not known yet do not.
func (st *State) traffic(w *watch, v *successView) traffic {
	points := st.wholePoints(w)
	points = points[before(points, w.from):before(points, w.to-w.w+1)]
	from, end := w.from, max(v.stretch.newest, alignDown(min(st.signals[w.rule.Signal].settled, w.to), w.w))
	if len(points) > 0 && len(points) < int(v.soft.points) {
		from = points[0].At // those before were forgotten
	}
	since := func(periods int64) (n, seconds float64) {
		start := max(from, end-periods*w.w)
		for _, p := range points[before(points, start):] {
			n += p.Samples
		}
		return n, float64(end - start)
	}
	long, all := since(recent)
	short, last := since(newestFew)
	if all <= 0 { // unreachable while there is a sample
		return traffic{} // unreachable
	}
	t := traffic{present: long / all}
	t.most = max(t.present, short/last, v.weigh.n/float64(max(v.stretch.newest-w.from, w.w)))
	for m := range int64(newestFew) {
		n, seconds := since(m + 1)
		t.most = max(t.most, (n-2*math.Sqrt(n))/seconds) // what has only just risen, less chance
	}
	if all > last {
		n, seconds := long-short, all-last
		if math.Abs(short/last-n/seconds) > 3*math.Sqrt(short/last/last+n/seconds/seconds) {
			t.present = short / last
		}
	}
	return t
}

// wait is how many seconds so many samples take at the present traffic, in whole
// periods, and until the last of them counts.
func (a *outlook) wait(w *watch, v *successView, more float64, lag, at int64) int64 {
	periods := math.Ceil(more / a.present / float64(w.w))
	return int64(min(periods, 1e9))*w.w + max(lag-(at-v.stretch.newest), 0)
}

// toMeet is how many good ones more take the value to the limit.
func (w *watch) toMeet(v *weighing) float64 {
	more, best := 0., 0. // what a good one counts
	switch {
	case w.meets(v):
		return 0
	case w.sig.Kind == rules.Mean:
		best = 5
		more = math.Ceil((w.rule.Limit*v.n - v.bad) / (best - w.rule.Limit))
	default:
		more = math.Ceil(v.bad/w.rule.Limit - v.n)
	}
	for range 2 { // rounding may leave it just below, and "< 1 %" wants one more than "<= 1 %"
		then := weighing{bad: v.bad + best*more, n: v.n + more}
		if !w.meets(&then) {
			more++
		}
	}
	return more
}

// meets reports whether the value itself is as good as it should be, even if it
// proves nothing.
func (w *watch) meets(v *weighing) bool {
	bound := w.rule.Limit * v.n
	switch {
	case math.Abs(v.bad-bound) <= 1e-9*bound: // 1 % of 2,100 is not quite 21 in binary
		return w.lay.goal != rules.Less && w.lay.goal != rules.Greater
	case w.sig.Kind == rules.Mean:
		return v.bad >= bound
	}
	return v.bad <= bound
}

// countsAhead is what it takes counts. What has come and is too young comes to
// count without a sample more.
func (st *State) countsAhead(plan *rules.Plan, w *watch, v *successView, k int, deadline int64) {
	f, a := v.proof, v.proof.ahead
	ripe := *v.soft
	w.ripen(&ripe, st.wholePoints(w), ripe.until)
	seen := w.prove(&ripe, plan, k)
	a.excludes = seen.toExclude(w.rule.Trigger, f.spared, seen.spared)
	a.proves = seen.toExclude(w.rule.Limit, f.keeps, seen.keeps)
	if a.excludes.young {
		a.excludes.ripe = st.ripeAt(plan, w, v.soft, k, a.lag, func(f *proof) bool { return f.spared >= f.need })
	}
	if a.proves.young {
		a.proves.ripe = st.ripeAt(plan, w, v.soft, k, a.lag, func(f *proof) bool { return f.keeps >= f.need })
	}
	p0, pass := w.rule.Limit, a.proves
	if f.weak {
		p0, pass = w.rule.Trigger, a.excludes
	}
	// Clusters may turn out smaller than they look now, and traffic varies.
	least, ok := evidence.NeedCleanToPass(p0, seen.n, seen.bad, math.Exp(-f.need), max(w.sig.Cluster, 1))
	left := a.most * float64(max(deadline-secs(w.sig.Maturity)-v.stretch.newest, 0))
	left += 3 * math.Sqrt(left)
	a.futile = !ok || max(least, a.meets) > left
	a.late = !a.futile && st.at < deadline && pass.young && pass.ripe > deadline
	if !pass.never {
		a.more = max(pass.more, a.meets)
	}
}

// toExclude is what it takes to exclude a rate, for which there is so much
// evidence now, and so much when all that was seen counts.
func (f *proof) toExclude(p0, now, then float64) want {
	switch {
	case now >= f.need:
		return want{}
	case then >= f.need:
		return want{young: true}
	}
	more, ok := evidence.NeedCleanToPass(p0, f.n, f.bad, math.Exp(-f.need), f.phi)
	return want{more: max(more, 1), never: !ok}
}

// ripeAt is when what was seen comes to count enough.
func (st *State) ripeAt(plan *rules.Plan, w *watch, z *weighed, k int, lag int64, enough func(*proof) bool) int64 {
	points, then := st.wholePoints(w), *z
	for _, p := range points[before(points, max(z.ripe, w.from)):] {
		w.ripen(&then, points, p.At+1)
		f := w.prove(&then, plan, k)
		if t := p.At + w.w + lag; enough(&f) && t > st.at {
			return t
		}
	}
	return 0
}

// starsAhead is what it takes reviews, if they go on as they are.
func (w *watch) starsAhead(v *successView) {
	f, a, s := v.proof, v.proof.ahead, evidence.Stars(v.weigh.stars)
	above := func(bound float64) func(evidence.Stars) float64 {
		return func(s evidence.Stars) float64 { return evidence.RatingAbove(s, bound, evidence.RatingFracs[:]) }
	}
	a.excludes = moreLikeThese(s, above(w.rule.Trigger), f.need)
	a.proves = moreLikeThese(s, above(w.rule.Limit), f.need)
	a.fails = moreLikeThese(s, func(s evidence.Stars) float64 {
		return evidence.RatingBelow(s, w.rule.Limit, evidence.RatingFracs[:])
	}, v.weigh.bound)
}

// mostLikeThese is how many times as many reviews as there are now are still
// worth speaking of.
const mostLikeThese = 1000

// moreLikeThese is how many reviews with the same shares of stars take the
// evidence to what is needed. The logarithm of a mean of bets is convex in their
// number: once it has risen above zero it goes on to rise.
func moreLikeThese(s evidence.Stars, logE func(evidence.Stars) float64, need float64) want {
	n := s.N()
	enough := func(more int) bool {
		then := s
		for i := range then {
			then[i] *= 1 + float64(more)/n
		}
		return logE(then) >= need
	}
	most := int(min(n*mostLikeThese, 1e12))
	more := sort.Search(most, enough)
	return want{more: float64(more), never: more == most}
}
