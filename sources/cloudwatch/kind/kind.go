// Package kind is what relgate knows of CloudWatch before it asks it: how its queries
// are written and checked, how often they are asked, what they cost and how far back
// they reach. It is pure; the client is the package above it.
package kind

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Name is how configs name the kind.
const Name = "cloudwatch"

// Kind describes CloudWatch.
type Kind struct{}

// Name is "cloudwatch".
func (Kind) Name() string { return Name }

// Title is "CloudWatch".
func (Kind) Title() string { return "CloudWatch" }

// Query is an empty [Query].
func (Kind) Query() rules.SourceQuery { return new(Query) }

// Account is how a source of CloudWatch gets at its account.
func (Kind) Account() rules.Account {
	return rules.Account{Keys: []rules.AccountKey{
		{Key: "region", Doc: "AWS region. Default: what the AWS SDK finds in its environment."},
		{Key: "role_arn", Doc: "AWS role to assume. Default: the credentials that the AWS SDK finds."},
		{Key: "external_id", Doc: "AWS external id to assume the role with.", Secret: true},
	}}
}

// Query names metrics, or one alarm. A ratio has bad and total, a percentile has a
// metric (its sample count and its exceedance counts are asked for with it), a mean and
// a gauge have a metric, an alarm has alarm.
type Query struct {
	Namespace        string            `json:"namespace,omitempty" toml:"namespace"`                     // The metric's namespace: "AWS/Lambda". Required, but for alarms.
	Dimensions       map[string]string `json:"dimensions,omitempty" toml:"dimensions"`                   // All of the metric's dimensions: { FunctionName = "f", Resource = "f:live" }.
	Bad              rules.Several     `json:"bad,omitempty" toml:"bad"`                                 // A ratio's metric of what went wrong; its sum is asked. Of several in brackets the sums are added: ["HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"]. Where there are metrics it is an expression over them.
	Total            rules.Several     `json:"total,omitempty" toml:"total"`                             // A ratio's metric of all there was; its sum is asked. Of several in brackets the sums are added. Where there are metrics it is an expression over them.
	Metrics          []Metric          `json:"metrics,omitempty" toml:"metrics"`                         // A ratio's metrics by names of your own: { elb = "HTTPCode_ELB_5XX_Count", all = "RequestCount" }. Then bad and total are expressions of these names, numbers, + - * / and parentheses: "all - ok" ([docs/aws.md](aws.md#metric-math)).
	Metric           string            `json:"metric,omitempty" toml:"metric"`                           // The metric of a percentile, a mean or a gauge.
	Stat             string            `json:"stat,omitempty" toml:"stat"`                               // Statistic of the metric. Default: the quantile's for a percentile ("p95"), "Average" for a gauge.
	Unit             string            `json:"unit,omitempty" toml:"unit"`                               // What CloudWatch counts the metric in: "Milliseconds", "Percent", "None". Required where the signal is in seconds or per cent.
	Alarm            string            `json:"alarm,omitempty" toml:"alarm"`                             // Name of the alarm whose state is asked.
	MissingBadIsZero bool              `json:"missing_bad_is_zero,omitempty" toml:"missing_bad_is_zero"` // A metric of bad that has no value in a period had none there: true of metrics that are only sent when something fails. Each of total must still have one, unless it is one of bad too. Default: false.
}

// Metric is one of the metrics that bad and total name where they are expressions. A text
// is the metric's own name.
type Metric struct {
	Name       string            `json:"name" toml:"-" key:"name"`
	Metric     string            `json:"metric" toml:"metric"`                   // The metric's name in CloudWatch; its sum is asked. Required.
	Namespace  string            `json:"namespace,omitempty" toml:"namespace"`   // The metric's namespace. Default: the query's.
	Dimensions map[string]string `json:"dimensions,omitempty" toml:"dimensions"` // All of the metric's dimensions. Default: the query's.
}

// UnmarshalScalar reads a metric that is written as its name in CloudWatch.
func (m *Metric) UnmarshalScalar(value any) error {
	text, ok := value.(string)
	if !ok {
		return errors.New(`want a metric's name in quotes, or a table: { metric = "RequestCount", dimensions = { … } }`)
	}
	m.Metric = text
	return nil
}

