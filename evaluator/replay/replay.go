package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Journal is what a replay reads.
type Journal interface {
	// Origin is the beginning of a run, with the plan of its first tick.
	Origin(ctx context.Context, run string) (fact.Recovery, error)
	// Entries are the run's ticks after a sequence, in order, at most limit.
	Entries(ctx context.Context, run string, after uint64, limit int) ([]fact.Kept, error)
	// Document is a plan's JSON by its digest.
	Document(ctx context.Context, digest string) ([]byte, error)
}

// Report is what a replay found.
type Report struct {
	Run      string    // id of the run
	From     time.Time // the first tick that was run again; zero when there is none
	To       time.Time // the last
	Ticks    int
	Events   int                // that were the same
	Plans    int                // versions of the plan that were in force
	Snapshot fact.Snapshot      // the run after the last tick; meaningless without ticks
	Differs  *fact.Difference   // the first difference, where the replay stopped; nil when there is none
	Older    []*fact.Difference // of ticks that an older judging stepped: what this version would say instead
}

// Options are what a replay may be told.
type Options struct {
	Kinds rules.Kinds // required: what the queries of the journal's plans are of
	// Each is called for every tick with what the journal has of it, after it
	// gave the same, or was of an older judging; nil calls nothing. An error ends the replay.
	Each func(k fact.Kept, plan *rules.Plan, state *evaluator.State) error
}

const page = 256 // ticks read at once

// Replay runs a run again from its beginning, and stops at the first event that is
// not the journal's, fact for fact; ticks that an older judging stepped may differ. The error is of reading, never of a
// difference; a run that the journal does not know gives a Report without ticks.
func Replay(ctx context.Context, j Journal, run string, o Options) (Report, error) {
	report := Report{Run: run}
	if err := replay(ctx, j, o, &report); err != nil {
		return report, fmt.Errorf("replaying run %q: %w", run, err)
	}
	return report, nil
}

func replay(ctx context.Context, j Journal, o Options, report *Report) error {
	origin, err := j.Origin(ctx, report.Run)
	if err != nil {
		return err
	}
	run := evaluator.Rerun{Load: func(digest string) (*rules.Plan, error) {
		report.Plans++
		return load(ctx, j, digest, o.Kinds)
	}}
	if err := run.Start(origin); err != nil {
		return err
	}
	for seq := uint64(0); ; {
		kept, err := j.Entries(ctx, report.Run, seq, page)
		if err != nil {
			return err
		}
		if len(kept) == 0 {
			break
		}
		if err := again(&run, kept, o, report); err != nil || report.Differs != nil {
			return err
		}
		seq = kept[len(kept)-1].Seq
	}
	if run.State != nil {
		report.Snapshot = evaluator.Look(run.Plan, run.State)
	}
	return nil
}

// again runs a page of ticks, up to the first difference.
func again(run *evaluator.Rerun, kept []fact.Kept, o Options, report *Report) error {
	for _, k := range kept {
		diff, err := run.Next(k)
		if err != nil {
			return fmt.Errorf("sequence %d: %w", k.Seq, err)
		}
		switch {
		case diff != nil && diff.Older:
			report.Older = append(report.Older, diff)
		case diff != nil:
			report.Differs = diff
			return nil
		}
		if report.Ticks == 0 {
			report.From = k.Tick.At
		}
		report.To = k.Tick.At
		report.Ticks++
		if diff == nil {
			report.Events += len(k.Raw)
		}
		if o.Each == nil {
			continue
		}
		if err := o.Each(k, run.Plan, run.State); err != nil {
			return err
		}
	}
	return nil
}

func load(ctx context.Context, j Journal, digest string, kinds rules.Kinds) (*rules.Plan, error) {
	document, err := j.Document(ctx, digest)
	if err != nil {
		return nil, err
	}
	p, err := rules.ReadPlan(document, kinds)
	if err != nil {
		return nil, fmt.Errorf("decoding plan document %q: %w", digest, err)
	}
	return p, nil
}
