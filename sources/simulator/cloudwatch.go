package simulator

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

type dimension struct {
	Name  string `json:"Name"`
	Value string `json:"Value"`
}

type metricName struct {
	Namespace  string      `json:"Namespace"`
	MetricName string      `json:"MetricName"`
	Dimensions []dimension `json:"Dimensions,omitempty"`
}

type metricStat struct {
	Metric metricName `json:"Metric"`
	Period int64      `json:"Period"`
	Stat   string     `json:"Stat"`
	Unit   string     `json:"Unit,omitempty"`
}

type metricQuery struct {
	ID         string      `json:"Id"`
	MetricStat *metricStat `json:"MetricStat"`
	Expression string      `json:"Expression"`
	Label      string      `json:"Label"`
	Period     int64       `json:"Period"`
	ReturnData *bool       `json:"ReturnData"`
	AccountID  string      `json:"AccountId"`
}

type getMetricDataInput struct {
	MetricDataQueries []metricQuery `json:"MetricDataQueries"`
	StartTime         *stamp        `json:"StartTime"`
	EndTime           *stamp        `json:"EndTime"`
	ScanBy            string        `json:"ScanBy"`
	MaxDatapoints     int           `json:"MaxDatapoints"`
	NextToken         string        `json:"NextToken"`
}

type metricResult struct {
	ID         string    `json:"Id"`
	Label      string    `json:"Label"`
	StatusCode string    `json:"StatusCode"`
	Timestamps []stamp   `json:"Timestamps"`
	Values     []float64 `json:"Values"`
	Messages   []message `json:"Messages,omitempty"`
}

type message struct {
	Code  string `json:"Code"`
	Value string `json:"Value"`
}

type getMetricDataOutput struct {
	MetricDataResults []metricResult `json:"MetricDataResults"`
	Messages          []message      `json:"Messages"`
	NextToken         string         `json:"NextToken,omitempty"`
}

func (s *Simulator) serveCloudWatch(w http.ResponseWriter, r *http.Request, op string) {
	var out any
	var e *awsError
	switch op {
	case "GetMetricData":
		var in getMetricDataInput
		if e = readAWS(r, &in); e == nil {
			out, e = s.getMetricData(in)
		}
	case "DescribeAlarms":
		var in describeAlarmsInput
		if e = readAWS(r, &in); e == nil {
			out, e = s.describeAlarms(in)
		}
	case "ListMetrics":
		var in listMetricsInput
		if e = readAWS(r, &in); e == nil {
			out, e = s.listMetrics(in)
		}
	default:
		e = &awsError{status: http.StatusNotFound, code: "UnknownOperationException", message: "The simulator has no operation " + op + "."}
	}
	if e != nil {
		writeAWSError(w, r, e)
		return
	}
	writeAWS(w, r, http.StatusOK, out)
}

func validation(format string, args ...any) *awsError {
	return &awsError{status: http.StatusBadRequest, code: "ValidationException", query: "ValidationError", message: fmt.Sprintf(format, args...)}
}

func badParameter(format string, args ...any) *awsError {
	return &awsError{status: http.StatusBadRequest, code: "InvalidParameterValueException", query: "InvalidParameterValue", message: fmt.Sprintf(format, args...)}
}

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

func (s *Simulator) getMetricData(in getMetricDataInput) (any, *awsError) {
	s.countMetrics(len(in.MetricDataQueries))
	if e := in.check(s.ranks()); e != nil {
		return nil, e
	}
	now, offset := s.now().Unix(), 0
	if in.NextToken != "" {
		var e *awsError
		if now, offset, e = in.readToken(); e != nil {
			return nil, e
		}
	}
	var all []metricResult
	for _, q := range in.MetricDataQueries {
		if q.ReturnData != nil && !*q.ReturnData {
			continue
		}
		all = append(all, s.metricData(q, in, now))
	}
	if s.partial("cloudwatch", "GetMetricData") {
		for i := range all {
			all[i].halve()
		}
	}
	return in.page(all, now, offset), nil
}

func (in getMetricDataInput) check(ranks bool) *awsError {
	switch {
	case len(in.MetricDataQueries) == 0:
		return validation("1 validation error detected: Value null at 'metricDataQueries' failed to satisfy constraint: Member must not be null")
	case len(in.MetricDataQueries) > 500:
		return validation("The collection MetricDataQueries must not have a size greater than 500.")
	case in.StartTime == nil || in.EndTime == nil:
		return validation("The parameters StartTime and EndTime are required.")
	case !in.StartTime.Before(in.EndTime.Time):
		return validation("The parameter StartTime must be less than the parameter EndTime.")
	case in.EndTime.Sub(in.StartTime.Time).Hours() > 24*455:
		return validation("The requested range is longer than metrics are kept.")
	case in.ScanBy != "" && in.ScanBy != "TimestampDescending" && in.ScanBy != "TimestampAscending":
		return validation("The value %s for parameter ScanBy is invalid.", in.ScanBy)
	case in.MaxDatapoints < 0:
		return validation("The parameter MaxDatapoints must be greater than 0.")
	}
	seen := map[string]bool{}
	for _, q := range in.MetricDataQueries {
		if e := q.check(ranks); e != nil {
			return e
		}
		if seen[q.ID] {
			return validation("The value %s for parameter MetricDataQueries.member.Id is not unique.", q.ID)
		}
		seen[q.ID] = true
	}
	return nil
}

