package outbox

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// lane is the way by which an endpoint's failures are told to another receiver:
// beside that one's own order, which may be stuck itself.
type lane struct {
	to    Endpoint
	ring  chan struct{} // there is something to say
	after func(time.Duration) <-chan time.Time
	log   *slog.Logger

	mu   sync.Mutex
	told []Message // still to be told, oldest first
}

func (l *lane) add(m Message) {
	l.mu.Lock()
	l.told = append(l.told, m)
	l.mu.Unlock()
	select {
	case l.ring <- struct{}{}:
	default: // it is ringing already
	}
}

func (l *lane) take() (Message, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.told) == 0 {
		return Message{}, false
	}
	m := l.told[0]
	l.told = l.told[1:]
	return m, true
}

// run tells until ctx is done. What it has not told by then comes again after a
// restart, with the next failure of the endpoint that it is about.
func (l *lane) run(ctx context.Context) {
	for {
		m, ok := l.take()
		if ok {
			l.tell(ctx, m)
			continue
		}
		select {
		case <-l.ring:
		case <-ctx.Done():
			return
		}
	}
}

// tell tries until it is told or ctx is done.
func (l *lane) tell(ctx context.Context, m Message) {
	for failures := 1; ctx.Err() == nil; failures++ {
		o := l.to.Sink.Send(ctx, m)
		if o.OK {
			return
		}
		l.log.Warn("escalation failed", "to", l.to.Name, "event", m.ID, "attempts", failures, "err", o.Reason)
		select {
		case <-l.after(Action.delay(failures, o.RetryAfter)):
		case <-ctx.Done():
		}
	}
}
