package webhook

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

	Pending  int       // events read and not yet delivered; at most a few thousand are read ahead
	Oldest   time.Time // when the oldest of them happened, by the plan's clock; zero when there is none
	Waiting  time.Time // and when it was read from the journal
	Position uint64    // the newest entry that the endpoint is done with
	InARow   int       // failed attempts on the oldest
	Next     time.Time // when it is tried again; zero means now
	LastErr  string    // why the last attempt failed, empty after a success
}

func (w *worker) snapshot() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.counts
	s.Pending, s.Position = len(w.queue), w.done
	s.InARow, s.Next, s.LastErr = w.tries.attempts, w.tries.next, w.tries.lastErr
	if len(w.queue) > 0 {
		s.Oldest, s.Waiting = w.queue[0].Event.At, w.queue[0].since
	}
	return s
}
