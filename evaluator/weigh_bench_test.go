package evaluator

import (
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

// allWeigh makes every rule of a plan weigh evidence.
func allWeigh(p *rules.Plan, seconds int) *rules.Plan {
	p.FalseRollback, p.FalsePass = .01, .05
	for i := range p.Rules {
		r := &p.Rules[i]
		r.Method, r.Limit, r.Trigger, r.Alpha = rules.Sequential, .01, .03, .01
		r.For = time.Duration(seconds) * time.Second
	}
	return p
}

// BenchmarkEvidence is what a look of one rule costs when a new minute has come,
// beside the plain rule on the same readings: plain, by evidence, and by evidence
// that must last for ten minutes. Half of the looks of a plan with an interval of
// 30 s bring none and cost nothing.
func BenchmarkEvidence(b *testing.B) {
	const n = 1000
	plain := manyRules(n)
	for _, tt := range []struct {
		name string
		plan *rules.Plan
	}{
		{"plain", plain}, {"weighs", allWeigh(manyRules(n), 0)}, {"weighs for=10m", allWeigh(manyRules(n), 600)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			s, at := warm(tt.plan)
			cur, now := s, at
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%60 == 0 { // an hour, and again
					cur, now = s, at
				}
				b.StopTimer()
				now = now.Add(time.Minute)
				tick := minuteTick(tt.plan, now, 1)
				b.StartTimer()
				cur, _ = Step(tt.plan, cur, tick)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/rule")
		})
	}
}

// What rules that weigh evidence keep does not grow with the window.
func TestWeighedStateIsBounded(t *testing.T) {
	sizes := map[time.Duration]int{}
	for _, window := range []time.Duration{time.Hour, 24 * time.Hour} {
		p := weighPlan(window)
		p.Signals[0].Baseline = 1
		w := newWorld(t, p)
		w.value = binomials(5, 12, func(int, int64) float64 { return .004 })
		w.run(T.Add(window - time.Minute))
		sizes[window] = len(store(t, w.state))
	}
	if a, b := sizes[time.Hour], sizes[24*time.Hour]; b > a+a/10 {
		t.Errorf("the state takes %d bytes after an hour and %d after a day", a, b)
	}
	t.Log(sizes)
}
