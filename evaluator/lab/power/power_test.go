package power

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	athena "github.com/relgate/relgate/sources/athena/kind"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

func duration(d time.Duration) *rules.Duration { return &rules.Duration{Duration: d} }

func condition(text string) rules.Condition {
	c, err := rules.ParseCondition(text)
	if err != nil {
		panic(err)
	}
	return c
}

func ptr[T any](v T) *T { return &v }

// counted is a plan with one phase at 10 % and, later, one at 100 %: a share of at
// most 1 % is good, one above 3 % is rolled back.
func counted(rate string, window time.Duration) rules.Spec {
	return rules.Spec{
		Bare: true,
		Release: rules.ReleaseSpec{
			Plan: "p", Title: "t", Manager: "m", Start: time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC),
			Evidence: ptr(rules.Sequential),
		},
		Phases: []rules.PhaseSpec{{
			Name: "canary", Traffic: &rules.Fraction{Value: .1}, Start: &rules.Offset{}, Window: duration(window), Owner: "o",
			Success: []string{"errors"}, Rollback: []string{"errors-high"},
		}, {
			Name: "all", Traffic: &rules.Fraction{Value: 1}, Start: &rules.Offset{Duration: 72 * time.Hour}, Window: duration(24 * time.Hour), Owner: "o",
			Success: []string{"errors"}, Rollback: []string{"errors-high"},
		}},
		Success: []rules.SuccessSpec{{RuleSpec: rules.RuleSpec{Name: "errors", Signal: "e", When: condition("< 1 %"), Owner: "o"}}},
		Rollback: []rules.RollbackSpec{{
			RuleSpec: rules.RuleSpec{Name: "errors-high", Signal: "e", When: condition("> 3 %"), Owner: "o"}, Action: "a", Command: "c",
		}},
		Signals: []rules.SignalSpec{{Name: "e", Kind: ptr(rules.Ratio), Unit: ptr(rules.Percent), Rate: rate}},
	}
}

// crashes is counted with sessions: 99.5 % free of crashes is good, below 98 % bad.
func crashes(rate string, window time.Duration) rules.Spec {
	s := counted(rate, window)
	s.Signals[0].Good = true
	s.Success[0].When, s.Rollback[0].When = condition(">= 99.5 %"), condition("< 98 %")
	return s
}

// latency is counted with a p95 in place of errors.
func latency(rate string, window time.Duration) rules.Spec {
	s := counted(rate, window)
	s.Signals[0] = rules.SignalSpec{Name: "e", Kind: ptr(rules.Percentile), Quant: &rules.Fraction{Value: .95}, Unit: ptr(rules.Seconds), Rate: rate}
	s.Success[0].When, s.Rollback[0].When = condition("<= 2.5 s"), condition("> 3 s")
	return s
}

func compile(t testing.TB, s rules.Spec) *rules.Plan {
	t.Helper()
	plan, problems := rules.Compile(s)
	if plan == nil {
		t.Fatal(problems)
	}
	return plan
}

// lineOf is the forecast of a rule in a phase.
func lineOf(t testing.TB, plan *rules.Plan, phase, rule string) Line {
	t.Helper()
	for _, l := range Forecast(plan) {
		if l.Phase == phase && l.Rule == rule {
			return l
		}
	}
	t.Fatalf("no forecast of %s in %s", rule, phase)
	return Line{}
}

// The figures of the literature and of exact computation: how many samples pass.
func TestSamplesToPass(t *testing.T) {
	minutes := func(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }
	for _, tt := range []struct {
		name                 string
		spec                 rules.Spec
		clean, typical, most float64 // to prove the limit
		weak                 float64 // to exclude the trigger, when none is bad
	}{
		{"errors below 1 %, at 0.1 %", counted("2/s", minutes(15)), 392, 392, 880, 129},
		{"crashes below 0.5 %, at 0.05 %", crashes("2/s", minutes(15)), 785, 785, 1763, 195},
		{"p95, at 0.5 % slow ones", latency("2/s", minutes(15)), 77, 77, 174, 0},
	} {
		l := lineOf(t, compile(t, tt.spec), "canary", "errors")
		if l.Pass == nil || l.Samples != 180 {
			t.Fatalf("%s: %+v, want 180 samples and what it takes to pass", tt.name, l)
		}
		if got := l.Pass.Strong; got.Clean != tt.clean || got.Typical != tt.typical || got.Most != tt.most {
			t.Errorf("%s: %v clean, %v typically, %v mostly; want %v, %v, %v", tt.name, got.Clean, got.Typical, got.Most, tt.clean, tt.typical, tt.most)
		}
		switch got := l.Pass.Weak; {
		case tt.weak == 0 && got != nil:
			t.Errorf("%s: excludes %v, which no rule of its signal is about", tt.name, got.Bound)
		case tt.weak > 0 && (got == nil || got.Clean != tt.weak):
			t.Errorf("%s: %+v to exclude the trigger, want %v", tt.name, got, tt.weak)
		}
	}
}

