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
	to      *target
	telling atomic.Int64  // events that are being told of
	slots   chan struct{} // holds what is in flight
	again   chan struct{} // holds what of that was tried before: others find places then
	group   sync.WaitGroup
}

// maxTelling is about how many events are told of together. Those beyond it wait until
// others were heard or have arrived.
const maxTelling = 1024

func newEscalations(to *target) *escalations {
	return &escalations{to: to, slots: make(chan struct{}, maxFlights), again: make(chan struct{}, maxFlights-firstFlights)}
}

// full reports whether no further event can be told of now.
func (e *escalations) full() bool { return e.telling.Load() >= maxTelling }

// told is that the second endpoint is told of an event.
type told struct {
	arrived chan struct{} // closed when the event arrives: it need not be told of any more
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

// tell tries until m is told, what it is about has arrived after all, or ctx is done.
// What is not told by then comes again after a reload, and after a restart with the
// next failure of the event that it is about.
func (e *escalations) tell(ctx context.Context, m Message, of *told) {
	e.telling.Add(1)
	e.group.Go(func() {
		defer e.telling.Add(-1)
		for failures := 1; ; failures++ {
			o, ended := e.try(ctx, m, of, failures > 1)
			if o.OK {
				of.heard.Store(true)
			}
			if o.OK || ended || ctx.Err() != nil {
				return
			}
			e.to.say(slog.LevelWarn, "escalation failed", "event", m.ID, "attempts", failures, "err", o.Reason)
			select {
			case <-e.to.after(max(Action.delay(failures, true), min(o.RetryAfter, actionOrderWait))):
			case <-of.arrived:
				return
			case <-ctx.Done():
				return
			}
		}
	})
}

// try makes one attempt, when there is a place for it; ended says that there is no need
// for one any more.
func (e *escalations) try(ctx context.Context, m Message, of *told, again bool) (o Outcome, ended bool) {
	places := []chan struct{}{e.slots}
	if again {
		places = []chan struct{}{e.again, e.slots}
	}
	for _, p := range places {
		select {
		case p <- struct{}{}:
			defer func() { <-p }()
		case <-of.arrived:
			return Outcome{}, true
		case <-ctx.Done():
			return Outcome{}, true
		}
	}
	return e.to.endpoint.Sink.Send(ctx, m), false
}

// wait waits until everything has ended. Nothing may be told any more.
func (e *escalations) wait() { e.group.Wait() }
