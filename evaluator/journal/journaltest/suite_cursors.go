package journaltest

import (
	"slices"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
)

func testNewEndpoint(b *bench) {
	b.reopen("first")
	b.commit(b.entry("p", 0, 3))
	if got := b.cursor("first").Pos; got != 0 {
		b.Errorf("an endpoint of an empty journal: got %d, want 0", got)
	}
	if got := b.cursor("second").Pos; got != 3 {
		b.Errorf("an endpoint that came later: got %d, want 3", got)
	}
	b.reopen("first", "second", "third")
	b.commit(b.entry("p", 1, 1))
	if got := b.cursor("third").Pos; got != 3 {
		b.Errorf("an endpoint named when opening: got %d, want 3", got)
	}
	if got := b.cursor("first").Pos; got != 0 {
		b.Errorf("a known endpoint after a reopening: got %d, want 0", got)
	}
}

func testCursor(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	b.commit(b.entry("p", 0, 5))
	b.ok("Failed", b.j.Failed(ctx, "a", 1, 2, at(9), "refused"))
	if got, want := b.cursor("a"), (journal.Cursor{Attempts: 2, NextAt: at(9), LastError: "refused"}); got != want {
		b.Errorf("after Failed: got %+v, want %+v", got, want)
	}
	b.ok("Delivered", b.j.Delivered(ctx, "a", 3))
	b.ok("Delivered", b.j.Delivered(ctx, "a", 2)) // an older mark that comes late
	b.ok("Failed", b.j.Failed(ctx, "a", 3, 1, at(9), "late"))
	if got, want := b.cursor("a"), (journal.Cursor{Pos: 3}); got != want {
		b.Errorf("after Delivered: got %+v, want %+v", got, want)
	}
	b.reopen()
	list := must[[]journal.Delivery](b)(b.j.Deliveries(ctx))
	want := []journal.Delivery{
		{Endpoint: "a", Cursor: journal.Cursor{Pos: 3}, Lag: 2, Oldest: at(0)},
		{Endpoint: "b", Lag: 5, Oldest: at(0)},
	}
	if !slices.Equal(list, want) {
		b.Errorf("Deliveries:\ngot  %+v\nwant %+v", list, want)
	}
	b.ok("Forget", b.j.Forget(ctx, "b"))
	if list = must[[]journal.Delivery](b)(b.j.Deliveries(ctx)); len(list) != 1 {
		b.Errorf("after Forget: got %+v, want a alone", list)
	}
}

func testRewind(b *bench) {
	ctx := b.Context()
	b.reopen("a")
	b.commit(b.entry("p", 0, 5))
	b.ok("Delivered", b.j.Delivered(ctx, "a", 5))
	watch := b.j.Watch()
	b.ok("Rewind", b.j.Rewind(ctx, "a", 2))
	if got := b.cursor("a").Pos; got != 2 {
		b.Errorf("after Rewind: got %d, want 2", got)
	}
	select {
	case <-watch:
	default:
		b.Error("a rewinding wakes nobody")
	}
	b.ok("Rewind beyond the end", b.j.Rewind(ctx, "a", 99))
	if got := b.cursor("a").Pos; got != 5 {
		b.Errorf("after Rewind beyond the end: got %d, want 5", got)
	}
	b.fails("Rewind of nobody", b.j.Rewind(ctx, "nobody", 0), journal.ErrNotFound)
}

