package main

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	athena "github.com/relgate/relgate/sources/athena/kind"

	"github.com/relgate/relgate/evaluator/lab/backtest"
	"github.com/relgate/relgate/rules"
)

// monthOf is thirty healthy days of everything that a plan asks for; what a
// source cannot answer for the past is not in it.
func monthOf(plan *rules.Plan, from time.Time, d time.Duration) *backtest.History {
	h := &backtest.History{From: from, To: from.Add(d), Fetched: from.Add(d)}
	r := rand.New(rand.NewPCG(7, 8))
	for _, q := range backtest.Questions(plan, from, h.To) {
		s := &plan.Signals[q.Signal]
		if athena.Of(s.Query) != nil {
			h.Series = append(h.Series, backtest.Unavailable(s, "now only"))
			continue
		}
		rd := rules.Reading{Signal: q.Signal, From: q.From, To: q.To}
		for at := q.From; at < q.To; at += int64(s.Period / time.Second) {
			p := rules.Point{At: at, Samples: float64(1000 + r.IntN(200)), Value: float64(r.IntN(4))}
			switch s.Kind {
			case rules.Mean:
				p.Samples, p.Value = 2, 9.5
			case rules.Alarm:
				p.Samples, p.Value = 1, 0
			}
			rd.Points = append(rd.Points, p)
		}
		h.Series = append(h.Series, backtest.Assemble(s, []rules.Reading{rd}))
	}
	return h
}

// BenchmarkBacktest is what the command does once it has fetched: thirty days of minutes under the plan of config.toml. The
// figure without a peer in it is the ratio to going through the same points once.
func BenchmarkBacktest(b *testing.B) {
	cfg, problems := configs().Load(filepath.Join(root, "config.toml"))
	if cfg == nil {
		b.Fatal(problems)
	}
	plan := cfg.Plans[0]
	from := plan.Start
	h := monthOf(plan, from, 30*24*time.Hour)
	var report *backtest.Report
	defer roomy()()
	b.ReportAllocs()
	for b.Loop() {
		var err error
		report, err = backtest.Run(backtest.Config{Plan: plan, History: h, From: from, To: h.To, Spread: func(n int, do func(int) error) error {
			return spread(b.Context(), n, do)
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
	points := 0
	begun := time.Now()
	const times = 50
	sum := 0.0
	for range times {
		points = 0
		for i := range h.Series {
			for _, p := range h.Series[i].Points {
				sum += p.Value / p.Samples
				points++
			}
		}
	}
	plain := float64(time.Since(begun).Nanoseconds()) / times
	b.ReportMetric(float64(points), "points")
	b.ReportMetric(float64(report.Ticks), "ticks")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/plain, "x-plain-loop")
	if report.Runs.Part == 0 || sum < 0 {
		b.Fatalf("got %+v, want releases that passed as far as there is history", report.Runs)
	}
}
