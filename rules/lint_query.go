package rules

import (
	"slices"
	"strings"
	"time"
)

func lintQuery(at Checker, s SignalSpec, sig *Signal) {
	switch {
	case s.CloudWatch != nil:
		lintCloudWatch(at, s.CloudWatch, sig)
	case s.Sentry != nil:
		lintSentry(at, s.Sentry, sig)
	case s.AppStore != nil:
		lintAppStore(at.At("appstore"), s.AppStore, sig)
	case s.Athena != nil:
		lintAthena(at.At("athena"), s.Athena, sig)
	}
}

// highResolution are the periods below a minute that CloudWatch knows.
var highResolution = []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second}

func lintCloudWatch(at Checker, q *CloudWatchQuery, sig *Signal) {
	if sig.Period%time.Minute != 0 && !slices.Contains(highResolution, sig.Period) {
		at.At("period").Fail("bad-period", "", "%v: want 1s, 5s, 10s, 20s, 30s or whole minutes, as CloudWatch has them", Duration{sig.Period})
	}
	at = at.At("cloudwatch")
	ratio, alarm := sig.Kind == Ratio, sig.Kind == Alarm
	at.Required("alarm", alarm && q.Alarm == "", `"the alarm's name"`)
	at.Excess("alarm", !alarm && q.Alarm != "", `it is for kind "alarm"`)
	at.Required("namespace", !alarm && q.Namespace == "", `"AWS/Lambda"`)
	at.Required("bad", ratio && q.Bad == "", `"the metric of what went wrong"`)
	at.Required("total", ratio && q.Total == "", `"the metric of all"`)
	at.Excess("bad", !ratio && q.Bad != "", `it is for kind "ratio"`)
	at.Excess("total", !ratio && q.Total != "", `it is for kind "ratio"`)
	at.Required("metric", !ratio && !alarm && q.Metric == "", `"Duration"`)
	at.Excess("metric", (ratio || alarm) && q.Metric != "", "a "+sig.Kind.String()+" has none")
	at.Excess("stat", (ratio || alarm) && q.Stat != "", "a "+sig.Kind.String()+" has none")
	at.Excess("composite", q.Composite && !alarm, `it is for kind "alarm"`)
	at.Excess("missing_bad_is_zero", q.MissingBadIsZero && !ratio, `it is for kind "ratio"`)
	lintCloudWatchUnit(at, q, sig)
	if want := percentileStat(sig.Quant); sig.Kind == Percentile && q.Stat != "" && q.Stat != want && sig.Quant > 0 {
		at.At("stat").Fail("conflict", "leave it out", "%q, but the signal's quantile is %v, which is %q", q.Stat, sig.Quant, want)
	}
}

// percentileStat is CloudWatch's name of a quantile: "p95", "p99.9".
func percentileStat(quantile float64) string {
	return "p" + written(quantile, 2)
}

var (
	timeUnits = []string{"Seconds", "Milliseconds", "Microseconds"}
	allUnits  = append([]string{"None", "Percent", "Count", "Count/Second", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes",
		"Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second",
		"Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second"}, timeUnits...)
)

// lintCloudWatchUnit demands to know what a metric is counted in where that has
// to be converted.
func lintCloudWatchUnit(at Checker, q *CloudWatchQuery, sig *Signal) {
	if q.Unit != "" && !at.At("unit").OneOf("unknown-unit", "CloudWatch unit", q.Unit, allUnits) {
		return
	}
	if sig.Kind == Ratio || sig.Kind == Alarm || q.Metric == "" {
		return
	}
	isTime := slices.Contains(timeUnits, q.Unit)
	switch {
	case sig.Unit == Seconds && q.Unit == "":
		at.Required("unit", true, `"Milliseconds"`)
	case sig.Unit == Seconds && !isTime:
		at.At("unit").Fail("unit-mismatch", `write "Seconds", "Milliseconds" or "Microseconds"`, "%q is not a time, and the signal is in seconds", q.Unit)
	case sig.Unit == Percent && q.Unit != "Percent":
		at.At("unit").Fail("unit-mismatch", `write unit = "Percent"`, "the signal is in per cent")
	case sig.Unit == Number && isTime:
		at.At("unit").Fail("unit-mismatch", `give the signal unit = "s"`, "%q is a time, and the signal is in plain numbers", q.Unit)
	}
}

