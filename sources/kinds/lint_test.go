package kinds_test

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	appstore "github.com/relgate/relgate/sources/appstore/kind"
	athena "github.com/relgate/relgate/sources/athena/kind"
	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"
	inbox "github.com/relgate/relgate/sources/inbox/kind"
	"github.com/relgate/relgate/sources/kinds"
	lambda "github.com/relgate/relgate/sources/lambda/kind"
	sentry "github.com/relgate/relgate/sources/sentry/kind"
)

func ptr[T any](v T) *T { return &v }

func dur(d time.Duration) *rules.Duration { return &rules.Duration{Duration: d} }

func cloudwatchOf(s rules.SignalSpec) *cloudwatch.Query {
	return cloudwatch.Of(rules.Query{Ask: s.Query})
}
func sentryOf(s rules.SignalSpec) *sentry.Query     { return sentry.Of(rules.Query{Ask: s.Query}) }
func appstoreOf(s rules.SignalSpec) *appstore.Query { return appstore.Of(rules.Query{Ask: s.Query}) }
func athenaOf(s rules.SignalSpec) *athena.Query     { return athena.Of(rules.Query{Ask: s.Query}) }

// good are signals of every kind, with nothing wrong.
func good() []rules.SignalSpec {
	return []rules.SignalSpec{
		{Name: "error_rate", Source: "cw", Kind: ptr(rules.Ratio), Query: &cloudwatch.Query{Namespace: "AWS/ApiGateway", Bad: rules.Several{"5XXError"}, Total: rules.Several{"Count"}, MissingBadIsZero: true}},
		{Name: "page", Source: "cw", Kind: ptr(rules.Alarm), Query: &cloudwatch.Query{Alarm: "API5xx"}},
		{Name: "p95", Source: "cw", Kind: ptr(rules.Percentile), Quant: &rules.Fraction{Value: 0.95}, Unit: ptr(rules.Seconds), Query: &cloudwatch.Query{Namespace: "AWS/Lambda", Metric: "Duration", Unit: "Milliseconds"}},
		{Name: "gap", Source: "lake", Kind: ptr(rules.Gauge), Query: &athena.Query{SQL: "SELECT ?", Parameters: []string{"1"}, Database: "d", Groups: 10, MinGroup: 100, Reuse: rules.Duration{Duration: time.Hour}}},
		{Name: "crash_free", Source: "sentry", Kind: ptr(rules.Ratio), Good: true, Query: &sentry.Query{Project: "p", Release: "p@1"}},
		{Name: "stars", Source: "store", Kind: ptr(rules.Mean), Query: &appstore.Query{Fact: "reviews", App: "64", Version: "1.0"}},
	}
}

