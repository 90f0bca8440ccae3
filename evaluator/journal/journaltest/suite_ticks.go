package journaltest

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

func testEmpty(b *bench) {
	ctx := b.Context()
	if got := must[uint64](b)(b.j.Seq(ctx)); got != 0 {
		b.Errorf("Seq: got %d, want 0", got)
	}
	if got := must[evaluator.Recovery](b)(b.j.Recover(ctx, "p")); !reflect.DeepEqual(got, evaluator.Recovery{}) {
		b.Errorf("Recover: got %+v, want nothing", got)
	}
	if got := must[evaluator.Recovery](b)(b.j.Origin(ctx, "p")); !reflect.DeepEqual(got, evaluator.Recovery{}) {
		b.Errorf("Origin: got %+v, want nothing", got)
	}
	if got := b.positions(0); got != nil {
		b.Errorf("Events: got %v, want none", got)
	}
	_, err := b.j.Document(ctx, "d")
	b.fails("Document", err, journal.ErrNotFound)
	_, err = b.j.Prune(ctx, at(0))
	b.ok("Prune", err)
}

func testReopen(b *bench) {
	p, q := b.entry("p", 0, 2), b.entry("q", 0, 0)
	b.commit(p, q)
	b.reopen()
	for _, want := range []evaluator.Entry{p, q} {
		kept := must[[]evaluator.Kept](b)(b.j.Entries(b.Context(), want.Plan, 0, -1))
		if len(kept) != 1 {
			b.Fatalf("plan %q: got %d entries, want 1", want.Plan, len(kept))
		}
		b.same(kept[0], want)
		doc := must[[]byte](b)(b.j.Document(b.Context(), want.Digest))
		if string(doc) != string(want.Document) {
			b.Errorf("Document: got %s, want %s", doc, want.Document)
		}
	}
	if got := must[[]string](b)(b.j.Plans(b.Context())); !slices.Equal(got, []string{"p", "q"}) {
		b.Errorf("Plans: got %q, want p and q", got)
	}
	if got := must[uint64](b)(b.j.Seq(b.Context())); got != b.seq {
		b.Errorf("Seq: got %d, want %d", got, b.seq)
	}
}

// same compares what came back with what went in.
func (b *bench) same(got evaluator.Kept, want evaluator.Entry) {
	b.Helper()
	if !reflect.DeepEqual(got.Tick, want.Tick) {
		b.Errorf("tick:\ngot  %+v\nwant %+v", got.Tick, want.Tick)
	}
	if got.Digest != want.Digest || len(got.Raw) != len(want.Events) {
		b.Fatalf("got digest %q with %d events, want %q with %d", got.Digest, len(got.Raw), want.Digest, len(want.Events))
	}
	for i, e := range want.Events {
		raw, err := json.Marshal(e)
		b.ok("Marshal", err)
		if string(got.Raw[i]) != string(raw) {
			b.Errorf("event %d:\ngot  %s\nwant %s", i, got.Raw[i], raw)
		}
		if !reflect.DeepEqual(got.Events[i], e) {
			b.Errorf("event %d:\ngot  %+v\nwant %+v", i, got.Events[i], e)
		}
	}
}

func testFenced(b *bench) {
	b.commit(b.entry("p", 0, 1))
	for _, after := range []uint64{0, b.seq + 1, math.MaxInt64} {
		_, err := b.j.Commit(b.Context(), after, evaluator.Batch{b.entry("q", 1, 1)})
		b.fails("Commit out of turn", err, journal.ErrFenced)
	}
	if got := b.positions(0); !slices.Equal(got, []uint64{1}) {
		b.Errorf("events at %v, want only 1: a fenced batch left something", got)
	}
	b.commit(b.entry("p", 1, 0))
}

func testEpoch(b *bench) {
	b.commit(b.entry("p", 0, 0))
	old := b.j
	b.reopen()
	if _, err := old.Commit(b.Context(), b.seq, evaluator.Batch{b.entry("p", 1, 1)}); err == nil {
		b.Error("a journal that was opened anew took a commit from its former writer")
	}
	b.commit(b.entry("p", 1, 0))
}

func testAllOrNothing(b *bench) {
	bad := b.entry("q", 0, 1)
	bad.Tick.Readings = []rules.Reading{{Points: []rules.Point{{Value: math.NaN()}}}}
	if _, err := b.j.Commit(b.Context(), 0, evaluator.Batch{b.entry("p", 0, 1), bad}); err == nil {
		b.Error("a tick with NaN was committed")
	}
	if got := b.positions(0); got != nil {
		b.Errorf("events at %v, want none", got)
	}
	if got := must[evaluator.Recovery](b)(b.j.Recover(b.Context(), "p")); len(got.Later) != 0 {
		b.Errorf("plan p has %d ticks, want none", len(got.Later))
	}
	if got := must[uint64](b)(b.j.Seq(b.Context())); got != 0 {
		b.Errorf("Seq: got %d, want 0", got)
	}
}

