package bench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// post is a request as it came in.
type post struct {
	at time.Time
	n  uint64 // the event's ordinal; zero if the request is not relgate's
}

// receiver accepts every request and reports when it came.
func receiver(tb testing.TB) (url string, arrived chan post) {
	tb.Helper()
	arrived = make(chan post, 1<<14)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := post{at: time.Now()}
		_, _ = io.Copy(io.Discard, r.Body)
		id := r.Header.Get("Webhook-Id")
		p.n, _ = strconv.ParseUint(id[strings.LastIndexByte(id, '/')+1:], 10, 64)
		w.WriteHeader(http.StatusNoContent)
		arrived <- p
	}))
	tb.Cleanup(s.Close)
	return s.URL, arrived
}

// store is a journal with the webhooks of a daemon behind it.
type store struct {
	*journal.Journal
	hooks *outbox.Outbox
	seq   uint64
	n     uint64 // events so far
}

// newStore delivers what is committed to url, with the words that the daemon adds
// and signed, until the benchmark ends. The events are of wide plans.
func newStore(tb testing.TB, url string) *store {
	tb.Helper()
	plan := wide(tb, "wide", 1)
	j, err := journal.Open(tb.Context(), journal.Config{Path: filepath.Join(tb.TempDir(), "relgate.db"), Endpoints: []string{"pipeline"}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = j.Close() })
	sink, err := webhook.New(webhook.Config{Allow: []string{"127.0.0.1/32"}}, webhook.Endpoint{Name: "pipeline", URL: url, Secrets: []string{"a secret of the benchmark"}})
	if err != nil {
		tb.Fatal(err)
	}
	h, err := outbox.New(outbox.Config{
		Endpoints: []outbox.Endpoint{{Name: "pipeline", Class: outbox.Action, Sink: sink}},
		Feed:      j, Log: slog.New(slog.DiscardHandler),
		Encode: func(_ context.Context, s fact.Stored) ([]byte, error) {
			return json.Marshal(wire.Event(plan, &s.Event, nil))
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	running(tb, h.Run)
	return &store{Journal: j, hooks: h}
}

// running runs something until the benchmark ends.
func running(tb testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
}

// theRun is the run whose events are sent.
const theRun = "wide@1.0.0"

// fired is the event of a rollback rule that has fired: an order.
func fired(n uint64) fact.Event { return changed(n, fact.RuleBreaching, fact.RuleFired) }

// breached is the event of a rollback rule whose time runs: it is told in order.
func breached(n uint64) fact.Event {
	return changed(n, fact.RuleClear, fact.RuleBreaching)
}

func changed(n uint64, from, to fact.RuleState) fact.Event {
	at := epoch.Add(time.Duration(n) * time.Second)
	return fact.Event{
		ID: theRun + ".k3x9/" + strconv.FormatUint(n, 10), N: n, Plan: "wide", At: at, Kind: fact.RuleEvent,
		Subject: "r" + signalName(0), From: string(from), To: string(to), Cause: rules.CauseThreshold,
		Evidence: &fact.Evidence{Signal: signalName(0), Known: true, Value: 0.0503, Threshold: 0.03, Points: 10, Expected: 10, Samples: 6000},
	}
}

// commit makes a tick of so many events durable.
func (s *store) commit(tb testing.TB, events int, event func(n uint64) fact.Event) {
	tb.Helper()
	e := fact.Entry{
		Run: theRun, After: s.seq, Digest: "d", Tick: fact.Tick{At: epoch.Add(time.Duration(s.n) * time.Second)},
		Record: fact.RunRecord{ID: theRun, Plan: "wide", Version: "1.0.0", Try: 1, Begun: epoch, State: rules.Monitoring},
	}
	if s.seq == 0 { // as the runner: once is enough
		e.Document = []byte("{}")
	}
	for range events {
		s.n++
		e.Events = append(e.Events, event(s.n))
	}
	if err := s.Commit(tb.Context(), fact.Batch{e}); err != nil {
		tb.Fatal(err)
	}
	s.seq++
}

// settle waits until the endpoint is done, cursor and all.
func (s *store) settle(tb testing.TB) {
	tb.Helper()
	if err := s.hooks.Drain(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// byHand is the least that a durable delivery needs: insert into SQLite with
// synchronous=FULL, then post.
type byHand struct {
	insert *sql.Stmt
	url    string
	n      uint64
}

func newByHand(tb testing.TB, url string) *byHand {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(tb.TempDir(), "hand.db")+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec("CREATE TABLE events (pos INTEGER PRIMARY KEY, event TEXT NOT NULL)"); err != nil {
		tb.Fatal(err)
	}
	h := &byHand{url: url}
	if h.insert, err = db.Prepare("INSERT INTO events (event) VALUES ($1)"); err != nil {
		tb.Fatal(err)
	}
	return h
}

func (h *byHand) send(tb testing.TB) {
	tb.Helper()
	h.n++
	raw, err := json.Marshal(fired(h.n))
	if err == nil {
		_, err = h.insert.Exec(string(raw))
	}
	if err != nil {
		tb.Fatal(err)
	}
	res, err := http.Post(h.url, "application/json", bytes.NewReader(raw))
	if err != nil {
		tb.Fatal(err)
	}
	_ = res.Body.Close()
}

// BenchmarkCommittedEvent is one event from before its commit to the journal
// until the receiver has it, against insert and post by hand. The goal is 1.3.
func BenchmarkCommittedEvent(b *testing.B) {
	b.Run("order", func(b *testing.B) { committed(b, fired) })
	b.Run("rest", func(b *testing.B) { committed(b, breached) })
}

func committed(b *testing.B, event func(uint64) fact.Event) {
	url, arrived := receiver(b)
	s, h := newStore(b, url), newByHand(b, url)
	var ours, hand took
	for b.Loop() {
		began := time.Now()
		s.commit(b, 1, event)
		ours = append(ours, (<-arrived).at.Sub(began))
		s.settle(b)
		began = time.Now()
		h.send(b)
		hand = append(hand, (<-arrived).at.Sub(began))
	}
	b.ReportMetric(millis(ours.median()), "ms")
	b.ReportMetric(millis(hand.median()), "by-hand-ms")
	b.ReportMetric(ratio(ours, hand), "x_by-hand")
	noOp(b)
}

// The receiver of the benchmarks sees what was committed, once and in order.
func TestEventsArrive(t *testing.T) {
	url, arrived := receiver(t)
	s := newStore(t, url)
	s.commit(t, 3, breached)
	s.settle(t)
	for n := uint64(1); n <= 3; n++ {
		if got := (<-arrived).n; got != n {
			t.Errorf("event %d arrived in place %d", got, n)
		}
	}
	newByHand(t, url).send(t)
	if got := (<-arrived).n; got != 0 {
		t.Errorf("by hand: got ordinal %d, want none", got)
	}
	if len(arrived) > 0 {
		t.Errorf("%d requests too many", len(arrived))
	}
}
