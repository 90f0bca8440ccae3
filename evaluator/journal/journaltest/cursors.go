package journaltest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
)

func (m *Memory) addEndpointLocked(name string) {
	if slices.Contains(m.endpoints, name) {
		return
	}
	m.endpoints = append(m.endpoints, name)
	slices.Sort(m.endpoints)
	for _, r := range m.runs {
		r.cursors[name] = &fact.RunCursor{Run: r.record.ID, N: r.record.N}
	}
}

func (m *memory) Know(_ context.Context, endpoints ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range endpoints {
		m.addEndpointLocked(name)
	}
	return nil
}

func (m *memory) Endpoints(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.endpoints), nil
}

func (m *memory) Pending(_ context.Context, endpoint string) (list []fact.RunCursor, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addEndpointLocked(endpoint)
	for _, r := range m.runs {
		if c := *r.cursors[endpoint]; c.N < r.record.N {
			c.End = r.record.N
			list = append(list, c)
		}
	}
	return list, nil
}

// cursorLocked is where an endpoint stands in a run; nil when either is not known.
func (m *Memory) cursorLocked(endpoint, run string) *fact.RunCursor {
	if r := m.runLocked(run); r != nil {
		return r.cursors[endpoint]
	}
	return nil
}

func (m *memory) Delivered(_ context.Context, endpoint, run string, n uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advanceLocked(endpoint, run, n)
	return nil
}

func (m *Memory) advanceLocked(endpoint, run string, n uint64) {
	if c := m.cursorLocked(endpoint, run); c != nil && c.N < n {
		*c = fact.RunCursor{Run: run, N: n}
	}
}

func (m *memory) Failed(_ context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.cursorLocked(endpoint, run); c != nil && c.N < n {
		c.Attempts, c.NextAt, c.LastError = attempts, next, lastError
	}
	return nil
}

func (m *memory) Rewind(_ context.Context, endpoint string, since time.Time) (runs int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.endpoints, endpoint) {
		return 0, journal.ErrNotFound
	}
	for _, r := range m.runs {
		c, changed := r.cursors[endpoint], false
		for _, s := range r.events {
			if s.Event.At.Unix() < since.Unix() {
				continue
			}
			if c.N >= s.Event.N {
				*c, changed = fact.RunCursor{Run: r.record.ID, N: s.Event.N - 1}, true
			}
			changed = r.enter(endpoint, s) || changed
		}
		if changed {
			runs++
		}
	}
	return runs, nil
}

func (m *memory) Forget(_ context.Context, endpoint string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endpoints = slices.DeleteFunc(m.endpoints, func(name string) bool { return name == endpoint })
	for _, r := range m.runs {
		delete(r.cursors, endpoint)
		delete(r.orders, endpoint)
	}
	delete(m.dead, endpoint)
	maps.DeleteFunc(m.kept, func(k keptKey, _ string) bool { return k.endpoint == endpoint })
	return nil
}

func (m *Memory) letterLocked(endpoint, run string, n uint64) int {
	return slices.IndexFunc(m.dead[endpoint], func(d *fact.DeadLetter) bool { return d.Run == run && d.Event.N == n })
}

func (m *memory) Bury(_ context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.runLocked(run); r != nil && r.cursors[endpoint] != nil && n > 0 && n <= uint64(len(r.events)) {
		m.buryLocked(endpoint, r, n, now, reason)
	}
	m.advanceLocked(endpoint, run, n)
	return nil
}

func (m *Memory) buryLocked(endpoint string, r *kept, n uint64, now time.Time, reason string) {
	d := &fact.DeadLetter{Endpoint: endpoint, At: now, Reason: reason, Stored: r.events[n-1]}
	if i := m.letterLocked(endpoint, r.record.ID, n); i >= 0 {
		m.dead[endpoint][i] = d
	} else {
		m.dead[endpoint] = append(m.dead[endpoint], d)
	}
	slices.SortFunc(m.dead[endpoint], m.byRun)
}

func (m *memory) DeadLetters(_ context.Context, endpoint string) ([]fact.DeadLetter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var letters []fact.DeadLetter
	for _, d := range m.dead[endpoint] {
		letters = append(letters, *d)
	}
	return letters, nil
}

func (m *memory) RetryDead(_ context.Context, endpoint, run string, n uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.letterLocked(endpoint, run, n)
	if i < 0 {
		return journal.ErrNotFound
	}
	m.dead[endpoint][i].Again = true
	return nil
}

func (m *memory) Resolved(_ context.Context, endpoint, run string, n uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.letterLocked(endpoint, run, n)
	if i < 0 {
		return journal.ErrNotFound
	}
	m.dead[endpoint] = slices.Delete(m.dead[endpoint], i, i+1)
	return nil
}
