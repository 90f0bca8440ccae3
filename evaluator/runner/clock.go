package runner

import (
	"context"
	"time"
)

// Clock is what the runner lives by. A demo's clock jumps.
type Clock interface {
	Now() time.Time
	// WaitUntil returns when Now is no longer before t, or with the error of a
	// context that is done.
	WaitUntil(ctx context.Context, t time.Time) error
}

// Wall is the clock on the wall.
type Wall struct{}

// Now is time.Now.
func (Wall) Now() time.Time { return time.Now() }

// WaitUntil waits for the wall clock to show t, also when it is set meanwhile.
func (w Wall) WaitUntil(ctx context.Context, t time.Time) error {
	for {
		// Without the monotonic reading: a slot is a time of day.
		d := t.Round(0).Sub(w.Now().Round(0))
		if d <= 0 {
			return ctx.Err()
		}
		// In pieces, so that a machine that slept or a clock that was set is seen.
		timer := time.NewTimer(min(d, 10*time.Second))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
