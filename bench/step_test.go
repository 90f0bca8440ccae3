package bench

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// peerRules is the size of the group that Prometheus evaluates.
const peerRules = 10_000

var epoch = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

func signalName(i int) string { return fmt.Sprintf("s%05d", i) }

// wide is a plan of n rollback rules, "> 3 % for 10m", each on a signal of its own.
func wide(tb testing.TB, name string, n int) *rules.Plan {
	tb.Helper()
	when, err := rules.ParseCondition("> 3 %")
	if err != nil {
		tb.Fatal(err)
	}
	p := &rules.Plan{Name: name, Version: "1.0.0", Start: epoch, Interval: 30 * time.Second}
	all := rules.Phase{Name: "all", Window: 24 * time.Hour, Extend: time.Hour}
	for i := range n {
		p.Signals = append(p.Signals, rules.Signal{
			Name: signalName(i), Source: "cw", Kind: rules.Ratio, Unit: rules.Percent, Of: -1,
			Period: time.Minute, Every: time.Minute, Settle: 2 * time.Minute, Keep: 10,
		})
		p.Rules = append(p.Rules, rules.Rule{
			Name: "r" + signalName(i), Kind: rules.RollbackRule, Signal: i, When: when, ShownSignal: i, ShownWhen: when,
			For: 10 * time.Minute, Coverage: .8, Alarm: -1,
		})
		all.Rollback = append(all.Rollback, i)
	}
	p.Phases = []rules.Phase{all}
	return p
}

// minute is the tick of a minute: every signal has one new period, and the two
// before it come again. bad of 1,000 samples were.
func minute(p *rules.Plan, at time.Time, bad float64) fact.Tick {
	tick := fact.Tick{At: at}
	now := at.Unix() - at.Unix()%60
	var points []rules.Point
	for t := now - 180; t < now; t += 60 {
		points = append(points, rules.Point{At: t, Value: bad, Samples: 1000})
	}
	for i := range p.Signals {
		tick.Readings = append(tick.Readings, rules.Reading{Signal: i, From: now - 180, To: at.Unix(), SettledUntil: now - 120, Points: points})
	}
	return tick
}

// stepper runs ticks from the state after half an hour.
type stepper struct {
	plan  *rules.Plan
	state *evaluator.State
	ticks [4]fact.Tick // few enough that no rule becomes silent
	n     int
}

func newStepper(tb testing.TB, n int, news string) *stepper {
	s := &stepper{plan: wide(tb, "wide", n)}
	s.state = evaluator.Begin(s.plan)
	at := epoch
	for range 30 {
		at = at.Add(time.Minute)
		s.state, _ = evaluator.Step(s.plan, s.state, minute(s.plan, at, 1))
	}
	for i := range s.ticks {
		every := time.Minute
		if news == "half" {
			every /= 2
		}
		at = at.Add(every)
		s.ticks[i].At = at
		if news == "all" || news == "half" && i%2 == 1 {
			s.ticks[i] = minute(s.plan, at, 1)
		}
	}
	return s
}

// steps is so many ticks, from the same state every four.
func (s *stepper) steps(tb testing.TB, n int) {
	state := s.state
	for i := range n {
		if i%len(s.ticks) == 0 {
			state = s.state
		}
		var events []fact.Event
		if state, events = evaluator.Step(s.plan, state, s.ticks[i%len(s.ticks)]); len(events) > 0 {
			tb.Fatalf("a quiet tick gave %+v", events[0])
		}
	}
}

// group is Prometheus' rules of the same shape, on a head of its own TSDB that
// has the same half an hour of points.
type group struct {
	*promrules.Group
	db *tsdb.DB
	at time.Time
}

