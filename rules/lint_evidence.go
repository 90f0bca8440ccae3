package rules

// lintEvidence checks a rule that weighs evidence: that there are counts to
// weigh, and bounds to weigh them against. other is the bound that the plan may
// give beside the condition: a rollback rule's limit, a success rule's trigger.
func (c *compiler) lintEvidence(at Checker, r *Rule, s RuleSpec, otherKey string, other *Condition) {
	if c.specs[r.ShownSignal].Kind == nil {
		return // reported
	}
	sig := &c.plan.Signals[r.Signal]
	if !c.weighable(sig) {
		at.At("evidence").Fail("no-counts", noCountsFix(sig), "signal %q, kind %q, gives no counts here, and evidence needs counts", sig.Name, sig.Kind)
		return
	}
	if s.Over != nil {
		at.At("over").Warn("no-effect", "leave it out", "evidence is weighed over the whole watch, not over a stretch")
	}
	at.Excess("aggregate", sig.Kind == Gauge && r.Aggregate != Pooled, `it is for evidence = "threshold"`)
	c.lintRideOut(at, r, s)
	good := r.Kind == Success
	sound := c.lintWhen(at.At("when"), r, sig, good)
	if other != nil && sig.lintBound(at.At(otherKey), *other, !good) && sound {
		c.lintOrder(at.At(otherKey), r, sig, sig.badBound(*other))
	}
}

func noCountsFix(sig *Signal) string {
	if sig.Kind == Percentile {
		return `leave out aggregate, so that samples are counted, or write evidence = "threshold"`
	}
	return `write evidence = "threshold"`
}

// lintWhen checks the condition as a bound, and reports whether it is one.
// A condition that no value meets, and a rollback rule's that every value meets,
// are reported elsewhere.
func (c *compiler) lintWhen(at Checker, r *Rule, sig *Signal, good bool) bool {
	when, shown := r.ShownWhen, &c.plan.Signals[r.ShownSignal]
	never, always := when.extremes(span(shown))
	if when.Op == NoOp || when.Unit != shown.Unit || never || always && !good {
		return false
	}
	if sig.Of < 0 {
		return sig.lintBound(at, when, good)
	}
	if !when.bound() {
		return false // reported for the percentile
	}
	return sig.lintSide(at, when, good)
}

// bound reports whether the condition is a bound, upper or lower.
func (c Condition) bound() bool {
	return c.Op != NoOp && c.Op != Equal && c.Op != NotEqual
}

// lintBound checks a condition as a bound on what a signal counts, one that good
// releases keep or one that bad ones break, and reports whether it is.
func (s *Signal) lintBound(at Checker, when Condition, good bool) bool {
	if when.Op == NoOp {
		at.Fail("missing", "write "+s.example(good)+" or leave it out", "missing")
		return false
	}
	if when.Unit != s.Unit && s.Of >= 0 {
		at.Fail("unit-mismatch", "write "+s.example(good)+" or another share", "%q is in %s, but it bounds %q, a share of samples", when, unitName(when.Unit), s.Name)
		return false
	}
	if when.Unit != s.Unit {
		at.Fail("unit-mismatch", unitFix(when, s, good), "%q is in %s, signal %q is in %s", when, unitName(when.Unit), s.Name, unitName(s.Unit))
		return false
	}
	if !s.lintSide(at, when, good) {
		return false
	}
	if low, high := s.extent(); !(when.Threshold > low && when.Threshold < high) {
		at.Fail("no-test", "write "+s.example(good)+" or another bound between the two", "%q: no evidence can be weighed against a bound that is not above %s and below %s",
			when, s.Unit.Format(low), s.Unit.Format(high))
		return false
	}
	return true
}

// lintSide reports a condition that bounds the wrong side.
func (s *Signal) lintSide(at Checker, when Condition, good bool) bool {
	if when.bound() && when.upper() == (s.lowIsGood() == good) {
		return true
	}
	fixed := Condition{Op: s.side(good), Threshold: when.Threshold, Unit: when.Unit}
	what := "what is to be rolled back"
	if good {
		what = "what a good release keeps"
	}
	better := "more"
	if s.lowIsGood() {
		better = "less"
	}
	at.Fail("bad-operator", `write "`+fixed.String()+`"`, "%q does not bound %s: for signal %q, %s is better", when, what, s.Name, better)
	return false
}

