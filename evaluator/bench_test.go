package evaluator

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// manyRules is a plan of n threshold rollback rules, each on a signal of its own.
func manyRules(n int) *rules.Plan {
	p := &rules.Plan{Name: "many", Start: T, Interval: 30 * time.Second}
	phase := rules.Phase{Name: "all", Window: 24 * time.Hour, Extend: time.Hour}
	for i := range n {
		p.Signals = append(p.Signals, rules.Signal{
			Name: fmt.Sprintf("s%d", i), Source: "cw", Kind: rules.Ratio, Unit: rules.Percent, Of: -1,
			Period: time.Minute, Every: time.Minute, Settle: 2 * time.Minute, Keep: 10,
		})
		p.Rules = append(p.Rules, rules.Rule{
			Name: fmt.Sprintf("r%d", i), Kind: rules.RollbackRule, Signal: i, When: pct("> 3 %"),
			For: 10 * time.Minute, Coverage: .8, Alarm: -1,
		})
		phase.Rollback = append(phase.Rollback, i)
	}
	p.Phases = []rules.Phase{phase}
	return p
}

// minuteTick answers for every step-th signal: one new period, and the two
// before it again.
func minuteTick(p *rules.Plan, at time.Time, step int) fact.Tick {
	tick := fact.Tick{At: at}
	now := series.AlignDown(at.Unix(), 60)
	points := []rules.Point{{At: now - 180, Value: 1, Samples: 1000}, {At: now - 120, Value: 1, Samples: 1000}, {At: now - 60, Value: 1, Samples: 1000}}
	for i := 0; i < len(p.Signals); i += step {
		tick.Readings = append(tick.Readings, rules.Reading{Signal: i, From: now - 180, To: at.Unix(), SettledUntil: now - 120, Points: points})
	}
	return tick
}

// warm is a state after half an hour.
func warm(p *rules.Plan) (*State, time.Time) {
	s, at := Begin(p), T
	for range 30 {
		at = at.Add(time.Minute)
		s, _ = Step(p, s, minuteTick(p, at, 1))
	}
	return s, at
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkStep is one tick of n rules when a share of the signals has news.
// The figure without a peer in it is ns/rule; state B/rule is what a state keeps
// alive, the numbers worked out from the plan included.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, news := range []struct {
			name string
			step int
		}{{"none", 0}, {"some", 100}, {"all", 1}} {
			b.Run(fmt.Sprintf("rules=%d/news=%s", n, news.name), func(b *testing.B) { benchmarkStep(b, n, news.step) })
		}
	}
}

func benchmarkStep(b *testing.B, n, step int) {
	p := manyRules(n)
	before := heap()
	s, at := warm(p)
	state := heap() - before
	var ticks [4]fact.Tick // few enough that nothing falls silent
	for i := range ticks {
		ticks[i].At = at.Add(time.Duration(i+1) * time.Minute)
		if step > 0 {
			ticks[i] = minuteTick(p, ticks[i].At, step)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	cur := s
	for i := range b.N {
		if i%len(ticks) == 0 {
			cur = s
		}
		cur, _ = Step(p, cur, ticks[i%len(ticks)])
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/rule")
	b.ReportMetric(float64(state)/float64(n), "stateB/rule")
	runtime.KeepAlive(s)
}

// BenchmarkLook is the snapshot of 10,000 rules.
func BenchmarkLook(b *testing.B) {
	p := manyRules(10_000)
	s, _ := warm(p)
	b.ReportAllocs()
	for b.Loop() {
		Look(p, s)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e4, "ns/rule")
}

// BenchmarkWants is the questions of 10,000 rules, none of them due.
func BenchmarkWants(b *testing.B) {
	p := manyRules(10_000)
	s, at := warm(p)
	for b.Loop() {
		Wants(p, s, at)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e4, "ns/rule")
}

// BenchmarkRestore reads the stored form of 10,000 rules.
func BenchmarkRestore(b *testing.B) {
	p := manyRules(10_000)
	s, _ := warm(p)
	stored, err := s.MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(stored)))
	b.ReportAllocs()
	for b.Loop() {
		if err := new(State).UnmarshalBinary(stored); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(stored))/1e4, "storedB/rule")
}

// BenchmarkStore writes the stored form of 10,000 rules.
func BenchmarkStore(b *testing.B) {
	p := manyRules(10_000)
	s, _ := warm(p)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.MarshalBinary(); err != nil {
			b.Fatal(err)
		}
	}
}
