// Package outboxtest has a feed in memory for tests of the outbox and of sinks.
package outboxtest

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

	"github.com/relgate/relgate/evaluator/fact"
)

// Feed is an outbox.Feed that survives the Outbox, as a journal survives a process.
type Feed struct {
	mu      sync.Mutex
	runs    []string                 // as they began
	Stored  map[string][]fact.Stored // :: run → its events
	newest  []fact.Stored            // of all runs, as they were committed
	base    uint64                   // how many came before newest[0]
	Cursors map[Place]fact.RunCursor // without End
	Dead    []fact.DeadLetter
	open    map[string][]fact.PendingOrder // :: endpoint → orders that it is not done with
	kept    map[Place]string               // what was kept; the place's Run is the key
	watch   chan struct{}
	broken  error // given by every method that writes
	away    error // given by Pending and Events
	writes  int
}

// Place is where a cursor stands.
type Place struct{ Endpoint, Run string }

// TheRun is the run of events that name no plan.
const TheRun = "REL 1.0"

// New is an empty feed that knows endpoints a and b. Every endpoint is at its beginning.
func New() *Feed {
	return &Feed{open: map[string][]fact.PendingOrder{"a": nil, "b": nil}, Stored: map[string][]fact.Stored{}, Cursors: map[Place]fact.RunCursor{}, kept: map[Place]string{}, watch: make(chan struct{})}
}

// Commit adds events that are filled in from what matters to a test. A plan has
// one run, of the same name.
func (f *Feed) Commit(t testing.TB, events ...fact.Event) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		if e.Plan == "" {
			e.Plan = TheRun
		}
		if e.Kind == "" {
			e.Kind, e.To = fact.PhaseEvent, "passed"
		}
		run := e.Plan
		e.N = uint64(len(f.Stored[run]) + 1)
		e.ID = fmt.Sprintf("%s/%d", run, e.N)
		if e.At.IsZero() {
			e.At = time.Date(2025, 6, 4, 2, 0, int(e.N), 0, time.UTC)
		}
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("encoding %v: %v", e, err)
		}
		s := fact.Stored{Run: run, Seq: e.N, Event: e, Raw: raw}
		if e.N == 1 {
			f.runs = append(f.runs, run)
		}
		f.Stored[run], f.newest = append(f.Stored[run], s), append(f.newest, s)
		if s.Event.Order() {
			for endpoint := range f.open {
				f.open[endpoint] = append(f.open[endpoint], fact.PendingOrder{Stored: s})
			}
		}
	}
	f.wakeLocked()
}

func (f *Feed) wakeLocked() {
	close(f.watch)
	f.watch = make(chan struct{})
}

// CommitN commits n events of [TheRun].
func (f *Feed) CommitN(t testing.TB, n int) { f.CommitTo(t, TheRun, n) }

// CommitTo commits n events of a run.
func (f *Feed) CommitTo(t testing.TB, run string, n int) {
	t.Helper()
	events := make([]fact.Event, n)
	for i := range events {
		events[i].Plan = run
	}
	f.Commit(t, events...)
}

// Lose makes all marks too old, as a journal does that was opened again.
func (f *Feed) Lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.base += uint64(len(f.newest)) + 1
	f.newest = nil
	f.wakeLocked()
}

// Break has every method that writes fail with err, until it is nil.
func (f *Feed) Break(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = err
}

// Hide has the methods that read cursors and events fail with err, until it is nil.
func (f *Feed) Hide(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = err
}

// Cursor is where endpoint a stands in a run.
func (f *Feed) Cursor(run string) fact.RunCursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Cursors[Place{"a", run}]
}

// Written is how many writes there were.
func (f *Feed) Written() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

func (f *Feed) Events(_ context.Context, run string, after uint64, limit int) ([]fact.Stored, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return nil, f.away
	}
	rest := f.Stored[run][min(after, uint64(len(f.Stored[run]))):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (f *Feed) Newer(mark uint64, limit int) (events []fact.Stored, next uint64, ok bool) {
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

func (f *Feed) Watch() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watch
}

func (f *Feed) Pending(_ context.Context, endpoint string) (list []fact.RunCursor, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return nil, f.away
	}
	for _, run := range f.runs {
		c := f.Cursors[Place{endpoint, run}]
		if c.Run, c.End = run, uint64(len(f.Stored[run])); c.N < c.End {
			list = append(list, c)
		}
	}
	return list, nil
}

// change runs f under the lock as one durable write.
func (f *Feed) change(ctx context.Context, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if err := errors.Join(ctx.Err(), f.broken); err != nil {
		return err
	}
	return do()
}

func (f *Feed) Delivered(ctx context.Context, endpoint, run string, n uint64) error {
	return f.change(ctx, func() error { f.advanceLocked(endpoint, run, n); return nil })
}

func (f *Feed) advanceLocked(endpoint, run string, n uint64) {
	if n > f.Cursors[Place{endpoint, run}].N {
		f.Cursors[Place{endpoint, run}] = fact.RunCursor{N: n}
	}
}

