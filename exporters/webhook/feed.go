package webhook

import (
	"context"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// Cursor is how far an endpoint has come, as it is stored.
type Cursor struct {
	Pos       uint64    // everything up to here is done with: delivered, buried or not wanted
	Attempts  int       // failed ones at the next event
	NextAt    time.Time // not before; zero means at once
	LastError string    // why the newest attempt failed
}

// DeadLetter is an event that an endpoint did not take.
type DeadLetter struct {
	Endpoint string
	At       time.Time // when it was given up
	Reason   string
	Again    bool // somebody asked for it to be sent again
	evaluator.Stored
}

// Feed is the durable side of delivery: the committed events and what became of
// them at each endpoint. What it records survives the process; that an event was
// delivered may be forgotten by a power cut, and is then sent once more.
type Feed interface {
	// Events lists what was committed after a position, oldest first, at most
	// limit. Positions grow.
	Events(ctx context.Context, after uint64, limit int) ([]evaluator.Stored, error)
	// Watch gives a channel that is closed when something is committed after the
	// call.
	Watch() <-chan struct{}
	// Cursor is where the endpoint stands; a new endpoint starts where the feed
	// says that it does.
	Cursor(ctx context.Context, endpoint string) (Cursor, error)
	// Delivered says that the endpoint is done with everything up to pos, and
	// forgets failed attempts. It never goes back.
	Delivered(ctx context.Context, endpoint string, pos uint64) error
	// Failed records a failed attempt at the event at pos, which stays the next
	// one to be delivered.
	Failed(ctx context.Context, endpoint string, pos uint64, attempts int, next time.Time, lastError string) error
	// Bury makes the event at pos a dead letter that nobody has asked for again,
	// and moves the cursor beyond it unless it is there already.
	Bury(ctx context.Context, endpoint string, pos uint64, now time.Time, reason string) error
	// DeadLetters lists what was buried, in order.
	DeadLetters(ctx context.Context, endpoint string) ([]DeadLetter, error)
	// RetryDead notes that somebody wants a dead letter sent again; an error says
	// that there is none.
	RetryDead(ctx context.Context, endpoint string, pos uint64) error
	// Resolved takes a dead letter off the list.
	Resolved(ctx context.Context, endpoint string, pos uint64) error
	// Before is the newest position that is older than a time.
	Before(ctx context.Context, t time.Time) (uint64, error)
	// Rewind sets the endpoint to a position, so that what follows is sent again.
	Rewind(ctx context.Context, endpoint string, pos uint64) error
}
