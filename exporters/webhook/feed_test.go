package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// memFeed is a Feed that survives the Webhook, as a journal survives a process.
type memFeed struct {
	mu      sync.Mutex
	events  []evaluator.Stored
	cursors map[string]Cursor // :: endpoint → where it stands
	dead    []DeadLetter
	watch   chan struct{}
	broken  error // given by every method that writes
	writes  int
}

func newMemFeed() *memFeed {
	return &memFeed{cursors: map[string]Cursor{}, watch: make(chan struct{})}
}

// commit adds events that are filled in from what matters to a test.
func (f *memFeed) commit(t testing.TB, events ...evaluator.Event) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		if e.Plan == "" {
			e.Plan = "REL 1.0"
		}
		if e.Kind == "" {
			e.Kind, e.To = evaluator.PhaseEvent, "passed"
		}
		pos := uint64(len(f.events) + 1)
		e.N, e.ID = pos, fmt.Sprintf("%s/%d", e.Plan, pos)
		if e.At.IsZero() {
			e.At = time.Date(2025, 6, 4, 2, 0, int(pos), 0, time.UTC)
		}
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("encoding %v: %v", e, err)
		}
		f.events = append(f.events, evaluator.Stored{Pos: pos, Seq: pos, Event: e, Raw: raw})
	}
	close(f.watch)
	f.watch = make(chan struct{})
}

func (f *memFeed) commitN(t testing.TB, n int) {
	t.Helper()
	events := make([]evaluator.Event, n)
	f.commit(t, events...)
}

func (f *memFeed) Events(_ context.Context, after uint64, limit int) ([]evaluator.Stored, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest := f.events[min(after, uint64(len(f.events))):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (f *memFeed) Watch() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watch
}

func (f *memFeed) Cursor(_ context.Context, endpoint string) (Cursor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cursors[endpoint], nil
}

// change runs f under the lock as one durable write.
func (f *memFeed) change(ctx context.Context, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if err := errors.Join(ctx.Err(), f.broken); err != nil {
		return err
	}
	return do()
}

func (f *memFeed) Delivered(ctx context.Context, endpoint string, pos uint64) error {
	return f.change(ctx, func() error {
		if pos > f.cursors[endpoint].Pos {
			f.cursors[endpoint] = Cursor{Pos: pos}
		}
		return nil
	})
}

func (f *memFeed) Failed(ctx context.Context, endpoint string, pos uint64, attempts int, next time.Time, lastError string) error {
	return f.change(ctx, func() error {
		c := f.cursors[endpoint]
		if pos <= c.Pos {
			return fmt.Errorf("event %d failed, but the cursor is at %d", pos, c.Pos)
		}
		f.cursors[endpoint] = Cursor{Pos: c.Pos, Attempts: attempts, NextAt: next, LastError: lastError}
		return nil
	})
}

func (f *memFeed) Bury(ctx context.Context, endpoint string, pos uint64, now time.Time, reason string) error {
	return f.change(ctx, func() error {
		f.dead = slices.DeleteFunc(f.dead, func(l DeadLetter) bool { return l.Endpoint == endpoint && l.Pos == pos })
		f.dead = append(f.dead, DeadLetter{Endpoint: endpoint, At: now, Reason: reason, Stored: f.events[pos-1]})
		if pos > f.cursors[endpoint].Pos {
			f.cursors[endpoint] = Cursor{Pos: pos}
		}
		return nil
	})
}

func (f *memFeed) DeadLetters(_ context.Context, endpoint string) ([]DeadLetter, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var letters []DeadLetter
	for _, l := range f.dead {
		if l.Endpoint == endpoint {
			letters = append(letters, l)
		}
	}
	return letters, nil
}

var errNoLetter = errors.New("no such dead letter")

func (f *memFeed) RetryDead(ctx context.Context, endpoint string, pos uint64) error {
	return f.change(ctx, func() error {
		for i := range f.dead {
			if f.dead[i].Endpoint == endpoint && f.dead[i].Pos == pos {
				f.dead[i].Again = true
				return nil
			}
		}
		return errNoLetter
	})
}

func (f *memFeed) Resolved(ctx context.Context, endpoint string, pos uint64) error {
	return f.change(ctx, func() error {
		f.dead = slices.DeleteFunc(f.dead, func(l DeadLetter) bool { return l.Endpoint == endpoint && l.Pos == pos })
		return nil
	})
}

func (f *memFeed) Before(_ context.Context, t time.Time) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if !e.Event.At.Before(t) {
			return e.Pos - 1, nil
		}
	}
	return uint64(len(f.events)), nil
}

func (f *memFeed) Rewind(ctx context.Context, endpoint string, pos uint64) error {
	return f.change(ctx, func() error {
		f.cursors[endpoint] = Cursor{Pos: pos}
		return nil
	})
}
