package simulation

import (
	"fmt"
	"math"

	"github.com/relgate/relgate/evaluator/evidence"
)

// Sequential is a rule that weighs evidence, with its three rungs, as the
// evaluator judges it.
type Sequential struct {
	Label   string  // its name in tables
	Limit   float64 // bad share that a good release keeps, in (0, 1)
	Trigger float64 // bad share from which it is rolled back; at least Limit
	Alpha   float64 // how likely a good release may be held; in (0, 1)
	Looks   int     // looks that its evidence is spread over: the window

	First   float64 // part of its prior that the fault begins with the first look; 0.5 if zero
	Rest    float64 // part that is spread evenly over the other looks; 1 - First if zero
	Cluster float64 // how many events carry the information of one; 1 if zero

	MinEvents float64 // events that there must be in the suspect stretch for a rollback
	MinLooks  int     // how many looks long the suspect stretch must be for a rollback
	Aside     int     // looks that a burst touches which is ridden out; 0: none is
	Beside    bool    // there is a baseline, and it must confirm a rollback
	Grace     float64 // how many looks the baseline may be behind the release before it counts as gone
}

// Name is the rule in a few words.
func (r *Sequential) Name() string {
	if r.Label != "" {
		return r.Label
	}
	return fmt.Sprintf("evidence (limit %g, trigger %g, alpha %g)", r.Limit, r.Trigger, r.Alpha)
}

// Knows is all rungs.
func (r *Sequential) Knows() Reached {
	return Reached(0).With(Warned).With(Held).With(RolledBack)
}

// Watch gives the rule before a release.
func (r *Sequential) Watch() Watcher {
	w := &weigher{looks: max(r.Looks, 2), first: r.First, rest: r.Rest, rule: evidence.NewRule(evidence.Terms{
		Limit: r.Limit, Trigger: r.Trigger, Alpha: r.Alpha, Cluster: r.Cluster, Aside: r.Aside, Period: 1, Beside: r.Beside,
		Least: r.MinEvents, Floor: int64(r.MinLooks), Grace: int64(math.Ceil(r.Grace)),
	})}
	if w.first == 0 {
		w.first = .5
	}
	if w.rest == 0 {
		w.rest = 1 - w.first
	}
	w.rest /= float64(w.looks - 1)
	w.Reset()
	return w
}

// weigher is the running evidence against one release.
type weigher struct {
	rule        *evidence.Rule
	looks       int     // over which the prior is spread
	first, rest float64 // start weights of the first look and of each other one
	seen        evidence.Case
	beside      evidence.Versus
}

// Reset forgets all.
func (w *weigher) Reset() {
	w.seen, w.beside = evidence.Case{}, evidence.Versus{}
	if w.rule.Pair != nil {
		w.seen.Beside = &w.beside
	}
}

// omega is the prior probability that the fault begins with the next look that
// has events.
func (w *weigher) omega() float64 {
	switch n := int(w.seen.Track.Looks); {
	case n == 0:
		return w.first
	case n < w.looks:
		return w.rest
	}
	return 0
}

// Look takes in a look. One without events changes nothing.
func (w *weigher) Look(t int, canary, baseline evidence.Minute) (now Reached) {
	if !(canary.N > 0) {
		return 0
	}
	w.rule.Look(&w.seen, int64(t), int64(t+1), canary, baseline, w.omega())
	switch w.rule.Standing(&w.seen, evidence.Scope{Newest: int64(t + 1)}).Rung {
	case evidence.Firing:
		now = now.With(RolledBack)
		fallthrough
	case evidence.Holding:
		now = now.With(Held)
		fallthrough
	case evidence.Warning:
		now = now.With(Warned)
	}
	return now
}
