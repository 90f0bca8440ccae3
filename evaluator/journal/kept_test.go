package journal_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/journal"
)

// form3 is a journal of form 3: one of this form without the table kept. It has two
// ticks of run p, and a push.
func form3(t *testing.T) journal.Config {
	t.Helper()
	b, err := os.ReadFile("testdata/form3.sql")
	if err != nil {
		t.Fatal(err)
	}
	return execute(t, execute(t, with(t, nil), "PRAGMA journal_mode = WAL"), string(b))
}

func kept(t *testing.T, j *journal.Journal, key, want string) {
	t.Helper()
	if got, err := j.Kept(t.Context(), "slack", key); err != nil || got != want {
		t.Errorf("under %q: got %q, %v; want %q", key, got, err, want)
	}
}

// A journal of form 3 keeps answers once it is upgraded, and says before what to do.
func TestAJournalOfForm3GoesOn(t *testing.T) {
	c := form3(t)
	c.ReadOnly = true
	j := open(t, c)
	if _, err := j.Kept(t.Context(), "slack", "p/1"); err == nil || !strings.Contains(err.Error(), "start relgate on it once") {
		t.Errorf("Kept: got %v, want what to do", err)
	}
	if err := j.Keep(t.Context(), "slack", "p/1", "1503435956.000247"); err == nil {
		t.Error("a value was kept by a journal that is read only")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	c.ReadOnly, c.Endpoints = false, []string{"slack"}
	j = open(t, c)
	if n := queried(t, c.Path, "SELECT form FROM meta"); n != 5 {
		t.Errorf("it has form %d", n)
	}
	if r, err := j.Recover(t.Context(), "p"); err != nil || len(r.Later) != 2 {
		t.Errorf("run p: got %+v, %v; want two ticks", r, err)
	}
	checkPushed(t, "what was pushed", pushed(t, j, "am", 0), "10: a=on")
	if err := j.Keep(t.Context(), "slack", "p/1", "1503435956.000247"); err != nil {
		t.Fatal(err)
	}
	kept(t, j, "p/1", "1503435956.000247")
}

// An upgrade from form 3 happens as a whole or not at all.
func TestAnUpgradeFromForm3ThatFailsChangesNothing(t *testing.T) {
	for _, point := range []string{"BEFORE UPDATE OF form ON meta", "AFTER UPDATE OF epoch ON meta"} {
		c := execute(t, form3(t), "CREATE TRIGGER stop "+point+" BEGIN SELECT RAISE(ABORT, 'not now'); END")
		if _, err := journal.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not now") {
			t.Fatalf("%s: got %v, want the error", point, err)
		}
		if n := queried(t, c.Path, "SELECT form = 3 AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name IN ('kept', 'kept_key')) FROM meta"); n != 1 {
			t.Errorf("%s: it is not of form 3 any more", point)
		}
		c = execute(t, c, "DROP TRIGGER stop")
		c.Endpoints = []string{"slack"}
		if err := open(t, c).Keep(t.Context(), "slack", "p/1", "1"); err != nil {
			t.Errorf("%s: %v", point, err)
		}
	}
}

// A value is kept by the journal at its path, or not at all.
func TestAnAnswerIsKeptWhereItIsFoundAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be moved")
	}
	c := with(t, nil)
	c.Endpoints = []string{"slack"}
	j := open(t, c)
	if err := j.Keep(t.Context(), "slack", "p/1", "first"); err != nil {
		t.Fatal(err)
	}
	move(t, c.Path, c.Path+".away")
	if err := j.Keep(t.Context(), "slack", "p/1", "away"); !errors.Is(err, journal.ErrMoved) {
		t.Errorf("moved away: got %v, want ErrMoved", err)
	}
	move(t, c.Path+".away", c.Path)
	execute(t, c, "UPDATE meta SET epoch = epoch + 1")
	if err := j.Keep(t.Context(), "slack", "p/1", "elsewhere"); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("opened elsewhere: got %v, want ErrFenced", err)
	}
	if err := j.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept(t, j, "p/1", "first")
}
