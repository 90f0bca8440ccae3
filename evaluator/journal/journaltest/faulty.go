package journaltest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// Fault is what becomes of one call that writes.
type Fault uint8

const (
	Sound    Fault = iota // it works
	Failed                // an error, and nothing happened
	Happened              // an error, and yet it happened
	Crashed               // nothing happened, and no call ever works again
	Survived              // it happened, and no call ever works again
)

// ErrInjected is the error of a Fault.
var ErrInjected = errors.New("an injected fault")

// Faulty is a journal whose writes fail on demand.
type Faulty struct {
	Journal
	// Fault is asked at every call that writes, by the method's name.
	Fault func(method string) Fault

	mu   sync.Mutex
	dead bool
}

// do runs one write under a fault.
func (f *Faulty) do(method string, write func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return ErrInjected
	}
	fault := Sound
	if f.Fault != nil {
		fault = f.Fault(method)
	}
	f.dead = fault == Crashed || fault == Survived
	if fault == Failed || fault == Crashed {
		return ErrInjected
	}
	err := write()
	if err == nil && fault != Sound {
		err = ErrInjected
	}
	return err
}

// Commit is the journal's, under a fault.
func (f *Faulty) Commit(ctx context.Context, b fact.Batch) error {
	return f.do("Commit", func() error { return f.Journal.Commit(ctx, b) })
}

// Save is the journal's, under a fault.
func (f *Faulty) Save(ctx context.Context, run string, seq uint64, state []byte) error {
	return f.do("Save", func() error { return f.Journal.Save(ctx, run, seq, state) })
}

// Reopen is the journal's, under a fault.
func (f *Faulty) Reopen(ctx context.Context) error {
	return f.do("Reopen", func() error { return f.Journal.Reopen(ctx) })
}

// Delivered is the journal's, under a fault.
func (f *Faulty) Delivered(ctx context.Context, endpoint, run string, n uint64) error {
	return f.do("Delivered", func() error { return f.Journal.Delivered(ctx, endpoint, run, n) })
}

// Failed is the journal's, under a fault.
func (f *Faulty) Failed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error {
	return f.do("Failed", func() error { return f.Journal.Failed(ctx, endpoint, run, n, attempts, next, lastError) })
}

// OrderDone is the journal's, under a fault.
func (f *Faulty) OrderDone(ctx context.Context, endpoint, run string, n uint64) error {
	return f.do("OrderDone", func() error { return f.Journal.OrderDone(ctx, endpoint, run, n) })
}

// OrderFailed is the journal's, under a fault.
func (f *Faulty) OrderFailed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error {
	return f.do("OrderFailed", func() error { return f.Journal.OrderFailed(ctx, endpoint, run, n, attempts, next, lastError) })
}

// BuryOrder is the journal's, under a fault.
func (f *Faulty) BuryOrder(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	return f.do("BuryOrder", func() error { return f.Journal.BuryOrder(ctx, endpoint, run, n, now, reason) })
}

// Know is the journal's, under a fault.
func (f *Faulty) Know(ctx context.Context, endpoints ...string) error {
	return f.do("Know", func() error { return f.Journal.Know(ctx, endpoints...) })
}

// Bury is the journal's, under a fault.
func (f *Faulty) Bury(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	return f.do("Bury", func() error { return f.Journal.Bury(ctx, endpoint, run, n, now, reason) })
}

// Rewind is the journal's, under a fault.
func (f *Faulty) Rewind(ctx context.Context, endpoint string, since time.Time) (runs int, err error) {
	err = f.do("Rewind", func() (err error) {
		runs, err = f.Journal.Rewind(ctx, endpoint, since)
		return err
	})
	return runs, err
}

// RetryDead is the journal's, under a fault.
func (f *Faulty) RetryDead(ctx context.Context, endpoint, run string, n uint64) error {
	return f.do("RetryDead", func() error { return f.Journal.RetryDead(ctx, endpoint, run, n) })
}

// Resolved is the journal's, under a fault.
func (f *Faulty) Resolved(ctx context.Context, endpoint, run string, n uint64) error {
	return f.do("Resolved", func() error { return f.Journal.Resolved(ctx, endpoint, run, n) })
}

// Keep is the journal's, under a fault.
func (f *Faulty) Keep(ctx context.Context, endpoint, key, value string) error {
	return f.do("Keep", func() error { return f.Journal.Keep(ctx, endpoint, key, value) })
}
