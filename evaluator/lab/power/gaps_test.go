package power

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	appstore "github.com/relgate/relgate/sources/appstore/kind"
	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"
	sentry "github.com/relgate/relgate/sources/sentry/kind"

	"github.com/relgate/relgate/rules"
)

// few is two with the sparse signal under the success rule, which proves its limit
// with a dozen samples, and the plentiful one under the rollback rule.
func few(rate string, window, extend time.Duration, coverage float64) rules.Spec {
	s := two(rate, window, nil)
	s.Rollback[0].Signal, s.Success[0].Signal = "e", "few"
	s.Success[0].When, s.Success[0].Coverage = condition("< 40 %"), &rules.Fraction{Value: coverage}
	s.Phases[0].Extend = duration(extend)
	return s
}

// How often a success rule has its coverage is what the evaluator does: the chance
// that enough minutes have samples, not whether they have on average; and one that
// weighs evidence looks again while its phase waits.
func TestCoverageOfSuccessIsTheProduct(t *testing.T) {
	const runs = 60
	for _, tt := range []struct {
		rate           string
		mean           float64 // samples a minute
		window, extend time.Duration
		coverage       float64
		threshold      bool
		least, most    float64 // forecast
		warned, blind  bool
	}{
		{"12/min", 12, 15 * time.Minute, time.Hour, 1, false, 1, 1, false, false}, // an empty minute is one in 160 000
		{"4/min", 4, 15 * time.Minute, time.Hour, 1, false, .7, .8, true, false},
		{"38/h", 38. / 60, 2 * time.Hour, 0, .5, false, .2, .35, true, false},
		{"38/h", 38. / 60, 2 * time.Hour, 2 * time.Hour, .5, false, .35, .55, true, false},
		{"38/h", 38. / 60, 2 * time.Hour, 2 * time.Hour, .5, true, .2, .35, true, false},
		{"12/h", .2, 2 * time.Hour, 2 * time.Hour, .5, false, 0, .001, true, true},
		{"90/h", 1.5, 2 * time.Hour, 0, .5, false, .997, 1, false, false}, // one window of 400 ends in four empty minutes,
	} {
		s := few(tt.rate, tt.window, tt.extend, tt.coverage)
		if tt.threshold {
			s.Success[0].Evidence = ptr(rules.ByThreshold)
		}
		plan := compile(t, s)
		l, forecast := lineOf(t, plan, "canary", "errors"), 1.
		if l.Gaps != nil {
			forecast = l.Gaps.Covered
		}
		if forecast < tt.least || forecast > tt.most || (l.Blind != "") != tt.blind {
			t.Errorf("%s, %v: forecast %v, %q, want %v to %v", tt.rate, tt.coverage, forecast, l, tt.least, tt.most)
		}
		rng, n := rand.New(rand.NewPCG(5, 9)), 0.
		for range runs {
			if played(plan, int((tt.window+tt.extend)/time.Minute), sparse(rng, tt.mean), always).State == rules.Passed {
				n++
			}
		}
		if got := n / runs; math.Abs(got-forecast) > .15 {
			t.Errorf("%s, %v, %v more: %v of the phases pass, forecast %v", tt.rate, tt.coverage, tt.extend, got, forecast)
		}
		if got := slices.Contains(ids(lint(plan)), "success.errors.coverage thin-traffic"); got != tt.warned {
			t.Errorf("%s, %v: warned is %v, want %v", tt.rate, tt.coverage, got, tt.warned)
		}
	}
}

