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
	Beside    bool    // there is a baseline, and it must confirm a rollback
	Grace     float64 // how many looks the baseline may be behind the release before it counts as gone
	NoFloors  bool    // without the operational floors, to see what they cost
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
	w := &weigher{rule: r, test: evidence.NewTest(r.Limit, r.Trigger).Clustered(r.Cluster), bound: -math.Log(r.Alpha)}
	w.first, w.rest = r.First, r.Rest
	if w.first == 0 {
		w.first = .5
	}
	if w.rest == 0 {
		w.rest = 1 - w.first
	}
	w.rest /= float64(max(r.Looks, 2) - 1)
	if r.Beside {
		w.pair = evidence.NewPair(0).Clustered(r.Cluster)
	}
	return w
}

// weigher is the running evidence against one release.
type weigher struct {
	rule        *Sequential
	test        *evidence.Test
	pair        *evidence.Pair // nil without a baseline
	bound       float64
	first, rest float64 // start weights of the first look and of each other one
	track       evidence.Track
	beside      evidence.PairTrack
	segments    [len(evidence.Track{}.Segments)]evidence.Minute // what the baseline counted over each segment of the track
	compared    int                                             // looks until the newest that had a baseline too
}

// Reset forgets all.
func (w *weigher) Reset() {
	w.track, w.beside, w.compared = evidence.Track{}, evidence.PairTrack{}, 0
	clear(w.segments[:])
}

// omega is the prior probability that the fault begins with the next look that
// has events.
func (w *weigher) omega() float64 {
	switch n := int(w.track.Looks); {
	case n == 0:
		return w.first
	case n < max(w.rule.Looks, 2):
		return w.rest
	}
	return 0
}

// Look takes in a look. One without events changes nothing.
func (w *weigher) Look(t int, canary, baseline evidence.Minute) Reached {
	if !(canary.N > 0) {
		return 0
	}
	omega := w.omega()
	w.test.Look(&w.track, int64(t), canary, omega)
	for j := range w.segments {
		if w.track.Segments[j].Start == int64(t) {
			w.segments[j] = evidence.Minute{}
		}
	}
	if w.pair != nil && baseline.N > 0 {
		for j := range w.segments {
			w.segments[j].N += baseline.N
			w.segments[j].Bad += baseline.Bad
		}
		w.pair.Look(&w.beside, canary, baseline, omega)
		w.compared = t + 1
	}
	return w.rungs(t + 1)
}

// rungs is where the rule stands after so many looks. An e-value is a mean of
// its parts, so that it cannot reach the bound when none of them does: most
// looks need no more than that.
func (w *weigher) rungs(looks int) Reached {
	var now Reached
	if some(w.track.LR[:], w.bound) && w.test.Warn(&w.track) >= w.bound || w.pair != nil && w.pair.LogE(&w.beside) >= w.bound {
		now = now.With(Warned)
	}
	if !some(w.track.MB[:], w.bound) || w.test.Hold(&w.track) < w.bound {
		return now
	}
	s := w.test.Suspect(&w.track)
	if !w.rule.NoFloors && !w.test.Persists(&w.track) {
		return now
	}
	now = now.With(Warned).With(Held)
	if w.long(&s, looks) && w.confirmed(&s, looks) && w.test.Midpoint(&w.track) >= evidence.MidpointAt {
		now = now.With(RolledBack)
	}
	return now
}

// long reports whether what is suspect is as much as the plan wants to see; where
// no stretch is, it is all that was seen.
func (w *weigher) long(s *evidence.Segment, looks int) bool {
	n, start := w.track.N, 0
	if s.LLR > 0 {
		n, start = s.N, int(s.Start)
	}
	return n >= w.rule.MinEvents && looks-start >= w.rule.MinLooks
}

// confirmed reports whether the baseline shows that the release is at fault, or cannot
// say: there is no baseline, or it has ended, was missing for most of the suspect
// stretch and did not fail there.
func (w *weigher) confirmed(s *evidence.Segment, looks int) bool {
	gone := float64(w.compared)+w.rule.Grace <= float64(looks)
	if w.pair == nil || gone && w.compared <= int(s.Start)+(looks-int(s.Start))/2 && !w.bothFail() {
		return true
	}
	return w.pair.Confirm(&w.beside) >= evidence.ConfirmAt
}

// bothFail reports whether the baseline missed the limit in the suspect stretch.
func (w *weigher) bothFail() bool {
	best, base := 0, evidence.Minute{N: w.beside.BaselineN, Bad: w.beside.BaseX}
	for j := range w.track.Segments {
		if w.track.Segments[j].LLR > w.track.Segments[best].LLR {
			best = j
		}
	}
	if w.track.Segments[best].LLR > 0 {
		base = w.segments[best]
	}
	return base.Bad > w.rule.Limit*base.N
}

func some(parts []float64, bound float64) bool {
	for _, v := range parts {
		if v >= bound-1e-9 {
			return true
		}
	}
	return false
}
