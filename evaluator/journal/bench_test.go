package journal_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
)

// BenchmarkBaseline is one insert into SQLite with synchronous=FULL: what the
// others are measured against.
func BenchmarkBaseline(b *testing.B) {
	db, err := sql.Open("sqlite", "file:"+newPath(b)+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE events (pos INTEGER PRIMARY KEY, event TEXT)"); err != nil {
		b.Fatal(err)
	}
	insert, err := db.Prepare("INSERT INTO events (event) VALUES ($1)")
	if err != nil {
		b.Fatal(err)
	}
	text := fmt.Sprintf("%0700d", 1)
	for b.Loop() {
		if _, err := insert.Exec(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommit is one tick with so many events.
func BenchmarkCommit(b *testing.B) {
	for _, events := range []int{0, 1, 100, 2000} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			j := open(b, journal.Config{Path: newPath(b)})
			ctx, seq, n := context.Background(), uint64(0), 0
			for b.Loop() {
				e := entry(n)
				e.Events = e.Events[:0]
				for range events {
					n++
					e.Events = append(e.Events, entry(n).Events[0])
				}
				var err error
				if seq, err = j.Commit(ctx, seq, evaluator.Batch{e}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPassed looks for earlier releases in a journal of many events: 200
// plans, of which one in four passed, and one with as many events as all others.
func BenchmarkPassed(b *testing.B) {
	j := open(b, journal.Config{Path: newPath(b)})
	ctx, seq := context.Background(), uint64(0)
	for plan := range 201 {
		events := 1000
		if plan == 200 {
			events *= 200
		}
		e := entry(0)
		e.Plan, e.Events = fmt.Sprintf("plan %d", plan), nil
		for n := range events {
			ev := entry(n).Events[0]
			ev.Plan, ev.N, ev.Kind, ev.Reason = e.Plan, uint64(n+1), evaluator.RuleEvent, fmt.Sprintf("%0700d", n)
			if n == events-5 {
				ev.Kind = evaluator.RunEvent
				if plan%4 == 0 {
					ev.Totals = []evaluator.Total{{Signal: "errors", Bad: 1, Samples: 1000}}
				}
			}
			e.Events = append(e.Events, ev)
		}
		var err error
		if seq, err = j.Commit(ctx, seq, evaluator.Batch{e}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		past, err := j.Passed(ctx, "plan 200", 5)
		if err != nil || len(past) != 5 {
			b.Fatalf("%d releases, %v", len(past), err)
		}
	}
}

// BenchmarkCommitToCursor is what an event costs the journal on its way out:
// committed, read, and marked as delivered.
func BenchmarkCommitToCursor(b *testing.B) {
	j := open(b, journal.Config{Path: newPath(b), Endpoints: []string{"a"}})
	ctx, pos := context.Background(), uint64(0)
	for b.Loop() {
		if _, err := j.Commit(ctx, pos, evaluator.Batch{entry(int(pos) + 1)}); err != nil {
			b.Fatal(err)
		}
		got, err := j.Events(ctx, pos, 100)
		if err != nil || len(got) != 1 {
			b.Fatal(len(got), err)
		}
		pos = got[0].Pos
		if err := j.Delivered(ctx, "a", pos); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDelivered is one mark.
func BenchmarkDelivered(b *testing.B) {
	j := open(b, journal.Config{Path: newPath(b), Endpoints: []string{"a"}})
	pos := uint64(0)
	for b.Loop() {
		pos++
		if err := j.Delivered(context.Background(), "a", pos); err != nil {
			b.Fatal(err)
		}
	}
}
