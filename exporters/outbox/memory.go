package outbox

import "context"

// Memory keeps what a receiver answered: ids under which it knows what was sent. It is
// durable. A key begins with what it goes with, the id of a run and "/" or the id of one
// of its events, and is dropped with that run.
type Memory interface {
	// Keep remembers a value under a key of an endpoint before it returns.
	Keep(ctx context.Context, endpoint, key, value string) error
	// Kept gives that value, empty where there is none.
	Kept(ctx context.Context, endpoint, key string) (string, error)
}
