package power

import (
	"context"
	"math"
	"time"

	"github.com/relgate/relgate/evaluator/lab/simulation"
	"github.com/relgate/relgate/rules"
)

// Beside is what a baseline does to a rollback rule in a phase: it has to confirm a
// fault before the release is rolled back. Where the release gets all of the
// traffic, nothing is left to do so, and all numbers are zero: then the limit alone
// decides.
//
// The fault is the mildest that the rule would find by itself and that its baseline
// does not confirm in the window because it has too little traffic; without such a
// fault, the mildest that the rule would find. If the rule would find none, Rate and
// the fields after it are zero.
type Beside struct {
	PerMinute float64 `json:"samples_per_minute"` // that the phase leaves for the baseline
	Outage    float64 `json:"outage,omitempty"`   // true value of both when something that they share fails: twice the trigger
	Shared    float64 `json:"shared,omitempty"`   // how likely the release is rolled back in the window for that
	Healthy   float64 `json:"healthy,omitempty"`  // true value of the baseline: the rule's limit
	Rate      float64 `json:"rate,omitempty"`     // true value of the release under the fault
	Thin      bool    `json:"thin,omitempty"`     // the baseline has too little traffic to confirm it in the window
	Alone     float64 `json:"alone,omitempty"`    // how likely the rule would fire in the window if there were no baseline
	Power     float64 `json:"power,omitempty"`    // how likely it does
	Minutes   float64 `json:"minutes,omitempty"`  // median until it does; zero where that is beyond what was looked at
	Share     float64 `json:"share,omitempty"`    // less traffic for the release that leaves enough for the baseline; zero where none does, or none has to

	slow bool // the baseline makes it much later than it would be without
}

// beside is what a rule's baseline does in a phase, nil where there is none or
// nothing can be said of it.
func (f *forecaster) beside(l *Line) *Beside {
	if l.signal.Baseline <= 0 {
		return nil
	}
	b := &Beside{PerMinute: 60 * l.signal.Rate * max(1-l.phase.Traffic, 0)}
	if b.PerMinute == 0 {
		return b
	}
	set, err := simulation.OfPlan(f.plan, l.rule.Name, l.phase.Name)
	if err != nil || set.Sequential == nil {
		return nil
	}
	c := comparison{set: set, group: int(math.Round(l.traffic.cluster))}
	all := faults(l.rule, l.rule.Trigger)
	b.Outage = all[len(all)-1]
	c.fault, c.outage = b.Outage, b.Outage
	b.Shared = c.shared(set.Share)
	b.Healthy = set.Limit
	for _, rate := range all {
		if c.fault = rate; c.judge(b) {
			break
		}
	}
	if b.Thin {
		b.Minutes = c.median()
	}
	if b.Thin || b.Shared > plain {
		b.Share = c.enough()
	}
	return b
}

// comparison simulates a fault of the release beside a baseline at the limit, as the
// evaluator judges it.
type comparison struct {
	set    *simulation.Setting
	fault  float64 // true rate of the release alone
	outage float64 // and of both
	group  int     // bad ones come in groups of so many
}

// How much simulating may cost: looks over all runs, runs, and looks of one.
const (
	besideLooks  = 100000
	besideFewest = 20
	besideMost   = 200
	besideLong   = 50000
	ample        = 9 // times the release's traffic are a baseline that lacks nothing
)

// plain is by how much a simulated probability must differ to be told from chance.
const plain = .1

// judge notes what becomes of the fault in the window, if it is the one to report, and
// reports whether the search is over.
func (c *comparison) judge(b *Beside) bool {
	out, ok := c.run(c.traffic(c.set.Share), c.set.Looks)
	if !ok || out[0].Found() < .5 {
		return false
	}
	thin := c.thin(out[0].Found(), out[1].Found())
	if !thin && b.Rate > 0 {
		return false
	}
	b.Rate, b.Thin, b.Alone, b.Power = c.fault, thin, out[0].Found(), out[1].Found()
	looks, _ := out[1].Quantile(.5)
	b.Minutes = float64(looks) * c.set.Period.Minutes()
	alone, _ := out[0].Quantile(.5)
	b.slow = looks > alone+alone/2+1
	return thin
}

