package cloudwatch

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

// statistic names one series of CloudWatch. It is comparable: equal statistics
// are asked for once.
type statistic struct {
	namespace, metric string
	dimensions        string // sorted, as joined by joinDimensions
	stat              string // "Sum", "p95", …; empty when above is set
	above             string // count the samples above this, in the metric's unit
	unit              string // CloudWatch's; empty does not filter
	period            int64  // seconds
}

// ask is what one want needs: two series, each of which may be a sum of several, or
// the state of an alarm. The zero ask sends no request.
type ask struct {
	kind         rules.Kind
	value, count sum
	factor       float64 // from the metric's unit to the inner one
	exceeds      bool    // value counts exceedances of a percentile
	zeroBad      bool    // a metric of value has the value 0 in a period in which it is missing
	alarm        string
	period       int64 // seconds
	from, to     int64
	settle       time.Duration
}

var errNoQuery = errors.New("the signal has no cloudwatch query")

// askFor says what a want needs, or what is wrong with its signal. It is strict,
// because CloudWatch refuses a whole batch for one bad query.
func askFor(w sources.Want) (ask, error) {
	s := w.Signal
	if s == nil {
		return ask{}, errNoQuery
	}
	q := kind.Of(s.Query)
	if q == nil {
		return ask{}, errNoQuery
	}
	a := ask{kind: s.Kind, factor: 1, period: int64(s.Period / time.Second), from: w.From, to: w.To, settle: s.Settle}
	switch {
	case a.period <= 0 || s.Period%time.Second != 0:
		return ask{}, fmt.Errorf("period %s: want whole seconds", s.Period)
	case w.From >= w.To:
		return ask{}, errors.New("the range asked for is empty")
	case s.Kind == rules.Alarm:
		if q.Alarm == "" {
			return ask{}, errors.New("alarm: a name is needed")
		}
		a.alarm = q.Alarm
		return a, nil
	}
	if a.period%60 != 0 && !slices.Contains([]int64{1, 5, 10, 20, 30}, a.period) {
		return ask{}, fmt.Errorf("period %d s: want 1, 5, 10, 20, 30 s or whole minutes", a.period)
	}
	if q.Unit != "" && !slices.Contains(types.StandardUnit("").Values(), types.StandardUnit(q.Unit)) {
		return ask{}, fmt.Errorf("unit %q: not a unit of CloudWatch", q.Unit)
	}
	if s.Kind == rules.Ratio && s.Of < 0 {
		return a.ratio(q)
	}
	return a.metric(s, q)
}

// statisticOf is a statistic of a metric of a query, checked.
func (a ask) statisticOf(q *kind.Query, m kind.Metric, stat string) (statistic, error) {
	switch {
	case !plain(m.Namespace, 255) || m.Namespace[0] == ':':
		return statistic{}, fmt.Errorf("namespace %q: want a name of at most 255 ASCII characters, without a colon before it", m.Namespace)
	case !plain(m.Metric, 255):
		return statistic{}, fmt.Errorf("metric %q: want a name of at most 255 ASCII characters", m.Metric)
	case len(m.Dimensions) > 30:
		return statistic{}, fmt.Errorf("dimensions: %d, at most 30", len(m.Dimensions))
	}
	for name, value := range m.Dimensions {
		if !plain(name, 255) || !plain(value, 1024) || name[0] == ':' {
			return statistic{}, fmt.Errorf("dimensions: %q = %q: want ASCII, and neither empty", name, value)
		}
	}
	return statistic{
		namespace: m.Namespace, metric: m.Metric, dimensions: joinDimensions(m.Dimensions), stat: stat, unit: q.Unit, period: a.period,
	}, nil
}

