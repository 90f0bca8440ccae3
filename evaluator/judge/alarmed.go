package judge

import (
	"cmp"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Alarmed judges a rollback rule that names an alarm: it fires when the judge inside says
// so, or when the alarm is on. The alarm is judged as that of a rule of its own would be,
// see [Gauge]. One that is not known to be on changes nothing: what the rule's own numbers
// say is known, and silence of the alarm is told beside it. One that is on and does not
// fire the rule, because it was on before the watch began or because the rule is in shadow,
// keeps it from being clear.
type Alarmed struct {
	Judge
	alarm *rules.Rule // a rule on the alarm alone
}

// alarmed is the judge of a rule with what its alarm adds, where it names one.
func alarmed(j Judge, r *rules.Rule, plan *rules.Plan) Judge {
	if r.Kind != rules.RollbackRule || r.Alarm < 0 || r.Alarm >= len(plan.Signals) || plan.Signals[r.Alarm].Kind != rules.Alarm || plan.Signals[r.Signal].Kind == rules.Alarm {
		return j
	}
	return Alarmed{j, &rules.Rule{
		Name: r.Name, Kind: rules.RollbackRule, Signal: r.Alarm, ShownSignal: r.Alarm, Alarm: -1,
		When: rules.Condition{Op: rules.GreaterOrEqual, Threshold: 1},
	}}
}

// layOut keeps of the alarm what a rule of its own would.
func (j Alarmed) layOut(l *Layout) {
	sl := &l.Signals[j.alarm.Signal]
	sl.Keep, sl.Ripens = max(sl.Keep, settledFew), true
}

// watch is what the rule on the alarm watches: for as long as w does.
func (j Alarmed) watch(sc *Scene, w *Watch) Watch {
	i := j.alarm.Signal
	width := sc.Signals[i].Bucket(&sc.Lay.Signals[i])
	return Watch{
		Rule: j.alarm, Sig: &sc.Lay.Plan.Signals[i], w: width, from: series.AlignUp(w.since, width), since: w.since,
		Changed: w.Alarm, Fresh: w.Fresh, Idle: w.Idle, Prev: w.Prev,
	}
}

// Fold remembers of the alarm since when it speaks of the release.
func (j Alarmed) Fold(sc *Scene, w *Watch, m *Memory) {
	j.Judge.Fold(sc, w, m)
	own := j.watch(sc, w)
	sc.heed(&own, m)
}

// Stand fires when either does.
func (j Alarmed) Stand(sc *Scene, w *Watch, m *Memory, out *Standing) {
	j.Judge.Stand(sc, w, m, out)
	own := j.watch(sc, w)
	var alarm Standing
	Gauge{}.Stand(sc, &own, m, &alarm)
	out.Next = min(out.Next, alarm.Next)
	out.alarm = &fact.Alarm{Signal: own.Sig.Name, State: fact.AlarmUnknown}
	switch said := out.alarm; {
	case alarm.Rung == evidence.Firing:
		said.State, said.Since = fact.AlarmOver, series.When(alarm.traced.fire.From)
		if run := &alarm.traced.run; run.Points > 0 {
			said.State, said.Since = fact.AlarmOn, series.When(run.From)
		}
		if out.Rung != evidence.Firing {
			out.Rung, out.Fires, said.Fired = evidence.Firing, rules.CauseThreshold, true
		}
	case alarm.State == Silent:
		said.Cause = alarm.Cause
	case alarm.State == Breaching:
		said.State, said.Since = fact.AlarmOn, series.When(alarm.traced.run.From)
		if alarm.traced.before {
			said.State, said.Since = fact.AlarmBefore, time.Time{}
		}
		if out.State == Clear || out.State == Warning {
			out.State, out.Cause, out.Told = Breaching, rules.CauseNone, rules.CauseThreshold
		}
	case alarm.State == Clear:
		said.State = fact.AlarmOff
	}
}

// Against says beside the rule's own evidence what the alarm says.
func (j Alarmed) Against(sc *Scene, w *Watch, v *Standing) fact.Evidence {
	ev := j.Judge.Against(sc, w, v)
	ev.Alarm = v.alarm
	return ev
}

// alarmed is what a phase waits for of a silent rule's alarm. A policy may let the phase do
// without the rule's numbers: then the alarm is all that is known of it, and must be off.
func (v *Standing) alarmed(r *rules.Rule) (cause rules.Cause, why fact.Why, waits bool) {
	switch a := v.alarm; {
	case a == nil || a.State == fact.AlarmOff:
		return rules.CauseNone, why, false
	case a.State == fact.AlarmUnknown:
		cause = cmp.Or(a.Cause, rules.CauseNoData)
		return cause, fact.Why{Code: fact.WhyAlarmUnknown, Rule: r.Name, Cause: cause}, true
	}
	return rules.CauseThreshold, fact.Why{Code: fact.WhyAlarmBefore, Rule: r.Name}, true
}
