package rules

import (
	"time"
)

const (
	day  = 24 * time.Hour
	year = 366 * day // no length of time in a plan is longer
)

// lint reports what is wrong with the Spec. It looks at the Spec, not at what it
// was compiled to, so that every problem has the key path that its author knows.
func (c *compiler) lint() {
	top := Check("", &c.problems)
	c.lintRelease(top.At("release"))
	c.lintPhases(top.At("phases"))
	c.lintRollout(top.At("phases"))
	c.lintRules(top)
	c.lintSignals(top.At("signals"))
	c.lintCommunications(top.At("communications"))
	c.lintPeople(top)
	c.lintRehearsal(top.At("rehearsal"))
	c.lintIdle(top)
}

func (c *compiler) lintRelease(at Checker) {
	r := c.spec.Release
	at.Required("plan", r.Plan == "", `"REL-2025-06-04"`)
	at.Required("title", r.Title == "", `"what is launched"`)
	at.Required("manager", r.Manager == "", `"Release Manager"`)
	c.lintBegin(at)
	if r.Plan != "" {
		at.At("plan").Name(r.Plan)
	}
	at.Span("interval", r.Interval, time.Second, time.Hour)
	at.Span("ride_out", r.RideOut, 0, mostRideOut)
	c.lintBudget(at)
	c.lintCompletion(at.At("expected_completion"))
}

// lintBegin checks what says how the plan's runs begin.
func (c *compiler) lintBegin(at Checker) {
	r := c.spec.Release
	switch {
	case r.Version != "" && r.Start.IsZero() && !c.spec.Bare:
		at.At("start").Fail("missing", "write start = 2025-06-04T02:00:00Z, or leave version out and begin runs with `relgate start "+orName(r.Plan, "PLAN")+" --version …`", "missing beside a version")
	case c.spec.Bare:
		at.Required("start", r.Start.IsZero(), "2025-06-04T02:00:00Z")
	case r.Version == "" && !r.Start.IsZero():
		at.At("version").Warn("no-version", `write version = "1.0.0"`, "missing: %q is taken as the version, so no gate can be asked by the real one", c.plan.Version)
	}
	if err := CheckVersion(r.Version); r.Version != "" && err != nil {
		at.At("version").Fail("bad-version", "", "%v", err)
	}
}

func (c *compiler) lintCompletion(at Checker) {
	written := c.spec.Release.Completion
	if written.IsZero() {
		return
	}
	length := c.plan.Length
	if !c.plan.Start.IsZero() {
		length = c.plan.Completion.Sub(c.plan.Start)
	} else if !written.Time.IsZero() {
		if c.plan.Template() {
			at.Fail("wrong-type", `write an offset such as "T+30.5h"`, "a template has no date of its own")
		}
		return
	}
	if written.Offset != nil {
		offset(at, *written.Offset)
	}
	if length <= 0 {
		at.Fail("order", "write a time after release.start", "not after the start")
		return
	}
	for _, p := range c.plan.Phases {
		if end := p.Start + p.Window; end > length {
			later := Offset{end}.String()
			if written.Offset == nil {
				later = c.plan.Start.Add(end).Format(time.RFC3339)
			} else {
				later = `"` + later + `"`
			}
			at.Warn("order", "write expected_completion = "+later+" or later", "phase %q is watched until after it", p.Name)
			return
		}
	}
}

// offset reports a time that is too far from T, or not in whole seconds.
func offset(at Checker, o Offset) {
	switch {
	case o.Duration.Abs() > year:
		at.Fail("out-of-range", "", "%v: want at most a year from T", o)
	case o.Duration%time.Second != 0:
		at.Fail("out-of-range", "", "%v: want whole seconds", o)
	}
}
