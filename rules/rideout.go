package rules

import "time"

// DefaultRideOut is how long a burst of failures a rule that weighs evidence
// survives where the plan does not say.
const DefaultRideOut = 3 * time.Minute

// mostRideOut is how long a burst may be called one.
const mostRideOut = 10 * time.Minute

// RideOut is how long a burst of failures a rule that weighs evidence survives, in
// whole periods of its signal. It is zero where nothing is to be ridden out: the
// plan says so, the rule's For is longer and counts alone, or one period is
// longer than any burst.
func (p *Plan) RideOut(r *Rule) time.Duration {
	burst, period := DefaultRideOut, p.Signals[r.Signal].Period
	if r.RideOut != nil {
		burst = *r.RideOut
	}
	if r.Method != Sequential || r.For > burst || period > burst || period <= 0 {
		return 0
	}
	return (burst + period - 1) / period * period
}

// BurstPeriods is how many periods a burst of RideOut touches, wherever in a period it
// begins: 0 where bursts are not ridden out. A rule that says ride_out = 0 rides out no
// more than one bad period.
func (p *Plan) BurstPeriods(r *Rule) int {
	period := p.Signals[r.Signal].Period
	burst := p.RideOut(r)
	if burst > 0 || r.Method == Sequential && r.RideOut != nil && *r.RideOut == 0 && r.For == 0 && period > 0 && period <= time.Minute {
		return int(burst/period) + 1
	}
	return 0
}

// rideOut is what a rule says of bursts, or the release, nil where both leave it to
// the default.
func (c *compiler) rideOut(s RuleSpec) *time.Duration {
	written := s.RideOut
	if written == nil {
		written = c.spec.Release.RideOut
	}
	if written == nil || written.Duration == DefaultRideOut {
		return nil
	}
	burst := written.Duration
	return &burst
}

// lintRideOut checks what a rule that weighs evidence says of bursts.
func (c *compiler) lintRideOut(at Checker, r *Rule, s RuleSpec) {
	at.Span("ride_out", s.RideOut, 0, mostRideOut)
	if s.RideOut == nil {
		if all := c.spec.Release.RideOut; all != nil && r.For > all.Duration {
			at.At("for").Note("no-effect", "", "%v is longer than release.ride_out, %v: for alone counts in this rule", Duration{r.For}, all)
		}
		return
	}
	at = at.At("ride_out")
	burst, period := s.RideOut.Duration, c.plan.Signals[r.Signal].Period
	switch {
	case burst == 0:
	case r.For > burst:
		at.Warn("no-effect", "leave it out", "for, %v, is longer: it alone counts", Duration{r.For})
	case period > burst:
		at.Warn("no-effect", "leave it out", "%v is shorter than a period of signal %q, %v", s.RideOut, s.Signal, Duration{period})
	default:
		multiple(at, *s.RideOut, period)
	}
}
