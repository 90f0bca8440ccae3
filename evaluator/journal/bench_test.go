package journal_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
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
			seq, n := 0, 0
			for b.Loop() {
				seq++
				e := entry(seq)
				e.Events = e.Events[:0]
				for range events {
					n++
					e.Events = append(e.Events, entry(n).Events[0])
				}
				if err := j.Commit(context.Background(), fact.Batch{e}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCommitToCursor is what an event costs the journal on its way out:
// committed, read, and marked as delivered.
func BenchmarkCommitToCursor(b *testing.B) {
	j := open(b, journal.Config{Path: newPath(b), Endpoints: []string{"a"}})
	ctx, n, mark := context.Background(), 0, uint64(0)
	for b.Loop() {
		n++
		if err := j.Commit(ctx, fact.Batch{entry(n)}); err != nil {
			b.Fatal(err)
		}
		got, next, ok := j.Newer(mark, 100)
		if !ok || len(got) != 1 {
			b.Fatal(len(got), ok)
		}
		mark = next
		if err := j.Delivered(ctx, "a", "p", got[0].Event.N); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOrder is what an order costs the journal on its way out to three
// endpoints: committed, read, and marked as done.
func BenchmarkOrder(b *testing.B) {
	endpoints := []string{"a", "b", "c"}
	j := open(b, journal.Config{Path: newPath(b), Endpoints: endpoints})
	ctx, n := context.Background(), 0
	for b.Loop() {
		n++
		e := entry(n)
		e.Events[0].To = string(fact.RuleFired)
		if err := j.Commit(ctx, fact.Batch{e}); err != nil {
			b.Fatal(err)
		}
		for _, name := range endpoints {
			got, err := j.Orders(ctx, name)
			if err != nil || len(got) != 1 {
				b.Fatal(len(got), err)
			}
			if err := j.OrderDone(ctx, name, "p", got[0].Event.N); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkDelivered is one mark.
func BenchmarkDelivered(b *testing.B) {
	j := open(b, journal.Config{Path: newPath(b), Endpoints: []string{"a"}})
	if _, err := fill(j, 0, 1); err != nil {
		b.Fatal(err)
	}
	n := uint64(0)
	for b.Loop() {
		n++
		if err := j.Delivered(context.Background(), "a", "p", n); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEndedRuns is opening, committing and recovering beside 1,000 ended runs
// of 30 hours, a tick a minute, against the same in a journal without any. The goal
// is 1.1. Making the runs takes two minutes.
func BenchmarkEndedRuns(b *testing.B) {
	const live = 60 // ticks to be recovered
	paths := [2]string{newPath(b), newPath(b)}
	full := open(b, journal.Config{Path: paths[1], Endpoints: []string{"a"}})
	endedRuns(b, full, 1000, 30*60)
	if err := full.Close(); err != nil {
		b.Fatal(err)
	}
	var took [2]struct{ open, commit, recover time.Duration }
	var tick [2]int
	for b.Loop() {
		for i, path := range paths {
			began := time.Now()
			j := open(b, journal.Config{Path: path, Endpoints: []string{"a"}})
			took[i].open += time.Since(began)
			began = time.Now()
			for range live {
				tick[i]++
				if err := j.Commit(context.Background(), fact.Batch{entryOf("live", tick[i])}); err != nil {
					b.Fatal(err)
				}
			}
			took[i].commit += time.Since(began)
			began = time.Now()
			if _, err := j.Recover(context.Background(), "live"); err != nil {
				b.Fatal(err)
			}
			took[i].recover += time.Since(began)
			if err := j.Save(context.Background(), "live", uint64(tick[i]), []byte("state")); err != nil {
				b.Fatal(err)
			}
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(took[1].open)/float64(took[0].open), "x_open")
	b.ReportMetric(float64(took[1].commit)/float64(took[0].commit), "x_commit")
	b.ReportMetric(float64(took[1].recover)/float64(took[0].recover), "x_recover")
	b.ReportMetric(took[1].open.Seconds()*1000/float64(b.N), "open-ms")
	b.ReportMetric(took[1].recover.Seconds()*1000/float64(b.N), "recover-ms")
	b.ReportMetric(took[1].commit.Seconds()*1e6/float64(b.N)/live, "commit-µs")
}

// endedRuns fills a journal with runs that are over, a tick a minute and an event
// every tenth; all of one plan, half of them passed.
func endedRuns(b *testing.B, j *journal.Journal, runs, ticks int) {
	b.Helper()
	var n [100]int
	for first := 0; first < runs; first += len(n) {
		clear(n[:])
		for tick := 1; tick <= ticks; tick++ {
			batch := make(fact.Batch, len(n))
			for k := range batch {
				e := entryOf(fmt.Sprintf("p@%d", first+k), tick)
				if e.Events = e.Events[:1]; tick%10 != 0 {
					e.Events = nil
				} else {
					n[k]++
					e.Events[0].N = uint64(n[k])
				}
				if e.Document = nil; tick == 1 {
					e.Document = []byte("{}")
				}
				if tick == ticks {
					e = last(e)
					if k%2 == 0 {
						e.Record.State = rules.Passed
					}
				}
				batch[k] = e
			}
			if err := j.Commit(context.Background(), batch); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkPushes reads the pushes of an hour to an inbox that has had one a minute for 30
// days, each about the same three alerts.
func BenchmarkPushes(b *testing.B) {
	j := open(b, journal.Config{Path: newPath(b)})
	const minutes = 30 * 24 * 60
	for i := range minutes {
		p := journal.Push{At: time.Unix(int64(i)*60, 0)}
		for _, alert := range []string{"a", "b", "c"} {
			p.Alerts = append(p.Alerts, journal.Pushed{Alert: alert, Said: []byte(`{"id":"a","labels":{"alertname":"Watchdog","severity":"none"},"state":"on","begun":1750000000000}`)})
		}
		if _, err := j.KeepPush(b.Context(), "am", p); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for b.Loop() {
		list, err := j.Pushes(b.Context(), "am", time.Unix((minutes-60)*60, 0))
		if err != nil || len(list) != 61 {
			b.Fatal(len(list), err)
		}
	}
}
