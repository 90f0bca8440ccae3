package evaluator

import (
	"math"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// minutely gives every minute so many samples, of which the share of bad ones is that
// of the minute. A negative share is a minute without a value.
func minutely(n float64, share func(minute int64) float64) func(int, int64) (float64, float64, bool) {
	return func(_ int, at int64) (float64, float64, bool) {
		p := share((at - T.Unix()) / 60)
		return math.Round(n * p), n, p >= 0
	}
}

// A release that keeps its limit by a fifth is proven to, once there is traffic enough.
func TestNearTheLimitPasses(t *testing.T) {
	p := weighPlan(time.Hour)
	p.Rules[0].Proof = rules.ProofStrong
	w := newWorld(t, p)
	w.value = minutely(100_000, func(int64) float64 { return .008 })
	w.run(T.Add(65 * time.Minute))
	if v := Look(p, w.state).Phases[0].Success[0]; v.Verdict != rules.Pass || v.Evidence.Weighed.Keeps < v.Evidence.Weighed.Proof {
		t.Errorf("it is %v: %+v", v.Verdict, v.Evidence.Weighed)
	}
}

// A window that was bad is not made good by what comes after it, and the rule says so.
// One that was a little worse than its limit by chance is.
func TestABadWindowStaysOne(t *testing.T) {
	for _, tt := range []struct {
		n, share float64
		verdict  rules.Verdict
		refutes  bool
	}{{20_000, .0106, rules.Unknown, true}, {2000, .0105, rules.Pass, false}} {
		p := weighPlan(time.Hour)
		p.Phases[0].Extend = 3 * time.Hour
		p.Phases[0].Rollback = nil
		p.Rules[0].Limit, p.Rules[0].Trigger = .01, .03
		w := newWorld(t, p)
		w.value = minutely(tt.n, func(minute int64) float64 {
			if minute < 61 {
				return tt.share
			}
			return .001
		})
		w.run(T.Add(5 * time.Hour))
		v := Look(p, w.state).Phases[0].Success[0]
		own := v.Evidence.Weighed.Window
		if v.Verdict != tt.verdict || own == nil || own.Refutes != tt.refutes || own.Bad != 60*math.Round(tt.n*tt.share) || own.Samples != 60*tt.n || own.After < 120 {
			t.Errorf("a window at %v: %v, %+v, %+v", tt.share, v.Verdict, v.Evidence.Weighed, own)
		}
	}
}

// What came before a silence says nothing of the end of the window.
func TestSilenceAtTheEndDoesNotPass(t *testing.T) {
	for _, silent := range []bool{false, true} {
		p := weighPlan(time.Hour)
		p.Rules[0].OnNoData, p.Rules[0].Grace = rules.PolicyFail, 5*time.Minute
		p.Phases[0].Extend = 10 * time.Minute
		w := newWorld(t, p)
		w.value = minutely(600, func(minute int64) float64 {
			if silent && minute >= 50 {
				return -1
			}
			return 0
		})
		w.run(T.Add(80 * time.Minute))
		want := rules.Pass
		if silent {
			want = rules.Fail
		}
		if v := Look(p, w.state).Phases[0].Success[0]; v.Verdict != want {
			t.Errorf("silent %v: %v for %v, want %v", silent, v.Verdict, v.Cause, want)
		}
	}
}

// A rule that wants a fault to last rolls back what lasts until now. A storm that is
// over warns or holds.
func TestAStormThatIsOverIsNotRolledBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		n     float64
		share func(minute int64) float64
		fires bool
	}{
		{"a storm of nine minutes", 600, func(m int64) float64 {
			if m >= 20 && m < 29 {
				return .4
			}
			return 0
		}, false},
		{"one that goes on", 600, func(m int64) float64 {
			if m >= 20 {
				return .4
			}
			return 0
		}, true},
		{"every second minute", 600, func(m int64) float64 {
			if m >= 20 && m < 50 && m%2 == 0 {
				return .1
			}
			return 0
		}, true},
	} {
		p := weighPlan(2 * time.Hour)
		p.Rules[1].For = 10 * time.Minute
		w := newWorld(t, p)
		w.value = minutely(tt.n, tt.share)
		w.run(T.Add(90 * time.Minute))
		v := Look(p, w.state)
		if got := v.Rollback[0].State; (got == fact.RuleFired) != tt.fires || !tt.fires && got != fact.RuleHolding {
			t.Errorf("%s: the rule is %s", tt.name, got)
		}
	}
}
