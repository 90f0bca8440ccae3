package rules

import (
	"math"
	"slices"
	"time"
)

func (c *compiler) lintRules(top Checker) {
	used := c.usedRules()
	for _, s := range c.spec.Success {
		at := top.At("success", s.Name)
		c.lintRule(at, s.RuleSpec, Success)
		c.lintAlarm(at.At("alarm"), s.Alarm)
		c.lintSuccess(at, s)
		c.lintWorst(at, s, &c.plan.Rules[c.success[s.Name]])
		if !used[c.success[s.Name]] {
			at.Warn("unused-rule", "name it in a phase's success", "no phase is judged by this rule")
		}
	}
	for _, s := range c.spec.Rollback {
		at := top.At("rollback", s.Name)
		c.lintRule(at, s.RuleSpec, RollbackRule)
		c.lintAlarm(at.At("alarm"), s.Alarm)
		c.lintRollback(at, s)
		c.lintRung(at, s)
		if !used[c.rollback[s.Name]] {
			at.Warn("unused-rule", "name it in a phase's rollback", "no phase watches this rule")
		}
	}
	c.lintPairs(top)
	c.lintTurned(top)
	c.lintTargets(top)
	c.lintTurnedAlone(top)
}

// lintAlarm reports an alarm of a rule that is no signal of kind alarm.
func (c *compiler) lintAlarm(at Checker, name string) {
	if name == "" || !c.knownSignal(at, name) {
		return
	}
	if k := c.specs[c.signals[name]].Kind; k != nil && *k != Alarm {
		at.Fail("wrong-kind", `name a signal of kind "alarm"`, "signal %q is a %v", name, *k)
	}
}

// usedRules says which rules the phases name.
func (c *compiler) usedRules() map[int]bool {
	used := map[int]bool{} // :: index in plan.Rules → whether a phase names it
	for _, p := range c.plan.Phases {
		for _, i := range slices.Concat(p.Success, p.Rollback) {
			used[i] = true
		}
	}
	return used
}

func (c *compiler) lintRollback(at Checker, s RollbackSpec) {
	if _, ok := c.success[s.Name]; ok {
		at.Fail("duplicate", "rename one of them", "a success rule has this name too")
	}
	at.Required("action", s.Action == "", `"what is to be done"`)
	if s.Command == "" {
		at.At("command").Warn("no-command", `write command = "the command that was rehearsed"`, "missing: the event must say what to run")
	}
	at.Span("for", s.For, time.Second, year)
	c.lintEffects(at, s.Effects)
	i, ok := c.signals[s.Signal]
	if ok && s.Alarm != "" && c.plan.Signals[i].Kind == Alarm {
		at.At("alarm").Fail("conflict", "make it a rollback rule of its own", "signal %q is an alarm itself", s.Signal)
	}
	if !ok || s.For == nil {
		return
	}
	if period := c.plan.Signals[i].Period; s.For.Duration < 2*period {
		at.At("for").Fail("short-for", "make it at least "+Duration{2 * period}.String(), "%v is less than two periods of signal %q, %v each", s.For, s.Signal, Duration{period})
	} else {
		multiple(at.At("for"), *s.For, period)
	}
}

// multiple warns of a stretch that is not made of whole periods.
func multiple(at Checker, d Duration, period time.Duration) {
	if period > 0 && d.Duration%period != 0 {
		at.Warn("not-a-multiple", "make it "+Duration{(d.Duration/period + 1) * period}.String(), "%v is not a multiple of the signal's period, %v", d, Duration{period})
	}
}

func (c *compiler) lintRule(at Checker, s RuleSpec, kind RuleKind) {
	at.Name(s.Name)
	at.Required("owner", s.Owner == "", `"who answers for it"`)
	at.Required("when", s.When.Op == NoOp, `"> 3 %"`)
	at.Required("signal", s.Signal == "", `"the name of a signal"`)
	at.Span("over", s.Over, time.Second, year)
	at.Span("grace", s.Grace, 0, year)
	if s.Coverage != nil && s.Coverage.Value == 0 {
		at.At("coverage").Fail("out-of-range", `write "80 %" or another share`, "a rule that needs no data could pass on nothing")
	}
	if s.MinSamples != nil && !(*s.MinSamples >= 0 && *s.MinSamples <= math.MaxInt32) {
		at.At("min_samples").Fail("out-of-range", "", "%v: want a count", *s.MinSamples)
	}
	if s.Signal == "" || !c.knownSignal(at.At("signal"), s.Signal) {
		return
	}
	spec, sig := c.specs[c.signals[s.Signal]], &c.plan.Signals[c.signals[s.Signal]]
	lintOver(at, s, sig)
	if spec.Kind != nil {
		lintAggregate(at, s, sig, kind)
		if lintState(at.At("when"), s.When, sig) {
			lintCondition(at.At("when"), s.When.compared(), sig, kind)
		}
	}
}

func lintOver(at Checker, s RuleSpec, sig *Signal) {
	switch {
	case s.Over == nil:
	case s.Over.Duration < sig.Period:
		at.At("over").Fail("short-window", "make it at least "+Duration{sig.Period}.String(), "%v is shorter than the period of signal %q, %v", s.Over, sig.Name, Duration{sig.Period})
	default:
		multiple(at.At("over"), *s.Over, sig.Period)
	}
}

