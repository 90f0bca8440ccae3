package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// memFeed is a Feed that survives the Webhook, as a journal survives a process.
type memFeed struct {
	mu      sync.Mutex
	runs    []string                      // as they began
	events  map[string][]evaluator.Stored // :: run → its events
	newest  []evaluator.Stored            // of all runs, as they were committed
	base    uint64                        // how many came before newest[0]
	cursors map[at]RunCursor              // without End
	dead    []DeadLetter
	watch   chan struct{}
	broken  error // given by every method that writes
	away    error // given by Pending and Events
	writes  int
}

// at is a cursor's place.
type at struct{ endpoint, run string }

// theRun is the run of events that name no plan.
const theRun = "REL 1.0"

func newMemFeed() *memFeed {
	return &memFeed{events: map[string][]evaluator.Stored{}, cursors: map[at]RunCursor{}, watch: make(chan struct{})}
}

// commit adds events that are filled in from what matters to a test. A plan has
// one run, of the same name.
func (f *memFeed) commit(t testing.TB, events ...evaluator.Event) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		if e.Plan == "" {
			e.Plan = theRun
		}
		if e.Kind == "" {
			e.Kind, e.To = evaluator.PhaseEvent, "passed"
		}
		run := e.Plan
		e.N = uint64(len(f.events[run]) + 1)
		e.ID = fmt.Sprintf("%s/%d", run, e.N)
		if e.At.IsZero() {
			e.At = time.Date(2025, 6, 4, 2, 0, int(e.N), 0, time.UTC)
		}
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("encoding %v: %v", e, err)
		}
		s := evaluator.Stored{Run: run, Seq: e.N, Event: e, Raw: raw}
		if e.N == 1 {
			f.runs = append(f.runs, run)
		}
		f.events[run], f.newest = append(f.events[run], s), append(f.newest, s)
	}
	f.wakeLocked()
}

func (f *memFeed) wakeLocked() {
	close(f.watch)
	f.watch = make(chan struct{})
}

func (f *memFeed) commitN(t testing.TB, n int) { f.commitTo(t, theRun, n) }

func (f *memFeed) commitTo(t testing.TB, run string, n int) {
	t.Helper()
	events := make([]evaluator.Event, n)
	for i := range events {
		events[i].Plan = run
	}
	f.commit(t, events...)
}

// lose makes all marks too old, as a journal does that was opened again.
func (f *memFeed) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.base += uint64(len(f.newest)) + 1
	f.newest = nil
	f.wakeLocked()
}

func (f *memFeed) breaks(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = err
}

func (f *memFeed) unreadable(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = err
}

// cursor is where endpoint a stands in a run.
func (f *memFeed) cursor(run string) RunCursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cursors[at{"a", run}]
}

// written is how many writes there were.
func (f *memFeed) written() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

func (f *memFeed) Events(_ context.Context, run string, after uint64, limit int) ([]evaluator.Stored, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return nil, f.away
	}
	rest := f.events[run][min(after, uint64(len(f.events[run]))):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (f *memFeed) Newer(mark uint64, limit int) (events []evaluator.Stored, next uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.base + uint64(len(f.newest))
	if mark < f.base || mark > end {
		return nil, end, false
	}
	rest := f.newest[mark-f.base:]
	rest = rest[:min(limit, len(rest))]
	return slices.Clone(rest), mark + uint64(len(rest)), true
}

func (f *memFeed) Watch() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watch
}

func (f *memFeed) Pending(_ context.Context, endpoint string) (list []RunCursor, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return nil, f.away
	}
	for _, run := range f.runs {
		c := f.cursors[at{endpoint, run}]
		if c.Run, c.End = run, uint64(len(f.events[run])); c.N < c.End {
			list = append(list, c)
		}
	}
	return list, nil
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

func (f *memFeed) Delivered(ctx context.Context, endpoint, run string, n uint64) error {
	return f.change(ctx, func() error { f.advanceLocked(endpoint, run, n); return nil })
}

func (f *memFeed) advanceLocked(endpoint, run string, n uint64) {
	if n > f.cursors[at{endpoint, run}].N {
		f.cursors[at{endpoint, run}] = RunCursor{N: n}
	}
}

func (f *memFeed) Failed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error {
	return f.change(ctx, func() error {
		c := f.cursors[at{endpoint, run}]
		if n != c.N+1 {
			return fmt.Errorf("event %d failed, but the cursor is at %d", n, c.N)
		}
		f.cursors[at{endpoint, run}] = RunCursor{N: c.N, Attempts: attempts, NextAt: next, LastError: lastError}
		return nil
	})
}

// letterLocked finds a dead letter, -1 when there is none.
func (f *memFeed) letterLocked(endpoint, run string, n uint64) int {
	return slices.IndexFunc(f.dead, func(l DeadLetter) bool { return l.Endpoint == endpoint && l.Run == run && l.Event.N == n })
}

func (f *memFeed) Bury(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	return f.change(ctx, func() error {
		if i := f.letterLocked(endpoint, run, n); i >= 0 {
			f.dead = slices.Delete(f.dead, i, i+1)
		}
		f.dead = append(f.dead, DeadLetter{Endpoint: endpoint, At: now, Reason: reason, Stored: f.events[run][n-1]})
		f.advanceLocked(endpoint, run, n)
		return nil
	})
}

func (f *memFeed) DeadLetters(_ context.Context, endpoint string) (letters []DeadLetter, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.dead {
		if l.Endpoint == endpoint {
			letters = append(letters, l)
		}
	}
	return letters, nil
}

var errNoLetter = errors.New("no such dead letter")

func (f *memFeed) RetryDead(ctx context.Context, endpoint, run string, n uint64) error {
	return f.change(ctx, func() error {
		i := f.letterLocked(endpoint, run, n)
		if i < 0 {
			return errNoLetter
		}
		f.dead[i].Again = true
		return nil
	})
}

func (f *memFeed) Resolved(ctx context.Context, endpoint, run string, n uint64) error {
	return f.change(ctx, func() error {
		i := f.letterLocked(endpoint, run, n)
		if i < 0 {
			return errNoLetter
		}
		f.dead = slices.Delete(f.dead, i, i+1)
		return nil
	})
}

func (f *memFeed) Rewind(ctx context.Context, endpoint string, since time.Time) (runs int, err error) {
	err = f.change(ctx, func() error {
		for place, c := range maps.Clone(f.cursors) {
			for _, s := range f.events[place.run] {
				if !s.Event.At.Before(since) {
					if place.endpoint == endpoint && s.Event.N <= c.N {
						f.cursors[place] = RunCursor{N: s.Event.N - 1}
						runs++
					}
					break
				}
			}
		}
		return nil
	})
	return runs, err
}
