package backtest

import (
	"slices"
	"time"

	"github.com/relgate/relgate/rules"
)

// Extent says how much of what a rule rests on the history holds.
type Extent string

const (
	Whole  Extent = "whole"  // all of it
	Partly Extent = "partly" // there is a hole, or a companion is missing
	None   Extent = "none"   // the rule cannot be judged
)

// coverage is what the history holds for one rule in one stretch of time.
type coverage struct {
	extent Extent
	why    string // for people; empty when whole
	alone  bool   // judged without its alarm
	holed  bool   // there is a hole in its own signals
}

// Length is how long a plan's release takes, from its start to the end of its
// last window.
func Length(plan *rules.Plan) time.Duration {
	var end time.Duration
	for _, p := range plan.Phases {
		end = max(end, p.Start+p.Window)
	}
	return end
}

// covers says what the history holds for a rule in a stretch.
func (r *run) covers(rule int, from, to int64) coverage {
	rl := &r.plan.Rules[rule]
	c := r.holds(rl.Signal, from, to)
	if b := baseline(r.plan, rl.Signal); c.extent != None && b >= 0 {
		if of := r.holds(b, from, to); of.extent == None || c.extent == Whole {
			c = of
		}
	}
	if rl.Kind == rules.Success && c.extent != Whole {
		return coverage{extent: None, why: c.why} // a window is judged whole or not at all
	}
	c.holed = c.extent == Partly
	if i := rl.Alarm; c.extent != None && i >= 0 && i < len(r.plan.Signals) {
		if of := r.holds(i, from, to); of.extent != Whole {
			c.alone = true
			if !c.holed {
				c.extent, c.why = Partly, "judged without its alarm: "+of.why
			}
		}
	}
	return c
}

// holds says what the history holds of a signal in a stretch.
func (r *run) holds(signal int, from, to int64) coverage {
	if signal < 0 || signal >= len(r.series) {
		return coverage{extent: None, why: "the rule has no signal"}
	}
	s, name := r.series[signal], r.plan.Signals[signal].Name
	switch {
	case s == nil:
		return coverage{extent: None, why: name + " was not fetched"}
	case s.None != "":
		return coverage{extent: None, why: name + ": " + s.None}
	}
	g, holed := s.hole(from, to)
	switch {
	case !holed:
		return coverage{extent: Whole}
	case g.From <= from && g.To >= to:
		return coverage{extent: None, why: name + ": " + g.Detail}
	}
	return coverage{extent: Partly, why: name + ": from " + when(g.From).Format(stamp) + " to " + when(g.To).Format(stamp) + ": " + g.Detail}
}

// stamp is how times are written in sentences, always UTC.
const stamp = "2006-01-02 15:04 UTC"

// moved is the plan with its start moved: what a virtual release runs. Phases
// that CI starts begin on their forecast; no one signs, no messages are sent and nothing is
// asked of the receivers of a way back.
func moved(plan *rules.Plan, start int64) *rules.Plan {
	p := *plan
	p.Completion = p.Completion.Add(when(start).Sub(plan.Start))
	p.Start, p.Communications, p.Approvals, p.Review = when(start), nil, nil, rules.Review{}
	p.Rehearsal = rules.Rehearsal{}
	p.Rules = slices.Clone(plan.Rules)
	for i := range p.Rules {
		p.Rules[i].Effects = slices.Clone(p.Rules[i].Effects)
		for k := range p.Rules[i].Effects {
			p.Rules[i].Effects[k].To = rules.Address{} // no one is there to answer
		}
	}
	p.Phases = slices.Clone(plan.Phases)
	for i := range p.Phases {
		if a := &p.Phases[i].Advance; *a == rules.Signalled || *a == rules.Observed {
			*a = rules.Scheduled
		}
		p.Phases[i].Observe = "" // what was planned for another time was not to be seen then
	}
	return &p
}

// judged is the plan of a whole release: without the rules that the history
// cannot answer for.
func (r *run) judged(start int64, of []coverage) *rules.Plan {
	p := moved(r.plan, start)
	p.Rules = slices.Clone(p.Rules)
	missing := func(i int) bool { return of[i].extent == None }
	for i := range p.Rules {
		p.Rules[i] = harmless(p.Rules[i], of[i])
	}
	for i := range p.Phases {
		ph := &p.Phases[i]
		ph.Success = slices.DeleteFunc(slices.Clone(ph.Success), missing)
		ph.Rollback = slices.DeleteFunc(slices.Clone(ph.Rollback), missing)
	}
	return p
}

// harmless is a rule whose policies do not act on a hole that only the history
// has.
func harmless(rl rules.Rule, c coverage) rules.Rule {
	if c.alone {
		rl.Alarm = -1
	}
	if c.holed {
		rl.OnNoData, rl.OnError = rules.PolicyHold, rules.PolicyHold
	}
	return rl
}

// alone is the plan in which only one rollback rule can roll back: from the
// first phase that names it on, every phase names it and nothing else.
func (r *run) alone(rule int, start int64, c coverage) *rules.Plan {
	p := moved(r.plan, start)
	p.Rules = slices.Clone(p.Rules)
	p.Rules[rule] = harmless(p.Rules[rule], c)
	first := firstPhase(p, rule)
	p.Phases = slices.Clone(p.Phases[first:])
	for i := range p.Phases {
		p.Phases[i].Success, p.Phases[i].Rollback = nil, []int{rule}
	}
	if p.Phases[0].Advance == rules.OnPass { // there is none before it any more
		p.Phases[0].Advance = rules.Scheduled
	}
	return p
}

// firstPhase is the index of the first phase that names a rule, len when none
// does.
func firstPhase(plan *rules.Plan, rule int) int {
	i := slices.IndexFunc(plan.Phases, func(p rules.Phase) bool {
		return slices.Contains(p.Success, rule) || slices.Contains(p.Rollback, rule)
	})
	if i < 0 {
		return len(plan.Phases)
	}
	return i
}
