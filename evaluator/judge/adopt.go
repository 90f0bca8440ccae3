package judge

import "github.com/relgate/relgate/rules"

// SameWeighing reports whether what a rule of one plan has weighed means what it would in
// another: its signal and its two bounds are the same.
func SameWeighing(old, plan *rules.Plan, o, n *rules.Rule) bool {
	was, is := &old.Signals[o.Signal], &plan.Signals[n.Signal]
	return o.Method == n.Method && o.Limit == n.Limit && o.Trigger == n.Trigger && was.Name == is.Name &&
		was.SameQuestion(is) && was.Cluster == is.Cluster && sameBaseline(old, plan, was, is)
}

// SameAlarm reports whether what rules of two plans remember of an alarm is of the same one:
// the alarm that they name, or judge.
func SameAlarm(old, plan *rules.Plan, o, n *rules.Rule) bool {
	was, is := o.Signal, n.Signal
	if o.Alarm >= 0 || n.Alarm >= 0 {
		was, is = o.Alarm, n.Alarm
	}
	return was >= 0 && is >= 0 && old.Signals[was].Name == plan.Signals[is].Name && old.Signals[was].SameQuestion(&plan.Signals[is])
}

func sameBaseline(old, plan *rules.Plan, was, is *rules.Signal) bool {
	if was.Baseline <= 0 || is.Baseline <= 0 {
		return was.Baseline <= 0 && is.Baseline <= 0
	}
	return old.Signals[was.Baseline].SameQuestion(&plan.Signals[is.Baseline])
}
