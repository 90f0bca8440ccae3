package runner

import (
	"maps"
	"slices"
	"time"

	"github.com/relgate/relgate/rules"
)

// Wake makes the next tick come at once of every run that has a signal of which tells
// reports true: something was pushed, and kept, that it tells. The tick asks it, and what
// tells the same: see evaluator.Woken. A run has at most one such tick a second. Wake waits
// for nothing. What it says is lost where the daemon ends before that tick: what was pushed
// is kept, and read by the next one.
func (r *Runner) Wake(tells func(*rules.Signal) bool) {
	now, found := r.Clock.Now(), false
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.Published().Plans {
		for i := range p.Runs {
			u := &p.Runs[i]
			for k := range u.Plan.Signals {
				if sig := &u.Plan.Signals[k]; underWay(&u.Record) && tells(sig) {
					r.waken(u.Record.ID, sig.Name, now)
					found = true
				}
			}
		}
	}
	if !found {
		return
	}
	select {
	case r.woken <- struct{}{}:
	default: // the loop will look anyway
	}
}

// waken notes a wake-up. r.mu is held. There are never more than the plans have signals.
func (r *Runner) waken(run, signal string, at time.Time) {
	if r.wakes == nil {
		r.wakes = map[string]map[string]time.Time{}
	}
	if r.wakes[run] == nil {
		r.wakes[run] = map[string]time.Time{}
	}
	r.wakes[run][signal] = at
}

// rouse takes the wake-ups that wait: their runs tick as soon as a second has begun in
// which what was pushed lies before the tick.
func (r *Runner) rouse() {
	r.mu.Lock()
	wakes := r.wakes
	r.wakes = nil
	r.mu.Unlock()
	r.eachRun(func(u *run) {
		for _, signal := range slices.Sorted(maps.Keys(wakes[u.record.ID])) {
			if !slices.Contains(u.woken, signal) {
				u.woken = append(u.woken, signal)
			}
			u.wake = later(u.wake, floor(wakes[u.record.ID][signal], time.Second).Add(time.Second))
		}
		u.hurry(u.record.At)
	})
}

// hurry brings the next slot of a run forward where it was woken, to a second after its
// newest tick at the earliest.
func (u *run) hurry(newest time.Time) {
	u.wake = later(u.wake, newest.Add(time.Second))
	if len(u.woken) > 0 && u.wake.Before(u.next) {
		u.next = u.wake
	}
}
