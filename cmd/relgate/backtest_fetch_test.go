package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"

	"github.com/relgate/relgate/evaluator/lab/backtest"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// flaky answers every minute of what it is asked, but for the days that it is
// told to fail: so many times, or always when negative.
type flaky struct {
	failures map[int64]int // start of a question → how often it fails
	asked    []string      // "from-to" in hours
	from     int64
}

func (f *flaky) Fetch(_ context.Context, _ time.Time, wants []sources.Want) []rules.Reading {
	out := make([]rules.Reading, len(wants))
	for i, w := range wants {
		f.asked = append(f.asked, fmt.Sprintf("%d-%d", (w.From-f.from)/3600, (w.To-f.from)/3600))
		out[i] = rules.Reading{Signal: w.Index, From: w.From, To: w.To, SettledUntil: w.To}
		if n := f.failures[w.From]; n != 0 {
			f.failures[w.From]--
			out[i] = sources.Faulty(w, rules.Throttled, "slow down")
			continue
		}
		for at := w.From; at < w.To; at += 60 {
			out[i].Points = append(out[i].Points, rules.Point{At: at, Value: 1, Samples: 10})
		}
	}
	return out
}

// TestFetchAsksByTheDayAndOnceMore: four days in slices; the second is throttled
// once and had when it is asked again, the third always and is a gap.
func TestFetchAsksByTheDayAndOnceMore(t *testing.T) {
	from := time.Date(2025, 6, 2, 0, 0, 0, 0, time.UTC)
	plan := &rules.Plan{
		Name: "p", Interval: time.Minute,
		Signals: []rules.Signal{{Name: "errors", Source: "s", Kind: rules.Ratio, Of: -1, Period: time.Minute}},
		Rules:   []rules.Rule{{Name: "back", Kind: rules.RollbackRule, Alarm: -1}},
		Phases:  []rules.Phase{{Name: "all", Window: time.Hour, Rollback: []int{0}}},
	}
	q := backtest.Questions(plan, from, from.Add(95*time.Hour))[0]
	src := &flaky{from: q.From, failures: map[int64]int{q.From + 24*3600: 1, q.From + 48*3600: -1}}
	pauses := 0
	f := &historian{
		trial: &trial{con: console{out: io.Discard, err: io.Discard}, plans: []*rules.Plan{plan}, from: from, to: from.Add(95 * time.Hour), now: from.Add(96 * time.Hour)},
		pool:  sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": src}}),
		pause: func(context.Context, time.Duration) error { pauses++; return nil },
	}
	f.plan()
	if err := f.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"0-24", "24-48", "48-72", "72-95", "24-48", "48-72"}; !slices.Equal(src.asked, want) || pauses != 1 {
		t.Errorf("asked %v with %d pauses, want %v with 1", src.asked, pauses, want)
	}
	s := backtest.Assemble(f.queries[0].signal, f.queries[0].readings)
	if len(s.Gaps) != 1 || s.Gaps[0] != (backtest.Gap{From: q.From + 48*3600, To: q.From + 72*3600, Detail: "slow down"}) {
		t.Errorf("got gaps %+v, want the third day", s.Gaps)
	}
	if want := int((q.To-q.From)/60 - 24*60); len(s.Points) != want {
		t.Errorf("got %d points, want %d", len(s.Points), want)
	}
}

// TestOldMinutesAreNotAskedFor: what CloudWatch does not keep any more is a gap
// from the start.
func TestOldMinutesAreNotAskedFor(t *testing.T) {
	now := time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)
	signal := &rules.Signal{Name: "errors", Source: "s", Kind: rules.Ratio, Of: -1, Period: time.Minute, Query: rules.Query{Ask: &cloudwatch.Query{}}}
	f := &historian{trial: &trial{now: now}}
	q := f.query("p", backtest.Question{From: now.Add(-30 * day).Unix(), To: now.Unix()}, signal)
	oldest := now.Add(-15*day).Unix() + 60
	if len(q.readings) != 1 || q.readings[0].Fault != rules.Unavailable || q.readings[0].To != oldest || q.slices[0].from != oldest || len(q.slices) != 15 {
		t.Errorf("got %+v and %d slices from %d; want a gap up to %d, then 15 days", q.readings, len(q.slices), q.slices[0].from, oldest)
	}
}
