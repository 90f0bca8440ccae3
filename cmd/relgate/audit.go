package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/audit"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

type auditCommand struct {
	From    string `required:"" type:"given" help:"The first day that counts, such as 2025-01-01 (UTC), or an RFC 3339 time."`
	To      string `required:"" type:"given" help:"The last day that counts, or an RFC 3339 time, which itself does not."`
	Sample  int    `help:"Draw so many of the runs; all when left out." placeholder:"N"`
	Seed    string `type:"given" help:"What the draw follows from; made and printed when left out."`
	Journal string `default:"relgate.db" type:"path" help:"Journal file; a daemon may be using it."`
	Output  string `short:"o" enum:"csv,json" default:"csv" help:"csv or json."`
}

// Help is printed by --help.
func (auditCommand) Help() string {
	return `Every run in the journal that began from the one day to the other: who asked for it,
who approved it before it began, the evidence, the phases, the checks, and what was out of
the ordinary or is missing. docs/audit.md says what each column and finding means, and
what relgate does not do.

How many runs there are, and the seed of a draw, are printed on standard error. The same
seed draws the same runs again.

  relgate audit --from 2025-01-01 --to 2025-03-31 > q1.csv
  relgate audit --from 2025-01-01 --to 2025-12-31 --sample 25 --seed 2025-annual -o json`
}

func (c auditCommand) Run(ctx context.Context, con console) error {
	from, before, err := c.stretch()
	if err != nil {
		return exit(exitUsage, err)
	}
	runs, err := auditedRuns(ctx, c.Journal, from, before)
	if err != nil {
		return err
	}
	l := audit.Make(runs, from, before)
	fmt.Fprintf(con.err, "population: %s of %d in the journal\n", amount(l.Population, "run"), l.Journal)
	if l.Oldest != nil && l.Oldest.After(from) {
		fmt.Fprintf(con.err, "the journal's oldest run began at %s: it says nothing of the time before\n", second(*l.Oldest))
	}
	if c.Sample > 0 {
		if c.Seed == "" {
			var b [8]byte
			rand.Read(b[:]) // never fails
			c.Seed = hex.EncodeToString(b[:])
		}
		l.Draw(c.Sample, c.Seed)
		fmt.Fprintf(con.err, "drawn: %d, seed %s\n", l.Sample, plain(l.Seed))
	}
	if c.Output == "json" {
		return showJSON(con.out, l, "  ")
	}
	return l.CSV(con.out)
}

// stretch reads the two times. A day as the last one counts as a whole.
func (c auditCommand) stretch() (from, before time.Time, err error) {
	if from, _, err = dayOrTime(c.From); err != nil {
		return from, before, fmt.Errorf("--from: %w", err)
	}
	before, day, err := dayOrTime(c.To)
	if err != nil {
		return from, before, fmt.Errorf("--to: %w", err)
	}
	if day {
		before = before.AddDate(0, 0, 1)
	}
	switch {
	case !before.After(from):
		return from, before, fmt.Errorf("--to %s: it is not after --from %s", c.To, c.From)
	case c.Sample < 0:
		return from, before, fmt.Errorf("--sample %d: want a number above 0", c.Sample)
	case c.Seed != "" && c.Sample == 0:
		return from, before, errors.New("--seed: it draws nothing without --sample")
	}
	return from, before, nil
}

func dayOrTime(text string) (at time.Time, day bool, err error) {
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at, true, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), false, nil
	}
	return at, false, fmt.Errorf("%q: want a day such as 2025-01-31, or a time such as 2025-01-31T00:00:00Z", text)
}

// auditedRuns reads every run of a journal, with the events of those that began in a
// stretch of time.
func auditedRuns(ctx context.Context, path string, from, before time.Time) ([]audit.Run, error) {
	j, err := journal.Open(ctx, journal.Config{Path: path, ReadOnly: true})
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	defer j.Close()
	records, err := j.Runs(ctx, fact.RunFilter{})
	if err != nil {
		return nil, err
	}
	sent, err := readReceipts(ctx, j)
	if err != nil {
		return nil, err
	}
	plans := map[string]*rules.Plan{}
	var list []audit.Run
	for i := range records {
		if begun := records[i].Begun; begun.Before(from) || !begun.Before(before) {
			list = append(list, audit.Run{Record: new(wire.Site).Record(&records[i])}) // it counts, and has no row
			continue
		}
		r, err := auditedRun(ctx, j, &records[i], plans)
		if err != nil {
			return nil, fmt.Errorf("reading run %q: %w", records[i].ID, err)
		}
		r.Deliveries = sent.of(records[i].ID, records[i].N)
		list = append(list, r)
	}
	return list, nil
}

func auditedRun(ctx context.Context, j *journal.Journal, record *fact.RunRecord, plans map[string]*rules.Plan) (audit.Run, error) {
	r := audit.Run{Record: new(wire.Site).Record(record), N: record.N, Digests: map[uint64]string{}, Plans: plans}
	stored, err := j.Events(ctx, record.ID, 0, -1)
	if err != nil {
		return r, err
	}
	digests := map[string]bool{record.Digest: true}
	for i := range stored {
		digests[stored[i].Digest] = true
	}
	for digest := range digests {
		if plans[digest] != nil {
			continue
		}
		if plans[digest], err = loadPlan(ctx, j, digest); err != nil {
			return r, err
		}
	}
	roots := map[string]*fact.Event{}
	for i := range stored {
		e := &stored[i].Event
		if e.N > record.N {
			break // a daemon went on while this was read
		}
		if e.Because == "" {
			roots[e.ID] = e
		}
		r.Events = append(r.Events, wire.Event(plans[stored[i].Digest], e, roots[e.Because]))
		r.Digests[e.N] = stored[i].Digest
	}
	return r, nil
}
