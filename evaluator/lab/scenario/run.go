package scenario

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Compile makes a plan of a config. For a plan inside the scenario, toml is its
// text, moved down so that lines count as in the file, and name is the file's
// base name; its signals may lack sources and queries. For a section config,
// toml is nil and name is the path of the file to read, relative to the
// scenario's folder.
type Compile func(name string, toml []byte) (*rules.Plan, error)

// Result is what came of a run.
type Result struct {
	File        string
	Plan        *rules.Plan  // nil for a file without one
	Ticks       []fact.Tick  // as they were given to the evaluator
	Events      []fact.Event // as they came
	Differences []Difference // none when the scenario holds

	answers []verdict // what the verdicts section should say
}

// OK reports whether everything was as expected.
func (r *Result) OK() bool { return len(r.Differences) == 0 }

// maxTicks bounds a run.
const maxTicks = 1_000_000

// Run drives the evaluator through the scenario as the daemon would: a tick at
// every interval of the plan, in which the signals that are due are asked, and a
// tick for each command at its time. The error says why it could not be run; it
// joins an [Error] for each mistake that has a place in the file.
//
// A file that holds nothing but datapoints needs no plan: its Result has none,
// and no ticks and events.
func (f *File) Run(compile Compile) (Result, error) {
	if f.plan.name == "" {
		r := Result{File: f.Name}
		r.compareAlarms(f)
		return r, nil
	}
	plan, err := f.compile(compile)
	if err != nil {
		return Result{}, err
	}
	ticks, err := f.schedule(plan)
	if err != nil {
		return Result{}, err
	}
	w, errs := newWorld(f, plan)
	if len(errs) > 0 {
		return Result{}, errors.Join(errs...)
	}
	r := Result{File: f.Name, Plan: plan}
	verdicts := slices.Clone(f.verdicts)
	slices.SortStableFunc(verdicts, func(a, b verdict) int { return cmp.Compare(a.at, b.at) })
	state := evaluator.Begin(plan)
	for i := range ticks {
		var events []fact.Event
		tick := ticks[i].fill(w, state)
		state, events = evaluator.Step(plan, state, tick)
		r.Ticks, r.Events = append(r.Ticks, tick), append(r.Events, events...)
		for len(verdicts) > 0 && (i+1 == len(ticks) || verdicts[0].at < ticks[i+1].At.Sub(plan.Start)) {
			if err := r.answer(f, &verdicts[0], plan, state); err != nil {
				return Result{}, err
			}
			verdicts = verdicts[1:]
		}
	}
	r.compare(f)
	r.compareAlarms(f)
	return r, nil
}

func (f *File) compile(compile Compile) (*rules.Plan, error) {
	var plan *rules.Plan
	var err error
	switch f.plan.name {
	case "plan.json":
		plan = new(rules.Plan)
		if err = json.Unmarshal([]byte(f.plan.text), plan); err != nil {
			err = &Error{f.Name, f.plan.line, "reading the plan: " + err.Error()}
		}
	case "config":
		path := strings.TrimSpace(f.plan.text)
		plan, err = compile(filepath.FromSlash(path), nil)
	default:
		plan, err = compile(filepath.Base(f.Name), []byte(strings.Repeat("\n", f.plan.line-1)+f.plan.text))
	}
	if err != nil {
		return nil, err
	}
	if plan == nil || plan.Interval < time.Second {
		return nil, &Error{f.Name, f.plan.line, "the plan has no interval between ticks of at least a second"}
	}
	if len(f.ticks) == 0 && !f.signs() {
		tried := *plan // rules are tried: no one has to sign for that
		tried.Approvals, tried.Review = nil, rules.Review{}
		tried.Rehearsal = rules.Rehearsal{} // nor does any receiver answer
		plan = &tried
	}
	for _, s := range plan.Signals {
		if s.Period < time.Second {
			return nil, &Error{f.Name, f.plan.line, fmt.Sprintf("signal %q has no period of at least a second", s.Name)}
		}
	}
	return plan, nil
}

// signs reports whether a command of the scenario is about signatures or the review.
func (f *File) signs() bool {
	return slices.ContainsFunc(f.commands, func(c command) bool {
		return slices.Contains([]fact.CommandKind{fact.Approve, fact.Reject, fact.BreakGlass, fact.EditReview, fact.SignReview}, c.Kind)
	})
}

// planned is a tick to come.
type planned struct {
	fact.Tick
	asks bool // the signals that are due are asked
}

func (t *planned) fill(w *world, state *evaluator.State) fact.Tick {
	tick := t.Tick
	if t.asks {
		for _, q := range evaluator.Wants(w.plan, state, tick.At) {
			tick.Readings = append(tick.Readings, w.ask(q, tick.At.Unix()))
		}
	}
	return tick
}