func lintAggregate(at Checker, s RuleSpec, sig *Signal, kind RuleKind) {
	share := s.Aggregate != nil && *s.Aggregate == Share
	at.Required("min_share", share && s.MinShare == nil, `"90 %"`)
	at.Excess("min_share", !share && s.MinShare != nil, `it is for aggregate "share"`)
	if share && s.MinShare != nil && s.MinShare.Value == 0 {
		at.At("min_share").Fail("out-of-range", `write "90 %" or another share`, "must be above 0 %%")
	}
	lintWay(at.At("aggregate"), s, sig, kind)
	exact := s.When.Op == Equal || s.When.Op == NotEqual
	switch {
	case exact && sig.Kind == Percentile:
		at.At("when").Fail("bad-operator", "use <, <=, > or >=", "== and != make no sense for a percentile")
	case exact && sig.Kind == Gauge && value(s.Aggregate) == Average:
		at.At("when").Fail("bad-operator", "use <, <=, > or >=", "== and != make no sense for a mean")
	}
}

// lintWay reports an aggregate that the signal's kind, or the rule's, does not have.
func lintWay(at Checker, s RuleSpec, sig *Signal, kind RuleKind) {
	if s.Aggregate == nil {
		return
	}
	switch a := *s.Aggregate; sig.Kind {
	case Percentile:
		if a == Pooled || a == Average || a == Last {
			at.Fail("wrong-kind", `write "exceedance", "worst" or "share"`, "the percentile of a stretch is not the %s of its periods' percentiles", map[Aggregate]string{Pooled: "pool", Average: "mean", Last: "last"}[a])
		}
	case Gauge:
		switch {
		case a == Exceedance:
			at.Fail("wrong-kind", `write "worst", "mean", "share" or "last"`, "it is for percentiles, signal %q is a gauge", sig.Name)
		case a != Pooled && kind == RollbackRule && s.Over == nil:
			at.Fail("excess-key", `write over = "10m" too, or leave it out`, "a rollback rule without over judges each period by itself")
		}
	default:
		if a != Pooled {
			at.Fail("wrong-kind", "leave it out", "it is for percentiles and gauges, signal %q is a %v", sig.Name, sig.Kind)
		}
	}
}

// lintCondition reports a condition in another unit than the signal's, and one
// that always or never holds.
func lintCondition(at Checker, when Condition, sig *Signal, kind RuleKind) {
	if when.Op == NoOp {
		return
	}
	if when.Unit != sig.Unit {
		at.Fail("unit-mismatch", unitFix(when, sig, kind == Success), "%q is in %s, signal %q is in %s", when, unitName(when.Unit), sig.Name, unitName(sig.Unit))
		return
	}
	never, always := when.extremes(span(sig))
	fix := "choose a threshold that some values meet and others do not"
	switch {
	case never && kind == Success:
		at.Fail("never-holds", fix, "%q can never hold for a %v: the phase could never pass", when, sig.Kind)
	case never:
		at.Fail("never-holds", fix, "%q can never hold for a %v: the rule could never fire", when, sig.Kind)
	case always && kind == RollbackRule:
		at.Fail("always-holds", fix, "%q always holds for a %v: the rule would always fire", when, sig.Kind)
	case always:
		at.Warn("always-holds", fix, "%q always holds for a %v: the rule checks nothing", when, sig.Kind)
	}
}

// lintState reports a state of alarms as the condition of another signal, and
// whether it is none.
func lintState(at Checker, when Condition, sig *Signal) bool {
	if when.Unit != asState || sig.Kind == Alarm {
		return true
	}
	at.Fail("wrong-kind", `write a comparison such as "> 3 %"`, "OK and ALARM are for alarms, signal %q is a %v", sig.Name, sig.Kind)
	return false
}

func unitName(u Unit) string {
	switch u {
	case Percent:
		return "per cent"
	case Seconds:
		return "seconds"
	}
	return "plain numbers"
}

// unitFix says how a condition is written in its signal's unit. A plain number on
// per cent may be meant as per cent or as a share: the stricter of the two is
// offered, so that the fix loosens nothing.
func unitFix(when Condition, sig *Signal, good bool) string {
	fixed := Condition{Op: when.Op, Threshold: when.Threshold, Unit: sig.Unit}
	switch {
	case sig.Unit == Percent:
		least := when.upper() == good // the smaller threshold is the stricter one
		if exact := !when.bound(); when.Threshold > 1 || least || exact {
			fixed.Threshold, _ = decimal(written(when.Threshold, 0), -2)
		}
		return `write "` + fixed.String() + `"`
	case sig.Kind == Alarm:
		return `write "` + sig.Says(fixed) + `"`
	}
	return `give the signal unit = "` + when.Unit.String() + `" or write the condition in its unit`
}

// span is the least and the greatest value that a signal can have.
func span(sig *Signal) (low, high float64) {
	switch {
	case sig.Kind == Ratio || sig.Kind == Alarm:
		return 0, 1
	case sig.Unit == Seconds:
		return 0, math.Inf(1)
	}
	return math.Inf(-1), math.Inf(1)
}

// extremes reports whether the condition holds of none or of all values from
// low to high.
func (c Condition) extremes(low, high float64) (never, always bool) {
	t := c.Threshold
	switch c.Op {
	case Less:
		return t <= low, t > high
	case LessOrEqual:
		return t < low, t >= high
	case Greater:
		return t >= high, t < low
	case GreaterOrEqual:
		return t > high, t <= low
	case Equal:
		return t < low || t > high, false
	}
	return false, t < low || t > high
}
