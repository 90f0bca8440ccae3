package journal_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

// path of a journal that is not there yet.
func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "relgate.db") }

func open(t testing.TB, c journal.Config) *journal.Journal {
	t.Helper()
	j, err := journal.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() }) // most tests close it before
	return j
}

// entry is tick n of run p with one event and some weight.
func entry(n int) fact.Entry { return entryOf("p", n) }

func entryOf(run string, n int) fact.Entry {
	at := time.Unix(1_750_000_000+int64(n), 0).UTC()
	return fact.Entry{
		Run: run, After: uint64(n - 1), Digest: "d", Document: []byte("{}"), Tick: fact.Tick{At: at},
		Events: []fact.Event{{ID: fmt.Sprintf("%s/%d", run, n), N: uint64(n), Plan: "p", At: at, Kind: fact.RuleEvent, Subject: strings.Repeat("x", 500)}},
		Record: fact.RunRecord{ID: run, Plan: "p", Version: "1", Begun: at, State: rules.Monitoring},
	}
}

// last is an entry that ends its run.
func last(e fact.Entry) fact.Entry {
	e.Record.State, e.Record.Decided, e.Record.Over = rules.Failed, e.Tick.At, true
	return e
}

// fill commits ticks after a sequence until n are there, and returns the first
// error with the number that were committed.
func fill(j *journal.Journal, after, n int) (int, error) {
	for i := after + 1; i <= n; i++ {
		if err := j.Commit(context.Background(), fact.Batch{entry(i)}); err != nil {
			return i - 1, err
		}
	}
	return n, nil
}

// newest is the sequence of the newest tick of run p, 0 before the first.
func newest(j *journal.Journal) (uint64, error) {
	r, err := j.Run(context.Background(), "p")
	if errors.Is(err, journal.ErrNotFound) {
		err = nil
	}
	return r.Seq, err
}

func TestSecondOpen(t *testing.T) {
	path := newPath(t)
	j := open(t, journal.Config{Path: path})
	pid := fmt.Sprintf("process %d", os.Getpid())
	if runtime.GOOS == "windows" {
		pid = "stop it" // a file that is held cannot be read there
	}
	_, err := journal.Open(t.Context(), journal.Config{Path: path})
	if !errors.Is(err, journal.ErrLocked) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), pid) {
		t.Errorf("second Open: got %v, want ErrLocked with the file's name and the process", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, journal.Config{Path: path}).Close(); err != nil {
		t.Error(err)
	}
}

