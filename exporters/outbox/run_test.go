package outbox_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// A daemon calls Run again when it returns: without an endpoint it must not
// return until it is told to stop, or the daemon never rests.
func TestRunWithoutEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, outbox.Config{Feed: outboxtest.New()})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("Run returned %v before it was told to stop", err)
		default:
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
}