// Sum is one side of a ratio: metrics of which the sums are added, or an expression over
// them.
type Sum struct {
	Metrics    []Metric    // with their namespaces and dimensions, each once
	Expression *Expression // nil: they are added
}

// Sides are what a ratio counts, and of how many. The error says which key is wrong, and
// with what.
func (q *Query) Sides() (bad, total Sum, err error) {
	if bad, err = q.side(q.Bad); err != nil {
		return bad, total, fmt.Errorf("bad: %w", err)
	}
	if total, err = q.side(q.Total); err != nil {
		return bad, total, fmt.Errorf("total: %w", err)
	}
	return bad, total, nil
}

// side reads bad or total.
func (q *Query) side(texts rules.Several) (Sum, error) {
	if len(q.Metrics) == 0 {
		var s Sum
		for _, name := range texts {
			s.Metrics = append(s.Metrics, q.whole(Metric{Metric: name}))
		}
		return s, nil
	}
	if len(texts) != 1 {
		return Sum{}, fmt.Errorf("%d expressions, want one", len(texts))
	}
	expression, err := ParseExpression(texts[0])
	if err != nil {
		return Sum{}, err
	}
	s := Sum{Expression: expression}
	for _, name := range expression.Names() {
		i := slices.IndexFunc(q.Metrics, func(m Metric) bool { return m.Name == name })
		if i < 0 {
			return Sum{}, fmt.Errorf("%q is none of its metrics", name)
		}
		s.Metrics = append(s.Metrics, q.whole(q.Metrics[i]))
	}
	return s, nil
}

// whole is a metric with what it has from its query.
func (q *Query) whole(m Metric) Metric {
	m.Namespace = cmp.Or(m.Namespace, q.Namespace)
	if len(m.Dimensions) == 0 {
		m.Dimensions = q.Dimensions
	}
	return m
}

// Of is the query of CloudWatch that a signal has, nil when it has none.
func Of(q rules.Query) *Query {
	own, _ := q.Ask.(*Query)
	return own
}

// Source is "cloudwatch".
func (*Query) Source() string { return Name }

// Facts are the pace of metrics, or that of an alarm.
func (q *Query) Facts() rules.Facts {
	f := rules.Facts{
		Every: time.Minute, Settle: 3 * time.Minute, // a minute takes one to three to be complete
		Dimension: "ExecutedVersion",
		Nouns: rules.Nouns{
			All: "requests", Verb: "failed",
			Good: rules.Noun{One: "good request", Many: "good requests"}, Bad: rules.Noun{One: "failure", Many: "failures"},
		},
	}
	if q.Alarm != "" {
		f.Settle, f.Alarm, f.Named = 0, "CloudWatch alarm", q.Alarm // a state is what it is when it is read
	}
	if q.MissingBadIsZero {
		f.Zeros = q.Bad.String()
		if bad, _, err := q.Sides(); err == nil && bad.Expression != nil {
			f.Zeros = rules.Several(metricNames(bad.Metrics)).String()
		}
	}
	return f
}

// Implied is the query with the statistic that its signal implies.
func (q *Query) Implied(sig *rules.Signal) rules.SourceQuery {
	if q.Stat != "" {
		return q
	}
	changed := *q
	switch sig.Kind {
	case rules.Percentile:
		changed.Stat = percentileStat(sig.Quant)
	case rules.Gauge:
		changed.Stat = "Average"
	}
	return &changed
}

// Apart are the dimensions of the metric. Of several metrics they are those that each of
// them has, with the same value: what is not of one version would be compared with itself.
func (q *Query) Apart() map[string]string {
	if len(q.Metrics) == 0 {
		return q.Dimensions
	}
	shared := maps.Clone(q.whole(q.Metrics[0]).Dimensions)
	for _, m := range q.Metrics[1:] {
		own := q.whole(m).Dimensions
		maps.DeleteFunc(shared, func(name, value string) bool {
			got, ok := own[name]
			return !ok || got != value
		})
	}
	return shared
}

