package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// target is an endpoint with its two lanes, and what these have in common.
type target struct {
	endpoint Endpoint
	feed     Feed
	encode   func(context.Context, fact.Stored) ([]byte, error)
	now      func() time.Time
	after    func(time.Duration) <-chan time.Time
	grace    time.Duration
	log      *slog.Logger
	second   *escalations // where its failures are told; nil for nowhere
	rest     *restLane
	orders   *orderLane

	mu      sync.Mutex
	counts  Stats            // the counters, and LastSuccess
	failing bool             // the newest attempt of either lane failed, or there was none yet
	said    time.Time        // when the log last said that the feed fails
	lines   map[string]quota // :: message → what of it was logged
}

// quota is how often a message was logged in a minute.
type quota struct {
	began  time.Time // of the minute
	said   int
	unsaid int // since the last that was said
}

// sayings is how often a message is logged in a minute for one endpoint.
const sayings = 20

func newTarget(c Config, e Endpoint) *target {
	t := &target{
		endpoint: e, feed: c.Feed, encode: c.Encode, now: c.Now, after: c.After, grace: c.Grace,
		log: c.Log.With("endpoint", e.Name), counts: Stats{Endpoint: e.Name, Class: e.Class}, failing: true, lines: map[string]quota{},
	}
	if e.Encode != nil {
		t.encode = e.Encode
	}
	t.rest, t.orders = newRestLane(t), newOrderLane(t)
	return t
}

// message makes what is sent of an event. An error is a failed attempt.
func (t *target) message(ctx context.Context, s fact.Stored) (Message, error) {
	data, err := t.encode(ctx, s)
	if err != nil {
		return Message{}, fmt.Errorf("encoding event %q: %w", s.Event.ID, err)
	}
	return newMessage(&s.Event, data), nil
}

// send makes one attempt. When ctx is done it may go on for the grace period.
func (t *target) send(ctx context.Context, m Message) Outcome {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	cancelWait := context.AfterFunc(ctx, func() {
		defer close(ended)
		select {
		case <-t.after(t.grace):
			cancel()
		case <-sending.Done():
		}
	})
	o := t.endpoint.Sink.Send(sending, m)
	if o.Kept != "" {
		t.keep(m.ID, o.Kept)
	}
	cancel()
	if !cancelWait() {
		<-ended
	}
	return o
}

// account counts an attempt. A success after failures has both lanes try now what
// waits: the endpoint is back. It gives when the endpoint last took anything. What was
// skipped, or waits for a person, counts as neither.
func (t *target) account(o Outcome) (succeeded time.Time) {
	t.mu.Lock()
	if o.Skipped || o.Waits {
		defer t.mu.Unlock()
		return t.counts.LastSuccess
	}
	t.counts.Attempts++
	back := o.OK && t.failing
	t.failing = !o.OK
	if o.OK {
		t.counts.Delivered++
		t.counts.LastSuccess = t.now().UTC()
	} else {
		t.counts.Failures++
	}
	succeeded = t.counts.LastSuccess
	t.mu.Unlock()
	if back {
		t.rest.hurry()
		t.orders.hurry()
	}
	return succeeded
}

// buried counts an event that was given up.
func (t *target) buried(id string, attempts int, reason string) {
	t.say(slog.LevelError, "delivery given up", "event", id, "attempts", attempts, "err", reason)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Dead++
}

// escalate has the second endpoint told once that an event does not arrive, until it
// does. After a restart it may be told once more: at least once is the promise, and
// the id is the same.
func (t *target) escalate(ctx context.Context, e *fact.Event, data []byte, attempts int, reason string, of *told) error {
	m, err := newEscalation(e, data, t.endpoint.Name, attempts, reason)
	if err != nil {
		return err
	}
	t.say(slog.LevelError, "delivery escalated", "event", e.ID, "attempts", attempts, "to", t.endpoint.EscalateTo, "err", reason)
	t.mu.Lock()
	t.counts.Escalated++
	t.mu.Unlock()
	t.second.tell(ctx, m, of)
	return nil
}

// say logs what happened to one event, but a message no more than 20 times a minute: an
// endpoint that is down for hours with many events must not fill the log. The first
// line after others were left out says how many.
func (t *target) say(level slog.Level, message string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, q := t.now(), t.lines[message]
	if now.Sub(q.began) >= time.Minute {
		q.began, q.said = now, 0
	}
	if q.said < sayings {
		if q.unsaid > 0 {
			args = append(args, "left_out", q.unsaid)
		}
		t.log.Log(context.Background(), level, message, args...)
		q.said, q.unsaid = q.said+1, 0
	} else {
		q.unsaid++
	}
	t.lines[message] = q
}

// trouble says that the feed fails, at most once a minute.
func (t *target) trouble(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); now.Sub(t.said) >= time.Minute {
		t.said = now
		t.log.Error("deliveries wait for the journal", "err", err)
	}
}

// rewind sets the endpoint back in every run. What is in flight meanwhile is sent
// again, whatever comes of it. The feed may take long over it: new orders do not wait.
func (t *target) rewind(ctx context.Context, since time.Time) error {
	t.rest.mu.Lock()
	defer t.rest.mu.Unlock()
	if err := t.rest.saveLocked(ctx); err != nil {
		return err
	}
	if err := t.orders.rewinding(ctx, since); err != nil {
		return err
	}
	runs, err := t.feed.Rewind(ctx, t.endpoint.Name, since)
	if err != nil {
		return fmt.Errorf("rewinding endpoint %q: %w", t.endpoint.Name, err)
	}
	if runs > 0 {
		t.rest.rewoundLocked()
	}
	t.orders.rewound()
	return nil
}

// reread has the dead letters read again.
func (t *target) reread() {
	t.rest.reread()
	t.orders.reread()
}

// post is held by the outbox that works a lane: one that replaces another comes when
// that one has left.
type post struct{ held chan struct{} }

func newPost() post { return post{make(chan struct{}, 1)} }

// take waits for the post, and reports whether it was had before ctx was done.
func (p post) take(ctx context.Context) bool {
	select {
	case p.held <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p post) leave() { <-p.held }

// bell wakes a lane.
type bell struct {
	rings   chan struct{} // something else than the feed has changed
	hurried atomic.Bool   // what waits for its next attempt is to be tried now
}

func newBell() bell { return bell{rings: make(chan struct{}, 1)} }

func (b *bell) ring() {
	select {
	case b.rings <- struct{}{}:
	default: // it is ringing already
	}
}

// hurry has what waits for its next attempt tried now.
func (b *bell) hurry() {
	b.hurried.Store(true)
	b.ring()
}
