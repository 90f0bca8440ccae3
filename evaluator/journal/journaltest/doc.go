// Package journaltest is for the tests of journals and of those who use one: the
// suite that every journal must pass, a journal in memory, and a wrapper that
// fails on demand.
package journaltest

import (
	"context"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
)

// Journal is everything that *journal.Journal does; see there.
type Journal interface {
	Commit(ctx context.Context, after uint64, b evaluator.Batch) (uint64, error)
	Save(ctx context.Context, plan string, seq uint64, state []byte) error
	Seq(ctx context.Context) (uint64, error)
	Plans(ctx context.Context) ([]string, error)
	Document(ctx context.Context, digest string) ([]byte, error)
	Recover(ctx context.Context, plan string) (evaluator.Recovery, error)
	Origin(ctx context.Context, plan string) (evaluator.Recovery, error)
	Entries(ctx context.Context, plan string, after uint64, limit int) ([]evaluator.Kept, error)

	Events(ctx context.Context, after uint64, limit int) ([]evaluator.Stored, error)
	PlanEvents(ctx context.Context, plan string, after uint64, limit int) ([]evaluator.Stored, error)
	End(ctx context.Context) (uint64, error)
	Before(ctx context.Context, t time.Time) (uint64, error)
	Passed(ctx context.Context, except string, limit int) ([]evaluator.Past, error)
	Watch() <-chan struct{}

	Cursor(ctx context.Context, endpoint string) (journal.Cursor, error)
	Delivered(ctx context.Context, endpoint string, pos uint64) error
	Failed(ctx context.Context, endpoint string, pos uint64, attempts int, next time.Time, lastError string) error
	Rewind(ctx context.Context, endpoint string, pos uint64) error
	Forget(ctx context.Context, endpoint string) error
	Deliveries(ctx context.Context) ([]journal.Delivery, error)
	Bury(ctx context.Context, endpoint string, pos uint64, now time.Time, reason string) error
	DeadLetters(ctx context.Context, endpoint string) ([]journal.DeadLetter, error)
	RetryDead(ctx context.Context, endpoint string, pos uint64) error
	Resolved(ctx context.Context, endpoint string, pos uint64) error

	Prune(ctx context.Context, olderThan time.Time) (journal.Pruned, error)
	Close() error
}

// Store is a place that outlives the journals that are opened on it, as a file
// outlives a process.
type Store interface {
	// Open opens the place's journal. The one opened before has been closed, or
	// is taken for crashed: it must be fenced.
	Open(endpoints ...string) (Journal, error)
}
