package evaluator

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// evidence is what a stretch says, with everything that it was judged by.
func (s *State) evidence(lay *layout, r *rules.Rule, v stretch) Evidence {
	plan := lay.plan
	sig, sr := &plan.Signals[r.Signal], &s.signals[r.Signal]
	e := Evidence{
		Signal: sig.Name, Known: v.known, Value: v.value, Op: r.When.Op, Threshold: r.When.Threshold, Unit: sig.Unit,
		Points: v.points, Expected: v.expected, Samples: v.samples,
		Newest: whenOrZero(sr.newest(&lay.signals[r.Signal])),
	}
	if sig.Kind == rules.Percentile && r.Aggregate == rules.Share {
		e.Op, e.Threshold, e.Unit = rules.GreaterOrEqual, r.MinShare, rules.Percent
	}
	if !v.known {
		e.Value = 0
	}
	if v.to > v.from {
		e.From, e.To = when(v.from), when(v.to)
	}
	if r.Kind == rules.RollbackRule && r.For > 0 {
		e.For = r.For.String()
		if v.known && meets(r, sig, v.value) {
			e.Held = (time.Duration(v.to-v.from) * time.Second).String()
		}
	}
	if sr.words != nil {
		e.Note = sr.words.note
	}
	e.Quantile = s.quantile(lay, r, v.from, v.to)
	return e
}

// quantile is what a percentile itself was over a stretch, nil where a rule judges
// none by the share above its threshold, or where it is not known.
func (s *State) quantile(lay *layout, r *rules.Rule, from, to int64) *Quantile {
	i := shownQuantile(lay.plan, r)
	if i < 0 {
		return nil
	}
	points := s.signals[i].whole(&lay.signals[i], false, 0)
	lo, hi := before(points, from), before(points, to)
	list := make([]rules.Point, 0, max(0, hi-lo))
	all := 0.
	for _, p := range points[lo:max(lo, hi)] {
		if p.Samples > 0 {
			list, all = append(list, p), all+p.Samples
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b rules.Point) int { return cmp.Compare(a.Value, b.Value) })
	q := &Quantile{Of: lay.plan.Signals[i].Quant, Threshold: r.ShownWhen.Threshold, Unit: lay.plan.Signals[i].Unit}
	sum := 0.
	for _, p := range list {
		q.Value = p.Value
		if sum += p.Samples; 2*sum >= all {
			break
		}
	}
	return q
}

// weighedEvidence is what a rule has weighed, with everything that it was judged by.
func (st *State) weighedEvidence(lay *layout, w *watch, v *weighing) Evidence {
	v = w.shown(v)
	e := st.evidence(lay, w.rule, w.stretch(v))
	e.Held = ""
	if w.rule.For > 0 && v.rung > rungNone {
		e.Held = (time.Duration(v.to-v.from) * time.Second).String()
	}
	d := &Weighed{
		Bad: v.bad, Limit: w.rule.Limit, Trigger: w.rule.Trigger, Goal: w.lay.goal,
		Against: v.hold, Bound: v.bound, Warning: v.warn, Middle: v.mid, Proof: w.lay.pass,
		Rung: v.rung.name(), Rests: v.cause, Suspect: v.from > w.from, Canary: w.sig.Baseline > 0 && w.part < 1,
	}
	if w.sig.Kind == rules.Ratio {
		d.Low, d.High = v.interval(w.sig)
	}
	d.Baseline = w.beside(lay.plan, v)
	d.Past = w.earlier(v)
	st.describeGap(d, v)
	describeStars(d, w, v)
	e.Weighed = d
	return e
}

// beside is what runs beside the release, nil where nothing does.
func (w *watch) beside(plan *rules.Plan, v *weighing) *Beside {
	if w.sig.Baseline <= 0 || w.sig.Kind != rules.Ratio {
		return nil
	}
	b := &Beside{
		Signal: plan.Signals[w.sig.Baseline].Name, Bad: v.base.bad, Samples: v.base.n, Worse: v.confirm, Warning: v.pair,
		Compared: v.compared, Unreachable: w.deaf,
	}
	if v.base.n > 0 && v.baseTo < v.to {
		b.Until = when(v.baseTo)
	}
	return b
}

func (st *State) describeGap(d *Weighed, v *weighing) {
	g := v.gap
	if g == nil {
		return
	}
	d.Bad, d.Low, d.High = 0, max(g.LowerFail, 0), g.UpperPass
	d.Groups = &Gap{
		Highest: v.names[0], Lowest: v.names[1], AtLeast: max(g.LowerFail, 0), AtMost: g.UpperPass,
		ByChance: g.Expected, Shrunken: g.Shrunken, Small: v.small, Looks: v.looks,
		Compared: len(v.groups) - len(g.Silent), Alike: g.High == g.Low, Thin: v.thin,
	}
}

func describeStars(d *Weighed, w *watch, v *weighing) {
	if w.sig.Kind != rules.Mean {
		return
	}
	s := evidence.Stars(v.stars)
	low, high := evidence.RatingInterval(s, evidence.Stars{.5, .5, .5, .5, .5}, .95)
	avg, _ := evidence.BayesianAverage(s, w.rule.Limit, PriorReviews)
	d.Low, d.High = low, high
	d.Rating = &Ratings{Stars: v.stars, Average: avg, Low: low, High: high}
}

