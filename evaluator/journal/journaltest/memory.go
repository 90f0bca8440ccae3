package journaltest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator/chain"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

// Memory is a Store in memory. It goes through the stored form of everything, as
// a file does. The zero value is empty and ready.
type Memory struct {
	mu        sync.Mutex
	epoch     int
	watch     chan struct{}
	documents map[string][]byte // :: digest → plan's JSON
	runs      []*kept           // as they began
	newest    []fact.Stored
	endpoints []string
	dead      map[string][]*fact.DeadLetter // :: endpoint → letters
	kept      map[keptKey]string
}

// keptKey is under which something is kept for an endpoint.
type keptKey struct{ endpoint, key string }

// kept is all of one run.
type kept struct {
	record  fact.RunRecord
	ticks   []fact.Kept
	events  []fact.Stored
	states  []fact.Recovery                 // ascending
	cursors map[string]*fact.RunCursor      // :: endpoint → cursor; End is not kept
	orders  map[string][]*fact.PendingOrder // :: endpoint → pending, ascending
}

// memory is one opening of a Memory.
type memory struct {
	*Memory
	epoch int
}

// Open opens the journal until the next opening.
func (m *Memory) Open(endpoints ...string) (Journal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.documents == nil {
		m.documents = make(map[string][]byte)
		m.dead = make(map[string][]*fact.DeadLetter)
		m.kept = make(map[keptKey]string)
		m.watch = make(chan struct{})
	}
	m.epoch++
	for _, e := range endpoints {
		m.addEndpointLocked(e)
	}
	return &memory{m, m.epoch}, nil
}

func (m *Memory) changedLocked() {
	close(m.watch)
	m.watch = make(chan struct{})
}

// runLocked is a run by its id, nil when there is none.
func (m *Memory) runLocked(id string) *kept {
	for _, r := range m.runs {
		if r.record.ID == id {
			return r
		}
	}
	return nil
}

func (m *memory) Close() error { return nil }

func (m *memory) Check() error { return nil }

func (m *memory) Reopen(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Memory.epoch++
	m.epoch = m.Memory.epoch
	m.changedLocked()
	return nil
}

func (m *memory) Watch() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.watch
}

func (m *memory) Commit(_ context.Context, b fact.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	had := map[string]bool{} // :: run → it is in the batch
	for i := range b {
		seq := uint64(0)
		if r := m.runLocked(b[i].Run); r != nil {
			seq = r.record.Seq
		}
		if b[i].After != seq || had[b[i].Run] || m.epoch != m.Memory.epoch {
			return fmt.Errorf("run %q: %w", b[i].Run, journal.ErrFenced)
		}
		if b[i].Record.ID != b[i].Run {
			return fmt.Errorf("run %q: its record is of run %q", b[i].Run, b[i].Record.ID)
		}
		had[b[i].Run] = true
	}
	entries, err := stored(b)
	if err != nil {
		return err
	}
	for i, k := range entries {
		m.keepLocked(&b[i], k)
	}
	m.changedLocked()
	return nil
}

func (m *Memory) keepLocked(e *fact.Entry, k fact.Kept) {
	if e.Document != nil && m.documents[e.Digest] == nil {
		m.documents[e.Digest] = slices.Clone(e.Document)
	}
	r := m.runLocked(e.Run)
	if r == nil {
		r = &kept{cursors: make(map[string]*fact.RunCursor), orders: make(map[string][]*fact.PendingOrder)}
		m.runs = append(m.runs, r)
		for _, name := range m.endpoints {
			r.cursors[name] = &fact.RunCursor{Run: e.Run}
		}
	}
	n := r.record.N
	if last := len(r.ticks); last > 0 {
		k.Link = r.ticks[last-1].Link
	}
	k.Link = chain.Link(k.Link, k.Run, k.Seq, k.Digest, k.Text, k.Raw)
	r.record = k.Record
	r.record.Seq, r.record.N, r.record.Digest, r.record.At = k.Seq, n, k.Digest, k.Tick.At
	k.Record = fact.RunRecord{}
	r.ticks = append(r.ticks, k)
	for i, event := range k.Events {
		s := fact.Stored{Run: e.Run, Seq: k.Seq, Digest: k.Digest, Link: k.Link, Event: event, Raw: k.Raw[i]}
		r.events, m.newest = append(r.events, s), append(m.newest, s)
		r.record.N = event.N
		for _, name := range m.endpoints {
			r.enter(name, s)
		}
	}
	if e.Snapshot != nil {
		r.save(k, e.Snapshot)
	}
}