// Small bounds are scaled: near the seam that is nearly exact.
func TestSmallBoundsAreScaled(t *testing.T) {
	key := passKey{bound: .0009, healthy: .00009, alpha: .05}
	got := samplesToPass(key)
	want, _ := evidence.NewBelow(key.bound).Samples(key.healthy, key.alpha, .5)
	if math.Abs(got.Typical/float64(want)-1) > .01 {
		t.Errorf("%v samples exclude %v, want %v", got.Typical, key.bound, want)
	}
}

// The issue's own sentence.
func TestLintSaysWhatAWindowCannotProve(t *testing.T) {
	s := counted("2/s", 15*time.Minute)
	s.Success[0].Proof = ptr(rules.ProofStrong)
	s.Phases[0].Extend = duration(10 * time.Minute)
	p := problem(t, compile(t, s), "phases.canary.window", "cannot-pass")
	for _, want := range []string{"15m", "180 samples", "can exclude 3 %", "cannot prove < 1 %"} {
		if !strings.Contains(p.Message, want) {
			t.Errorf("%q does not say %q", p.Message, want)
		}
	}
	for _, want := range []string{"33m would do, or 22 % of the traffic; in 1h14m 95 % of healthy releases pass; or ", `proof = "weak"`} {
		if !strings.Contains(p.Fix, want) {
			t.Errorf("%q does not say %q", p.Fix, want)
		}
	}
	if p.Severity != rules.SeverityWarning {
		t.Errorf("%v: a plan that cannot decide can run", p.Severity)
	}
	s.Phases[0].Window = duration(71 * time.Minute)
	if got := ids(lint(compile(t, s))); len(got) != 0 {
		t.Errorf("what was advised is warned of: %v", got)
	}
}

func problem(t testing.TB, plan *rules.Plan, path, id string) rules.Problem {
	t.Helper()
	found := lint(plan)
	for _, p := range found {
		if p.Path == path && p.ID == id {
			return p
		}
	}
	t.Fatalf("no %s at %s in %+v", id, path, found)
	return rules.Problem{}
}

// lint is what a plan's own forecast warns of.
func lint(plan *rules.Plan) rules.Problems { return Lint(plan, Forecast(plan)) }

func ids(found rules.Problems) []string {
	var all []string
	for _, p := range found {
		all = append(all, p.Path+" "+p.ID)
	}
	return all
}