func lintSentry(at Checker, q *SentryQuery, sig *Signal) {
	if sig.Kind != Ratio {
		at.At("kind").Fail("wrong-kind", `write kind = "ratio"`, "Sentry's sessions are a ratio: crashed of all")
	}
	if sig.Period%time.Minute != 0 || sig.Period > 0 && day%sig.Period != 0 {
		at.At("period").Fail("bad-period", "", "%v: want whole minutes that divide a day, as Sentry has them", Duration{sig.Period})
	}
	at = at.At("sentry")
	at.Required("project", q.Project == "", `"the project's id or slug"`)
	at.Required("release", q.Release == "", `"package@1.0.0+100"`)
}

func lintAppStore(at Checker, q *AppStoreQuery, sig *Signal) {
	at.Required("app", q.App == "", `"the app's numeric id"`)
	lintAppStoreForms(at, q)
	if q.Fact == "" {
		at.Required("fact", true, `"reviews"`)
		return
	}
	if !at.At("fact").OneOf("unknown-fact", "fact", q.Fact, []string{"reviews", "phased_release_day", "lookup"}) {
		return
	}
	kind := Mean
	switch q.Fact {
	case "phased_release_day":
		kind = Gauge
	case "lookup":
		at.Required("countries", len(q.Countries) == 0, `["de", "us"]`)
	}
	if sig.Kind != kind {
		at.At("fact").Fail("wrong-kind", `give the signal kind = "`+kind.String()+`"`, "%q is a %v, the signal a %v", q.Fact, kind, sig.Kind)
	}
	at.Required("version", q.Fact != "lookup" && q.Version == "" && q.VersionID == "", `"1.0.0"`)
}

// lintForms checks how the values of a query are written, but for those that only
// a run knows: it is called again when they are.
func lintForms(at Checker, q *Query) {
	if q.AppStore != nil {
		lintAppStoreForms(at.At("appstore"), q.AppStore)
	}
	if q.Athena != nil {
		lintAthenaForms(at.At("athena"), q.Athena)
	}
}

func lintAppStoreForms(at Checker, q *AppStoreQuery) {
	if known(q.App) && strings.Trim(q.App, "0123456789") != "" {
		at.At("app").Fail("bad-value", "", "%q: want the app's numeric id", q.App)
	}
	letters := map[string]int{"reviews": 3, "phased_release_day": 3, "lookup": 2}[q.Fact]
	for i, country := range q.Countries {
		if letters > 0 && known(country) && len(country) != letters {
			at.At("countries").Index(i).Fail("bad-value", "", "%q: want a code of %d letters for %q", country, letters, q.Fact)
		}
	}
}

func lintAthenaForms(at Checker, q *AthenaQuery) {
	if known(q.Output) && q.Output != "" && !strings.HasPrefix(q.Output, "s3://") {
		at.At("output").Fail("bad-url", "", `%q: want "s3://bucket/prefix"`, q.Output)
	}
}

// known reports whether a text is what it will be in every run.
func known(text string) bool { return len(placeholderNames(text)) == 0 }

func lintAthena(at Checker, q *AthenaQuery, sig *Signal) {
	if sig.Kind != Gauge {
		at.Fail("wrong-kind", `give the signal kind = "gauge"`, "Athena's gap is a gauge, the signal a %v", sig.Kind)
	}
	at.Required("file", q.File == "" && q.SQL == "", `"sql/query.sql"`)
	at.Required("database", q.Database == "", `"the database's name"`)
	if q.Groups < 2 {
		at.At("groups").Fail("out-of-range", "write how many groups the query has, 10 for deciles", "%d: a gap needs two groups", q.Groups)
	}
	if q.MinGroup < 1 {
		at.At("min_group").Fail("out-of-range", "write how many samples every group must have", "%d: want at least 1", q.MinGroup)
	}
	lintAthenaForms(at, q)
	if q.Reuse.Duration > 7*day {
		at.At("reuse").Fail("out-of-range", "", "%v: want at most 7d, as Athena has them", q.Reuse)
	}
	if marks := questionMarks(q.SQL); q.SQL != "" && marks != len(q.Parameters) {
		at.At("parameters").Fail("wrong-count", "", "want one for each question mark of the query: got %d for %d", len(q.Parameters), marks)
	}
}

// questionMarks counts the question marks of a query outside of strings, quoted
// names and comments.
func questionMarks(sql string) int {
	n := 0
	for i := 0; i < len(sql); i++ {
		switch {
		case sql[i] == '?':
			n++
		case sql[i] == '\'' || sql[i] == '"':
			i += skip(sql[i+1:], sql[i:i+1])
		case strings.HasPrefix(sql[i:], "--"):
			i += skip(sql[i+1:], "\n")
		case strings.HasPrefix(sql[i:], "/*"):
			i += 1 + skip(sql[i+2:], "*/")
		}
	}
	return n
}

// skip is how far it is to the end of the next occurrence of end in s.
func skip(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}
