package rules

import "slices"

// lintTurned reports success and rollback rules on one signal that lie on the same
// side: one of the two is turned around, and what one of them calls good the
// other rolls back.
func (c *compiler) lintTurned(top Checker) {
	said := map[*Rule]bool{} // :: rule → whether it has been reported
	defer c.lintTurnedAlarms(top, said)
	for _, s := range c.spec.Success {
		good := &c.plan.Rules[c.success[s.Name]]
		for _, b := range c.spec.Rollback {
			bad := &c.plan.Rules[c.rollback[b.Name]]
			if good.ShownSignal < 0 || good.ShownSignal != bad.ShownSignal || !c.sided(good) || !c.sided(bad) || c.below(good) != c.below(bad) {
				continue
			}
			turned, other, table := good, bad, "success"
			if !c.turnedSuccess(good, bad) {
				turned, other, table = bad, good, "rollback"
			}
			if said[turned] || turned.Method == Sequential && c.weighable(&c.plan.Signals[turned.Signal]) {
				continue // the bound of one that weighs evidence is reported as such
			}
			said[turned] = true
			c.turned(top.At(table, turned.Name, "when"), turned, other)
		}
	}
}

// lintTurnedAlarms reports rules on alarms that are turned around whatever stands beside
// them: ALARM is never good, and OK never bad.
func (c *compiler) lintTurnedAlarms(top Checker, said map[*Rule]bool) {
	for i := range c.plan.Rules {
		r := &c.plan.Rules[i]
		if r.ShownSignal < 0 || c.plan.Signals[r.ShownSignal].Kind != Alarm || !c.sided(r) || said[r] || c.below(r) == (r.Kind == Success) {
			continue
		}
		table, fix, does := "success", "OK", "must hold while the alarm is on"
		if r.Kind == RollbackRule {
			table, fix, does = "rollback", "ALARM", "rolls back while the alarm is OK"
		}
		top.At(table, r.Name, "when").Fail("contradiction", `write when = "`+fix+`"`, "%q: the rule %s", c.plan.Signals[r.ShownSignal].Says(r.ShownWhen), does)
	}
}

// lintTurnedAlone warns of rules that act on the good side of a signal whose good side is
// known, where no other rule contradicts them. What a query calls bad may be good for once,
// so that it is no error. One rule a signal is enough.
func (c *compiler) lintTurnedAlone(top Checker) {
	warned := map[int]bool{} // :: signal → whether a rule on it has been reported
	for i := range c.plan.Rules {
		r := &c.plan.Rules[i]
		if r.ShownSignal < 0 || warned[r.ShownSignal] || r.Method == Sequential || !c.sound(r) {
			continue
		}
		sig := &c.plan.Signals[r.ShownSignal]
		counted := sig.Kind == Ratio || sig.Kind == Percentile && sig.Unit == Seconds || sig.Kind == Mean && c.weighable(sig)
		if !counted || c.below(r) == (sig.lowIsGood() == (r.Kind == Success)) {
			continue
		}
		warned[r.ShownSignal] = true
		at := top.At(r.Kind.String(), r.Name, "when")
		if slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Path == at.Where() }) {
			continue
		}
		better, wants, fix := "more", "less", ""
		if sig.lowIsGood() {
			better, wants = "less", "more"
		}
		does := "wants " + wants
		if r.Kind == RollbackRule {
			does = "fires where there is " + better
		}
		if sig.Kind == Ratio && !sig.Good {
			fix = "; keep it where more of what the query calls bad is better"
		}
		at.Warn("turned-around", `write when = "`+sig.Says(turn(r.ShownWhen))+`"`+fix,
			"%q: of signal %q %s is better, and the rule %s", sig.Says(r.ShownWhen), sig.Name, better, does)
	}
}

func (c *compiler) turned(at Checker, turned, other *Rule) {
	sig := &c.plan.Signals[turned.ShownSignal]
	what := "must hold"
	does := "fires"
	if turned.Kind == RollbackRule {
		what, does = "rolls back", "holds"
	}
	fix := `write when = "` + sig.Says(c.aright(turned, other)) + `"`
	if !c.directed(sig) {
		fix += "; where too little and too much are both bad, give each side a signal of its own"
	}
	at.Fail("contradiction", fix, "%q %s, but %v rule %q %s on the same side, at %q",
		sig.Says(turned.ShownWhen), what, other.Kind, other.Name, does, sig.Says(other.ShownWhen))
}

