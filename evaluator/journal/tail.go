package journal

import (
	"slices"
	"sync"

	"github.com/relgate/relgate/evaluator"
)

// tailLength is how many of the newest events are kept in memory at least.
const tailLength = 1024

// tail is the newest events, so that those who follow the journal need not ask
// the database for what was just written. It has no gaps.
type tail struct {
	mu     sync.Mutex
	events []evaluator.Stored
}

// add takes the events of a batch that is committed; end is the position of the
// last of them.
func (t *tail) add(seq uint64, end int64, rows []row) {
	n := 0
	for i := range rows {
		n += len(rows[i].events)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	pos := uint64(end) - uint64(n)
	for i := range rows {
		for k, raw := range rows[i].events {
			pos++
			t.events = append(t.events, evaluator.Stored{Pos: pos, Seq: seq, Event: rows[i].Events[k], Raw: raw})
		}
	}
	if len(t.events) > 2*tailLength {
		t.events = slices.Clone(t.events[len(t.events)-tailLength:])
	}
}

// after returns the events after a position, and whether it has all of them.
func (t *tail) after(pos uint64, limit int) ([]evaluator.Stored, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) == 0 || pos+1 < t.events[0].Pos {
		return nil, false
	}
	i := min(int(pos+1-t.events[0].Pos), len(t.events))
	rest := t.events[i:]
	if limit >= 0 && len(rest) > limit {
		rest = rest[:limit]
	}
	return slices.Clone(rest), true
}

func (t *tail) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = nil
}
