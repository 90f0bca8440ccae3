package cloudwatch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

// sum is one statistic, or several that are added up or put together by an expression.
type sum struct {
	statistics
	expression *kind.Expression     // nil: they are added up
	named      map[string]statistic // :: name in the expression → its statistic
}

// single is the sum of one statistic.
func single(st statistic) sum { return sum{statistics: statistics{st}} }

// String names the series for people.
func (s sum) String() string {
	if s.expression != nil {
		return s.expression.String()
	}
	return s.statistics.String()
}

// grows reports whether more of any statistic is more of the sum.
func (s sum) grows() bool { return s.expression == nil || s.expression.Grows() }

// calculate puts values of the statistics together; false where that gives no number.
func (s sum) calculate(values map[statistic]float64) (float64, bool) {
	if s.expression != nil {
		return s.expression.Value(func(name string) float64 { return values[s.named[name]] })
	}
	v := 0.0
	for _, st := range s.statistics {
		v += values[st]
	}
	return v, true
}

// statistics are several, each once.
type statistics []statistic

// String names them for people. Those that differ in nothing but the metric are named
// together.
func (s statistics) String() string {
	names := make([]string, 0, len(s))
	alike := true
	for _, st := range s {
		names = append(names, st.String())
		st.metric = s[0].metric
		alike = alike && st == s[0]
	}
	if len(s) > 1 && alike {
		of := s[0]
		of.metric = s.metrics()
		return of.String()
	}
	return strings.Join(names, " + ")
}

// metrics names the metrics: "5XXError + 4XXError".
func (s statistics) metrics() string {
	names := make([]string, 0, len(s))
	for _, st := range s {
		names = append(names, st.metric)
	}
	return strings.Join(names, " + ")
}

// total is a sum over its series. Its failure is the worst of theirs.
type total struct {
	series
	missing map[int64]bool // periods in which some had a value, and others had none, which counts as 0
	silent  statistics     // those that have no value at all
}

// of puts the series of a sum together, period by period. In a period in which one has no
// value there is no sum, unless that one may be missing: then it counts as 0 beside
// the others. Where all are missing there is no sum.
func (s sum) of(answers map[statistic]*series, mayMiss func(statistic) bool) *total {
	t := &total{series: series{at: map[int64]float64{}}, missing: map[int64]bool{}}
	for i, st := range s.statistics {
		own := answers[st]
		if i == 0 || severity(own.failure.Fault) > severity(t.failure.Fault) {
			t.failure = own.failure
		}
		if t.ref == "" {
			t.ref = own.ref
		}
		t.counted = own.counted
		if len(own.at) == 0 {
			t.silent = append(t.silent, st)
		}
		for at := range own.at {
			t.at[at] = 0
		}
	}
	values := make(map[statistic]float64, len(s.statistics))
	for at := range t.at {
		whole := true
		for _, st := range s.statistics {
			v, ok := answers[st].at[at]
			values[st] = v
			whole = whole && (ok || mayMiss(st))
			t.missing[at] = t.missing[at] || !ok
		}
		v, ok := s.calculate(values)
		if t.at[at] = v; !whole || !ok {
			delete(t.at, at)
		}
		if whole && !ok && s.grows() {
			t.blame(rules.PartialData, fmt.Sprintf("%v in the period at %s is too large for a number", s, clock(at)))
		}
	}
	return t
}

// both adds up what a want counts, and of how many. What is missing of a metric that is
// sent only when something fails is missing from both sums.
func (a ask) both(answers map[statistic]*series) (value, count *total) {
	zero := func(st statistic) bool {
		// Only a complete answer can mean that there were no bad ones.
		return a.zeroBad && answers[st].failure.Fault == rules.OK
	}
	return a.value.of(answers, zero), a.count.of(answers, func(st statistic) bool { return slices.Contains(a.value.statistics, st) && zero(st) })
}

// unsent is the note of metrics whose silence is counted as 0.
func (s statistics) unsent() string {
	verb := "has"
	if len(s) > 1 {
		verb = "have"
	}
	return fmt.Sprintf("%s %s sent nothing in this range: counted as 0", strings.ReplaceAll(s.metrics(), " + ", " and "), verb)
}