func (f *Feed) Failed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error {
	return f.change(ctx, func() error {
		c := f.Cursors[Place{endpoint, run}]
		if n <= c.N || f.Stored[run][n-1].Event.Order() {
			return fmt.Errorf("event %d failed, but the cursor is at %d", n, c.N)
		}
		f.Cursors[Place{endpoint, run}] = fact.RunCursor{N: c.N, Attempts: attempts, NextAt: next, LastError: lastError}
		return nil
	})
}

// letterLocked finds a dead letter, -1 when there is none.
func (f *Feed) letterLocked(endpoint, run string, n uint64) int {
	return slices.IndexFunc(f.Dead, func(l fact.DeadLetter) bool { return l.Endpoint == endpoint && l.Run == run && l.Event.N == n })
}

func (f *Feed) Bury(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	return f.change(ctx, func() error {
		f.buryLocked(endpoint, run, n, now, reason)
		f.advanceLocked(endpoint, run, n)
		return nil
	})
}

func (f *Feed) buryLocked(endpoint, run string, n uint64, now time.Time, reason string) {
	if i := f.letterLocked(endpoint, run, n); i >= 0 {
		f.Dead = slices.Delete(f.Dead, i, i+1)
	}
	f.Dead = append(f.Dead, fact.DeadLetter{Endpoint: endpoint, At: now, Reason: reason, Stored: f.Stored[run][n-1]})
}

// Orders lists the orders that an endpoint is not done with.
func (f *Feed) Orders(_ context.Context, endpoint string) ([]fact.PendingOrder, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return nil, f.away
	}
	return slices.Clone(f.open[endpoint]), nil
}

// orderLocked finds a pending order, -1 when there is none.
func (f *Feed) orderLocked(endpoint, run string, n uint64) int {
	return slices.IndexFunc(f.open[endpoint], func(o fact.PendingOrder) bool { return o.Run == run && o.Event.N == n })
}

// OrderDone takes an order from the pending ones.
func (f *Feed) OrderDone(ctx context.Context, endpoint, run string, n uint64) error {
	return f.change(ctx, func() error {
		if i := f.orderLocked(endpoint, run, n); i >= 0 {
			f.open[endpoint] = slices.Delete(f.open[endpoint], i, i+1)
		}
		return nil
	})
}

// OrderFailed records a failed attempt at a pending order.
func (f *Feed) OrderFailed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error {
	return f.change(ctx, func() error {
		if i := f.orderLocked(endpoint, run, n); i >= 0 {
			o := &f.open[endpoint][i]
			o.Attempts, o.NextAt, o.LastError = attempts, next, lastError
		}
		return nil
	})
}

// BuryOrder makes an order a dead letter.
func (f *Feed) BuryOrder(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	return f.change(ctx, func() error {
		if i := f.orderLocked(endpoint, run, n); i >= 0 {
			f.open[endpoint] = slices.Delete(f.open[endpoint], i, i+1)
		}
		f.buryLocked(endpoint, run, n, now, reason)
		return nil
	})
}

func (f *Feed) DeadLetters(_ context.Context, endpoint string) (letters []fact.DeadLetter, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.Dead {
		if l.Endpoint == endpoint {
			letters = append(letters, l)
		}
	}
	return letters, nil
}

// ErrNoLetter is given for a dead letter that is not there.
var ErrNoLetter = errors.New("no such dead letter")

func (f *Feed) RetryDead(ctx context.Context, endpoint, run string, n uint64) error {
	return f.change(ctx, func() error {
		i := f.letterLocked(endpoint, run, n)
		if i < 0 {
			return ErrNoLetter
		}
		f.Dead[i].Again = true
		return nil
	})
}

func (f *Feed) Resolved(ctx context.Context, endpoint, run string, n uint64) error {
	return f.change(ctx, func() error {
		i := f.letterLocked(endpoint, run, n)
		if i < 0 {
			return ErrNoLetter
		}
		f.Dead = slices.Delete(f.Dead, i, i+1)
		return nil
	})
}

func (f *Feed) Rewind(ctx context.Context, endpoint string, since time.Time) (runs int, err error) {
	err = f.change(ctx, func() error {
		changed := map[string]bool{}
		for place, c := range maps.Clone(f.Cursors) {
			for _, s := range f.Stored[place.Run] {
				if !s.Event.At.Before(since) {
					if place.Endpoint == endpoint && s.Event.N <= c.N {
						f.Cursors[place] = fact.RunCursor{N: s.Event.N - 1}
						changed[place.Run] = true
					}
					break
				}
			}
		}
		for _, run := range f.runs {
			for _, s := range f.Stored[run] {
				if s.Event.Order() && !s.Event.At.Before(since) && f.orderLocked(endpoint, run, s.Event.N) < 0 {
					f.open[endpoint] = append(f.open[endpoint], fact.PendingOrder{Stored: s})
					changed[run] = true
				}
			}
		}
		runs = len(changed)
		return nil
	})
	return runs, err
}

// Keep is that of an outbox.Memory.
func (f *Feed) Keep(_ context.Context, endpoint, key, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return f.broken
	}
	f.kept[Place{endpoint, key}] = value
	return nil
}

// Kept is that of an outbox.Memory.
func (f *Feed) Kept(_ context.Context, endpoint, key string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept[Place{endpoint, key}], f.away
}
