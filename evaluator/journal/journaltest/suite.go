package journaltest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
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
		{"a batch may hold ticks of several runs", testTwoRuns},
		{"a commit that does not follow the newest tick of its run is fenced", testFenced},
		{"a writer of an earlier opening is fenced", testEpoch},
		{"a journal that was opened again in place goes on", testReopenInPlace},
		{"a batch with an entry that cannot be kept is not kept at all", testAllOrNothing},
		{"a commit wakes those who watch", testWatch},
		{"recovery goes on from the newest state", testRecover},
		{"the ticks of a run are a hash chain of its own", testChain},
		{"a changed plan is kept beside the former", testDigest},
		{"events of a run have one order", testEvents},
		{"what was committed last can be followed over all runs", testNewer},
		{"runs are listed as their newest tick left them", testRuns},
		{"passed runs of a plan, the newest first", testPassed},
		{"a new endpoint begins at the end of every run", testNewEndpoint},
		{"a cursor of a run goes forward only", testCursor},
		{"an endpoint is set back in every run that has events since", testRewind},
		{"a forgotten endpoint is new when it comes again", testForget},
		{"an endpoint that is made known is told what comes from then on", testKnow},
		{"a forgotten endpoint gets no dead letter that would keep a run", testBuryForgotten},
		{"dead letters", testDead},
		{"an order is pending for every known endpoint until it is done with it", testOrders},
		{"each kind of order is one, and a batch that is not kept enters none", testOrderKinds},
		{"an endpoint has the orders that came while it was known", testOrdersKnow},
		{"an order that is given up becomes a dead letter, and leaves the cursor", testBuryOrder},
		{"an endpoint that is set back has the orders since then again", testRewindOrders},
		{"a run is kept while an order of it is pending", testPruneOrders},
		{"what is said about an order happened or did not, and can be said again", testOrderFaults},
		{"what is kept for an endpoint is there until its run or the endpoint is dropped", testKept},
		{"a value is kept, or an error says that it may not be", testKeptFaults},
		{"a run is dropped whole, with its plan", testPrune},
		{"a run that is needed is kept whole", testPruneKeeps},
		{"the passed runs that the next release needs are kept", testPruneKeepsPassed},
		{"a run is kept until its review is archived", testPruneReviews},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, store: store(t), seq: make(map[string]uint64), n: make(map[string]uint64)}
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
	seq   map[string]uint64 // :: run → its newest tick
	n     map[string]uint64 // :: run → ordinal of its newest event
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

// entry is the next tick of a run, "plan@version", with a number of events, and
// things in it that are hard to keep exactly.
func (b *bench) entry(run string, second, events int) fact.Entry {
	plan, version, _ := strings.Cut(run, "@")
	e := fact.Entry{
		Run: run, After: b.seq[run], Digest: "digest of " + run, Document: []byte(`{"name":"` + run + `"}`),
		Tick: fact.Tick{
			At:       at(second),
			Readings: []rules.Reading{{Signal: 1, From: 1, To: 2, Points: []rules.Point{{At: 1, Value: 0.1 + 0.2, Samples: 1e300}}, Detail: "\x00 <&> \u2028 é", Fault: rules.Throttled}},
			Commands: []fact.Command{{ID: "c", Kind: fact.Hold, By: "a", Why: "b"}},
		},
		Record: fact.RunRecord{
			ID: run, Plan: plan, Version: version, Try: 1, Start: at(-60), Begun: at(0), State: rules.Monitoring, Verdict: rules.Pending,
			Parameters: map[string]string{"lambda": "<43>"}, Previous: rules.Previous{Version: "0.9", Parameters: map[string]string{"lambda": "42"}},
		},
	}
	for i := range events {
		n := b.n[run] + uint64(i) + 1
		e.Events = append(e.Events, fact.Event{
			ID: fmt.Sprintf("%s/%d", run, n), N: n, Plan: plan, At: at(second), Kind: fact.RuleEvent, To: "<b>", Subject: "\u2028",
			Totals: []fact.Total{{Signal: "s", Bad: 1.0 / 3, Samples: 1e9}},
		})
	}
	return e
}

// decided is a tick that ends a run.
func (b *bench) decided(run string, second int, state rules.State, totals ...fact.Total) fact.Entry {
	e := b.entry(run, second, 1)
	e.Record.State, e.Record.Decided, e.Record.Over, e.Record.Totals = state, at(second), true, totals
	e.Record.Verdict = rules.Fail
	if state == rules.Passed {
		e.Record.Verdict = rules.Pass
	}
	return e
}

func (b *bench) commit(entries ...fact.Entry) {
	b.Helper()
	if err := b.j.Commit(b.Context(), entries); err != nil {
		b.Fatalf("Commit: %v", err)
	}
	for _, e := range entries {
		b.seq[e.Run]++
		b.n[e.Run] += uint64(len(e.Events))
	}
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

// lists compares lists that are written as text.
func (b *bench) lists(what string, got []string, want ...string) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// ids are those of the events that Events gives.
func (b *bench) ids(run string, after uint64) (list []string) {
	b.Helper()
	for _, s := range must[[]fact.Stored](b)(b.j.Events(b.Context(), run, after, -1)) {
		list = append(list, s.Event.ID)
	}
	return list
}

// pending is what an endpoint is not done with: "run after 2 of 5".
func (b *bench) pending(endpoint string) (list []string) {
	b.Helper()
	for _, c := range must[[]fact.RunCursor](b)(b.j.Pending(b.Context(), endpoint)) {
		list = append(list, fmt.Sprintf("%s after %d of %d", c.Run, c.N, c.End))
	}
	return list
}

// runs are the ids of the runs that a filter lets through.
func (b *bench) runs(f fact.RunFilter) (list []string) {
	b.Helper()
	for _, r := range must[[]fact.RunRecord](b)(b.j.Runs(b.Context(), f)) {
		list = append(list, r.ID)
	}
	return list
}
