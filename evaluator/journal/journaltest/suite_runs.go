package journaltest

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

func testRuns(b *bench) {
	ctx := b.Context()
	first := b.entry("shop@1.0", 0, 2)
	b.commit(first)
	b.commit(b.decided("shop@1.0", 5, rules.Passed, fact.Total{Signal: `a "b" <c>`, Bad: 1, Samples: 1e9}))
	second := b.entry("shop@1.1", 10, 1)
	second.Record.Begun = at(10)
	b.commit(second, b.entry("mail@7", 10, 0))
	lost := b.decided("shop@1.1", 20, rules.RolledBack)
	lost.Record.Begun, lost.Record.Over = at(10), false
	b.commit(lost)
	again := b.entry("shop@1.1~2", 30, 0)
	again.Record.Version, again.Record.Try, again.Record.Begun = "1.1", 2, at(30)
	b.commit(again)
	b.reopen()

	b.lists("all, the newest begun first", b.runs(fact.RunFilter{}), "shop@1.1~2", "shop@1.1", "mail@7", "shop@1.0")
	b.lists("of a plan", b.runs(fact.RunFilter{Plan: "shop"}), "shop@1.1~2", "shop@1.1", "shop@1.0")
	b.lists("tries of a version", b.runs(fact.RunFilter{Plan: "shop", Version: "1.1"}), "shop@1.1~2", "shop@1.1")
	b.lists("the newest try", b.runs(fact.RunFilter{Plan: "shop", Version: "1.1", Limit: 1}), "shop@1.1~2")
	b.lists("undecided", b.runs(fact.RunFilter{Undecided: true}), "shop@1.1~2", "mail@7")
	b.lists("not over", b.runs(fact.RunFilter{Open: true}), "shop@1.1~2", "shop@1.1", "mail@7")
	b.lists("by states", b.runs(fact.RunFilter{States: []rules.State{rules.Passed, rules.RolledBack}}), "shop@1.1", "shop@1.0")
	b.lists("by id", b.runs(fact.RunFilter{ID: "mail@7", Plan: "mail"}), "mail@7")
	b.lists("by id, of another plan", b.runs(fact.RunFilter{ID: "mail@7", Plan: "shop"}))

	got := must[fact.RunRecord](b)(b.j.Run(ctx, "shop@1.0"))
	want := first.Record
	want.Digest, want.Seq, want.N, want.At = "digest of shop@1.0", 2, 3, at(5)
	want.State, want.Verdict, want.Decided, want.Over = rules.Passed, rules.Pass, at(5), true
	want.Totals = []fact.Total{{Signal: `a "b" <c>`, Bad: 1, Samples: 1e9}}
	if !reflect.DeepEqual(got, want) {
		b.Errorf("Run:\ngot  %+v\nwant %+v", got, want)
	}
	_, err := b.j.Run(ctx, "shop@9")
	b.fails("Run of one that is not there", err, journal.ErrNotFound)

	overridden := b.entry("shop@1.1", 40, 0)
	b.commit(overridden)
	if got := must[fact.RunRecord](b)(b.j.Run(ctx, "shop@1.1")); !got.Decided.IsZero() || got.State != rules.Monitoring || got.N != 2 {
		b.Errorf("a run that was decided and is not any more: got %+v", got)
	}
}

func (b *bench) passed(plan, except string, limit int) (list []string) {
	b.Helper()
	past := must[[]fact.Past](b)(b.j.Passed(b.Context(), plan, except, limit))
	if past == nil {
		b.Error("Passed: got nil without an error")
	}
	for _, p := range past {
		list = append(list, fmt.Sprintf("%s at %d: %v", p.Run, p.At.Unix()-at(0).Unix(), p.Totals))
	}
	return list
}

func testPassed(b *bench) {
	some := fact.Total{Signal: "s", Bad: 1, Samples: 9}
	b.lists("at first", b.passed("shop", "", 5))
	b.commit(b.decided("shop@1", 1, rules.Passed, some), b.decided("mail@1", 1, rules.Passed, some))
	b.commit(b.decided("shop@2", 2, rules.RolledBack), b.decided("shop@3", 3, rules.Passed, some))
	b.commit(b.decided("shop@4", 4, rules.Passed)) // counted nothing
	b.commit(b.entry("shop@5", 5, 1))
	b.reopen()
	b.lists("all", b.passed("shop", "", 5), "shop@3 at 3: [{s 1 9 }]", "shop@1 at 1: [{s 1 9 }]")
	b.lists("but the newest", b.passed("shop", "shop@3", 5), "shop@1 at 1: [{s 1 9 }]")
	b.lists("one", b.passed("shop", "shop@5", 1), "shop@3 at 3: [{s 1 9 }]")
	b.lists("none", b.passed("shop", "", 0))
	b.commit(b.decided("shop@3", 9, rules.Failed)) // overridden
	b.lists("overridden", b.passed("shop", "", 5), "shop@1 at 1: [{s 1 9 }]")
}

