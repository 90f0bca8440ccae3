package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/lab/power"
	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// keptRun is a run as the journal has it, from its beginning.
type keptRun struct {
	record  fact.RunRecord
	plan    *rules.Plan // in force
	begun   *rules.Plan // as the run began
	state   fact.Snapshot
	events  []wire.EventBody
	chain   *wire.Chain                      // up to that state; nil in a journal without links
	digests map[uint64]string                // :: event → digest of the plan in force then
	points  map[string]map[int64]rules.Point // :: signal, period → what was last said of it
}

// readRun reads a run. What was decided is taken as it stands: nothing but the ticks
// after the last state is run again.
func readRun(ctx context.Context, j *journal.Journal, run string) (*keptRun, error) {
	c := &keptRun{digests: map[uint64]string{}, points: map[string]map[int64]rules.Point{}}
	var err error
	if c.record, err = recordOf(ctx, j, run); err != nil {
		return nil, err
	}
	plans := map[string]*rules.Plan{}
	load := func(digest string) (*rules.Plan, error) {
		if p := plans[digest]; p != nil {
			return p, nil
		}
		p, err := loadPlan(ctx, j, digest)
		plans[digest] = p
		return p, err
	}
	if err := c.stand(ctx, j, load); err != nil {
		return nil, fmt.Errorf("reading run %q: %w", run, err)
	}
	if err := c.history(ctx, j, load); err != nil {
		return nil, fmt.Errorf("reading run %q: %w", run, err)
	}
	return c, nil
}

// stand finds where the run stands.
func (c *keptRun) stand(ctx context.Context, j *journal.Journal, load func(string) (*rules.Plan, error)) error {
	from, err := j.Recover(ctx, c.record.ID)
	if err != nil {
		return err
	}
	again := evaluator.Rerun{Load: load}
	if err := again.Start(from); err != nil {
		return err
	}
	for _, k := range from.Later {
		switch diff, err := again.Next(k); {
		case err != nil:
			return err
		case diff != nil && !diff.Older:
			return fmt.Errorf("this version does not reproduce the decisions in the journal: %v", diff)
		}
	}
	if again.State == nil {
		return errors.New("the journal has no tick of it")
	}
	c.plan, c.state = again.Plan, evaluator.Look(again.Plan, again.State)
	if from.Seq+uint64(len(from.Later)) > c.record.Seq { // a daemon went on while this was read
		if c.record, err = recordOf(ctx, j, c.record.ID); err != nil {
			return err
		}
	}
	return nil
}

// history reads events and readings, tick by tick.
func (c *keptRun) history(ctx context.Context, j *journal.Journal, load func(string) (*rules.Plan, error)) error {
	roots := map[string]*fact.Event{}
	for seq := uint64(0); ; {
		kept, err := j.Entries(ctx, c.record.ID, seq, 256)
		if err != nil {
			return err
		}
		if len(kept) == 0 {
			return nil
		}
		for i := range kept {
			k := &kept[i]
			seq = k.Seq
			if k.Tick.At.After(c.state.At) {
				return nil // newer than the state that is told
			}
			plan, err := load(k.Digest)
			if err != nil {
				return err
			}
			if c.begun == nil {
				c.begun = plan
			}
			for n := range k.Events {
				e := &k.Events[n]
				if e.Because == "" {
					roots[e.ID] = e
				}
				event := wire.Event(plan, e, roots[e.Because])
				event.Chain = wire.ChainOf(k.Seq, k.Link)
				c.events = append(c.events, event)
				c.digests[e.N] = k.Digest
			}
			c.note(plan, k.Tick.Readings)
			c.chain = wire.ChainOf(k.Seq, k.Link)
		}
	}
}

// note keeps what readings say. A later one replaces what an earlier one said of a period.
func (c *keptRun) note(plan *rules.Plan, readings []rules.Reading) {
	for i := range readings {
		r := &readings[i]
		if r.Signal < 0 || r.Signal >= len(plan.Signals) {
			continue
		}
		name := plan.Signals[r.Signal].Name
		if c.points[name] == nil {
			c.points[name] = map[int64]rules.Point{}
		}
		for _, p := range r.Points {
			c.points[name][p.At] = p
		}
	}
}

// readings are the points of every signal, in order.
func (c *keptRun) readings() []report.Series {
	var list []report.Series
	for _, name := range slices.Sorted(maps.Keys(c.points)) {
		list = append(list, report.Series{Signal: name, Points: slices.SortedFunc(maps.Values(c.points[name]), func(a, b rules.Point) int { return cmp.Compare(a.At, b.At) })})
	}
	return list
}

// body is the run as the API has it, with every event. It is not stale: it says when it is
// of.
func (c *keptRun) body() wire.RunBody {
	v := &wire.RunView{Plan: c.plan, Digest: c.record.Digest, Snapshot: c.state}
	site := &wire.Site{Digest: c.record.Digest}
	page := site.Plan(v, v.RunPassed(), v.PhasePassed)
	return site.Run(page, c.plan, c.events, false)
}

// recordOf is the record of a run; an unknown one is a wrong use.
func recordOf(ctx context.Context, j *journal.Journal, run string) (fact.RunRecord, error) {
	record, err := j.Run(ctx, run)
	if errors.Is(err, journal.ErrNotFound) {
		return record, exit(exitUsage, fmt.Errorf("the journal has no run %q: `relgate runs` lists those of a daemon", run))
	}
	return record, err
}

func loadPlan(ctx context.Context, j *journal.Journal, digest string) (*rules.Plan, error) {
	document, err := j.Document(ctx, digest)
	if err != nil {
		return nil, err
	}
	p, err := rules.ReadPlan(document, upstreamKinds())
	if err != nil {
		return nil, fmt.Errorf("decoding plan document %q: %w", digest, err)
	}
	return p, nil
}

// digestOf names a plan as the journal does: hex SHA-256 of its JSON.
func digestOf(p *rules.Plan) (string, error) {
	document, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encoding plan %q: %w", p.Name, err) // unreachable: a compiled plan has finite numbers
	}
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:]), nil
}

// forecastOf is what check says of a plan.
func forecastOf(plan *rules.Plan) []report.Forecast {
	lines := power.Forecast(plan)
	table := power.Table(lines)
	var list []report.Forecast
	for i := range lines {
		l := &lines[i]
		f := report.Forecast{Phase: l.Phase, Rule: l.Rule, Kind: l.Kind, Samples: l.Samples, Said: table[i][4]}
		switch {
		case l.Pass != nil:
			f.Minutes = l.Pass.Needed().Minutes
		case len(l.Detect) > 0:
			f.Minutes = l.Detect[0].Minutes
		}
		list = append(list, f)
	}
	return list
}
