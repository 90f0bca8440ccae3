package journaltest

import (
	"fmt"
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

func testNewEndpoint(b *bench) {
	ctx := b.Context()
	b.reopen("first")
	b.commit(b.entry("p", 0, 3))
	b.lists("an endpoint of an empty journal", b.pending("first"), "p after 0 of 3")
	b.lists("an endpoint that was not known", b.pending("second"))
	b.reopen("first", "second", "third")
	b.commit(b.entry("p", 1, 1), b.entry("q", 1, 2))
	for _, name := range []string{"second", "third"} {
		b.lists("the end of a run that was there, the beginning of a later one", b.pending(name), "p after 3 of 4", "q after 0 of 2")
	}
	b.lists("a known endpoint", b.pending("first"), "p after 0 of 4", "q after 0 of 2")
	b.lists("Endpoints", must[[]string](b)(b.j.Endpoints(ctx)), "first", "second", "third")
}

func testCursor(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	b.commit(b.entry("p", 0, 5), b.entry("q", 0, 2))
	b.ok("Failed", b.j.Failed(ctx, "a", "p", 1, 2, at(9), "refused"))
	got := must[[]fact.RunCursor](b)(b.j.Pending(ctx, "a"))
	want := []fact.RunCursor{{Run: "p", End: 5, Attempts: 2, NextAt: at(9), LastError: "refused"}, {Run: "q", End: 2}}
	if !slices.Equal(got, want) {
		b.Errorf("after Failed:\ngot  %+v\nwant %+v", got, want)
	}
	b.ok("Delivered", b.j.Delivered(ctx, "a", "p", 3))
	b.ok("Delivered", b.j.Delivered(ctx, "a", "p", 2)) // an older mark that comes late
	b.ok("Failed", b.j.Failed(ctx, "a", "p", 3, 1, at(9), "late"))
	b.ok("Delivered", b.j.Delivered(ctx, "b", "q", 2))
	b.reopen()
	got = must[[]fact.RunCursor](b)(b.j.Pending(ctx, "a"))
	want = []fact.RunCursor{{Run: "p", N: 3, End: 5}, {Run: "q", End: 2}}
	if !slices.Equal(got, want) {
		b.Errorf("after Delivered:\ngot  %+v\nwant %+v", got, want)
	}
	b.lists("the other endpoint", b.pending("b"), "p after 0 of 5")
}

func testRewind(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	for i := range 3 {
		b.commit(b.entry("p", 10*i, 1))
	}
	b.commit(b.entry("q", 20, 2), b.entry("stuck", 20, 2), b.entry("old", 5, 1))
	for run, n := range map[string]uint64{"p": 3, "q": 2, "old": 1} {
		b.ok("Delivered", b.j.Delivered(ctx, "a", run, n))
		b.ok("Delivered", b.j.Delivered(ctx, "b", run, n))
	}
	if got := must[int](b)(b.j.Rewind(ctx, "a", at(10))); got != 2 {
		b.Errorf("Rewind changed %d runs, want p and q", got)
	}
	b.lists("after Rewind", b.pending("a"), "p after 1 of 3", "q after 0 of 2", "stuck after 0 of 2")
	b.lists("the other endpoint", b.pending("b"), "stuck after 0 of 2")
	if got := must[int](b)(b.j.Rewind(ctx, "a", at(21))); got != 0 {
		b.Errorf("Rewind to the end changed %d runs", got)
	}
	_, err := b.j.Rewind(ctx, "unknown", at(0))
	b.fails("Rewind of an unknown endpoint", err, journal.ErrNotFound)
}

func testForget(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	b.commit(b.entry("p", 0, 3))
	b.ok("Bury", b.j.Bury(ctx, "b", "p", 1, at(5), "410 Gone"))
	b.ok("Forget", b.j.Forget(ctx, "b"))
	b.lists("Endpoints", must[[]string](b)(b.j.Endpoints(ctx)), "a")
	if letters := must[[]fact.DeadLetter](b)(b.j.DeadLetters(ctx, "b")); len(letters) != 0 {
		b.Errorf("its dead letters: got %+v, want none", letters)
	}
	b.reopen("a", "b")
	b.lists("after it came again", b.pending("b"))
	b.lists("the other endpoint", b.pending("a"), "p after 0 of 3")
}

func testKnow(b *bench) {
	b.reopen("a")
	b.commit(b.entry("p", 0, 2))
	b.ok("Know", b.j.Know(b.Context(), "a", "b"))
	b.commit(b.entry("p", 1, 1), b.entry("q", 1, 1))
	b.lists("what came since", b.pending("b"), "p after 2 of 3", "q after 0 of 1")
	b.lists("one that was known", b.pending("a"), "p after 0 of 3", "q after 0 of 1")
}

func testBuryForgotten(b *bench) {
	ctx := b.Context()
	b.reopen("a")
	b.commit(b.decided("p", 0, rules.Failed))
	b.ok("Forget", b.j.Forget(ctx, "a"))
	b.ok("Bury", b.j.Bury(ctx, "a", "p", 1, at(5), "410 Gone"))
	if letters := must[[]fact.DeadLetter](b)(b.j.DeadLetters(ctx, "a")); len(letters) != 0 {
		b.Errorf("dead letters: got %+v, want none", letters)
	}
	if p := must[journal.Pruned](b)(b.j.Prune(ctx, at(100), 1)); p.Runs != 1 {
		b.Errorf("dropped %d runs, want the one that ended", p.Runs)
	}
	b.ok("Bury in a dropped run", b.j.Bury(ctx, "a", "p", 1, at(5), "410 Gone"))
}

func testDead(b *bench) {
	ctx := b.Context()
	b.reopen("a")
	b.commit(b.entry("p", 0, 3))
	b.commit(b.entry("o", 0, 1))
	b.ok("Bury", b.j.Bury(ctx, "a", "o", 1, at(5), "500"))
	b.ok("Bury", b.j.Bury(ctx, "a", "p", 2, at(5), "410 Gone"))
	b.ok("Bury of an older one", b.j.Bury(ctx, "a", "p", 1, at(6), "later"))
	b.lists("the cursors", b.pending("a"), "p after 2 of 3")
	b.ok("RetryDead", b.j.RetryDead(ctx, "a", "p", 2))
	b.reopen()
	letters := func() (list []string) {
		for _, d := range must[[]fact.DeadLetter](b)(b.j.DeadLetters(ctx, "a")) {
			if len(d.Raw) == 0 || d.Seq != 1 || d.Digest != "digest of "+d.Run || d.Endpoint != "a" {
				b.Errorf("got %+v", d)
			}
			list = append(list, fmt.Sprintf("%s %s %v %d", d.Event.ID, d.Reason, d.Again, d.At.Unix()-at(0).Unix()))
		}
		return list
	}
	b.lists("DeadLetters", letters(), "p/1 later false 6", "p/2 410 Gone true 5", "o/1 500 false 5")
	b.ok("Bury again", b.j.Bury(ctx, "a", "p", 2, at(7), "still"))
	b.ok("Resolved", b.j.Resolved(ctx, "a", "p", 1))
	b.lists("after a second failure, and one resolved", letters(), "p/2 still false 7", "o/1 500 false 5")
	b.fails("Resolved twice", b.j.Resolved(ctx, "a", "p", 1), journal.ErrNotFound)
	b.fails("RetryDead of none", b.j.RetryDead(ctx, "a", "o", 2), journal.ErrNotFound)
}
