package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// longest bounds the periods of one question, unless a rule needs more.
const longest = 1500

// Unneeded is the need of a signal that nothing judges now.
const Unneeded = math.MaxInt64

// Need notes from when on a rule needs its signals: what it judges,
// what runs beside that, its alarm, and the percentile
// that people are shown where the share above its threshold is judged.
func Need(plan *rules.Plan, r *rules.Rule, from int64, needs []int64) {
	needs[r.Signal] = min(needs[r.Signal], from)
	if b := plan.Signals[r.Signal].Baseline; b > 0 && b < len(needs) {
		needs[b] = min(needs[b], from)
	}
	if r.Alarm >= 0 && r.Alarm < len(needs) {
		needs[r.Alarm] = min(needs[r.Alarm], from)
	}
	if i := ShownQuantile(plan, r); i >= 0 {
		needs[i] = min(needs[i], from)
	}
}

// AskFrom is where a question begins: at the oldest period that has not settled,
// once more as far back as a period may still be corrected, and as far as a
// rollback rule judges, so that it never fires on a peak that its source has
// corrected since; and at what is needed if that was never answered.
func (sc *Scene) AskFrom(i int, need, at int64) int64 {
	sr, sl := &sc.Signals[i], &sc.Lay.Signals[i]
	w := sr.Bucket(sl)
	need = series.AlignDown(need, w)
	need = min(need, series.AlignDown(at-sl.Settle, w)-2*w) // something to see, before the first period ends
	furthest := at - w*max(longest, int64(sl.Keep))
	need = max(need, series.AlignDown(furthest, w))
	if sr.From == 0 || sr.Settled == 0 || sr.From > need+w {
		return max(need, 0)
	}
	return max(need, series.AlignDown(sr.Settled-sl.Settle-int64(sl.Judged), w), 0)
}

// WindowStarts is the earliest event time that undecided phases need of each
// signal, so that a merge forgets none of it. It is nil when there is none.
type WindowStarts []int64

func (n WindowStarts) Of(signal int) int64 {
	if n == nil {
		return Unneeded
	}
	return n[signal]
}

// Weigh says what a rule that weighs evidence has not taken in. Only where data
// ripen before they count, for success rules, is what has not ripened needed.
func (n WindowStarts) Weigh(sig *rules.Signal, i int, since int64, z *Weighed, ripens bool) {
	from := since
	if z != nil {
		from = max(from, z.Until)
		if ripens && sig.Maturity > 0 {
			from = max(since, min(z.Until, z.Ripe))
		}
	}
	n[i] = min(n[i], from)
	if b := sig.Baseline; b > 0 && b < len(n) {
		n[b] = min(n[b], from)
	}
}
