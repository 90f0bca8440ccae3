package journaltest

import (
	"encoding/json"
	"fmt"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

// mixed is the next tick of a run, with an event for each letter: an order for an
// "o", another event for anything else.
func (b *bench) mixed(run string, second int, letters string) fact.Entry {
	e := b.entry(run, second, len(letters))
	for i, letter := range letters {
		if letter == 'o' {
			e.Events[i].To = string(fact.RuleFired)
		}
	}
	return e
}

// orders are those that an endpoint is not done with: "p/2" or, after failed
// attempts, "p/2 failed 3 times, refused, again at 9".
func (b *bench) orders(endpoint string) (list []string) {
	b.Helper()
	for _, o := range must[[]fact.PendingOrder](b)(b.j.Orders(b.Context(), endpoint)) {
		raw, err := json.Marshal(o.Event)
		b.ok("Marshal", err)
		if string(raw) != string(o.Raw) || o.Event.ID != fmt.Sprintf("%s/%d", o.Run, o.Event.N) || o.Seq == 0 || o.Digest != "digest of "+o.Run {
			b.Errorf("got %+v", o)
		}
		text := o.Event.ID
		if o.Attempts > 0 || o.LastError != "" || !o.NextAt.IsZero() {
			text += fmt.Sprintf(" failed %d times, %s, again at %d", o.Attempts, o.LastError, o.NextAt.Unix()-at(0).Unix())
		}
		list = append(list, text)
	}
	return list
}

// letters are the dead letters of an endpoint: "p/2 410 Gone".
func (b *bench) letters(endpoint string) (list []string) {
	b.Helper()
	for _, d := range must[[]fact.DeadLetter](b)(b.j.DeadLetters(b.Context(), endpoint)) {
		text := d.Event.ID + " " + d.Reason
		if d.Again {
			text += ", again"
		}
		list = append(list, text)
	}
	return list
}

func testOrders(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	b.commit(b.mixed("q", 0, "."), b.mixed("p", 0, "o.o"))
	b.commit(b.mixed("p", 1, ".."))
	b.commit(b.mixed("p", 2, "o"), b.mixed("q", 2, "oo."))
	for range 2 { // in this opening and in the next
		for _, name := range []string{"a", "b"} {
			b.lists("of endpoint "+name, b.orders(name), "q/2", "q/3", "p/1", "p/3", "p/6")
			b.lists("its cursors", b.pending(name), "q after 0 of 4", "p after 0 of 6")
		}
		b.reopen("a", "b")
	}
	b.ok("OrderFailed", b.j.OrderFailed(ctx, "a", "p", 1, 3, at(9), "refused"))
	b.ok("OrderFailed", b.j.OrderFailed(ctx, "a", "q", 3, 1, at(8), "410"))
	b.ok("OrderFailed, again", b.j.OrderFailed(ctx, "a", "q", 3, 2, at(9), "500"))
	b.ok("OrderDone", b.j.OrderDone(ctx, "a", "q", 2))
	b.ok("OrderDone, again", b.j.OrderDone(ctx, "a", "q", 2))
	b.ok("OrderFailed that comes late", b.j.OrderFailed(ctx, "a", "q", 2, 1, at(9), "late"))
	b.ok("OrderDone", b.j.OrderDone(ctx, "a", "p", 6)) // before an older one
	b.ok("Delivered", b.j.Delivered(ctx, "a", "p", 5)) // the cursor passes over orders
	for range 2 {
		b.lists("what is left", b.orders("a"), "q/3 failed 2 times, 500, again at 9", "p/1 failed 3 times, refused, again at 9", "p/3")
		b.lists("its cursors", b.pending("a"), "q after 0 of 4", "p after 5 of 6")
		b.lists("the other endpoint", b.orders("b"), "q/2", "q/3", "p/1", "p/3", "p/6")
		b.reopen("a", "b")
	}
	b.ok("OrderDone of another event", b.j.OrderDone(ctx, "b", "p", 2))
	b.ok("OrderDone of an unknown run", b.j.OrderDone(ctx, "b", "r", 1))
	b.ok("OrderDone of an unknown endpoint", b.j.OrderDone(ctx, "c", "p", 1))
	b.ok("OrderFailed of an unknown endpoint", b.j.OrderFailed(ctx, "c", "p", 1, 1, at(9), "refused"))
	b.lists("an unknown endpoint", b.orders("c"))
	b.lists("which stays unknown", must[[]string](b)(b.j.Endpoints(ctx)), "a", "b")
	b.lists("the other endpoint", b.orders("b"), "q/2", "q/3", "p/1", "p/3", "p/6")
	b.ok("Reopen", b.j.Reopen(ctx))
	b.lists("after a reopening in place", b.orders("a"), "q/3 failed 2 times, 500, again at 9", "p/1 failed 3 times, refused, again at 9", "p/3")
}

// Every kind of order is one, and a batch that is not kept enters none.
func testOrderKinds(b *bench) {
	b.reopen("a")
	e := b.entry("p", 0, 7)
	for i, as := range []fact.Event{
		{Kind: fact.RunEvent, To: rules.RolledBack.String()},
		{Kind: fact.RunEvent, To: rules.Held.String()},
		{Kind: fact.RunEvent, From: rules.Held.String(), To: rules.Monitoring.String()},
		{Kind: fact.RunEvent, To: rules.Passed.String()},
		{Kind: fact.CommandEvent, Subject: string(fact.Abort), To: "applied"},
		{Kind: fact.CommandEvent, Subject: string(fact.Abort), To: "refused"},
		{Kind: fact.RuleEvent, To: string(fact.RuleFired)},
	} {
		e.Events[i].Kind, e.Events[i].From, e.Events[i].To, e.Events[i].Subject = as.Kind, as.From, as.To, as.Subject
	}
	fenced := b.entry("q", 0, 1)
	fenced.After = 7
	b.fails("Commit", b.j.Commit(b.Context(), fact.Batch{e, fenced}), journal.ErrFenced)
	b.lists("of a batch that was not kept", b.orders("a"))
	b.commit(e)
	b.lists("of one that was", b.orders("a"), "p/1", "p/2", "p/3", "p/5", "p/7")
}

func testOrdersKnow(b *bench) {
	ctx := b.Context()
	b.reopen("a")
	b.commit(b.mixed("p", 0, "o"))
	b.ok("Know", b.j.Know(ctx, "a", "b"))
	b.lists("of the past", b.orders("b"))
	b.commit(b.mixed("p", 1, "o"), b.mixed("q", 1, "o"))
	b.lists("of what came since", b.orders("b"), "p/2", "q/1")
	b.ok("Forget", b.j.Forget(ctx, "b"))
	b.lists("of a forgotten one", b.orders("b"))
	b.commit(b.mixed("p", 2, "o"))
	b.lists("of what came since it was forgotten", b.orders("b"))
	b.ok("OrderDone of a forgotten one", b.j.OrderDone(ctx, "b", "p", 2))
	b.reopen("a", "b")
	b.lists("after it came again", b.orders("b"))
	b.lists("of the other endpoint", b.orders("a"), "p/1", "p/2", "p/3", "q/1")
}

func testBuryOrder(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	b.commit(b.mixed("p", 0, ".oo"), b.mixed("q", 0, "o"))
	bury := func(run string, n uint64, reason string) {
		b.Helper()
		b.ok("BuryOrder", b.j.BuryOrder(ctx, "a", run, n, at(5), reason))
	}
	bury("q", 1, "500")
	bury("p", 3, "410 Gone")
	for range 2 {
		b.lists("pending", b.orders("a"), "p/2")
		b.lists("dead letters", b.letters("a"), "p/3 410 Gone", "q/1 500")
		b.lists("the cursors", b.pending("a"), "p after 0 of 3", "q after 0 of 1")
		b.lists("the other endpoint's", b.orders("b"), "p/2", "p/3", "q/1")
		b.lists("the other endpoint's dead letters", b.letters("b"))
		b.reopen("a", "b")
	}
	if d := must[[]fact.DeadLetter](b)(b.j.DeadLetters(ctx, "a"))[0]; !d.At.Equal(at(5)) || d.Endpoint != "a" || d.Digest != "digest of p" {
		b.Errorf("got %+v", d)
	}
	b.ok("RetryDead", b.j.RetryDead(ctx, "a", "p", 3))
	b.lists("to be sent again", b.letters("a"), "p/3 410 Gone, again", "q/1 500")
	b.lists("which does not make it pending", b.orders("a"), "p/2")
	bury("p", 3, "still")
	b.lists("given up anew", b.letters("a"), "p/3 still", "q/1 500")
	b.ok("Resolved", b.j.Resolved(ctx, "a", "p", 3))
	bury("p", 3, "late")
	b.ok("OrderDone", b.j.OrderDone(ctx, "a", "p", 2))
	bury("p", 2, "late")
	bury("p", 1, "it is no order")
	bury("p", 9, "it is not there")
	bury("r", 1, "it is not there")
	b.lists("only what was pending is given up", b.letters("a"), "q/1 500")
	b.ok("Forget", b.j.Forget(ctx, "b"))
	b.ok("BuryOrder", b.j.BuryOrder(ctx, "b", "p", 2, at(5), "410 Gone"))
	b.lists("a forgotten endpoint's dead letters", b.letters("b"))
}

func testRewindOrders(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	for i := range 3 {
		b.commit(b.mixed("p", 10*i, "o."))
	}
	b.commit(b.mixed("q", 20, "o"), b.mixed("old", 5, "o"), b.mixed("stuck", 20, "o."))
	for _, endpoint := range []string{"a", "b"} {
		for run, orders := range map[string][]uint64{"p": {1, 3, 5}, "old": {1}, "q": {1}} {
			for _, n := range orders {
				b.ok("OrderDone", b.j.OrderDone(ctx, endpoint, run, n))
			}
			b.ok("Delivered", b.j.Delivered(ctx, endpoint, run, orders[len(orders)-1]+1))
		}
		b.ok("OrderFailed", b.j.OrderFailed(ctx, endpoint, "stuck", 1, 4, at(99), "500"))
	}
	const stuck = "stuck/1 failed 4 times, 500, again at 99"
	b.lists("before", b.orders("a"), stuck)
	if got := must[int](b)(b.j.Rewind(ctx, "a", at(10))); got != 2 {
		b.Errorf("Rewind changed %d runs, want p and q", got)
	}
	for range 2 {
		b.lists("after Rewind", b.orders("a"), "p/3", "p/5", "q/1", stuck)
		b.lists("the cursors", b.pending("a"), "p after 2 of 6", "q after 0 of 1", "stuck after 0 of 2")
		b.lists("the other endpoint", b.orders("b"), stuck)
		if got := must[int](b)(b.j.Rewind(ctx, "a", at(10))); got != 0 {
			b.Errorf("Rewind to the same time changed %d runs", got)
		}
		b.reopen("a", "b")
	}
	b.ok("OrderDone", b.j.OrderDone(ctx, "a", "p", 3))
	b.ok("OrderDone", b.j.OrderDone(ctx, "a", "p", 5))
	if got := must[int](b)(b.j.Rewind(ctx, "a", at(10))); got != 1 {
		b.Errorf("Rewind changed %d runs, want p, whose cursor stood before", got)
	}
	b.lists("once more", b.orders("a"), "p/3", "p/5", "q/1", stuck)
	_, err := b.j.Rewind(ctx, "c", at(0))
	b.fails("Rewind of an unknown endpoint", err, journal.ErrNotFound)
	b.lists("which has none", b.orders("c"))
}

func testPruneOrders(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	for _, run := range []string{"p@1", "p@2"} {
		end := b.decided(run, 0, rules.RolledBack)
		end.Events[0].To = string(fact.RuleFired)
		b.commit(end)
		for _, endpoint := range []string{"a", "b"} {
			b.ok("Delivered", b.j.Delivered(ctx, endpoint, run, 1))
		}
	}
	prune := func(want int64, what string) {
		b.Helper()
		if p := must[journal.Pruned](b)(b.j.Prune(ctx, at(100), 1)); p.Runs != want {
			b.Errorf("%s: dropped %d runs, want %d", what, p.Runs, want)
		}
	}
	prune(0, "two endpoints have an order of each run")
	b.ok("OrderDone", b.j.OrderDone(ctx, "a", "p@1", 1))
	prune(0, "one has an order of each run")
	b.ok("OrderDone", b.j.OrderDone(ctx, "b", "p@1", 1))
	prune(1, "of one run none is pending")
	b.ok("BuryOrder of a dropped run", b.j.BuryOrder(ctx, "a", "p@1", 1, at(5), "410 Gone"))
	b.ok("OrderDone", b.j.OrderDone(ctx, "a", "p@2", 1))
	prune(0, "one has an order of the other run")
	b.ok("Forget", b.j.Forget(ctx, "b"))
	prune(1, "the endpoint that has it was forgotten")
	b.lists("dead letters", b.letters("a"))
}

// A write about an order either happened or did not, whatever the caller was told,
// and can be said again.
func testOrderFaults(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	b.commit(b.mixed("q", 0, "o"))
	for _, tt := range []struct {
		method  string
		write   func(n uint64) error
		pending string // what the write leaves pending of p/N; empty: nothing
		letter  string
	}{
		{"OrderDone", func(n uint64) error { return b.j.OrderDone(ctx, "a", "p", n) }, "", ""},
		{"OrderFailed", func(n uint64) error { return b.j.OrderFailed(ctx, "a", "p", n, 2, at(9), "500") }, " failed 2 times, 500, again at 9", ""},
		{"BuryOrder", func(n uint64) error { return b.j.BuryOrder(ctx, "a", "p", n, at(5), "410") }, "", " 410"},
	} {
		for _, fault := range []struct {
			Fault
			happens bool
		}{{Failed, false}, {Happened, true}, {Crashed, false}, {Survived, true}} {
			what := fmt.Sprintf("%s under fault %d", tt.method, fault.Fault)
			b.commit(b.mixed("p", 0, "o"))
			n := b.n["p"]
			id := fmt.Sprintf("p/%d", n)
			left, dead := []string{"q/1"}, []string(nil)
			if tt.pending != "" {
				left = append(left, id+tt.pending)
			}
			if tt.letter != "" {
				dead = append(dead, id+tt.letter)
			}
			sound := b.j
			b.j = &Faulty{Journal: sound, Fault: func(method string) Fault {
				if method != tt.method {
					b.Errorf("%s: asked about %s", what, method)
				}
				return fault.Fault
			}}
			b.fails(what, tt.write(n), ErrInjected)
			b.j = sound
			b.reopen()
			if fault.happens {
				b.lists(what+": pending", b.orders("a"), left...)
				b.lists(what+": dead letters", b.letters("a"), dead...)
			} else {
				b.lists(what+": pending", b.orders("a"), "q/1", id)
				b.lists(what+": dead letters", b.letters("a"))
			}
			b.ok(what+", said again", tt.write(n))
			b.lists(what+", said again: pending", b.orders("a"), left...)
			b.lists(what+", said again: dead letters", b.letters("a"), dead...)
			b.ok("OrderDone", b.j.OrderDone(ctx, "a", "p", n))
			b.ok("OrderDone", b.j.OrderDone(ctx, "b", "p", n))
			if dead != nil {
				b.ok("Resolved", b.j.Resolved(ctx, "a", "p", n))
			}
		}
	}
	b.lists("the other endpoint", b.orders("b"), "q/1")
}