func testPrune(b *bench) {
	ctx := b.Context()
	b.reopen("a")
	begun := b.entry("shop@1", 0, 2)
	begun.Snapshot = []byte("state")
	b.commit(begun, b.entry("mail@1", 0, 2))
	edited := b.entry("shop@1", 1, 0)
	edited.Digest, edited.Document = "edited", []byte(`{"edited":true}`)
	b.commit(edited)
	end := b.decided("shop@1", 2, rules.RolledBack)
	end.Digest, end.Document = "shared", []byte(`{"shared":true}`)
	other := b.entry("mail@1", 2, 0)
	other.Digest, other.Document = "shared", end.Document
	b.commit(end, other)
	b.ok("Delivered", b.j.Delivered(ctx, "a", "shop@1", 3))

	if p := must[journal.Pruned](b)(b.j.Prune(ctx, at(2), 1)); p != (journal.Pruned{}) {
		b.Errorf("a run decided at that time was dropped: %+v", p)
	}
	p := must[journal.Pruned](b)(b.j.Prune(ctx, at(3), 1))
	if want := (journal.Pruned{Runs: 1, Ticks: 3, Events: 3, Snapshots: 1, Plans: 2}); p != want {
		b.Errorf("got %+v, want %+v", p, want)
	}
	for range 2 { // in this opening and in the next
		b.lists("runs", b.runs(fact.RunFilter{}), "mail@1")
		b.lists("events", b.ids("shop@1", 0))
		if r := must[fact.Recovery](b)(b.j.Recover(ctx, "shop@1")); !reflect.DeepEqual(r, fact.Recovery{}) {
			b.Errorf("a dropped run can be recovered: %+v", r)
		}
		for _, digest := range []string{"edited", "digest of shop@1"} {
			_, err := b.j.Document(ctx, digest)
			b.fails("Document "+digest, err, journal.ErrNotFound)
		}
		must[[]byte](b)(b.j.Document(ctx, "shared"))
		if r := must[fact.Recovery](b)(b.j.Recover(ctx, "mail@1")); len(r.Later) != 2 || len(r.Later[0].Events) != 2 {
			b.Errorf("the other run: got %+v, want two ticks and two events", r)
		}
		b.reopen("a")
	}
	b.seq["shop@1"], b.n["shop@1"] = 0, 0
	b.commit(b.entry("shop@1", 9, 1)) // the id is free again
	b.lists("a run of the same id", b.pending("a"), "mail@1 after 0 of 2", "shop@1 after 0 of 1")
}

func testPruneKeeps(b *bench) {
	ctx := b.Context()
	b.reopen("a", "b")
	for i := range 4 {
		b.commit(b.decided(fmt.Sprintf("passed@%d", i), i, rules.Passed))
	}
	b.commit(b.decided("failed@1", 5, rules.Failed))
	b.commit(b.decided("undelivered@1", 5, rules.Failed))
	b.commit(b.decided("dead@1", 5, rules.Failed))
	live := b.decided("held@1", 5, rules.RolledBack)
	live.Record.Over = false // its rollback is not done
	b.commit(live, b.entry("running@1", 5, 1))
	for _, run := range b.runs(fact.RunFilter{}) {
		b.ok("Delivered", b.j.Delivered(ctx, "a", run, 1))
		switch run {
		case "undelivered@1":
		case "dead@1":
			b.ok("Bury", b.j.Bury(ctx, "b", run, 1, at(6), "410 Gone"))
		default:
			b.ok("Delivered", b.j.Delivered(ctx, "b", run, 1))
		}
	}
	prune := func(keep int, want int64, what string) {
		b.Helper()
		if p := must[journal.Pruned](b)(b.j.Prune(ctx, at(100), keep)); p.Runs != want {
			b.Errorf("%s: dropped %d runs, want %d: left %q", what, p.Runs, want, b.runs(fact.RunFilter{}))
		}
	}
	prune(3, 2, "the oldest of four that passed, and the failed one")
	prune(0, 2, "all that passed but one, which is kept in any case")
	b.lists("kept", b.runs(fact.RunFilter{}), "running@1", "held@1", "dead@1", "undelivered@1", "passed@3")
	b.ok("Resolved", b.j.Resolved(ctx, "b", "dead@1", 1))
	prune(1, 1, "without dead letters")
	b.ok("Forget", b.j.Forget(ctx, "b"))
	prune(1, 1, "without the endpoint that was not told")
}

