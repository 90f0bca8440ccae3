package backtest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"

	"github.com/relgate/relgate/rules"
)

// T is where the tests' ranges begin: a full hour.
var T = time.Date(2025, 6, 2, 0, 0, 0, 0, time.UTC)

func pct(text string) rules.Condition {
	c, err := rules.ParseCondition(text)
	if err != nil {
		panic(err)
	}
	return c
}

// ratio is a signal of counts by the minute that settles after three.
func ratio(name string) rules.Signal {
	return rules.Signal{
		Name: name, Source: "cw", Kind: rules.Ratio, Unit: rules.Percent, Of: -1,
		Period: time.Minute, Every: time.Minute, Settle: 3 * time.Minute, Keep: 10,
		Query: rules.Query{Ask: &cloudwatch.Query{Namespace: "N", Bad: rules.Several{name + ".bad"}, Total: rules.Several{name + ".total"}}},
	}
}

func rule(kind rules.RuleKind, name string, signal int, when string) rules.Rule {
	return rules.Rule{
		Name: name, Title: name, Kind: kind, Signal: signal, ShownSignal: signal, When: pct(when), ShownWhen: pct(when),
		Coverage: .8, Alarm: -1, Grace: 6 * time.Minute,
	}
}

// short is a plan of one phase of an hour: errors below 1 %, back above 3 % for
// 10 minutes.
func short() *rules.Plan {
	success, back := rule(rules.Success, "ok", 0, "< 1 %"), rule(rules.RollbackRule, "back", 0, "> 3 %")
	back.For = 10 * time.Minute
	return &rules.Plan{
		Name: "short", Title: "Short", Start: T, Interval: 30 * time.Second, Signals: []rules.Signal{ratio("errors")},
		Rules:  []rules.Rule{success, back},
		Phases: []rules.Phase{{Name: "all", Window: time.Hour, Extend: time.Hour, Success: []int{0}, Rollback: []int{1}}},
	}
}

// long is a plan shaped like the project's own: five phases over 30.5 hours,
// five signals, nine rules.
func long() *rules.Plan {
	p := &rules.Plan{Name: "long", Start: T, Interval: 30 * time.Second}
	stars, level := ratio("stars"), ratio("gap")
	stars.Kind, stars.Unit, stars.Every, stars.Settle = rules.Mean, rules.Number, 15*time.Minute, 0
	level.Kind, level.Unit, level.Every = rules.Gauge, rules.Number, time.Hour
	crash := ratio("crash")
	crash.Good, crash.Settle = true, 10*time.Minute
	p.Signals = []rules.Signal{ratio("errors"), ratio("slow"), crash, stars, level}
	back, slow, crashed, gap := rule(rules.RollbackRule, "errors-high", 0, "> 3 %"), rule(rules.RollbackRule, "slow-high", 1, "> 5 %"), rule(rules.RollbackRule, "crash-low", 2, "< 98 %"), rule(rules.RollbackRule, "gap-high", 4, "> 0.07")
	back.For, slow.Over, crashed.Over = 10*time.Minute, 5*time.Minute, 30*time.Minute
	slow.MinSamples, crashed.MinSamples = 200, 100
	rated := rule(rules.Success, "stars", 3, ">= 4.5")
	rated.Over, rated.Coverage = 24*time.Hour, .5
	p.Rules = []rules.Rule{
		rule(rules.Success, "errors", 0, "< 1 %"), rule(rules.Success, "slow", 1, "<= 5 %"), rule(rules.Success, "crash", 2, ">= 99.5 %"),
		rated, rule(rules.Success, "gap", 4, "<= 0.07"), back, slow, crashed, gap,
	}
	at := time.Duration(0)
	for i, x := range []struct {
		start, window time.Duration
		rules         []int
		back          []int
	}{
		{0, 15 * time.Minute, []int{0, 1}, []int{5, 6}},
		{20 * time.Minute, 30 * time.Minute, []int{0, 1}, []int{5, 6}},
		{30 * time.Minute, 2 * time.Hour, []int{0, 1, 2}, []int{5, 6, 7}},
		{150 * time.Minute, 4 * time.Hour, []int{0, 1, 2, 4}, []int{5, 6, 7, 8}},
		{390 * time.Minute, 24 * time.Hour, []int{0, 1, 2, 3, 4}, []int{5, 6, 7, 8}},
	} {
		p.Phases = append(p.Phases, rules.Phase{
			Name: fmt.Sprintf("p%d", i), Start: x.start, Window: x.window, Extend: time.Hour, Success: x.rules, Rollback: x.back,
		})
		at = max(at, x.start+x.window)
	}
	return p
}

// past is a history in which everything was healthy, with some noise.
func past(p *rules.Plan, from time.Time, d time.Duration) *History {
	h := &History{From: from, To: from.Add(d), Fetched: from.Add(d)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range p.Signals {
		sig := &p.Signals[i]
		s := Series{Key: KeyOf(sig), Signal: sig.Name, Source: sig.Source, From: h.From.Unix() - 3600, To: h.To.Unix()}
		width := seconds(sig.Period)
		for at := floor(s.From, width); at < h.To.Unix(); at += width {
			n := float64(1000 + r.IntN(200))
			v := float64(r.IntN(4))
			switch sig.Kind {
			case rules.Mean:
				n, v = 2, 9.5
			case rules.Gauge:
				n, v = 5000, .03
			}
			s.Points = append(s.Points, rules.Point{At: at, Value: v, Samples: n})
		}
		h.Series = append(h.Series, s)
	}
	return h
}

// BenchmarkRun is a month of minutes under the plan of five phases and nine
// rules. The ratio is to adding the points of the same history up once.
func BenchmarkRun(b *testing.B) {
	p := long()
	h := past(p, T, 30*24*time.Hour)
	cfg := Config{Plan: p, History: h, From: T, To: h.To}
	points := 0
	for i := range h.Series {
		points += len(h.Series[i].Points)
	}
	b.ReportAllocs()
	var report *Report
	for b.Loop() {
		var err error
		if report, err = Run(cfg); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(report.Ticks), "ticks")
	b.ReportMetric(float64(points), "points")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(plainLoop(h)), "x-plain-loop")
}

// plainLoop is how long it takes to go through the points once, in nanoseconds.
func plainLoop(h *History) int64 {
	begun := time.Now()
	const times = 100
	sum := 0.0
	for range times {
		for i := range h.Series {
			for _, p := range h.Series[i].Points {
				sum += p.Value / p.Samples
			}
		}
	}
	if sum < 0 {
		panic("impossible")
	}
	return max(time.Since(begun).Nanoseconds()/times, 1)
}