// sided reports whether a rule's condition has a side: it is a bound, or a state
// of an alarm.
func (c *compiler) sided(r *Rule) bool {
	if c.plan.Signals[r.ShownSignal].Kind == Alarm {
		return r.ShownWhen.Holds(0) != r.ShownWhen.Holds(1)
	}
	return c.sound(r)
}

// below reports whether a condition with a side holds of small values.
func (c *compiler) below(r *Rule) bool {
	if c.plan.Signals[r.ShownSignal].Kind == Alarm {
		return r.ShownWhen.Holds(0)
	}
	return r.ShownWhen.upper()
}

// turnedSuccess reports which of two rules on the same side is turned around: by
// what is good of the signal where that is known, else by which of the two can be
// turned so that the conditions do not overlap.
func (c *compiler) turnedSuccess(good, bad *Rule) bool {
	sig := &c.plan.Signals[good.ShownSignal]
	if !c.directed(sig) {
		return !overlap(turn(good.ShownWhen), bad.ShownWhen)
	}
	return c.below(good) != sig.lowIsGood()
}

// directed reports whether it is known which side of a signal is the good one. Of a level
// either may be, or neither.
func (c *compiler) directed(sig *Signal) bool {
	switch sig.Kind {
	case Mean:
		return c.weighable(sig)
	case Gauge:
		return sig.Query.Facts().Groups > 0
	}
	return true
}

// aright is the condition of a rule that is turned around as it was meant, and no
// looser than the other rule's.
func (c *compiler) aright(turned, other *Rule) Condition {
	if c.plan.Signals[turned.ShownSignal].Kind == Alarm {
		state := 0.0
		if turned.Kind == RollbackRule {
			state = 1
		}
		return Condition{Op: Equal, Threshold: state}
	}
	return apart(turn(turned.ShownWhen), other.ShownWhen)
}

// apart is a condition that no value meets which meets the other, on the other
// side: itself, or all that the other leaves.
func apart(when, other Condition) Condition {
	if !overlap(when, other) {
		return when
	}
	return Condition{Op: other.Op.Opposite(), Threshold: other.Threshold, Unit: other.Unit}
}

// turn is a bound on the other side of the same threshold.
func turn(when Condition) Condition {
	when.Op = map[Op]Op{Less: Greater, LessOrEqual: GreaterOrEqual, Greater: Less, GreaterOrEqual: LessOrEqual}[when.Op]
	return when
}

// lintTargets reports success rules whose target lies beyond the trigger of a
// rollback rule that is watched in their phase: what passes would be rolled back.
func (c *compiler) lintTargets(top Checker) {
	said := map[*Rule]bool{} // :: success rule → whether it has been reported
	var watched []int        // rollback rules, which are watched to the end of the run
	for i := range c.plan.Phases {
		p := &c.plan.Phases[i]
		watched = append(watched, p.Rollback...)
		for _, g := range p.Success {
			for _, b := range watched {
				good, bad := &c.plan.Rules[g], &c.plan.Rules[b]
				if !said[good] && c.beyondTrigger(top.At("success", good.Name, "when"), good, bad) {
					said[good] = true
				}
			}
		}
	}
}

func (c *compiler) beyondTrigger(at Checker, good, bad *Rule) bool {
	g, b := good.ShownWhen, bad.ShownWhen
	if good.ShownSignal < 0 || good.ShownSignal != bad.ShownSignal || !c.sound(good) || !c.sound(bad) || g.upper() == b.upper() || !overlap(g, b) {
		return false
	}
	weighed := good.Method == Sequential || bad.Method == Sequential // whose bounds are checked as pairs
	switch {
	case weighed, g.Threshold == b.Threshold, good.Shadow, bad.Shadow, good.Gate == Advisory:
		at.Warn("overlap", "choose thresholds that do not overlap", "%q holds for values that rollback rule %q fires at (%v)", g, bad.Name, b)
	default:
		at.Fail("limit-beyond-trigger", `write when = "`+apart(g, b).String()+`" or a stricter one`, "%q holds for values that rollback rule %q fires at (%v)", g, bad.Name, b)
	}
	return true
}