// schedule lists the ticks.
func (f *File) schedule(plan *rules.Plan) ([]planned, error) {
	if f.ticks != nil {
		return f.exact(plan)
	}
	start := plan.Start.UTC().Truncate(time.Second)
	from, until := f.bounds(plan)
	if until-from > maxTicks*plan.Interval {
		return nil, &Error{f.Name, f.plan.line, fmt.Sprintf("%v from %s to %s are more than %d ticks", until-from, formatTime(from), formatTime(until), maxTicks)}
	}
	var ticks []planned
	for at := from; at <= until; at += plan.Interval {
		if !slices.ContainsFunc(f.down, func(s span) bool { return s.has(at) }) {
			ticks = append(ticks, planned{fact.Tick{At: start.Add(at)}, true})
		}
	}
	for _, c := range f.commands {
		if slices.ContainsFunc(f.down, func(s span) bool { return s.has(c.at) }) {
			return nil, &Error{f.Name, c.line, "a command cannot be given while the daemon is down"}
		}
		if c.at < from || c.at > until {
			return nil, &Error{f.Name, c.line, fmt.Sprintf("the run goes from %s to %s", formatTime(from), formatTime(until))}
		}
		ticks = withCommand(ticks, start.Add(c.at), c.Command)
	}
	if len(ticks) > 0 {
		ticks[0].Past = f.past.of(start.Unix())
	}
	return ticks, nil
}

// withCommand adds a command to the tick of its time, or a tick of its own.
func withCommand(ticks []planned, at time.Time, c fact.Command) []planned {
	i, found := slices.BinarySearchFunc(ticks, at, func(t planned, at time.Time) int { return t.At.Compare(at) })
	if !found {
		ticks = slices.Insert(ticks, i, planned{Tick: fact.Tick{At: at}})
	}
	ticks[i].Commands = append(ticks[i].Commands, c)
	return ticks
}

// bounds says when the run begins and ends: at T or at the first thing that has
// a time, at the last thing that has one, unless the file says so itself.
func (f *File) bounds(plan *rules.Plan) (from, until time.Duration) {
	see := func(at time.Duration) { from, until = min(from, at), max(until, at) }
	for _, c := range f.commands {
		see(c.at)
	}
	for _, e := range f.events.events {
		see(e.at)
	}
	for _, v := range f.verdicts {
		see(v.at)
	}
	if w, errs := newWorld(f, plan); len(errs) == 0 && w.end != 0 {
		until = max(until, time.Duration(w.end-w.start)*time.Second)
	}
	if from%plan.Interval != 0 {
		from = from.Truncate(plan.Interval) - plan.Interval
	}
	if f.from != nil {
		from = *f.from
	}
	if f.until != nil {
		until = *f.until
	}
	return from, until
}

// exact lists the ticks that the file has to the letter.
func (f *File) exact(plan *rules.Plan) ([]planned, error) {
	w, _ := newWorld(f, plan)
	var ticks []planned
	var errs []error
	for _, t := range f.ticks {
		p := planned{Tick: fact.Tick{At: time.Unix(t.at.seconds(w.start), 0).UTC(), Commands: t.commands, Results: t.results, Begin: t.begin, Past: t.past.of(w.start)}}
		if n := len(ticks); n > 0 && p.At.Before(ticks[n-1].At) {
			errs = append(errs, &Error{f.Name, t.line, "the tick comes before the one above"})
		}
		for i := range t.reads {
			signal, err := w.signal(t.reads[i].signal)
			if err != nil {
				errs = append(errs, &Error{f.Name, t.reads[i].line, err.Error()})
				continue
			}
			p.Readings = append(p.Readings, t.reads[i].reading(signal, w.start))
		}
		ticks = append(ticks, p)
	}
	return ticks, errors.Join(errs...)
}

// answer compares one line of the verdicts section.
func (r *Result) answer(f *File, v *verdict, plan *rules.Plan, state *evaluator.State) error {
	s := evaluator.Look(plan, state)
	got, ok, err := v.answered(plan, &s)
	if err != nil {
		return &Error{f.Name, v.line, err.Error()}
	}
	got.line = v.line
	kept := got
	if kept.reason != v.reason {
		kept.reason = "" // an update keeps what is still true, and claims nothing new
	}
	r.answers = append(r.answers, kept)
	if !ok {
		r.Differences = append(r.Differences, Difference{File: f.Name, Line: v.line, Want: v.String(), Got: got.String()})
	}
	return nil
}
