package journal_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/chain"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
)

// form4 is a journal of form 4: one of this form without links. It has two ticks of run p,
// the second with two events, and one of run q without any.
func form4(t *testing.T) journal.Config {
	t.Helper()
	b, err := os.ReadFile("testdata/form4.sql")
	if err != nil {
		t.Fatal(err)
	}
	return execute(t, execute(t, with(t, nil), "PRAGMA journal_mode = WAL"), string(b))
}

// chained checks that the ticks of a run have the links that are made of them.
func chained(t *testing.T, j *journal.Journal, run string, ticks int) {
	t.Helper()
	kept, err := j.Entries(t.Context(), run, 0, -1)
	if err != nil || len(kept) != ticks {
		t.Fatalf("run %s: got %d ticks, %v; want %d", run, len(kept), err, ticks)
	}
	before := ""
	for _, k := range kept {
		if before = chain.Link(before, run, k.Seq, k.Digest, k.Text, k.Raw); k.Link != before {
			t.Errorf("tick %d of run %s: got link %q, want %q", k.Seq, run, k.Link, before)
		}
	}
}

// A journal of form 4 is read as it is, without links, and has them once it is upgraded.
func TestAJournalOfForm4GetsLinks(t *testing.T) {
	c := form4(t)
	c.ReadOnly = true
	j := open(t, c)
	kept, err := j.Entries(t.Context(), "p", 0, -1)
	if err != nil || len(kept) != 2 || len(kept[1].Events) != 2 || kept[1].Link != "" {
		t.Errorf("read only: got %+v, %v; want two ticks without links", kept, err)
	}
	if s, err := j.Event(t.Context(), "p", 3); err != nil || s.Link != "" {
		t.Errorf("read only: got event %+v, %v", s, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	c.ReadOnly = false
	j = open(t, c)
	if n := queried(t, c.Path, "SELECT form FROM meta"); n != 5 {
		t.Errorf("it has form %d", n)
	}
	chained(t, j, "p", 2)
	chained(t, j, "q", 1)
	next := entryOf("p", 3)
	next.Events[0].N = 4
	if err := j.Commit(t.Context(), fact.Batch{next}); err != nil {
		t.Fatal(err)
	}
	chained(t, j, "p", 3)
}

// A run of more ticks than are linked at once has one chain.
func TestALongRunGetsLinks(t *testing.T) {
	c := execute(t, form4(t), `WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 700)
		INSERT INTO ticks SELECT 'p', i, 1750000000 + i, 'd', 0, 0, '{"at":"2025-06-15T15:06:43Z"}' FROM n;
		UPDATE runs SET seq = 700 WHERE run = 'p'`)
	chained(t, open(t, c), "p", 700)
}

// An upgrade from form 4 happens as a whole or not at all.
func TestAnUpgradeFromForm4ThatFailsChangesNothing(t *testing.T) {
	for _, point := range []string{"BEFORE UPDATE OF form ON meta", "AFTER UPDATE OF epoch ON meta"} {
		c := execute(t, form4(t), "CREATE TRIGGER stop "+point+" BEGIN SELECT RAISE(ABORT, 'not now'); END")
		if _, err := journal.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not now") {
			t.Fatalf("%s: got %v, want the error", point, err)
		}
		if n := queried(t, c.Path, "SELECT form = 4 AND NOT EXISTS (SELECT 1 FROM pragma_table_info('ticks') WHERE name = 'link') FROM meta"); n != 1 {
			t.Errorf("%s: it is not of form 4 any more", point)
		}
		chained(t, open(t, execute(t, c, "DROP TRIGGER stop")), "p", 2)
	}
}

// Whoever changes what was written has to change every link after it, or it is noticed, and
// said where.
func TestAChangeOfWhatWasWrittenIsNoticed(t *testing.T) {
	for name, tt := range map[string]struct{ change, says string }{
		"a tick":                     {`UPDATE ticks SET tick = replace(tick, '"at"', ' "at"') WHERE seq = 2`, "breaks at tick 2 of 2025-06-15T15:06:42Z"},
		"a plan":                     {`INSERT INTO plans VALUES ('e', '{}'); UPDATE ticks SET digest = 'e' WHERE seq = 1`, "breaks at tick 1"},
		"an event":                   {`UPDATE events SET event = replace(event, 'xxx', 'xyx') WHERE n = 3`, "breaks at tick 3"},
		"a link":                     {`UPDATE ticks SET link = upper(link) WHERE seq = 1`, "breaks at tick 1"},
		"an event moved to another":  {`UPDATE events SET seq = 2 WHERE n = 3; UPDATE ticks SET events = 2 WHERE seq = 2; UPDATE ticks SET first = 0, events = 0 WHERE seq = 3`, "breaks at tick 2"},
		"a tick left out":            {`DELETE FROM ticks WHERE seq = 2; DELETE FROM events WHERE n = 2; UPDATE ticks SET seq = seq - 1 WHERE seq > 2; UPDATE events SET seq = seq - 1 WHERE seq > 2; UPDATE runs SET seq = 3`, "breaks at tick 2"},
		"the first tick of them all": {`UPDATE ticks SET link = '' WHERE seq = 1`, "breaks at tick 1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := journal.Config{Path: newPath(t)}
			j := open(t, c)
			if _, err := fill(j, 0, 4); err != nil {
				t.Fatal(err)
			}
			chained(t, j, "p", 4)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			j = open(t, execute(t, c, tt.change))
			_, entries := j.Entries(t.Context(), "p", 0, -1)
			_, recover := j.Recover(t.Context(), "p")
			for what, err := range map[string]error{"Entries": entries, "Recover": recover} {
				if !errors.Is(err, journal.ErrCorrupt) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%s: got %v, want that it %s", what, err, tt.says)
				}
			}
		})
	}
}
