package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/lab/backtest"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/simulator"
)

const (
	// day is how much of a signal one question is about: few enough buckets for
	// every upstream, and what is lost when one fails is bounded.
	day = 24 * time.Hour
	// sliceTimeout is how long the sources may take for their slices together.
	sliceTimeout = 2 * time.Minute
	// again is the pause before what was throttled or unavailable is asked once
	// more.
	again = 5 * time.Second
)

// obtain makes sure that there is a history, and keeps it where that is wanted.
func (t *trial) obtain(ctx context.Context) (err error) {
	if t.history == nil {
		if t.history, err = t.fetch(ctx); err != nil {
			return err
		}
	}
	if t.Save == "" {
		return nil
	}
	text, err := t.history.MarshalText()
	if err == nil {
		err = os.WriteFile(t.Save, text, 0o644)
	}
	if err != nil {
		return exit(exitUsage, fmt.Errorf("keeping the history: %w", err))
	}
	fmt.Fprintf(t.con.err, "kept in %s: %s, %d bytes\n", filepath.Base(t.Save), amount(len(t.history.Series), "signal"), len(text))
	return nil
}

// fetch asks the sources, or with --demo the simulated ones.
func (t *trial) fetch(ctx context.Context) (*backtest.History, error) {
	log := newLog(t.con.err, "error", "text")
	if t.Demo == "" {
		f := &historian{trial: t, upstreams: upstreams{log: log}, pause: sources.Sleep, specs: t.specs()}
		return f.fetch(ctx)
	}
	scenario, err := simulator.Load(t.Demo)
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	t.now = t.to.Add(time.Hour) // by then all of the range has been published
	clock := newVirtualClock(t.now, 0)
	w, err := newWorld(ctx, "", scenario, t.plans[0].Start, clock)
	if err != nil {
		return nil, err
	}
	f := &historian{trial: t, clock: clock, specs: t.specs(), pause: clock.pause, upstreams: upstreams{
		simulated: true, pause: clock.pause, log: log,
	}}
	w.simulate(f.specs)
	serving, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return w.Run(serving) })
	history, err := f.fetch(ctx)
	stop()
	return history, errors.Join(err, group.Wait())
}

// specs is the sources of both configs; of two with one name the first counts.
func (t *trial) specs() []config.SourceSpec {
	var specs []config.SourceSpec
	for _, cfg := range t.configs {
		for _, s := range cfg.Sources {
			if !slices.ContainsFunc(specs, func(x config.SourceSpec) bool { return x.Name == s.Name }) {
				specs = append(specs, s)
			}
		}
	}
	return specs
}

// historian fetches a history.
type historian struct {
	*trial
	upstreams upstreams
	specs     []config.SourceSpec
	pause     sources.Pause
	clock     *virtualClock // of simulated upstreams; nil: real time
	made      map[string]sources.Source
	broken    map[string]error // source → why it could not be made
	pool      *sources.Pool
	queries   []*query
}

// query is one signal's question with its slices.
type query struct {
	plan     string
	index    int
	signal   *rules.Signal
	slices   []span // still to be asked
	readings []rules.Reading
	failed   []rules.Reading // of the slices that are to be asked again
	none     string          // why it is not asked at all
}

// span is a stretch of event time in Unix seconds.
type span struct{ from, to int64 }

// fetch asks for every question of the plans once.
func (f *historian) fetch(ctx context.Context) (*backtest.History, error) {
	f.plan()
	f.connect(ctx)
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	h := &backtest.History{From: f.from, To: f.to, Fetched: f.now}
	why := ""
	for _, q := range f.queries {
		if q.none != "" {
			h.Series = append(h.Series, backtest.Unavailable(q.signal, q.none))
			why = either(why, q.signal.Name+": "+q.none)
			continue
		}
		for i := range q.readings {
			if fault := q.readings[i].Fault; fault != rules.OK && fault != rules.NoData {
				why = either(why, q.signal.Name+": "+q.readings[i].Detail)
			}
		}
		h.Series = append(h.Series, backtest.Assemble(q.signal, q.readings))
	}
	if !f.answered() {
		return nil, exit(exitFail, fmt.Errorf("no history could be fetched: %s", either(why, "no rule needs any")))
	}
	return h, nil
}

// plan lists the questions of the plans, each once.
func (f *historian) plan() {
	asked := map[string]bool{}
	for _, p := range f.plans {
		for _, q := range backtest.Questions(p, f.from, f.to) {
			s := &p.Signals[q.Signal]
			if key := backtest.KeyOf(s); asked[key] {
				continue
			} else {
				asked[key] = true
			}
			f.queries = append(f.queries, f.query(p.Name, q, s))
		}
	}
}

