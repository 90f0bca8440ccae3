package simulation

import (
	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// Threshold is a rollback rule that compares a share with a threshold, as the
// evaluator judges it: the value of a look, or of the trailing Over, must break
// the condition for as long as For.
type Threshold struct {
	Label     string
	When      rules.Condition // what breaks it
	Good      bool            // the condition is on the share of good events
	For       int             // looks that it must be so; 0: one value is enough
	Over      int             // looks that a value is taken over; below 2: each for itself
	Coverage  float64         // share of the looks that must have events, 0..1
	MinEvents float64         // in the judged stretch
	Thin      bool            // a look for itself needs MinEvents even where For is given
}

// Name is the label.
func (r *Threshold) Name() string { return r.Label }

// Knows is the rollback alone.
func (r *Threshold) Knows() Reached { return onlyRollback }

// Watch gives the rule before a release.
func (r *Threshold) Watch() Watcher {
	return &threshold{rule: r, window: newWindow(r.Over), ring: make([]bool, max(r.Over, 1))}
}

type threshold struct {
	rule   *Threshold
	window window
	ring   []bool // which of the newest looks had events
	run    []seen // looks of the unbroken breach
}

// seen is one look of a breach.
type seen struct {
	at int
	n  float64
}

func (w *threshold) Reset() {
	w.window.reset()
	clear(w.ring)
	w.run = w.run[:0]
}

func (w *threshold) Look(t int, canary, _ evidence.Minute) Reached {
	w.window.add(canary)
	w.ring[t%len(w.ring)] = canary.N > 0
	if !(canary.N > 0) {
		return 0 // what is not known neither breaks a rule nor clears it
	}
	n, bad, known := w.value(t, canary)
	if !known {
		return 0
	}
	share := bad / n
	if w.rule.Good {
		share = 1 - share
	}
	if !w.rule.When.Holds(share) {
		w.run = w.run[:0]
		return 0
	}
	if w.rule.For <= 0 {
		return onlyRollback
	}
	w.run = append(w.run, seen{at: t, n: canary.N})
	if w.lasts(t) {
		return onlyRollback
	}
	return 0
}

// value is the events that are judged at look t, and whether they are enough.
func (w *threshold) value(t int, canary evidence.Minute) (n, bad float64, known bool) {
	r := w.rule
	if r.Over < 2 {
		return canary.N, canary.Bad, r.For > 0 && !r.Thin || canary.N >= r.MinEvents
	}
	n, bad = w.window.sum(r.Over)
	with := 0
	for _, has := range w.ring {
		if has {
			with++
		}
	}
	return n, bad, n >= r.MinEvents && covered(with, r.Over, r.Coverage)
}

// lasts reports whether the breach is long, full and thick enough, counted from
// any of its looks.
func (w *threshold) lasts(t int) bool {
	n := 0.0
	for _, b := range w.run {
		n += b.n
	}
	for i, b := range w.run {
		long, points := t+1-b.at, len(w.run)-i
		if long < w.rule.For {
			return false
		}
		thick := w.rule.Over > 1 || w.rule.Thin || n >= w.rule.MinEvents
		if points >= 2 && thick && covered(points, long, w.rule.Coverage) {
			return true
		}
		n -= b.n
	}
	return false
}

func covered(have, expected int, share float64) bool {
	return float64(have) >= share*float64(expected)-1e-9
}