// TestKilled runs itself as a daemon that commits without end and tells orders,
// kills it, and wants every commit that it told of, and of each order what became
// of it.
func TestKilled(t *testing.T) {
	if path := os.Getenv("RELGATE_TEST_JOURNAL"); path != "" {
		j, err := journal.Open(context.Background(), journal.Config{Path: path, Endpoints: []string{"a"}})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		seq, err := newest(j)
		if err == nil {
			err = tellOrders(j)
		}
		for i := int(seq) + 1; err == nil; i++ {
			order := entry(i)
			order.Events[0].To = string(fact.RuleFired)
			if err = j.Commit(context.Background(), fact.Batch{order, entryOf("q", i)}); err == nil {
				err = tellOrders(j)
			}
			if err == nil {
				fmt.Println(i)
			}
		}
		fmt.Println(err)
		os.Exit(1)
	}
	path := newPath(t)
	for round := range 5 {
		told := killedWriter(t, path, 5+20*round)
		r0 := open(t, journal.Config{Path: path, ReadOnly: true}) // what is left can be looked at as it is
		if seq, err := newest(r0); err != nil || seq < told || seq > told+1 {
			t.Errorf("read only: sequence %d, %v; it told of %d", seq, err, told)
		}
		if err := r0.Close(); err != nil {
			t.Error(err)
		}
		j := open(t, journal.Config{Path: path}) // the lock died with its holder
		seq, err := newest(j)
		if err != nil || seq < told || seq > told+1 {
			t.Errorf("sequence %d, %v; it told of %d", seq, err, told)
		}
		for _, run := range []string{"p", "q"} {
			r, err := j.Recover(t.Context(), run)
			if err != nil || uint64(len(r.Later)) != seq {
				t.Errorf("run %s: recovered %d ticks of %d: %v", run, len(r.Later), seq, err)
			}
		}
		ordersTold(t, j, told, seq)
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}

// tellOrders tries each order that is pending and was not tried: it takes every
// third for delivered, fails at the next one, and gives up the one after.
func tellOrders(j *journal.Journal) error {
	ctx := context.Background()
	orders, err := j.Orders(ctx, "a")
	for _, o := range orders {
		if err != nil || o.Attempts > 0 {
			continue
		}
		switch n := o.Event.N; n % 3 {
		case 0:
			err = j.OrderDone(ctx, "a", o.Run, n)
		case 1:
			err = j.OrderFailed(ctx, "a", o.Run, n, 1, entry(int(n)).Tick.At, "500")
		case 2:
			err = j.BuryOrder(ctx, "a", o.Run, n, entry(int(n)).Tick.At, "410 Gone")
		}
	}
	return err
}

// ordersTold checks what became of each order of a journal with so many ticks,
// whose writer was killed after it had told of some: the newest may be as it was
// committed.
func ordersTold(t *testing.T, j *journal.Journal, told, ticks uint64) {
	t.Helper()
	orders, err := j.Orders(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	letters, err := j.DeadLetters(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	became := map[string]string{} // :: id of the event
	for _, o := range orders {
		became[o.Event.ID] += fmt.Sprint("pending ", o.Attempts)
	}
	for _, d := range letters {
		became[d.Event.ID] += "dead"
	}
	for n := uint64(1); n <= ticks; n++ {
		want := []string{"", "pending 1", "dead"}[n%3]
		id := fmt.Sprintf("p/%d", n)
		if became[id] != want && (n <= told || became[id] != "pending 0") {
			t.Errorf("order %d of %d, told of %d: it became %q, want %q", n, ticks, told, became[id], want)
		}
		delete(became, id)
	}
	if len(became) > 0 {
		t.Errorf("these are no orders: %v", became)
	}
}

// killedWriter kills a writer after it has told of some commits, and returns the
// last it told of.
func killedWriter(t *testing.T, path string, commits int) (told uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "RELGATE_TEST_JOURNAL="+path)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == commits {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fmt.Sscan(lines.Text(), &told); err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the writer was not killed")
	}
	return told
}

// TestFull: a full disk is named, loses nothing, and is over when there is space.
func TestFull(t *testing.T) {
	path := newPath(t)
	j := open(t, journal.Config{Path: path, Pages: 60, Endpoints: []string{"a"}})
	n, err := fill(j, 0, 10_000)
	if !errors.Is(err, journal.ErrFull) || !strings.Contains(err.Error(), path) {
		t.Fatalf("after %d commits: got %v, want ErrFull with the file's name", n, err)
	}
	if n < 10 {
		t.Fatalf("only %d commits fitted", n)
	}
	if seq, err := newest(j); err != nil || seq != uint64(n) {
		t.Errorf("sequence %d, %v; want %d", seq, err, n)
	}
	if err := j.Delivered(t.Context(), "a", "p", uint64(n)); err != nil {
		t.Errorf("a cursor needs no space: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, journal.Config{Path: path, Pages: 120})
	r, err := j.Recover(t.Context(), "p")
	if err != nil || len(r.Later) != n {
		t.Fatalf("recovered %d ticks of %d: %v", len(r.Later), n, err)
	}
	if m, _ := fill(j, n, 10_000); m < n+10 {
		t.Errorf("with more space only %d commits more", m-n)
	}
}

func TestReadOnly(t *testing.T) {
	path := newPath(t)
	if _, err := journal.Open(t.Context(), journal.Config{Path: path, ReadOnly: true}); err == nil {
		t.Error("a journal that does not exist was opened for reading")
	}
	j := open(t, journal.Config{Path: path, Endpoints: []string{"a"}})
	if _, err := fill(j, 0, 3); err != nil {
		t.Fatal(err)
	}
	r := open(t, journal.Config{Path: path, ReadOnly: true}) // beside the writer
	if got, err := r.Events(t.Context(), "p", 0, 10); err != nil || len(got) != 3 {
		t.Errorf("read %d events of 3: %v", len(got), err)
	}
	if _, err := fill(j, 3, 4); err != nil {
		t.Errorf("the writer was disturbed: %v", err)
	}
	if got, err := r.Events(t.Context(), "p", 0, 10); err != nil || len(got) != 4 {
		t.Errorf("read %d events of 4: %v", len(got), err)
	}
	if err := r.Commit(t.Context(), fact.Batch{entry(5)}); err == nil {
		t.Error("a journal that was opened for reading took a commit")
	}
	if _, err := r.Prune(t.Context(), entry(9).Tick.At, 1); err == nil {
		t.Error("a journal that was opened for reading was pruned")
	}
	if err := r.Delivered(t.Context(), "a", "p", 1); err == nil {
		t.Error("a journal that was opened for reading moved a cursor")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		config func(t *testing.T) journal.Config
		want   error
		says   string
	}{
		"no path":   {func(*testing.T) journal.Config { return journal.Config{} }, nil, "no path"},
		"no folder": {func(t *testing.T) journal.Config { return journal.Config{Path: newPath(t) + "/x/y.db"} }, os.ErrNotExist, "create it"},
		"a folder":  {func(t *testing.T) journal.Config { return journal.Config{Path: t.TempDir()} }, nil, "name a file in it with daemon.journal"},
		"text":      {func(t *testing.T) journal.Config { return with(t, []byte(strings.Repeat("hello, world\n", 100))) }, journal.ErrCorrupt, "damaged"},
		"a header that SQLite only reads": {func(t *testing.T) journal.Config {
			b := sample(t)
			b[18] = 3
			return with(t, b)
		}, journal.ErrCorrupt, "version 3"},
		"another database":       {func(t *testing.T) journal.Config { return changed(t, "DROP TABLE meta") }, journal.ErrCorrupt, "docs/operations.md"},
		"the form before":        {older, journal.ErrOlder, "cannot be continued; move the file away"},
		"a newer form":           {func(t *testing.T) journal.Config { return changed(t, "UPDATE meta SET form = 99") }, journal.ErrNewer, "form 99"},
		"a form below the first": {func(t *testing.T) journal.Config { return changed(t, "UPDATE meta SET form = 0") }, journal.ErrCorrupt, "form 0"},
		"form 1 with orders":     {func(t *testing.T) journal.Config { return changed(t, "UPDATE meta SET form = 1") }, journal.ErrCorrupt, "table orders: true"},
		"form 5 without orders":  {func(t *testing.T) journal.Config { return changed(t, "DROP TABLE orders") }, journal.ErrCorrupt, "table orders: false"},
		"form 2 with pushes":     {func(t *testing.T) journal.Config { return changed(t, "UPDATE meta SET form = 2") }, journal.ErrCorrupt, "table pushes: true"},
		"form 5 without pushes":  {func(t *testing.T) journal.Config { return changed(t, "DROP TABLE pushes") }, journal.ErrCorrupt, "table pushes: false"},
		"form 3 with kept":       {func(t *testing.T) journal.Config { return changed(t, "UPDATE meta SET form = 3") }, journal.ErrCorrupt, "table kept: true"},
		"form 5 without kept":    {func(t *testing.T) journal.Config { return changed(t, "DROP TABLE kept") }, journal.ErrCorrupt, "table kept: false"},
		"form 4 with links":      {func(t *testing.T) journal.Config { return changed(t, "UPDATE meta SET form = 4") }, journal.ErrCorrupt, "links: true"},
		"form 5 without links":   {func(t *testing.T) journal.Config { return changed(t, "ALTER TABLE ticks DROP COLUMN link") }, journal.ErrCorrupt, "links: false"},
		"form 1 without a column": {func(t *testing.T) journal.Config {
			return execute(t, form1(t), "ALTER TABLE cursors DROP COLUMN attempts")
		}, journal.ErrCorrupt, "attempts"},
		"no row in meta":           {func(t *testing.T) journal.Config { return changed(t, "DELETE FROM meta") }, journal.ErrCorrupt, "form"},
		"a column is missing":      {func(t *testing.T) journal.Config { return changed(t, "ALTER TABLE ticks DROP COLUMN tick") }, journal.ErrCorrupt, "tick"},
		"an empty file, read only": {func(t *testing.T) journal.Config { c := with(t, nil); c.ReadOnly = true; return c }, journal.ErrCorrupt, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			config := c.config(t)
			before, _ := os.ReadFile(config.Path) // nil when there is none
			j, err := journal.Open(t.Context(), config)
			if err == nil {
				_ = j.Close()
				t.Fatal("it was opened")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.says)
			}
			after, _ := os.ReadFile(config.Path)
			if !bytes.Equal(before, after) && name != "a column is missing" {
				t.Error("a file that was refused was changed")
			}
		})
	}
}

// TestStatesAreThinned: many states close together do not fill the file.
func TestStatesAreThinned(t *testing.T) {
	j := open(t, journal.Config{Path: newPath(t)})
	const size, states = 1 << 20, 40
	for i := 1; i <= states; i++ {
		e := entry(i)
		e.Snapshot = bytes.Repeat([]byte{byte(i)}, size)
		if err := j.Commit(t.Context(), fact.Batch{e}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := j.Recover(t.Context(), "p")
	if err != nil || r.Seq != states || !bytes.Equal(r.Snapshot, bytes.Repeat([]byte{states}, size)) {
		t.Errorf("recovered the state of %d, %v; want the newest", r.Seq, err)
	}
	if err := j.Commit(t.Context(), fact.Batch{last(entry(states + 1))}); err != nil {
		t.Fatal(err)
	}
	p, err := j.Prune(t.Context(), entry(states+9).Tick.At, 1)
	if err != nil || p.Ticks != states+1 || p.Snapshots > 3 {
		t.Errorf("pruned %+v, %v: want at most three states", p, err)
	}
}

// TestLockLost: where the lock does not hold, because its file was removed, the former writer is fenced all the same.
func TestLockLost(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is held cannot be removed")
	}
	path := newPath(t)
	j := open(t, journal.Config{Path: path})
	if _, err := fill(j, 0, 2); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	second := open(t, journal.Config{Path: path})
	if _, err := fill(j, 2, 3); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("the former writer: got %v, want ErrFenced", err)
	}
	if _, err := fill(second, 2, 3); err != nil {
		t.Errorf("the new writer: %v", err)
	}
}

// TestRefusedFilesAreLeftAlone: what a killed program left in a -wal file beside a
// database that is no journal is not written into it.
func TestRefusedFilesAreLeftAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		config func(t *testing.T) journal.Config
		want   error
	}{
		"the form before":  {older, journal.ErrOlder},
		"another database": {func(t *testing.T) journal.Config { return changed(t, "DROP TABLE meta") }, journal.ErrCorrupt},
	} {
		for _, readOnly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, read only %v", name, readOnly), func(t *testing.T) {
				left := newPath(t)
				killed(t, tt.config(t).Path, left)
				files := func() (all []string) {
					for _, f := range beside(left)[:2] {
						b, err := os.ReadFile(f)
						if err != nil || len(b) == 0 {
							t.Errorf("%s: %d bytes, %v", f, len(b), err)
						}
						all = append(all, string(b))
					}
					return all
				}
				before := files()
				if j, err := journal.Open(t.Context(), journal.Config{Path: left, ReadOnly: readOnly}); !errors.Is(err, tt.want) {
					t.Errorf("got %v, %v; want %v", j, err, tt.want)
				}
				if !slices.Equal(before, files()) {
					t.Error("a file that was refused was changed")
				}
			})
		}
	}
}

