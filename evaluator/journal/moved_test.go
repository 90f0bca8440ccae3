package journal_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
)

// beside is all files of a journal.
func beside(path string) []string { return []string{path, path + "-wal", path + "-shm"} }

func move(t *testing.T, from, to string) {
	t.Helper()
	for i, f := range beside(from) {
		if err := os.Rename(f, beside(to)[i]); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What happens to a journal's file is noticed before the next commit, and the same
// Journal goes on when the file is back.
func TestTheFileIsWatched(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be moved")
	}
	away := func(path string) string { return path + ".away" }
	for _, tt := range []struct {
		name   string
		happen func(t *testing.T, path string)
		says   string
		back   func(t *testing.T, path string) // nil: it does not come back
	}{
		{"moved away with the files beside it, and back",
			func(t *testing.T, path string) { move(t, path, away(path)) }, "moved or deleted",
			func(t *testing.T, path string) { move(t, away(path), path) }},
		{"moved away alone, and back",
			func(t *testing.T, path string) { rename(t, path, away(path)) }, "moved or deleted",
			func(t *testing.T, path string) { rename(t, away(path), path) }},
		{"moved to another disk and back, which copies it",
			func(t *testing.T, path string) { copied(t, path, away(path)) }, "moved or deleted",
			func(t *testing.T, path string) { copied(t, away(path), path) }},
		{"the file beside it is deleted", func(t *testing.T, path string) { remove(t, path+"-wal") }, "-wal", func(*testing.T, string) {}},
		{"deleted",
			func(t *testing.T, path string) {
				for _, f := range beside(path) {
					remove(t, f)
				}
			}, "moved or deleted", nil},
		{"replaced by another journal, and put back",
			func(t *testing.T, path string) { move(t, path, away(path)); write(t, path, sample(t)) }, "another file",
			func(t *testing.T, path string) { move(t, away(path), path) }},
		{"replaced by another journal, with the files beside it left",
			func(t *testing.T, path string) { rename(t, path, away(path)); write(t, path, sample(t)) }, "another file",
			func(t *testing.T, path string) { rename(t, away(path), path) }},
		{"replaced by garbage, and put back",
			func(t *testing.T, path string) {
				move(t, path, away(path))
				write(t, path, []byte(strings.Repeat("garbage\n", 999)))
			}, "another file",
			func(t *testing.T, path string) { move(t, away(path), path) }},
		{"replaced by an empty file",
			func(t *testing.T, path string) { move(t, path, away(path)); write(t, path, nil) }, "another file", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			j := open(t, journal.Config{Path: path, Endpoints: []string{"a"}})
			if _, err := fill(j, 0, 5); err != nil {
				t.Fatal(err)
			}
			if err := j.Check(); err != nil {
				t.Fatalf("Check before: %v", err)
			}
			tt.happen(t, path)
			lost := j.Check()
			if !errors.Is(lost, journal.ErrMoved) || !strings.Contains(lost.Error(), tt.says) || !strings.Contains(lost.Error(), path) {
				t.Errorf("Check: got %v, want ErrMoved with %q and the path", lost, tt.says)
			}
			if n, err := fill(j, 5, 6); n != 5 || !errors.Is(err, journal.ErrMoved) {
				t.Errorf("Commit: got %v, want ErrMoved", err)
			}
			if tt.back == nil {
				unmoved(t, j, path)
				return
			}
			if tt.says != "-wal" { // that one needs nothing but a Reopen
				unmoved(t, j, path)
			}
			tt.back(t, path)
			if err := j.Reopen(t.Context()); err != nil {
				t.Fatalf("Reopen when it is back: %v", err)
			}
			if _, err := fill(j, 5, 6); err != nil {
				t.Errorf("Commit when it is back: %v", err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			recovered(t, path, 6)
		})
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// copied moves a journal as mv does from one disk to another.
func copied(t *testing.T, from, to string) {
	t.Helper()
	for i, f := range beside(from) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		write(t, beside(to)[i], b)
		remove(t, f)
	}
}

// unmoved checks that Reopen refuses, and touches nothing that lies at the path.
func unmoved(t *testing.T, j *journal.Journal, path string) {
	t.Helper()
	before, _ := os.ReadFile(path) // nil when there is none
	if err := j.Reopen(t.Context()); !errors.Is(err, journal.ErrMoved) {
		t.Errorf("Reopen: got %v, want ErrMoved", err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("Reopen changed the file that lies at the path")
	}
	if seq, err := newest(j); err != nil || seq != 5 {
		t.Errorf("what was open can no longer be read: sequence %d, %v", seq, err)
	}
}

// recovered checks that a journal has so many ticks of run p.
func recovered(t *testing.T, path string, ticks int) {
	t.Helper()
	j := open(t, journal.Config{Path: path})
	if r, err := j.Recover(t.Context(), "p"); err != nil || len(r.Later) != ticks {
		t.Errorf("recovered %d ticks of %d: %v", len(r.Later), ticks, err)
	}
}

// A full disk ends nothing: the same Journal goes on when there is room.
func TestRoomAfterAFullDisk(t *testing.T) {
	path := newPath(t)
	j := open(t, journal.Config{Path: path, Pages: 80})
	if _, err := fill(j, 0, 40); err != nil {
		t.Fatal(err)
	}
	end := last(entry(41))
	if err := j.Commit(t.Context(), fact.Batch{end}); err != nil {
		t.Fatal(err)
	}
	ticks, err := 0, error(nil)
	for err == nil && ticks < 10_000 {
		if err = j.Commit(t.Context(), fact.Batch{entryOf("q", ticks+1)}); err == nil {
			ticks++
		}
	}
	if !errors.Is(err, journal.ErrFull) || ticks < 10 {
		t.Fatalf("after %d commits: got %v, want ErrFull", ticks, err)
	}
	if err := j.Reopen(t.Context()); err != nil {
		t.Errorf("Reopen of a full journal: %v", err)
	}
	if err := j.Commit(t.Context(), fact.Batch{entryOf("q", ticks+1)}); !errors.Is(err, journal.ErrFull) {
		t.Errorf("still full: got %v, want ErrFull", err)
	}
	if p, err := j.Prune(t.Context(), end.Tick.At.AddDate(1, 0, 0), 1); err != nil || p.Runs != 1 {
		t.Fatalf("Prune: %+v, %v; want one run", p, err)
	}
	if err := j.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 18 {
		ticks++
		if err := j.Commit(t.Context(), fact.Batch{entryOf("q", ticks)}); err != nil {
			t.Fatalf("tick %d after room was made: %v", ticks, err)
		}
	}
	if r, err := j.Recover(t.Context(), "q"); err != nil || len(r.Later) != ticks {
		t.Errorf("recovered %d ticks of %d: %v", len(r.Later), ticks, err)
	}
}

// Reopening fences the epoch before, as an opening does, and those who read
// meanwhile wait for it.
func TestReopenBesideReaders(t *testing.T) {
	j := open(t, journal.Config{Path: newPath(t), Endpoints: []string{"a"}})
	if _, err := fill(j, 0, 3); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			_, err = j.Recover(context.Background(), "p")
			if err == nil {
				err = j.Delivered(context.Background(), "a", "p", 1)
			}
		}
		failed <- err
	}()
	for range 20 {
		if err := j.Reopen(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-failed; err != nil {
		t.Errorf("a reader met a closed journal: %v", err)
	}
	if _, _, ok := j.Newer(0, 9); ok {
		t.Error("a mark from before is taken for good after Reopen")
	}
	if _, err := fill(j, 3, 4); err != nil {
		t.Error(err)
	}
}

// An endpoint that was forgotten since the journal was opened stays forgotten.
func TestReopenBringsNoForgottenEndpointBack(t *testing.T) {
	j := open(t, journal.Config{Path: newPath(t), Endpoints: []string{"a", "b"}})
	if err := j.Forget(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := j.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names, err := j.Endpoints(t.Context()); err != nil || !slices.Equal(names, []string{"a"}) {
		t.Errorf("got endpoints %q, %v; want a", names, err)
	}
}
