package rules

import "time"

// keep says for every signal how many periods its rules look back on: the
// longest window, and what may go by until that window has settled or is given
// up.
func (c *compiler) keep() {
	back := make([]time.Duration, len(c.plan.Signals)) // what each signal's rules look back on
	for i := range c.plan.Rules {
		c.keepForRule(&c.plan.Rules[i], back)
	}
	for _, p := range c.plan.Phases {
		for _, i := range p.Success {
			c.keepForWindow(&c.plan.Rules[i], p, back)
		}
	}
	for k := range c.plan.Phases {
		if i := c.plan.Observed(k); i >= 0 {
			back[i] = max(back[i], ObservedPeriods*c.plan.Signals[i].Period+c.plan.Phases[k].MismatchFor)
		}
	}
	for i, s := range c.plan.Signals {
		if s.Baseline > 0 {
			back[s.Baseline] = max(back[s.Baseline], back[i])
		}
	}
	for i := range c.plan.Signals {
		s := &c.plan.Signals[i]
		if s.Period > 0 {
			s.Keep = int((back[i]+s.Settle+s.Period-1)/s.Period) + 1
		}
	}
}

// foldPeriods is how many periods beyond those that may still change, or are not
// yet old enough to help, a rule that weighs evidence sees: the rest it has
// folded into its evidence.
const foldPeriods = 5

func (c *compiler) keepForRule(r *Rule, back []time.Duration) {
	for _, i := range []int{r.Signal, r.ShownSignal} {
		if i < 0 {
			continue
		}
		s := &c.plan.Signals[i]
		need := r.Over + r.For + r.KeepFiring + r.Datapoints.span(s.Period)
		if r.Method == Sequential {
			need = r.For + s.Settle + s.Maturity + foldPeriods*s.Period
		}
		back[i] = max(back[i], need)
	}
}

// keepForWindow keeps a phase's window for a success rule that judges it as a
// whole, and for its alarm.
func (c *compiler) keepForWindow(r *Rule, p Phase, back []time.Duration) {
	judged := []int{r.Signal, r.ShownSignal, r.Alarm}
	if r.Method == Sequential {
		judged = judged[2:]
	}
	for _, i := range judged {
		if i >= 0 {
			back[i] = max(back[i], max(r.Over, p.Window)+p.Extend)
		}
	}
}
