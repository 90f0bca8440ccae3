package evaluator

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// steady gives every period n samples, none of them bad.
func steady(n float64) func(int, int64) (float64, float64, bool) {
	return func(int, int64) (float64, float64, bool) { return 0, n, true }
}

// A release without a bad sample and with steady traffic passes at the minute that
// was forecast at any tick before, however old its samples must be.
func TestForecastComesTrue(t *testing.T) {
	said := 0
	rapid.Check(t, func(rt *rapid.T) {
		p := weighPlan(time.Minute)
		p.Signals[0].Settle = time.Duration(rapid.IntRange(0, 4).Draw(rt, "settle")) * time.Minute
		p.Signals[0].Maturity = time.Duration(rapid.SampledFrom([]int{0, 0, 3, 20, 45}).Draw(rt, "maturity")) * time.Minute
		p.Phases[0].Extend = 24 * time.Hour
		p.Rules[0].Proof = rapid.SampledFrom([]rules.Proof{rules.ProofWeak, rules.ProofStrong}).Draw(rt, "proof")
		w := newWorld(t, p)
		w.value = steady(float64(rapid.IntRange(2, 200).Draw(rt, "traffic")))
		forecasts := map[time.Time]int64{}
		for w.state.phases[0].state != rules.Passed && w.now.Before(T.Add(12*time.Hour)) {
			w.tick()
			if at := forecastPass(p, w.state); at != 0 {
				forecasts[w.now] = at
			}
			w.now = w.now.Add(p.Interval)
		}
		passed := w.now.Add(-p.Interval).Unix()
		if w.state.phases[0].state != rules.Passed {
			rt.Fatalf("it never passed")
		}
		for now, at := range forecasts {
			said++
			if at != passed {
				rt.Fatalf("at %v: forecast is %v, it passed at %v", now.Sub(T), series.When(at), series.When(passed))
			}
		}
	})
	if said == 0 {
		t.Error("nothing was ever forecast")
	}
}

// forecastPass is when the first success rule of the first phase is forecast to
// pass, zero where nothing is.
func forecastPass(p *rules.Plan, st *State) int64 {
	ph := &st.phases[0]
	if !ph.begun || ph.state != rules.Monitoring || st.At < st.windowEnd(p, 0) {
		return 0
	}
	st = fit(p, st)
	w := st.SuccessWatch(0, 0, ph.started)
	v := st.proven(0, 0, &w)
	st.Lay.Rules[p.Phases[0].Success[0]].Judge.(judge.Sighted).Judge.(judge.EvidenceJudge).Forecast(&st.Scene, &w, &v)
	a := v.Proof.Ahead
	pass := a.Proves
	if v.Proof.Weak {
		pass = a.Excludes
	}
	switch {
	case pass.Young:
		return pass.Ripe
	case pass.More > 0:
		return st.At + a.Wait(&w, &v, pass.More, a.Lag, st.At)
	}
	return 0
}

// A value that misses the limit is brought to it by just so many good ones.
func TestToMeet(t *testing.T) {
	for _, tt := range []struct {
		kind   rules.Kind
		goal   rules.Op
		limit  float64
		bad, n float64
		want   float64
	}{
		{rules.Ratio, rules.LessOrEqual, .01, 20, 1500, 500},
		{rules.Ratio, rules.Less, .01, 20, 1500, 501},
		{rules.Ratio, rules.LessOrEqual, .01, 20, 2000, 0},
		{rules.Ratio, rules.Less, .01, 20, 2000, 1},
		{rules.Ratio, rules.Less, .01, 0, 0, 1}, // nothing is below nothing
		{rules.Ratio, rules.LessOrEqual, .03, 1, 10, 24},
		{rules.Mean, rules.GreaterOrEqual, 4.5, 68, 16, 8},
		{rules.Mean, rules.Greater, 4.5, 68, 16, 9},
		{rules.Mean, rules.GreaterOrEqual, 4.5, 72, 16, 0},
	} {
		w := judge.Watch{Rule: &rules.Rule{Limit: tt.limit}, Sig: &rules.Signal{Kind: tt.kind}, Lay: &judge.WeighLayout{Goal: tt.goal}}
		if got := w.ToMeet(&judge.Weighing{Bad: tt.bad, N: tt.n}); got != tt.want {
			t.Errorf("%v of %v, wanted %v %v: got %v, want %v", tt.bad, tt.n, tt.goal, tt.limit, got, tt.want)
		}
	}
}

// The number of reviews that is said is the least that is enough.
func TestMoreLikeThese(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var s evidence.Stars
		for i := range s {
			s[i] = float64(rapid.IntRange(0, 30).Draw(rt, "stars"))
		}
		s[4]++
		bound, need := rapid.Float64Range(1.5, 4.9).Draw(rt, "bound"), math.Log(20)
		logE := func(s evidence.Stars) float64 { return evidence.RatingAbove(s, bound, evidence.RatingFracs[:]) }
		with := func(more float64) float64 {
			then := s
			for i := range then {
				then[i] *= 1 + more/s.N()
			}
			return logE(then)
		}
		got := judge.MoreLikeThese(s, logE, need)
		switch {
		case got.Never && with(s.N()*judge.MostLikeThese-1) >= need:
			rt.Fatalf("%v against %v: never, but there are enough", s, bound)
		case !got.Never && with(got.More) < need:
			rt.Fatalf("%v against %v: %v more are not enough", s, bound, got.More)
		case !got.Never && got.More > 0 && with(got.More-1) >= need:
			rt.Fatalf("%v against %v: %v more are not the least", s, bound, got.More)
		}
	})
}

// The target of a rollback rule is that of its success rule, with the plan's own
// operator, where it has the same limit.
func TestTargetsOfRollbackRules(t *testing.T) {
	for _, tt := range []struct {
		success, rollback string
		want              rules.Op
	}{
		{"< 1 %", "> 3 %", rules.Less},
		{"<= 1 %", ">= 3 %", rules.LessOrEqual},
		{"< 2 %", "> 1 %", rules.LessOrEqual}, // it has its own
	} {
		p := weighPlan(time.Hour)
		p.Rules[0].When, p.Rules[1].When = pct(tt.success), pct(tt.rollback)
		p.Rules[0].Limit = p.Rules[0].When.Threshold
		if p.Rules[1].When.Threshold < .03 {
			p.Rules[1].Limit, p.Rules[1].Trigger = .01, .01
		}
		for i, want := range []rules.Op{p.Rules[0].When.Op, tt.want} {
			if got := judge.GoalOf(p, &p.Rules[i]); got != want {
				t.Errorf("%s and %s: rule %d wants %v the limit, want %v", tt.success, tt.rollback, i, got, want)
			}
		}
	}
}
