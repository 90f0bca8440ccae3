package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Counts weighs how many of all were bad: see docs/deciding.md.
type Counts struct{}

var CountsJudge = EvidenceJudge{Counts{}}

func (Counts) take(sc *Scene, w *Watch, z *Weighed, upto, ripe int64) {
	if w.Sig.Baseline > 0 {
		vs := z.against()
		z.Beside = &vs
	}
	points := sc.wholePoints(w)
	w.take(z, points, sc.basePoints(w), upto, sc.firmUntil(w, upto))
	if w.Rule.Kind == rules.Success {
		w.ripen(z, points, min(ripe, z.Until))
	}
}

// firmUntil is how periods count that begin before upto: what has settled counts as it is.
func (sc *Scene) firmUntil(w *Watch, upto int64) *Firm {
	if upto <= sc.Signals[w.Rule.Signal].Settled {
		return nil
	}
	return sc.firm(w)
}

// harmless does without what a period weighs: its size is bounded.
func (Counts) harmless(sc *Scene, w *Watch, z *Weighed, v *Weighing) bool {
	r, t := w.Lay.rule, z.taken
	x := r.Ceiling(&z.Case)
	w.each(&t, sc.wholePoints(w), sc.basePoints(w), math.MaxInt64, sc.firmUntil(w, math.MaxInt64), func(p, b rules.Point) {
		r.Raise(&x, evidence.Minute{N: p.Samples, Bad: p.Value}, evidence.Minute{N: b.Samples, Bad: b.Value})
	})
	if !r.Harmless(&z.Case, &x) || w.worse(x.Bad, x.N, x.BadLooks) >= w.Lay.bound {
		return false
	}
	*v = Weighing{
		bound: w.Lay.bound, points: int(t.points), from: w.from, to: max(t.newest, w.from), filled: t.filled,
		Bad: x.Bad, N: x.N, empty: w.phase != nil && t.points == 0, brief: true,
	}
	return true
}

func (Counts) look(_ *Scene, _ *Watch, z *Weighed) *Weighed { return z }

func (Counts) weigh(_ *Scene, w *Watch, z *Weighed) Weighing {
	v := w.weighCounts(z)
	if w.phase != nil {
		v.Bad, v.N, v.from, v.own = z.Track.Bad, z.Track.N, w.from, &z.own
		v.empty = v.points == 0
	}
	return v
}

func (Counts) prove(w *Watch, z *Weighed, f *proof) {
	f.phi = max(z.favour.Caution(), w.Sig.Cluster)
	f.counts(w.Lay, z)
	f.refuted = w.refutes(&z.own)
}

func (Counts) passes(w *Watch, v *Finding) bool { return w.meets(v.weigh) && v.Proof.enough() }

func (Counts) describe(w *Watch, v *Weighing, d *fact.Weighed) {
	d.Low, d.High = v.interval(w.Sig)
	if v.own == nil || v.to <= w.end || v.own.N <= 0 || w.meets(&Weighing{Bad: v.own.Bad, N: v.own.N}) {
		return
	}
	d.Window = &fact.Own{Bad: v.own.Bad, Samples: v.own.N, After: v.to - max(w.end, w.from), Refutes: w.refutes(v.own)}
}

// refutes reports whether a window was so bad that no more samples make it good.
func (w *Watch) refutes(own *evidence.Window) bool {
	return own.Excludes(w.Lay.misses, math.Exp(-w.Lay.pass), w.Sig.Cluster)
}

func (Counts) outlook(sc *Scene, w *Watch, v *Finding, d *fact.Weighed) {
	if v.weigh.N > 0 {
		d.Outlook = sc.outlook(w, v)
	}
}

// weighCounts says where a rule stands.
func (w *Watch) weighCounts(z *Weighed) Weighing {
	v := Weighing{bound: w.Lay.bound, points: int(z.points), from: w.from, to: max(z.newest, w.from)}
	v.past, v.worse, v.filled = w.Past, w.Worse(z), z.filled
	s := w.Lay.rule.Standing(&z.Case, evidence.Scope{From: w.from, Newest: z.newest, Deaf: w.deaf, Past: v.worse, Filled: z.filled})
	v.rung, v.cause = s.Rung, rules.CauseNone
	switch {
	case s.Rung == evidence.NoRung:
	case s.Baseline:
		v.cause = rules.CauseBaseline
	default:
		v.cause = rules.CauseEvidence
	}
	v.warn, v.hold, v.mid, v.pair, v.confirm = s.Warn, s.Hold, s.Mid, s.Pair, s.Confirm
	v.Bad, v.N, v.from, v.llr, v.miss = s.Bad, s.N, s.Start, s.LLR, s.Miss
	v.suspect = Suspect{s.Start, Tally{s.Bad, s.N}}
	v.base, v.baseTo, v.compared = Tally{s.Over.Bad, s.Over.N}, int64(0), s.Compared
	if z.Beside != nil {
		v.baseTo = z.Beside.Until
	}
	return v
}

// counts weighs what counts in favour: what has settled and is old enough, and
// all that was seen, since what is younger may speak against the release. It has
// to be proven by both, even if its worst burst came twice.
func (f *proof) counts(lay *WeighLayout, z *Weighed) {
	again := z.favour.Surplus()
	for i, t := range [...]Tally{{z.favour.Bad, z.favour.N}, {z.Track.Bad, z.Track.N}} {
		t.Bad = min(math.Ceil(t.Bad+again-1e-6), t.N)
		keeps, spared := lay.keeps.LogE(t.Bad, t.N, f.phi), lay.spared.LogE(t.Bad, t.N, f.phi)
		if i == 0 || f.Weak && spared < f.spared || !f.Weak && keeps < f.keeps {
			f.bad, f.n = t.Bad, t.N
		}
		if i == 0 {
			f.keeps, f.spared = keeps, spared
		}
		f.keeps, f.spared = min(f.keeps, keeps), min(f.spared, spared)
	}
}

// interval is where the value lies, 95 %, at any time.
func (v *Weighing) interval(sig *rules.Signal) (low, high float64) {
	low, high = evidence.ConfidenceSequence(v.Bad, v.N, .05, 1, 1)
	if sig.Good {
		return 1 - high, 1 - low
	}
	return low, high
}

// leastBad and leastBuckets are what there must be to see before earlier releases
// are reason to warn.
const (
	leastBad     = 3
	leastBuckets = 2
)

// Worse is the log e-value of all that a watch has seen against "the rate is no
// greater than that of the earlier releases". Its alternatives lie above twice
// that rate: what differs less may be the hour or the weekday. It is 0 for a rate
// that is no greater than the bound of theirs.
func (w *Watch) Worse(z *Weighed) float64 { return w.worse(z.Track.Bad, z.Track.N, z.Track.BadLooks) }

func (w *Watch) worse(bad, n float64, badLooks uint32) float64 {
	if w.Past == nil || w.Past.Had == 0 || bad < leastBad || badLooks < leastBuckets {
		return 0
	}
	if bad <= w.Past.Bound*n {
		return 0 // it would not be above it, and most looks end here
	}
	weights := [...]float64{.4, .3, .2, .1}
	rates := evidence.Alternatives(2 * w.Past.Bound)
	return evidence.LogGrid(math.Floor(bad), n, w.Past.Bound, rates[:], weights[:]) / max(w.Sig.Cluster, 1)
}