// Each row makes one thing wrong with good signals, and names every problem that
// follows from it: "id path".
func TestLint(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func([]rules.SignalSpec)
		want   string
	}{
		{"nothing", func([]rules.SignalSpec) {}, ""},

		{"CloudWatch's period", func(s []rules.SignalSpec) { s[1].Period = dur(90 * time.Second) }, "bad-period signals.page.period"},
		{"CloudWatch's high resolution", func(s []rules.SignalSpec) { s[1].Period = dur(10 * time.Second) }, ""},
		{"alarm without name", func(s []rules.SignalSpec) { cloudwatchOf(s[1]).Alarm = "" }, "missing signals.page.cloudwatch.alarm"},
		{"ratio with an alarm", func(s []rules.SignalSpec) { cloudwatchOf(s[0]).Alarm = "x" }, "excess-key signals.error_rate.cloudwatch.alarm"},
		{"ratio without counts", func(s []rules.SignalSpec) { *cloudwatchOf(s[0]) = cloudwatch.Query{} },
			"missing signals.error_rate.cloudwatch.namespace; missing signals.error_rate.cloudwatch.bad; missing signals.error_rate.cloudwatch.total"},
		{"ratio with a metric", func(s []rules.SignalSpec) { cloudwatchOf(s[0]).Metric, cloudwatchOf(s[0]).Stat = "x", "Sum" },
			"excess-key signals.error_rate.cloudwatch.metric; excess-key signals.error_rate.cloudwatch.stat"},
		{"percentile without metric", func(s []rules.SignalSpec) { cloudwatchOf(s[2]).Metric = "" }, "missing signals.p95.cloudwatch.metric"},
		{"percentile with counts", func(s []rules.SignalSpec) {
			cloudwatchOf(s[2]).Bad, cloudwatchOf(s[2]).Total, cloudwatchOf(s[2]).MissingBadIsZero = rules.Several{"x"}, rules.Several{"y"}, true
		},
			"excess-key signals.p95.cloudwatch.bad; excess-key signals.p95.cloudwatch.total; excess-key signals.p95.cloudwatch.missing_bad_is_zero"},
		{"percentile of another quantile", func(s []rules.SignalSpec) { cloudwatchOf(s[2]).Stat = "p99" }, "conflict signals.p95.cloudwatch.stat"},
		{"percentile of its quantile", func(s []rules.SignalSpec) { cloudwatchOf(s[2]).Stat = "p95" }, ""},
		{"unknown metric unit", func(s []rules.SignalSpec) { cloudwatchOf(s[2]).Unit = "ms" }, "unknown-unit signals.p95.cloudwatch.unit"},
		{"latency without metric unit", func(s []rules.SignalSpec) { cloudwatchOf(s[2]).Unit = "" }, "missing signals.p95.cloudwatch.unit"},
		{"latency in bytes", func(s []rules.SignalSpec) { cloudwatchOf(s[2]).Unit = "Bytes" }, "unit-mismatch signals.p95.cloudwatch.unit"},
		{"gauge in per cent of counts", func(s []rules.SignalSpec) { gaugeOf(s, rules.Percent, "Count") }, "unit-mismatch signals.gap.cloudwatch.unit"},
		{"gauge in per cent", func(s []rules.SignalSpec) { gaugeOf(s, rules.Percent, "Percent") }, ""},
		{"gauge in numbers of a time", func(s []rules.SignalSpec) { gaugeOf(s, rules.Number, "Seconds") }, "unit-mismatch signals.gap.cloudwatch.unit"},
		{"gauge of counts", func(s []rules.SignalSpec) { gaugeOf(s, rules.Number, "Count") }, ""},

		{"Sentry's mean", func(s []rules.SignalSpec) {
			s[4].Kind, s[4].Unit, s[4].Good = ptr(rules.Mean), ptr(rules.Percent), false
		}, "wrong-kind signals.crash_free.kind"},
		{"Sentry's period", func(s []rules.SignalSpec) { s[4].Period = dur(7 * time.Minute) }, "bad-period signals.crash_free.period"},
		{"Sentry's seconds", func(s []rules.SignalSpec) { s[4].Period = dur(30 * time.Second) }, "bad-period signals.crash_free.period"},
		{"Sentry without project and release", func(s []rules.SignalSpec) { *sentryOf(s[4]) = sentry.Query{} },
			"missing signals.crash_free.sentry.project; missing signals.crash_free.sentry.release"},

		{"App Store without anything", func(s []rules.SignalSpec) { *appstoreOf(s[5]) = appstore.Query{} }, "missing signals.stars.appstore.app; missing signals.stars.appstore.fact"},
		{"App Store's bundle id", func(s []rules.SignalSpec) { appstoreOf(s[5]).App = "com.x" }, "bad-value signals.stars.appstore.app"},
		{"unknown fact", func(s []rules.SignalSpec) { appstoreOf(s[5]).Fact = "stars" }, "unknown-fact signals.stars.appstore.fact"},
		{"reviews as a gauge", func(s []rules.SignalSpec) { s[5].Kind = ptr(rules.Gauge) }, "wrong-kind signals.stars.appstore.fact"},
		{"phased release day", func(s []rules.SignalSpec) { s[5].Kind, appstoreOf(s[5]).Fact = ptr(rules.Gauge), "phased_release_day" }, ""},
		{"phased release share", func(s []rules.SignalSpec) {
			s[5].Kind, s[5].Unit, appstoreOf(s[5]).Fact = ptr(rules.Gauge), ptr(rules.Percent), "phased_release_share"
		}, ""},
		{"phased release share in numbers", func(s []rules.SignalSpec) {
			s[5].Kind, appstoreOf(s[5]).Fact = ptr(rules.Gauge), "phased_release_share"
		}, "unit-mismatch signals.stars.appstore.fact"},
		{"reviews of no version", func(s []rules.SignalSpec) { appstoreOf(s[5]).Version = "" }, "missing signals.stars.appstore.version"},
		{"reviews of a version's id", func(s []rules.SignalSpec) { appstoreOf(s[5]).Version, appstoreOf(s[5]).VersionID = "", "x" }, ""},
		{"reviews by two letters", func(s []rules.SignalSpec) { appstoreOf(s[5]).Countries = []string{"DEU", "us"} }, "bad-value signals.stars.appstore.countries[1]"},
		{"lookup without countries", func(s []rules.SignalSpec) { appstoreOf(s[5]).Fact = "lookup" }, "missing signals.stars.appstore.countries"},
		{"lookup", func(s []rules.SignalSpec) {
			appstoreOf(s[5]).Fact, appstoreOf(s[5]).Countries = "lookup", []string{"de"}
		}, ""},

		{"Athena's mean", func(s []rules.SignalSpec) { s[3].Kind = ptr(rules.Mean) }, "wrong-kind signals.gap.athena"},
		{"Athena without anything", func(s []rules.SignalSpec) { *athenaOf(s[3]) = athena.Query{} },
			"missing signals.gap.athena.file; missing signals.gap.athena.database; out-of-range signals.gap.athena.groups; out-of-range signals.gap.athena.min_group"},
		{"Athena's output", func(s []rules.SignalSpec) { athenaOf(s[3]).Output = "bucket" }, "bad-url signals.gap.athena.output"},
		{"Athena's output in S3", func(s []rules.SignalSpec) { athenaOf(s[3]).Output = "s3://bucket" }, ""},
		{"Athena's old results", func(s []rules.SignalSpec) { athenaOf(s[3]).Reuse = rules.Duration{Duration: 8 * 24 * time.Hour} }, "out-of-range signals.gap.athena.reuse"},
		{"an alias", func(s []rules.SignalSpec) {
			s[3].Unit, s[3].Query = ptr(rules.Percent), &lambda.Query{Function: "f", Alias: "live", Version: "{lambda}"}
		}, ""},
		{"an alias without anything", func(s []rules.SignalSpec) { s[3].Query = &lambda.Query{} },
			"unit-mismatch signals.gap.unit; missing signals.gap.lambda-alias.function; missing signals.gap.lambda-alias.alias; missing signals.gap.lambda-alias.version"},
		{"an alias as a ratio, with no number", func(s []rules.SignalSpec) {
			s[3].Kind, s[3].Query = ptr(rules.Ratio), &lambda.Query{Function: "f", Alias: "live", Version: "$LATEST"}
		}, "wrong-kind signals.gap.lambda-alias; bad-value signals.gap.lambda-alias.version"},
		{"an inbox", func(s []rules.SignalSpec) { s[1].Query = &inbox.Query{Match: map[string]string{"a": "b"}} }, ""},
		{"an inbox that matches all", func(s []rules.SignalSpec) { s[1].Query = &inbox.Query{} }, "missing signals.page.inbox.match"},
		{"an inbox that matches no label", func(s []rules.SignalSpec) { s[1].Query = &inbox.Query{Match: map[string]string{"a": ""}} }, "bad-value signals.page.inbox.match.a"},
		{"an inbox that trusts a name", func(s []rules.SignalSpec) {
			s[1].Query = &inbox.Query{Match: map[string]string{"a": "b"}, UnseenIsOK: true}
		}, "assumed-seen signals.page.inbox.unseen_is_ok"},
		{"a gauge of an inbox", func(s []rules.SignalSpec) { s[3].Query = &inbox.Query{Match: map[string]string{"a": "b"}} }, "wrong-kind signals.gap.kind"},
		{"Athena's parameters", func(s []rules.SignalSpec) { athenaOf(s[3]).Parameters = nil }, "wrong-count signals.gap.athena.parameters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			signals := good()
			tt.change(signals)
			var got []string
			for _, p := range rules.CheckSignals(signals, kinds.All().Kinds()...) {
				got = append(got, p.ID+" "+p.Path)
				if p.Fix == "" && !strings.Contains(p.Message, "want") {
					t.Errorf("%s: %s: nothing says what to do", p.Path, p.Message)
				}
			}
			if list := strings.Join(got, "; "); list != tt.want {
				t.Errorf("got  %s\nwant %s", list, tt.want)
			}
		})
	}
}

