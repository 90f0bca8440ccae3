package outbox

import (
	"log/slog"
	"time"
)

// Stats is where an endpoint stands, for metrics and for people. Counters start
// at zero with the process and only grow.
type Stats struct {
	Endpoint  string
	Class     Class
	Attempts  uint64 // messages sent
	Delivered uint64 // of those, taken
	Failures  uint64 // of those, not
	Dead      uint64 // events given up
	Escalated uint64 // events told to the second endpoint

	Answers []Answer // that something was kept of, the newest first, at most ten

	LastSuccess time.Time // when the endpoint last took a message; zero before the first in this process

	Pending int       // events not done with, over all runs; those that are not read yet count even if they are not wanted
	Orders  int       // of those, orders
	Oldest  time.Time // when the oldest event in memory happened, by the plan's clock; zero when there is none
	Waiting time.Time // and when it was read from the journal
	// The event that has failed most often:
	InARow  int       // failed attempts at it; zero when no event waits after a failure
	Next    time.Time // when it is tried again; zero means now
	LastErr string    // why its last attempt failed
}

// Answer is what an endpoint's answer says that it has started, for people.
type Answer struct {
	Event string // id
	At    time.Time
	Text  string // one line
}

// mostAnswers is how many of them an endpoint remembers.
const mostAnswers = 10

// keep remembers an answer, and says it in the log.
func (t *target) keep(event, text string) {
	t.say(slog.LevelInfo, "delivered", "event", event, "answer", text)
	t.mu.Lock()
	defer t.mu.Unlock()
	answers := append([]Answer{{Event: event, At: t.now().UTC(), Text: text}}, t.counts.Answers...)
	t.counts.Answers = answers[:min(len(answers), mostAnswers)]
}

func (t *target) snapshot() Stats {
	t.mu.Lock()
	s := t.counts
	t.mu.Unlock()
	t.rest.addTo(&s)
	t.orders.addTo(&s)
	return s
}

// add counts an event that is not done with.
func (s *Stats) add(happened, since time.Time, t tries) {
	if s.Waiting.IsZero() || since.Before(s.Waiting) {
		s.Oldest, s.Waiting = happened, since
	}
	if t.attempts > s.InARow {
		s.InARow, s.Next, s.LastErr = t.attempts, t.next, t.lastErr
	}
}

func (l *restLane) addTo(s *Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.streams {
		s.Pending += len(r.queue) + int(r.end-r.read)
		if len(r.queue) > 0 {
			s.add(r.queue[0].Event.At, r.queue[0].since, r.tries)
		}
	}
}

func (l *orderLane) addTo(s *Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.open {
		if !o.done && !o.letter {
			s.Pending++
			s.Orders++
			s.add(o.Event.At, o.since, o.tries)
		}
	}
}
