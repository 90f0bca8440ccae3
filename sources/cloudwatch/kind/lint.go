package kind

import (
	"maps"
	"slices"
	"time"

	"github.com/relgate/relgate/rules"
)

// highResolution are the periods below a minute that CloudWatch knows.
var highResolution = []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second}

// Lint reports what is wrong with the query.
func (q *Query) Lint(at rules.Checker, sig *rules.Signal) {
	if sig.Period%time.Minute != 0 && !slices.Contains(highResolution, sig.Period) {
		at.At("period").Fail("bad-period", "", "%v: want 1s, 5s, 10s, 20s, 30s or whole minutes, as CloudWatch has them", rules.Duration{Duration: sig.Period})
	}
	at = at.At(Name)
	ratio, alarm := sig.Kind == rules.Ratio, sig.Kind == rules.Alarm
	at.Required("alarm", alarm && q.Alarm == "", `"the alarm's name"`)
	at.Excess("alarm", !alarm && q.Alarm != "", `it is for kind "alarm"`)
	at.Required("namespace", !alarm && q.Namespace == "" && (len(q.Metrics) == 0 || slices.ContainsFunc(q.Metrics, func(m Metric) bool { return m.Namespace == "" })), `"AWS/Lambda"`)
	at.Required("bad", ratio && len(q.Bad) == 0, `"the metric of what went wrong"`)
	at.Required("total", ratio && len(q.Total) == 0, `"the metric of all"`)
	at.Excess("bad", !ratio && len(q.Bad) > 0, `it is for kind "ratio"`)
	at.Excess("total", !ratio && len(q.Total) > 0, `it is for kind "ratio"`)
	at.Required("metric", !ratio && !alarm && q.Metric == "", `"Duration"`)
	at.Excess("metric", (ratio || alarm) && q.Metric != "", "a "+sig.Kind.String()+" has none")
	at.Excess("stat", (ratio || alarm) && q.Stat != "", "a "+sig.Kind.String()+" has none")
	at.Excess("missing_bad_is_zero", q.MissingBadIsZero && !ratio, `it is for kind "ratio"`)
	at.Excess("metrics", !ratio && len(q.Metrics) > 0, `they are for kind "ratio"`)
	if len(q.Metrics) > 0 {
		q.lintMetrics(at, ratio)
	} else {
		lintSum(at, "bad", q.Bad)
		lintSum(at, "total", q.Total)
	}
	if bad, _, err := q.Sides(); ratio && err == nil && len(q.Total) > 0 {
		q.lintSparse(at, bad)
	}
	q.lintUnit(at, sig)
	if want := percentileStat(sig.Quant); sig.Kind == rules.Percentile && q.Stat != "" && q.Stat != want && sig.Quant > 0 {
		at.At("stat").Fail("conflict", "leave it out", "%q, but the signal's quantile is %v, which is %q", q.Stat, sig.Quant, want)
	}
}

// lintSparse warns of metrics of bad that may be missing where nothing failed, and refuses
// to take what is missing for 0 where it would be subtracted.
func (q *Query) lintSparse(at rules.Checker, bad Sum) {
	grows := bad.Expression == nil || bad.Expression.Grows()
	i := slices.IndexFunc(bad.Metrics, func(m Metric) bool { return sparse(m.Namespace, m.Metric) })
	switch {
	case q.MissingBadIsZero && !grows:
		at.At("missing_bad_is_zero").Fail("conflict", "leave it out, or let bad be a sum",
			"%q subtracts or divides: with 0 for a metric that is missing it would count failures that did not happen, or count no failure at all", bad.Expression)
	case !q.MissingBadIsZero && grows && i >= 0:
		at.At("bad").Warn("sparse-bad", "write missing_bad_is_zero = true",
			"%s may have no value where nothing failed: such periods count as no data, and a release that never fails never passes", bad.Metrics[i].Metric)
	}
}