func (q metricQuery) check(ranks bool) *awsError {
	switch {
	case !queryID.MatchString(q.ID):
		return validation("The value %s is not valid for parameter Id: it must start with a lowercase letter and hold letters, digits and underscores.", q.ID)
	case q.Expression != "":
		return validation("Error in expression '%s': the simulator does not do metric math.", q.ID)
	case q.MetricStat == nil:
		return validation("Either MetricStat or Expression is required in query %s.", q.ID)
	case q.MetricStat.Metric.Namespace == "" || q.MetricStat.Metric.MetricName == "":
		return validation("The parameters Namespace and MetricName are required in query %s.", q.ID)
	case len(q.MetricStat.Metric.Dimensions) > 30:
		return validation("The collection Dimensions must not have a size greater than 30.")
	case q.MetricStat.Period < 60 || q.MetricStat.Period%60 != 0:
		return validation("The value %d for parameter Period is not valid: it must be a multiple of 60.", q.MetricStat.Period)
	}
	if parseStat(q.MetricStat.Stat) == nil || !ranks && strings.HasPrefix(q.MetricStat.Stat, "PR(") {
		return validation("The value %s for parameter Stat is not supported.", q.MetricStat.Stat)
	}
	return nil
}

// metricData computes one whole series, newest first unless asked otherwise.
func (s *Simulator) metricData(q metricQuery, in getMetricDataInput, now int64) metricResult {
	res := metricResult{ID: q.ID, Label: q.label(), StatusCode: "Complete", Timestamps: []stamp{}, Values: []float64{}}
	m := s.world.metric(q.MetricStat.Metric.Namespace, q.MetricStat.Metric.MetricName, q.dimensions())
	compute := parseStat(q.MetricStat.Stat) // the question was checked
	if m == nil || !unitMatches(q.MetricStat) {
		return res
	}
	period := q.MetricStat.Period
	step := max(period, seconds(s.world.s.CloudWatch.Spacing.D))
	end := min(in.EndTime.Unix(), now)
	begin := max(in.StartTime.Unix(), s.world.start.Unix()-history)
	for t := floorTo(begin, step); t < end; t += step {
		ss := m.over(t/60, (t+step)/60, now)
		if s.world.s.CloudWatch.Sparse && ofFailures(q.MetricStat.Metric.MetricName) {
			ss = slices.DeleteFunc(ss, func(x sample) bool { return x.sum() == 0 })
		}
		if len(ss) == 0 {
			continue
		}
		if v := compute(ss); !math.IsNaN(v) {
			res.Timestamps = append(res.Timestamps, at(t))
			res.Values = append(res.Values, v)
		}
	}
	if in.ScanBy != "TimestampAscending" {
		slices.Reverse(res.Timestamps)
		slices.Reverse(res.Values)
	}
	return res
}

// history is how long before T the simulated metrics began.
const history = 60 * 86400

// ofFailures says whether a metric counts failures.
func ofFailures(name string) bool {
	return slices.Contains([]string{"5XXError", "4XXError", "Errors", "Throttles"}, name)
}

func (s *Simulator) ranks() bool {
	ranks := s.world.s.CloudWatch.Ranks
	return ranks == nil || *ranks
}

// halve is the service's answer if it could not read everything in time: some of
// the points, marked as partial, and no token for the rest.
func (r *metricResult) halve() {
	n := len(r.Values) / 2
	r.Timestamps, r.Values, r.StatusCode = r.Timestamps[:n], r.Values[:n], "PartialData"
	r.Messages = []message{{"InternalServerError", "Not all datapoints could be read."}}
}

func (q metricQuery) label() string {
	if q.Label != "" {
		return q.Label
	}
	return q.MetricStat.Metric.MetricName
}

// dimensions maps names to values; nil when one comes twice, which no metric has.
func (q metricQuery) dimensions() map[string]string {
	dims := map[string]string{}
	for _, d := range q.MetricStat.Metric.Dimensions {
		if _, twice := dims[d.Name]; twice {
			return nil
		}
		dims[d.Name] = d.Value
	}
	return dims
}

