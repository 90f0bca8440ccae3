package rules

import "time"

// Mode is whether a rule acts.
type Mode uint8

const (
	Enforce Mode = iota // it decides, holds and rolls back
	Shadow              // it is judged, shown and counted, and never acts
)

// OnlyShown reports whether a rule is judged and shown, and decides nothing: it is in
// shadow, or advisory.
func (r *Rule) OnlyShown() bool { return r.Shadow || r.Gate == Advisory }

// Resume is what ends a hold that a rollback rule caused.
type Resume uint8

const (
	ResumeManual Resume = iota // a person
	ResumeAuto                 // good data, where the hold is for a baseline as bad
)

// resumeAfter is how long the data must have been good before a hold for a baseline as
// bad ends by itself; zero where only a person ends it.
func resumeAfter(s RollbackSpec, sig *Signal) time.Duration {
	if value(s.Resume) != ResumeAuto {
		return 0
	}
	return or(s.ResumeAfter, max(leastResume, sig.Settle+3*sig.Period))
}

const leastResume = 5 * time.Minute

// lintResume reports a rule whose holds can never end by themselves: they end so
// only where the baseline is as bad. Missing data holds no run.
func (c *compiler) lintResume(at Checker, s RollbackSpec, r *Rule) {
	if value(s.Resume) != ResumeAuto {
		at.Excess("resume_after", s.ResumeAfter != nil, `it is for resume = "auto"`)
		return
	}
	at.Span("resume_after", s.ResumeAfter, time.Second, 7*day)
	if r.Signal < 0 {
		return // reported
	}
	if period := c.plan.Signals[r.Signal].Period; s.ResumeAfter != nil && s.ResumeAfter.Duration < period {
		at.At("resume_after").Fail("short-window", "make it at least "+Duration{period}.String(), "%v is shorter than the period of signal %q, %v", s.ResumeAfter, s.Signal, Duration{period})
	}
	beside := r.Method == Sequential && c.specs[r.ShownSignal].Baseline != nil
	switch {
	case r.Shadow:
		at.At("resume").Fail("excess-key", "leave it out", "a rule in shadow holds nothing")
	case !beside:
		at.At("resume").Fail("excess-key", "leave it out", "it can never apply: only a baseline that is as bad makes a hold that ends by itself, and the rule weighs no evidence beside one")
	}
}

// lintShadow warns of what a rule in shadow has no use for.
func lintShadow(at Checker, s SuccessSpec) {
	if value(s.Mode) == Shadow && s.Gate != nil {
		at.At("gate").Warn("no-effect", "leave it out", "a rule in shadow decides nothing")
	}
}

// acting reports whether one of the rules acts.
func (p *Plan) acting(rules []int) bool {
	for _, i := range rules {
		if !p.Rules[i].Shadow {
			return true
		}
	}
	return false
}
