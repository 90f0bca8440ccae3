package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

// start is T of every plan, on the grid of every interval.
var start = time.Unix(1_750_000_200, 0).UTC()

// plan has one phase of ten minutes, one signal, one rule of each kind.
func plan(name string, interval time.Duration) *rules.Plan {
	below, above := condition("< 1 %"), condition("> 3 %")
	return &rules.Plan{
		Name: name, Title: "A plan", Version: "1", Start: start, Completion: start.Add(time.Hour), Interval: interval,
		Signals: []rules.Signal{{
			Name: "errors", Source: "s", Kind: rules.Ratio, Unit: rules.Percent, Period: time.Minute, Every: time.Minute,
			Settle: 2 * time.Minute, Keep: 30, Of: -1,
		}},
		Rules: []rules.Rule{
			{Name: "few", Kind: rules.Success, When: below, ShownWhen: below, Coverage: 0.8, Alarm: -1},
			{Name: "many", Kind: rules.RollbackRule, When: above, ShownWhen: above, For: 3 * time.Minute, Coverage: 0.8, Alarm: -1, Action: "revert"},
		},
		Phases: []rules.Phase{{
			Name: "canary", Window: 10 * time.Minute, Extend: 5 * time.Minute, Success: []int{0}, Rollback: []int{1},
		}},
		Communications: []rules.Communication{{Name: "hello", At: 4 * time.Minute, Channel: "#ops", Text: "it goes on"}},
	}
}

func condition(text string) rules.Condition {
	c, err := rules.ParseCondition(text)
	if err != nil {
		panic(err)
	}
	return c
}

// world is a source whose numbers depend on event time alone.
type world struct {
	bad  func(minute int64) float64 // of 100 samples, in a minute since start
	odd  func(r *rules.Reading)     // changes a reading, if set
	hook func(ctx context.Context, now time.Time)

	mu    sync.Mutex
	asked []runner.Want
}

func (w *world) Fetch(ctx context.Context, now time.Time, wants []runner.Want) []rules.Reading {
	if w.hook != nil {
		w.hook(ctx, now)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, wants...)
	readings := make([]rules.Reading, len(wants))
	for i, want := range wants {
		r := rules.Reading{Signal: want.Index, From: want.From, To: want.To, SettledUntil: (now.Unix() - 60) / 60 * 60}
		for at := (want.From + 59) / 60 * 60; at+60 <= want.To && at+60 <= now.Unix(); at += 60 {
			r.Points = append(r.Points, rules.Point{At: at, Value: w.bad((at - start.Unix()) / 60), Samples: 100})
		}
		if w.odd != nil {
			w.odd(&r)
		}
		readings[i] = r
	}
	return readings
}

func healthy(int64) float64 { return 0 }

// spike is healthy but for the minutes from 3 on.
func spike(minute int64) float64 {
	if minute >= 3 {
		return 5
	}
	return 0
}

// clock is virtual: it jumps to what is waited for, and ends the run at its end.
type clock struct {
	mu  sync.Mutex
	now time.Time
	end time.Time
}

var errEnd = errors.New("the end of time")

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) WaitUntil(ctx context.Context, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.end) {
		return errEnd
	}
	if t.After(c.now) {
		c.now = t
	}
	return ctx.Err()
}

// NotBefore moves it on, if need be.
func (c *clock) NotBefore(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
}

// newClock runs from a minute before T for so many minutes.
func newClock(minutes int) *clock {
	return &clock{now: start.Add(-time.Minute), end: start.Add(time.Duration(minutes) * time.Minute)}
}

func newRunner(t testing.TB, c runner.Config) *runner.Runner {
	t.Helper()
	if c.NewUID == nil {
		c.NewUID = func() string { return "u" }
	}
	c.Kinds = rules.Kinds{}
	r, err := runner.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t testing.TB, s journaltest.Store) journaltest.Journal {
	t.Helper()
	j, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// events are all events of a journal, a line each, as they are stored.
func events(t testing.TB, j journaltest.Journal) []string {
	t.Helper()
	runs, err := j.Runs(context.Background(), fact.RunFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	slices.Reverse(runs) // the oldest first
	for _, run := range runs {
		stored, err := j.Events(context.Background(), run.ID, 0, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range stored {
			lines = append(lines, string(s.Raw))
		}
	}
	return lines
}

// sameEvents compares two journals' events.
func sameEvents(t testing.TB, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("%s: event %d:\ngot  %s\nwant %s", what, i+1, g, w)
		}
	}
}

// replays fails unless the journal's ticks give the journal's events.
func replays(t testing.TB, j journaltest.Journal, id string) (ticks int) {
	t.Helper()
	ctx := context.Background()
	run := evaluator.Rerun{Load: func(digest string) (*rules.Plan, error) {
		doc, err := j.Document(ctx, digest)
		if err != nil {
			return nil, err
		}
		p := new(rules.Plan)
		return p, json.Unmarshal(doc, p)
	}}
	origin, err := j.Origin(ctx, id)
	if err == nil {
		err = run.Start(origin)
	}
	if err != nil {
		t.Fatal(err)
	}
	kept, err := j.Entries(ctx, id, origin.Seq, -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kept {
		diff, err := run.Next(k)
		if err != nil || diff != nil {
			t.Fatalf("replaying sequence %d: %v, difference %+v", k.Seq, err, diff)
		}
	}
	return len(kept)
}

// undisturbed is the events of a run without any fault.
func undisturbed(t testing.TB, w *world, minutes int, plans ...*rules.Plan) []string {
	t.Helper()
	j := open(t, new(journaltest.Memory))
	r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: plans}, Journal: j, Fetcher: w, Clock: newClock(minutes)})
	if err := r.Run(context.Background()); !errors.Is(err, errEnd) {
		t.Fatalf("Run: %v", err)
	}
	for _, p := range plans {
		replays(t, j, p.Name+"@"+p.Version)
	}
	lines := events(t, j)
	if len(lines) == 0 {
		t.Fatal("nothing happened")
	}
	return lines
}

// view is the newest snapshot of a plan.
func view(t testing.TB, r *runner.Runner, name string) fact.Snapshot {
	t.Helper()
	v, ok := r.Published().Plan(name)
	if !ok || v.Newest() == nil {
		t.Fatalf("no run of plan %q is published", name)
	}
	return v.Newest().Snapshot
}

// said lists events as "kind subject: from => to".
func said(t testing.TB, j journaltest.Journal) []string {
	t.Helper()
	var list []string
	for _, line := range events(t, j) {
		var e fact.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %s: %s => %s", e.Kind, e.Subject, e.From, e.To))
	}
	return list
}