// Failures that may have values only where something failed want their missing values
// counted as zero.
func TestSparseFailures(t *testing.T) {
	for _, tt := range []struct {
		namespace, bad string
		want           bool
	}{
		{"AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", true},
		{"AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", true},
		{"AWS/ApplicationELB", "HTTPCode_ELB_502_Count", true},
		{"AWS/ApplicationELB", "HTTPCode_Target_4XX_Count", true},
		{"AWS/ApplicationELB", "TargetConnectionErrorCount", true},
		{"AWS/ApplicationELB", "HTTPCode_Target_2XX_Count", false},
		{"AWS/ApplicationELB", "RequestCount", false},
		{"AWS/ELB", "HTTPCode_Backend_5XX", true},
		{"AWS/ELB", "HTTPCode_ELB_5XX", true},
		{"AWS/ELB", "BackendConnectionErrors", true},
		{"AWS/ApiGateway", "5XXError", true},
		{"AWS/ApiGateway", "5xx", true},
		{"AWS/ApiGateway", "IntegrationError", true},
		{"AWS/ApiGateway", "CacheMissCount", false},
		{"AWS/Lambda", "Errors", false},
		{"Shop", "HTTPCode_Target_5XX_Count", false},
	} {
		signals := good()
		*cloudwatchOf(signals[0]) = cloudwatch.Query{Namespace: tt.namespace, Bad: rules.Several{tt.bad}, Total: rules.Several{"x"}}
		found := rules.CheckSignals(signals, kinds.All().Kinds()...)
		if got := len(found) == 1 && found[0].ID == "sparse-bad" && found[0].Severity == rules.SeverityWarning; got != tt.want || len(found) > 1 {
			t.Errorf("%s %s: got %v, want a warning %t", tt.namespace, tt.bad, found, tt.want)
		}
		cloudwatchOf(signals[0]).MissingBadIsZero = true
		if found := rules.CheckSignals(signals, kinds.All().Kinds()...); len(found) > 0 {
			t.Errorf("%s %s: got %v although missing ones are zero", tt.namespace, tt.bad, found)
		}
	}
}

// gaugeOf makes the gap a CloudWatch gauge.
func gaugeOf(s []rules.SignalSpec, unit rules.Unit, metricUnit string) {
	s[3].Unit, s[3].Query = &unit, &cloudwatch.Query{Namespace: "x", Metric: "y", Unit: metricUnit}
}
