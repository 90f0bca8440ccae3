package words

import (
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// besides says what the alarm says that a rollback rule names; empty where it names none.
func (s *speaker) besides() string {
	a := s.ev.Alarm
	if a == nil {
		return ""
	}
	the := "the " + s.alarmNoun() + " " + a.Signal
	switch a.State {
	case fact.AlarmOff:
		return the + " is off"
	case fact.AlarmOn:
		return the + " is " + alarmSince(a, s.at)
	case fact.AlarmOver:
		return the + " was " + alarmSince(a, s.at)
	case fact.AlarmBefore:
		return the + " was on before the phase began; it counts once it has been off"
	}
	why := ""
	if a.Cause != rules.CauseNone {
		why = ", " + causeText(a.Cause)
	}
	if s.view.State == fact.RuleSilent {
		return the + " is not known" + why
	}
	return the + " is not known" + why + ": the rule goes by its own numbers"
}

// alarmSince says since when an alarm is on, or when it was.
func alarmSince(a *fact.Alarm, at time.Time) string {
	if a.State == fact.AlarmOver {
		return "on at " + clock(a.Since, at)
	}
	return "on since " + clock(a.Since, at)
}

// alarmNoun is what people call the alarm that a rule names: "CloudWatch alarm".
func (s *speaker) alarmNoun() string { return alarmNoun(s.plan, s.rule) }

func alarmNoun(plan *rules.Plan, r *rules.Rule) string {
	if i := r.Alarm; i >= 0 && i < len(plan.Signals) && plan.Signals[i].Query.Facts().Alarm != "" {
		return plan.Signals[i].Query.Facts().Alarm
	}
	return "alarm"
}

// alarmOf names the alarm of a rule, by the rule's name: "the CloudWatch alarm api-5xx".
func alarmOf(plan *rules.Plan, rule string) string {
	r := anyRule(plan, rule)
	if r == nil || r.Alarm < 0 || r.Alarm >= len(plan.Signals) {
		return "the alarm"
	}
	return "the " + alarmNoun(plan, r) + " " + plan.Signals[r.Alarm].Name
}

// own says what a rule's own numbers are, where its alarm has fired it.
func (s *speaker) own() string {
	if !s.ev.Known {
		return "relgate has no number of its own"
	}
	return fmt.Sprintf("relgate's own number is %s (the rule acts at %s)", s.number(), s.rule.ShownWhen)
}

// number is the value of a rule, without what it is compared with.
func (s *speaker) number() string {
	switch {
	case !s.exceeds():
		return s.way() + s.ev.Unit.Short(s.ev.Value)
	case s.quantile() != nil:
		return s.ev.Quantile.Unit.Short(s.ev.Quantile.Value)
	}
	return fmt.Sprintf("%s above %s", share(s.ev.Value), s.plan.Signals[s.sig.Of].Unit.Short(s.sig.Above))
}

// withoutData is what keeps a phase from going on of a rollback rule whose own data is missing:
// its alarm.
func withoutData(plan *rules.Plan, w *fact.Why) string {
	state := " is on"
	if w.Code == fact.WhyAlarmUnknown {
		state = " is not known, " + causeText(w.Cause)
	}
	return fmt.Sprintf("%s%s; rollback rule %s has no data of its own", alarmOf(plan, w.Rule), state, titleOf(plan, w.Rule))
}
