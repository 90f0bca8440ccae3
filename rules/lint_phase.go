package rules

import "time"

func (c *compiler) lintPhases(at Checker) {
	if len(c.spec.Phases) == 0 {
		at.Fail("missing", "add [phases.NAME]", "the plan has no phases")
	}
	for i, s := range c.spec.Phases {
		at := at.At(s.Name)
		at.Name(s.Name)
		if s.Name == "current" || s.Name == "run" {
			at.Fail("bad-name", "choose another name", "%q is reserved: gates use it for the current phase or the whole run", s.Name)
		}
		at.Required("traffic", s.Traffic == nil, `"10 %"`)
		at.Required("window", s.Window == nil, `"15m"`)
		at.Required("owner", s.Owner == "", `"who answers for it"`)
		c.lintStart(at, i)
		c.lintWindow(at, s)
		c.lintPhaseRules(at, i)
		c.lintObserved(at, s)
	}
}

// lintStart checks when and how a phase begins.
func (c *compiler) lintStart(at Checker, i int) {
	s := c.spec.Phases[i]
	advance := value(s.Advance)
	at.Required("start", s.Start == nil && advance == Scheduled, `"T+20m"`)
	if advance == OnPass && i == 0 {
		at.At("advance").Fail("order", `write "scheduled" or "signalled"`, "there is no phase before the first one whose pass could start it")
	}
	if s.Start == nil {
		return
	}
	offset(at.At("start"), *s.Start)
	if s.Start.Duration < 0 {
		at.At("start").Fail("order", `write "T" or later`, "%v: before the release begins", s.Start)
	}
	for _, before := range c.spec.Phases[:i] {
		if before.Start != nil && before.Start.Duration > s.Start.Duration {
			at.At("start").Fail("order", "put the phases in the order of time", "%v: before phase %q, which stands above and starts at %v", s.Start, before.Name, before.Start)
			return
		}
	}
}

func (c *compiler) lintWindow(at Checker, s PhaseSpec) {
	at.Span("window", s.Window, time.Second, year)
	at.Span("extend", s.Extend, 0, year)
	if s.Window != nil && s.Window.Duration < c.plan.Interval {
		at.At("window").Fail("short-window", "make it at least "+Duration{c.plan.Interval}.String(), "%v is shorter than the interval between evaluations, %v", s.Window, Duration{c.plan.Interval})
	}
}

func (c *compiler) lintPhaseRules(at Checker, i int) {
	s, p := c.spec.Phases[i], &c.plan.Phases[i]
	if len(s.Success) == 0 {
		at.At("success").Fail("missing", "name at least one success rule", "a phase without success rules could pass on nothing")
	}
	switch {
	case len(s.Rollback) == 0:
		at.At("rollback").Warn("no-rollback", "name the rollback rules to watch", "nothing rolls this phase back")
	case len(p.Rollback) > 0 && !c.plan.acting(p.Rollback):
		at.At("rollback").Warn("no-rollback", `name one with mode = "enforce"`, "nothing rolls this phase back: its rollback rules are in shadow")
	}
	lintNames(at.At("success"), "success", s.Success, c.success, "rollback", c.rollback)
	lintNames(at.At("rollback"), "rollback", s.Rollback, c.rollback, "success", c.success)
	for _, r := range p.Success {
		c.lintEnoughData(at, s, &c.plan.Rules[r])
	}
	c.lintDecided(at.At("success"), s, p)
}

// lintNames reports rules that do not exist, and rules named twice.
func lintNames(at Checker, kind string, names []string, known map[string]int, other string, others map[string]int) {
	seen := map[string]bool{}
	for i, n := range names {
		at := at.Index(i)
		if seen[n] {
			at.Fail("duplicate", "leave one out", "rule %q is named twice", n)
		}
		seen[n] = true
		if _, ok := known[n]; ok {
			continue
		}
		if _, ok := others[n]; ok {
			at.Fail("unknown-rule", "name a "+kind+" rule", "%q is a %s rule", n, other)
			continue
		}
		at.OneOf("unknown-rule", kind+" rule", n, sortedKeys(known))
	}
}

// lintEnoughData reports a phase whose window cannot hold the data that one of
// its success rules demands.
func (c *compiler) lintEnoughData(at Checker, s PhaseSpec, r *Rule) {
	if s.Window == nil || r.ShownSignal < 0 {
		return
	}
	sig, window := &c.plan.Signals[r.ShownSignal], s.Window.Duration
	extend := Duration{or(s.Extend, defaultExtend)}
	switch {
	case window < sig.Period:
		at.At("window").Fail("short-window", "make it at least "+Duration{2 * sig.Period}.String(), "%v is shorter than the period of signal %q, %v, which rule %q judges", s.Window, sig.Name, Duration{sig.Period}, r.Name)
	case window < 2*sig.Period && sig.Kind != Gauge && sig.Kind != Percentile && r.Over == 0:
		// A percentile whose period is the window is meant so: the source then
		// gives the percentile of the whole window.
		at.At("window").Warn("thin-window", "make it at least "+Duration{2 * sig.Period}.String(), "%v holds a single period of signal %q, %v, which rule %q judges", s.Window, sig.Name, Duration{sig.Period}, r.Name)
	}
	if sig.Settle > extend.Duration {
		at.At("extend").Fail("short-extend", "make it at least "+Duration{sig.Settle}.String(), "%v: signal %q, which rule %q judges, takes %v to settle: the phase could never pass", extend, sig.Name, r.Name, Duration{sig.Settle})
	}
	if old := sig.Settle + sig.Maturity; r.Method == Sequential && r.Gate == Required && sig.Settle <= extend.Duration && old >= window+extend.Duration {
		at.At("extend").Fail("short-extend", "make it at least "+Duration{old}.String()+" or give the signal a shorter maturity",
			"%v: only what is %v old helps rule %q to pass: the phase could never pass", extend, Duration{old}, r.Name)
	}
	if r.Over > window {
		at.At("window").Warn("looks-back", "make it at least "+Duration{r.Over}.String(), "%v: rule %q looks back %v, on data from before the phase began", s.Window, r.Name, Duration{r.Over})
	}
}

// sound reports whether a rule's condition is a bound, in its signal's unit, that
// some values meet and others do not.
func (c *compiler) sound(r *Rule) bool {
	when, sig := r.ShownWhen, &c.plan.Signals[r.ShownSignal]
	never, always := when.extremes(span(sig))
	bound := when.upper() || when.Op == Greater || when.Op == GreaterOrEqual
	return bound && !never && !always && when.Unit == sig.Unit
}

// upper reports whether the condition is an upper bound.
func (c Condition) upper() bool { return c.Op == Less || c.Op == LessOrEqual }

func (c Condition) inclusive() bool { return c.Op == LessOrEqual || c.Op == GreaterOrEqual }

// overlap reports whether a value satisfies both a and b, bounds on different
// sides.
func overlap(a, b Condition) bool {
	if a.Threshold == b.Threshold {
		return a.inclusive() && b.inclusive()
	}
	return a.upper() == (a.Threshold > b.Threshold)
}
