package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// What AWS charges, in US dollars: list prices of us-east-1, which most regions
// share.
const (
	perMetric      = 0.01 / 1000    // one metric with one statistic, asked once by GetMetricData
	perAlarmCall   = 0.01 / 1000    // one DescribeAlarms call
	perAthenaQuery = 5.0 * 10 / 1e6 // the least that is billed: 10 MB at 5 dollars a terabyte
	alarmsACall    = 100            // names that one DescribeAlarms call may hold
	month          = 730 * time.Hour
)

// LineItem is what one kind of question costs a month, if its plan ran all
// month. Free sources have none.
type LineItem struct {
	Source  string  `json:"source"`   // name of the source
	What    string  `json:"what"`     // "GetMetricData, 5 metrics every 1m0s"
	Units   float64 `json:"units"`    // what is billed: metrics, calls or queries a month
	USD     float64 `json:"usd"`      // a month
	AtLeast bool    `json:"at_least"` // the true price depends on the bytes that a query scans
}

// String is one line for people.
func (i LineItem) String() string {
	least := ""
	if i.AtLeast {
		least = "at least "
	}
	return fmt.Sprintf("%s: %s: %s$%.2f a month", i.Source, i.What, least, i.USD)
}

// question is what is billed each time it is asked; two plans that ask the same
// of one source are answered once.
type question struct {
	source, api string
	every       time.Duration
	what        string
}

// Price says what the questions of some plans cost a month, by source. A
// metric's price is by statistic: a percentile or a gauge costs its series and its
// sample count, and a percentile one count more for each threshold of a rule.
func Price(plans []*rules.Plan) []LineItem {
	asked := map[question]bool{}
	for _, p := range plans {
		for i := range p.Signals {
			for _, q := range questions(p, i) {
				asked[q] = true
			}
		}
	}
	counts := map[question]int{} // :: question without its what → how many there are
	for q := range asked {
		q.what = ""
		counts[q]++
	}
	items := make([]LineItem, 0, len(counts))
	for q, n := range counts {
		items = append(items, q.item(n))
	}
	sort.Slice(items, func(i, j int) bool {
		if items[i].Source != items[j].Source {
			return items[i].Source < items[j].Source
		}
		return items[i].What < items[j].What
	})
	return items
}

const (
	metricData = "GetMetricData"
	alarmState = "DescribeAlarms"
	athena     = "Athena"
)

// questions lists what is asked for one signal.
func questions(p *rules.Plan, i int) []question {
	s := &p.Signals[i]
	ask := func(api, what string) question { return question{s.Source, api, s.Every, what} }
	if a := s.Query.Athena; a != nil {
		return []question{ask(athena, strings.Join(append([]string{a.SQL, a.Database}, a.Parameters...), "\x00"))}
	}
	q := s.Query.CloudWatch
	if q == nil {
		return nil
	}
	if q.Alarm != "" {
		return []question{ask(alarmState, q.Alarm)}
	}
	of := fmt.Sprintf("%q %v %v ", q.Namespace, q.Dimensions, s.Period)
	var list []question
	for _, metric := range metrics(s, q) {
		list = append(list, ask(metricData, of+metric))
	}
	return list
}

// metrics lists the metrics and statistics of a CloudWatch signal.
func metrics(s *rules.Signal, q *rules.CloudWatchQuery) []string {
	switch {
	case s.Of >= 0:
		return []string{fmt.Sprintf("%q TC(%v:)", q.Metric, s.Above)}
	case s.Kind == rules.Ratio:
		return []string{fmt.Sprintf("%q Sum", q.Bad), fmt.Sprintf("%q Sum", q.Total)}
	case s.Kind == rules.Mean:
		return []string{fmt.Sprintf("%q Sum", q.Metric), fmt.Sprintf("%q SampleCount", q.Metric)}
	}
	return []string{fmt.Sprintf("%q %s", q.Metric, q.Stat), fmt.Sprintf("%q SampleCount", q.Metric)}
}

// item is what n questions of one kind cost.
func (q question) item(n int) LineItem {
	times := float64(month) / float64(q.every)
	item := LineItem{Source: q.source}
	pace := "every " + rules.Duration{Duration: q.every}.String()
	switch q.api {
	case metricData:
		item.Units = float64(n) * times
		item.USD, item.What = item.Units*perMetric, fmt.Sprintf("%s, %s %s", q.api, count(n, "metric", "metrics"), pace)
	case alarmState:
		item.Units = float64((n+alarmsACall-1)/alarmsACall) * times
		item.USD, item.What = item.Units*perAlarmCall, fmt.Sprintf("%s, %s %s", q.api, count(n, "alarm", "alarms"), pace)
	default:
		item.Units = float64(n) * times
		item.USD, item.What, item.AtLeast = item.Units*perAthenaQuery, fmt.Sprintf("%s, %s %s", q.api, count(n, "query", "queries"), pace), true
	}
	return item
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// budgets reports sources that cost more than they may.
func (l *loader) budgets(main *file) {
	if !slices.ContainsFunc(main.doc.Sources, func(s SourceSpec) bool { return s.Budget != nil }) {
		return // pricing many signals takes its time
	}
	var found rules.Problems
	cost := map[string]float64{} // :: source name → US dollars a month
	for _, item := range Price(l.config.Plans) {
		cost[item.Source] += item.USD
	}
	for _, s := range main.doc.Sources {
		if s.Budget != nil && *s.Budget >= 0 && cost[s.Name] > *s.Budget {
			rules.Check("sources", &found).At(s.Name, "budget").Fail("over-budget", "ask less often, or raise it",
				"the questions to this source cost $%.2f a month, the budget is $%.2f", cost[s.Name], *s.Budget)
		}
	}
	l.judge(main, found)
}
