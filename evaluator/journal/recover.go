package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/relgate/relgate/evaluator/fact"
)

// Document returns the JSON of a plan by its digest, or ErrNotFound.
func (j *Journal) Document(ctx context.Context, digest string) (document []byte, err error) {
	err = j.view(fmt.Sprintf("plan document %q", digest), func(db *handles) error {
		return db.read.QueryRowContext(ctx, `SELECT document FROM plans WHERE digest = $1`, digest).Scan(&document)
	})
	return document, err
}

// Recover returns the newest state of a run that was kept and every tick since,
// in order. A run that is not in the journal has a zero Recovery. It returns
// ErrCorrupt when ticks are missing, or are not what the chain says.
func (j *Journal) Recover(ctx context.Context, run string) (fact.Recovery, error) {
	var r fact.Recovery
	err := j.view(fmt.Sprintf("run %q", run), func(db *handles) error {
		var newest uint64
		err := db.read.QueryRowContext(ctx, `SELECT seq FROM runs WHERE run = $1`, run).Scan(&newest)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		var at int64
		err = db.read.QueryRowContext(ctx, `SELECT seq, at, digest, state FROM snapshots WHERE run = $1 ORDER BY seq DESC LIMIT 1`, run).
			Scan(&r.Seq, &at, &r.Digest, &r.Snapshot)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		r.At = fromSeconds(at)
		if r.Later, err = db.entries(ctx, run, r.Seq, -1); err != nil {
			return err
		}
		if last := r.Seq + uint64(len(r.Later)); last < newest {
			return corrupt("ticks %d to %d are missing", last+1, newest)
		}
		if r.Snapshot == nil && len(r.Later) > 0 {
			r.Digest = r.Later[0].Digest
		}
		return nil
	})
	if err != nil {
		return fact.Recovery{}, err
	}
	return r, nil
}

// Origin returns where a replay of a run starts: the beginning, with the digest
// of the plan of its first tick. Later is empty; see Entries. A run that is not
// in the journal has a zero Recovery.
func (j *Journal) Origin(ctx context.Context, run string) (r fact.Recovery, err error) {
	err = j.view(fmt.Sprintf("the first tick of run %q", run), func(db *handles) error {
		err := db.read.QueryRowContext(ctx, `SELECT digest FROM ticks WHERE run = $1 AND seq = 1`, run).Scan(&r.Digest)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return r, err
}

// Entries returns the ticks of a run after a sequence with their events, in
// order; at most limit, all when limit is negative. It returns ErrCorrupt when they are
// not what the chain says.
func (j *Journal) Entries(ctx context.Context, run string, after uint64, limit int) (kept []fact.Kept, err error) {
	err = j.view(fmt.Sprintf("ticks of run %q", run), func(db *handles) error {
		kept, err = db.entries(ctx, run, after, limit)
		return err
	})
	return kept, err
}

func (db *handles) entries(ctx context.Context, run string, after uint64, limit int) ([]fact.Kept, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT t.seq, t.digest, t.first, t.events, t.tick, `+db.link()+` FROM ticks t
		WHERE t.run = $1 AND t.seq > $2 ORDER BY t.seq LIMIT $3`, run, int64(after), limit)
	if err != nil {
		return nil, err
	}
	var kept []fact.Kept
	var spans []span
	err = each(rows, func() error {
		k := fact.Kept{Entry: fact.Entry{Run: run}}
		var s span
		if err := rows.Scan(&k.Seq, &k.Digest, &s.first, &s.events, &k.Text, &k.Link); err != nil {
			return err
		}
		if k.After = k.Seq - 1; k.Seq != after+uint64(len(kept))+1 {
			return corrupt("tick %d is followed by tick %d", after+uint64(len(kept)), k.Seq)
		}
		if err := json.Unmarshal(k.Text, &k.Tick); err != nil {
			return corrupt("tick %d: %w", k.Seq, err)
		}
		kept, spans = append(kept, k), append(spans, s)
		return nil
	})
	if err != nil || len(kept) == 0 {
		return nil, err
	}
	if err := db.attach(ctx, kept, spans); err != nil {
		return nil, err
	}
	return kept, db.linked(ctx, kept)
}

// span is the events of a tick: the number of the first, and how many there are.
type span struct{ first, events int64 }

// attach gives the entries, which follow each other, their events.
func (db *handles) attach(ctx context.Context, kept []fact.Kept, spans []span) error {
	var all span
	for _, s := range spans {
		if s.events > 0 && all.events == 0 {
			all.first = s.first
		}
		all.events += s.events
	}
	if all.events == 0 {
		return nil
	}
	// The digest and the link of an event are its tick's.
	rows, err := db.read.QueryContext(ctx, `SELECT n, seq, '', '', event FROM events WHERE run = $1 AND n > $2 ORDER BY n LIMIT $3`,
		kept[0].Run, all.first-1, all.events)
	if err != nil {
		return err
	}
	stored, err := scanEvents(rows, kept[0].Run)
	if err != nil {
		return err
	}
	for i := range kept {
		n := spans[i].events
		if n < 0 || n > int64(len(stored)) {
			return corrupt("tick %d had %d events, %d are left", kept[i].Seq, n, len(stored))
		}
		for _, s := range stored[:n] {
			if s.Seq != kept[i].Seq {
				return corrupt("event %d is of tick %d, not %d", s.Event.N, s.Seq, kept[i].Seq)
			}
			kept[i].Events, kept[i].Raw = append(kept[i].Events, s.Event), append(kept[i].Raw, s.Raw)
		}
		stored = stored[n:]
	}
	return nil
}