// killed copies a database as it is while a program that writes it is killed: the
// newest of it is in the -wal file.
func killed(t *testing.T, from, to string) {
	t.Helper()
	db, err := sql.Open("sqlite", from+"?_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE newest (x TEXT)"); err != nil {
		t.Fatal(err)
	}
	for i, f := range beside(from)[:2] {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		write(t, beside(to)[i], b)
	}
}

// TestAPruningThatFailsHalfway: what is kept in memory has nothing of the runs that
// were dropped before it failed.
func TestAPruningThatFailsHalfway(t *testing.T) {
	c := changed(t, "CREATE TRIGGER kept BEFORE DELETE ON runs WHEN old.run = 'r' BEGIN SELECT RAISE(ABORT, 'not this one'); END")
	j := open(t, c)
	if err := j.Forget(t.Context(), "a"); err != nil { // which was told nothing
		t.Fatal(err)
	}
	if err := j.Commit(t.Context(), fact.Batch{last(entryOf("q", 1)), last(entryOf("r", 1))}); err != nil {
		t.Fatal(err)
	}
	if events, _, ok := j.Newer(0, 9); !ok || len(events) != 2 {
		t.Fatalf("before: got %d events, %v", len(events), ok)
	}
	p, err := j.Prune(t.Context(), entry(9).Tick.At, 1)
	if err == nil || !strings.Contains(err.Error(), "not this one") || p.Runs != 1 {
		t.Fatalf("got %+v, %v; want one run and the error", p, err)
	}
	if events, _, ok := j.Newer(0, 9); ok {
		t.Errorf("got %d events, want that the mark is too old", len(events))
	}
	if events, err := j.Events(t.Context(), "q", 0, -1); err != nil || len(events) != 0 {
		t.Errorf("got %d events of a run that was dropped, %v", len(events), err)
	}
}
