package journaltest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator"
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
func (f *Faulty) Commit(ctx context.Context, after uint64, b evaluator.Batch) (seq uint64, err error) {
	err = f.do("Commit", func() (err error) {
		seq, err = f.Journal.Commit(ctx, after, b)
		return err
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// Save is the journal's, under a fault.
func (f *Faulty) Save(ctx context.Context, plan string, seq uint64, state []byte) error {
	return f.do("Save", func() error { return f.Journal.Save(ctx, plan, seq, state) })
}

// Delivered is the journal's, under a fault.
func (f *Faulty) Delivered(ctx context.Context, endpoint string, pos uint64) error {
	return f.do("Delivered", func() error { return f.Journal.Delivered(ctx, endpoint, pos) })
}

// Failed is the journal's, under a fault.
func (f *Faulty) Failed(ctx context.Context, endpoint string, pos uint64, attempts int, next time.Time, lastError string) error {
	return f.do("Failed", func() error { return f.Journal.Failed(ctx, endpoint, pos, attempts, next, lastError) })
}

// Bury is the journal's, under a fault.
func (f *Faulty) Bury(ctx context.Context, endpoint string, pos uint64, now time.Time, reason string) error {
	return f.do("Bury", func() error { return f.Journal.Bury(ctx, endpoint, pos, now, reason) })
}

// Rewind is the journal's, under a fault.
func (f *Faulty) Rewind(ctx context.Context, endpoint string, pos uint64) error {
	return f.do("Rewind", func() error { return f.Journal.Rewind(ctx, endpoint, pos) })
}

// RetryDead is the journal's, under a fault.
func (f *Faulty) RetryDead(ctx context.Context, endpoint string, pos uint64) error {
	return f.do("RetryDead", func() error { return f.Journal.RetryDead(ctx, endpoint, pos) })
}

// Resolved is the journal's, under a fault.
func (f *Faulty) Resolved(ctx context.Context, endpoint string, pos uint64) error {
	return f.do("Resolved", func() error { return f.Journal.Resolved(ctx, endpoint, pos) })
}
