package evaluator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

var T = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

func pct(s string) rules.Condition {
	c, err := rules.ParseCondition(s)
	if err != nil {
		panic(err)
	}
	return c
}

// smallPlan is two phases on two ratio signals and a gauge.
func smallPlan() *rules.Plan {
	ratio := func(name string) rules.Signal {
		return rules.Signal{
			Name: name, Source: "cw", Kind: rules.Ratio, Unit: rules.Percent, Of: -1, Keep: 30,
			Period: time.Minute, Every: time.Minute, Settle: 2 * time.Minute,
		}
	}
	return &rules.Plan{
		Name: "REL", Title: "Release", Start: T, Interval: 30 * time.Second,
		Signals: []rules.Signal{ratio("errors"), ratio("crashes")},
		Rules: []rules.Rule{
			{Name: "few", Title: "API 5xx", Kind: rules.Success, When: pct("< 1 %"), Alarm: -1, Coverage: .8, MinSamples: 100},
			{Name: "high", Title: "API 5xx", Kind: rules.RollbackRule, When: pct("> 3 %"), For: 10 * time.Minute, Alarm: -1, Coverage: .8, Owner: "ops", Action: "revert", Command: "aws"},
			{Name: "crashy", Title: "Crashes", Kind: rules.RollbackRule, Signal: 1, When: pct("> 2 %"), Over: 10 * time.Minute, MinSamples: 50, Alarm: -1, Coverage: .8},
		},
		Phases: []rules.Phase{
			{Name: "ten", Window: 15 * time.Minute, Extend: 10 * time.Minute, Success: []int{0}, Rollback: []int{1, 2}},
			{Name: "all", Start: 20 * time.Minute, Window: 30 * time.Minute, Extend: 10 * time.Minute, Success: []int{0}, Rollback: []int{1, 2}},
		},
		Communications: []rules.Communication{
			{Name: "early", At: -24 * time.Hour, Channel: "banner", Text: "tomorrow"},
			{Name: "live", At: 25 * time.Minute, Channel: "page", Text: "live"},
		},
	}
}

// world answers questions as sources do.
type world struct {
	t     *testing.T
	plan  *rules.Plan
	state *State
	now   time.Time
	// value gives a period's point; false when there is none.
	value func(signal int, at int64) (v, n float64, ok bool)
	// bend may change a reading, or drop it by giving false.
	bend   func(rd *rules.Reading) bool
	events []fact.Event
}

func newWorld(t *testing.T, plan *rules.Plan) *world {
	return &world{t: t, plan: plan, state: Begin(plan), now: plan.Start.Add(-5 * time.Minute), value: healthy}
}

func healthy(signal int, at int64) (v, n float64, ok bool) { return 1, 1000, true }

func (w *world) answer(q fact.Want) rules.Reading {
	sig := &w.plan.Signals[q.Signal]
	p, now := int64(sig.Period/time.Second), w.now.Unix()
	rd := rules.Reading{Signal: q.Signal, From: q.From, To: q.To, SettledUntil: series.AlignDown(now-int64(sig.Settle/time.Second), p)}
	for at := series.AlignDown(q.From, p); at < q.To; at += p {
		if v, n, ok := w.value(q.Signal, at); ok {
			rd.Points = append(rd.Points, rules.Point{At: at, Value: v, Samples: n})
		}
	}
	return rd
}

// tick asks, answers and steps; the state goes through its stored form.
func (w *world) tick(commands ...fact.Command) []fact.Event {
	w.t.Helper()
	tick := fact.Tick{At: w.now, Commands: commands}
	for _, q := range Wants(w.plan, w.state, w.now) {
		rd := w.answer(q)
		if w.bend == nil || w.bend(&rd) {
			tick.Readings = append(tick.Readings, rd)
		}
	}
	var events []fact.Event
	w.state, events = checkedStep(w.t, w.plan, w.state, tick)
	w.events = append(w.events, events...)
	return events
}

func (w *world) run(until time.Time) {
	w.t.Helper()
	for ; w.now.Before(until); w.now = w.now.Add(w.plan.Interval) {
		w.tick()
	}
}

func (w *world) lines() string {
	var b strings.Builder
	for _, e := range w.events {
		b.WriteString(line(e))
	}
	return b.String()
}

func line(e fact.Event) string {
	return e.At.Format("15:04:05 ") + string(e.Kind) + " " + e.Subject + ": " + e.From + " => " + e.To + " (" + e.Cause.String() + ") " + factsOf(e.Why, e.Evidence) + "\n"
}

// factsOf writes a ground and the numbers behind it: value, points of those
// expected, samples.
func factsOf(w fact.Why, e *fact.Evidence) string {
	parts := []string{string(w.Code)}
	add := func(ok bool, format string, args ...any) {
		if ok {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(w.Rule != "", "rule=%s", w.Rule)
	add(w.Phase != "", "phase=%s", w.Phase)
	add(w.State != "", "state=%s", w.State)
	add(w.Verdict != 0, "verdict=%s", w.Verdict)
	add(w.Cause != 0, "cause=%s", w.Cause)
	add(w.Policy != 0, "policy=%s", w.Policy)
	add(w.Of != 0, "%d/%d", w.N, w.Of)
	add(!w.Until.IsZero(), "until=%s", w.Until.Format("15:04:05"))
	add(!w.Since.IsZero(), "since=%s", w.Since.Format("15:04:05"))
	add(w.By != "", "by=%s", w.By)
	add(w.Run != "", "run=%s", w.Run)
	add(w.Text != "", "%q", w.Text)
	if e != nil {
		add(e.Known, "%.4g", e.Value)
		add(true, "%d/%d %g", e.Points, e.Expected, e.Samples)
	}
	return strings.Join(parts, " ")
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkedStep steps twice, from the state and from its stored form, and checks
// that both give the same and that nothing that went in was changed.
func checkedStep(t fataler, plan *rules.Plan, state *State, tick fact.Tick) (*State, []fact.Event) {
	t.Helper()
	stored := store(t, state)
	before, _ := json.Marshal(tick)
	next, events := Step(plan, state, tick)
	if after, _ := json.Marshal(tick); !bytes.Equal(before, after) {
		t.Fatalf("Step changed its tick")
	}
	if !bytes.Equal(store(t, state), stored) {
		t.Fatalf("Step changed its state")
	}
	again := new(State)
	if err := again.UnmarshalBinary(stored); err != nil {
		t.Fatalf("reading what was stored: %v", err)
	}
	next2, events2 := Step(plan, again, tick)
	if !reflect.DeepEqual(events, events2) {
		a, _ := json.MarshalIndent(events, "", " ")
		b, _ := json.MarshalIndent(events2, "", " ")
		t.Fatalf("events differ after the stored form:\n%s\n%s", a, b)
	}
	if a, b := store(t, next), store(t, next2); !bytes.Equal(a, b) {
		t.Fatalf("states differ after the stored form")
	}
	return next, events
}

func store(t fataler, s *State) []byte {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatalf("storing: %v", err)
	}
	return b
}