func newGroup(tb testing.TB) *group {
	tb.Helper()
	db, err := tsdb.Open(tb.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	p := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1 << 20, Timeout: time.Minute, Parser: p})
	opts := &promrules.ManagerOptions{
		QueryFunc: promrules.EngineQueryFunc(engine, db), AppendableV2: db, Queryable: db, Parser: p,
		NotifyFunc: func(context.Context, string, ...*promrules.Alert) {}, Registerer: prometheus.NewRegistry(),
	}
	var list []promrules.Rule
	for i := range peerRules {
		expr, err := p.ParseExpr(fmt.Sprintf("bad_ratio{signal=%q} > 0.03", signalName(i)))
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, promrules.NewAlertingRule("r"+signalName(i), expr, 10*time.Minute, 0,
			labels.EmptyLabels(), labels.EmptyLabels(), labels.EmptyLabels(), "", true, nil))
	}
	g := &group{db: db, at: epoch, Group: promrules.NewGroup(promrules.GroupOptions{
		Name: "wide", File: "wide.yml", Interval: time.Minute, Rules: list, Opts: opts,
	})}
	for range 30 {
		g.advance(tb)
	}
	return g
}

// advance appends a minute of points. It is not timed: in a Prometheus the
// scrape does it.
func (g *group) advance(tb testing.TB) {
	tb.Helper()
	g.at = g.at.Add(time.Minute)
	app := g.db.AppenderV2(tb.Context())
	for i := range peerRules {
		series := labels.FromStrings("__name__", "bad_ratio", "signal", signalName(i))
		if _, err := app.Append(0, series, 0, g.at.UnixMilli(), 0.001, nil, nil, storage.AOptions{}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		tb.Fatal(err)
	}
}

// eval is one evaluation of the group.
func (g *group) eval(tb testing.TB) { g.Eval(tb.Context(), g.at) }

// healthy makes sure that every rule found something to evaluate.
func (g *group) healthy(tb testing.TB) {
	tb.Helper()
	for _, r := range g.Rules() {
		if r.Health() != promrules.HealthGood {
			tb.Fatalf("rule %s of the peer: %s, %v", r.Name(), r.Health(), r.LastError())
		}
	}
}

// BenchmarkStep is the cost of a tick for each threshold rule, against the cost of
// an evaluation in Prometheus: when no signal has news, when all have, and at the
// default interval, where every second tick has the news of a minute. Our figure
// includes reading the news into the state; Prometheus has its points in the TSDB
// already. Each side is measured while the other is not in memory, because they
// share one garbage collector. x_less is how many times cheaper ours is; the goal
// is 100.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{peerRules, 10 * peerRules} {
		for _, news := range []string{"none", "half", "all"} {
			b.Run(fmt.Sprintf("rules=%d/news=%s", n, news), func(b *testing.B) { benchmarkStep(b, n, news) })
		}
	}
}

func benchmarkStep(b *testing.B, n int, news string) {
	const ticks = 8 // enough for the coarse resolution of CPU time
	a := float64(stepping(b, n, news, ticks).median()) / float64(ticks*n)
	runtime.GC()
	p := float64(evaluating(b).median()) / peerRules
	b.ReportMetric(a, "cpu-ns/rule")
	b.ReportMetric(p, "prometheus-cpu-ns/rule")
	b.ReportMetric(p/a, "x_less")
	noOp(b)
}

func stepping(b *testing.B, n int, news string, ticks int) (ours took) {
	s := newStepper(b, n, news)
	for b.Loop() {
		ours.cpu(func() { s.steps(b, ticks) })
	}
	return ours
}

func evaluating(b *testing.B) (theirs took) {
	g := newGroup(b)
	for range 10 {
		g.advance(b)
		theirs.cpu(func() { g.eval(b) })
	}
	g.healthy(b)
	return theirs
}

// Both sides of the comparison find the same: first a breach that is too short,
// then one that is long enough.
func TestStepAndPrometheusAgree(t *testing.T) {
	p := wide(t, "wide", 3)
	state, at := evaluator.Begin(p), epoch
	fired := 0
	for range 15 {
		at = at.Add(time.Minute)
		var events []fact.Event
		state, events = evaluator.Step(p, state, minute(p, at, 50))
		for _, e := range events {
			if e.Kind == fact.RuleEvent && e.To == string(fact.RuleFired) {
				fired++
			}
		}
	}
	if fired != 3 {
		t.Errorf("5 %% for a quarter of an hour: %d rules fired, want 3", fired)
	}
	g := newGroup(t)
	g.eval(t)
	g.healthy(t)
}
