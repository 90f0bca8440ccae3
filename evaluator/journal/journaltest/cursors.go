package journaltest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
)

func (m *memory) Events(_ context.Context, after uint64, limit int) ([]evaluator.Stored, error) {
	return m.list(limit, func(s evaluator.Stored) bool { return s.Pos > after }), nil
}

func (m *memory) PlanEvents(_ context.Context, plan string, after uint64, limit int) ([]evaluator.Stored, error) {
	return m.list(limit, func(s evaluator.Stored) bool { return s.Pos > after && s.Event.Plan == plan }), nil
}

func (m *memory) list(limit int, want func(evaluator.Stored) bool) (list []evaluator.Stored) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.events {
		if len(list) != limit && want(s) {
			list = append(list, s)
		}
	}
	return list
}

func (m *memory) End(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pos, nil
}

func (m *memory) Before(_ context.Context, t time.Time) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.events {
		if s.Event.At.Unix() >= t.Unix() {
			return s.Pos - 1, nil
		}
	}
	return m.pos, nil
}

func (m *Memory) cursorLocked(endpoint string) *journal.Cursor {
	if m.cursors[endpoint] == nil {
		m.cursors[endpoint] = &journal.Cursor{Pos: m.pos}
	}
	return m.cursors[endpoint]
}

func (m *memory) Cursor(_ context.Context, endpoint string) (journal.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.cursorLocked(endpoint), nil
}

func (m *memory) Delivered(_ context.Context, endpoint string, pos uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advanceLocked(endpoint, pos)
	return nil
}

func (m *Memory) advanceLocked(endpoint string, pos uint64) {
	if c := m.cursors[endpoint]; c != nil && c.Pos < pos {
		*c = journal.Cursor{Pos: pos}
	}
}

func (m *memory) Failed(_ context.Context, endpoint string, pos uint64, attempts int, next time.Time, lastError string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.cursors[endpoint]; c != nil && c.Pos < pos {
		c.Attempts, c.NextAt, c.LastError = attempts, next, lastError
	}
	return nil
}

func (m *memory) Rewind(_ context.Context, endpoint string, pos uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cursors[endpoint]
	if c == nil {
		return journal.ErrNotFound
	}
	*c = journal.Cursor{Pos: min(pos, m.pos)}
	m.changedLocked()
	return nil
}

func (m *memory) Forget(_ context.Context, endpoint string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.cursors, endpoint)
	delete(m.dead, endpoint)
	return nil
}

func (m *memory) Deliveries(context.Context) ([]journal.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []journal.Delivery
	for _, name := range slices.Sorted(maps.Keys(m.cursors)) {
		c := m.cursors[name]
		d := journal.Delivery{Endpoint: name, Cursor: *c, Lag: m.pos - c.Pos, Dead: len(m.dead[name])}
		for _, s := range m.events {
			if s.Pos > c.Pos {
				d.Oldest = s.Event.At
				break
			}
		}
		all = append(all, d)
	}
	return all, nil
}

func (m *memory) letterLocked(endpoint string, pos uint64) int {
	return slices.IndexFunc(m.dead[endpoint], func(d *journal.DeadLetter) bool { return d.Pos == pos })
}

func (m *memory) Bury(_ context.Context, endpoint string, pos uint64, now time.Time, reason string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.events {
		if s.Pos != pos {
			continue
		}
		d := &journal.DeadLetter{Endpoint: endpoint, At: now, Reason: reason, Stored: s}
		if i := m.letterLocked(endpoint, pos); i >= 0 {
			m.dead[endpoint][i] = d
		} else {
			m.dead[endpoint] = append(m.dead[endpoint], d)
		}
	}
	slices.SortFunc(m.dead[endpoint], func(a, b *journal.DeadLetter) int { return int(a.Pos) - int(b.Pos) })
	m.advanceLocked(endpoint, pos)
	return nil
}

func (m *memory) DeadLetters(_ context.Context, endpoint string) ([]journal.DeadLetter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var letters []journal.DeadLetter
	for _, d := range m.dead[endpoint] {
		letters = append(letters, *d)
	}
	return letters, nil
}

func (m *memory) RetryDead(_ context.Context, endpoint string, pos uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.letterLocked(endpoint, pos)
	if i < 0 {
		return journal.ErrNotFound
	}
	m.dead[endpoint][i].Again = true
	m.changedLocked()
	return nil
}

func (m *memory) Resolved(_ context.Context, endpoint string, pos uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.letterLocked(endpoint, pos)
	if i < 0 {
		return journal.ErrNotFound
	}
	m.dead[endpoint] = slices.Delete(m.dead[endpoint], i, i+1)
	return nil
}