func (f *historian) query(plan string, q backtest.Question, s *rules.Signal) *query {
	out := &query{plan: plan, index: q.Signal, signal: s}
	var r rules.Past
	if s.Query.Ask != nil {
		r = s.Query.Ask.Past(s)
	}
	if out.none = r.None; out.none != "" {
		return out
	}
	from := q.From
	if r.Keeps > 0 {
		if oldest := f.now.Add(-r.Keeps).Unix(); from < oldest {
			width := int64(s.Period / time.Second)
			oldest = min((oldest/width+1)*width, q.To)
			out.readings = append(out.readings, sources.Faulty(
				sources.Want{Index: q.Signal, From: from, To: oldest}, rules.Unavailable, r.Kept))
			from = oldest
		}
	}
	for from < q.To {
		to := q.To
		if !r.Whole {
			to = min(from+int64(day/time.Second), q.To)
		}
		out.slices = append(out.slices, span{from, to})
		from = to
	}
	return out
}

// connect makes the sources that are asked. One that cannot be made has no
// history; the others go on.
func (f *historian) connect(ctx context.Context) {
	f.made, f.broken = map[string]sources.Source{}, map[string]error{}
	for _, q := range f.queries {
		name := q.signal.Source
		i := slices.IndexFunc(f.specs, func(s config.SourceSpec) bool { return s.Name == name })
		if q.none != "" || i < 0 {
			continue
		}
		if f.made[name] == nil && f.broken[name] == nil {
			src, err := f.upstreams.source(ctx, &f.specs[i])
			if err != nil {
				f.broken[name] = err
				fmt.Fprintf(f.con.err, "source %s: %s\n", name, plain(err.Error()))
			} else {
				f.made[name] = src
			}
		}
		if err := f.broken[name]; err != nil {
			q.none = err.Error()
		}
	}
	f.pool = sources.NewPool(sources.PoolConfig{Sources: f.made, Timeout: sliceTimeout, Log: f.upstreams.log})
	if f.clock != nil {
		f.pool = sources.NewPool(sources.PoolConfig{Sources: f.made, Timeout: sliceTimeout, WithTimeout: f.clock.WithTimeout, Log: f.upstreams.log})
	}
}

// ask goes through the slices, and once more through those that failed for a
// reason that may pass.
func (f *historian) ask(ctx context.Context) error {
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), sliceTimeout)
		defer cancel()
		f.pool.Close(closing)
	}()
	failed, err := f.rounds(ctx, "fetching", true)
	if err != nil || failed == 0 {
		return err
	}
	if !f.answered() {
		f.giveUp()
		return nil // no source answered: waiting a little will not help
	}
	if err := f.pause(ctx, again); err != nil {
		return err
	}
	_, err = f.rounds(ctx, "asking again", false)
	return err
}

// answered reports whether any question had an answer.
func (f *historian) answered() bool {
	return slices.ContainsFunc(f.queries, func(q *query) bool {
		return slices.ContainsFunc(q.readings, func(rd rules.Reading) bool { return rd.Fault == rules.OK || rd.Fault == rules.NoData })
	})
}

// giveUp takes the failures for answers.
func (f *historian) giveUp() {
	for _, q := range f.queries {
		q.readings, q.failed = append(q.readings, q.failed...), nil
	}
}

// rounds asks the first slice of every question at once, then the second, and so
// on. What failed and may be asked again is kept for that when retry says so;
// it gives how many there are.
func (f *historian) rounds(ctx context.Context, what string, retry bool) (failed int, err error) {
	most := 0
	for _, q := range f.queries {
		if q.none == "" {
			most = max(most, len(q.slices))
		}
	}
	later := make([][]span, len(f.queries))
	for round := range most {
		if most > 1 {
			fmt.Fprintf(f.con.err, "%s: %d of %d\n", what, round+1, most)
		}
		for i, rd := range f.round(ctx, round) {
			q := f.queries[i]
			if retry && (rd.Fault == rules.Throttled || rd.Fault == rules.Unavailable) {
				later[i] = append(later[i], q.slices[round])
				q.failed = append(q.failed, rd)
				failed++
				continue
			}
			q.readings = append(q.readings, rd)
		}
		if ctx.Err() != nil {
			return failed, ctx.Err()
		}
	}
	for i := range later {
		f.queries[i].slices = later[i]
	}
	return failed, nil
}

// round asks one slice of every question that has so many: question → reading.
func (f *historian) round(ctx context.Context, round int) map[int]rules.Reading {
	var wants []sources.Want
	var whose []int
	for i, q := range f.queries {
		if q.none == "" && round < len(q.slices) {
			s := q.slices[round]
			wants = append(wants, sources.Want{Run: q.plan, Index: q.index, Signal: q.signal, From: s.from, To: s.to})
			whose = append(whose, i)
		}
	}
	readings := make(map[int]rules.Reading, len(wants))
	for i, rd := range f.pool.Fetch(ctx, f.now, wants) {
		readings[whose[i]] = rd
	}
	return readings
}
