package runner_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/runner"
)

func TestWall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w runner.Wall
		want := w.Now().Add(25 * time.Second)
		if err := w.WaitUntil(t.Context(), want); err != nil || !w.Now().Equal(want) {
			t.Errorf("woke at %s with %v, want %s", w.Now(), err, want)
		}
		if err := w.WaitUntil(t.Context(), want.Add(-time.Hour)); err != nil || !w.Now().Equal(want) {
			t.Errorf("waited for the past: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.WaitUntil(ctx, want.Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}
