package outbox

import "time"

// Stats is where an endpoint stands, for metrics and for people. Counters start
// at zero with the process and only grow.
type Stats struct {
	Endpoint  string
	Class     Class
	Attempts  uint64 // requests made
	Delivered uint64 // of those, answered with 2xx
	Failures  uint64 // of those, not
	Dead      uint64 // events given up
	Escalated uint64 // events told to the second endpoint

	Pending int       // events not done with, over all runs; those that are not read yet count even if they are not wanted
	Oldest  time.Time // when the oldest event in memory happened, by the plan's clock; zero when there is none
	Waiting time.Time // and when it was read from the journal
	// The run whose next event has failed most often:
	InARow  int       // failed attempts on that event; zero when no event waits after a failure
	Next    time.Time // when it is tried again; zero means now
	LastErr string    // why its last attempt failed
}

func (w *worker) snapshot() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.counts
	for _, r := range w.streams {
		s.Pending += len(r.queue) + int(r.end-r.read)
		if len(r.queue) > 0 {
			if head := r.queue[0]; s.Waiting.IsZero() || head.since.Before(s.Waiting) {
				s.Oldest, s.Waiting = head.Event.At, head.since
			}
		}
		if r.tries.attempts > s.InARow {
			s.InARow, s.Next, s.LastErr = r.tries.attempts, r.tries.next, r.tries.lastErr
		}
	}
	return s
}
