package rules

import (
	"slices"
	"time"
)

// OnMismatch is what follows when a phase is seen to have another share of the traffic
// than its plan says.
type OnMismatch uint8

const (
	Tell     OnMismatch = iota // an event says so
	HoldOnIt                   // and the run is held until a person resumes it
)

// ObservedPeriods is over how many of the newest settled periods a share is counted, at
// most.
const ObservedPeriods = 10

const (
	leastMismatch = 5 * time.Minute
	mostMismatch  = 7 * day
)

// Observed is the index in Signals of the signal that tells the share of a phase, -1 where
// none does.
func (p *Plan) Observed(phase int) int {
	name := p.Phases[phase].Observe
	if name == "" {
		return -1
	}
	return slices.IndexFunc(p.Signals, func(s Signal) bool { return s.Name == name && s.Of < 0 && s.BaselineOf == "" })
}

// observed fills in how the share of a phase is told.
func (c *compiler) observed(s PhaseSpec, p *Phase) {
	i, ok := c.signals[s.Observe]
	if s.Observe == "" || !ok || i >= len(c.specs) {
		return
	}
	p.Observe, p.OnMismatch = s.Observe, value(s.OnMismatch)
	p.MismatchFor = or(s.MismatchFor, max(leastMismatch, 3*c.plan.Signals[i].Period))
}

// lintObserved checks how the share of a phase is told.
func (c *compiler) lintObserved(at Checker, s PhaseSpec) {
	if s.Observe == "" {
		at.Excess("on_mismatch", s.OnMismatch != nil, "without observe no mismatch can be seen")
		at.Excess("mismatch_for", s.MismatchFor != nil, "without observe no mismatch can be seen")
		if value(s.Advance) == Observed {
			at.Required("observe", true, `"the name of a signal"`)
		}
		return
	}
	at.Span("mismatch_for", s.MismatchFor, time.Second, mostMismatch)
	if !c.knownSignal(at.At("observe"), s.Observe) {
		return
	}
	switch sig, spec := &c.plan.Signals[c.signals[s.Observe]], c.specs[c.signals[s.Observe]]; {
	case spec.Kind == nil: // reported
	case sig.Kind == Gauge && sig.Unit == Percent:
	case (sig.Kind == Ratio || sig.Kind == Percentile) && spec.Baseline != nil:
	case sig.Kind == Ratio || sig.Kind == Percentile:
		at.At("observe").Fail("wrong-kind", "give the signal a baseline, or name a gauge in %", "signal %q has no baseline: its counts are those of the release alone, and say nothing of its share", s.Observe)
	default:
		at.At("observe").Fail("wrong-kind", "name a gauge in %, or a ratio or percentile with a baseline", "signal %q, a %v, tells no share of the traffic", s.Observe, sig.Kind)
	}
}
