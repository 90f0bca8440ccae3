package config

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/relgate/relgate/rules"
)

const month = 730 * time.Hour

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
	source string
	every  time.Duration
	rules.Question
}

// Price says what the questions of some plans cost a month, by source, as
// the queries themselves say.
func Price(plans []*rules.Plan) []LineItem {
	asked := map[question]bool{}
	for _, p := range plans {
		for i := range p.Signals {
			s := &p.Signals[i]
			if s.Query.Ask == nil {
				continue
			}
			for _, q := range s.Query.Ask.Price(s) {
				asked[question{s.Source, s.Every, q}] = true
			}
		}
	}
	counts := map[question]int{} // :: question without its What → how many there are
	for q := range asked {
		q.What = ""
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

// item is what n questions of one kind cost.
func (q question) item(n int) LineItem {
	units := n
	if q.Batch > 0 {
		units = (n + q.Batch - 1) / q.Batch
	}
	item := LineItem{Source: q.source, Units: float64(units) * (float64(month) / float64(q.every)), AtLeast: q.AtLeast}
	item.USD = item.Units * q.USD
	item.What = fmt.Sprintf("%s, %s every %s", q.API, count(n, q.Unit.One, q.Unit.Many), rules.Duration{Duration: q.every})
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
