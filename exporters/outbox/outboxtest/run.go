package outboxtest

import (
	"context"
	"testing"
	"time"
)

// Start runs an outbox until stop is called, which checks that Run ends well.
func Start(t testing.TB, b interface{ Run(context.Context) error }) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v, want nil", err)
		}
	}
}

// Drain waits until an outbox is done with all that was committed, two days at most.
func Drain(t testing.TB, b interface{ Drain(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 48*time.Hour)
	defer cancel()
	if err := b.Drain(ctx); err != nil {
		t.Fatalf("Drain: %v", err)
	}
}
