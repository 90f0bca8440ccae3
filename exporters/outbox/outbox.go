package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/evaluator/fact"
)

// ErrUnknownEndpoint is given for a name that is not in the config.
var ErrUnknownEndpoint = errors.New("no such endpoint")

// ErrNotWaiting is given for an event that is not a dead letter and is not waiting for
// another attempt.
var ErrNotWaiting = errors.New("it is not a dead letter, and not waiting for another attempt")

// Outbox delivers committed events to every endpoint.
type Outbox struct {
	config  Config
	targets []*target          // in the config's order
	named   map[string]*target // :: endpoint name → the endpoint
}

// New checks the config and makes an Outbox; nothing runs yet. The error lists
// everything that is wrong.
func New(c Config) (*Outbox, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	b := &Outbox{config: c, named: make(map[string]*target, len(c.Endpoints))}
	for _, e := range c.Endpoints {
		t := newTarget(c, e)
		b.targets, b.named[e.Name] = append(b.targets, t), t
	}
	for _, t := range b.targets {
		if to := b.named[t.endpoint.EscalateTo]; to != nil {
			t.second = newEscalations(to)
		}
	}
	return b, nil
}

// TakeOver makes b the one that replaces old, in the same process and with the same
// feed: at endpoints of the same name it goes on with what old knows and with old's
// attempts in flight, and tries now what waits there. It is called before b is
// shared. b.Run may be called as soon as the context of old.Run is done, or before:
// no order waits for old's end then, and nothing is sent twice because of it.
func (b *Outbox) TakeOver(old *Outbox) {
	for _, t := range b.targets {
		if before := old.named[t.endpoint.Name]; before != nil {
			t.rest, t.orders = before.rest, before.orders
			before.mu.Lock()
			t.counts.Answers = before.counts.Answers
			before.mu.Unlock()
		}
	}
}

// Run delivers until ctx is done, and then lets messages in flight end within
// the grace period and saves how far it came; it gives an error only when that
// cannot be saved. Whatever a receiver does is no error and delays no other
// endpoint. While the feed fails, Run waits and asks again every second: nothing
// is lost then, and what was delivered is not delivered again. It may be called
// again after it has returned, but not twice at once.
func (b *Outbox) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// Without any endpoint there is nothing else that would wait.
	group.Go(func() error { <-ctx.Done(); return nil })
	for _, t := range b.targets {
		group.Go(func() error { return t.rest.run(ctx, t) })
		group.Go(func() error { return t.orders.run(ctx, t) })
	}
	err := group.Wait()
	for _, t := range b.targets {
		if t.second != nil {
			t.second.wait()
		}
	}
	for _, t := range b.targets {
		if s, ok := t.endpoint.Sink.(interface{ CloseIdleConnections() }); ok {
			s.CloseIdleConnections()
		}
	}
	return err
}

// Drain waits until every endpoint is done with all that was committed before
// the call, or until ctx is done, whose error it then gives. Run must be running.
func (b *Outbox) Drain(ctx context.Context) error { return b.DrainBut(ctx, nil) }

// DrainBut is Drain without some endpoints, by their names.
func (b *Outbox) DrainBut(ctx context.Context, without []string) error {
	for _, t := range b.targets {
		if slices.Contains(without, t.endpoint.Name) {
			continue
		}
		for _, lane := range []func() (bool, <-chan struct{}){t.rest.idle, t.orders.idle} {
			for {
				idle, changed := lane()
				if idle {
					break
				}
				select {
				case <-changed:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
	}
	return nil
}

// Names are the endpoints' names, in the config's order.
func (b *Outbox) Names() []string {
	names := make([]string, len(b.targets))
	for i, t := range b.targets {
		names[i] = t.endpoint.Name
	}
	return names
}

// Stats is where every endpoint stands, in the config's order.
func (b *Outbox) Stats() []Stats {
	all := make([]Stats, len(b.targets))
	for i, t := range b.targets {
		all[i] = t.snapshot()
	}
	return all
}

// DeadLetters lists what an endpoint did not take, run by run and in order.
func (b *Outbox) DeadLetters(ctx context.Context, endpoint string) ([]fact.DeadLetter, error) {
	if _, err := b.target(endpoint); err != nil {
		return nil, err
	}
	letters, err := b.config.Feed.DeadLetters(ctx, endpoint)
	if err != nil {
		return nil, fmt.Errorf("listing dead letters of endpoint %q: %w", endpoint, err)
	}
	return letters, nil
}

// Orders lists the orders that an endpoint is not done with, as they were read. It
// is empty before Run runs for the first time.
func (b *Outbox) Orders(endpoint string) ([]fact.PendingOrder, error) {
	t, err := b.target(endpoint)
	if err != nil {
		return nil, err
	}
	return t.orders.list(), nil
}

// Retry has an endpoint try now: its dead letters are sent again, beside all order,
// and what waits for its next attempt is hurried, as far as the endpoint may be:
// an attempt follows the one before after a second, five at a Notify endpoint, and
// not before a Retry-After is over. With the id of an event it does so for that one
// alone. again is how many dead letters that are, hurried how many events are tried
// sooner than planned; the error is [ErrNotWaiting] when there is no such event.
//
// A dead letter stays on the list until it is delivered; that it was asked for
// survives a restart.
func (b *Outbox) Retry(ctx context.Context, endpoint, id string) (again, hurried int, err error) {
	letters, err := b.DeadLetters(ctx, endpoint)
	if err != nil {
		return 0, 0, err
	}
	t := b.named[endpoint]
	for _, d := range letters {
		if id != "" && d.Event.ID != id {
			continue
		}
		if err := b.config.Feed.RetryDead(ctx, endpoint, d.Run, d.Event.N); err != nil {
			return again, 0, fmt.Errorf("retrying event %q at endpoint %q: %w", d.Event.ID, endpoint, err)
		}
		again++
	}
	if again > 0 {
		t.reread()
	}
	waiting, hurried := t.rest.retry(id)
	orders, sooner := t.orders.retry(id)
	if id != "" && again+waiting+orders == 0 {
		return 0, 0, fmt.Errorf("event %q at endpoint %q: %w", id, endpoint, ErrNotWaiting)
	}
	return again, hurried + sooner, nil
}

// Replay sets an endpoint back in every run so that every event of since or later,
// by the events' own time, is delivered once more under the same id. It never skips
// what was not delivered yet.
func (b *Outbox) Replay(ctx context.Context, endpoint string, since time.Time) error {
	t, err := b.target(endpoint)
	if err != nil {
		return err
	}
	return t.rewind(ctx, since)
}

func (b *Outbox) target(endpoint string) (*target, error) {
	if t := b.named[endpoint]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("endpoint %q: %w", endpoint, ErrUnknownEndpoint)
}
