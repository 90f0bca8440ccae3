package journal

import (
	"slices"
	"sync"

	"github.com/relgate/relgate/evaluator/fact"
)

// tailLength is how many of the newest events are kept in memory at least.
const tailLength = 2048

// tail is the newest events of all runs in the order in which they were committed
// by this process, so that those who follow the journal need not ask the database
// for what was just written.
type tail struct {
	mu     sync.Mutex
	base   uint64 // how many events came before events[0]
	events []fact.Stored
}

// add takes the events of a batch that is committed.
func (t *tail) add(rows []row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range rows {
		r := &rows[i]
		for k, raw := range r.events {
			t.events = append(t.events, fact.Stored{Run: r.Run, Seq: r.After + 1, Digest: r.Digest, Link: r.link, Event: r.Events[k], Raw: raw})
		}
	}
	if n := len(t.events) - tailLength; n > tailLength {
		t.base += uint64(n)
		t.events = slices.Clone(t.events[n:])
	}
}

// since returns what was added after a mark, at most limit of it, and the next
// mark. ok is false when the tail no longer has all of it.
func (t *tail) since(mark uint64, limit int) (events []fact.Stored, next uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := t.base + uint64(len(t.events))
	if mark < t.base || mark > end {
		return nil, end, false
	}
	rest := t.events[mark-t.base:]
	rest = rest[:min(limit, len(rest))]
	return slices.Clone(rest), mark + uint64(len(rest)), true
}

// of returns the events of a run after n, at most limit of them, and whether it
// has all of these.
func (t *tail) of(run string, after uint64, limit int) ([]fact.Stored, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []int // newest first
	for i := len(t.events) - 1; i >= 0; i-- {
		s := &t.events[i]
		if s.Run != run {
			continue
		}
		if s.Event.N <= after {
			break
		}
		found = append(found, i)
	}
	if len(found) == 0 {
		return nil, false // there may be some that are older than the tail
	}
	slices.Reverse(found)
	if t.events[found[0]].Event.N != after+1 {
		return nil, false
	}
	if limit >= 0 {
		found = found[:min(limit, len(found))]
	}
	list := make([]fact.Stored, len(found))
	for i, at := range found {
		list[i] = t.events[at]
	}
	return list, true
}

// lose forgets all events, and that it ever had them: every mark is too old.
func (t *tail) lose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.base += uint64(len(t.events)) + 1
	t.events = nil
}
