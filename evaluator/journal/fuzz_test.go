package journal_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
)

// with is a journal's file with these bytes.
func with(t testing.TB, b []byte) journal.Config {
	t.Helper()
	path := newPath(t)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return journal.Config{Path: path}
}

// older is a journal of the form before this one, in which there is something.
func older(t *testing.T) journal.Config {
	t.Helper()
	return execute(t, with(t, nil), `
		CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL,
			seq INTEGER NOT NULL, pos INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT;
		INSERT INTO head (id, version, seq, pos, epoch) VALUES (1, 1, 7, 7, 2);
		CREATE TABLE plans (digest TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
		CREATE TABLE ticks (plan TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (plan, seq)) STRICT;
		CREATE TABLE events (pos INTEGER PRIMARY KEY, seq INTEGER NOT NULL, plan TEXT NOT NULL, event TEXT NOT NULL) STRICT`)
}

// changed is a journal of a few ticks that was changed by hand.
func changed(t testing.TB, statement string) journal.Config {
	t.Helper()
	return execute(t, with(t, sample(t)), statement)
}

func execute(t testing.TB, c journal.Config, statement string) journal.Config {
	t.Helper()
	db, err := sql.Open("sqlite", c.Path)
	if err == nil {
		_, err = db.Exec(statement)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sample is the bytes of a journal of a few ticks.
func sample(t testing.TB) []byte {
	t.Helper()
	path := newPath(t)
	j := open(t, journal.Config{Path: path, Endpoints: []string{"a"}})
	_, err := fill(j, 0, 3)
	if err == nil {
		err = j.Bury(context.Background(), "a", "p", 1, entry(1).Tick.At, "gone")
	}
	if err == nil {
		err = j.Save(context.Background(), "p", 2, []byte("state"))
	}
	if err == nil {
		err = j.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// everything reads all that a start reads, and writes.
func everything(ctx context.Context, j *journal.Journal) []error {
	seq, err := newest(j)
	errs := []error{err}
	add := func(err error) { errs = append(errs, err) }
	_, err = j.Runs(ctx, fact.RunFilter{})
	add(err)
	_, err = j.Recover(ctx, "p")
	add(err)
	_, err = j.Origin(ctx, "p")
	add(err)
	_, err = j.Events(ctx, "p", 0, 1000)
	add(err)
	_, err = j.Passed(ctx, "p", "", 5)
	add(err)
	_, err = j.Endpoints(ctx)
	add(err)
	_, err = j.Pending(ctx, "a")
	add(err)
	_, err = j.DeadLetters(ctx, "a")
	add(err)
	_, err = j.Orders(ctx, "a")
	add(err)
	next := entry(int(seq) + 1)
	next.Events[0].N += 1000 // whatever the number of the newest event is
	add(j.Commit(ctx, fact.Batch{next}))
	return errs
}

// FuzzOpen: any bytes are a journal, or are said not to be one, sooner or later.
// Nothing panics.
func FuzzOpen(f *testing.F) {
	good := sample(f)
	f.Add(0, []byte{}, false)
	f.Add(0, []byte("SQLite format 3\x00"), false)
	f.Add(0, []byte("hello"), true)
	for i := 0; i < len(good); i += 997 {
		f.Add(i, []byte{0xff, 0, 0x80}, true)
	}
	old, err := os.ReadFile(form1(f).Path)
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(old); i += 997 {
		b := slices.Clone(old)
		copy(b[i:], []byte{0xff, 0, 0x80})
		f.Add(0, b, false)
	}
	f.Fuzz(func(t *testing.T, at int, bytes []byte, patch bool) {
		b := bytes
		if patch {
			b = append([]byte(nil), good...)
			copy(b[uint(at)%uint(len(b)):], bytes)
		}
		c := with(t, b)
		j, err := journal.Open(t.Context(), c)
		if err != nil {
			if !errors.Is(err, journal.ErrCorrupt) && !errors.Is(err, journal.ErrNewer) {
				t.Errorf("Open: got %v, want ErrCorrupt", err)
			}
			return
		}
		defer j.Close()
		for _, err := range everything(t.Context(), j) {
			if err != nil && !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("opened, then: got %v, want ErrCorrupt", err)
			}
		}
	})
}
