package outbox

import (
	"cmp"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// stream is one run on its way to one endpoint. Its events leave in order; the
// streams of an endpoint do not wait for each other.
type stream struct {
	run   string
	met   uint64    // which stream of the lane it was
	queue []pending // read, wanted and not done with, in order
	read  uint64    // the newest event that was read
	end   uint64    // the newest that there is
	done  uint64    // the newest that is done with
	saved uint64    // as the feed knows it
	old   uint64    // up to here a process before this one may have made attempts
	tries tries     // at the head of the queue
	told  *told     // of the head of the queue; nil unless it was escalated
}

// pending is an event to be delivered.
type pending struct {
	fact.Stored
	since  time.Time // when it was read
	unsure time.Time // when an attempt may have been made of which nothing is known; zero: none was
	turn   uint64    // which of the events read it was: of those that are ready together, the first goes first
	letter bool      // it is a dead letter, sent again on demand
}

// idle reports whether there is nothing to be remembered of the run.
func (s *stream) idle() bool {
	return len(s.queue) == 0 && s.read >= s.end && s.done == s.saved
}

// unread reports whether there is something in the feed, and room for a batch of it.
func (s *stream) unread() bool { return s.read < s.end && len(s.queue) <= queueLimit-batch }

// ready is when the head of the queue may be tried.
func (s *stream) ready() time.Time {
	head := s.queue[0].since
	if s.tries.next.After(head) {
		return s.tries.next
	}
	return head
}

// before reports whether the head of s is tried before the head of o: of two that
// are ready, one that never failed goes first.
func (s *stream) before(o *stream) bool {
	if c := s.ready().Compare(o.ready()); c != 0 {
		return c < 0
	}
	return cmp.Or(cmp.Compare(s.tries.attempts, o.tries.attempts), cmp.Compare(s.queue[0].turn, o.queue[0].turn)) < 0
}

// takeLocked puts the next event of the run into the queue if it is wanted and no
// order, and otherwise is done with it once all before it are.
func (l *restLane) takeLocked(s *stream, e fact.Stored) {
	s.read = e.Event.N
	s.end = max(s.end, s.read)
	if !e.Event.Order() && l.endpoint.wants(&e.Event) {
		l.turns++
		p := pending{Stored: e, since: l.now(), turn: l.turns}
		if e.Event.N <= s.old {
			p.unsure = p.since
		}
		s.queue = append(s.queue, p)
		return
	}
	if len(s.queue) == 0 {
		s.done = s.read
		l.dirtyLocked()
		l.skipped++
	}
}

// passLocked goes on behind the head.
func (l *restLane) passLocked(s *stream) {
	s.done = s.queue[0].Event.N
	s.queue, s.tries = s.queue[1:], tries{}
	s.told.end()
	s.told = nil
	if len(s.queue) == 0 {
		s.queue, s.done = nil, s.read // what was read behind it is not wanted
	}
	l.dirtyLocked()
}
