package journaltest

import (
	"encoding/json"
	"math"
	"reflect"

	"github.com/relgate/relgate/evaluator/chain"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

func testEmpty(b *bench) {
	ctx := b.Context()
	b.lists("Runs", b.runs(fact.RunFilter{}))
	b.lists("Events", b.ids("p", 0))
	for what, read := range map[string]func() (fact.Recovery, error){
		"Recover": func() (fact.Recovery, error) { return b.j.Recover(ctx, "p") },
		"Origin":  func() (fact.Recovery, error) { return b.j.Origin(ctx, "p") },
	} {
		if got := must[fact.Recovery](b)(read()); !reflect.DeepEqual(got, fact.Recovery{}) {
			b.Errorf("%s: got %+v, want nothing", what, got)
		}
	}
	_, err := b.j.Document(ctx, "d")
	b.fails("Document", err, journal.ErrNotFound)
	_, err = b.j.Event(ctx, "p", 1)
	b.fails("Event", err, journal.ErrNotFound)
	_, err = b.j.Prune(ctx, at(0), 1)
	b.ok("Prune", err)
	b.ok("Check", b.j.Check())
	b.ok("Commit of nothing", b.j.Commit(ctx, nil))
}

func testReopen(b *bench) {
	p, q := b.entry("p", 0, 2), b.entry("q", 0, 0)
	b.commit(p, q)
	b.reopen()
	for _, want := range []fact.Entry{p, q} {
		kept := must[[]fact.Kept](b)(b.j.Entries(b.Context(), want.Run, 0, -1))
		if len(kept) != 1 {
			b.Fatalf("run %q: got %d entries, want 1", want.Run, len(kept))
		}
		b.same(kept[0], want)
		doc := must[[]byte](b)(b.j.Document(b.Context(), want.Digest))
		if string(doc) != string(want.Document) {
			b.Errorf("Document: got %s, want %s", doc, want.Document)
		}
	}
}

// same compares what came back with what went in.
func (b *bench) same(got fact.Kept, want fact.Entry) {
	b.Helper()
	if !reflect.DeepEqual(got.Tick, want.Tick) {
		b.Errorf("tick:\ngot  %+v\nwant %+v", got.Tick, want.Tick)
	}
	if got.Run != want.Run || got.After != want.After || got.Seq != want.After+1 {
		b.Errorf("got tick %d of run %q after %d, want %d of %q", got.Seq, got.Run, got.After, want.After+1, want.Run)
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

// Two runs at one instant, then each alone: their ticks are counted apart.
func testTwoRuns(b *bench) {
	b.commit(b.entry("p", 0, 1), b.entry("q", 0, 2))
	b.commit(b.entry("q", 1, 1))
	b.commit(b.entry("p", 2, 0), b.entry("q", 2, 1), b.entry("r", 2, 1))
	b.reopen()
	for run, want := range map[string][]uint64{"p": {1, 2}, "q": {1, 2, 3}, "r": {1}} {
		r := must[fact.Recovery](b)(b.j.Recover(b.Context(), run))
		var got []uint64
		for _, k := range r.Later {
			got = append(got, k.Seq)
		}
		if !reflect.DeepEqual(got, want) {
			b.Errorf("run %q: got ticks %v, want %v", run, got, want)
		}
	}
	b.lists("events of q", b.ids("q", 0), "q/1", "q/2", "q/3", "q/4")
}

func testFenced(b *bench) {
	ctx := b.Context()
	b.commit(b.entry("p", 0, 1))
	b.commit(b.entry("p", 1, 1))
	for _, after := range []uint64{0, 1, 3, math.MaxInt64} {
		e := b.entry("p", 2, 1)
		e.After = after
		b.fails("Commit out of turn", b.j.Commit(ctx, fact.Batch{b.entry("q", 2, 1), e}), journal.ErrFenced)
	}
	late := b.entry("q", 2, 0)
	late.After = 1
	b.fails("Commit to a run that has no tick", b.j.Commit(ctx, fact.Batch{late}), journal.ErrFenced)
	b.lists("a fenced batch leaves nothing", b.ids("p", 0), "p/1", "p/2")
	b.lists("a fenced batch leaves no run", b.runs(fact.RunFilter{}), "p")
	foreign := b.entry("p", 2, 0)
	foreign.Record.ID = "q"
	if err := b.j.Commit(ctx, fact.Batch{foreign}); err == nil {
		b.Error("a tick was committed with the record of another run")
	}
	b.commit(b.entry("p", 2, 0), b.entry("q", 2, 1))
}

func testEpoch(b *bench) {
	b.commit(b.entry("p", 0, 0))
	old := b.j
	b.reopen()
	for _, run := range []string{"p", "q"} {
		if err := old.Commit(b.Context(), fact.Batch{b.entry(run, 1, 1)}); err == nil {
			b.Errorf("a journal that was opened again took a commit of run %q from its former writer", run)
		}
	}
	b.commit(b.entry("p", 1, 0))
}

func testReopenInPlace(b *bench) {
	ctx := b.Context()
	b.reopen("a")
	b.commit(b.entry("p", 0, 1))
	watch := b.j.Watch()
	b.ok("Reopen", b.j.Reopen(ctx))
	select {
	case <-watch:
	default:
		b.Error("opened again: not woken")
	}
	b.ok("Check", b.j.Check())
	b.commit(b.entry("p", 1, 1))
	b.lists("events", b.ids("p", 0), "p/1", "p/2")
	b.lists("cursors", b.pending("a"), "p after 0 of 2")
}

func testAllOrNothing(b *bench) {
	bad := b.entry("q", 0, 1)
	bad.Tick.Readings = []rules.Reading{{Points: []rules.Point{{Value: math.NaN()}}}}
	if err := b.j.Commit(b.Context(), fact.Batch{b.entry("p", 0, 1), bad}); err == nil {
		b.Error("a tick with NaN was committed")
	}
	b.lists("events", b.ids("p", 0))
	b.lists("runs", b.runs(fact.RunFilter{}))
	if got := must[fact.Recovery](b)(b.j.Recover(b.Context(), "p")); len(got.Later) != 0 {
		b.Errorf("run p has %d ticks, want none", len(got.Later))
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
	r := must[fact.Recovery](b)(b.j.Recover(b.Context(), "p"))
	if r.Seq != 3 || !r.At.Equal(at(2)) || string(r.Snapshot) != "\x00\x01\xff" || r.Digest != "digest of p" || len(r.Later) != 2 {
		b.Fatalf("got %+v, want the state after tick 3 and two ticks", r)
	}
	if r.Later[0].Seq != 4 || len(r.Later[0].Events) != 1 || r.Later[1].Seq != 5 || len(r.Later[1].Events) != 0 {
		b.Errorf("later ticks: got %+v", r.Later)
	}
	o := must[fact.Recovery](b)(b.j.Origin(b.Context(), "p"))
	if want := (fact.Recovery{Digest: "digest of p"}); !reflect.DeepEqual(o, want) {
		b.Errorf("Origin: got %+v, want the beginning", o)
	}
	b.ok("Save", b.j.Save(b.Context(), "p", 5, []byte("s")))
	b.ok("Save after no tick", b.j.Save(b.Context(), "p", 99, []byte("t")))
	r = must[fact.Recovery](b)(b.j.Recover(b.Context(), "p"))
	if r.Seq != 5 || string(r.Snapshot) != "s" || len(r.Later) != 0 {
		b.Errorf("after Save: got %+v, want the state after tick 5 alone", r)
	}
	if got := must[[]fact.Kept](b)(b.j.Entries(b.Context(), "p", 1, 2)); len(got) != 2 || got[0].Seq != 2 || len(got[0].Events) != 1 {
		b.Errorf("Entries: got %+v, want ticks 2 and 3", got)
	}
}

func testDigest(b *bench) {
	b.commit(b.entry("p", 0, 0))
	changed := b.entry("p", 1, 1)
	changed.Digest, changed.Document = "another", []byte(`{"name":"p","title":"x"}`)
	b.commit(changed)
	again := b.entry("p", 2, 1)
	again.Document = nil
	b.commit(again)
	b.reopen()
	r := must[fact.Recovery](b)(b.j.Recover(b.Context(), "p"))
	var got []string
	for _, k := range r.Later {
		got = append(got, k.Digest)
	}
	b.lists("digests", got, "digest of p", "another", "digest of p")
	if r.Digest != "digest of p" {
		b.Errorf("it begins under %q", r.Digest)
	}
	if doc := must[[]byte](b)(b.j.Document(b.Context(), "another")); string(doc) != string(changed.Document) {
		b.Errorf("Document: got %s, want %s", doc, changed.Document)
	}
	s := must[fact.Stored](b)(b.j.Event(b.Context(), "p", 1))
	if s.Digest != "another" || s.Run != "p" || s.Seq != 2 || s.Event.ID != "p/1" || len(s.Raw) == 0 {
		b.Errorf("Event: got %+v", s)
	}
}

func testEvents(b *bench) {
	ctx := b.Context()
	b.commit(b.entry("p", 0, 2), b.entry("q", 0, 1))
	b.commit(b.entry("q", 10, 2))
	for range 2 { // from memory and from the store
		b.lists("all", b.ids("q", 0), "q/1", "q/2", "q/3")
		b.lists("after 1", b.ids("q", 1), "q/2", "q/3")
		b.lists("after the end", b.ids("q", 3))
		got := must[[]fact.Stored](b)(b.j.Events(ctx, "q", 1, 1))
		if len(got) != 1 || got[0].Event.ID != "q/2" || got[0].Seq != 2 || got[0].Run != "q" || got[0].Digest != "digest of q" || len(got[0].Raw) == 0 {
			b.Errorf("one after 1: got %+v", got)
		}
		_, err := b.j.Event(ctx, "q", 4)
		b.fails("Event beyond the end", err, journal.ErrNotFound)
		_, err = b.j.Event(ctx, "q", 0)
		b.fails("Event 0", err, journal.ErrNotFound)
		b.reopen()
	}
	b.commit(b.entry("q", 20, 1)) // the newest is in memory, those before it are not
	b.lists("after a reopening", b.ids("q", 1), "q/2", "q/3", "q/4")
}

func testNewer(b *bench) {
	newer := func(mark uint64, limit int) (ids []string, next uint64) {
		b.Helper()
		events, next, ok := b.j.Newer(mark, limit)
		if !ok {
			b.Fatalf("mark %d is too old", mark)
		}
		for _, s := range events {
			ids = append(ids, s.Event.ID)
		}
		return ids, next
	}
	_, mark, _ := b.j.Newer(math.MaxInt64, 9)
	b.commit(b.entry("p", 0, 2), b.entry("q", 0, 1))
	b.commit(b.entry("p", 1, 1))
	ids, mid := newer(mark, 3)
	b.lists("the first three", ids, "p/1", "p/2", "q/1")
	ids, end := newer(mid, 9)
	b.lists("the rest", ids, "p/3")
	ids, _ = newer(end, 9)
	b.lists("after the end", ids)
}

// Each tick has the link that is made of the one before and of what is kept of it, and its
// events name it, from memory and from the store.
func testChain(b *bench) {
	b.commit(b.entry("p", 0, 2), b.entry("q", 0, 1))
	b.commit(b.entry("p", 1, 0))
	b.commit(b.entry("p", 2, 1), b.entry("q", 2, 0))
	for range 2 {
		for run, ticks := range map[string]int{"p": 3, "q": 2} {
			kept := must[[]fact.Kept](b)(b.j.Entries(b.Context(), run, 0, -1))
			if len(kept) != ticks {
				b.Fatalf("run %q: got %d ticks, want %d", run, len(kept), ticks)
			}
			before, links := "", map[uint64]string{}
			for _, k := range kept {
				want := chain.Link(before, run, k.Seq, k.Digest, k.Text, k.Raw)
				if k.Link != want || len(k.Text) == 0 {
					b.Errorf("tick %d of run %q: got link %q of %s, want %q", k.Seq, run, k.Link, k.Text, want)
				}
				before, links[k.Seq] = want, want
			}
			for _, s := range must[[]fact.Stored](b)(b.j.Events(b.Context(), run, 0, -1)) {
				if s.Link != links[s.Seq] {
					b.Errorf("event %s: got link %q, want %q of tick %d", s.Event.ID, s.Link, links[s.Seq], s.Seq)
				}
			}
			if later := must[[]fact.Kept](b)(b.j.Entries(b.Context(), run, 1, 1)); len(later) != 1 || later[0].Link != links[2] {
				b.Errorf("run %q after tick 1: got %+v", run, later)
			}
		}
		b.reopen()
	}
}