// lintMetrics reports named metrics that cannot be asked, and expressions that cannot be
// calculated from them.
func (q *Query) lintMetrics(at rules.Checker, ratio bool) {
	if len(q.Metrics) > mostInSum {
		at.At("metrics").Fail("out-of-range", "", "%d metrics: want at most %d", len(q.Metrics), mostInSum)
	}
	names := make([]string, 0, len(q.Metrics))
	for i, m := range q.Metrics {
		names = append(names, m.Name)
		here := at.At("metrics", m.Name)
		if !metricName.MatchString(m.Name) {
			here.Fail("bad-name", "let it begin with a lower-case letter, and have letters, digits and _ only", "%q cannot be a name in an expression", m.Name)
		}
		here.Required("metric", m.Metric == "", `"RequestCount"`)
		if k := slices.IndexFunc(q.Metrics[:i], func(o Metric) bool { return q.same(m, o) }); k >= 0 && m.Metric != "" {
			here.Fail("duplicate", "name it once", "%q is the same metric", q.Metrics[k].Name)
		}
	}
	if !ratio {
		return
	}
	used, whole := q.lintExpression(at.At("bad"), q.Bad, names), true
	for _, side := range [][]string{used, q.lintExpression(at.At("total"), q.Total, names)} {
		whole = whole && side != nil
		used = slices.Concat(used, side)
	}
	for _, m := range q.Metrics {
		if whole && !slices.Contains(used, m.Name) {
			at.At("metrics", m.Name).Fail("unused-metric", "name it in bad or total, or leave it out", "neither bad nor total names %q", m.Name)
		}
	}
}

// same reports whether two named metrics are one.
func (q *Query) same(a, b Metric) bool {
	a, b = q.whole(a), q.whole(b)
	return a.Metric == b.Metric && a.Namespace == b.Namespace && maps.Equal(a.Dimensions, b.Dimensions)
}

// lintExpression reports what is wrong with bad or total, and gives the names in it; nil
// where it cannot be read, or names what is not there.
func (q *Query) lintExpression(at rules.Checker, texts rules.Several, known []string) []string {
	if len(texts) == 0 {
		return nil // reported as missing
	}
	if len(texts) > 1 {
		at.Fail("bad-expression", `write one: "a + b"`, "several texts, and with metrics it is one expression")
		return nil
	}
	e, err := ParseExpression(texts[0])
	if err != nil {
		at.Fail("bad-expression", "use names of metrics, numbers, + - * / and parentheses only", "%q: %v", texts[0], err)
		return nil
	}
	for _, name := range e.Names() {
		if !at.OneOf("unknown-metric", "metric of this query", name, known) {
			return nil
		}
	}
	return e.Names()
}

// mostInSum is how many metrics one sum may have: each is billed at each question.
const mostInSum = 20

// lintSum reports a sum of metrics that counts one of them twice, or none.
func lintSum(at rules.Checker, key string, names rules.Several) {
	at = at.At(key)
	if len(names) > mostInSum {
		at.Fail("out-of-range", "", "%d metrics: want at most %d", len(names), mostInSum)
	}
	for i, name := range names {
		switch {
		case name == "":
			at.Index(i).Fail("bad-value", "write the name of a metric, or leave it out", "a metric without a name")
		case slices.Index(names, name) < i:
			at.Index(i).Fail("duplicate", "name it once", "%s would count twice", name)
		}
	}
}

// LintForms finds nothing: CloudWatch takes any text.
func (*Query) LintForms(rules.Checker) {}

// percentileStat is CloudWatch's name of a quantile: "p95", "p99.9".
func percentileStat(quantile float64) string {
	return "p" + rules.Moved(quantile, 2)
}

var (
	timeUnits = []string{"Seconds", "Milliseconds", "Microseconds"}
	allUnits  = append([]string{"None", "Percent", "Count", "Count/Second", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes",
		"Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second",
		"Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second"}, timeUnits...)
)

// lintUnit demands to know what a metric is counted in where that has
// to be converted.
func (q *Query) lintUnit(at rules.Checker, sig *rules.Signal) {
	if q.Unit != "" && !at.At("unit").OneOf("unknown-unit", "CloudWatch unit", q.Unit, allUnits) {
		return
	}
	if sig.Kind == rules.Ratio || sig.Kind == rules.Alarm || q.Metric == "" {
		return
	}
	isTime := slices.Contains(timeUnits, q.Unit)
	switch {
	case sig.Unit == rules.Seconds && q.Unit == "":
		at.Required("unit", true, `"Milliseconds"`)
	case sig.Unit == rules.Seconds && !isTime:
		at.At("unit").Fail("unit-mismatch", `write "Seconds", "Milliseconds" or "Microseconds"`, "%q is not a time, and the signal is in seconds", q.Unit)
	case sig.Unit == rules.Percent && q.Unit != "Percent":
		at.At("unit").Fail("unit-mismatch", `write unit = "Percent"`, "the signal is in per cent")
	case sig.Unit == rules.Number && isTime:
		at.At("unit").Fail("unit-mismatch", `give the signal unit = "s"`, "%q is a time, and the signal is in plain numbers", q.Unit)
	}
}
