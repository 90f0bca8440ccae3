package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// queries are the Athena queries that were started.
type queries struct {
	mu     sync.Mutex
	byID   map[string]*athenaQuery
	tokens map[string]*athenaQuery
}

// athenaQuery is one started query. Its result is the world at its start.
type athenaQuery struct {
	id       string
	in       startQueryInput
	digest   string
	started  time.Time
	polls    int
	stopped  bool
	reusedOf *athenaQuery // the earlier query whose result it has
}

type queryContext struct {
	Database string `json:"Database,omitempty"`
	Catalog  string `json:"Catalog,omitempty"`
}

type resultConfiguration struct {
	OutputLocation string `json:"OutputLocation,omitempty"`
}

type reuseConfiguration struct {
	ResultReuseByAgeConfiguration *struct {
		Enabled         bool `json:"Enabled"`
		MaxAgeInMinutes *int `json:"MaxAgeInMinutes,omitempty"`
	} `json:"ResultReuseByAgeConfiguration,omitempty"`
}

type startQueryInput struct {
	QueryString              string
	ClientRequestToken       string
	QueryExecutionContext    *queryContext
	ResultConfiguration      *resultConfiguration
	WorkGroup                string
	ExecutionParameters      []string
	ResultReuseConfiguration *reuseConfiguration
}

type queryInput struct {
	QueryExecutionID string `json:"QueryExecutionId"`
	MaxResults       int
	NextToken        string
}

func (s *Simulator) serveAthena(w http.ResponseWriter, r *http.Request, op string) {
	var out any
	var e *awsError
	switch op {
	case "StartQueryExecution":
		var in startQueryInput
		if e = readAWS(r, &in); e == nil {
			out, e = s.startQuery(in)
		}
	case "GetQueryExecution", "GetQueryResults", "StopQueryExecution":
		out, e = s.onQuery(r, op)
	default:
		e = &awsError{status: http.StatusBadRequest, code: "UnknownOperationException", message: "The simulator has no operation " + op + "."}
	}
	if e != nil {
		writeAWSError(w, r, e)
		return
	}
	writeAWS(w, r, http.StatusOK, out)
}

func badQuery(format string, args ...any) *awsError {
	return &awsError{status: http.StatusBadRequest, code: "InvalidRequestException", message: fmt.Sprintf(format, args...),
		fields: map[string]any{"AthenaErrorCode": "INVALID_INPUT"}}
}

func (in startQueryInput) check() *awsError {
	switch n := len(in.ClientRequestToken); {
	case in.QueryString == "" || len(in.QueryString) > 262144:
		return badQuery("queryString must have a length between 1 and 262144")
	case n > 0 && (n < 32 || n > 128):
		return badQuery("clientRequestToken must have a length between 32 and 128")
	case n == 0:
		return badQuery("Idempotent parameters do not match: a ClientRequestToken is required without an SDK")
	case (in.WorkGroup == "" || in.WorkGroup == "primary") && (in.ResultConfiguration == nil || in.ResultConfiguration.OutputLocation == ""):
		return badQuery("No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input.")
	case strings.Count(in.QueryString, "?") > 0 && len(in.ExecutionParameters) == 0:
		return badQuery("SYNTAX_ERROR: Incorrect number of parameters: expected %d but found 0", strings.Count(in.QueryString, "?"))
	}
	return nil
}

// startQuery starts a query, once for a token: the same token with the same
// parameters is the same query.
func (s *Simulator) startQuery(in startQueryInput) (any, *awsError) {
	if e := in.check(); e != nil {
		return nil, e
	}
	text, err := json.Marshal(in)
	if err != nil {
		return nil, badQuery("the request cannot be read") // unreachable: it was just decoded
	}
	qs := &s.queries
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if old, ok := qs.tokens[in.ClientRequestToken]; ok {
		if old.digest != string(text) {
			return nil, badQuery("Idempotent parameters do not match")
		}
		return map[string]any{"QueryExecutionId": old.id}, nil
	}
	q := &athenaQuery{id: uuid("query " + in.ClientRequestToken), in: in, digest: string(text), started: s.now()}
	q.reusedOf = qs.reusable(q)
	if qs.byID == nil {
		qs.byID, qs.tokens = map[string]*athenaQuery{}, map[string]*athenaQuery{}
	}
	qs.byID[q.id], qs.tokens[in.ClientRequestToken] = q, q
	if q.reusedOf == nil {
		s.count(func(st *Stats) { st.Queries++ })
	}
	return map[string]any{"QueryExecutionId": q.id}, nil
}

