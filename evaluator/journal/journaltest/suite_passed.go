package journaltest

import (
	"fmt"
	"slices"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
)

// moved is a tick whose second event of three moves the run.
func (b *bench) moved(plan string, second int, to string, totals ...evaluator.Total) evaluator.Entry {
	e := b.entry(plan, second, 3)
	e.Events[1].Kind, e.Events[1].From, e.Events[1].To, e.Events[1].Totals = evaluator.RunEvent, "monitoring", to, totals
	e.Events[0].Reason = `it says "kind":"run" and "totals":[`
	e.Events[2].Reason = e.Events[0].Reason
	return e
}

func (b *bench) passed(except string, limit int) (list []string) {
	b.Helper()
	past := must[[]evaluator.Past](b)(b.j.Passed(b.Context(), except, limit))
	if past == nil {
		b.Error("Passed: got nil, which means that nobody looked")
	}
	for _, p := range past {
		list = append(list, fmt.Sprintf("%s at %d: %v", p.Plan, p.At.Unix()-at(0).Unix(), p.Totals))
	}
	return list
}

func testPassed(b *bench) {
	want := func(when string, got []string, want ...string) {
		b.Helper()
		if !slices.Equal(got, want) {
			b.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	want("at first", b.passed("", 5))
	some := evaluator.Total{Signal: `a "b" <c>`, Bad: 1, Samples: 1e9}
	b.commit(b.moved("b", 1, "passed", some), b.moved("a", 1, "passed", evaluator.Total{Signal: "s", Samples: 2}))
	b.commit(b.moved("undone", 2, "passed", some))
	b.commit(b.moved("undone", 3, "rolled_back"), b.moved("failed", 3, "failed"))
	b.commit(b.moved("bare", 4, "passed"))
	b.commit(b.moved("c", 5, "passed", some), b.entry("d", 5, 9))
	all := []string{`c at 5: [{a "b" <c> 1 1e+09}]`, `a at 1: [{s 0 2}]`, `b at 1: [{a "b" <c> 1 1e+09}]`}
	want("all", b.passed("", 5), all...)
	want("but c", b.passed("c", 5), all[1:]...)
	want("two", b.passed("nobody", 2), all[:2]...)
	want("none", b.passed("", 0))

	for _, plan := range []string{"a", "b", "undone"} {
		e := b.entry(plan, 10, 0)
		e.Snapshot = []byte("s")
		b.commit(e)
	}
	p := must[journal.Pruned](b)(b.j.Prune(b.Context(), at(20)))
	if p.Events != 2+2+6 {
		b.Errorf("pruned %d events, want all but the two with which runs passed", p.Events)
	}
	b.reopen()
	want("pruned", b.passed("", 5), all...)
	must[journal.Pruned](b)(b.j.Prune(b.Context(), at(30)))
	want("pruned twice", b.passed("", 5), all...)
	b.commit(b.moved("a", 40, "monitoring"))
	want("overridden", b.passed("", 5), all[0], all[2])
}