func testPruneReviews(b *bench) {
	ctx := b.Context()
	b.reopen("a")
	end := func(run, document string, state rules.State) {
		e := b.decided(run, 5, state)
		e.Document = []byte(document)
		b.commit(e)
	}
	review := func(run, from, to string) {
		e := b.entry(run, 6, 1)
		e.Record = b.decided(run, 5, rules.Failed).Record
		e.Events[0].Kind, e.Events[0].From, e.Events[0].To = fact.ReviewEvent, from, to
		b.commit(e)
	}
	const archive = `{"review":{"sign":["QA"],"archive":"wiki"}}`
	end("none@1", `{"review":{"sign":["QA"]}}`, rules.Failed)
	end("superseded@1", archive, rules.Superseded)
	for _, run := range []string{"unopened@1", "open@1", "complete@1", "failed@1", "archived@1", "again@1", "edited@1"} {
		end(run, archive, rules.Failed)
	}
	for _, run := range []string{"open@1", "complete@1", "failed@1", "archived@1", "again@1", "edited@1"} {
		review(run, "", fact.Open)
	}
	for _, run := range []string{"complete@1", "failed@1", "archived@1", "again@1"} {
		review(run, fact.Open, fact.Complete)
	}
	review("failed@1", fact.Complete, fact.Failed)
	review("archived@1", fact.Complete, fact.Archived)
	review("again@1", fact.Complete, fact.Archived)
	review("again@1", fact.Archived, fact.Void) // a person let the run go on
	review("again@1", "", fact.Open)
	edited := b.entry("edited@1", 7, 0)
	edited.Record, edited.Digest, edited.Document = b.decided("edited@1", 5, rules.Failed).Record, "without an archive", []byte(`{}`)
	b.commit(edited)
	for _, run := range b.runs(fact.RunFilter{}) {
		b.ok("Delivered", b.j.Delivered(ctx, "a", run, b.n[run]))
	}
	dropped := func(want int64, what string, left ...string) {
		b.Helper()
		if p := must[journal.Pruned](b)(b.j.Prune(ctx, at(100), 1)); p.Runs != want {
			b.Errorf("%s: dropped %d runs, want %d", what, p.Runs, want)
		}
		got := b.runs(fact.RunFilter{})
		slices.Sort(got)
		b.lists(what, got, left...)
	}
	dropped(4, "at first", "again@1", "complete@1", "failed@1", "open@1", "unopened@1")
	review("failed@1", fact.Complete, fact.Archived) // it was sent again
	review("again@1", fact.Complete, fact.Archived)
	b.ok("Delivered", b.j.Delivered(ctx, "a", "failed@1", b.n["failed@1"]))
	dropped(1, "after the archive took one", "again@1", "complete@1", "open@1", "unopened@1")
	b.ok("Forget", b.j.Forget(ctx, "a"))
	dropped(1, "without the endpoint", "complete@1", "open@1", "unopened@1")
}

func testPruneKeepsPassed(b *bench) {
	some := fact.Total{Signal: "s", Bad: 1, Samples: 9}
	passed := func(run string, begun, decided int, totals ...fact.Total) {
		e := b.decided(run, decided, rules.Passed, totals...)
		e.Record.Begun = at(begun)
		b.commit(e)
	}
	passed("shop@1", 0, 1, some)
	passed("shop@2", 2, 20, some) // decided last of those that counted
	passed("shop@3", 5, 30)       // decided last, and counted nothing
	passed("shop@4", 7, 8)        // begun before the next in the same second
	passed("shop@5", 7, 9)        // begun last
	passed("mail@1", 50, 60, some)
	for _, tt := range []struct {
		keep int
		want []string
	}{
		{2, []string{"mail@1", "shop@5", "shop@4", "shop@2", "shop@1"}},
		{1, []string{"mail@1", "shop@5", "shop@2"}},
	} {
		must[journal.Pruned](b)(b.j.Prune(b.Context(), at(100), tt.keep))
		b.lists(fmt.Sprintf("%d of each kind", tt.keep), b.runs(fact.RunFilter{}), tt.want...)
	}
	b.lists("what the next is compared with", b.passed("shop", "", 5), "shop@2 at 20: [{s 1 9 }]")
}