// lowIsGood reports whether less of a signal that is weighed is better.
func (s *Signal) lowIsGood() bool { return s.Kind != Mean && !(s.Kind == Ratio && s.Good) }

// side is the operator of a bound that good releases keep, or that bad ones break.
func (s *Signal) side(good bool) Op {
	switch {
	case s.lowIsGood() && good:
		return LessOrEqual
	case s.lowIsGood():
		return Greater
	case good:
		return GreaterOrEqual
	}
	return Less
}

// extent is what the values of a signal that is weighed lie between: stars from
// one to five, shares and gaps of shares from zero to one.
func (s *Signal) extent() (low, high float64) {
	if s.Kind == Mean {
		return 1, 5
	}
	return 0, 1
}

// example is a bound that could stand there, in quotes.
func (s *Signal) example(good bool) string {
	t := 0.01
	if !good {
		t = 0.03
	}
	if s.Kind == Mean {
		t = 4.6 - 10*t
	} else if !s.lowIsGood() {
		t = 1 - t
	}
	return `"` + Condition{Op: s.side(good), Threshold: rest(1 - t), Unit: s.Unit}.String() + `"`
}

// lintOrder reports an explicit limit or trigger that is on the wrong side of the
// rule's own bound.
func (c *compiler) lintOrder(at Checker, r *Rule, sig *Signal, other float64) {
	own := sig.badBound(r.When)
	switch {
	case r.Kind == Success && !sig.beyond(other, own):
		at.Fail("limit-beyond-trigger", "write one that is worse than the rule's own condition", "a release that keeps %q would be rolled back", r.ShownWhen)
	case r.Kind == RollbackRule && !sig.beyond(own, other):
		at.Fail("limit-beyond-trigger", "write one that is better than the rule's own condition", "a release that keeps it could be rolled back: the rule fires at %q", r.ShownWhen)
	}
}

// lintPairs reports success and rollback rules on one signal whose conditions are
// in the wrong order, where a rule that weighs evidence takes the other's
// condition for its limit or its trigger.
func (c *compiler) lintPairs(top Checker) {
	said := map[int]bool{} // :: index in plan.Signals → whether it has been reported
	for _, s := range c.spec.Rollback {
		r := &c.plan.Rules[c.rollback[s.Name]]
		if s.Limit == nil && c.lintPair(top.At("rollback", s.Name, "when"), r, Success, "limit") {
			said[r.Signal] = true
		}
	}
	for _, s := range c.spec.Success {
		r := &c.plan.Rules[c.success[s.Name]]
		if s.Trigger == nil && !said[r.Signal] {
			c.lintPair(top.At("success", s.Name, "when"), r, RollbackRule, "trigger")
		}
	}
}

func (c *compiler) lintPair(at Checker, r *Rule, kind RuleKind, key string) bool {
	if r.Method != Sequential {
		return false
	}
	sig := &c.plan.Signals[r.Signal]
	if !c.weighable(sig) || !sig.bounded(r) {
		return false
	}
	own := sig.badBound(r.When)
	for i := range c.plan.Rules {
		o := &c.plan.Rules[i]
		if o.Kind != kind || o.Signal != r.Signal || !sig.bounded(o) || !o.counts(r) {
			continue
		}
		limit, trigger := own, sig.badBound(o.When)
		if kind == Success {
			limit, trigger = trigger, limit
		}
		if !sig.beyond(trigger, limit) {
			at.Fail("limit-beyond-trigger", "put the two in order or give this rule its own "+key, "%q, and %v rule %q says %q: a release that keeps its limit could be rolled back",
				r.ShownWhen, o.Kind, o.Name, o.ShownWhen)
			return true
		}
	}
	return false
}
