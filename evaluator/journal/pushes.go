package journal

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"sync"
	"time"
)

// Push is something that was pushed to a source, and what it says of which alerts.
type Push struct {
	Key    string    // by which a repetition is known; empty: by nothing
	At     time.Time // when it came, to the millisecond
	Alerts []Pushed
}

// Pushed is what a push says of one alert. What that means is not the journal's.
type Pushed struct {
	Alert string // what tells it from the source's others
	Said  []byte // JSON
}

// KeepPush makes a push to a source durable. It keeps nothing, and says so, where the
// source has one of the same key. It returns ErrMoved and ErrFenced as Commit does.
func (j *Journal) KeepPush(ctx context.Context, source string, p Push) (kept bool, err error) {
	if err := j.Check(); err != nil {
		return false, fmt.Errorf("writing a push to source %q: %w", source, err)
	}
	err = j.update(fmt.Sprintf("a push to source %q", source), func(db *handles) error {
		defer db.pushes.written()
		return db.inTx(ctx, func(tx *sql.Tx) error {
			var epoch int64
			if err := tx.QueryRowContext(ctx, `SELECT epoch FROM meta WHERE id = 1`).Scan(&epoch); err != nil || epoch != db.epoch {
				return cmp.Or(err, ErrFenced)
			}
			res, err := tx.ExecContext(ctx, `INSERT INTO pushes (source, key, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, source, p.Key, millis(p.At))
			if err != nil {
				return err
			}
			added, err := res.RowsAffected()
			if err != nil || added == 0 {
				return err
			}
			kept = true
			id, err := res.LastInsertId()
			if err != nil {
				return err
			}
			for _, a := range p.Alerts {
				// Of an alert that a push names twice, the last word counts.
				_, err := tx.ExecContext(ctx, `INSERT INTO pushed (source, alert, push, at, said) VALUES ($1, $2, $3, $4, $5)
					ON CONFLICT (source, alert, push) DO UPDATE SET said = excluded.said`, source, a.Alert, id, millis(p.At), string(a.Said))
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	return kept && err == nil, err
}

// Pushes lists the pushes to a source since a time, in the order in which they came, and
// before them, as pushes of their own, what was said last before that of each alert. The
// list is shared, and not to be changed.
func (j *Journal) Pushes(ctx context.Context, source string, since time.Time) (list []Push, err error) {
	err = j.view(fmt.Sprintf("pushes to source %q", source), func(db *handles) error {
		if db.form < formPushes {
			return fmt.Errorf("it has form %d, which has no pushes; start relgate on it once, to upgrade it", db.form)
		}
		version, known, ok := db.pushes.find(source, since)
		if ok {
			list = known
			return nil
		}
		first := int64(math.MaxInt64) // the first push since then; ids rise
		err := db.read.QueryRowContext(ctx, `SELECT coalesce(min(id), $1) FROM pushes WHERE source = $2 AND at >= $3`, first, source, millis(since)).Scan(&first)
		if err != nil {
			return err
		}
		// The alerts are found by skipping from one to the next: an alert may have been
		// pushed very often.
		rows, err := db.read.QueryContext(ctx, `WITH RECURSIVE known (alert) AS (
				SELECT min(alert) FROM pushed WHERE source = $1
				UNION ALL SELECT (SELECT min(p.alert) FROM pushed p WHERE p.source = $2 AND p.alert > known.alert) FROM known WHERE known.alert IS NOT NULL)
			SELECT push, at, alert, said FROM (
				SELECT id AS push, at, '' AS alert, '' AS said, 0 AS word FROM pushes WHERE source = $3 AND id >= $4
				UNION ALL SELECT p.push, p.at, p.alert, p.said, 1 FROM known JOIN pushed p ON p.source = $5 AND p.alert = known.alert AND p.push >= $6
				UNION ALL SELECT p.push, p.at, p.alert, p.said, 1 FROM known JOIN pushed p ON p.source = $7 AND p.alert = known.alert
					AND p.push = (SELECT max(q.push) FROM pushed q WHERE q.source = $8 AND q.alert = known.alert AND q.push < $9)) told
			ORDER BY push, word, alert`, source, source, source, first, source, first, source, source, first)
		if err != nil {
			return err
		}
		last, oldest := int64(-1), time.Time{}
		err = each(rows, func() error {
			var push, at int64
			var alert, said string
			if err := rows.Scan(&push, &at, &alert, &said); err != nil {
				return err
			}
			if push != last {
				list, last = append(list, Push{At: fromMillis(at)}), push
				if push == first {
					oldest = fromMillis(at)
				}
			}
			if said != "" {
				p := &list[len(list)-1]
				p.Alerts = append(p.Alerts, Pushed{Alert: alert, Said: []byte(said)})
			}
			return nil
		})
		if err == nil && db.write != nil {
			db.pushes.note(source, readPushes{version, since, oldest, list})
		}
		return err
	})
	return list, err
}

// pushLists are what was read of pushes last. Sources ask for them in every tick, and mostly
// nothing came meanwhile. Where another process may write there are none.
type pushLists struct {
	mu      sync.Mutex
	version int // how often pushes were written
	lists   map[string]readPushes
}

// readPushes is an answer of Pushes.
type readPushes struct {
	version int
	since   time.Time
	oldest  time.Time // when the first push since then came; zero where there is none
	list    []Push
}

// find gives the list of a source since a time where it is the one that was read last.
func (l *pushLists) find(source string, since time.Time) (version int, list []Push, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.lists[source]
	ok = ok && r.version == l.version && !since.Before(r.since) && (r.oldest.IsZero() || !r.oldest.Before(since))
	return l.version, r.list, ok
}

func (l *pushLists) note(source string, r readPushes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lists == nil {
		l.lists = map[string]readPushes{}
	}
	l.lists[source] = r
}

// written says that pushes were written, or may have been.
func (l *pushLists) written() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version++
}

// PrunePushes forgets the pushes that came before a time. What was said last of an alert
// before it stays.
func (j *Journal) PrunePushes(ctx context.Context, before time.Time) error {
	return j.update("the end of old pushes", func(db *handles) error {
		defer db.pushes.written()
		return db.inTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM pushed WHERE at < $1 AND EXISTS
				(SELECT 1 FROM pushed p WHERE p.source = pushed.source AND p.alert = pushed.alert AND p.push > pushed.push AND p.at < $2)`, millis(before), millis(before))
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `DELETE FROM pushes WHERE at < $1`, millis(before))
			return err
		})
	})
}

// ForgetPushed forgets what was said of one alert, also what was said last. The pushes that
// said it stay known by their keys, until they are pruned.
func (j *Journal) ForgetPushed(ctx context.Context, source, alert string) error {
	return j.update(fmt.Sprintf("what was pushed to source %q", source), func(db *handles) error {
		defer db.pushes.written()
		return db.inTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM pushed WHERE source = $1 AND alert = $2`, source, alert)
			return err
		})
	})
}
