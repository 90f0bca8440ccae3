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
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/relgate/relgate/evaluator"
)

// sqlFeed is memFeed whose events and cursors lie in SQLite, so that what a
// delivery costs stands beside what it must cost.
type sqlFeed struct {
	*memFeed
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
	f := &sqlFeed{memFeed: newMemFeed(), full: open("FULL"), lazy: open("NORMAL")}
	for _, s := range []string{
		`CREATE TABLE events (pos INTEGER PRIMARY KEY, event TEXT NOT NULL)`,
		`CREATE TABLE cursors (endpoint TEXT PRIMARY KEY, pos INTEGER NOT NULL)`,
		`INSERT INTO cursors VALUES ('a', 0)`,
	} {
		if _, err := f.full.Exec(s); err != nil {
			b.Fatal(err)
		}
	}
	return f
}

// commit inserts events in one transaction and wakes whoever watches.
func (f *sqlFeed) commit(b *testing.B, from, n int) {
	b.Helper()
	if err := insert(f.full, from, n); err != nil {
		b.Fatal(err)
	}
	f.mu.Lock()
	close(f.watch)
	f.watch = make(chan struct{})
	f.mu.Unlock()
}

func insert(db *sql.DB, from, n int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing is left to roll back after Commit
	for pos := from; pos < from+n; pos++ {
		raw, err := json.Marshal(sampleEvent(pos))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO events (pos, event) VALUES ($1, $2)`, pos, string(raw)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func sampleEvent(pos int) evaluator.Event {
	return evaluator.Event{
		ID: "REL-2025-06-04/17", N: uint64(pos), Plan: "REL-2025-06-04", At: time.Unix(1749002400, 0).UTC(), Kind: evaluator.RuleEvent,
		Subject: "api-5xx-high", From: "breaching", To: "fired", Reason: "5.03 % > 3 % for 10m", Owner: "DevSecOps",
		Evidence: &evaluator.Evidence{Signal: "api_5xx_rate", Known: true, Value: 0.0503, Threshold: 0.03, Points: 10, Expected: 10, Samples: 6000},
		Action:   "pause the rollout, revert the alias", Command: "aws lambda update-alias --function-name bioage-inference --name live",
	}
}

func (f *sqlFeed) Events(ctx context.Context, after uint64, limit int) ([]evaluator.Stored, error) {
	rows, err := f.lazy.QueryContext(ctx, `SELECT pos, event FROM events WHERE pos > $1 ORDER BY pos LIMIT $2`, int64(after), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // Err says what went wrong
	var all []evaluator.Stored
	for rows.Next() {
		var s evaluator.Stored
		if err := rows.Scan(&s.Pos, &s.Raw); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(s.Raw, &s.Event); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

func (f *sqlFeed) Delivered(ctx context.Context, endpoint string, pos uint64) error {
	_, err := f.lazy.ExecContext(ctx, `UPDATE cursors SET pos = $1 WHERE endpoint = $2 AND pos < $3`, int64(pos), endpoint, int64(pos))
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

func benchmarked(b *testing.B, f Feed, url string) {
	b.Helper()
	h := mustNew(b, Config{
		Endpoints: []Endpoint{{Name: "a", URL: url, Class: Action, Secrets: []string{secret}}}, Feed: f, Allow: []string{"127.0.0.0/8"},
	})
	b.Cleanup(start(b, h))
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
		f.commit(b, pos, 1)
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
		if _, err := f.full.Exec(`DELETE FROM events WHERE pos > $1`, 1<<30); err != nil {
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
		f.commit(b, pos, n)
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
		if _, err := f.full.Exec(`DELETE FROM events WHERE pos > $1`, 1<<30); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/ours.Seconds(), "events/s")
	b.ReportMetric(float64(ours)/float64(baseline), "x_baseline")
}