func TestLint(t *testing.T) {
	threshold := func(s *rules.Spec) { s.Release.Evidence = nil }
	for _, tt := range []struct {
		name   string
		spec   rules.Spec
		change func(s *rules.Spec)
		want   []string
	}{
		{"enough of everything", counted("50/s", time.Hour), func(s *rules.Spec) {}, nil},
		{"a quarter of an hour at 2/s is enough to exclude the trigger, not to find twice as much", counted("2/s", 10*time.Minute),
			func(s *rules.Spec) { s.Phases[0].Window = duration(11 * time.Minute) }, []string{"phases.canary.window slow-to-detect"}},
		{"a proof that comes within the extension", counted("2/s", 20*time.Minute), func(s *rules.Spec) { s.Success[0].Proof = ptr(rules.ProofStrong) },
			[]string{"phases.canary.window passes-late"}},
		{"advice does not have to come in time", counted("2/s", 20*time.Minute), func(s *rules.Spec) {
			s.Success[0].Proof, s.Success[0].Gate = ptr(rules.ProofStrong), ptr(rules.Advisory)
			s.Success = append(s.Success, s.Success[0])
			s.Success[1].Name, s.Success[1].Gate, s.Success[1].Proof = "more", nil, nil
			s.Phases[0].Success = append(s.Phases[0].Success, "more")
			s.Phases[1].Success = s.Phases[0].Success
		}, nil},
		{"sessions that ripen after the window", counted("2/s", 30*time.Minute), func(s *rules.Spec) {
			s.Signals[0].Maturity, s.Phases[0].Extend = duration(3*time.Hour), duration(3*time.Hour)
		}, []string{"phases.canary.window passes-late"}},
		{"sessions most of which ripen when the phase has given up", counted("2/s", 30*time.Minute), func(s *rules.Spec) {
			s.Signals[0].Maturity, s.Phases[0].Extend = duration(3*time.Hour), duration(3*time.Hour)
			s.Phases[0].Traffic = &rules.Fraction{Value: .03}
		}, []string{"phases.canary.window cannot-pass", "phases.canary.window slow-to-detect"}},
		{"users that come ten times tell a tenth", counted("2/s", 30*time.Minute), func(s *rules.Spec) {
			s.Signals[0].Cluster = ptr(10.)
		}, []string{"phases.canary.window cannot-pass", "phases.canary.window slow-to-detect"}},
		{"samples that never come", counted("2/s", 30*time.Minute), func(s *rules.Spec) {
			s.Success[0].MinSamples = ptr(1500.)
		}, []string{"success.errors.min_samples min-samples-out-of-reach"}},
		{"samples that come late", counted("2/s", 30*time.Minute), func(s *rules.Spec) {
			s.Success[0].MinSamples = ptr(500.)
		}, []string{"phases.canary.window passes-late"}},
		{"mostly empty minutes", counted("1/min", 48*time.Hour), func(s *rules.Spec) {},
			[]string{"success.errors.coverage thin-traffic", "rollback.errors-high.coverage thin-traffic"}},
		{"a phase without traffic", counted("2/s", 30*time.Minute), func(s *rules.Spec) {
			s.Phases[0].Traffic = &rules.Fraction{}
		}, []string{"phases.canary.traffic thin-traffic"}},
		{"a stretch that is longer than the window", counted("2/s", 2*time.Hour), func(s *rules.Spec) {
			s.Rollback[0].For = duration(10 * 24 * time.Hour)
		}, []string{"phases.canary.window slow-to-detect", "phases.all.window slow-to-detect"}},
		{"one look at 180 samples fails a good release", counted("2/s", 15*time.Minute), threshold, []string{"phases.canary.window false-failures", "rollback.errors-high.when false-alarms"}},
		{"one look at a hundred times as many does not", counted("200/s", 15*time.Minute), threshold, nil},
		{"a ratio for ten minutes is blind at 2/s", counted("2/s", 2*time.Hour), func(s *rules.Spec) {
			threshold(s)
			s.Rollback[0].For = duration(10 * time.Minute)
		}, []string{"phases.canary.window slow-to-detect"}},
		{"more samples than its stretch has", counted("2/s", 2*time.Hour), func(s *rules.Spec) {
			threshold(s)
			s.Rollback[0].Over, s.Rollback[0].MinSamples = duration(5*time.Minute), ptr(200.)
		}, []string{"rollback.errors-high.min_samples min-samples-out-of-reach"}},
		{"a p95 over five minutes at 12 a minute", latency("2/s", 3*time.Hour), func(s *rules.Spec) {
			threshold(s)
			s.Rollback[0].Over = duration(5 * time.Minute)
		}, []string{"rollback.errors-high.when false-alarms"}},
		{"the worst p95 of a minute of a dozen", latency("2/s", time.Hour), func(s *rules.Spec) {
			threshold(s)
			s.Success[0].Aggregate, s.Rollback[0].Aggregate = ptr(rules.Worst), ptr(rules.Worst)
		}, []string{"phases.canary.window false-failures", "rollback.errors-high.when false-alarms", "phases.all.window false-failures"}},
		{"the worst p95 of a minute of two thousand", latency("300/s", time.Hour), func(s *rules.Spec) {
			threshold(s)
			s.Success[0].Aggregate, s.Rollback[0].Aggregate = ptr(rules.Worst), ptr(rules.Worst)
		}, nil},
		{"half of the minutes' p95", latency("2/s", time.Hour), func(s *rules.Spec) {
			threshold(s)
			s.Success[0].Aggregate, s.Success[0].MinShare = ptr(rules.Share), &rules.Fraction{Value: .5}
			s.Phases[0].Rollback, s.Phases[1].Rollback = nil, nil
		}, nil},
		{"no rate, no evidence", counted("", time.Hour), threshold, nil},
		{"no rate", counted("", time.Hour), func(s *rules.Spec) {}, []string{"signals.e.expected_rate no-rate"}},
		{"no rate of a percentile", latency("", time.Hour), func(s *rules.Spec) {}, []string{"signals.e.expected_rate no-rate"}},
	} {
		s := tt.spec
		tt.change(&s)
		found := lint(compile(t, s))
		if got := ids(found); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
		for _, p := range found {
			if p.Severity == rules.SeverityError || (p.ID == "no-rate") != (p.Severity == rules.SeverityNote) || p.Fix == "" {
				t.Errorf("%s: %+v: want a warning with a fix, a note where a rate is missing", tt.name, p)
			}
		}
	}
}

