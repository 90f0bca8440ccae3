package webhook

import (
	"context"
	"fmt"
)

// try makes one attempt at the head of the queue and records what came of it.
//
// A crash after the receiver took it and before that is saved repeats it, with
// the same id; a crash before the attempt repeats nothing.
func (w *worker) try(ctx context.Context, head pending, moved int) error {
	m, err := newMessage(head.Stored)
	if err != nil {
		return w.settle(ctx, head, moved, outcome{reason: err.Error()}, true)
	}
	sending, stop := w.graceful(ctx)
	o := w.sender.post(sending, m)
	stop()
	if !o.ok && ctx.Err() != nil {
		return nil // cut off by ourselves: nothing is known, the next run tries again
	}
	return w.settle(context.WithoutCancel(ctx), head, moved, o, false)
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

// settle records the outcome of an attempt. hopeless means that no attempt can
// ever succeed.
func (w *worker) settle(ctx context.Context, head pending, moved int, o outcome, hopeless bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.Attempts++
	if moved != w.moved {
		return nil // the cursor was set back meanwhile: this entry will come again
	}
	if o.ok {
		return w.deliveredLocked(ctx, head)
	}
	w.counts.Failures++
	t := w.triesLocked(head)
	t.attempts++
	t.lastErr = o.reason
	again := w.endpoint.Class.delay(t.attempts, o.asked)
	t.next = w.now().Add(again).UTC()
	gone := o.gone && w.endpoint.Class == Notify
	if hopeless || gone || w.endpoint.Class.exhausted(t.attempts, w.now().Sub(head.since), again) {
		return w.buryLocked(ctx, head)
	}
	w.log.Warn("delivery failed", "event", head.Event.ID, "attempts", t.attempts, "next", t.next, "err", t.lastErr)
	if head.letter {
		return nil
	}
	return w.failedLocked(ctx, head)
}

func (w *worker) triesLocked(head pending) *tries {
	if head.letter {
		return &w.again
	}
	return &w.tries
}

func (w *worker) deliveredLocked(ctx context.Context, head pending) error {
	w.counts.Delivered++
	if n := w.triesLocked(head).attempts; n > 0 || head.letter {
		w.log.Info("delivered after failures", "event", head.Event.ID, "attempts", n+1)
	}
	if head.letter {
		w.passLocked(head)
		if err := w.feed.Resolved(ctx, w.endpoint.Name, head.Pos); err != nil {
			return fmt.Errorf("resolving a dead letter of webhook %q: %w", w.endpoint.Name, err)
		}
		return nil
	}
	if w.unsaved == 0 {
		w.unsince = w.now()
	}
	w.unsaved++
	w.passLocked(head)
	if w.unsaved >= saveEvery || w.now().Sub(w.unsince) >= saveWithin {
		return w.saveLocked(ctx)
	}
	return nil
}

// passLocked goes on behind the head.
func (w *worker) passLocked(head pending) {
	if head.letter {
		w.letters, w.again = w.letters[1:], tries{}
		return
	}
	w.queue, w.tries = w.queue[1:], tries{}
	w.done = head.Pos
	if len(w.queue) == 0 {
		w.queue, w.done = nil, w.read // what was read behind it is not wanted
	}
}

// failedLocked keeps the head and notes when it is tried again, so that a
// restart neither hurries nor starts counting afresh.
func (w *worker) failedLocked(ctx context.Context, head pending) error {
	if err := w.saveLocked(ctx); err != nil {
		return err
	}
	t := w.tries
	if err := w.feed.Failed(ctx, w.endpoint.Name, head.Pos, t.attempts, t.next, t.lastErr); err != nil {
		return fmt.Errorf("recording a failure of webhook %q: %w", w.endpoint.Name, err)
	}
	return w.escalateLocked(head)
}

// buryLocked gives the head up. The feed moves its cursor behind it.
func (w *worker) buryLocked(ctx context.Context, head pending) error {
	t := *w.triesLocked(head)
	w.log.Error("delivery given up", "event", head.Event.ID, "attempts", t.attempts, "err", t.lastErr)
	if err := w.saveLocked(ctx); err != nil {
		return err
	}
	if err := w.feed.Bury(ctx, w.endpoint.Name, head.Pos, w.now().UTC(), t.lastErr); err != nil {
		return fmt.Errorf("burying an event of webhook %q: %w", w.endpoint.Name, err)
	}
	w.counts.Dead++
	if !head.letter {
		w.saved = head.Pos
	}
	w.passLocked(head)
	return nil
}

// escalateLocked tells the second channel once that the head does not arrive.
// After a restart it may be told once more: at least once is the promise, and
// the id is the same.
func (w *worker) escalateLocked(head pending) error {
	if w.second == nil || w.tries.attempts < escalateAfter || w.warned == head.Pos {
		return nil
	}
	m, err := newEscalation(head.Stored, w.endpoint.Name, w.tries.attempts, w.tries.lastErr)
	if err != nil {
		return err // unreachable: the event was encoded before
	}
	w.warned = head.Pos
	w.counts.Escalated++
	w.log.Error("delivery escalated", "event", head.Event.ID, "attempts", w.tries.attempts, "to", w.endpoint.EscalateTo, "err", w.tries.lastErr)
	w.second.add(m)
	return nil
}
