package rules

import (
	"strings"
	"testing"
	"time"
)

// Each row makes one thing wrong with a good plan, and names every problem that
// follows from it: "id path", with "~" before a warning.
func TestLint(t *testing.T) {
	parameter := func(p ParameterSpec) func(*Spec) {
		return func(s *Spec) { s.Parameters = append(s.Parameters, p) }
	}
	used := func(p ParameterSpec) func(*Spec) {
		return func(s *Spec) { parameter(p)(s); s.Release.Title = "the {" + p.Name + "}" }
	}
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"nothing", func(s *Spec) {}, ""},

		{"release without plan", func(s *Spec) { s.Release.Plan = "" }, "missing release.plan"},
		{"release without title", func(s *Spec) { s.Release.Title = "" }, "missing release.title"},
		{"release without manager", func(s *Spec) { s.Release.Manager = "" }, "missing release.manager"},
		{"release with a version and no start", func(s *Spec) { s.Release.Start = time.Time{} }, "missing release.start"},
		{"release with a start and no version", func(s *Spec) { s.Release.Version = "" }, "~no-version release.version"},
		{"template", func(s *Spec) { s.Release.Version, s.Release.Start = "", time.Time{} }, ""},
		{"template that ends on a date", func(s *Spec) {
			s.Release.Version, s.Release.Completion, s.Release.Start = "", Instant{Time: s.Release.Start}, time.Time{}
		}, "wrong-type release.expected_completion"},
		{"template that ends while a phase is watched", func(s *Spec) {
			s.Release.Version, s.Release.Start, s.Release.Completion = "", time.Time{}, Instant{Offset: &Offset{3 * time.Hour}}
		}, "~order release.expected_completion"},
		{"ends two years after T", func(s *Spec) { s.Release.Completion = Instant{Offset: &Offset{2 * year}} }, "out-of-range release.expected_completion"},
		{"ends at T", func(s *Spec) { s.Release.Completion = Instant{Offset: &Offset{}} }, "order release.expected_completion"},
		{"version with a space", func(s *Spec) { s.Release.Version = "1 0" }, "bad-version release.version"},
		{"plan's name has an at sign", func(s *Spec) { s.Release.Plan = "a@b" }, "bad-name release.plan"},
		{"plan's name has a tilde", func(s *Spec) { s.Release.Plan = "a~b" }, "bad-name release.plan"},
		{"plan's name has a slash", func(s *Spec) { s.Release.Plan = "a/b" }, "bad-name release.plan"},
		{"plan's name is too long", func(s *Spec) { s.Release.Plan = strings.Repeat("x", 65) }, "bad-name release.plan"},
		{"plan's name begins with a point", func(s *Spec) { s.Release.Plan = ".x" }, "bad-name release.plan"},
		{"interval of a millisecond", func(s *Spec) { s.Release.Interval = dur(time.Millisecond) }, "out-of-range release.interval"},
		{"interval in parts of a second", func(s *Spec) { s.Release.Interval = dur(1500 * time.Millisecond) }, "out-of-range release.interval"},
		{"ends before it starts", func(s *Spec) { s.Release.Completion = Instant{Time: s.Release.Start.Add(-1)} }, "order release.expected_completion"},
		{"ends while a phase is watched", func(s *Spec) { s.Release.Completion = Instant{Time: s.Release.Start.Add(3 * time.Hour)} }, "~order release.expected_completion"},

		{"parameter that is never used", parameter(ParameterSpec{Name: "x", Default: &Literal{"1"}}), "~unused-parameter parameters.x"},
		{"parameter of the release before only", func(s *Spec) {
			parameter(ParameterSpec{Name: "x", Default: &Literal{"1"}})(s)
			s.Rollback[0].Command = "revert {previous.x}"
		}, ""},
		{"parameter with a capital", used(ParameterSpec{Name: "X", Default: &Literal{"1"}}), "bad-name parameters.X; ~unused-parameter parameters.X"},
		{"parameter with a point", used(ParameterSpec{Name: "a.b", Default: &Literal{"1"}}), `bad-name parameters."a.b"`},
		{"parameter called version", used(ParameterSpec{Name: "version", Default: &Literal{"1"}}), "bad-name parameters.version"},
		{"parameter that nothing can tell", used(ParameterSpec{Name: "x"}), "missing parameters.x"},
		{"required parameter with a default", used(ParameterSpec{Name: "x", Required: true, Default: &Literal{"1"}}), "conflict parameters.x.required"},
		{"pattern that is none", used(ParameterSpec{Name: "x", Pattern: "(", Default: &Literal{"1"}}), "bad-value parameters.x.pattern"},
		{"default against its pattern", used(ParameterSpec{Name: "x", Pattern: "[a-z]+", Default: &Literal{"1"}}), "bad-value parameters.x.default"},
		{"pattern that a part matches", used(ParameterSpec{Name: "x", Pattern: "a|b", Default: &Literal{"ac"}}), "bad-value parameters.x.default"},
		{"default with an escape", used(ParameterSpec{Name: "x", Default: &Literal{"\x1b"}}), "bad-value parameters.x.default"},
		{"placeholder of nothing", func(s *Spec) { s.Release.Title = "{verison}" }, "unknown-placeholder release.title"},
		{"placeholder in a command", func(s *Spec) { s.Rollback[0].Command = "x {lambda}" }, "unknown-placeholder rollback.errors-high.command"},
		{"placeholder in a query", func(s *Spec) { athena(s.Signals[3].Query).Parameters[0] = "'{x}'" }, "unknown-placeholder signals.gap.athena.parameters[0]"},
		{"placeholder in a query that is asked twice", func(s *Spec) { cloudWatch(s.Signals[2].Query).Dimensions = map[string]string{"F": "{x}"} }, "unknown-placeholder signals.p95.cloudwatch.dimensions.F"},
		{"placeholder in a baseline", func(s *Spec) {
			s.Release.Evidence = ptr(Sequential)
			s.Signals[4].Baseline = &BaselineSpec{Dimension: "release", Value: "p@{x}"}
		}, "unknown-placeholder signals.crash_free.baseline.value"},
		{"a placeholder of the release's query beside its baseline", func(s *Spec) {
			s.Release.Evidence = ptr(Sequential)
			cloudWatch(s.Signals[2].Query).Dimensions = map[string]string{"F": "{plan}", "ExecutedVersion": "43"}
			s.Signals[2].Baseline = &BaselineSpec{Dimension: "ExecutedVersion", Value: "42"}
		}, ""},
		{"placeholder like a parameter's", func(s *Spec) {
			used(ParameterSpec{Name: "lambda", Default: &Literal{"1"}})(s)
			s.Rollback[0].Command = "revert {previous.lamda}"
		}, "unknown-placeholder rollback.errors-high.command"},
		{"text in double braces", func(s *Spec) { s.Rollback[0].Command = "x {{lambda}} {}" }, ""},
		{"the release's own version", func(s *Spec) { sentry(s.Signals[4].Query).Release = "p@{version}" }, ""},
		{"a name in a query that wants digits", func(s *Spec) { appStore(s.Signals[5].Query).App = "{plan}" }, "bad-value signals.stars.appstore.app"},
		{"a version in a query outside of quotes", func(s *Spec) { athena(s.Signals[3].Query).Parameters[0] = "{version}" }, "bad-value signals.gap.athena.parameters[0]"},
		{"placeholder of a shared signal", func(s *Spec) {
			sentry(s.Signals[4].Query).Release = "p@{x}"
			s.Shared, s.Signals = s.Signals[4:5:5], append(s.Signals[:4:4], s.Signals[5])
		}, "unknown-parameter parameters.x"},
		{"a version before with a space", func(s *Spec) { s.Release.Previous = map[string]Literal{"version": {"1 0"}} }, "bad-version release.previous.version"},
		{"a parameter before that is not declared", func(s *Spec) { s.Release.Previous = map[string]Literal{"x": {"1"}} }, "unknown-parameter release.previous.x"},
		{"a parameter before, against its pattern", func(s *Spec) {
			used(ParameterSpec{Name: "x", Pattern: "[0-9]", Default: &Literal{"1"}})(s)
			s.Release.Previous = map[string]Literal{"x": {"a"}}
		}, "bad-value release.previous.x"},

		{"no phases", func(s *Spec) { s.Phases = nil },
			"missing phases; ~unused-rule success.errors; ~unused-rule success.slow; ~unused-rule success.gap; ~unused-rule success.crashes; ~unused-rule success.stars; ~unused-rule rollback.errors-high; ~unused-rule rollback.slow-high"},
		{"phase called current", func(s *Spec) { s.Phases[0].Name = "current" }, "bad-name phases.current"},
		{"phase called run", func(s *Spec) { s.Phases[0].Name = "run" }, "bad-name phases.run"},
		{"phase with a space", func(s *Spec) { s.Phases[0].Name = "a b" }, `bad-name phases."a b"`},
		{"phase without traffic", func(s *Spec) { s.Phases[0].Traffic = nil }, "missing phases.canary.traffic"},
		{"phase without window", func(s *Spec) { s.Phases[0].Window = nil }, "missing phases.canary.window"},
		{"phase without owner", func(s *Spec) { s.Phases[0].Owner = "" }, "missing phases.canary.owner"},
		{"scheduled phase without start", func(s *Spec) { s.Phases[0].Start = nil }, "missing phases.canary.start"},
		{"signalled phase needs none", func(s *Spec) { s.Phases[0].Start, s.Phases[0].Advance = nil, ptr(Signalled) }, ""},
		{"first phase on pass", func(s *Spec) { s.Phases[0].Advance = ptr(OnPass) }, "order phases.canary.advance"},
		{"starts before T", func(s *Spec) { s.Phases[0].Start = &Offset{-time.Hour} }, "order phases.canary.start"},
		{"starts in two years", func(s *Spec) { s.Phases[0].Start = &Offset{2 * year} }, "out-of-range phases.canary.start"},
		{"starts between two seconds", func(s *Spec) { s.Phases[0].Start = &Offset{time.Millisecond} }, "out-of-range phases.canary.start"},
		{"starts before the phase above", func(s *Spec) { s.Phases[0].Start, s.Phases[1].Start = &Offset{time.Hour}, &Offset{} }, "order phases.all.start"},
		{"window of no time", func(s *Spec) { s.Phases[0].Window = dur(0) },
			"out-of-range phases.canary.window; short-window phases.canary.window; short-window phases.canary.window; short-window phases.canary.window; short-window phases.canary.window"},
		{"window shorter than a period", func(s *Spec) { s.Phases[0].Window = dur(30 * time.Minute) }, "short-window phases.canary.window"},
		{"window of one period", func(s *Spec) { s.Signals[0].Period = dur(day) },
			"~thin-window phases.all.window; short-window phases.canary.window; short-for rollback.errors-high.for"},
		{"percentile as one period over the window", func(s *Spec) { s.Signals[2].Period = dur(2 * time.Hour) }, ""},
		{"extend of two years", func(s *Spec) { s.Phases[0].Extend = dur(2 * year) }, "out-of-range phases.canary.extend"},
		{"settles too late", func(s *Spec) { s.Signals[4].Settle = dur(2 * time.Hour) }, "short-extend phases.all.extend"},
		{"looks back", func(s *Spec) { s.Success[0].Over = dur(3 * time.Hour) }, "~looks-back phases.canary.window"},

		{"phase without success rules", func(s *Spec) { s.Phases[0].Success = nil },
			"missing phases.canary.success; ~unused-rule success.slow; ~unused-rule success.gap"},
		{"phase without rollback rules", func(s *Spec) { s.Phases[1].Rollback = nil }, "~no-rollback phases.all.rollback"},
		{"unknown success rule", func(s *Spec) { s.Phases[1].Success[0] = "erors" }, "unknown-rule phases.all.success[0]"},
		{"rollback rule as success rule", func(s *Spec) { s.Phases[1].Success[0] = "errors-high" }, "unknown-rule phases.all.success[0]"},
		{"rule named twice", func(s *Spec) { s.Phases[1].Success[1] = "errors" }, "duplicate phases.all.success[1]; ~unused-rule success.crashes"},
		{"every rule ignores missing data", func(s *Spec) {
			for i := range s.Success[:3] {
				s.Success[i].OnNoData = ptr(PolicyIgnore)
			}
		}, "all-ignored phases.canary.success"},
		{"every rule ignores a broken source", func(s *Spec) {
			for i := range s.Success[:3] {
				s.Success[i].OnError = ptr(PolicyIgnore)
			}
		}, "all-ignored phases.canary.success"},
		{"some rules ignore missing data", func(s *Spec) { s.Success[0].OnNoData = ptr(PolicyIgnore) }, ""},

		{"good where it is rolled back", func(s *Spec) { s.Success[0].When = when("> 3 %") },
			"contradiction success.errors.when"},
		{"good only where it is rolled back, inclusive", func(s *Spec) { s.Success[0].When, s.Rollback[0].When = when("> 3 %"), when(">= 3 %") },
			"contradiction success.errors.when"},
		{"good at the border too", func(s *Spec) { s.Success[0].When = when(">= 3 %") }, "contradiction success.errors.when"},
		{"good above what is rolled back", func(s *Spec) { s.Success[0].When, s.Rollback[0].When = when("< 1 %"), when("< 3 %") },
			"contradiction rollback.errors-high.when"},
		{"good overlaps what is rolled back", func(s *Spec) { s.Success[0].When = when("< 4 %") },
			"limit-beyond-trigger success.errors.when"},
		{"good touches what is rolled back", func(s *Spec) { s.Success[0].When, s.Rollback[0].When = when("<= 3 %"), when(">= 3 %") },
			"~overlap success.errors.when"},
		{"good below overlaps what is rolled back", func(s *Spec) { s.Success[0].When, s.Rollback[0].When = when("> 1 %"), when("< 3 %") },
			"limit-beyond-trigger success.errors.when"},

		{"rule without owner", func(s *Spec) { s.Success[0].Owner = "" }, "missing success.errors.owner"},
		{"rule without condition", func(s *Spec) { s.Success[0].When = Condition{} }, "missing success.errors.when"},
		{"rule without signal", func(s *Spec) { s.Success[2].Signal = "" }, "missing success.gap.signal; ~unused-signal signals.gap"},
		{"rule on an unknown signal", func(s *Spec) { s.Success[2].Signal = "gab" }, "unknown-signal success.gap.signal; ~unused-signal signals.gap"},
		{"rule on a derived signal", func(s *Spec) { s.Success[2].Signal = "p95 > 3 s" }, "unknown-signal success.gap.signal; ~unused-signal signals.gap"},
		{"rule that needs no data", func(s *Spec) { s.Success[0].Coverage = &Fraction{} }, "out-of-range success.errors.coverage"},
		{"negative samples", func(s *Spec) { s.Success[0].MinSamples = ptr(-1.0) }, "out-of-range success.errors.min_samples"},
		{"grace of two years", func(s *Spec) { s.Success[0].Grace = dur(2 * year) }, "out-of-range success.errors.grace"},
		{"unused rule", func(s *Spec) { s.Phases[0].Rollback = []string{"errors-high"} }, "~unused-rule rollback.slow-high"},
		{"unused success rule", func(s *Spec) { s.Phases[1].Success = s.Phases[1].Success[:2] }, "~unused-rule success.stars"},
		{"two rules of one name", func(s *Spec) {
			s.Rollback[0].Name, s.Phases[0].Rollback[0], s.Phases[1].Rollback[0] = "errors", "errors", "errors"
		}, "duplicate rollback.errors"},
		{"rollback without action", func(s *Spec) { s.Rollback[0].Action = "" }, "missing rollback.errors-high.action"},
		{"rollback without command", func(s *Spec) { s.Rollback[0].Command = "" }, "~no-command rollback.errors-high.command"},
		{"for of one period", func(s *Spec) { s.Rollback[0].For = dur(time.Minute) }, "short-for rollback.errors-high.for"},
		{"for of two and a half periods", func(s *Spec) { s.Rollback[0].For = dur(150 * time.Second) }, "~not-a-multiple rollback.errors-high.for"},
		{"for of two years", func(s *Spec) { s.Rollback[0].For = dur(2 * year) }, "out-of-range rollback.errors-high.for"},
		{"for on an unknown signal", func(s *Spec) { s.Rollback[0].Signal = "x" }, "unknown-signal rollback.errors-high.signal"},
		{"over shorter than a period", func(s *Spec) { s.Rollback[0].Over = dur(30 * time.Second) }, "short-window rollback.errors-high.over"},
		{"over of parts of periods", func(s *Spec) { s.Rollback[0].Over = dur(90 * time.Second) }, "~not-a-multiple rollback.errors-high.over"},
		{"unknown alarm", func(s *Spec) { s.Success[0].Alarm = "pages" }, "unknown-signal success.errors.alarm; ~unused-signal signals.page"},
		{"alarm of an alarm", func(s *Spec) {
			s.Rollback[0].Signal, s.Rollback[0].Alarm, s.Rollback[0].When = "page", "page", Condition{Op: Equal, Threshold: 1, Unit: asState}
		}, "conflict rollback.errors-high.alarm"},
		{"alarm that is none", func(s *Spec) { s.Success[0].Alarm = "gap" }, "wrong-kind success.errors.alarm; ~unused-signal signals.page"},

		{"never passes", func(s *Spec) { s.Success[0].When = when("< 0 %") }, "never-holds success.errors.when"},
		{"never passes, inclusive", func(s *Spec) { s.Success[0].When = when("<= -1 %") }, "never-holds success.errors.when"},
		{"never fires", func(s *Spec) { s.Rollback[0].When = when("> 100 %") }, "never-holds rollback.errors-high.when"},
		{"never fires, inclusive", func(s *Spec) { s.Rollback[0].When = when(">= 101 %") }, "never-holds rollback.errors-high.when"},
		{"never equal", func(s *Spec) { s.Rollback[0].When = when("== 101 %") }, "never-holds rollback.errors-high.when"},
		{"always fires", func(s *Spec) { s.Rollback[0].When = when("!= 101 %") }, "always-holds rollback.errors-high.when"},
		{"checks nothing", func(s *Spec) { s.Success[0].When = when("<= 100 %") }, "~always-holds success.errors.when"},
		{"a latency below none", func(s *Spec) { s.Success[1].When = when("< 0 s") }, "never-holds success.slow.when"},
		{"an equation is fine", func(s *Spec) { s.Rollback[0].When = when("== 50 %") }, ""},
		{"a ratio in numbers", func(s *Spec) { s.Rollback[0].When = when("> 0.03") }, "unit-mismatch rollback.errors-high.when"},
		{"a ratio in seconds", func(s *Spec) { s.Rollback[0].When = when("> 3 s") }, "unit-mismatch rollback.errors-high.when"},
		{"a latency in numbers", func(s *Spec) { s.Success[1].When = when("<= 2.5") }, "unit-mismatch success.slow.when"},
		{"a gap in per cent", func(s *Spec) { s.Success[2].When = when("<= 7 %") }, "unit-mismatch success.gap.when"},

		{"share without a share", func(s *Spec) { s.Success[1].Aggregate = ptr(Share) }, "missing success.slow.min_share"},
		{"share of nothing", func(s *Spec) { s.Success[1].Aggregate, s.Success[1].MinShare = ptr(Share), &Fraction{} }, "out-of-range success.slow.min_share"},
		{"a share without share", func(s *Spec) { s.Success[1].MinShare = &Fraction{0.5} }, "excess-key success.slow.min_share"},
		{"pooled percentile", func(s *Spec) { s.Success[1].Aggregate = ptr(Pooled) }, "wrong-kind success.slow.aggregate"},
		{"worst of a ratio", func(s *Spec) { s.Success[0].Aggregate = ptr(Worst) }, "wrong-kind success.errors.aggregate"},
		{"pooled ratio", func(s *Spec) { s.Success[0].Aggregate = ptr(Pooled) }, ""},
		{"percentile equal to a number", func(s *Spec) { s.Success[1].When = when("== 2 s") }, "bad-operator success.slow.when"},

		{"signal's bad name", func(s *Spec) { s.Signals[3].Name, s.Success[2].Signal = "a b", "a b" }, `bad-name signals."a b"`},
		{"signal without source", func(s *Spec) { s.Signals[0].Source = "" }, "missing signals.error_rate.source"},
		{"signal without kind", func(s *Spec) { s.Signals[3].Kind = nil }, "missing signals.gap.kind"},
		{"signal without query", func(s *Spec) { s.Signals[0].Query = nil }, "missing-query signals.error_rate"},
		{"signal with two queries", func(s *Spec) { s.Signals[0].More = []SourceQuery{s.Signals[4].Query} }, "several-queries signals.error_rate"},
		{"unused signal", func(s *Spec) { s.Success[0].Alarm = "" }, "~unused-signal signals.page"},
		{"good gap", func(s *Spec) { s.Signals[3].Good = true }, "excess-key signals.gap.good"},
		{"quantile of a gap", func(s *Spec) { s.Signals[3].Quant = &Fraction{0.5} }, "excess-key signals.gap.quantile"},
		{"percentile without quantile", func(s *Spec) { s.Signals[2].Quant = nil }, "missing signals.p95.quantile"},
		{"percentile of all", func(s *Spec) { s.Signals[2].Quant = &Fraction{1} }, "out-of-range signals.p95.quantile"},
		{"ratio in seconds", func(s *Spec) { s.Signals[0].Unit = ptr(Seconds) }, "unit-mismatch signals.error_rate.unit"},
		{"ratio in per cent", func(s *Spec) { s.Signals[0].Unit = ptr(Percent) }, ""},
		{"alarm in seconds", func(s *Spec) { s.Signals[1].Unit = ptr(Seconds) }, "unit-mismatch signals.page.unit"},
		{"period of two days", func(s *Spec) { s.Signals[3].Period = dur(2 * day) }, "short-window phases.canary.window; out-of-range signals.gap.period"},
		{"a month of seconds", func(s *Spec) { s.Signals[1].Period, s.Phases[1].Window = dur(time.Second), dur(30*day) }, "too-many-periods signals.page.period"},
		{"asked never", func(s *Spec) { s.Signals[0].Every = dur(0) }, "out-of-range signals.error_rate.every"},

		{"rule on nothing known", func(s *Spec) {
			s.Signals, s.Success, s.Rollback = nil, s.Success[2:3], nil
			s.Phases = s.Phases[:1]
			s.Phases[0].Success, s.Phases[0].Rollback = []string{"gap"}, nil
		},
			"unknown-signal success.gap.signal; ~no-rollback phases.canary.rollback"},

		{"message without anything", func(s *Spec) { s.Communications[0] = CommunicationSpec{Name: "x"} },
			"missing communications.x.at; missing communications.x.channel; missing communications.x.text"},
		{"message in two years", func(s *Spec) { s.Communications[0].At = &Moment{Offset: Offset{2 * year}} }, "out-of-range communications.later.at"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := goodSpec()
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

// gaugeOf makes the gap a CloudWatch gauge.
func gaugeOf(s *Spec, unit Unit, metricUnit string) {
	g := &s.Signals[3]
	g.Unit, g.Query = &unit, &CloudWatchQuery{Namespace: "x", Metric: "y", Unit: metricUnit}
	s.Success[2].When, s.Success[2].Aggregate = Condition{LessOrEqual, 0.07, unit}, ptr(Worst)
}

func ids(problems Problems) string {
	var list []string
	for _, p := range problems {
		id := p.ID + " " + p.Path
		if p.Severity == SeverityWarning {
			id = "~" + id
		}
		list = append(list, id)
	}
	return strings.Join(list, "; ")
}

// same compares two lists of problems in any order: the order of the file is not
// known here.
func same(got, want string) bool {
	count := map[string]int{}
	for _, id := range strings.Split(got, "; ") {
		count[id]++
	}
	for _, id := range strings.Split(want, "; ") {
		count[id]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestCheckSignalsAlone(t *testing.T) {
	signals := goodSpec().Signals
	if got := CheckSignals(signals); len(got) > 0 {
		t.Errorf("got %v, want no problems", got)
	}
	cloudWatch(signals[0].Query).Bad = ""
	if got := ids(CheckSignals(signals)); got != "missing signals.error_rate.cloudwatch.bad" {
		t.Errorf("got %s", got)
	}
}

func TestPath(t *testing.T) {
	for _, tt := range []struct {
		keys []string
		want string
	}{
		{[]string{"a", "b-c", "d_1"}, "a.b-c.d_1"},
		{[]string{"a", "b c"}, `a."b c"`},
		{[]string{"a.b", ""}, `"a.b".""`},
		{[]string{`a"b`}, `"a\"b"`},
	} {
		if got := Path(tt.keys...); got != tt.want {
			t.Errorf("Path(%q) = %s, want %s", tt.keys, got, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"window", "start", "on_no_data", "on_error", "when"}
	for name, want := range map[string]string{
		"windw": "window", "winodw": "window", "strat": "start", "on_nodata": "on_no_data", "xyz": "", "": "", "wehn": "when", "On_error": "on_error",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
	if got := DidYouMean("xyz", known); got != "" {
		t.Errorf("got %q for a name that is near to none", got)
	}
	if got := DidYouMean("windw", known); got != `did you mean "window"?` {
		t.Errorf("got %q", got)
	}
}

func TestProblemsAsAnError(t *testing.T) {
	ps := Problems{{Path: "a.b", Message: "missing"}, {Path: "c", Message: "odd", Severity: SeverityWarning}}
	if got := ps.Error(); got != "a.b: missing\nc: odd" {
		t.Errorf("got %q", got)
	}
	if got := ps.Errors(); got != 1 {
		t.Errorf("got %d errors, want 1", got)
	}
}

func TestNotes(t *testing.T) {
	var found Problems
	at := Check("", &found).At("a", "b c")
	at.Note("id", "fix", "%d things", 2)
	if got, want := at.Where(), `a."b c"`; got != want {
		t.Errorf("got path %s, want %s", got, want)
	}
	want := Problem{Path: `a."b c"`, ID: "id", Severity: SeverityNote, Message: "2 things", Fix: "fix"}
	if len(found) != 1 || found[0] != want || found.Errors() != 0 {
		t.Errorf("got %+v, want %+v, which is no error", found, want)
	}
}
