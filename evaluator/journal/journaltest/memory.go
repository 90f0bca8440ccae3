package journaltest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
)

// Memory is a Store in memory. It goes through the stored form of everything, as
// a file does. The zero value is empty and ready.
type Memory struct {
	mu        sync.Mutex
	seq       uint64
	epoch     int
	watch     chan struct{}
	documents map[string][]byte                // :: digest → plan's JSON
	ticks     map[string][]evaluator.Kept      // :: plan → entries, Tick and Events only as Raw
	states    map[string][]evaluator.Recovery  // :: plan → states, ascending
	events    []evaluator.Stored               // by position
	cursors   map[string]*journal.Cursor       // :: endpoint → cursor
	dead      map[string][]*journal.DeadLetter // :: endpoint → letters by position
	pos       uint64
}

// memory is one opening of a Memory.
type memory struct {
	*Memory
	epoch int
}

// Open opens the journal for as long as nobody opens it again.
func (m *Memory) Open(endpoints ...string) (Journal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.documents == nil {
		m.documents = make(map[string][]byte)
		m.ticks = make(map[string][]evaluator.Kept)
		m.states = make(map[string][]evaluator.Recovery)
		m.cursors = make(map[string]*journal.Cursor)
		m.dead = make(map[string][]*journal.DeadLetter)
		m.watch = make(chan struct{})
	}
	m.epoch++
	for _, e := range endpoints {
		m.cursorLocked(e)
	}
	return &memory{m, m.epoch}, nil
}

func (m *Memory) changedLocked() {
	close(m.watch)
	m.watch = make(chan struct{})
}

func (m *memory) Close() error { return nil }

func (m *memory) Watch() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.watch
}

func (m *memory) Commit(_ context.Context, after uint64, b evaluator.Batch) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if after != m.seq || m.epoch != m.Memory.epoch {
		return 0, journal.ErrFenced
	}
	kept, err := stored(b)
	if err != nil {
		return 0, err
	}
	m.seq++
	for i, k := range kept {
		k.Seq = m.seq
		if b[i].Document != nil {
			m.documents[k.Digest] = slices.Clone(b[i].Document)
		}
		m.ticks[k.Plan] = append(m.ticks[k.Plan], k)
		for n, e := range k.Events {
			m.pos++
			m.events = append(m.events, evaluator.Stored{Pos: m.pos, Seq: m.seq, Event: e, Raw: k.Raw[n]})
		}
		if b[i].Snapshot != nil {
			m.saveLocked(k, b[i].Snapshot)
		}
	}
	m.changedLocked()
	return m.seq, nil
}

// stored sends a batch through its stored form.
func stored(b evaluator.Batch) ([]evaluator.Kept, error) {
	kept := make([]evaluator.Kept, len(b))
	for i, e := range b {
		k := evaluator.Kept{Entry: evaluator.Entry{Plan: e.Plan, Digest: e.Digest}}
		raw, err := json.Marshal(e.Tick)
		if err == nil {
			err = json.Unmarshal(raw, &k.Tick)
		}
		if err != nil {
			return nil, err
		}
		for _, event := range e.Events {
			raw, err := json.Marshal(&event)
			var back evaluator.Event
			if err == nil {
				err = json.Unmarshal(raw, &back)
			}
			if err != nil {
				return nil, err
			}
			k.Events, k.Raw = append(k.Events, back), append(k.Raw, raw)
		}
		kept[i] = k
	}
	return kept, nil
}

func (m *Memory) saveLocked(k evaluator.Kept, state []byte) {
	m.states[k.Plan] = append(m.states[k.Plan], evaluator.Recovery{
		Seq: k.Seq, At: k.Tick.At, Digest: k.Digest, Snapshot: slices.Clone(state),
	})
}

func (m *memory) Save(_ context.Context, plan string, seq uint64, state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.states[plan]; len(s) > 0 && s[len(s)-1].Seq >= seq {
		return nil
	}
	for _, k := range m.ticks[plan] {
		if k.Seq == seq {
			m.saveLocked(k, state)
		}
	}
	return nil
}

func (m *memory) Seq(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seq, nil
}

func (m *memory) Plans(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.ticks)), nil
}

func (m *memory) Document(_ context.Context, digest string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if doc := m.documents[digest]; doc != nil {
		return doc, nil
	}
	return nil, journal.ErrNotFound
}

