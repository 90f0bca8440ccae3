package outbox

import (
	"context"
	"fmt"
)

// try makes one attempt at the head of a queue and records what came of it. A
// message that cannot be made, because what it is made from cannot be read now,
// is a failed attempt.
//
// A crash after the receiver took it and before that is saved repeats it, with
// the same id; a crash before the attempt repeats nothing.
func (w *worker) try(ctx context.Context, head pending, moved int) error {
	data, err := w.encode(ctx, head.Stored)
	var o Outcome
	if err != nil {
		o.Reason = fmt.Sprintf("encoding event %q: %v", head.Event.ID, err)
	} else {
		sending, stop := w.graceful(ctx)
		o = w.endpoint.Sink.Send(sending, newMessage(head.Event, data))
		stop()
	}
	if !o.OK && ctx.Err() != nil {
		return nil // cut off by ourselves: nothing is known, the next run tries again
	}
	return w.settle(context.WithoutCancel(ctx), head, moved, data, o)
}

// graceful gives a context that outlives ctx by the grace period, so that a
// request in flight may still be answered. stop frees it and waits for that.
func (w *worker) graceful(ctx context.Context) (_ context.Context, stop func()) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	cancelWait := context.AfterFunc(ctx, func() {
		defer close(ended)
		select {
		case <-w.after(w.grace):
			cancel()
		case <-sending.Done():
		}
	})
	return sending, func() {
		cancel()
		if !cancelWait() {
			<-ended
		}
	}
}

// settle records the outcome of an attempt. data is what was sent.
func (w *worker) settle(ctx context.Context, head pending, moved int, data []byte, o Outcome) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.Attempts++
	if moved != w.moved {
		return nil // the cursors were set back meanwhile: this event will come again
	}
	s := w.streams[head.Run] // nil for a dead letter of a run that is done with
	t := &w.again
	if !head.letter {
		t = &s.tries
	}
	if o.OK {
		return w.deliveredLocked(ctx, head, s, t.attempts)
	}
	w.counts.Failures++
	t.attempts++
	t.lastErr = o.Reason
	again := w.endpoint.Class.delay(t.attempts, o.RetryAfter)
	t.next = w.now().Add(again).UTC()
	gone := o.Refused && w.endpoint.Class == Notify
	if gone || w.endpoint.Class.exhausted(t.attempts, w.now().Sub(head.since), again) {
		return w.buryLocked(ctx, head, s, *t)
	}
	w.log.Warn("delivery failed", "event", head.Event.ID, "attempts", t.attempts, "next", t.next, "err", t.lastErr)
	if head.letter {
		return nil
	}
	return w.failedLocked(ctx, head, s, data)
}

func (w *worker) deliveredLocked(ctx context.Context, head pending, s *stream, failures int) error {
	w.counts.Delivered++
	if failures > 0 || head.letter {
		w.log.Info("delivered after failures", "event", head.Event.ID, "attempts", failures+1)
	}
	if head.letter {
		w.letters, w.again = w.letters[1:], tries{}
		if err := w.feed.Resolved(ctx, w.endpoint.Name, head.Run, head.Event.N); err != nil {
			return fmt.Errorf("resolving a dead letter of endpoint %q: %w", w.endpoint.Name, err)
		}
		return nil
	}
	w.passLocked(s)
	w.unsaved++
	if w.unsaved >= saveEvery || w.now().Sub(w.unsince) >= saveWithin {
		return w.saveLocked(ctx)
	}
	return nil
}

// failedLocked keeps the head and notes when it is tried again, so that a restart
// neither hurries nor counts from one again.
func (w *worker) failedLocked(ctx context.Context, head pending, s *stream, data []byte) error {
	if err := w.saveLocked(ctx); err != nil {
		return err
	}
	t := s.tries
	if err := w.feed.Failed(ctx, w.endpoint.Name, s.run, head.Event.N, t.attempts, t.next, t.lastErr); err != nil {
		return fmt.Errorf("recording a failure of endpoint %q: %w", w.endpoint.Name, err)
	}
	return w.escalateLocked(head, s, data)
}

// buryLocked gives the head up. The feed moves its cursor behind it.
func (w *worker) buryLocked(ctx context.Context, head pending, s *stream, t tries) error {
	w.log.Error("delivery given up", "event", head.Event.ID, "attempts", t.attempts, "err", t.lastErr)
	if err := w.saveLocked(ctx); err != nil {
		return err
	}
	if err := w.feed.Bury(ctx, w.endpoint.Name, head.Run, head.Event.N, w.now().UTC(), t.lastErr); err != nil {
		return fmt.Errorf("burying an event of endpoint %q: %w", w.endpoint.Name, err)
	}
	w.counts.Dead++
	if head.letter {
		w.letters, w.again = w.letters[1:], tries{}
		return nil
	}
	s.saved = head.Event.N
	w.passLocked(s)
	return nil
}

// escalateLocked tells the second channel once that the head does not arrive.
// After a restart it may be told once more: at least once is the promise, and
// the id is the same.
func (w *worker) escalateLocked(head pending, s *stream, data []byte) error {
	if w.second == nil || s.tries.attempts < escalateAfter || s.warned == head.Event.N {
		return nil
	}
	m, err := newEscalation(head.Event, data, w.endpoint.Name, s.tries.attempts, s.tries.lastErr)
	if err != nil {
		return err
	}
	s.warned = head.Event.N
	w.counts.Escalated++
	w.log.Error("delivery escalated", "event", head.Event.ID, "attempts", s.tries.attempts, "to", w.endpoint.EscalateTo, "err", s.tries.lastErr)
	w.second.add(m)
	return nil
}