func testDead(b *bench) {
	ctx := b.Context()
	b.reopen("a")
	b.commit(b.entry("p", 0, 3))
	b.ok("Bury", b.j.Bury(ctx, "a", 2, at(5), "410 Gone"))
	if got := b.cursor("a").Pos; got != 2 {
		b.Errorf("cursor after Bury: got %d, want 2", got)
	}
	b.ok("Bury of an older one", b.j.Bury(ctx, "a", 1, at(6), "later"))
	if got := b.cursor("a").Pos; got != 2 {
		b.Errorf("cursor after burying an older one: got %d, want 2", got)
	}
	watch := b.j.Watch()
	b.ok("RetryDead", b.j.RetryDead(ctx, "a", 2))
	select {
	case <-watch:
	default:
		b.Error("a dead letter that is to be sent again wakes nobody")
	}
	b.reopen()
	list := must[[]journal.DeadLetter](b)(b.j.DeadLetters(ctx, "a"))
	if len(list) != 2 || list[0].Pos != 1 || list[1].Pos != 2 || list[0].Again || !list[1].Again ||
		list[1].Event.ID != "p/2" || list[1].Reason != "410 Gone" || !list[1].At.Equal(at(5)) || len(list[1].Raw) == 0 {
		b.Errorf("DeadLetters: got %+v", list)
	}
	b.ok("Bury again", b.j.Bury(ctx, "a", 2, at(7), "still"))
	if list = must[[]journal.DeadLetter](b)(b.j.DeadLetters(ctx, "a")); list[1].Again || list[1].Reason != "still" {
		b.Errorf("after a second failure: got %+v", list[1])
	}
	b.ok("Resolved", b.j.Resolved(ctx, "a", 1))
	b.fails("Resolved twice", b.j.Resolved(ctx, "a", 1), journal.ErrNotFound)
	b.fails("RetryDead of none", b.j.RetryDead(ctx, "a", 1), journal.ErrNotFound)
	if got := must[[]journal.Delivery](b)(b.j.Deliveries(ctx)); got[0].Dead != 1 {
		b.Errorf("Deliveries: got %+v, want one dead letter", got)
	}
}

const hour = 3600

// ticksForPruning are ten ticks of p, one event each, with states after the
// third, the sixth and the ninth; and of q without any state. They are an hour
// apart: a journal need not keep states that are closer.
func (b *bench) ticksForPruning() {
	for i := range 10 {
		e := b.entry("p", i*hour, 1)
		if i%3 == 2 {
			e.Snapshot = []byte{byte(i)}
		}
		if i < 2 {
			e.Digest, e.Document = "old", []byte("{}")
		}
		b.commit(e, b.entry("q", i*hour, 0))
	}
}

func testPrune(b *bench) {
	ctx := b.Context()
	b.ticksForPruning()
	before := must[evaluator.Recovery](b)(b.j.Recover(ctx, "p"))
	p := must[journal.Pruned](b)(b.j.Prune(ctx, at(7*hour)))
	if want := (journal.Pruned{Ticks: 6, Snapshots: 1, Events: 6, Plans: 1}); p != want {
		b.Errorf("got %+v, want %+v", p, want)
	}
	b.reopen()
	o := must[evaluator.Recovery](b)(b.j.Origin(ctx, "p"))
	if o.Seq != 6 || o.Snapshot == nil {
		b.Errorf("Origin: got %+v, want the state of sequence 6", o)
	}
	if after := must[evaluator.Recovery](b)(b.j.Recover(ctx, "p")); after.Seq != before.Seq || len(after.Later) != len(before.Later) {
		b.Errorf("Recover: got %+v, want %+v", after, before)
	}
	if got := must[[]evaluator.Kept](b)(b.j.Entries(ctx, "q", 0, -1)); len(got) != 10 {
		b.Errorf("a plan without states has %d ticks left of 10", len(got))
	}
	if got := b.positions(0); !slices.Equal(got, []uint64{7, 8, 9, 10}) {
		b.Errorf("events at %v, want 7 to 10", got)
	}
	must[journal.Pruned](b)(b.j.Prune(ctx, at(1000*hour)))
	b.commit(b.entry("p", 11*hour, 1))
	if got := b.positions(9); !slices.Equal(got, []uint64{10, 11}) {
		b.Errorf("events at %v, want 10 and 11: a position was used twice", got)
	}
}

func testPruneUndelivered(b *bench) {
	ctx := b.Context()
	b.reopen("slow")
	b.ticksForPruning()
	b.ok("Bury", b.j.Bury(ctx, "slow", 2, at(20), "no"))
	b.ok("Delivered", b.j.Delivered(ctx, "slow", 4))
	must[journal.Pruned](b)(b.j.Prune(ctx, at(7*hour)))
	if got, want := b.positions(0), []uint64{2, 5, 6, 7, 8, 9, 10}; !slices.Equal(got, want) {
		b.Errorf("events at %v, want %v: the dead one and those to be told", got, want)
	}
}
