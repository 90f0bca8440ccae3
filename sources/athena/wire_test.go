package athena_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/athena/kind"
)

// What a call may answer instead, and what it means.
func TestAnswers(t *testing.T) {
	tests := []struct {
		name     string
		op       string
		status   int
		header   map[string]string
		body     any
		fault    rules.Fault
		detail   string
		attempts int // of that call
	}{
		{"too many queries", "StartQueryExecution", 400, nil, m{"__type": "TooManyRequestsException", "Reason": "CONCURRENT_QUERY_LIMIT_EXCEEDED"}, rules.Throttled, "TooManyRequestsException", 3},
		{"a throttled look", "GetQueryExecution", 400, nil, m{"__type": "ThrottlingException"}, rules.Throttled, "GetQueryExecution", 3},
		{"a wrong request", "StartQueryExecution", 400, nil, m{"__type": "InvalidRequestException", "Message": "No output location provided"}, rules.ConfigFault, "No output location", 1},
		{"no rights on the result bucket", "GetQueryResults", 400, nil, m{"__type": "InvalidRequestException", "Message": "Access denied when writing output"}, rules.AuthFault, "Access denied", 1},
		{"access denied", "StartQueryExecution", 400, nil, m{"__type": "AccessDeniedException", "Message": "not yours"}, rules.AuthFault, "AccessDenied", 1},
		{"an expired token", "GetQueryExecution", 400, nil, m{"__type": "ExpiredTokenException"}, rules.AuthFault, "Expired", 1},
		{"a workgroup that is not there", "StartQueryExecution", 400, nil, m{"__type": "ResourceNotFoundException"}, rules.ConfigFault, "ResourceNotFound", 1},
		{"a metadata error", "StartQueryExecution", 400, nil, m{"__type": "MetadataException"}, rules.ConfigFault, "Metadata", 1},
		{"an internal fault", "StartQueryExecution", 500, nil, m{"__type": "InternalServerException"}, rules.Unavailable, "InternalServer", 3},
		{"a gateway's page", "GetQueryResults", 503, map[string]string{"Content-Type": "text/html"}, "<html>", rules.Unavailable, "HTTP 503", 3},
		{"a proxy's 404", "StartQueryExecution", 404, nil, "<html>", rules.ConfigFault, "StartQueryExecution", 1},
		{"a login page to the start", "StartQueryExecution", 200, nil, "<html>", rules.Unavailable, "answered with HTML, not JSON: a login page or proxy?", 1},
		{"an empty 200 to the start", "StartQueryExecution", 200, nil, "", rules.Unavailable, "answered with an empty body, not JSON", 1},
		{"an empty map to the start", "StartQueryExecution", 200, nil, "{}", rules.Unavailable, "has no id", 1},
		{"an empty 200 to the look", "GetQueryExecution", 200, nil, "", rules.Unavailable, "answered with an empty body, not JSON", 1},
		{"an empty map to the look", "GetQueryExecution", 200, nil, "{}", rules.Unavailable, "has no status", 1},
		{"an empty 200 to the results", "GetQueryResults", 200, nil, "", rules.Unavailable, "answered with an empty body, not JSON", 1},
		{"an empty map to the results", "GetQueryResults", 200, nil, "{}", rules.Unavailable, "has no result", 1},
		{"a login page", "GetQueryResults", 200, map[string]string{"Content-Type": "text/html"}, "<html>", rules.Unavailable, "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{pages: []m{page(shipped, ten()...)}}
			f.before = func(c call) (int, map[string]string, any) {
				if c.Op == tt.op {
					return tt.status, tt.header, tt.body
				}
				return 0, nil, nil
			}
			s, _ := newSource(t, f)
			got := fetchOne(t, s, want(signal()))
			if got.Fault != tt.fault || !strings.Contains(got.Detail, tt.detail) || len(got.Points) != 0 || got.SettledUntil != 0 {
				t.Errorf("got %+v, want fault %d with %q", got, tt.fault, tt.detail)
			}
			if n := len(f.seen(tt.op)); n != tt.attempts {
				t.Errorf("%d calls of %s, want %d", n, tt.op, tt.attempts)
			}
			if throttled := tt.fault == rules.Throttled; throttled != (got.RetryAt > now().Unix()) {
				t.Errorf("retry at %d", got.RetryAt)
			}
		})
	}
}

