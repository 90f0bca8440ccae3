package judge

import (
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Ground is why a success rule is as its view says. The evidence beside it says
// the rest.
func (v *Finding) Ground() fact.Why {
	open := v.Cause == rules.CauseWindow
	switch {
	case v.Policy != fact.Why{}:
		return v.Policy
	case v.Before && v.undecided():
		return fact.Why{Code: fact.WhyAlarmBefore}
	case v.alarm && v.Verdict == rules.Fail:
		return fact.Why{Code: fact.WhyAlarmFired}
	case v.alarm:
		return fact.Why{Code: fact.WhyAlarmUnknown, Cause: v.Cause}
	case open && v.Closed:
		return fact.Why{Code: fact.WhyCutShort}
	case v.Unseen:
		return Sighting(v.looked)
	case v.ongoing.Code != "":
		return v.ongoing
	case open:
		return fact.Why{Code: fact.WhySoFar, Cause: v.Silence.Cause}
	case v.Cause == rules.CauseUnsettled:
		return fact.Why{Code: fact.WhyUnsettled}
	case v.undecided():
		return fact.Why{Code: fact.WhyCannotJudge, Cause: v.Cause}
	}
	return fact.Why{Code: fact.WhyMeasured}
}

// undecided reports whether a success rule waits for more samples.
func (v *Finding) undecided() bool {
	return v.Verdict != rules.Pass && v.Verdict != rules.Fail
}

// tooOld says that what has not settled is too old, or worse, where its signal is silent.
func (v *Finding) tooOld() {
	if v.Cause == rules.CauseUnsettled && v.Silence.Cause != rules.CauseNone {
		v.Cause = v.Silence.Cause
	}
}

// cutShort reports whether a success rule was never judged, since its phase was
// decided before its window ended.
func (v *Finding) cutShort() bool { return v.Closed && v.Cause == rules.CauseWindow }

// windowVerdict judges a whole window: only on data that is complete up to its
// end, and thick enough.
func (sc *Scene) windowVerdict(r *rules.Rule, v *Stretch, end int64) (rules.Verdict, rules.Cause) {
	sig, sl, s := &sc.Lay.Plan.Signals[r.Signal], &sc.Lay.Signals[r.Signal], &sc.Signals[r.Signal]
	switch {
	case v.Expected < 1:
		return rules.Pending, rules.CauseInsufficientSamples
	case s.Settled < series.AlignDown(end, s.Bucket(sl)) && s.Fails > 0:
		return rules.Pending, FaultCause(s.Fault)
	case silentAtEnd(r, s, s.Bucket(sl), max(v.newest, v.From), v.To):
		return rules.Pending, rules.CauseNoData
	case s.Settled < series.AlignDown(end, s.Bucket(sl)):
		return rules.Pending, rules.CauseUnsettled
	case v.Points == 0:
		return rules.Pending, rules.CauseNoData
	case !v.known || !v.Covered(r.Coverage) || v.real < r.MinSamples:
		return rules.Pending, rules.CauseInsufficientSamples
	case meets(r, sig, v.value):
		return rules.Pass, rules.CauseThreshold
	}
	return rules.Fail, rules.CauseThreshold
}

// silentAtEnd reports whether the end of a stretch is unknown: its newest value is older
// than the rule's grace. What came before says nothing of it, however much that was.
func silentAtEnd(r *rules.Rule, s *series.Series, width, newest, end int64) bool {
	return gapAfter(r, s, width, newest, end).Cause != rules.CauseNone
}

// Code is where a success rule stands.
func (v *Finding) Code(sig *rules.Signal) State {
	switch {
	case v.Verdict == rules.Fail:
		return Fired
	case v.Verdict == rules.Pass:
		return Clear
	case v.Cause != rules.CauseWindow || v.Silence.Cause != rules.CauseNone || v.looked:
		return Silent
	case v.Unseen:
		return Idle
	case !v.Stretch.known:
		return Idle
	case meets(v.Rule, sig, v.Stretch.value):
		return Clear
	}
	return Breaching
}

// EndsSilent reports whether the end of the stretch that a rollback rule has seen is
// unknown: nothing came for longer than its grace. For one that weighs evidence a period in
// which nothing happened is known. Reviews and groups come when they come.
func (sc *Scene) EndsSilent(r *rules.Rule, seen *Stretch) bool {
	s, sl := &sc.Signals[r.Signal], &sc.Lay.Signals[r.Signal]
	w := s.Bucket(sl)
	newest := s.ValuedUntil(sl, seen.To)
	if r.Method == rules.Sequential {
		if sc.Lay.Plan.Signals[r.Signal].Kind != rules.Ratio {
			return false
		}
		points := s.Whole(sl, false, 0)
		if i := series.Before(points, seen.To-w+1); i > 0 {
			newest = points[i-1].At + w
		}
	}
	return silentAtEnd(r, s, w, max(newest, seen.From), seen.To)
}

// Thin is why a rollback rule is not known to have been quiet over a stretch, of which it
// has seen the end or not.
func (sc *Scene) Thin(r *rules.Rule, seen *Stretch, silent bool) (cause rules.Cause, why fact.Why) {
	cause, why = rules.CauseInsufficientSamples, fact.Why{Code: fact.WhyRuleThin, Rule: r.Name, N: max(seen.Points, 0), Of: seen.Expected}
	switch {
	case silent || seen.Covered(r.Coverage) && sc.EndsSilent(r, seen):
		cause, why.Code, why.Cause = rules.CauseNoData, fact.WhyEndUnknown, rules.CauseNoData
	case seen.Points <= 0:
		cause = rules.CauseNoData
	}
	if late := int64(sc.late(r.Signal)); late > 0 {
		asked := sc.Signals[r.Signal].Asked
		why.Code, why.Since, why.Until = fact.WhyRuleLate, series.When(asked-late), series.When(asked)
	}
	return cause, why
}

// late is how many seconds after its end a period comes, where all come after they were
// said to be complete; else zero.
func (sc *Scene) late(signal int) int32 {
	if s := &sc.Signals[signal]; s.MostlyLate(&sc.Lay.Signals[signal]) {
		return s.Late
	}
	return 0
}

// Heard reports whether the data of a success rule reach to the end of its phase's window:
// one that may only veto is not waited for after that.
func (sc *Scene) Heard(r *rules.Rule, end int64) bool {
	s, sl := &sc.Signals[r.Signal], &sc.Lay.Signals[r.Signal]
	return s.Settled >= series.AlignDown(end, s.Bucket(sl))
}