func testWatch(b *bench) {
	watch := b.j.Watch()
	select {
	case <-watch:
		b.Fatal("woken before the commit")
	default:
	}
	b.commit(b.entry("p", 0, 1))
	select {
	case <-watch:
	default:
		b.Error("not woken by the commit")
	}
}

func testRecover(b *bench) {
	for i := range 5 {
		e := b.entry("p", i, i%2)
		if i == 2 {
			e.Snapshot = []byte{0, 1, 255}
		}
		b.commit(e, b.entry("q", i, 1))
	}
	b.reopen()
	r := must[evaluator.Recovery](b)(b.j.Recover(b.Context(), "p"))
	if r.Seq != 3 || !r.At.Equal(at(2)) || string(r.Snapshot) != "\x00\x01\xff" || r.Digest != "digest of p" || len(r.Later) != 2 {
		b.Fatalf("got %+v, want the state of sequence 3 and two ticks", r)
	}
	if r.Later[0].Seq != 4 || len(r.Later[0].Events) != 1 || r.Later[1].Seq != 5 || len(r.Later[1].Events) != 0 {
		b.Errorf("later ticks: got %+v", r.Later)
	}
	o := must[evaluator.Recovery](b)(b.j.Origin(b.Context(), "p"))
	if o.Seq != 0 || o.Snapshot != nil || o.Digest != "digest of p" {
		b.Errorf("Origin: got %+v, want the beginning", o)
	}
	b.ok("Save", b.j.Save(b.Context(), "p", 5, []byte("s")))
	b.ok("Save of nothing", b.j.Save(b.Context(), "p", 99, []byte("t")))
	r = must[evaluator.Recovery](b)(b.j.Recover(b.Context(), "p"))
	if r.Seq != 5 || string(r.Snapshot) != "s" || len(r.Later) != 0 {
		b.Errorf("after Save: got %+v, want the state of sequence 5 alone", r)
	}
}

func testDigest(b *bench) {
	b.commit(b.entry("p", 0, 0))
	changed := b.entry("p", 1, 0)
	changed.Digest, changed.Document = "another", []byte(`{"name":"p","title":"x"}`)
	b.commit(changed)
	again := b.entry("p", 2, 0)
	again.Document = nil
	b.commit(again)
	r := must[evaluator.Recovery](b)(b.j.Recover(b.Context(), "p"))
	var got []string
	for _, k := range r.Later {
		got = append(got, k.Digest)
	}
	if want := []string{"digest of p", "another", "digest of p"}; !slices.Equal(got, want) || r.Digest != want[0] {
		b.Errorf("digests: got %q from %q, want %q", got, r.Digest, want)
	}
	if doc := must[[]byte](b)(b.j.Document(b.Context(), "another")); string(doc) != string(changed.Document) {
		b.Errorf("Document: got %s, want %s", doc, changed.Document)
	}
}

func testEvents(b *bench) {
	b.commit(b.entry("p", 0, 2), b.entry("q", 0, 1))
	b.commit(b.entry("q", 10, 2))
	var ids []string
	for _, s := range must[[]evaluator.Stored](b)(b.j.Events(b.Context(), 1, 3)) {
		ids = append(ids, s.Event.ID)
		if string(s.Raw) == "" || s.Seq == 0 {
			b.Errorf("event %s: raw %q, sequence %d", s.Event.ID, s.Raw, s.Seq)
		}
	}
	if want := []string{"p/2", "q/1", "q/2"}; !slices.Equal(ids, want) {
		b.Errorf("got %q, want %q", ids, want)
	}
	if got := must[[]evaluator.Stored](b)(b.j.PlanEvents(b.Context(), "q", 3, 10)); len(got) != 2 || got[0].Pos != 4 {
		b.Errorf("PlanEvents: got %+v, want positions 4 and 5", got)
	}
	for second, want := range map[int]uint64{-1: 0, 0: 0, 1: 3, 10: 3, 11: 5} {
		if got := must[uint64](b)(b.j.Before(b.Context(), at(second))); got != want {
			b.Errorf("Before(%d s): got %d, want %d", second, got, want)
		}
	}
	if got := must[uint64](b)(b.j.End(b.Context())); got != 5 {
		b.Errorf("End: got %d, want 5", got)
	}
}
