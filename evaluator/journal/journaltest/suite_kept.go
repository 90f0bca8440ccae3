package journaltest

import (
	"fmt"

	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

// kept is what an endpoint has under keys: "key=value", without those that have nothing.
func (b *bench) kept(endpoint string, keys ...string) (list []string) {
	b.Helper()
	for _, key := range keys {
		if v := must[string](b)(b.j.Kept(b.Context(), endpoint, key)); v != "" {
			list = append(list, key+"="+v)
		}
	}
	return list
}

func testKept(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	keep := func(endpoint, key, value string) {
		b.Helper()
		b.ok("Keep", b.j.Keep(ctx, endpoint, key, value))
	}
	keys := []string{"shop@1/live", "shop@1.uid/1", "shop@1.uid/1/thread", "shop@1.2/live", "shop@1.2.uid/1", "shop@10/live", "shop@1~2/live", "shop@1"}
	b.lists("before anything is kept", b.kept("a", keys...))
	for _, key := range keys {
		keep("a", key, "an id")
	}
	keep("a", "shop@1/live", "1503435956.000247 <&> \u2028 'é'")
	keep("b", "shop@1/live", "of b")
	keep("b", "shop@1.2/live", "of b")
	for range 2 { // in this opening and in the next
		b.lists("kept", b.kept("a", keys[:2]...), "shop@1/live=1503435956.000247 <&> \u2028 'é'", "shop@1.uid/1=an id")
		b.lists("of another endpoint", b.kept("b", keys...), "shop@1/live=of b", "shop@1.2/live=of b")
		b.reopen("a", "b")
	}
	b.fails("Keep of an endpoint that is not known", b.j.Keep(ctx, "c", keys[0], "of c"), journal.ErrNotFound)
	b.lists("of an endpoint that is not known", b.kept("c", keys...))

	end := b.decided("shop@1", 1, rules.Failed)
	end.Events[0].ID = "shop@1.uid/1"
	b.commit(end, b.decided("shop@1.2", 9, rules.Failed))
	for _, endpoint := range []string{"a", "b"} {
		b.ok("Delivered", b.j.Delivered(ctx, endpoint, "shop@1", 1))
	}
	if p := must[journal.Pruned](b)(b.j.Prune(ctx, at(5), 1)); p.Runs != 1 {
		b.Errorf("dropped %d runs, want the one that ended", p.Runs)
	}
	b.lists("after its run was dropped", b.kept("a", keys...), "shop@1.2/live=an id", "shop@1.2.uid/1=an id", "shop@10/live=an id", "shop@1~2/live=an id", "shop@1=an id")
	b.lists("after its run was dropped, of another endpoint", b.kept("b", keys...), "shop@1.2/live=of b")

	b.ok("Forget", b.j.Forget(ctx, "b"))
	b.fails("Keep of a forgotten endpoint", b.j.Keep(ctx, "b", keys[3], "late"), journal.ErrNotFound)
	b.ok("Know", b.j.Know(ctx, "b"))
	b.lists("of an endpoint that was forgotten", b.kept("b", keys...))
	b.lists("of the other", b.kept("a", "shop@1.2/live"), "shop@1.2/live=an id")
}

func testKeptFaults(b *bench) {
	b.reopen("a")
	for _, fault := range []struct {
		Fault
		happens bool
	}{{Failed, false}, {Happened, true}, {Crashed, false}, {Survived, true}} {
		key := fmt.Sprintf("p/%d", fault.Fault)
		sound := b.j
		b.j = &Faulty{Journal: sound, Fault: func(string) Fault { return fault.Fault }}
		b.fails("Keep", b.j.Keep(b.Context(), "a", key, "1"), ErrInjected)
		b.j = sound
		b.reopen("a")
		if fault.happens {
			b.lists("kept", b.kept("a", key), key+"=1")
		} else {
			b.lists("kept", b.kept("a", key))
		}
		b.ok("Keep, again", b.j.Keep(b.Context(), "a", key, "2"))
		b.lists("kept again", b.kept("a", key), key+"=2")
	}
}
