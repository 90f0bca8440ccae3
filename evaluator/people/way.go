package people

import (
	"slices"

	"github.com/relgate/relgate/evaluator/effects"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// way is the scene of the way back.
func (sc *Scene) way() *effects.Scene {
	way := sc.Way
	way.Plan, way.At, way.Since, way.Emit = sc.Plan, sc.At, sc.Since, sc.Emit
	if way.Phase = -1; !sc.Over {
		way.Phase, way.Opens = opens(sc.Plan, sc.Start, sc.Phases)
	}
	return &way
}

// unsignedStep says what is missing of what a step of the way back wants signed. It is
// rejected when those who have not rejected it are too few.
func (w *work) unsignedStep(step string) *fact.Why {
	why := w.st.Unsigned(w.Plan, step, w.At, w.Phases)
	if why == nil || why.Code != fact.WhyRejected {
		return why
	}
	i, able := w.approvalOf(step), 0
	for _, m := range w.st.approvals[i].roles {
		if m.is != rejected {
			able++
		}
	}
	if able >= w.Plan.Approvals[i].Need {
		why.Code = fact.WhyUnsigned
	}
	return why
}

// opens is the phase that begins next, and when at the earliest; -1 where each has begun.
func opens(plan *rules.Plan, start int64, phases []Phase) (next int, at int64) {
	next = slices.IndexFunc(phases, func(p Phase) bool { return p.State == rules.Waiting })
	if next < 0 || plan.Clocked(next) {
		return next, start + secs(plan.Phases[max(next, 0)].Start)
	}
	at = start
	for k := range next {
		at = max(at, phases[k].Started+secs(plan.Phases[k].Window))
	}
	return next, at
}

// anew makes void what was said of a step of the way back when it was due before.
func (w *work) anew(step string) {
	if i := w.approvalOf(step); i >= 0 {
		w.voidAll(i, fact.WhyUsed)
	}
}
