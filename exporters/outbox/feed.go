package outbox

import (
	"context"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// Feed is the durable side of delivery: the committed events and what became of
// them at each endpoint, run by run. The events of a run are numbered from 1
// without gaps. What a Feed records survives the process; that an event was
// delivered may be forgotten by a power cut, and the event is then sent once more.
type Feed interface {
	// Events lists the events of a run after a number, in order, at most limit.
	Events(ctx context.Context, run string, after uint64, limit int) ([]fact.Stored, error)
	// Newer lists what was committed after a mark, of all runs in the order of the
	// commits, at most limit of it, and gives the next mark. ok is false when the
	// mark is too old to say that: Pending knows, and next is the mark from which
	// to go on then. Zero is the oldest mark.
	Newer(mark uint64, limit int) (events []fact.Stored, next uint64, ok bool)
	// Watch gives a channel that is closed when something is committed after the
	// call, or when marks have become too old.
	Watch() <-chan struct{}
	// Pending lists the runs in which the endpoint is not done with every event. A
	// new endpoint is done with all that there is.
	Pending(ctx context.Context, endpoint string) ([]fact.RunCursor, error)
	// Delivered says that the endpoint is done with the run's events up to n, and
	// forgets failed attempts. It never goes back.
	Delivered(ctx context.Context, endpoint, run string, n uint64) error
	// Failed records a failed attempt at event n of a run, which stays the next one
	// to be delivered there.
	Failed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error
	// Bury makes event n of a run, which is no order, a dead letter that is not to be
	// sent again, and moves the cursor beyond it unless it is there already.
	Bury(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error
	// Orders lists the orders that the endpoint is not done with, run by run and in
	// order. Every order is on it from its commit on, wherever the cursors are.
	Orders(ctx context.Context, endpoint string) ([]fact.PendingOrder, error)
	// OrderDone says that the endpoint is done with the order that is event n of a
	// run: it was delivered, or is not wanted. It is no error to say so twice.
	OrderDone(ctx context.Context, endpoint, run string, n uint64) error
	// OrderFailed records a failed attempt at an order.
	OrderFailed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error
	// BuryOrder makes an order a dead letter that is not to be sent again, also one
	// that is a dead letter already. No cursor moves.
	BuryOrder(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error
	// DeadLetters lists what was buried, run by run and in order.
	DeadLetters(ctx context.Context, endpoint string) ([]fact.DeadLetter, error)
	// RetryDead notes that a dead letter is to be sent again; an error says that
	// there is none.
	RetryDead(ctx context.Context, endpoint, run string, n uint64) error
	// Resolved takes a dead letter off the list.
	Resolved(ctx context.Context, endpoint, run string, n uint64) error
	// Rewind sets the endpoint back in every run, so that every event of a time or
	// later is sent again, orders too, and says in how many runs that changed something. It
	// never sets a cursor forward.
	Rewind(ctx context.Context, endpoint string, since time.Time) (runs int, err error)
}
