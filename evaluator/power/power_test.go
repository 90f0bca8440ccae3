package power

import (
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

func duration(d time.Duration) *rules.Duration { return &rules.Duration{Duration: d} }

func condition(t testing.TB, text string) rules.Condition {
	t.Helper()
	c, err := rules.ParseCondition(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ptr[T any](v T) *T { return &v }

// spec is the plan of the issue: 5xx below 1 %, taken back above 3 %.
func spec(t testing.TB, rate string, traffic float64, window time.Duration) rules.Spec {
	return rules.Spec{
		Bare:    true,
		Release: rules.ReleaseSpec{Plan: "p", Title: "t", Manager: "m", Start: time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC), Evidence: ptr(rules.Sequential)},
		Phases: []rules.PhaseSpec{{
			Name: "canary", Traffic: &rules.Fraction{Value: traffic}, Start: &rules.Offset{}, Window: duration(window), Owner: "o",
			Success: []string{"errors"}, Rollback: []string{"errors-high"},
		}, {
			Name: "all", Traffic: &rules.Fraction{Value: 1}, Start: &rules.Offset{Duration: 100 * time.Hour}, Window: duration(24 * time.Hour), Owner: "o",
			Success: []string{"errors"}, Rollback: []string{"errors-high"},
		}},
		Success:  []rules.SuccessSpec{{RuleSpec: rules.RuleSpec{Name: "errors", Signal: "e", When: condition(t, "< 1 %"), Owner: "o"}}},
		Rollback: []rules.RollbackSpec{{RuleSpec: rules.RuleSpec{Name: "errors-high", Signal: "e", When: condition(t, "> 3 %"), Owner: "o"}, Action: "a", Command: "c"}},
		Signals:  []rules.SignalSpec{{Name: "e", Kind: ptr(rules.Ratio), Unit: ptr(rules.Percent), Rate: rate}},
	}
}

func compile(t testing.TB, s rules.Spec) *rules.Plan {
	t.Helper()
	plan, problems := rules.Compile(s)
	if plan == nil {
		t.Fatal(problems)
	}
	return plan
}

func TestShow(t *testing.T) {
	for _, m := range []rules.Method{rules.Sequential, rules.ByThreshold} {
		for _, w := range []time.Duration{15 * time.Minute, 2 * time.Hour, 24 * time.Hour} {
			s := spec(t, "2/s", .1, w)
			s.Release.Evidence = &m
			if m == rules.ByThreshold {
				s.Rollback[0].For = duration(10 * time.Minute)
				s.Rollback[0].Over = duration(5 * time.Minute)
				s.Rollback[0].For = nil
			}
			start := time.Now()
			lines := Forecast(compile(t, s))
			t.Log(time.Since(start))
			for _, l := range lines {
				t.Logf("%s %s %v n=%v", l.Phase, l.Rule, l.Method, l.Samples)
				if l.Pass != nil {
					t.Logf("  %+v weak %+v strong %+v", l.Pass.Needs, l.Pass.Weak, l.Pass.Strong)
				}
				for _, d := range l.Detect {
					t.Logf("  %v power %v median %v", d.Rate, *d.Power, d.Minutes)
				}
				t.Logf("  %+v %+v %q", l.Single, l.False, l.Blind)
			}
		}
	}
}