// The sentence has the chance, and what becomes of the release.
func TestThinTrafficSays(t *testing.T) {
	s := few("4/min", 15*time.Minute, time.Hour, 1)
	begins := `phase "canary": at 4/min only 98 % of the periods of 1m have any samples, and the rule wants 100 %: `
	for policy, want := range map[rules.Policy]string{
		rules.PolicyHold:     "even a good release stays undecided in 24 % of all cases",
		rules.PolicyFail:     "even a good release fails its phase in 24 % of all cases",
		rules.PolicyRollback: "even a good release is rolled back in 24 % of all cases",
	} {
		s.Success[0].OnNoData = &policy
		p := problem(t, compile(t, s), "success.errors.coverage", "thin-traffic")
		if p.Message != begins+want || p.Fix != `write coverage = "93 %", which its window nearly always has, or make the signal's period longer` {
			t.Errorf("%v: %s: %s\nwant %s", policy, p.Message, p.Fix, begins+want)
		}
	}
	s.Success[0].OnNoData = ptr(rules.PolicyIgnore)
	s.Success = append(s.Success, rules.SuccessSpec{RuleSpec: rules.RuleSpec{Name: "more", Signal: "e", When: condition("< 1 %"), Owner: "o"}})
	s.Phases[0].Success = append(s.Phases[0].Success, "more")
	if got := ids(lint(compile(t, s))); !slices.Contains(got, "success.errors.coverage thin-traffic") {
		t.Errorf("what is thin is not ignored: %v", got)
	}
	s.Success[0].OnNoData = nil
	if got := lineOf(t, compile(t, s), "canary", "errors").String(); !strings.HasSuffix(got, "passes in its window, if its coverage of 100 % is met (76 %)") {
		t.Errorf("%q does not say on what it depends", got)
	}
	for method, want := range map[rules.Method]string{
		rules.Sequential:  "cannot pass: too many periods are empty for coverage 50 %", // and can fail
		rules.ByThreshold: "blind: too many periods are empty for coverage 50 %",
	} {
		thin := few("12/h", 2*time.Hour, 0, .5)
		thin.Success[0].Evidence = &method
		if got := lineOf(t, compile(t, thin), "canary", "errors").String(); got != want {
			t.Errorf("%v: got %q, want %q", method, got, want)
		}
	}
	s.Success[0].When, s.Success[0].Gate = condition("< 1 %"), ptr(rules.Veto)
	if got := lineOf(t, compile(t, s), "canary", "errors").String(); strings.Contains(got, "coverage") {
		t.Errorf("%q: a veto does not need it", got)
	}
}

// The App Store counts the periods without reviews too: a rule that weighs them is
// never without its coverage. A metric of CloudWatch with as many samples is.
func TestWhoCountsEmptyPeriods(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*rules.SignalSpec)
		empty  bool
	}{
		{"reviews", func(s *rules.SignalSpec) {
			s.Source, s.Query = "appstore", &appstore.Query{Fact: "reviews", App: "1", Version: "1"}
		}, true},
		{"a metric", func(s *rules.SignalSpec) {
			s.Source, s.Query = "cw", &cloudwatch.Query{Namespace: "n", Metric: "m"}
		}, false},
	} {
		s := few("60/h", 2*time.Hour, 0, .8)
		s.Signals[1].Kind, s.Signals[1].Unit, s.Signals[1].Settle = ptr(rules.Mean), nil, duration(0)
		s.Success[0].When, s.Success[0].Evidence = condition(">= 4"), ptr(rules.Sequential)
		s.Rollback = append(s.Rollback, s.Rollback[0])
		s.Rollback[1].Name, s.Rollback[1].Signal, s.Rollback[1].When = "low", "few", condition("< 3")
		s.Rollback[1].Evidence, s.Rollback[1].Coverage = ptr(rules.Sequential), &rules.Fraction{Value: .8}
		s.Phases[0].Rollback = append(s.Phases[0].Rollback, "low")
		tt.change(&s.Signals[1])
		plan := compile(t, s)
		for _, rule := range []string{"errors", "low"} {
			if l := lineOf(t, plan, "canary", rule); (l.Gaps == nil) != tt.empty || rule == "errors" && (l.Blind == "") != tt.empty {
				t.Errorf("%s, %s: %q, %+v", tt.name, rule, l, l.Gaps)
			}
		}
		var want []string
		if !tt.empty {
			want = []string{"success.errors.coverage thin-traffic", "rollback.low.coverage thin-traffic"}
		}
		if got := ids(lint(plan)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", tt.name, got, want)
		}
		rng := rand.New(rand.NewPCG(8, 1))
		if got := played(plan, 125, sparse(rng, 1), always); (got.State == rules.Passed) != tt.empty {
			t.Errorf("%s: %v (%s)", tt.name, got.State, got.Phases[0].Why.Code)
		}
	}
}

// A rating that may only veto needs no coverage, whatever its source is.
func TestVetoNeedsNoCoverage(t *testing.T) {
	s := few("10/d", 24*time.Hour, 0, .5)
	s.Signals[1].Kind, s.Signals[1].Unit, s.Signals[1].Period = ptr(rules.Mean), nil, duration(15*time.Minute)
	s.Success[0].When, s.Success[0].Evidence, s.Success[0].Gate = condition(">= 4.5"), ptr(rules.Sequential), ptr(rules.Veto)
	s.Success = append(s.Success, rules.SuccessSpec{RuleSpec: rules.RuleSpec{Name: "more", Signal: "e", When: condition("< 1 %"), Owner: "o"}})
	s.Phases[0].Success = append(s.Phases[0].Success, "more")
	plan := compile(t, s)
	if got := ids(lint(plan)); len(got) != 0 {
		t.Errorf("%q: want nothing", got)
	}
	if got := lineOf(t, plan, "canary", "errors").String(); strings.Contains(got, "blind") || !strings.HasSuffix(got, "which it need not (veto)") {
		t.Errorf("%q", got)
	}
}

