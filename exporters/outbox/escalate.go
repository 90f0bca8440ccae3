package outbox

import (
	"context"
	"sync"
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

// tell tries until m is told, what it is about has arrived after all, or ctx is
// done. What is not told by then comes again after a restart, with the next failure
// of the event that it is about.
func (e *escalations) tell(ctx context.Context, m Message, arrived <-chan struct{}) {
	e.group.Go(func() {
		for failures := 1; ; failures++ {
			select {
			case e.slots <- struct{}{}:
			case <-arrived:
				return
			case <-ctx.Done():
				return
			}
			o := e.to.endpoint.Sink.Send(ctx, m)
			<-e.slots
			if o.OK || ctx.Err() != nil {
				return
			}
			e.to.log.Warn("escalation failed", "event", m.ID, "attempts", failures, "err", o.Reason)
			select {
			case <-e.to.after(max(Action.delay(failures), min(o.RetryAfter, actionOrderWait))):
			case <-arrived:
				return
			case <-ctx.Done():
				return
			}
		}
	})
}

// wait waits until everything has ended. Nothing may be told any more.
func (e *escalations) wait() { e.group.Wait() }
