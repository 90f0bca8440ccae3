package journal

import (
	"context"
	"database/sql"
	"errors"

	"github.com/relgate/relgate/evaluator/chain"
	"github.com/relgate/relgate/evaluator/fact"
)

// selectLink selects the link of a run's tick.
const selectLink = `SELECT link FROM ticks WHERE run = $1 AND seq = $2`

// linkOf is what selectLink gives, empty where there is no such tick: before the first.
func linkOf(row *sql.Row) (link string, err error) {
	if err = row.Scan(&link); errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return link, err
}

// link is the column of the links of ticks t, which a file of an older form has not.
func (db *handles) link() string {
	if db.linkless() {
		return "''"
	}
	return "t.link"
}

// linkless reports whether a file that is only read is of a form without links.
func (db *handles) linkless() bool { return db.write == nil && db.form < formLinks }

// linked checks that ticks, which follow each other, are what the chain says.
func (db *handles) linked(ctx context.Context, kept []fact.Kept) error {
	if db.linkless() {
		return nil
	}
	before, err := linkOf(db.read.QueryRowContext(ctx, selectLink, kept[0].Run, int64(kept[0].After)))
	if err != nil {
		return err
	}
	for i := range kept {
		k := &kept[i]
		if chain.Link(before, k.Run, k.Seq, k.Digest, k.Text, k.Raw) != k.Link {
			return corrupt("the chain of run %q breaks at tick %d of %s: this tick, its events or its link were changed after they were written, or the link before was",
				k.Run, k.Seq, k.Tick.At.Format("2006-01-02T15:04:05Z"))
		}
		before = k.Link
	}
	return nil
}

// addLinks brings a journal from form 4 to form 5. The links that it makes for what is
// there say nothing of what was done to it before.
func addLinks(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `ALTER TABLE ticks ADD COLUMN link TEXT NOT NULL DEFAULT ''`); err != nil {
		return err
	}
	var runs []string
	rows, err := tx.QueryContext(ctx, `SELECT run FROM runs ORDER BY id`)
	if err != nil {
		return err
	}
	err = each(rows, func() error {
		var run string
		err := rows.Scan(&run)
		runs = append(runs, run)
		return err
	})
	for _, run := range runs {
		if err == nil {
			err = linkRun(ctx, tx, run)
		}
	}
	return err
}

// linkRun gives the ticks of a run their links, a page at a time.
func linkRun(ctx context.Context, tx *sql.Tx, run string) error {
	events := map[uint64][][]byte{} // :: sequence of a tick → its events
	rows, err := tx.QueryContext(ctx, `SELECT seq, event FROM events WHERE run = $1 ORDER BY n`, run)
	if err != nil {
		return err
	}
	err = each(rows, func() error {
		var seq uint64
		var event []byte
		err := rows.Scan(&seq, &event)
		events[seq] = append(events[seq], event)
		return err
	})
	if err != nil {
		return err
	}
	const page = 256
	for before, seq := "", uint64(0); ; {
		links, err := linkPage(ctx, tx, run, seq, page, before, events)
		if err != nil || len(links) == 0 {
			return err
		}
		for _, l := range links {
			if _, err := tx.ExecContext(ctx, `UPDATE ticks SET link = $1 WHERE run = $2 AND seq = $3`, l.link, run, int64(l.seq)); err != nil {
				return err
			}
		}
		before, seq = links[len(links)-1].link, links[len(links)-1].seq
	}
}

// tickLink is a tick's link.
type tickLink struct {
	seq  uint64
	link string
}

// linkPage makes the links of the ticks after a sequence.
func linkPage(ctx context.Context, tx *sql.Tx, run string, after uint64, page int, before string, events map[uint64][][]byte) (links []tickLink, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT seq, digest, tick FROM ticks WHERE run = $1 AND seq > $2 ORDER BY seq LIMIT $3`, run, int64(after), page)
	if err != nil {
		return nil, err
	}
	err = each(rows, func() error {
		var seq uint64
		var digest string
		var tick sql.RawBytes
		if err := rows.Scan(&seq, &digest, &tick); err != nil {
			return err
		}
		before = chain.Link(before, run, seq, digest, tick, events[seq])
		links = append(links, tickLink{seq, before})
		return nil
	})
	return links, err
}