// stored sends a batch through its stored form.
func stored(b fact.Batch) ([]fact.Kept, error) {
	list := make([]fact.Kept, len(b))
	for i, e := range b {
		k := fact.Kept{Seq: e.After + 1, Entry: fact.Entry{Run: e.Run, After: e.After, Digest: e.Digest}}
		var err error
		if k.Text, err = json.Marshal(e.Tick); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(k.Text, &k.Tick); err != nil {
			return nil, err
		}
		if err := through(e.Record, &k.Record); err != nil {
			return nil, err
		}
		for _, event := range e.Events {
			raw, err := json.Marshal(&event)
			var back fact.Event
			if err == nil {
				err = json.Unmarshal(raw, &back)
			}
			if err != nil {
				return nil, err
			}
			k.Events, k.Raw = append(k.Events, back), append(k.Raw, raw)
		}
		list[i] = k
	}
	return list, nil
}

// through sends a value through JSON.
func through(from, into any) error {
	raw, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func (r *kept) save(k fact.Kept, state []byte) {
	r.states = append(r.states, fact.Recovery{Seq: k.Seq, At: k.Tick.At, Digest: k.Digest, Snapshot: slices.Clone(state)})
}

func (m *memory) Save(_ context.Context, run string, seq uint64, state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.runLocked(run)
	if r == nil || seq == 0 || seq > uint64(len(r.ticks)) {
		return nil
	}
	if n := len(r.states); n == 0 || r.states[n-1].Seq < seq {
		r.save(r.ticks[seq-1], state)
	}
	return nil
}

func (m *memory) Runs(_ context.Context, f fact.RunFilter) (list []fact.RunRecord, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Backward(m.runs) {
		c := &r.record
		if (f.ID == "" || c.ID == f.ID) && (f.Plan == "" || c.Plan == f.Plan) && (f.Version == "" || c.Version == f.Version) &&
			(len(f.States) == 0 || slices.Contains(f.States, c.State)) && (!f.Undecided || c.Decided.IsZero()) && (!f.Open || !c.Over) {
			list = append(list, *c)
		}
	}
	slices.SortStableFunc(list, func(a, b fact.RunRecord) int { return b.Begun.Compare(a.Begun) })
	if f.Limit > 0 {
		list = list[:min(f.Limit, len(list))]
	}
	return list, nil
}

func (m *memory) Run(_ context.Context, id string) (fact.RunRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.runLocked(id); r != nil {
		return r.record, nil
	}
	return fact.RunRecord{}, journal.ErrNotFound
}

// passedLocked is the runs of a plan that passed, the newest first.
func (m *Memory) passedLocked(plan string) (list []*kept) {
	for _, r := range slices.Backward(m.runs) {
		if r.record.Plan == plan && r.record.State == rules.Passed {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b *kept) int { return b.record.Decided.Compare(a.record.Decided) })
	return list
}

func (m *memory) Passed(_ context.Context, plan, exceptRun string, limit int) ([]fact.Past, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	past := []fact.Past{}
	for _, r := range m.passedLocked(plan) {
		if r.record.ID != exceptRun && r.record.Totals != nil && len(past) < limit {
			past = append(past, fact.Past{Run: r.record.ID, At: r.record.Decided, Totals: r.record.Totals})
		}
	}
	return past, nil
}

func (m *memory) Document(_ context.Context, digest string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if doc := m.documents[digest]; doc != nil {
		return doc, nil
	}
	return nil, journal.ErrNotFound
}

func (m *memory) Recover(ctx context.Context, run string) (rec fact.Recovery, err error) {
	m.mu.Lock()
	if r := m.runLocked(run); r != nil && len(r.states) > 0 {
		rec = r.states[len(r.states)-1]
	}
	m.mu.Unlock()
	rec.Later, err = m.Entries(ctx, run, rec.Seq, -1)
	if rec.Snapshot == nil && len(rec.Later) > 0 {
		rec.Digest = rec.Later[0].Digest
	}
	return rec, err
}

func (m *memory) Origin(_ context.Context, run string) (fact.Recovery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.runLocked(run); r != nil {
		return fact.Recovery{Digest: r.ticks[0].Digest}, nil
	}
	return fact.Recovery{}, nil
}

func (m *memory) Entries(_ context.Context, run string, after uint64, limit int) (list []fact.Kept, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.runLocked(run)
	if r == nil {
		return nil, nil
	}
	for _, k := range r.ticks {
		if k.Seq > after && len(list) != limit {
			list = append(list, k)
		}
	}
	return list, nil
}

func (m *memory) Prune(_ context.Context, olderThan time.Time, keepPassed int) (p journal.Pruned, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Clone(m.runs) {
		if !m.droppableLocked(r, olderThan, max(keepPassed, 1)) {
			continue
		}
		m.runs = slices.DeleteFunc(m.runs, func(o *kept) bool { return o == r })
		maps.DeleteFunc(m.kept, func(k keptKey, _ string) bool {
			prefix := r.record.ID + "/"
			if len(r.events) > 0 && strings.HasPrefix(k.key, strings.TrimSuffix(r.events[0].Event.ID, fmt.Sprint(r.events[0].Event.N))) {
				return true
			}
			return strings.HasPrefix(k.key, prefix)
		})
		p.Runs++
		p.Ticks += int64(len(r.ticks))
		p.Events += int64(len(r.events))
		p.Snapshots += int64(len(r.states))
	}
	for digest := range m.documents {
		used := slices.ContainsFunc(m.runs, func(r *kept) bool {
			return slices.ContainsFunc(r.ticks, func(k fact.Kept) bool { return k.Digest == digest })
		})
		if !used {
			delete(m.documents, digest)
			p.Plans++
		}
	}
	return p, nil
}

func (m *Memory) droppableLocked(r *kept, olderThan time.Time, keepPassed int) bool {
	c := &r.record
	if !c.Over || c.Decided.IsZero() || !c.Decided.Before(olderThan) {
		return false
	}
	for _, cursor := range r.cursors {
		if cursor.N < c.N {
			return false
		}
	}
	for _, pending := range r.orders {
		if len(pending) > 0 {
			return false
		}
	}
	for _, letters := range m.dead {
		if slices.ContainsFunc(letters, func(d *fact.DeadLetter) bool { return d.Run == c.ID }) {
			return false
		}
	}
	if c.State != rules.Superseded && m.archiveLocked(c.Digest) != "" && !archived(r) {
		return false
	}
	compared := m.passedLocked(c.Plan)
	begun := slices.Clone(compared)
	slices.SortFunc(begun, func(a, b *kept) int {
		return cmp.Or(b.record.Begun.Compare(a.record.Begun), cmp.Compare(slices.Index(m.runs, b), slices.Index(m.runs, a)))
	})
	compared = slices.DeleteFunc(compared, func(r *kept) bool { return r.record.Totals == nil })
	return !slices.Contains(begun[:min(keepPassed, len(begun))], r) && !slices.Contains(compared[:min(keepPassed, len(compared))], r)
}

// archiveLocked is the archive that a plan names for its reviews, empty for none.
func (m *Memory) archiveLocked(digest string) string {
	var plan struct{ Review rules.Review }
	_ = json.Unmarshal(m.documents[digest], &plan) // a document is JSON
	return plan.Review.Archive
}

// archived reports whether the newest review of a run is archived.
func archived(r *kept) bool {
	for _, s := range slices.Backward(r.events) {
		if e := &s.Event; e.Kind == fact.ReviewEvent && (e.To == fact.Open || e.To == fact.Archived) {
			return e.To == fact.Archived
		}
	}
	return false
}

func (m *memory) Events(_ context.Context, run string, after uint64, limit int) (list []fact.Stored, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.runLocked(run); r != nil {
		for _, s := range r.events {
			if s.Event.N > after && len(list) != limit {
				list = append(list, s)
			}
		}
	}
	return list, nil
}

func (m *memory) Event(ctx context.Context, run string, n uint64) (fact.Stored, error) {
	list, err := m.Events(ctx, run, n-1, 1)
	if err == nil && (n == 0 || len(list) == 0) {
		err = journal.ErrNotFound
	}
	return append(list, fact.Stored{})[0], err
}

func (m *memory) Newer(mark uint64, limit int) (events []fact.Stored, next uint64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := uint64(len(m.newest))
	if mark > end {
		return nil, end, false
	}
	rest := m.newest[mark:]
	rest = rest[:min(limit, len(rest))]
	return slices.Clone(rest), mark + uint64(len(rest)), true
}

// byRun orders letters as the journal lists them.
func (m *Memory) byRun(a, b *fact.DeadLetter) int {
	at := func(d *fact.DeadLetter) int {
		return slices.IndexFunc(m.runs, func(r *kept) bool { return r.record.ID == d.Run })
	}
	return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a.Event.N, b.Event.N))
}

func (m *memory) Keep(_ context.Context, endpoint, key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.epoch != m.Memory.epoch:
		return journal.ErrFenced
	case !slices.Contains(m.endpoints, endpoint):
		return journal.ErrNotFound
	}
	m.kept[keptKey{endpoint, key}] = value
	return nil
}

func (m *memory) Kept(_ context.Context, endpoint, key string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[keptKey{endpoint, key}], nil
}
