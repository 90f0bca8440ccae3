package webhook

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// sqlFeed is a feed whose events and cursors lie in SQLite too, so that what a
// delivery costs stands beside what it must cost.
type sqlFeed struct {
	*outboxtest.Feed
	full, lazy *sql.DB
}

func newSQLFeed(b *testing.B) *sqlFeed {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bench.db")
	open := func(sync string) *sql.DB {
		db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=synchronous("+sync+")")
		if err != nil {
			b.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		b.Cleanup(func() { _ = db.Close() })
		return db
	}
	f := &sqlFeed{Feed: outboxtest.New(), full: open("FULL"), lazy: open("NORMAL")}
	for _, s := range []string{
		`CREATE TABLE events (n INTEGER PRIMARY KEY, event TEXT NOT NULL)`,
		`CREATE TABLE cursors (endpoint TEXT PRIMARY KEY, n INTEGER NOT NULL)`,
		`INSERT INTO cursors VALUES ('a', 0)`,
	} {
		if _, err := f.full.Exec(s); err != nil {
			b.Fatal(err)
		}
	}
	return f
}

// store inserts events in one transaction and wakes all who watch. The newest
// stay in memory, as in the journal.
func (f *sqlFeed) store(b *testing.B, from, n int) {
	b.Helper()
	if err := insert(f.full, from, n); err != nil {
		b.Fatal(err)
	}
	events := make([]fact.Event, n)
	for i := range events {
		events[i] = sampleEvent(from + i)
	}
	f.Commit(b, events...)
}

func insert(db *sql.DB, from, n int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing is left to roll back after Commit
	for at := from; at < from+n; at++ {
		raw, err := json.Marshal(sampleEvent(at))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO events (n, event) VALUES ($1, $2)`, at, string(raw)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func sampleEvent(n int) fact.Event {
	return fact.Event{
		ID: "REL-2025-06-04/17", N: uint64(n), Plan: "REL-2025-06-04", At: time.Unix(1749002400, 0).UTC(), Kind: fact.RuleEvent,
		Subject: "api-5xx-high", To: "breaching", Totals: []fact.Total{{Signal: "api_5xx_rate", Bad: 302, Samples: 6000}, {Signal: "crash_free", Bad: 12, Samples: 14904}},
		Notify: []string{"pipeline", "a", "chat", strings.Repeat("x", 300)},
	}
}

func (f *sqlFeed) Delivered(ctx context.Context, endpoint, run string, n uint64) error {
	_, err := f.lazy.ExecContext(ctx, `UPDATE cursors SET n = $1 WHERE endpoint = $2 AND n < $3`, int64(n), endpoint, int64(n))
	return err
}

// sink takes everything and says so.
func sink(arrived chan<- struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
		arrived <- struct{}{}
	})
}

func benchmarked(b *testing.B, f outbox.Feed, url string) {
	b.Helper()
	h := box(b, f, outbox.Action, Config{Allow: []string{"127.0.0.0/8"}}, Endpoint{Name: "a", URL: url, Secrets: []string{secret}})
	b.Cleanup(outboxtest.Start(b, h))
}

// BenchmarkCommitToPost is one event at a time, from before its commit until it
// is at the receiver; x_baseline compares it with an insert and a post by hand
// in the same run. The budget is 1.3.
func BenchmarkCommitToPost(b *testing.B) {
	arrived := make(chan struct{}, 1)
	server := httptest.NewServer(sink(arrived))
	b.Cleanup(server.Close)
	f, pos := newSQLFeed(b), 1
	benchmarked(b, f, server.URL)
	var baseline, ours time.Duration
	for b.Loop() {
		began := time.Now()
		f.store(b, pos, 1)
		<-arrived
		ours += time.Since(began)
		pos++
		time.Sleep(2 * time.Millisecond) // the event is done with; only what the reader waits for counts

		began = time.Now()
		if err := insert(f.full, pos+1<<30, 1); err != nil {
			b.Fatal(err)
		}
		postByHand(b, server.URL)
		<-arrived
		baseline += time.Since(began)
		if _, err := f.full.Exec(`DELETE FROM events WHERE n > $1`, 1<<30); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "µs/event")
	b.ReportMetric(float64(baseline.Microseconds())/float64(b.N), "µs/baseline")
	b.ReportMetric(float64(ours)/float64(baseline), "x_baseline")
}

func postByHand(b *testing.B, url string) {
	b.Helper()
	raw, err := json.Marshal(sampleEvent(1))
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.Post(url, "application/json", bytes.NewReader(raw))
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close()
}

// BenchmarkBurst is 2,000 events in one commit, to one receiver, in order;
// x_baseline compares it with inserting as many and posting them by hand over one
// connection, unsigned.
func BenchmarkBurst(b *testing.B) {
	const n = 2000
	arrived := make(chan struct{}, n)
	server := httptest.NewServer(sink(arrived))
	b.Cleanup(server.Close)
	f, pos := newSQLFeed(b), 1
	benchmarked(b, f, server.URL)
	var baseline, ours time.Duration
	for b.Loop() {
		began := time.Now()
		f.store(b, pos, n)
		for range n {
			<-arrived
		}
		ours += time.Since(began)
		pos += n
		began = time.Now()
		if err := insert(f.full, pos+1<<30, n); err != nil {
			b.Fatal(err)
		}
		for range n {
			postByHand(b, server.URL)
			<-arrived
		}
		baseline += time.Since(began)
		if _, err := f.full.Exec(`DELETE FROM events WHERE n > $1`, 1<<30); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/ours.Seconds(), "events/s")
	b.ReportMetric(float64(ours)/float64(baseline), "x_baseline")
}
