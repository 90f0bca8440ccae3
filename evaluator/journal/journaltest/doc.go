// Package journaltest is for the tests of journals and of those who use one: the
// suite that every journal must pass, a journal in memory, and a wrapper that
// fails on demand.
package journaltest

import (
	"context"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
)

// Journal is everything that *journal.Journal does; see there.
type Journal interface {
	Commit(ctx context.Context, b fact.Batch) error
	Save(ctx context.Context, run string, seq uint64, state []byte) error
	Check() error
	Reopen(ctx context.Context) error
	Close() error

	Runs(ctx context.Context, f fact.RunFilter) ([]fact.RunRecord, error)
	Run(ctx context.Context, id string) (fact.RunRecord, error)
	Passed(ctx context.Context, plan, exceptRun string, limit int) ([]fact.Past, error)
	Document(ctx context.Context, digest string) ([]byte, error)
	Recover(ctx context.Context, run string) (fact.Recovery, error)
	Origin(ctx context.Context, run string) (fact.Recovery, error)
	Entries(ctx context.Context, run string, after uint64, limit int) ([]fact.Kept, error)
	Prune(ctx context.Context, olderThan time.Time, keepPassed int) (journal.Pruned, error)

	Events(ctx context.Context, run string, after uint64, limit int) ([]fact.Stored, error)
	Event(ctx context.Context, run string, n uint64) (fact.Stored, error)
	Newer(mark uint64, limit int) (events []fact.Stored, next uint64, ok bool)
	Watch() <-chan struct{}

	Endpoints(ctx context.Context) ([]string, error)
	Know(ctx context.Context, endpoints ...string) error
	Pending(ctx context.Context, endpoint string) ([]fact.RunCursor, error)
	Delivered(ctx context.Context, endpoint, run string, n uint64) error
	Failed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error
	Orders(ctx context.Context, endpoint string) ([]fact.PendingOrder, error)
	OrderDone(ctx context.Context, endpoint, run string, n uint64) error
	OrderFailed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error
	BuryOrder(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error
	Rewind(ctx context.Context, endpoint string, since time.Time) (runs int, err error)
	Forget(ctx context.Context, endpoint string) error
	Bury(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error
	DeadLetters(ctx context.Context, endpoint string) ([]fact.DeadLetter, error)
	RetryDead(ctx context.Context, endpoint, run string, n uint64) error
	Resolved(ctx context.Context, endpoint, run string, n uint64) error

	Keep(ctx context.Context, endpoint, key, value string) error
	Kept(ctx context.Context, endpoint, key string) (string, error)
}

// Store is a place that outlives the journals that are opened on it, as a file
// outlives a process.
type Store interface {
	// Open opens the place's journal. The one opened before has been closed, or
	// is taken for crashed: it must be fenced.
	Open(endpoints ...string) (Journal, error)
}
