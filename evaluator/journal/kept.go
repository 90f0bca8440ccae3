package journal

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// Keep remembers a value for an endpoint under a key, in the place of the one before, and
// returns when it is on disk. The key begins with what it goes with: the id of a run and
// "/", or the id of one of its events. It is dropped with that run. It returns ErrNotFound
// for an endpoint that is not known, and ErrMoved and ErrFenced as Commit does; nothing
// was kept then.
func (j *Journal) Keep(ctx context.Context, endpoint, key, value string) error {
	what := fmt.Sprintf("what endpoint %q answered", endpoint)
	if err := j.Check(); err != nil {
		return fmt.Errorf("writing %s: %w", what, err)
	}
	return j.update(what, func(db *handles) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			var epoch int64
			if err := tx.QueryRowContext(ctx, `SELECT epoch FROM meta WHERE id = 1`).Scan(&epoch); err != nil || epoch != db.epoch {
				return cmp.Or(err, ErrFenced)
			}
			// An endpoint that was forgotten keeps nothing: what came late would stay for good.
			return affected(tx.ExecContext(ctx, `INSERT INTO kept (endpoint, key, value, at) SELECT name, $1, $2, $3 FROM endpoints WHERE name = $4
				ON CONFLICT (endpoint, key) DO UPDATE SET value = excluded.value, at = excluded.at`, key, value, millis(time.Now()), endpoint))
		})
	})
}

// Kept gives what was kept for an endpoint under a key, empty where there is nothing.
func (j *Journal) Kept(ctx context.Context, endpoint, key string) (value string, err error) {
	err = j.view(fmt.Sprintf("what endpoint %q answered", endpoint), func(db *handles) error {
		if db.form < formKept {
			return fmt.Errorf("it has form %d, which keeps no answers; start relgate on it once, to upgrade it", db.form)
		}
		err := db.read.QueryRowContext(ctx, `SELECT value FROM kept WHERE endpoint = $1 AND key = $2`, endpoint, key).Scan(&value)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return value, err
}

// dropKept drops what was kept for a run, while its events are there: what stands before
// the number in their ids is the run's alone.
func dropKept(ctx context.Context, tx *sql.Tx, run string) error {
	prefixes := []string{run + "/"}
	var raw sql.RawBytes
	rows, err := tx.QueryContext(ctx, `SELECT event FROM events WHERE run = $1 ORDER BY n LIMIT 1`, run)
	if err != nil {
		return err
	}
	err = each(rows, func() error {
		var e fact.Event
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return corrupt("the first event of run %q: %w", run, err)
		}
		if i := strings.LastIndexByte(e.ID, '/'); i >= 0 {
			prefixes = append(prefixes, e.ID[:i+1])
		}
		return nil
	})
	for _, p := range prefixes {
		if err == nil {
			// All keys that begin with p: they sort before p with a last byte one higher.
			_, err = tx.ExecContext(ctx, `DELETE FROM kept WHERE key >= $1 AND key < $2`, p, p[:len(p)-1]+string('/'+1))
		}
	}
	return err
}