func (m *memory) Recover(ctx context.Context, plan string) (evaluator.Recovery, error) {
	m.mu.Lock()
	var r evaluator.Recovery
	if s := m.states[plan]; len(s) > 0 {
		r = s[len(s)-1]
	}
	m.mu.Unlock()
	var err error
	r.Later, err = m.Entries(ctx, plan, r.Seq, -1)
	if r.Snapshot == nil && len(r.Later) > 0 {
		r.Digest = r.Later[0].Digest
	}
	return r, err
}

func (m *memory) Origin(_ context.Context, plan string) (evaluator.Recovery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ticks := m.ticks[plan]
	for _, s := range slices.Backward(m.states[plan]) {
		if len(ticks) == 0 || ticks[0].Seq > s.Seq {
			return s, nil
		}
	}
	if len(ticks) == 0 {
		return evaluator.Recovery{}, nil
	}
	return evaluator.Recovery{Digest: ticks[0].Digest}, nil
}

func (m *memory) Entries(_ context.Context, plan string, after uint64, limit int) ([]evaluator.Kept, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var kept []evaluator.Kept
	for _, k := range m.ticks[plan] {
		if k.Seq > after && len(kept) != limit {
			kept = append(kept, k)
		}
	}
	return kept, nil
}

func (m *memory) Prune(_ context.Context, olderThan time.Time) (journal.Pruned, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var p journal.Pruned
	for plan, states := range m.states {
		i := len(states) - 1
		for i >= 0 && !states[i].At.Before(olderThan) {
			i--
		}
		if i < 0 {
			continue
		}
		origin := states[i].Seq
		p.Events += m.pruneEventsLocked(plan, origin)
		p.Ticks += cut(m.ticks, plan, func(k evaluator.Kept) bool { return k.Seq <= origin })
		p.Snapshots += cut(m.states, plan, func(r evaluator.Recovery) bool { return r.Seq < origin })
	}
	for digest := range m.documents {
		if !m.usedLocked(digest) {
			delete(m.documents, digest)
			p.Plans++
		}
	}
	return p, nil
}

func (m *Memory) usedLocked(digest string) bool {
	for _, ticks := range m.ticks {
		if slices.ContainsFunc(ticks, func(k evaluator.Kept) bool { return k.Digest == digest }) {
			return true
		}
	}
	for _, states := range m.states {
		if slices.ContainsFunc(states, func(r evaluator.Recovery) bool { return r.Digest == digest }) {
			return true
		}
	}
	return false
}

func (m *memory) Passed(_ context.Context, except string, limit int) ([]evaluator.Past, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	past := []evaluator.Past{}
	for _, s := range slices.Backward(m.events) {
		if len(past) < limit && s.Event.Plan != except && m.standsPassedLocked(s) {
			past = append(past, evaluator.Past{Plan: s.Event.Plan, At: s.Event.At, Totals: s.Event.Totals})
		}
	}
	return past, nil
}

// standsPassedLocked reports whether an event has totals and is the newest of its
// plan's run.
func (m *Memory) standsPassedLocked(s evaluator.Stored) bool {
	return s.Event.Totals != nil && !slices.ContainsFunc(m.events, func(l evaluator.Stored) bool {
		return l.Event.Plan == s.Event.Plan && l.Event.Kind == evaluator.RunEvent && l.Event.N > s.Event.N
	})
}

func (m *Memory) pruneEventsLocked(plan string, origin uint64) int64 {
	n := len(m.events)
	passed := make(map[uint64]bool) // :: position → it is how a run stands that has passed
	for _, s := range m.events {
		passed[s.Pos] = m.standsPassedLocked(s)
	}
	m.events = slices.DeleteFunc(m.events, func(s evaluator.Stored) bool {
		if s.Event.Plan != plan || s.Seq > origin || passed[s.Pos] {
			return false
		}
		for _, c := range m.cursors {
			if s.Pos > c.Pos {
				return false
			}
		}
		for _, letters := range m.dead {
			if slices.ContainsFunc(letters, func(d *journal.DeadLetter) bool { return d.Pos == s.Pos }) {
				return false
			}
		}
		return true
	})
	return int64(n - len(m.events))
}

// cut deletes from one plan's list and counts.
func cut[T any](lists map[string][]T, plan string, gone func(T) bool) int64 {
	n := len(lists[plan])
	lists[plan] = slices.DeleteFunc(slices.Clone(lists[plan]), gone)
	return int64(n - len(lists[plan]))
}