// graceAdvised is the grace that a fix advises, nil where it advises none.
func graceAdvised(t *testing.T, fix string) *rules.Duration {
	t.Helper()
	_, after, ok := strings.Cut(fix, `grace = "`)
	if !ok {
		return nil
	}
	text, _, _ := strings.Cut(after, `"`)
	grace := new(rules.Duration)
	if err := grace.UnmarshalText([]byte(text)); err != nil {
		t.Fatalf("%s: %v", fix, err)
	}
	return grace
}

// What is advised for the success rule alone leads to a warning of the rollback rule
// on the same signal, and what is advised for both to a plan that passes.
func TestAdviceOnCoverageLeadsSomewhere(t *testing.T) {
	s := counted("4/min", 24*time.Hour)
	s.Phases = s.Phases[:1]
	s.Release.Interval, s.Phases[0].Extend = duration(time.Minute), duration(24*time.Hour)
	s.Signals[0].Period = duration(time.Minute)
	s.Success[0].Coverage = &rules.Fraction{Value: .1}
	const rollback = "rollback.errors-high.coverage"
	plan := compile(t, s)
	ends := func() rules.State {
		rng := rand.New(rand.NewPCG(2, 6))
		return played(plan, 48*60, func(int, *rules.Signal) (n, bad float64) { return draw(rng, .4), 0 }, always).State
	}
	p := problem(t, plan, rollback, "thin-traffic")
	if got := ends(); got == rules.Passed {
		t.Errorf("%s: and it has passed", p.Message)
	}
	_, after, _ := strings.Cut(p.Fix, `coverage = "`)
	text, _, _ := strings.Cut(after, `"`)
	var light rules.Fraction
	if err := light.UnmarshalText([]byte(text)); err != nil {
		t.Fatalf("%q advises no coverage: %v", p.Fix, err)
	}
	s.Rollback[0].Coverage, s.Rollback[0].Grace = &light, graceAdvised(t, p.Fix)
	s.Success[0].Grace = graceAdvised(t, problem(t, plan, "success.errors.coverage", "thin-traffic").Fix)
	plan = compile(t, s)
	if got := strings.Join(ids(lint(plan)), " "); strings.Contains(got, "thin-traffic") {
		t.Errorf("what was advised is warned of: %s", got)
	}
	if got := ends(); got != rules.Passed {
		t.Errorf("with the coverage that was advised, %s, it is %v", text, got)
	}
}

// A source that gives no point for an empty period is silent then: Sentry and CloudWatch.
func TestSilentWithoutSamples(t *testing.T) {
	for _, change := range []func(*rules.SignalSpec){
		func(s *rules.SignalSpec) {
			s.Source, s.Query = "sentry", &sentry.Query{Project: "p", Release: "r"}
		},
		func(s *rules.SignalSpec) {
			s.Source, s.Query = "cw", &cloudwatch.Query{Namespace: "n", Bad: rules.Several{"b"}, Total: rules.Several{"t"}}
		},
	} {
		s := two("12/h", 2*time.Hour, func(r *rules.RollbackSpec) { r.OnNoData = ptr(rules.PolicyRollback) })
		change(&s.Signals[1])
		if g := lineOf(t, compile(t, s), "canary", "errors-high").Gaps; g == nil || g.Silent == 0 || g.Acts == 0 {
			t.Errorf("%s: %+v, want it silent", s.Signals[1].Source, g)
		}
	}
}

// A phase that waits longer has the coverage at least as often.
func TestEverCovered(t *testing.T) {
	for _, full := range []float64{.1, .48, .5, .9, 1} {
		last := 0.
		for _, m := range []int{15, 16, 20, 60, 600} {
			p := everCovered(15, m, .5, full)
			if p < last-1e-12 || p > 1 {
				t.Errorf("of %d periods at %v: %v after %v", m, full, p, last)
			}
			last = p
		}
	}
	// One period more: the first has samples, or only the second has and one of two is enough.
	if got, want := everCovered(1, 2, .5, .3), .3+.7*.3; math.Abs(got-want) > 1e-12 {
		t.Errorf("got %v, want %v", got, want)
	}
}
