package athena_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/athena"
	"github.com/relgate/relgate/sources/athena/kind"
)

type m = map[string]any

// call is one request as the fake saw it.
type call struct {
	Op     string
	Header http.Header

	QueryString           string
	ClientRequestToken    string
	ExecutionParameters   []string
	WorkGroup             string
	QueryExecutionContext struct{ Database, Catalog string }
	ResultConfiguration   struct{ OutputLocation string }
	ResultReuse           json.RawMessage `json:"ResultReuseConfiguration"`
	QueryExecutionID      string          `json:"QueryExecutionId"`
	MaxResults            int
	NextToken             string
}

// fake is Athena on loopback. A token that it knows gives the query that it
// started, as Athena's do; what a query does is up to the test.
type fake struct {
	mu      sync.Mutex
	calls   []call
	queries map[string]string // :: token → id
	polls   map[string]int    // :: id → looks so far
	stopped map[string]bool   // :: id
	bytes   int64
	reused  bool // each result is an earlier query's

	// before answers instead of the fake when it returns a status.
	before func(call) (status int, header map[string]string, body any)
	// state gives the status of a query at its nth look, from 1; SUCCEEDED if nil.
	state func(id string, look int) m
	// pages are the results.
	pages []m
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var c call
	if err := json.Unmarshal(body, &c); err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	_, c.Op, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c.Header = r.Header
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	status, header, answer := 0, map[string]string(nil), any(nil)
	if f.before != nil {
		status, header, answer = f.before(c)
	}
	if status == 0 {
		status, answer = 200, f.answer(c)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	for k, v := range header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(status)
	if s, ok := answer.(string); ok {
		_, _ = io.WriteString(w, s)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *fake) answer(c call) any {
	if f.queries == nil {
		f.queries, f.polls, f.stopped = map[string]string{}, map[string]int{}, map[string]bool{}
	}
	switch c.Op {
	case "StartQueryExecution":
		id := f.queries[c.ClientRequestToken]
		if id == "" {
			id = fmt.Sprintf("query-%d", len(f.queries)+1)
			f.queries[c.ClientRequestToken] = id
		}
		return m{"QueryExecutionId": id}
	case "GetQueryExecution":
		id := c.QueryExecutionID
		f.polls[id]++
		status := m{"State": "SUCCEEDED"}
		if f.state != nil {
			status = f.state(id, f.polls[id])
		}
		if f.stopped[id] {
			status = m{"State": "CANCELLED", "StateChangeReason": "Query cancelled by user"}
		}
		return m{"QueryExecution": m{"QueryExecutionId": id, "Status": status, "Statistics": m{
			"DataScannedInBytes": f.bytes, "ResultReuseInformation": m{"ReusedPreviousResult": f.reused},
		}}}
	case "StopQueryExecution":
		f.stopped[c.QueryExecutionID] = true
		return m{}
	case "GetQueryResults":
		n := 0
		if c.NextToken != "" {
			_, _ = fmt.Sscanf(c.NextToken, "page-%d", &n)
		}
		page := m{"ResultSet": f.pages[n]}
		if n+1 < len(f.pages) {
			page["NextToken"] = fmt.Sprintf("page-%d", n+1)
		}
		return page
	}
	return m{}
}

func (f *fake) seen(op string) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []call
	for _, c := range f.calls {
		if c.Op == op {
			list = append(list, c)
		}
	}
	return list
}

// columns of the shipped SQL, "name type".
var shipped = []string{"decile integer", "n bigint", "positives bigint", "newest timestamp", "kpi double"}

// page is a ResultSet; "NULL" is a NULL.
func page(columns []string, rows ...[]string) m {
	var info, data []any
	for _, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		info = append(info, m{"Name": name, "Label": name, "Type": kind})
	}
	for _, row := range rows {
		cells := []any{}
		for _, v := range row {
			if v == "NULL" {
				cells = append(cells, m{})
			} else {
				cells = append(cells, m{"VarCharValue": v})
			}
		}
		data = append(data, m{"Data": cells})
	}
	return m{"ResultSetMetadata": m{"ColumnInfo": info}, "Rows": data}
}

func header() []string { return []string{"decile", "n", "positives", "newest", "kpi"} }

// decile is a row whose newest event is half an hour before now.
func decile(i, n, positives int, kpi string) []string {
	return []string{fmt.Sprint(i), fmt.Sprint(n), fmt.Sprint(positives), "2025-06-04 02:30:00.000", kpi}
}

// ten is the header and ten good rows with a gap of 0.121 between 3 and 9.
func ten() [][]string {
	rows := [][]string{header()}
	for i := 1; i <= 10; i++ {
		positives := 350
		switch i {
		case 3:
			positives = 310
		case 9:
			positives = 431
		}
		rows = append(rows, decile(i, 1000, positives, "0.121"))
	}
	return rows
}

// tenGroups are the rows of ten as a reading has them.
func tenGroups() (groups []rules.Group) {
	for _, row := range ten()[1:] {
		groups = append(groups, groupOf(row))
	}
	return groups
}

// groupOf is a row as a reading has it.
func groupOf(row []string) rules.Group {
	n, _ := strconv.ParseFloat(row[1], 64)
	positives, _ := strconv.ParseFloat(row[2], 64)
	return rules.Group{Name: row[0], Value: positives, Samples: n}
}

// now is 03:00:20 on the day of the release: the newest period that has ended
// is 02:00.
func now() time.Time { return time.Date(2025, 6, 4, 3, 0, 20, 0, time.UTC) }

func bucket() int64 { return time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC).Unix() }

func signal() *rules.Signal {
	return &rules.Signal{
		Name: "bias_gap", Source: "athena", Kind: rules.Gauge, Period: time.Hour, Every: time.Hour, Of: -1,
		Query: rules.Query{Ask: &kind.Query{
			SQL: "SELECT 1", Parameters: []string{"'1.0.0'"}, Database: "bioage", Workgroup: "relgate", Groups: 10, MinGroup: 100,
		}},
	}
}

func want(s *rules.Signal) sources.Want {
	return sources.Want{Run: "p", Index: 5, Signal: s, From: bucket() - 3600, To: bucket() + 3600}
}

type pauses struct {
	mu     sync.Mutex
	slept  []time.Duration
	during func(time.Duration) error
}

func (p *pauses) pause(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	p.slept = append(p.slept, d)
	during := p.during
	p.mu.Unlock()
	if during != nil {
		if err := during(d); err != nil {
			return err
		}
	}
	return ctx.Err()
}

type tb interface {
	Helper()
	Cleanup(func())
	Fatal(...any)
}

func newSource(t tb, f http.Handler) (*athena.Source, *pauses) {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return sourceAt(t, server.URL)
}

func sourceAt(t tb, url string) (*athena.Source, *pauses) {
	t.Helper()
	p := new(pauses)
	s, err := athena.New(context.Background(), athena.Config{
		Name: "athena", Region: "eu-central-1", BaseURL: url, Pause: p.pause,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "hidden-key-material", "hidden-session"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func fetchOne(t *testing.T, s *athena.Source, w sources.Want) rules.Reading {
	t.Helper()
	got := s.Fetch(t.Context(), now(), []sources.Want{w})
	if len(got) != 1 || got[0].Signal != w.Index || got[0].From != w.From || got[0].To != w.To {
		t.Fatalf("Fetch gave %+v for %+v", got, w)
	}
	if len(got[0].Detail) > 300 {
		t.Errorf("detail of %d bytes", len(got[0].Detail))
	}
	return got[0]
}
