package judge

import (
	"math"
	"sort"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Gap weighs the greatest gap between the rates of groups: simultaneous intervals for
// all pairs.
type Gap struct{}

var gapJudge = EvidenceJudge{Gap{}}

// take waits for what has not settled, as answers does.
func (Gap) take(sc *Scene, w *Watch, z *Weighed, upto, _ int64) {
	w.take(z, sc.wholePoints(w), nil, min(upto, sc.Signals[w.Rule.Signal].Settled-w.w+1), nil)
}

func (Gap) harmless(*Scene, *Watch, *Weighed, *Weighing) bool { return false }

func (Gap) prove(*Watch, *Weighed, *proof) {}

func (Gap) passes(w *Watch, v *Finding) bool {
	g := v.weigh.gap
	return g != nil && !v.weigh.thin && g.UpperPass <= w.Rule.Limit
}

func (Gap) ahead(*Scene, *Watch, *Finding) {}

func (Gap) outlook(_ *Scene, w *Watch, v *Finding, d *fact.Weighed) {
	if d.Groups != nil {
		d.Groups.Decides = v.weigh.decides(w)
	}
}

// answers are the groups of the settled periods of a watch's stretch, as far as they are
// kept: the newest always is.
func (sc *Scene) answers(w *Watch) []rules.Parts {
	s := &sc.Signals[w.Rule.Signal]
	parts := s.Parts()
	begin := func(t int64) int {
		return sort.Search(len(parts), func(k int) bool { return parts[k].At >= t })
	}
	from := begin(w.from)
	return parts[from:max(from, begin(min(w.to, s.Settled)-w.w+1))]
}

// pointed reports whether groups came with a value: a source gives none where a
// group is smaller than its query allows, and then nothing may pass on them.
func (sc *Scene) pointed(w *Watch, at int64) bool {
	p := sc.wholePoints(w)
	i := series.Before(p, at)
	return i < len(p) && p[i].At == at
}

// look counts the answers with groups: each later one is judged more strictly.
func (Gap) look(sc *Scene, w *Watch, z *Weighed) *Weighed {
	all := sc.answers(w)
	if len(all) == 0 || z != nil && z.looked == all[len(all)-1].At {
		return z
	}
	g := &all[len(all)-1]
	var next Weighed
	if z != nil {
		next = *z
	}
	next.looks, next.looked = next.looks+1, g.At
	return &next
}

// disparity judges groups at the k-th answer, which may fail with alpha·6/(π²k²):
// over all answers that sums to alpha.
func (w *Watch) disparity(x, n []float64, k int) evidence.Disparity {
	return evidence.Deciles(x, n, w.Rule.Alpha*6/(math.Pi*math.Pi*float64(k*k)), math.Exp(-w.Lay.pass))
}

func (Gap) weigh(sc *Scene, w *Watch, z *Weighed) Weighing {
	v := Weighing{bound: w.Lay.bound, points: int(z.points), from: w.from, to: max(z.newest, w.from)}
	all := sc.answers(w)
	if len(all) == 0 {
		v.empty = v.points == 0
		return v
	}
	at := len(all) - 1
	v.points, v.to = max(v.points, 1), all[at].At+w.w
	if w.phase == nil {
		w.weighGroups(&v, &all[at], max(int(z.looks), 1))
	} else {
		at = w.worstAnswer(&v, all, int(z.looks))
	}
	v.looks, v.thin = int(z.looks), !sc.pointed(w, all[at].At)
	return v
}

// worstAnswer weighs all answers of a success rule: the first that speaks against the
// release, or the newest. It gives which that is.
func (w *Watch) worstAnswer(v *Weighing, all []rules.Parts, looks int) int {
	for i := range all {
		one := *v
		w.weighGroups(&one, &all[i], max(i+1, looks-(len(all)-1-i)))
		if one.rung >= evidence.Holding || i == len(all)-1 {
			*v = one
			return i
		}
	}
	return 0 // unreachable: there is an answer
}

// weighGroups weighs the k-th answer.
func (w *Watch) weighGroups(v *Weighing, g *rules.Parts, k int) {
	x, n := make([]float64, len(g.Groups)), make([]float64, len(g.Groups))
	for i := range g.Groups {
		x[i], n[i] = g.Groups[i].Value, g.Groups[i].Samples
		v.N += n[i]
	}
	d := w.disparity(x, n, k)
	v.gap, v.groups, v.small = &d, g.Groups, smallGroups(g, &d)
	v.names = [2]string{g.Groups[d.High].Name, g.Groups[d.Low].Name}
	switch {
	case d.LowerFail > w.Rule.Trigger:
		v.rung, v.cause = evidence.Firing, rules.CauseEvidence
	case d.LowerFail > w.Rule.Limit:
		v.rung, v.cause = evidence.Holding, rules.CauseEvidence
	}
}

// smallGroups names the groups that hardly have anything in them.
func smallGroups(g *rules.Parts, gap *evidence.Disparity) []string {
	var names []string
	for _, list := range [...][]int{gap.Silent, gap.Small} {
		for _, i := range list {
			names = append(names, g.Groups[i].Name)
		}
	}
	return names
}

func (Gap) describe(_ *Watch, v *Weighing, d *fact.Weighed) {
	g := v.gap
	if g == nil {
		return
	}
	d.Bad, d.Low, d.High = 0, max(g.LowerFail, 0), g.UpperPass
	d.Groups = &fact.Gap{
		Highest: v.names[0], Lowest: v.names[1], AtLeast: max(g.LowerFail, 0), AtMost: g.UpperPass,
		ByChance: g.Expected, Shrunken: g.Shrunken, Small: v.small, Looks: v.looks,
		Compared: len(v.groups) - len(g.Silent), Alike: g.High == g.Low, Thin: v.thin,
	}
}

// decides is how many samples a group would decide, if the rates of the groups
// stay as they are; 0 where that is not known, or where they decide already.
func (v *Weighing) decides(w *Watch) float64 {
	if v.rung >= evidence.Holding || v.gap.UpperPass <= w.Rule.Limit {
		return 0
	}
	decides := func(times float64) bool {
		more := v.grown(w, times)
		return more.LowerFail > w.Rule.Limit || more.UpperPass <= w.Rule.Limit
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
		return times * v.N / float64(len(v.groups))
	}
	return 0
}

// grown is the gap if there were so many times the samples.
func (v *Weighing) grown(w *Watch, times float64) evidence.Disparity {
	x, n := make([]float64, len(v.groups)), make([]float64, len(v.groups))
	for i, g := range v.groups {
		x[i], n[i] = g.Value*times, g.Samples*times
	}
	return w.disparity(x, n, 1)
}
