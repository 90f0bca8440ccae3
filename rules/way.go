package rules

import "time"

// Way is how a rule makes one value of the periods that it looks at, where a kind
// has more than one way: a gauge's levels, and a percentile's periods where they
// are not counted.
type Way struct {
	Aggregate Aggregate     // Worst, Average, Share or Last of a gauge; Worst or Share of a percentile
	MinShare  float64       // Share: of the periods, 0..1
	Over      time.Duration // the stretch; zero: the phase's window of a success rule, one period of a rollback rule
}

// Way is how the rule makes one value of its signal's periods. It is the zero
// value where the signal's kind has one way only, and of a rule that weighs
// evidence.
func (p *Plan) Way(r *Rule) Way { return r.Way(p.Signals[r.Signal].Kind) }

// Way is how the rule makes one value of the periods of a signal of a kind: see
// Plan.Way.
func (r *Rule) Way(kind Kind) Way {
	if r.Method == Sequential {
		return Way{}
	}
	w := Way{Aggregate: r.Aggregate, MinShare: r.MinShare, Over: r.Over}
	switch kind {
	case Gauge:
		if w.Aggregate == Pooled {
			w.Aggregate = gaugeDefault(r.Kind, r.Over)
		}
		return w
	case Percentile:
		return w
	}
	return Way{}
}

// gaugeDefault is how a gauge is judged by a rule that does not say: a success
// rule by its worst period, so that nothing is overlooked; a rollback rule over a
// stretch by its mean, so that one bad period takes nothing back.
func gaugeDefault(kind RuleKind, over time.Duration) Aggregate {
	if kind == RollbackRule && over > 0 {
		return Average
	}
	return Worst
}

// String names the way for people: "mean over 10m", "90 % of periods". It is
// empty where a kind has one way only.
func (w Way) String() string {
	name := ""
	switch w.Aggregate {
	case Worst, Average, Last:
		name = w.Aggregate.String()
	case Share:
		name = Percent.Short(w.MinShare) + " of periods"
	}
	if name != "" && w.Over > 0 {
		name += " over " + Duration{w.Over}.String()
	}
	return name
}

// mostPeriodsAtWorst is how many periods a window may have before one bad one that
// fails the phase is worth a warning.
const mostPeriodsAtWorst = 60

// lintWorst warns of a gauge that a success rule judges by its worst period, over
// so many that one bad one is to be expected. A plan that writes aggregate =
// "worst" means it.
func (c *compiler) lintWorst(at Checker, s SuccessSpec, r *Rule) {
	if r.Signal < 0 || s.Aggregate != nil || r.Gate == Advisory || r.Shadow || c.plan.Way(r).Aggregate != Worst || c.plan.Signals[r.Signal].Kind != Gauge {
		return
	}
	most, phase := time.Duration(0), ""
	for i := range c.plan.Phases {
		p := &c.plan.Phases[i]
		for _, k := range p.Success {
			if stretch := orWindow(r.Over, p.Window); &c.plan.Rules[k] == r && stretch > most {
				most, phase = stretch, p.Name
			}
		}
	}
	period := c.plan.Signals[r.Signal].Period
	if most <= mostPeriodsAtWorst*period || period <= 0 {
		return
	}
	at.At("aggregate").Warn("one-bad-point", `write aggregate = "mean", "share" with min_share, or "last", or "worst" where it is meant`,
		"missing: one bad period of the %d in phase %q fails it", most/period, phase)
}

func orWindow(over, window time.Duration) time.Duration {
	if over > 0 {
		return over
	}
	return window
}
