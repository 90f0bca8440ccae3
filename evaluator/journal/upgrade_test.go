package journal_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"modernc.org/sqlite"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

// form1 is a journal of form 1. Run r is over and told. Of the events of p, the
// 2nd and the 4th of five are orders, of q the 1st of two. The endpoint fast is
// done with all of them, slow with p up to 1, stuck with p up to 2, the order
// among them a dead letter, and with q. slow failed at an order, stuck at another
// event.
func form1(t testing.TB) journal.Config {
	t.Helper()
	b, err := os.ReadFile("testdata/form1.sql")
	if err != nil {
		t.Fatal(err)
	}
	return execute(t, execute(t, with(t, nil), "PRAGMA journal_mode = WAL"), string(b))
}

// pending is what an endpoint is not done with: orders, then cursors.
func pending(t *testing.T, j *journal.Journal, endpoint string) (list []string) {
	t.Helper()
	orders, err := j.Orders(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range orders {
		list = append(list, failed("order "+o.Event.ID, o.Attempts, o.NextAt.Unix(), o.LastError))
	}
	cursors, err := j.Pending(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cursors {
		list = append(list, failed(fmt.Sprintf("%s after %d of %d", c.Run, c.N, c.End), c.Attempts, c.NextAt.Unix(), c.LastError))
	}
	return list
}

func failed(what string, attempts int, next int64, lastError string) string {
	if attempts > 0 {
		what += fmt.Sprintf(", failed %d times, again at %d, %s", attempts, next, lastError)
	}
	return what
}

// upgraded checks what endpoints are not done with after an upgrade.
func upgraded(t *testing.T, j *journal.Journal) {
	t.Helper()
	for endpoint, want := range map[string][]string{
		"fast": nil,
		"slow": {"order p/2, failed 3 times, again at 1750000060, 503 Service Unavailable", "order p/4", "order q/1",
			"p after 1 of 5", "q after 0 of 2"},
		"stuck": {"order p/4", "p after 2 of 5, failed 4 times, again at 1750000060, 422 Unprocessable Entity"},
	} {
		if got := pending(t, j, endpoint); !slices.Equal(got, want) {
			t.Errorf("endpoint %s:\ngot  %q\nwant %q", endpoint, got, want)
		}
	}
}

// queried is a number that a statement selects from a file.
func queried(t *testing.T, path, statement string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err == nil {
		err = db.QueryRow(statement).Scan(&n)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// whole checks that a file is a journal of form 1, as it was.
func whole(t *testing.T, path string) {
	t.Helper()
	for what, statement := range map[string]string{
		"form 1":               "SELECT form = 1 FROM meta",
		"no table orders":      "SELECT count(*) = 0 FROM sqlite_schema WHERE name = 'orders'",
		"attempts at an order": "SELECT attempts = 3 FROM cursors WHERE run = 'p' AND endpoint = 'slow'",
	} {
		if queried(t, path, statement) != 1 {
			t.Errorf("it has not %s", what)
		}
	}
	j := open(t, journal.Config{Path: path, ReadOnly: true})
	if r, err := j.Recover(t.Context(), "p"); err != nil || string(r.Snapshot) != "state" || len(r.Later) != 1 {
		t.Errorf("run p: got %+v, %v", r, err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

func TestAJournalOfForm1GoesOn(t *testing.T) {
	ctx, c := t.Context(), form1(t)
	c.Endpoints = []string{"fast", "slow", "stuck", "new"}
	j := open(t, c)
	upgraded(t, j)
	if got := pending(t, j, "new"); got != nil {
		t.Errorf("an endpoint that became known at the upgrade: got %q", got)
	}
	letters, err := j.DeadLetters(ctx, "stuck")
	if err != nil || len(letters) != 1 || letters[0].Event.ID != "p/2" {
		t.Errorf("dead letters: got %+v, %v", letters, err)
	}

	next := entryOf("p", 3)
	next.Events[0].ID, next.Events[0].N, next.Events[0].To = "p/6", 6, string(fact.RuleFired)
	if err := j.Commit(ctx, fact.Batch{next}); err != nil {
		t.Fatalf("the next tick: %v", err)
	}
	if err := j.OrderDone(ctx, "slow", "p", 2); err != nil {
		t.Error(err)
	}
	if err := j.Reopen(ctx); err != nil {
		t.Error(err)
	}
	if r, err := j.Recover(ctx, "p"); err != nil || string(r.Snapshot) != "state" || len(r.Later) != 2 {
		t.Errorf("run p: got %+v, %v; want the state and two ticks", r, err)
	}
	for endpoint, want := range map[string]string{
		"fast": "order p/6", "new": "order p/6", "slow": "order p/4", "stuck": "order p/4",
	} {
		if got := pending(t, j, endpoint); len(got) == 0 || got[0] != want || !slices.Contains(got, "order p/6") {
			t.Errorf("endpoint %s: got %q, want %s first, and p/6", endpoint, got, want)
		}
	}
	if r, err := j.Run(ctx, "r"); err != nil || r.State != rules.RolledBack {
		t.Errorf("run r: got %+v, %v", r, err)
	}
	if p, err := j.Prune(ctx, entry(999).Tick.At, 1); err != nil || p.Runs != 1 {
		t.Errorf("Prune: got %+v, %v; want run r", p, err)
	}
}

// A journal of form 1 can be looked at without being changed.
func TestAJournalOfForm1IsRead(t *testing.T) {
	ctx, c := t.Context(), form1(t)
	before, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	c.ReadOnly = true
	j := open(t, c)
	if entries, err := j.Entries(ctx, "p", 0, -1); err != nil || len(entries) != 2 || len(entries[1].Events) != 2 {
		t.Errorf("run p: got %+v, %v; want two ticks", entries, err)
	}
	if runs, err := j.Runs(ctx, fact.RunFilter{}); err != nil || len(runs) != 3 {
		t.Errorf("got %d runs, %v; want 3", len(runs), err)
	}
	if cursors, err := j.Pending(ctx, "slow"); err != nil || len(cursors) != 2 {
		t.Errorf("got %+v, %v; want two cursors", cursors, err)
	}
	if _, err := j.Orders(ctx, "slow"); err == nil || !strings.Contains(err.Error(), "start relgate on it once") {
		t.Errorf("Orders: got %v, want what to do", err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(c.Path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed: %v", err)
	}
}

// points are triggers that stop an upgrade on its way, near its end and after it,
// in the same transaction.
var points = map[string]string{
	"on its way":   "BEFORE UPDATE OF attempts ON cursors",
	"near its end": "BEFORE UPDATE OF form ON meta",
	"after it":     "AFTER UPDATE OF epoch ON meta",
}

func TestAnUpgradeThatFailsChangesNothing(t *testing.T) {
	for name, point := range points {
		t.Run(name, func(t *testing.T) {
			c := execute(t, form1(t), "CREATE TRIGGER stop "+point+" BEGIN SELECT RAISE(ABORT, 'not now'); END")
			if _, err := journal.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not now") || errors.Is(err, journal.ErrCorrupt) {
				t.Fatalf("got %v, want the error", err)
			}
			whole(t, c.Path)
			upgraded(t, open(t, execute(t, c, "DROP TRIGGER stop")))
		})
	}
	t.Run("no space is left", func(t *testing.T) {
		c := form1(t)
		c.Pages = queried(t, c.Path, "PRAGMA page_count")
		if _, err := journal.Open(t.Context(), c); !errors.Is(err, journal.ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
		whole(t, c.Path)
		c.Pages = 0
		upgraded(t, open(t, c))
	})
}

// TestAnUpgradeThatIsKilledChangesNothing runs itself as a relgate that is killed
// while it upgrades a journal.
func TestAnUpgradeThatIsKilledChangesNothing(t *testing.T) {
	if path := os.Getenv("RELGATE_TEST_UPGRADE"); path != "" {
		sqlite.MustRegisterScalarFunction("die", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
			fmt.Println("dying")
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			if err != nil {
				return nil, err
			}
			select {} // until it is dead
		})
		_, err := journal.Open(context.Background(), journal.Config{Path: path})
		fmt.Println("it lives:", err)
		os.Exit(1)
	}
	for name, point := range points {
		t.Run(name, func(t *testing.T) {
			c := execute(t, form1(t), "CREATE TRIGGER stop "+point+" BEGIN SELECT die(); END")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnUpgradeThatIsKilledChangesNothing$")
			cmd.Env = append(os.Environ(), "RELGATE_TEST_UPGRADE="+c.Path)
			if out, err := cmd.CombinedOutput(); err == nil || string(out) != "dying\n" {
				t.Fatalf("got %q, %v; want that it was killed", out, err)
			}
			whole(t, c.Path)
			upgraded(t, open(t, execute(t, c, "DROP TRIGGER stop")))
		})
	}
}

// A backup of form 1 that is put in the place of the journal that is open is
// upgraded as it is opened again.
func TestABackupOfForm1IsUpgradedInPlace(t *testing.T) {
	c, backup := form1(t), form1(t)
	j := open(t, c)
	for _, n := range []uint64{2, 4} {
		if err := j.OrderDone(t.Context(), "slow", "p", n); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range beside(c.Path) {
		remove(t, f)
	}
	rename(t, backup.Path, c.Path)
	if err := j.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	upgraded(t, j)
}