// provenEvidence adds what speaks in favour.
func (st *State) provenEvidence(lay *layout, k, i int, v *successView) Evidence {
	w := st.successWatch(lay, k, i)
	e := st.weighedEvidence(lay, &w, v.weigh)
	e.Points, e.Expected = v.stretch.points, v.stretch.expected
	st.forecast(lay, &w, v, k)
	d := e.Weighed
	d.Keeps, d.Spared, d.More, d.Weak = v.proof.keeps, v.proof.spared, v.proof.ahead.more, v.proof.weak
	if !v.undecided() || v.cutShort() {
		return e
	}
	if d.Groups != nil {
		d.Groups.Decides = v.weigh.decides(&w)
	} else if v.weigh.n > 0 {
		d.Outlook = st.outlook(&w, v)
	}
	return e
}

// outlook is a forecast as people are told of it.
func (st *State) outlook(w *watch, v *successView) *Outlook {
	a := v.proof.ahead
	tell := func(n want, lag int64) Shortfall {
		if n.never || !finite(n.more) {
			return Shortfall{Never: true}
		}
		s := Shortfall{More: n.more, Young: n.young, Ripe: whenOrZero(n.ripe)}
		if n.more > 0 && a.present > 0 {
			s.Wait = a.wait(w, v, n.more, lag, st.at)
		}
		return s
	}
	o := &Outlook{
		Excludes: tell(a.excludes, a.lag), Proves: tell(a.proves, a.lag), Fails: tell(a.fails, a.lag), Meets: tell(want{more: a.meets}, 0),
		Present: a.present, Futile: a.futile, Late: a.late,
	}
	if w.lay.test != nil && v.soft != nil && !v.closed {
		next := math.Max(40, math.Ceil(v.weigh.n/10))
		if bad := w.badToWarn(v.soft, next); bad > 0 {
			o.WarnBad, o.WarnIn = bad, next
		}
	}
	return o
}

// interval is where the value lies, 95 %, at any time.
func (v *weighing) interval(sig *rules.Signal) (low, high float64) {
	low, high = evidence.ConfidenceSequence(v.bad, v.n, .05, 1, 1)
	if sig.Good {
		return 1 - high, 1 - low
	}
	return low, high
}

// goalOf is how a good value of a rule compares with its limit. A rollback rule
// has the limit of a success rule, or else of its own condition.
func goalOf(plan *rules.Plan, r *rules.Rule) rules.Op {
	sig := &plan.Signals[r.Signal]
	if r.Kind == rules.Success {
		return r.When.Op
	}
	for i := range plan.Rules {
		o := &plan.Rules[i]
		if o.Kind == rules.Success && o.Method == rules.Sequential && o.Signal == r.Signal && o.Limit == r.Limit {
			return o.When.Op
		}
	}
	switch {
	case r.Limit == r.Trigger && r.When.Op != rules.NoOp:
		return r.When.Op.Opposite()
	case sig.Good || sig.Kind == rules.Mean:
		return rules.GreaterOrEqual
	}
	return rules.LessOrEqual
}

// badToWarn is how many of the next n samples must be bad for the evidence that
// warns to reach its bound; 0 when not even all of them would do.
func (w *watch) badToWarn(z *weighed, n float64) float64 {
	then := *z
	omega := w.weight(&then, z.newest)
	warns := func(bad int) bool {
		track := z.track
		w.lay.test.Look(&track, z.newest, evidence.Minute{N: n, Bad: float64(bad)}, omega)
		return w.lay.test.Warn(&track) >= w.lay.bound
	}
	bad := sort.Search(int(n)+1, warns)
	if bad > int(n) {
		return 0
	}
	return float64(bad)
}

// decides is how many samples a group would decide, if the rates of the groups
// stay as they are; 0 where that is not known, or where they decide already.
func (v *weighing) decides(w *watch) float64 {
	if v.rung >= rungHold || v.gap.UpperPass <= w.rule.Limit {
		return 0
	}
	decides := func(times float64) bool {
		more := v.grown(w, times)
		return more.LowerFail > w.rule.Limit || more.UpperPass <= w.rule.Limit
	}
	low := 1.
	for _, times := range [...]float64{1.5, 2, 3, 5, 10, 20, 50, 100} {
		if !decides(times) {
			low = times
			continue
		}
		for range 4 {
			if mid := (low + times) / 2; decides(mid) {
				times = mid
			} else {
				low = mid
			}
		}
		return times * v.n / float64(len(v.groups))
	}
	return 0
}

// grown is the gap if there were so many times the samples.
func (v *weighing) grown(w *watch, times float64) evidence.Disparity {
	x, n := make([]float64, len(v.groups)), make([]float64, len(v.groups))
	for i, g := range v.groups {
		x[i], n[i] = g.Value*times, g.Samples*times
	}
	return w.disparity(x, n, 1)
}
