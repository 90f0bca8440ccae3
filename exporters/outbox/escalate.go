package outbox

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

// escalations tell an endpoint what another one does not take: beside that
// endpoint's own events, which may be stuck themselves, and side by side.
type escalations struct {
	to    *target
	slots chan struct{} // holds what is in flight
	group sync.WaitGroup
}

func newEscalations(to *target) *escalations {
	return &escalations{to: to, slots: make(chan struct{}, maxFlights)}
}

// told is that the second endpoint is told of an event.
type told struct {
	arrived chan struct{} // closed when the event arrives: nobody need hear of it any more
	heard   atomic.Bool   // the second endpoint has taken it
}

func newTold() *told { return &told{arrived: make(chan struct{})} }

// end notes that the event has arrived. A nil told, of an event that was not
// escalated, has nothing to end.
func (t *told) end() {
	if t != nil {
		close(t.arrived)
	}
}

// kept is what holds when another outbox goes on: nil where the second endpoint has
// not taken it and is to be told again.
func (t *told) kept() *told {
	if t == nil || !t.heard.Load() {
		return nil
	}
	return t
}

// tell tries until m is told, what it is about has arrived after all, or ctx is
// done. What is not told by then comes again after a reload, and after a restart with
// the next failure of the event that it is about.
func (e *escalations) tell(ctx context.Context, m Message, of *told) {
	e.group.Go(func() {
		for failures := 1; ; failures++ {
			select {
			case e.slots <- struct{}{}:
			case <-of.arrived:
				return
			case <-ctx.Done():
				return
			}
			o := e.to.endpoint.Sink.Send(ctx, m)
			<-e.slots
			if o.OK {
				of.heard.Store(true)
				return
			}
			if ctx.Err() != nil {
				return
			}
			e.to.say(slog.LevelWarn, "escalation failed", "event", m.ID, "attempts", failures, "err", o.Reason)
			select {
			case <-e.to.after(max(Action.delay(failures), min(o.RetryAfter, actionOrderWait))):
			case <-of.arrived:
				return
			case <-ctx.Done():
				return
			}
		}
	})
}

// wait waits until everything has ended. Nothing may be told any more.
func (e *escalations) wait() { e.group.Wait() }
