package journaltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

// Run is the suite that every journal passes. store makes a new, empty place.
func Run(t *testing.T, store func(t *testing.T) Store) {
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"an empty journal has nothing", testEmpty},
		{"what is committed is there after a reopening", testReopen},
		{"a commit that does not follow the newest is fenced", testFenced},
		{"a writer of an earlier opening is fenced", testEpoch},
		{"a batch with an entry that cannot be kept is not kept at all", testAllOrNothing},
		{"a commit wakes those who watch", testWatch},
		{"recovery goes on from the newest state", testRecover},
		{"a changed plan is kept beside the former", testDigest},
		{"events of all plans have one order", testEvents},
		{"a new endpoint begins at the end", testNewEndpoint},
		{"a cursor goes forward only", testCursor},
		{"a rewound cursor goes back", testRewind},
		{"dead letters", testDead},
		{"pruning keeps what is needed", testPrune},
		{"pruning keeps what was not delivered", testPruneUndelivered},
		{"releases that stand as passed, newest first", testPassed},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, store: store(t)}
			b.open()
			c.test(b)
			if err := b.j.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// bench is what one test works with.
type bench struct {
	*testing.T
	store Store
	j     Journal
	seq   uint64
	n     map[string]uint64 // :: plan → ordinal of its newest event
}

func (b *bench) open(endpoints ...string) {
	b.Helper()
	j, err := b.store.Open(endpoints...)
	if err != nil {
		b.Fatalf("Open: %v", err)
	}
	b.j = j
}

func (b *bench) reopen(endpoints ...string) {
	b.Helper()
	if err := b.j.Close(); err != nil {
		b.Fatalf("Close: %v", err)
	}
	b.open(endpoints...)
}

// at is the time of a tick.
func at(second int) time.Time { return time.Unix(1_750_000_000+int64(second), 0).UTC() }

// entry is a tick with a number of events, and things in it that are hard to
// keep exactly.
func (b *bench) entry(plan string, second, events int) evaluator.Entry {
	if b.n == nil {
		b.n = make(map[string]uint64)
	}
	e := evaluator.Entry{Plan: plan, Digest: "digest of " + plan, Document: []byte(`{"name":"` + plan + `"}`), Tick: evaluator.Tick{
		At:       at(second),
		Readings: []rules.Reading{{Signal: 1, From: 1, To: 2, Points: []rules.Point{{At: 1, Value: 0.1 + 0.2, Samples: 1e300}}, Detail: "\x00 <&> \u2028 é", Fault: rules.Throttled}},
		Commands: []evaluator.Command{{ID: "c", Kind: evaluator.Hold, By: "a", Why: "b"}},
	}}
	for range events {
		b.n[plan]++
		e.Events = append(e.Events, evaluator.Event{
			ID: fmt.Sprintf("%s/%d", plan, b.n[plan]), N: b.n[plan], Plan: plan, At: at(second), Kind: evaluator.RuleEvent, From: "<a>", To: "b",
			Evidence: &evaluator.Evidence{Value: 1.0 / 3, From: at(0)},
		})
	}
	return e
}

func (b *bench) commit(entries ...evaluator.Entry) {
	b.Helper()
	seq, err := b.j.Commit(b.Context(), b.seq, entries)
	if err != nil {
		b.Fatalf("Commit after %d: %v", b.seq, err)
	}
	if seq <= b.seq {
		b.Fatalf("Commit after %d gave sequence %d", b.seq, seq)
	}
	b.seq = seq
}

// must is for calls whose error is a failure of the test.
func must[T any](b *bench) func(v T, err error) T {
	return func(v T, err error) T {
		b.Helper()
		if err != nil {
			b.Fatalf("unexpected error: %v", err)
		}
		return v
	}
}

func (b *bench) ok(what string, err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

func (b *bench) fails(what string, err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// positions are those of the events that Events gives.
func (b *bench) positions(after uint64) []uint64 {
	b.Helper()
	var list []uint64
	for _, s := range must[[]evaluator.Stored](b)(b.j.Events(b.Context(), after, 1000)) {
		list = append(list, s.Pos)
	}
	return list
}

func (b *bench) cursor(endpoint string) journal.Cursor {
	b.Helper()
	return must[journal.Cursor](b)(b.j.Cursor(b.Context(), endpoint))
}