// How ratings and groups add up, next to what was simulated for them.
func TestRatingsAndGroups(t *testing.T) {
	within := func(what string, got, want float64) {
		if math.Abs(got/want-1) > .4 {
			t.Errorf("%s: %v, want about %v", what, got, want)
		}
	}
	s := counted("100/h", 24*time.Hour)
	s.Signals[0] = rules.SignalSpec{Name: "e", Kind: ptr(rules.Mean), Rate: "100/h"}
	s.Success[0].When, s.Rollback[0].When = condition(">= 4.5"), condition("< 4")
	s.Success[0].Evidence, s.Rollback[0].Evidence = ptr(rules.Sequential), ptr(rules.Sequential)
	plan := compile(t, s)
	l := lineOf(t, plan, "canary", "errors")
	within("ratings to pass at 4.75", l.Pass.Strong.Typical, 150)
	d := lineOf(t, plan, "canary", "errors-high").Detect
	within("ratings to fail at 4.0", d[0].Minutes/6, 76)
	within("ratings to fail at 3.5", d[1].Minutes/6, 23)

	s = counted("1000/h", 24*time.Hour)
	s.Signals[0] = rules.SignalSpec{
		Name: "e", Kind: ptr(rules.Gauge), Rate: "100000/h", Source: "athena",
		Query: &athena.Query{SQL: "select", File: "q.sql", Database: "d", Groups: 10, MinGroup: 100},
	}
	s.Success[0].When, s.Rollback[0].When = condition("<= 0.07"), condition("> 0.07")
	s.Success[0].Evidence, s.Rollback[0].Evidence = ptr(rules.Sequential), ptr(rules.Sequential)
	l = lineOf(t, compile(t, s), "canary", "errors")
	within("samples a group to pass", l.Pass.Strong.Typical/10, 1500)
	if l.Pass.Strong.By != InWindow {
		t.Errorf("%v: a day has enough", l.Pass.Strong.By)
	}
}

// More time or more traffic never makes a rule less able to pass.
func TestMoreIsNeverLess(t *testing.T) {
	rank := map[When]int{Never: 0, InExtension: 1, InWindow: 2}
	rapid.Check(t, func(t *rapid.T) {
		rates := []string{"1/h", "20/h", "5/min", "0.2/s", "2/s", "50/s"}
		i := rapid.IntRange(0, len(rates)-1).Draw(t, "rate")
		window := time.Duration(rapid.IntRange(2, 300).Draw(t, "minutes")) * time.Minute
		maturity := time.Duration(rapid.IntRange(0, 120).Draw(t, "maturity")) * time.Minute
		least := float64(rapid.IntRange(0, 500).Draw(t, "min_samples"))
		at := func(rate string, window time.Duration) (By, AtBest int, fails float64) {
			s := counted(rate, window)
			s.Signals[0].Maturity, s.Phases[0].Extend = duration(maturity), duration(2*time.Hour)
			s.Phases[1].Extend = s.Phases[0].Extend
			s.Success[0].MinSamples = &least
			s.Success[0].Coverage = &rules.Fraction{Value: .001}
			plan, problems := rules.Compile(s)
			if plan == nil {
				t.Fatal(problems)
			}
			f := forecaster{plan: plan, passes: map[passKey]Proof{}}
			l, _ := f.line(0, 0)
			f.success(&l, 0)
			if l.Pass == nil {
				return -1, -1, 0
			}
			n := l.Pass.Needed()
			return rank[n.By], rank[n.AtBest], 0
		}
		by, best, _ := at(rates[i], window)
		more := window + time.Duration(rapid.IntRange(1, 600).Draw(t, "more"))*time.Minute
		if b, a, _ := at(rates[i], more); b < by || a < best {
			t.Fatalf("%v at %s: %v, %v; %v: %v, %v", window, rates[i], by, best, more, b, a)
		}
		if i+1 < len(rates) {
			if b, a, _ := at(rates[i+1], window); b < by || a < best {
				t.Fatalf("%v at %s: %v, %v; at %s: %v, %v", window, rates[i], by, best, rates[i+1], b, a)
			}
		}
		if best < by {
			t.Fatalf("typically %v, at best %v", by, best)
		}
	})
}