func TestEndsOfAQuery(t *testing.T) {
	failed := func(reason string, e m) m {
		status := m{"State": "FAILED", "StateChangeReason": reason}
		if e != nil {
			status["AthenaError"] = e
		}
		return status
	}
	tests := []struct {
		name    string
		status  m
		fault   rules.Fault
		queries int
	}{
		{"the scan limit", m{"State": "CANCELLED", "StateChangeReason": "Bytes scanned limit was exceeded"}, rules.ConfigFault, 1},
		{"cancelled by a user, each time", m{"State": "CANCELLED", "StateChangeReason": "Query cancelled by user"}, rules.Unavailable, 4},
		{"the SQL is wrong", failed("SYNTAX_ERROR: line 1:8: Column 'x' cannot be resolved", m{"ErrorCategory": 2, "ErrorType": 1006}), rules.ConfigFault, 1},
		{"the SQL is wrong, without an AthenaError", failed("TABLE_NOT_FOUND: line 1:15: Table does not exist", nil), rules.ConfigFault, 1},
		{"the system failed", failed("INTERNAL_ERROR", m{"ErrorCategory": 1}), rules.Unavailable, 1},
		{"the system failed and may be asked again", failed("INTERNAL_ERROR", m{"ErrorCategory": 1, "Retryable": true}), rules.Unavailable, 4},
		{"S3 refused", failed("Access Denied (Service: Amazon S3; Status Code: 403)", m{"ErrorCategory": 2}), rules.AuthFault, 1},
		{"no reason", failed("", nil), rules.Unavailable, 1},
		{"a state of tomorrow", m{"State": "RESTING"}, rules.Unavailable, 1},
		{"no state", m{}, rules.Unavailable, 1},
	}
	for _, tt := range tests {
		f := &fake{pages: []m{page(shipped, ten()...)}, state: func(string, int) m { return tt.status }}
		s, _ := newSource(t, f)
		got := fetchOne(t, s, want(signal()))
		if got.Fault != tt.fault || got.Detail == "" || len(got.Points) != 0 {
			t.Errorf("%s: got %+v, want fault %d", tt.name, got, tt.fault)
		}
		if n := len(f.queries); n != tt.queries || s.Stats().Billed != uint64(n) {
			t.Errorf("%s: %d queries, %d billed, want %d", tt.name, n, s.Stats().Billed, tt.queries)
		}
	}
}

func TestPolling(t *testing.T) {
	states := []string{"QUEUED", "RUNNING", "QUEUED", "RUNNING", "RUNNING", "RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"}
	f := &fake{pages: []m{page(shipped, ten()...)}, state: func(_ string, look int) m { return m{"State": states[look-1]} }}
	s, p := newSource(t, f)
	if got := fetchOne(t, s, want(signal())); got.Fault != rules.OK {
		t.Errorf("fault %d %q", got.Fault, got.Detail)
	}
	ms := time.Millisecond
	w := []time.Duration{500 * ms, 750 * ms, 1125 * ms, 1687500 * time.Microsecond, 2531250 * time.Microsecond, 3796875 * time.Microsecond, 5000 * ms, 5000 * ms, 5000 * ms}
	if diff := cmp.Diff(w, p.slept); diff != "" {
		t.Errorf("paused (-want +got):\n%s", diff)
	}
}