func (c *comparison) traffic(share float64) simulation.Traffic {
	return simulation.PerLook(c.set.Rate, share, c.set.Period.Seconds(), true)
}

// shared is how likely the release is rolled back although its baseline fails alike.
func (c *comparison) shared(share float64) float64 {
	out, _ := c.simulate(simulation.Release{Rate: c.outage, Baseline: c.outage, Group: c.group}, c.traffic(share), c.set.Looks)
	return out[1].Found()
}

// run is a fault of the release beside a baseline at the limit.
func (c *comparison) run(t simulation.Traffic, looks int) (out [2]simulation.Fires, ok bool) {
	return c.simulate(simulation.Release{Rate: c.fault, Baseline: c.set.Limit, Group: c.group}, t, looks)
}

// simulate lets the same releases run past the rule without its baseline and with it.
func (c *comparison) simulate(r simulation.Release, t simulation.Traffic, looks int) (out [2]simulation.Fires, ok bool) {
	out = [2]simulation.Fires{{Runs: 1}, {Runs: 1}}
	if looks > besideLong {
		return out, false
	}
	alone := *c.set.Sequential
	alone.Beside = false
	all, err := simulation.Run(context.Background(), simulation.Config{
		Release: r, Traffic: t, Looks: looks, Runs: min(max(besideLooks/looks, besideFewest), besideMost),
		Seed: 1, Rules: []simulation.Rule{&alone, c.set.Sequential},
	})
	if err != nil { // the plan's rates are beyond what can be drawn
		return out, false
	}
	return [2]simulation.Fires{all[0].Fires[simulation.RolledBack], all[1].Fires[simulation.RolledBack]}, true
}

// thin reports whether a fault that would be found without a baseline is missed
// because its baseline has too few samples. A fault so near to the limit that no
// baseline at the limit could confirm it does not count.
func (c *comparison) thin(alone, with float64) bool {
	if with >= .5 || with > alone-plain {
		return false
	}
	t := c.traffic(c.set.Share)
	t.Baseline = max(t.Baseline, ample*t.Canary)
	out, ok := c.run(t, c.set.Looks)
	return ok && out[1].Found() >= .5
}

// median is within how many minutes half of the releases are rolled back, 0 where
// that is longer than some windows.
func (c *comparison) median() float64 {
	out, ok := c.run(c.traffic(c.set.Share), min(patience*c.set.Looks, max(c.set.Looks, besideLooks/besideFewest)))
	if !ok {
		return 0
	}
	looks, _ := out[1].Quantile(.5)
	return float64(looks) * c.set.Period.Minutes()
}

// enough is the largest of some shares of the traffic below the phase's that leaves
// so much for the baseline that a fault of the release is rolled back in the window,
// and one of both is not.
func (c *comparison) enough() float64 {
	for _, share := range []float64{.95, .9, .75, .5, .25, .1} {
		if share >= c.set.Share {
			continue
		}
		if out, ok := c.run(c.traffic(share), c.set.Looks); ok && out[1].Found() >= .5 && c.shared(share) <= plain {
			return share
		}
	}
	return 0
}

// alone reports whether a signal's baseline is never beside the release: every phase
// whose rollback rules weigh the signal gives the release all of the traffic.
func alone(plan *rules.Plan, signal int) bool {
	watched := false
	for k := range plan.Phases {
		for _, i := range plan.Phases[k].Rollback {
			r := &plan.Rules[i]
			if r.ShownSignal != signal || r.Method != rules.Sequential {
				continue
			}
			if plan.Phases[k].Traffic < 1 {
				return false
			}
			watched = true
		}
	}
	return watched
}

// awaited is how long a baseline may be behind the release before it counts as
// gone, as the evaluator has it.
func awaited(plan *rules.Plan, sig *rules.Signal) time.Duration {
	return sig.Settle + 2*sig.Every + sig.Period + max(time.Minute, plan.Interval)
}