// plain reports whether s may be a name in CloudWatch: printable ASCII that is
// not all blank.
func plain(s string, most int) bool {
	if len(s) > most || strings.TrimSpace(s) == "" {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

func (a ask) ratio(q *kind.Query) (ask, error) {
	bad, total, err := q.Sides()
	if err != nil {
		return ask{}, err
	}
	if len(bad.Metrics) == 0 || len(total.Metrics) == 0 {
		return ask{}, errors.New("a ratio needs bad and total")
	}
	if a.value, err = a.sumOf(q, bad); err != nil {
		return ask{}, fmt.Errorf("bad: %w", err)
	}
	if a.count, err = a.sumOf(q, total); err != nil {
		return ask{}, fmt.Errorf("total: %w", err)
	}
	a.zeroBad = q.MissingBadIsZero && a.value.grows()
	return a, nil
}

// sumOf is the sum of each of one side's metrics, and how they are put together.
func (a ask) sumOf(q *kind.Query, side kind.Sum) (sum, error) {
	s := sum{expression: side.Expression, named: map[string]statistic{}}
	for _, m := range side.Metrics {
		st, err := a.statisticOf(q, m, "Sum")
		if err != nil {
			return sum{}, err
		}
		s.named[m.Name] = st
		if !slices.Contains(s.statistics, st) {
			s.statistics = append(s.statistics, st)
		}
	}
	return s, nil
}

func (a ask) metric(s *rules.Signal, q *kind.Query) (ask, error) {
	value, err := a.statisticOf(q, kind.Metric{Namespace: q.Namespace, Metric: q.Metric, Dimensions: q.Dimensions}, "")
	if err != nil {
		return ask{}, err
	}
	if a.factor, err = factor(s, q.Unit); err != nil {
		return ask{}, err
	}
	count := value
	count.stat = "SampleCount"
	switch {
	case s.Kind == rules.Ratio:
		a.exceeds = true
		value.above, err = threshold(s.Above, a.factor)
	case s.Kind == rules.Percentile:
		value.stat, err = percentile(s.Quant, q.Stat)
	case s.Kind == rules.Mean:
		value.stat = "Sum"
	default:
		value.stat, err = gauge(q.Stat)
	}
	a.value, a.count = single(value), single(count)
	return a, err
}

// factor converts the metric's unit to the signal's inner unit.
func factor(s *rules.Signal, unit string) (float64, error) {
	seconds := map[string]float64{"Seconds": 1, "Milliseconds": 1e-3, "Microseconds": 1e-6}
	isTime := s.Unit == rules.Seconds || s.Of >= 0 && seconds[unit] != 0
	switch {
	case isTime && seconds[unit] != 0:
		return seconds[unit], nil
	case isTime && unit == "":
		return 0, errors.New("unit: name the metric's unit of time, such as \"Milliseconds\"")
	case isTime:
		return 0, fmt.Errorf("unit %q: not a unit of time", unit)
	case s.Unit == rules.Percent && unit == "Percent":
		return 1e-2, nil
	}
	return 1, nil
}

// threshold writes a threshold in the metric's own unit, without rounding errors
// of the division: 2.5 s is 2500 ms, not 2500.0000000000005.
func threshold(above, factor float64) (string, error) {
	v := above / factor
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "", fmt.Errorf("threshold %v: not a number", above)
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 11, 64), 64)
	if err != nil {
		return "", fmt.Errorf("threshold %v: %w", above, err) // unreachable unless v is at the edge of float64
	}
	return strconv.FormatFloat(short, 'f', -1, 64), nil
}

// percentile names the statistic of a quantile. A stat with another quantile is
// refused, because the evaluator computes with Quant.
func percentile(quantile float64, stat string) (string, error) {
	if !(quantile > 0 && quantile < 1) {
		if quantile == 0 && pNN.MatchString(stat) {
			return stat, nil
		}
		return "", fmt.Errorf("quantile %v: want more than 0 and less than 1", quantile)
	}
	want := "p" + strconv.FormatFloat(math.Round(quantile*1e10)/1e8, 'f', -1, 64)
	if stat == "" || stat == want {
		return want, nil
	}
	if n, err := strconv.ParseFloat(strings.TrimPrefix(stat, "p"), 64); err == nil && math.Abs(n-100*quantile) < 1e-9 {
		return stat, nil // p95.0
	}
	return "", fmt.Errorf("stat %q is not the quantile %v: leave it out or write %q", stat, quantile, want)
}

var (
	pNN     = regexp.MustCompile(`^p\d{1,2}(\.\d{1,10})?$`)
	anyStat = regexp.MustCompile(`^(SampleCount|Average|Sum|Minimum|Maximum|IQM|(p|tm|tc|ts|wm)\d{1,3}(\.\d{1,10})?|(TM|WM|PR|TC|TS)\([-0-9.%]*:[-0-9.%]*\)|PR\([-0-9.]+\))$`)
)

func gauge(stat string) (string, error) {
	if stat == "" {
		return "Average", nil
	}
	if !anyStat.MatchString(stat) {
		return "", fmt.Errorf("stat %q: not a statistic of CloudWatch", stat)
	}
	return stat, nil
}

// joinDimensions makes a map comparable. Names and values contain no NUL; plain
// has checked them.
func joinDimensions(m map[string]string) string {
	pairs := make([]string, 0, len(m))
	for name, value := range m {
		pairs = append(pairs, name+"\x00"+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "\x01")
}

func splitDimensions(s string) []types.Dimension {
	if s == "" {
		return nil
	}
	var list []types.Dimension
	for pair := range strings.SplitSeq(s, "\x01") {
		name, value, _ := strings.Cut(pair, "\x00")
		list = append(list, types.Dimension{Name: &name, Value: &value})
	}
	return list
}

// String names the series for people: "AWS/ApiGateway 5XXError{ApiName=shop} (Sum)".
func (s statistic) String() string {
	dims := strings.NewReplacer("\x00", "=", "\x01", ",").Replace(s.dimensions)
	if dims != "" {
		dims = "{" + dims + "}"
	}
	return fmt.Sprintf("%s %s%s (%s)", s.namespace, s.metric, dims, s.name(false))
}

// name is the statistic in CloudWatch's words. Of exceedances it is the complement:
// what lies at or below the threshold, as a percentile rank, or as a trimmed count.
// What lies above, TC(x:), may have no value in a period in which nothing does, and
// a healthy release would be without data.
func (s statistic) name(counted bool) string {
	switch {
	case s.above == "":
		return s.stat
	case counted:
		return "TC(:" + s.above + ")"
	}
	return "PR(:" + s.above + ")"
}
