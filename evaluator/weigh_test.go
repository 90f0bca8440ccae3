package evaluator

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

// weighPlan is one phase on a canary beside a baseline, judged by evidence.
func weighPlan(window time.Duration) *rules.Plan {
	ratio := func(name string) rules.Signal {
		return rules.Signal{
			Name: name, Source: "cw", Kind: rules.Ratio, Unit: rules.Percent, Of: -1, Keep: 30,
			Period: time.Minute, Every: time.Minute, Settle: 2 * time.Minute,
		}
	}
	p := &rules.Plan{
		Name: "REL", Start: T, Interval: time.Minute, FalseRollback: .01, FalsePass: .05,
		Signals: []rules.Signal{ratio("errors"), ratio("errors@42")},
		Rules: []rules.Rule{
			{Name: "few", Title: "API 5xx", Kind: rules.Success, When: pct("<= 1 %"), Alarm: -1, Coverage: .5,
				Method: rules.Sequential, Limit: .01, Trigger: .03, Alpha: .01},
			{Name: "high", Title: "API 5xx", Kind: rules.RollbackRule, When: pct("> 3 %"), Alarm: -1, Coverage: .5, Owner: "ops",
				Action: "revert", Method: rules.Sequential, Limit: .01, Trigger: .03, Alpha: .01},
		},
		Phases: []rules.Phase{{Name: "ten", Traffic: .1, Window: window, Extend: time.Hour, Success: []int{0}, Rollback: []int{1}}},
	}
	p.Signals[1].BaselineOf = "errors"
	return p
}

// binomials gives every bucket n samples of which each is bad with the rate of
// its minute.
func binomials(seed uint64, n int, rate func(signal int, minute int64) float64) func(int, int64) (float64, float64, bool) {
	return func(signal int, at int64) (float64, float64, bool) {
		minute := (at - T.Unix()) / 60
		r := rand.New(rand.NewPCG(seed, uint64(signal)<<40|uint64(at)))
		var bad float64
		for range n {
			if r.Float64() < rate(signal, minute) {
				bad++
			}
		}
		return bad, float64(n), true
	}
}

func TestEvidenceClimbs(t *testing.T) {
	p := weighPlan(24 * time.Hour)
	w := newWorld(t, p)
	w.value = binomials(1, 12, func(int, int64) float64 { return .05 })
	w.run(T.Add(2 * time.Hour))
	t.Log(w.lines())
	got := transitions(w.events, "high")
	if got != "idle clear warning holding fired" && got != "idle clear warning fired" && got != "idle clear holding fired" {
		t.Errorf("the rule went %s", got)
	}
	if _, logE, _ := lastEvidence(w.events, "high"); logE < math.Log(100) {
		t.Errorf("it fired at a log e-value of %v", logE)
	}
}

func transitions(events []Event, subject string) string {
	var s []string
	for _, e := range events {
		if e.Kind == RuleEvent && e.Subject == subject && e.Phase != "" {
			if len(s) == 0 {
				s = append(s, e.From)
			}
			s = append(s, e.To)
		}
	}
	return strings.Join(s, " ")
}

func lastEvidence(events []Event, subject string) (value, against float64, reason string) {
	for _, e := range events {
		if e.Kind == RuleEvent && e.Subject == subject && e.Evidence != nil && e.Evidence.Weighed != nil {
			value, against, reason = e.Evidence.Value, e.Evidence.Weighed.Against, e.Reason
		}
	}
	return value, against, reason
}

func TestPassByEvidence(t *testing.T) {
	p := weighPlan(15 * time.Minute)
	w := newWorld(t, p)
	w.value = binomials(3, 12, func(int, int64) float64 { return .003 })
	for w.now.Before(T.Add(2 * time.Hour)) {
		w.tick()
		w.now = w.now.Add(time.Minute)
		if m := w.now.Sub(T) / time.Minute; m == 5 || m == 14 || m == 18 {
			t.Log(m, Look(p, w.state).Phases[0].Success[0].Reason)
		}
	}
	t.Log(w.lines())
	v := Look(p, w.state)
	t.Log(v.Phases[0].Success[0].Reason, v.Rollback[0].Reason)
}

func TestSharedOutageHolds(t *testing.T) {
	p := weighPlan(4 * time.Hour)
	p.Signals[0].Baseline = 1
	w := newWorld(t, p)
	w.value = binomials(2, 12, func(s int, m int64) float64 {
		if m >= 20 && m < 35 {
			return .1
		}
		return .005
	})
	w.run(T.Add(3 * time.Hour))
	t.Log(w.lines())
	t.Log(Look(p, w.state).Rollback[0].Reason)
}
