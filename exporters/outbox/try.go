package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// try makes one attempt for t at the head of a queue and records what came of it. A
// message that cannot be made, because what it is made from cannot be read now,
// is a failed attempt.
//
// A crash after the receiver took it and before that is saved repeats it, with
// the same id; a crash before the attempt repeats nothing.
func (l *restLane) try(ctx context.Context, t *target, head pending, moved int) error {
	m, err := t.message(ctx, head.Stored)
	o := Outcome{}
	if err != nil {
		o.Reason = err.Error()
	} else {
		m.Unsure = head.unsure
		o = t.send(ctx, m)
	}
	if !o.OK && ctx.Err() != nil {
		l.cut(head)
		return nil // cut off by ourselves: nothing is known, the next run tries again
	}
	return l.settle(ctx, t.account(o), head, moved, m.Data, o)
}

// cut notes that nothing is known of an attempt at the head of its queue.
func (l *restLane) cut(head pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var queue []pending
	if head.letter {
		queue = l.letters
	} else if s := l.streams[head.Run]; s != nil {
		queue = s.queue
	}
	if len(queue) > 0 && queue[0].Run == head.Run && queue[0].Event.N == head.Event.N {
		queue[0].unsure = l.now()
	}
}

// settle records the outcome of an attempt, also when ctx is done. succeeded is when
// the endpoint last took anything, data what was sent.
func (l *restLane) settle(ctx context.Context, succeeded time.Time, head pending, moved int, data []byte, o Outcome) error {
	saving := context.WithoutCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if moved != l.moved {
		return nil // the cursors were set back meanwhile: this event will come again
	}
	s := l.streams[head.Run] // nil for a dead letter of a run that is done with
	t := &l.again
	if !head.letter {
		t = &s.tries
	}
	if o.OK {
		return l.deliveredLocked(saving, head, s, t.attempts)
	}
	level, said := slog.LevelWarn, "delivery failed"
	if o.Waits {
		level, said = slog.LevelInfo, "delivery waits"
		head = l.waitLocked(head, s, t)
	}
	t.fail(l.endpoint.Class, false, l.now(), succeeded, o)
	if o.Refused || t.exhausted(l.endpoint.Class, false, l.now(), head.since, head.Event.At) {
		return l.buryLocked(saving, head, s, *t)
	}
	l.say(level, said, "event", head.Event.ID, "attempts", t.attempts, "next", t.next, "err", t.lastErr)
	if head.letter {
		return nil
	}
	if err := l.failedLocked(saving, head, s); err != nil {
		return err
	}
	if l.second == nil || s.told != nil || t.attempts < escalateAfter || l.second.full() {
		return nil
	}
	s.told = newTold()
	return l.escalate(ctx, &head.Event, data, t.attempts, t.lastErr, s.told)
}

// waitLocked notes that the head waits for a person at the receiver: it has not failed, and
// its time begins anew with each answer. A dead letter lets the others go before it.
func (l *restLane) waitLocked(head pending, s *stream, t *tries) pending {
	*t, head.since = tries{}, l.now()
	if head.letter {
		l.letters = append(slices.Clone(l.letters[1:]), head)
	} else {
		s.queue[0].since = head.since
	}
	return head
}

func (l *restLane) deliveredLocked(ctx context.Context, head pending, s *stream, failures int) error {
	if failures > 0 || head.letter {
		l.say(slog.LevelInfo, "delivered after failures", "event", head.Event.ID, "attempts", failures+1)
	}
	if head.letter {
		l.letters, l.again = l.letters[1:], tries{}
		if err := l.feed.Resolved(ctx, l.endpoint.Name, head.Run, head.Event.N); err != nil {
			return fmt.Errorf("resolving a dead letter of endpoint %q: %w", l.endpoint.Name, err)
		}
		return nil
	}
	l.passLocked(s)
	l.unsaved++
	if l.unsaved >= saveEvery || l.now().Sub(l.unsince) >= saveWithin {
		return l.saveLocked(ctx)
	}
	return nil
}

// failedLocked keeps the head and notes when it is tried again, so that a restart
// neither hurries nor counts from one again.
func (l *restLane) failedLocked(ctx context.Context, head pending, s *stream) error {
	if err := l.saveLocked(ctx); err != nil {
		return err
	}
	t := s.tries
	if err := l.feed.Failed(ctx, l.endpoint.Name, s.run, head.Event.N, t.attempts, t.planned, t.lastErr); err != nil {
		return fmt.Errorf("recording a failure of endpoint %q: %w", l.endpoint.Name, err)
	}
	return nil
}

// buryLocked gives the head up. The feed moves its cursor behind it.
func (l *restLane) buryLocked(ctx context.Context, head pending, s *stream, t tries) error {
	if err := l.saveLocked(ctx); err != nil {
		return err
	}
	if err := l.feed.Bury(ctx, l.endpoint.Name, head.Run, head.Event.N, l.now().UTC(), t.lastErr); err != nil {
		return fmt.Errorf("burying an event of endpoint %q: %w", l.endpoint.Name, err)
	}
	l.buried(head.Event.ID, t.attempts, t.lastErr)
	if head.letter {
		l.letters, l.again = l.letters[1:], tries{}
		return nil
	}
	s.saved = head.Event.N
	l.passLocked(s)
	return nil
}
