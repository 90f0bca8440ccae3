package outbox

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// Outbox delivers committed events to every endpoint.
type Outbox struct {
	config  Config
	workers []*worker          // in the config's order
	named   map[string]*worker // :: endpoint name → its worker
}

// New checks the config and makes an Outbox; nothing runs yet. The error lists
// everything that is wrong.
func New(c Config) (*Outbox, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	b := &Outbox{config: c, named: make(map[string]*worker, len(c.Endpoints))}
	for _, e := range c.Endpoints {
		w := newWorker(c, e)
		b.workers, b.named[e.Name] = append(b.workers, w), w
	}
	for _, w := range b.workers {
		if to := b.named[w.endpoint.EscalateTo]; to != nil {
			w.second = &lane{to: to.endpoint, ring: make(chan struct{}, 1), after: c.After, log: w.log}
		}
	}
	return b, nil
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
	for _, w := range b.workers {
		group.Go(func() error { return w.run(ctx) })
		if w.second != nil {
			group.Go(func() error { w.second.run(ctx); return nil })
		}
	}
	err := group.Wait()
	for _, w := range b.workers {
		if s, ok := w.endpoint.Sink.(interface{ CloseIdleConnections() }); ok {
			s.CloseIdleConnections()
		}
	}
	return err
}

// Drain waits until every endpoint is done with all that was committed before
// the call, or until ctx is done, whose error it then gives. Run must be running.
func (b *Outbox) Drain(ctx context.Context) error {
	for _, w := range b.workers {
		for {
			idle, changed := w.idle()
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
	return nil
}

// Names are the endpoints' names, in the config's order.
func (b *Outbox) Names() []string {
	names := make([]string, len(b.workers))
	for i, w := range b.workers {
		names[i] = w.endpoint.Name
	}
	return names
}

// Stats is where every endpoint stands, in the config's order.
func (b *Outbox) Stats() []Stats {
	all := make([]Stats, len(b.workers))
	for i, w := range b.workers {
		all[i] = w.snapshot()
	}
	return all
}

// DeadLetters lists what an endpoint did not take, run by run and in order.
func (b *Outbox) DeadLetters(ctx context.Context, endpoint string) ([]DeadLetter, error) {
	if _, err := b.worker(endpoint); err != nil {
		return nil, err
	}
	letters, err := b.config.Feed.DeadLetters(ctx, endpoint)
	if err != nil {
		return nil, fmt.Errorf("listing dead letters of endpoint %q: %w", endpoint, err)
	}
	return letters, nil
}

// Retry has the dead letter of event n of a run sent again, beside the run's order,
// and soon. It stays on the list until it is delivered; that it was asked for
// survives a restart.
func (b *Outbox) Retry(ctx context.Context, endpoint, run string, n uint64) error {
	w, err := b.worker(endpoint)
	if err != nil {
		return err
	}
	if err := b.config.Feed.RetryDead(ctx, endpoint, run, n); err != nil {
		return fmt.Errorf("retrying event %d of run %q at endpoint %q: %w", n, run, endpoint, err)
	}
	w.reread()
	return nil
}

// Replay sets an endpoint back in every run so that every event of since or later,
// by the events' own time, is delivered once more under the same id. It never skips
// what was not delivered yet.
func (b *Outbox) Replay(ctx context.Context, endpoint string, since time.Time) error {
	w, err := b.worker(endpoint)
	if err != nil {
		return err
	}
	return w.rewind(ctx, since)
}

func (b *Outbox) worker(endpoint string) (*worker, error) {
	if w := b.named[endpoint]; w != nil {
		return w, nil
	}
	return nil, fmt.Errorf("endpoint %q: %w", endpoint, ErrUnknownEndpoint)
}