// Whatever a plan says that compiles, a forecast has probabilities and words.
func TestForecastOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]string{"1e-300/d", "1/d", "0.2/s", "17/min", "1e6/s", "1e300/s"}).Draw(t, "rate")
		make := rapid.SampledFrom([]func(string, time.Duration) rules.Spec{counted, crashes, latency}).Draw(t, "spec")
		s := make(rate, time.Duration(rapid.IntRange(1, 500).Draw(t, "minutes"))*time.Minute)
		s.Release.Evidence = ptr(rapid.SampledFrom([]rules.Method{rules.ByThreshold, rules.Sequential}).Draw(t, "evidence"))
		s.Signals[0].Period = duration(rapid.SampledFrom([]time.Duration{10 * time.Second, time.Minute, time.Hour}).Draw(t, "period"))
		s.Phases[0].Traffic.Value = rapid.SampledFrom([]float64{0, 1e-6, .1, 1}).Draw(t, "traffic")
		s.Success[0].MinSamples = ptr(rapid.SampledFrom([]float64{0, .5, 200, 1e9}).Draw(t, "min_samples"))
		s.Rollback[0].MinSamples = s.Success[0].MinSamples
		if rapid.Bool().Draw(t, "for") {
			s.Rollback[0].For = duration(2 * time.Hour)
		}
		policy := rapid.SampledFrom([]rules.Policy{rules.PolicyHold, rules.PolicyFail, rules.PolicyRollback}).Draw(t, "on_no_data")
		s.Rollback[0].OnNoData, s.Success[0].OnNoData = &policy, &policy
		s.Rollback[0].Coverage = ptr(rules.Fraction{Value: rapid.SampledFrom([]float64{.01, .5, 1}).Draw(t, "coverage")})
		if rapid.Bool().Draw(t, "beside") {
			s.Signals[0].Baseline = &rules.BaselineSpec{Dimension: "version", Value: "42"}
			s.Signals[0].Cluster = ptr(rapid.SampledFrom([]float64{1, 1.7, 40}).Draw(t, "cluster"))
		}
		if rapid.Bool().Draw(t, "over") {
			s.Rollback[0].Over = duration(3 * time.Hour)
		}
		plan, _ := rules.Compile(s)
		if plan == nil {
			t.Skip("no plan")
		}
		lines := Forecast(plan)
		for i := range lines {
			checkLine(t, &lines[i])
		}
		for _, p := range Lint(plan, lines) {
			if p.Fix == "" || strings.Contains(p.Message+p.Fix, "%!") || strings.Contains(p.Message, "NaN") || strings.Contains(p.Message, "Inf") {
				t.Fatalf("%+v", p)
			}
		}
	})
}

func checkLine(t *rapid.T, l *Line) {
	chance := func(p float64) {
		if !(p >= 0 && p <= 1) {
			t.Fatalf("%+v: %v is no probability", l, p)
		}
	}
	for _, d := range l.Detect {
		if d.Power != nil {
			chance(*d.Power)
		}
		if !(d.Minutes >= 0) || math.IsInf(d.Minutes, 0) {
			t.Fatalf("%+v: %v minutes", l, d.Minutes)
		}
	}
	if l.Single != nil {
		chance(l.Single.Fails)
		chance(l.Single.Thin)
	}
	if l.False != nil {
		chance(l.False.Each)
		chance(l.False.Window)
	}
	if b := l.Beside; b != nil {
		chance(b.Shared)
		chance(b.Alone)
		chance(b.Power)
		chance(b.Share)
	}
	if g := l.Gaps; g != nil {
		chance(g.Empty)
		chance(g.Covered)
		chance(g.Stretch)
		chance(g.Silent)
		chance(g.Acts)
	}
	if l.Pass != nil {
		if n := l.Pass.Needed(); n.Clean > n.Typical && n.Typical > 0 || n.By == InWindow && n.AtBest != InWindow {
			t.Fatalf("%+v: %+v", l, n)
		}
	}
	if words := l.String(); words == "" || strings.Contains(words, "NaN") || strings.Contains(words, "%!") || strings.Contains(words, "Inf") {
		t.Fatalf("%+v: %q", l, words)
	}
}

// The same plan has the same forecast, and it takes no time to speak of.
func TestForecastIsAFunctionOfThePlan(t *testing.T) {
	s := counted("2/s", 2*time.Hour)
	a, b := Forecast(compile(t, s)), Forecast(compile(t, s))
	for i := range a {
		if a[i].String() != b[i].String() || !reflect.DeepEqual(a[i].Detect, b[i].Detect) {
			t.Errorf("%v, and then %v", a[i], b[i])
		}
	}
}

func BenchmarkForecast(b *testing.B) {
	plan := compile(b, counted("2/s", 2*time.Hour))
	for b.Loop() {
		Forecast(plan)
	}
}
