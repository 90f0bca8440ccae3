package sources

import (
	"context"
	"time"
)

// Stats is what a source has done since it was made. Counters only grow.
type Stats struct {
	Requests      uint64  // HTTP requests sent, retries included
	Retries       uint64  // of those, the ones that repeated a request
	Throttled     uint64  // answers that asked us to slow down
	Billed        uint64  // units the upstream charges for: metrics requested, queries started
	BytesScanned  uint64  // Athena only
	RateRemaining float64 // requests left in the upstream's own window; -1 when it does not say
}

// Metered is a Source that counts.
type Metered interface {
	Stats() Stats
}

// Pause waits for d or until ctx is done, whose error it then returns. A source
// sleeps through it, so that a run in virtual time waits in virtual time.
type Pause func(ctx context.Context, d time.Duration) error
