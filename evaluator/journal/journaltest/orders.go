package journaltest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// enter makes an event pending for an endpoint if it is an order, and reports
// whether it was not.
func (r *kept) enter(endpoint string, s fact.Stored) bool {
	if !s.Event.Order() || r.orderIndex(endpoint, s.Event.N) >= 0 {
		return false
	}
	r.orders[endpoint] = append(r.orders[endpoint], &fact.PendingOrder{Stored: s})
	slices.SortFunc(r.orders[endpoint], func(a, b *fact.PendingOrder) int { return cmp.Compare(a.Event.N, b.Event.N) })
	return true
}

// orderIndex is where an order stands among those pending; -1 when it is not.
func (r *kept) orderIndex(endpoint string, n uint64) int {
	return slices.IndexFunc(r.orders[endpoint], func(o *fact.PendingOrder) bool { return o.Event.N == n })
}

func (m *memory) Orders(_ context.Context, endpoint string) (list []fact.PendingOrder, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.runs {
		for _, o := range r.orders[endpoint] {
			list = append(list, *o)
		}
	}
	return list, nil
}

// takeLocked removes an order from those pending, and reports whether it was one.
func (m *Memory) takeLocked(endpoint, run string, n uint64) bool {
	if r := m.runLocked(run); r != nil {
		if i := r.orderIndex(endpoint, n); i >= 0 {
			r.orders[endpoint] = slices.Delete(r.orders[endpoint], i, i+1)
			return true
		}
	}
	return false
}

func (m *memory) OrderDone(_ context.Context, endpoint, run string, n uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takeLocked(endpoint, run, n)
	return nil
}

func (m *memory) OrderFailed(_ context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.runLocked(run); r != nil {
		if i := r.orderIndex(endpoint, n); i >= 0 {
			o := r.orders[endpoint][i]
			o.Attempts, o.NextAt, o.LastError = attempts, next, lastError
		}
	}
	return nil
}

func (m *memory) BuryOrder(_ context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.takeLocked(endpoint, run, n) || m.letterLocked(endpoint, run, n) >= 0 {
		m.buryLocked(endpoint, m.runLocked(run), n, now, reason)
	}
	return nil
}
