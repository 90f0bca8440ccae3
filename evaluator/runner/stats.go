package runner

import (
	"maps"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// EventCount names a counter of events.
type EventCount struct {
	Plan string
	Kind fact.EventKind
}

// Took is how often something was done and how long it took in all.
type Took struct {
	Count   uint64
	Seconds float64
	Last    float64 // seconds, the newest
}

// Stats is what the runner has done since it was made. Counters only grow; a
// recovery counts nothing.
type Stats struct {
	Ticks    uint64 // committed, one for every run that ticked
	Missed   uint64 // slots of the grid that were skipped
	Commands uint64 // committed, refused ones included
	Events   map[EventCount]uint64
	Evaluate Took // one Step
	Commit   Took // one batch
	Fetch    Took // all sources of one tick
	LastTick time.Time
}

type counts struct {
	mu sync.Mutex
	Stats
	since time.Time
}

// Stats returns a copy of the counters.
func (r *Runner) Stats() Stats {
	r.counts.mu.Lock()
	defer r.counts.mu.Unlock()
	s := r.counts.Stats
	s.Events = maps.Clone(s.Events)
	return s
}

func (c *counts) add(t *Took, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Count++
	t.Last = d.Seconds()
	t.Seconds += t.Last
}

func (c *counts) evaluated(d time.Duration) { c.add(&c.Evaluate, d) }
func (c *counts) committed(d time.Duration) { c.add(&c.Commit, d) }
func (c *counts) fetched(d time.Duration)   { c.add(&c.Fetch, d) }

func (c *counts) miss(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Missed += n
}

func (c *counts) start(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = t
}

func (c *counts) started() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since
}

func (c *counts) ticked(e fact.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Ticks++
	c.LastTick = later(c.LastTick, e.Tick.At)
	c.Commands += uint64(len(e.Tick.Commands))
	for i := range e.Events {
		c.Events[EventCount{e.Record.Plan, e.Events[i].Kind}]++
	}
}
