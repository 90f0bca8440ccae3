package judge

import (
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// A zero that stands for a missing value looks like a service that never fails, and so
// does a name that is misspelled. Such zeros prove nothing until the name was seen once:
// in this run, in an earlier one, beside the release, or by a look as far back as the
// source keeps data.

// Sighted judges as the judge inside does, but nothing passes, and nothing is clear, by
// zeros of a name that was never seen.
type Sighted struct{ Judge }

// Stand says that a rule cannot be judged where it would be clear. Until the source has
// looked for the name it is too early to say.
func (j Sighted) Stand(sc *Scene, w *Watch, m *Memory, out *Standing) {
	j.Judge.Stand(sc, w, m, out)
	if out.State != Clear || !sc.Unseen(w.Rule.Signal) {
		return
	}
	out.State, out.Cause = Idle, rules.CauseNone
	if sc.Signals[w.Rule.Signal].Looked {
		out.State, out.Cause = Silent, rules.CauseNoData
	}
	out.Told, out.Unseen = out.Cause, true
}

// Prove lets nothing pass by such zeros.
func (j Sighted) Prove(sc *Scene, w *Watch, m *Memory) Finding {
	v := j.Judge.Prove(sc, w, m)
	sofar := v.Cause == rules.CauseWindow && v.Silence.Cause == rules.CauseNone && v.Stretch.known
	if v.Verdict != rules.Pass && !sofar || !sc.Unseen(w.Rule.Signal) {
		return v
	}
	v.Unseen, v.looked = true, sc.Signals[w.Rule.Signal].Looked
	if v.Verdict == rules.Pass {
		v.Verdict, v.Cause = rules.Pending, rules.CauseNoData
	}
	return v
}

// Unseen reports whether what is known of a signal are zeros that prove nothing.
func (sc *Scene) Unseen(signal int) bool {
	return sc.neverSeen(signal) && !sc.Lay.Plan.Signals[signal].AssumeSeen
}

// assumed reports whether such zeros count because the plan says so.
func (sc *Scene) assumed(signal int) bool {
	return sc.Lay.Plan.Signals[signal].AssumeSeen && sc.neverSeen(signal)
}

// neverSeen reports whether zeros stand for values of a name that was never seen.
func (sc *Scene) neverSeen(signal int) bool {
	if !sc.Signals[signal].Unseen() {
		return false
	}
	if b := sc.Lay.Plan.Signals[signal].Baseline; b > 0 && sc.Signals[b].Seen {
		return false // the same name, beside the release
	}
	return sc.Past == nil || !sc.Past[signal].Sighted
}

// Sighting is why zeros prove nothing: the name was looked for, or will be.
func Sighting(looked bool) fact.Why {
	if looked {
		return fact.Why{Code: fact.WhyNeverSeen}
	}
	return fact.Why{Code: fact.WhyNotSeenYet}
}
