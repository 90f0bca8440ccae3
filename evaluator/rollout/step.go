package rollout

import (
	"math"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// State is what is remembered of the share of a phase. Its zero value is that of one which is
// as planned, or not looked at.
type State struct {
	Off  int64 // since when it has been seen to be another than planned; 0 while it is not
	Told bool  // an event has said so
	Held bool  // and has held the run
}

// Form is the version of the stored form from which on a State is in it.
const Form = 6

// Write stores what is remembered of so many phases. Mostly it is nothing, so that each entry
// names its phase.
func Write(w *stored.Writer, phases int, of func(phase int) *State) {
	var some []int
	for k := range phases {
		if *of(k) != (State{}) {
			some = append(some, k)
		}
	}
	stored.List(w, some, func(w *stored.Writer, k *int) {
		w.Uint(uint64(*k))
		w.Int(of(*k).Off)
		w.Bool(of(*k).Told)
		w.Bool(of(*k).Held)
	})
}

// Read reads what Write wrote; nothing was there before [Form].
func Read(r *stored.Reader, phases int, of func(phase int) *State) {
	if r.Form < Form {
		return
	}
	for range r.Size(r.Uint(), r.Left()/4) {
		k := r.Size(r.Uint(), math.MaxInt32)
		st := State{Off: r.Time(), Told: r.Bool(), Held: r.Bool()}
		if r.Check(k < phases && st.Off > 0 && (st.Told || !st.Held), "a mismatch that was never seen") {
			*of(k) = st
		}
	}
}

// Due is when a phase is to begin that begins by itself, by the plan's clock or by what is
// seen of it, and why. The time means nothing where why has no code: it does not begin.
func Due(sc *judge.Scene, phase int) (due int64, why fact.Why) {
	plan, start := sc.Lay.Plan, sc.Lay.Start
	p := &plan.Phases[phase]
	switch {
	case plan.Clocked(phase):
		return start + series.Secs(p.Start), fact.Why{Code: fact.WhyOnSchedule}
	case p.Advance != rules.Observed:
		return 0, fact.Why{}
	}
	o := Seen(sc, phase, 0)
	if o == nil || !reaches(o, p.Traffic) {
		return 0, fact.Why{}
	}
	w := sc.Signals[plan.Observed(phase)].Bucket(&sc.Lay.Signals[plan.Observed(phase)])
	seen := series.AlignDown(o.At.Unix()-1, w)
	return max(seen, start), fact.Why{Code: fact.WhyStartedByShare, Phase: p.Name, Observed: o.Share, Planned: p.Traffic}
}

// Awaits is why a phase has not begun that begins by its share.
func Awaits(sc *judge.Scene, phase int) fact.Why {
	p := &sc.Lay.Plan.Phases[phase]
	why := fact.Why{Code: fact.WhyAwaitsShare, Phase: p.Name, Planned: p.Traffic, Cause: rules.CauseConfig}
	if o := Seen(sc, phase, 0); o != nil {
		why.Cause, why.Observed = o.Cause, o.Share
	}
	return why
}

// Need notes that the signals are asked by which phases are observed.
func Need(plan *rules.Plan, at int64, needs []int64) {
	for k := range plan.Phases {
		i := plan.Observed(k)
		if i < 0 || at < plan.Start.Unix() {
			continue
		}
		from := at - rules.ObservedPeriods*series.Secs(plan.Signals[i].Period)
		needs[i] = min(needs[i], from)
		if b := plan.Signals[i].Baseline; b > 0 && b < len(needs) {
			needs[b] = min(needs[b], from)
		}
	}
}

// Shown is the share of a phase for a snapshot.
func Shown(sc *judge.Scene, phase int, st State, begun func(phase int) int64) *fact.Observed {
	if begun(phase) != 0 && !newest(sc.Lay.Plan, phase, begun) && !st.Told {
		return nil
	}
	o := Seen(sc, phase, 0)
	if o != nil && st.Told {
		o.Mismatch = series.When(st.Off)
	}
	return o
}

// newest reports whether a phase has begun, and none after it of which the same signal tells.
func newest(plan *rules.Plan, phase int, begun func(phase int) int64) bool {
	for k := phase + 1; k < len(plan.Phases); k++ {
		if begun(k) != 0 && plan.Phases[k].Observe == plan.Phases[phase].Observe {
			return false
		}
	}
	return begun(phase) != 0
}

// Step compares the share of a phase with what was planned. Begun is when a phase began, 0
// where it has not. It gives the event of a mismatch that begins or ends, one without a kind
// where neither is so.
func (st State) Step(sc *judge.Scene, phase int, begun func(phase int) int64, over bool) (State, fact.Event) {
	p := &sc.Lay.Plan.Phases[phase]
	var o *fact.Observed
	if !over && newest(sc.Lay.Plan, phase, begun) {
		o = Seen(sc, phase, begun(phase))
	}
	why := fact.Why{Phase: p.Name, Planned: p.Traffic, Since: series.When(st.Off)}
	switch {
	case o == nil && st.Told:
		why.Code = fact.WhyShareUnwatched
		return State{}, change(p, fact.Over, why)
	case o == nil, !o.Known && !st.Told:
		return State{}, fact.Event{} // what is not known is no mismatch
	case !o.Known:
		return st, fact.Event{} // and ends none
	}
	why.Observed = o.Share
	switch {
	case !differs(o, p.Traffic) && st.Told:
		why.Code, why.Since = fact.WhyShareMatches, o.Since
		return State{}, change(p, fact.Match, why)
	case !differs(o, p.Traffic):
		return State{}, fact.Event{}
	case st.Off == 0:
		st.Off = sc.At
	}
	if st.Told || sc.At < st.Off+series.Secs(p.MismatchFor) {
		return st, fact.Event{}
	}
	st.Told, why.Code, why.Since = true, fact.WhyShareDiffers, series.When(st.Off)
	return st, change(p, fact.Mismatch, why)
}

func change(p *rules.Phase, to string, why fact.Why) fact.Event {
	from := fact.Mismatch
	if to == fact.Mismatch {
		from = fact.Match
	}
	return fact.Event{
		Kind: fact.RolloutEvent, Subject: p.Name, Phase: p.Name, From: from, To: to, Cause: rules.CauseThreshold, Why: why,
	}
}

// Holds says why the run is to be held for a mismatch that has been told, and the state once
// it is; a ground without a code where it is not.
func (st State) Holds(sc *judge.Scene, phase int) (State, fact.Why) {
	p := &sc.Lay.Plan.Phases[phase]
	if !st.Told || st.Held || p.OnMismatch != rules.HoldOnIt {
		return st, fact.Why{}
	}
	o := Seen(sc, phase, 0)
	if !o.Known {
		return st, fact.Why{} // it cannot be said what holds it
	}
	st.Held = true
	return st, fact.Why{
		Code: fact.WhyHeldByMismatch, Phase: p.Name, Observed: o.Share, Planned: p.Traffic, Since: series.When(st.Off), Cause: rules.CauseThreshold,
	}
}

// Mismatch is the ground of a hold where it is a mismatch, else zero.
func Mismatch(hold fact.Why) fact.Why {
	if hold.Code != fact.WhyHeldByMismatch {
		return fact.Why{}
	}
	return hold
}

// Next is when a mismatch is told by time alone, if before next.
func (st State) Next(p *rules.Phase, next int64) int64 {
	if st.Off == 0 || st.Told {
		return next
	}
	return min(next, st.Off+series.Secs(p.MismatchFor))
}

// Follow takes over what an event says.
func (st State) Follow(e *fact.Event) State {
	if e.To != fact.Mismatch {
		return State{}
	}
	return State{Off: e.Why.Since.Unix(), Told: true, Held: st.Held}
}