// reusable finds the newest earlier query whose result q may have.
func (qs *queries) reusable(q *athenaQuery) *athenaQuery {
	c := q.in.ResultReuseConfiguration
	if c == nil || c.ResultReuseByAgeConfiguration == nil || !c.ResultReuseByAgeConfiguration.Enabled {
		return nil
	}
	age := time.Hour
	if m := c.ResultReuseByAgeConfiguration.MaxAgeInMinutes; m != nil {
		age = time.Duration(*m) * time.Minute
	}
	var best *athenaQuery
	for _, old := range qs.byID {
		same := old.in.QueryString == q.in.QueryString && strings.Join(old.in.ExecutionParameters, "\x00") == strings.Join(q.in.ExecutionParameters, "\x00")
		if !same || old.reusedOf != nil || old.state() != "SUCCEEDED" || q.started.Sub(old.started) > age {
			continue
		}
		if best == nil || old.started.After(best.started) {
			best = old
		}
	}
	return best
}

// state goes from QUEUED over RUNNING to SUCCEEDED as the client polls.
func (q *athenaQuery) state() string {
	switch {
	case q.stopped:
		return "CANCELLED"
	case q.polls <= 1:
		return "QUEUED"
	case q.polls == 2:
		return "RUNNING"
	}
	return "SUCCEEDED"
}

func (s *Simulator) onQuery(r *http.Request, op string) (any, *awsError) {
	var in queryInput
	if e := readAWS(r, &in); e != nil {
		return nil, e
	}
	s.queries.mu.Lock()
	defer s.queries.mu.Unlock()
	q, ok := s.queries.byID[in.QueryExecutionID]
	if !ok {
		return nil, badQuery("QueryExecution %s was not found", in.QueryExecutionID)
	}
	switch op {
	case "GetQueryExecution":
		q.polls++
		return map[string]any{"QueryExecution": s.execution(q)}, nil
	case "StopQueryExecution":
		if q.state() != "SUCCEEDED" {
			q.stopped = true
		}
		return map[string]any{}, nil
	}
	if q.state() != "SUCCEEDED" {
		return nil, badQuery("Query has not yet finished. Current state: %s", q.state())
	}
	return s.queryResults(q, in)
}

// scanned is how many bytes a query reads: more as the table grows.
func (s *Simulator) scanned(q *athenaQuery) int64 {
	if q.reusedOf != nil {
		return 0
	}
	return 10_000_000 + 4096*int64(s.deciles(q.started)[0].n)
}

func (s *Simulator) execution(q *athenaQuery) map[string]any {
	status := map[string]any{"State": q.state(), "SubmissionDateTime": stamp{q.started}}
	stats := map[string]any{"QueryQueueTimeInMillis": 120}
	switch q.state() {
	case "SUCCEEDED":
		status["CompletionDateTime"] = stamp{q.started.Add(1800 * time.Millisecond)}
		stats["EngineExecutionTimeInMillis"] = 1600
		stats["TotalExecutionTimeInMillis"] = 1800
		stats["DataScannedInBytes"] = s.scanned(q)
		stats["ResultReuseInformation"] = map[string]any{"ReusedPreviousResult": q.reusedOf != nil}
	case "CANCELLED":
		status["StateChangeReason"] = "Query cancelled by user"
		status["CompletionDateTime"] = stamp{q.started.Add(time.Second)}
		stats["DataScannedInBytes"] = s.scanned(q)
	}
	out := map[string]any{
		"QueryExecutionId": q.id, "Query": q.in.QueryString, "StatementType": "DML", "SubstatementType": "SELECT",
		"Status": status, "Statistics": stats, "WorkGroup": q.in.WorkGroup,
		"ResultConfiguration": map[string]any{"OutputLocation": "s3://relgate-results/" + q.id + ".csv"},
		"EngineVersion":       map[string]any{"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
	}
	if q.in.QueryExecutionContext != nil {
		out["QueryExecutionContext"] = q.in.QueryExecutionContext
	}
	return out
}

type datum struct {
	VarCharValue *string `json:"VarCharValue,omitempty"`
}

type row struct {
	Data []datum `json:"Data"`
}

func textRow(values ...string) row {
	var out row
	for _, v := range values {
		out.Data = append(out.Data, datum{&v})
	}
	return out
}

// queryResults gives a page of rows. Only the first page has the header row.
func (s *Simulator) queryResults(q *athenaQuery, in queryInput) (any, *awsError) {
	if in.MaxResults < 0 || in.MaxResults > 1000 {
		return nil, badQuery("maxResults must have a value less than or equal to 1000")
	}
	rows, columns := s.result(q)
	from, limit := 0, 1000
	if in.MaxResults > 0 {
		limit = in.MaxResults
	}
	if in.NextToken != "" {
		var err error
		if from, err = strconv.Atoi(in.NextToken); err != nil || from < 1 || from >= len(rows) {
			return nil, badQuery("Invalid nextToken")
		}
	}
	to := min(len(rows), from+limit)
	out := map[string]any{"UpdateCount": 0, "ResultSet": map[string]any{
		"Rows": rows[from:to], "ResultSetMetadata": map[string]any{"ColumnInfo": columns}}}
	if to < len(rows) {
		out["NextToken"] = strconv.Itoa(to)
	}
	return out, nil
}