// Beside is the query with another value of one dimension, in each of its metrics.
func (q *Query) Beside(dimension, value string) rules.SourceQuery {
	changed := *q
	changed.Dimensions = map[string]string{}
	maps.Copy(changed.Dimensions, q.Dimensions)
	if _, ok := changed.Dimensions[dimension]; ok || len(q.Metrics) == 0 {
		changed.Dimensions[dimension] = value
	}
	changed.Metrics = slices.Clone(q.Metrics)
	for i, m := range changed.Metrics {
		if _, ok := m.Dimensions[dimension]; ok {
			changed.Metrics[i].Dimensions = maps.Clone(m.Dimensions)
			changed.Metrics[i].Dimensions[dimension] = value
		}
	}
	return &changed
}

// Line is "AWS/ApiGateway 5XXError / Count".
func (q *Query) Line() string {
	switch {
	case q.Alarm != "":
		return "alarm " + q.Alarm
	case len(q.Total) > 0:
		return fmt.Sprintf("%s %s / %s", q.Namespace, q.Bad, q.Total)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", q.Namespace, q.Metric, q.Stat))
}

// What AWS charges, in US dollars: list prices of us-east-1, which most regions share.
const (
	perMetric    = 0.01 / 1000 // one metric with one statistic, asked once by GetMetricData
	perAlarmCall = 0.01 / 1000 // one DescribeAlarms call
	alarmsACall  = 100         // names that one DescribeAlarms call may hold
)

// Price is one question for each metric and statistic: a percentile or a gauge has its
// series and its sample count, and a percentile one count more for each threshold of a
// rule.
func (q *Query) Price(sig *rules.Signal) []rules.Question {
	if q.Alarm != "" {
		return []rules.Question{{API: "DescribeAlarms", What: q.Alarm, Unit: rules.Noun{One: "alarm", Many: "alarms"}, USD: perAlarmCall, Batch: alarmsACall}}
	}
	var list []rules.Question
	ask := func(m Metric, stats ...string) {
		for _, stat := range stats {
			what := fmt.Sprintf("%q %v %v %q %s", m.Namespace, m.Dimensions, sig.Period, m.Metric, stat)
			list = append(list, rules.Question{API: "GetMetricData", What: what, Unit: rules.Noun{One: "metric", Many: "metrics"}, USD: perMetric})
		}
	}
	own := q.whole(Metric{Metric: q.Metric})
	switch {
	case sig.Of >= 0:
		ask(own, fmt.Sprintf("PR(:%v)", sig.Above))
	case sig.Kind == rules.Ratio:
		bad, total, _ := q.Sides() // what cannot be asked costs nothing
		for _, m := range slices.Concat(bad.Metrics, total.Metrics) {
			ask(m, "Sum")
		}
	case sig.Kind == rules.Mean:
		ask(own, "Sum", "SampleCount")
	default:
		ask(own, q.Stat, "SampleCount")
	}
	return list
}

// metricNames are the names of metrics in CloudWatch.
func metricNames(metrics []Metric) []string {
	names := make([]string, 0, len(metrics))
	for _, m := range metrics {
		names = append(names, m.Metric)
	}
	return names
}

const day = 24 * time.Hour

// Past is how long CloudWatch keeps data of the signal's period.
func (q *Query) Past(sig *rules.Signal) rules.Past {
	switch {
	case sig.Kind == rules.Alarm:
		return rules.Past{Whole: true} // a state has one beginning
	case sig.Period < time.Minute:
		return rules.Past{Keeps: 3 * time.Hour, Kept: "CloudWatch keeps data of less than a minute for 3 hours"}
	case sig.Period < 5*time.Minute:
		return rules.Past{Keeps: 15 * day, Kept: "CloudWatch keeps one-minute data for 15 days"}
	case sig.Period < time.Hour:
		return rules.Past{Keeps: 63 * day, Kept: "CloudWatch keeps five-minute data for 63 days"}
	}
	return rules.Past{Keeps: 455 * day, Kept: "CloudWatch keeps hourly data for 455 days"}
}