// The deadline passes while the query runs: it is stopped, over a context that
// still lives, and asking again in the slot starts the slot's next query.
func TestDeadlineStopsTheQuery(t *testing.T) {
	f := &fake{pages: []m{page(shipped, ten()...)}, state: func(id string, _ int) m {
		if id == "query-1" {
			return m{"State": "RUNNING"}
		}
		return m{"State": "SUCCEEDED"}
	}}
	s, p := newSource(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	p.during = func(d time.Duration) error {
		if d >= 5*time.Second {
			cancel()
		}
		return nil
	}
	got := s.Fetch(ctx, now(), []sources.Want{want(signal())})[0]
	if got.Fault != rules.Unavailable || !strings.Contains(got.Detail, "query-1") || !strings.Contains(got.Detail, "stopped") {
		t.Errorf("fault %d %q", got.Fault, got.Detail)
	}
	if stops := f.seen("StopQueryExecution"); len(stops) != 1 || stops[0].QueryExecutionID != "query-1" {
		t.Fatalf("stopped %+v, want query-1", stops)
	}
	p.during = nil
	again := fetchOne(t, s, want(signal()))
	if again.Fault != rules.OK || again.Ref != "query-2" || s.Stats().Billed != 2 {
		t.Errorf("asked again: fault %d %q, ref %q, %d billed; want the answer of query-2", again.Fault, again.Detail, again.Ref, s.Stats().Billed)
	}
}

// Failed, and failed but happened: the deadline passes, the stop is lost, and
// the query runs on. The next question in the slot finds it, and pays nothing.
func TestStopLost(t *testing.T) {
	running := true
	f := &fake{pages: []m{page(shipped, ten()...)}}
	f.state = func(string, int) m {
		if running {
			return m{"State": "RUNNING"}
		}
		return m{"State": "SUCCEEDED"}
	}
	f.before = func(c call) (int, map[string]string, any) {
		if c.Op == "StopQueryExecution" {
			return 500, nil, m{"__type": "InternalServerException"}
		}
		return 0, nil, nil
	}
	s, p := newSource(t, f)
	p.during = func(d time.Duration) error {
		if d >= 5*time.Second && running {
			return errors.New("the time is up")
		}
		return nil
	}
	if got := fetchOne(t, s, want(signal())); got.Fault != rules.Unavailable {
		t.Errorf("fault %d %q", got.Fault, got.Detail)
	}
	f.mu.Lock()
	running = false
	f.mu.Unlock()
	if got := fetchOne(t, s, want(signal())); got.Fault != rules.OK || got.Ref != "query-1" {
		t.Errorf("fault %d %q, ref %q; want the answer of query-1", got.Fault, got.Detail, got.Ref)
	}
}

func TestEndlessQueryIsGivenUp(t *testing.T) {
	f := &fake{state: func(string, int) m { return m{"State": "RUNNING"} }}
	s, _ := newSource(t, f)
	got := fetchOne(t, s, want(signal()))
	if got.Fault != rules.Unavailable || len(f.seen("StopQueryExecution")) != 1 {
		t.Errorf("fault %d %q after %d looks", got.Fault, got.Detail, len(f.seen("GetQueryExecution")))
	}
}

// A restart in the slot asks with the same token, and the query is paid once.
func TestRestartFindsTheQuery(t *testing.T) {
	f := &fake{pages: []m{page(shipped, ten()...)}}
	first, _ := newSource(t, f)
	second, _ := newSource(t, f)
	a, b := fetchOne(t, first, want(signal())), fetchOne(t, second, want(signal()))
	if diff := cmp.Diff(a, b); diff != "" || len(f.queries) != 1 {
		t.Errorf("%d queries; readings (-first +second):\n%s", len(f.queries), diff)
	}
}

func TestTokens(t *testing.T) {
	f := &fake{pages: []m{page(shipped, ten()...)}}
	s, _ := newSource(t, f)
	ask := func(at time.Time, edit func(*rules.Signal)) string {
		sig := signal()
		edit(sig)
		w := want(sig)
		w.From, w.To = 0, 1<<40
		s.Fetch(t.Context(), at, []sources.Want{w})
		starts := f.seen("StartQueryExecution")
		return starts[len(starts)-1].ClientRequestToken
	}
	same := func(*rules.Signal) {}
	base := ask(now(), same)
	if got := ask(now().Add(20*time.Minute), same); got != base {
		t.Errorf("another token within the slot")
	}
	if got := ask(now(), func(s *rules.Signal) { s.Name = "renamed" }); got != base {
		t.Errorf("the signal's name changes the token")
	}
	query := func(f func(*kind.Query)) func(*rules.Signal) {
		return func(s *rules.Signal) { f(kind.Of(s.Query)) }
	}
	seen := map[string]string{base: "the base"}
	for name, token := range map[string]string{
		"the next slot":    ask(now().Add(40*time.Minute+time.Hour), same),
		"the SQL":          ask(now(), query(func(q *kind.Query) { q.SQL += " " })),
		"a parameter":      ask(now(), query(func(q *kind.Query) { q.Parameters = []string{"'1.0.1'"} })),
		"two parameters":   ask(now(), query(func(q *kind.Query) { q.Parameters = []string{"'1.0", ".0'"} })),
		"the database":     ask(now(), query(func(q *kind.Query) { q.Database = "other" })),
		"the workgroup":    ask(now(), query(func(q *kind.Query) { q.Workgroup = "other" })),
		"catalog for base": ask(now(), query(func(q *kind.Query) { q.Database, q.Catalog = "", "bioage" })),
		"the output":       ask(now(), query(func(q *kind.Query) { q.Output = "s3://b/p" })),
		"reuse":            ask(now(), query(func(q *kind.Query) { q.Reuse.Duration = 10 * time.Minute })),
	} {
		if other, ok := seen[token]; ok {
			t.Errorf("%s has the token of %s", name, other)
		}
		seen[token] = name
		if len(token) < 32 || len(token) > 128 {
			t.Errorf("%s: a token of %d characters", name, len(token))
		}
	}
}

func TestResultReuse(t *testing.T) {
	for _, tt := range []struct {
		reuse time.Duration
		want  string
	}{
		{0, ""},
		{20 * time.Minute, `{"ResultReuseByAgeConfiguration":{"Enabled":true,"MaxAgeInMinutes":20}}`},
		{time.Second, `{"ResultReuseByAgeConfiguration":{"Enabled":true,"MaxAgeInMinutes":1}}`},
		{48 * time.Hour, `{"ResultReuseByAgeConfiguration":{"Enabled":true,"MaxAgeInMinutes":60}}`}, // not older than the slot
	} {
		f := &fake{pages: []m{page(shipped, ten()...)}}
		s, _ := newSource(t, f)
		sig := signal()
		kind.Of(sig.Query).Reuse.Duration = tt.reuse
		fetchOne(t, s, want(sig))
		if got := string(f.seen("StartQueryExecution")[0].ResultReuse); got != tt.want {
			t.Errorf("reuse %s: sent %s, want %s", tt.reuse, got, tt.want)
		}
	}
}

// Two plans with one question share the query. Nothing is asked for a range
// whose newest period is not the one that has just ended.
func TestManyWants(t *testing.T) {
	f := &fake{pages: []m{page(shipped, ten()...)}}
	s, p := newSource(t, f)
	strict := signal()
	kind.Of(strict.Query).MinGroup = 5000
	other := signal()
	kind.Of(other.Query).SQL = "SELECT 2"
	early := want(signal())
	early.To = bucket()
	late := want(signal())
	late.From = bucket() + 3600
	late.To = late.From + 3600
	got := s.Fetch(t.Context(), now(), []sources.Want{want(signal()), want(signal()), want(strict), want(other), late, early})
	faults := []rules.Fault{rules.OK, rules.OK, rules.NoData, rules.OK, rules.OK, rules.NoData}
	for i, r := range got {
		if r.Fault != faults[i] {
			t.Errorf("want %d: fault %d %q, want %d", i, r.Fault, r.Detail, faults[i])
		}
	}
	if late := got[4]; len(late.Points) != 0 || late.SettledUntil != bucket()+3600 {
		t.Errorf("asked for what has not ended: %+v", late)
	}
	if len(f.queries) != 2 || len(p.slept) != 1 {
		t.Errorf("%d queries and %d pauses, want two queries side by side", len(f.queries), len(p.slept))
	}
}

func TestWrongSignals(t *testing.T) {
	f := &fake{}
	s, _ := newSource(t, f)
	for detail, edit := range map[string]func(*rules.Signal){
		"no athena query":   func(s *rules.Signal) { s.Query = rules.Query{} },
		"no SQL":            func(s *rules.Signal) { kind.Of(s.Query).SQL = "" },
		"at least two":      func(s *rules.Signal) { kind.Of(s.Query).Groups = 1 },
		"no period":         func(s *rules.Signal) { s.Period = 0 },
		"the signal has no": func(s *rules.Signal) { s.Every = -1 },
	} {
		sig := signal()
		edit(sig)
		if got := fetchOne(t, s, want(sig)); got.Fault != rules.ConfigFault || !strings.Contains(got.Detail, detail) {
			t.Errorf("fault %d %q, want a config fault with %q", got.Fault, got.Detail, detail)
		}
	}
	if n := s.Stats().Requests; n != 0 {
		t.Errorf("%d requests for questions that cannot be asked", n)
	}
}
