package webhook

import (
	"context"
	"testing"
	"testing/synctest"
)

// A daemon calls Run again when it returns: without an endpoint it must not
// return until it is told to stop, or the daemon never rests.
func TestRunWithoutEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := mustNew(t, Config{Feed: newMemFeed()})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
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