// unitMatches says whether a metric has data in the unit asked for: latencies
// are in milliseconds, all others are counts.
func unitMatches(m *metricStat) bool {
	switch m.Metric.MetricName {
	case "Duration", "Latency", "IntegrationLatency":
		return m.Unit == "" || m.Unit == "Milliseconds"
	}
	return m.Unit == "" || m.Unit == "Count"
}

func floorTo(t, step int64) int64 { return t - ((t%step)+step)%step }

// page cuts the answer into pages of MaxDatapoints points over all queries. A
// query whose points do not fit comes again under the same Id on the next page.
// All pages show the world of the first.
func (in getMetricDataInput) page(all []metricResult, now int64, offset int) getMetricDataOutput {
	limit := in.MaxDatapoints
	if limit == 0 || limit > 100800 {
		limit = 100800
	}
	out := getMetricDataOutput{MetricDataResults: []metricResult{}, Messages: []message{}}
	at := 0 // points before this result
	for _, res := range all {
		n := len(res.Values)
		from, to := max(0, min(n, offset-at)), max(0, min(n, offset+limit-at))
		last := to == n
		if from < to || (offset == 0 && n == 0) {
			res.Timestamps, res.Values = res.Timestamps[from:to], res.Values[from:to]
			if !last {
				res.StatusCode = "PartialData"
			}
			out.MetricDataResults = append(out.MetricDataResults, res)
		} else if from == 0 && to == 0 && offset+limit <= at && offset == 0 {
			res.Timestamps, res.Values, res.StatusCode = []stamp{}, []float64{}, "PartialData"
			out.MetricDataResults = append(out.MetricDataResults, res)
		}
		at += n
	}
	if offset+limit < at {
		out.NextToken = in.token(now, offset+limit)
	}
	return out
}

// token names a page: the time of the first page, the points before this one, and
// a digest of the question, since a token is valid for its own question only.
func (in getMetricDataInput) token(now int64, offset int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %x", now, offset, in.digest()))
}

func (in getMetricDataInput) readToken() (now int64, offset int, e *awsError) {
	var digest uint64
	text, err := base64.RawURLEncoding.DecodeString(in.NextToken)
	if err == nil {
		_, err = fmt.Sscanf(string(text), "%d %d %x", &now, &offset, &digest)
	}
	if err != nil || offset <= 0 || digest != in.digest() {
		return 0, 0, &awsError{status: http.StatusBadRequest, code: "InvalidNextToken", query: "InvalidNextToken", message: "The next token is not valid for this request."}
	}
	return now, offset, nil
}

func (in getMetricDataInput) digest() uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, in.StartTime.Unix(), in.EndTime.Unix(), in.ScanBy, in.MaxDatapoints)
	for _, q := range in.MetricDataQueries {
		fmt.Fprintf(h, "|%s %+v", q.ID, *q.MetricStat)
	}
	return h.Sum64()
}

type listMetricsInput struct {
	Namespace  string      `json:"Namespace"`
	MetricName string      `json:"MetricName"`
	Dimensions []dimension `json:"Dimensions"`
}

// listMetrics lists the metrics that had data lately, in one page.
func (s *Simulator) listMetrics(in listMetricsInput) (any, *awsError) {
	list := []metricName{}
	for _, m := range s.world.metricNames() {
		if (in.Namespace != "" && in.Namespace != m.Namespace) || (in.MetricName != "" && in.MetricName != m.MetricName) {
			continue
		}
		if !slices.ContainsFunc(in.Dimensions, func(d dimension) bool { return !hasDimension(m, d) }) {
			list = append(list, m)
		}
	}
	return map[string]any{"Metrics": list}, nil
}

func hasDimension(m metricName, want dimension) bool {
	return slices.ContainsFunc(m.Dimensions, func(d dimension) bool {
		return d.Name == want.Name && (want.Value == "" || d.Value == want.Value)
	})
}

func (w *world) metricNames() []metricName {
	n := w.s.Names
	var out []metricName
	for _, name := range strings.Fields("4XXError 5XXError Count IntegrationLatency Latency") {
		out = append(out,
			metricName{"AWS/ApiGateway", name, []dimension{{"ApiName", n.API}}},
			metricName{"AWS/ApiGateway", name, []dimension{{"ApiName", n.API}, {"Stage", n.Stage}}})
	}
	alias := n.Function + ":" + n.Alias
	for _, name := range strings.Fields("Duration Errors Invocations Throttles") {
		out = append(out,
			metricName{"AWS/Lambda", name, []dimension{{"FunctionName", n.Function}}},
			metricName{"AWS/Lambda", name, []dimension{{"FunctionName", n.Function}, {"Resource", alias}}})
		for _, v := range []string{n.Stable, n.Canary} {
			out = append(out, metricName{"AWS/Lambda", name, []dimension{{"FunctionName", n.Function}, {"Resource", alias}, {"ExecutedVersion", v}}})
		}
	}
	return out
}
