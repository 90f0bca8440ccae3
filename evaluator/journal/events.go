package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/relgate/relgate/evaluator/fact"
)

func (db *handles) selectEvents() string {
	return `SELECT e.n, e.seq, t.digest, ` + db.link() + `, e.event FROM events e JOIN ticks t ON t.run = e.run AND t.seq = e.seq
		WHERE e.run = $1 AND e.n > $2 ORDER BY e.n LIMIT $3`
}

// Events returns the events of a run after a number, in order, at most limit of
// them; all when limit is negative.
func (j *Journal) Events(ctx context.Context, run string, after uint64, limit int) (stored []fact.Stored, err error) {
	if stored, ok := j.tail.of(run, after, limit); ok {
		return stored, nil
	}
	err = j.view(fmt.Sprintf("events of run %q", run), func(db *handles) error {
		rows, err := db.stmts.events.QueryContext(ctx, run, int64(after), limit)
		if err != nil {
			return err
		}
		stored, err = scanEvents(rows, run)
		return err
	})
	return stored, err
}

// Event returns event n of a run, or ErrNotFound.
func (j *Journal) Event(ctx context.Context, run string, n uint64) (fact.Stored, error) {
	if n > 0 {
		stored, err := j.Events(ctx, run, n-1, 1)
		if err != nil {
			return fact.Stored{}, err
		}
		if len(stored) == 1 && stored[0].Event.N == n {
			return stored[0], nil
		}
	}
	return fact.Stored{}, fmt.Errorf("reading event %d of run %q from journal %q: %w", n, run, j.config.Path, ErrNotFound)
}

// Newer returns what was committed after a mark by this process, of all runs in
// the order of the commits, at most limit of it, and the next mark. It reads
// memory only. ok is false when the mark is too old to say what came after it:
// the caller then asks Pending, and goes on from the mark that it got. A mark is
// good for this Journal only; zero is the oldest.
func (j *Journal) Newer(mark uint64, limit int) (events []fact.Stored, next uint64, ok bool) {
	return j.tail.since(mark, limit)
}

// decode reads the event out of the bytes that are kept of the n-th of a run.
func decode(s *fact.Stored, n uint64) error {
	if err := json.Unmarshal(s.Raw, &s.Event); err != nil {
		return corrupt("event %d of run %q: %w", n, s.Run, err)
	}
	if s.Event.N != n {
		return corrupt("event %d of run %q has the number %d", n, s.Run, s.Event.N)
	}
	return nil
}

func scanEvents(rows *sql.Rows, run string) ([]fact.Stored, error) {
	var stored []fact.Stored
	err := each(rows, func() error {
		s := fact.Stored{Run: run}
		var n uint64
		if err := rows.Scan(&n, &s.Seq, &s.Digest, &s.Link, &s.Raw); err != nil {
			return err
		}
		if err := decode(&s, n); err != nil {
			return err
		}
		stored = append(stored, s)
		return nil
	})
	return stored, err
}
