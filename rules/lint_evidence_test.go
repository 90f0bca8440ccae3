package rules

import (
	"math"
	"strings"
	"testing"
	"time"
)

// As TestLint, on a plan whose rules weigh evidence.
func TestLintOfEvidence(t *testing.T) {
	cond := func(text string) *Condition { c := when(text); return &c }
	success := func(i int, c string) func(*Spec) { return func(s *Spec) { s.Success[i].When = when(c) } }
	limit := func(i int, c string) func(*Spec) { return func(s *Spec) { s.Rollback[i].Limit = cond(c) } }
	trigger := func(i int, c string) func(*Spec) { return func(s *Spec) { s.Success[i].Trigger = cond(c) } }
	plain := func(i int) func(*Spec) { return func(s *Spec) { s.Rollback[i].Evidence = ptr(ByThreshold) } }
	points := func(text string) func(*Spec) {
		return func(s *Spec) { s.Rollback[1].Datapoints = text }
	}
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"nothing", func(s *Spec) {}, ""},

		// What has no counts.
		{"an alarm", func(s *Spec) {
			s.Rollback[1].Signal, s.Rollback[1].When, s.Rollback[1].Evidence = "page", when("> 0"), ptr(Sequential)
		}, "no-counts rollback.slow-high.evidence"},
		{"the worst period", func(s *Spec) { s.Success[1].Aggregate, s.Success[1].Evidence = ptr(Worst), ptr(Sequential) }, "no-counts success.slow.evidence"},
		{"a share of periods", func(s *Spec) {
			s.Success[1].Aggregate, s.Success[1].MinShare, s.Success[1].Evidence = ptr(Share), &Fraction{0.9}, ptr(Sequential)
		}, "no-counts success.slow.evidence"},
		{"the worst period by default", func(s *Spec) { s.Success[1].Aggregate = ptr(Worst) }, ""},
		{"a gauge without groups", func(s *Spec) {
			gaugeOf(s, Number, "Count")
			s.Success[2].Evidence = ptr(Sequential)
		}, "no-counts success.gap.evidence"},
		{"the storefront's stars", func(s *Spec) {
			appStore(s.Signals[5].Query).Fact, appStore(s.Signals[5].Query).Countries = "lookup", []string{"de"}
			s.Success[4].Evidence = ptr(Sequential)
		}, "no-counts success.stars.evidence"},
		{"a signal of no kind", func(s *Spec) { s.Signals[3].Kind, s.Success[2].Evidence = nil, ptr(Sequential) }, "missing signals.gap.kind"},
		{"an unknown signal's weight", func(s *Spec) { s.Rollback[0].Signal, s.Rollback[0].Weight = "x", ptr(2.0) }, "unknown-signal rollback.errors-high.signal"},
		{"an unknown signal", func(s *Spec) {
			s.Success[2].Signal, s.Success[2].Evidence, s.Success[2].Proof = "gab", ptr(Sequential), ptr(ProofWeak)
		}, "unknown-signal success.gap.signal; ~unused-signal signals.gap"},
		{"over", func(s *Spec) { s.Rollback[1].Over = dur(5 * time.Minute) }, "~no-effect rollback.slow-high.over"},

		// The side of a bound.
		{"a good share of bad ones", success(0, "> 1 %"), "bad-operator success.errors.when"},
		{"an exact share", success(0, "== 1 %"), "bad-operator success.errors.when"},
		{"all but a share", func(s *Spec) { s.Rollback[0].When = when("!= 3 %") }, "bad-operator rollback.errors-high.when"},
		{"a bad share of good ones", success(3, "<= 99.5 %"), "bad-operator success.crashes.when"},
		{"a slow success", success(1, ">= 2.5 s"), "bad-operator success.slow.when"},
		{"an exact latency", success(1, "== 2.5 s"), "bad-operator success.slow.when"},
		{"few stars", success(4, "< 4.5"), "bad-operator success.stars.when"},
		{"a wide gap", success(2, "> 0.07"), "bad-operator success.gap.when"},
		{"a limit on the wrong side", limit(0, ">= 1 %"), "bad-operator rollback.errors-high.limit"},
		{"a trigger on the wrong side", trigger(0, "< 3 %"), "bad-operator success.errors.trigger"},
		{"a trigger of good ones on the wrong side", trigger(3, "> 98 %"), "bad-operator success.crashes.trigger"},

		// Where a bound may lie.
		{"no errors at all", success(0, "<= 0 %"), "no-test success.errors.when"},
		{"no crashes at all", success(3, ">= 100 %"), "no-test success.crashes.when"},
		{"any error", func(s *Spec) { s.Rollback[0].When = when("> 0 %") }, "no-test rollback.errors-high.when; ~overlap success.errors.when"},
		{"six stars", success(4, ">= 6"), "no-test success.stars.when"},
		{"no stars", trigger(4, "< 1"), "no-test success.stars.trigger"},
		{"no gap", success(2, "<= 0"), "no-test success.gap.when"},
		{"a limit of nothing", limit(0, "<= 0 %"), "no-test rollback.errors-high.limit"},
		{"a trigger of all", trigger(0, "> 100 %"), "no-test success.errors.trigger"},
		{"a condition that always holds", success(0, "<= 250 %"), "no-test success.errors.when; ~always-holds success.errors.when"},
		{"a condition that never holds", success(0, "< 0 %"), "never-holds success.errors.when"},
		{"an empty limit", func(s *Spec) { s.Rollback[0].Limit = &Condition{} }, "missing rollback.errors-high.limit"},
		{"an empty trigger", func(s *Spec) { s.Success[4].Trigger = &Condition{} }, "missing success.stars.trigger"},

		// Units.
		{"a limit in numbers", limit(0, "<= 0.01"), "unit-mismatch rollback.errors-high.limit"},
		{"a trigger in seconds", trigger(3, "< 98 s"), "unit-mismatch success.crashes.trigger"},
		{"a limit of a latency", limit(1, "<= 2.5 s"), "unit-mismatch rollback.slow-high.limit"},
		{"a limit of a latency's share", limit(1, "<= 2 %"), ""},
		{"a trigger of a latency's share", trigger(1, "> 8 %"), ""},
		{"a condition in other units", func(s *Spec) { s.Rollback[0].When, s.Rollback[0].Limit = when("> 3"), cond("<= 1 %") }, "unit-mismatch rollback.errors-high.when"},

		// The order of limit and trigger.
		{"a limit worse than the trigger", limit(0, "<= 4 %"), "limit-beyond-trigger rollback.errors-high.limit"},
		{"a limit at the trigger", limit(0, "<= 3 %"), ""},
		{"a limit of a share at a latency's quantile", limit(1, "<= 6 %"), "limit-beyond-trigger rollback.slow-high.limit"},
		{"a trigger better than the limit", trigger(0, "> 0.5 %"), "limit-beyond-trigger success.errors.trigger"},
		{"a trigger of good ones better than the limit", trigger(3, "< 99.9 %"), "limit-beyond-trigger success.crashes.trigger"},
		{"a trigger of stars better than the limit", trigger(4, "< 4.6"), "limit-beyond-trigger success.stars.trigger"},
		{"a trigger of stars", trigger(4, "< 4.2"), ""},
		{"a pair in the wrong order", success(0, "< 4 %"), "limit-beyond-trigger rollback.errors-high.when; ~overlap success.errors.when"},
		{"a pair in the wrong order with a limit and a trigger of their own", func(s *Spec) {
			s.Success[0].When, s.Success[0].Trigger, s.Rollback[0].Limit = when("< 4 %"), cond("> 5 %"), cond("<= 1 %")
		}, "~overlap success.errors.when"},
		{"a pair in the wrong order, of which one weighs", func(s *Spec) { s.Success[0].When = when("< 4 %"); plain(0)(s) },
			"limit-beyond-trigger success.errors.when; ~overlap success.errors.when"},
		{"a pair in the wrong order on what has no counts", func(s *Spec) {
			gaugeOf(s, Number, "Count")
			s.Success[2].When, s.Success[2].Evidence = when("< 4"), ptr(Sequential)
			s.Rollback[1].Signal, s.Rollback[1].When = "gap", when("> 3")
			s.Signals[2].Baseline = nil
		}, "no-counts success.gap.evidence; ~overlap success.gap.when"},
		{"a pair of which one is on the wrong side", func(s *Spec) { s.Rollback[0].When = when("< 5 %") },
			"bad-operator rollback.errors-high.when"},

		// The budget.
		{"no false rollback", func(s *Spec) { s.Release.FalseRollback = &Fraction{0} }, "out-of-range release.false_rollback"},
		{"many false rollbacks", func(s *Spec) { s.Release.FalseRollback = &Fraction{0.51} }, "out-of-range release.false_rollback"},
		{"no false pass", func(s *Spec) { s.Release.FalsePass = &Fraction{0} }, "out-of-range release.false_pass"},
		{"half of both", func(s *Spec) { s.Release.FalsePass, s.Release.FalseRollback = &Fraction{0.5}, &Fraction{0.5} }, ""},
		{"no weight", func(s *Spec) { s.Rollback[0].Weight = ptr(0.0) }, "out-of-range rollback.errors-high.weight"},
		{"a weight that is no number", func(s *Spec) { s.Rollback[0].Weight = ptr(math.NaN()) }, "out-of-range rollback.errors-high.weight"},
		{"a huge weight", func(s *Spec) { s.Rollback[0].Weight = ptr(1001.0) }, "out-of-range rollback.errors-high.weight"},
		{"a weight", func(s *Spec) { s.Rollback[0].Weight = ptr(0.1) }, ""},

		// Keys of evidence on rules that compare.
		{"weight and limit of a threshold", func(s *Spec) { plain(1)(s); s.Rollback[1].Weight = ptr(1.0); limit(1, "<= 1 %")(s) },
			"excess-key rollback.slow-high.weight; excess-key rollback.slow-high.limit"},
		{"trigger and proof of a threshold", func(s *Spec) {
			s.Success[2].Proof = ptr(ProofWeak)
			trigger(2, "> 0.1")(s)
			s.Success[2].Evidence = ptr(ByThreshold)
		},
			"excess-key success.gap.proof; excess-key success.gap.trigger"},

		// Keep firing, and M of N.
		{"keep firing", func(s *Spec) { s.Rollback[0].KeepFiring = dur(time.Minute) }, "excess-key rollback.errors-high.keep_firing_for"},
		{"keep a threshold firing", func(s *Spec) { plain(0)(s); s.Rollback[0].KeepFiring = dur(time.Minute) }, ""},
		{"keep a threshold firing for a month", func(s *Spec) { plain(0)(s); s.Rollback[0].KeepFiring = dur(30 * day) }, "out-of-range rollback.errors-high.keep_firing_for"},
		{"3 of 5", points("3 of 5"), ""},
		{"3 in 5", points("3 in 5"), "bad-value rollback.slow-high.datapoints"},
		{"6 of 5", points("6 of 5"), "bad-value rollback.slow-high.datapoints"},
		{"0 of 5", points("0 of 5"), "bad-value rollback.slow-high.datapoints"},
		{"1 of 1441", points("1 of 1441"), "bad-value rollback.slow-high.datapoints"},
		{"a day of minutes", points("3 of 1440"), ""},
		{"more than a day", func(s *Spec) { points("3 of 289")(s); s.Signals[2].Period = dur(5 * time.Minute) }, "out-of-range rollback.slow-high.datapoints"},
		{"a week of hours", func(s *Spec) { points("3 of 168")(s); s.Signals[2].Period = dur(time.Hour) }, ""},
		{"more than a week of hours", func(s *Spec) { points("3 of 169")(s); s.Signals[2].Period = dur(time.Hour) }, "out-of-range rollback.slow-high.datapoints"},
		{"M of N over a time, for a time", func(s *Spec) {
			points("3 of 5")(s)
			s.Rollback[1].For, s.Rollback[1].Over = dur(10*time.Minute), dur(5*time.Minute)
		}, "conflict rollback.slow-high.datapoints; conflict rollback.slow-high.datapoints"},
		{"M of N weighed", func(s *Spec) { points("3 of 5")(s); s.Rollback[1].Evidence = ptr(Sequential) }, "conflict rollback.slow-high.datapoints"},
		{"M of N of a share", func(s *Spec) {
			points("3 of 5")(s)
			s.Rollback[1].Aggregate, s.Rollback[1].MinShare = ptr(Share), &Fraction{0.5}
		}, "conflict rollback.slow-high.datapoints"},
		{"M of N of an unknown signal", func(s *Spec) { points("3 of 5")(s); s.Rollback[1].Signal = "p59" }, "unknown-signal rollback.slow-high.signal"},
		{"missing", func(s *Spec) { points("3 of 5")(s); s.Rollback[1].Missing = "notBreaching" }, ""},
		{"missing misspelled", func(s *Spec) { points("3 of 5")(s); s.Rollback[1].Missing = "not_breaching" }, "bad-value rollback.slow-high.missing"},
		{"missing without M of N", func(s *Spec) { s.Rollback[1].Missing = "ignore" }, "excess-key rollback.slow-high.missing"},

		// Gates.
		{"some rules need not pass", func(s *Spec) { s.Success[0].Gate, s.Success[1].Gate = ptr(Veto), ptr(Advisory) }, ""},
		{"no rule has to pass", func(s *Spec) {
			s.Success[0].Gate, s.Success[1].Gate, s.Success[2].Gate = ptr(Veto), ptr(Advisory), ptr(Veto)
		}, "nothing-required phases.canary.success"},
		{"those that have to ignore missing data", func(s *Spec) {
			s.Success[0].Gate, s.Success[1].Gate, s.Success[2].OnNoData = ptr(Veto), ptr(Advisory), ptr(PolicyIgnore)
		}, "all-ignored phases.canary.success"},
		{"one of those that need not is unknown", func(s *Spec) {
			s.Success[0].Gate, s.Success[1].Gate, s.Success[2].Gate = ptr(Veto), ptr(Advisory), ptr(Veto)
			s.Phases[0].Success = append(s.Phases[0].Success, "x")
		}, "unknown-rule phases.canary.success[3]"},

		// What signals say.
		{"too old to help", func(s *Spec) { s.Signals[4].Maturity = dur(26 * time.Hour) }, "short-extend phases.all.extend"},
		{"too old to veto", func(s *Spec) { s.Signals[4].Maturity, s.Success[3].Gate = dur(26*time.Hour), ptr(Veto) }, ""},
		{"matures in a month", func(s *Spec) { s.Signals[4].Maturity = dur(30 * day) }, "out-of-range signals.crash_free.maturity; short-extend phases.all.extend"},
		{"less than itself", func(s *Spec) { s.Signals[4].Cluster = ptr(0.5) }, "out-of-range signals.crash_free.cluster"},
		{"endlessly clustered", func(s *Spec) { s.Signals[4].Cluster = ptr(math.Inf(1)) }, "out-of-range signals.crash_free.cluster"},
		{"clustered", func(s *Spec) { s.Signals[4].Cluster = ptr(1.3) }, ""},
		{"a rate of nothing", func(s *Spec) { s.Signals[0].Rate = "0/s" }, "bad-value signals.error_rate.expected_rate"},
		{"a rate", func(s *Spec) { s.Signals[0].Rate = "2/s" }, ""},
		{"a baseline of nothing", func(s *Spec) { s.Signals[0].Baseline = &BaselineSpec{} }, "missing signals.error_rate.baseline.dimension; missing signals.error_rate.baseline.value"},
		{"a baseline of no Sentry release", func(s *Spec) { s.Signals[4].Baseline = &BaselineSpec{Value: "p@0"} }, "missing signals.crash_free.baseline.dimension"},
		{"a baseline by an unknown dimension", func(s *Spec) { s.Signals[0].Baseline.Dimension = "Version" }, "bad-baseline signals.error_rate.baseline.dimension"},
		{"a baseline by Sentry's environment", func(s *Spec) { s.Signals[4].Baseline.Dimension = "environment" }, "bad-baseline signals.crash_free.baseline.dimension"},
		{"a baseline of itself", func(s *Spec) { s.Signals[0].Baseline.Value = "43" }, "bad-baseline signals.error_rate.baseline.value"},
		{"a baseline of Sentry's own release", func(s *Spec) { s.Signals[4].Baseline.Value = "p@1" }, "bad-baseline signals.crash_free.baseline.value"},
		{"a baseline in two lines", func(s *Spec) { s.Signals[0].Baseline.Value = "4\n2" }, "bad-value signals.error_rate.baseline.value"},
		{"an endless baseline", func(s *Spec) { s.Signals[0].Baseline.Value = strings.Repeat("4", 251) }, "bad-value signals.error_rate.baseline.value"},
		{"a gap's baseline", func(s *Spec) { s.Signals[3].Baseline = &BaselineSpec{"decile", "1"} }, "bad-baseline signals.gap.baseline"},
		{"a baseline that Athena lacks", func(s *Spec) {
			s.Signals[3].Baseline, s.Signals[3].Kind, s.Success[2].When = &BaselineSpec{"model", "1"}, ptr(Ratio), when("< 7 %")
		}, "bad-baseline signals.gap.baseline"},

		// Keys that change nothing.
		{"nothing to weigh", func(s *Spec) {
			for i := range s.Success {
				s.Success[i].Evidence = ptr(ByThreshold)
			}
			plain(0)(s)
			plain(1)(s)
			s.Release.FalsePass, s.Release.FalseRollback = &Fraction{0.1}, &Fraction{0.1}
			s.Signals[0].Rate, s.Signals[0].Cluster = "1/s", ptr(2.0)
			s.Signals[2].Baseline, s.Signals[4].Baseline, s.Signals[4].Maturity = nil, nil, dur(0)
		}, "~no-effect release.evidence; ~no-effect release.false_pass; ~no-effect release.false_rollback; ~no-effect signals.error_rate.baseline; ~no-effect signals.error_rate.cluster; ~no-effect signals.crash_free.maturity"},
		{"nothing that fires", func(s *Spec) {
			plain(0)(s)
			plain(1)(s)
			s.Release.FalsePass, s.Release.FalseRollback = &Fraction{0.1}, &Fraction{0.1}
		}, "~no-effect release.false_rollback"},
		{"a signal that is not used says so alone", func(s *Spec) { s.Signals = append(s.Signals, s.Signals[0]); s.Signals[6].Name = "x" }, "~unused-signal signals.x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := weighingSpec()
			tt.change(&spec)
			plan, problems := Compile(spec)
			if got := ids(problems); !same(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if (plan == nil) != (problems.Errors() > 0) {
				t.Errorf("got a plan: %v, with %d errors", plan != nil, problems.Errors())
			}
			for _, p := range problems {
				if p.Fix == "" && !strings.Contains(p.Message, "want") {
					t.Errorf("%s: %s: nothing says what to do", p.Path, p.Message)
				}
			}
		})
	}
}
