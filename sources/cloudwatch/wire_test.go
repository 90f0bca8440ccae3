package cloudwatch_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// What the endpoint may send instead of a plain answer, and what it means.
func TestAnswers(t *testing.T) {
	awsError := func(status int, kind, query string) func(call) (int, map[string]string, any) {
		return func(call) (int, map[string]string, any) {
			h := map[string]string{}
			if query != "" {
				h["X-Amzn-Query-Error"] = query
			}
			return status, h, m{"__type": kind, "message": "because x-amz-security-token:hidden-session\nCanonical String"}
		}
	}
	raw := func(status int, kind, body string) func(call) (int, map[string]string, any) {
		return func(call) (int, map[string]string, any) {
			return status, map[string]string{"Content-Type": kind}, body
		}
	}
	each := func(make func(id string) m) func(call) (int, map[string]string, any) {
		return func(c call) (int, map[string]string, any) {
			var list []m
			for _, q := range c.Queries {
				list = append(list, make(q.ID))
			}
			return 200, nil, results(list...)
		}
	}
	with := func(key string, value any) func(id string) m {
		return func(id string) m {
			r := result(id, "Complete", at(1), 5)
			r[key] = value
			return r
		}
	}
	five := []rules.Point{{At: t0 + 60, Value: 5, Samples: 5}}
	tests := []struct {
		name     string
		answer   func(call) (int, map[string]string, any)
		fault    rules.Fault
		points   []rules.Point
		requests uint64
		detail   string
	}{
		{"a redirect", func(call) (int, map[string]string, any) {
			return 307, map[string]string{"Location": "http://elsewhere.invalid/"}, ""
		}, rules.Unavailable, nil, 1, "HTTP 307"},
		{"a plain answer", each(with("Label", "x")), rules.OK, five, 1, ""},
		{"values as CBOR integers", each(with("Values", []any{5})), rules.OK, five, 1, ""},
		{"values as float32", each(with("Values", []any{float32(5)})), rules.OK, five, 1, ""},
		{"timestamps as tagged integers", each(with("Timestamps", []any{cbor.Tag{Number: 1, Content: t0 + 60}})), rules.OK, five, 1, ""},
		{"timestamps without a tag", each(with("Timestamps", []any{at(1)})), rules.Unavailable, nil, 1, "unreadable answer"},
		{"unknown members and nulls", each(with("Surprise", []any{nil, m{}})), rules.OK, five, 1, ""},
		{"a null label", each(with("Label", nil)), rules.OK, five, 1, ""},
		{"200 with an empty body", raw(200, "application/cbor", ""), rules.Unavailable, nil, 1, "answered with an empty body, not CBOR"},
		{"204", raw(204, "", ""), rules.Unavailable, nil, 1, "HTTP 204: answered with an empty body (204), not CBOR"},
		{"a redirect to a login page", func(call) (int, map[string]string, any) {
			return 302, map[string]string{"Location": "https://login.example.com/?token=hidden-one"}, "<html>"
		}, rules.Unavailable, nil, 1, "GetMetricData: HTTP 302: redirects to https://login.example.com: a login page or proxy?"},
		{"JSON", raw(200, "application/json", `{"MetricDataResults":[]}`), rules.Unavailable, nil, 1, "answered with JSON, not CBOR: is the url right?"},
		{"XML", raw(200, "text/xml", "<GetMetricDataResponse/>"), rules.Unavailable, nil, 1, "answered with XML, not CBOR"},
		{"plain words", raw(200, "text/plain", "it works"), rules.Unavailable, nil, 1, `answered with text, not CBOR: "it works"`},
		{"an endless 500", raw(500, "text/plain", strings.Repeat("no ", 1<<20)), rules.Unavailable, nil, 3, "HTTP 500: answered with text, not CBOR"},
		{"200 with an empty map", func(call) (int, map[string]string, any) { return 200, nil, m{} }, rules.Unavailable, nil, 1, "none of the 2"},
		{"200 with a login page", raw(200, "text/html", "<html><title>Log in</title></html>"), rules.Unavailable, nil, 1, "answered with HTML, not CBOR: a login page or proxy? its title: \"Log in\""},
		{"Complete and no values", each(func(id string) m { return result(id, "Complete") }), rules.NoData, nil, 1, "no datapoint"},
		{"throttled", awsError(400, "com.amazonaws.cloudwatch#ThrottlingException", "Throttling;Sender"), rules.Throttled, nil, 3, "Throttling"},
		{"too many requests", awsError(429, "TooManyRequestsException", ""), rules.Throttled, nil, 3, "TooManyRequests"},
		{"a proxy's 429", raw(429, "text/html", "slow down"), rules.Throttled, nil, 1, "HTTP 429"},
		{"a refused question", awsError(400, "com.amazon.coral.validate#ValidationException", "ValidationError;Sender"), rules.ConfigFault, nil, 1, "ValidationError"},
		{"a refused value", awsError(400, "InvalidParameterValueException", "InvalidParameterValue;Sender"), rules.ConfigFault, nil, 1, "InvalidParameterValue"},
		{"not found", awsError(404, "com.amazonaws.cloudwatch.v2010_08_01#ResourceNotFound", ""), rules.ConfigFault, nil, 1, "ResourceNotFound"},
		{"a proxy's 404", raw(404, "text/html", "<html>"), rules.ConfigFault, nil, 1, "HTTP 404"},
		{"access denied", awsError(403, "AccessDeniedException", ""), rules.AuthFault, nil, 1, "AccessDenied"},
		{"an expired token", awsError(400, "ExpiredTokenException", ""), rules.AuthFault, nil, 1, "ExpiredToken"},
		{"an unknown key", awsError(403, "UnrecognizedClientException", ""), rules.AuthFault, nil, 1, "UnrecognizedClient"},
		{"a proxy's 403", raw(403, "text/html", "<html>"), rules.AuthFault, nil, 1, "HTTP 403"},
		{"an internal fault", awsError(500, "InternalServiceFault", "InternalServiceError;Receiver"), rules.Unavailable, nil, 3, "InternalServiceError"},
		{"a gateway's 503", raw(503, "text/html", "<html>"), rules.Unavailable, nil, 3, "HTTP 503"},
		{"a gateway's 502", raw(502, "text/html", "<html>"), rules.Unavailable, nil, 3, "HTTP 502"},
		{"PartialData and no more pages", each(func(id string) m { return result(id, "PartialData", at(1), 5) }), rules.PartialData, five, 1, "PartialData"},
		{"InternalError", each(func(id string) m { return result(id, "InternalError", at(1), 5) }), rules.Unavailable, nil, 1, "internal error"},
		{"Forbidden", each(func(id string) m { return result(id, "Forbidden") }), rules.AuthFault, nil, 1, "forbidden"},
		{"no status", each(with("StatusCode", nil)), rules.PartialData, five, 1, "status"},
		{"a status of tomorrow", each(with("StatusCode", "Delayed")), rules.PartialData, five, 1, "Delayed"},
		{"several units", each(with("Messages", []any{m{"Code": "MultipleUnits", "Value": "Multiple units returned: '[Count, None]'"}})), rules.ConfigFault, nil, 1, "the query's unit"},
		{"a message on a result", each(with("Messages", []any{m{"Code": "Odd", "Value": "things"}})), rules.PartialData, five, 1, "Odd: things"},
		{"more values than timestamps", each(with("Values", []any{5.0, 6.0})), rules.Unavailable, nil, 1, "1 timestamps for 2"},
		{"NaN", each(with("Values", []any{nan()})), rules.PartialData, nil, 1, "NaN"},
		{"infinity", each(with("Values", []any{inf()})), rules.PartialData, nil, 1, "+Inf"},
		{"a period between periods", each(with("Timestamps", []any{stamp(t0 + 61)})), rules.PartialData, nil, 1, "not aligned"},
		{"a period before the range", each(with("Timestamps", []any{stamp(t0 - 600)})), rules.NoData, nil, 1, "no datapoint"},
		{"a period of long ago", each(with("Timestamps", []any{stamp(0)})), rules.PartialData, nil, 1, "not asked for"},
		{"a period behind the range", each(with("Timestamps", []any{stamp(t0 + 600)})), rules.PartialData, nil, 1, "not asked for"},
		{"a value is null", each(with("Values", []any{nil})), rules.Unavailable, nil, 1, "a null among the values"},
		{"a timestamp is null", each(with("Timestamps", []any{nil})), rules.Unavailable, nil, 1, "a null among the values"},
		{"a timestamp is a tagged null", each(with("Timestamps", []any{cbor.Tag{Number: 1}})), rules.Unavailable, nil, 1, "unreadable answer"},
		{"an integer that ends like a null", each(with("Values", []any{246})), rules.OK, []rules.Point{{At: t0 + 60, Value: 246, Samples: 246}}, 1, ""},
		{"all values are null", each(with("Values", nil)), rules.Unavailable, nil, 1, "1 timestamps for 0"},
		{"a period twice", each(func(id string) m { return result(id, "Complete", at(1), 4, at(1), 5) }), rules.PartialData, five, 1, "two values"},
		{"a top-level message", func(c call) (int, map[string]string, any) {
			r := results(result(c.Queries[0].ID, "Complete", at(1), 5), result(c.Queries[1].ID, "Complete", at(1), 5))
			r["Messages"] = []any{m{"Code": "MaxMetricsExceeded", "Value": "Maximum number of allowed metrics exceeded"}}
			return 200, nil, r
		}, rules.PartialData, five, 1, "MaxMetricsExceeded"},
		{"an Id is missing", func(c call) (int, map[string]string, any) {
			return 200, nil, results(result(c.Queries[1].ID, "Complete", at(1), 5))
		}, rules.PartialData, nil, 1, "not in the answer"},
		{"only foreign Ids", func(call) (int, map[string]string, any) {
			return 200, nil, results(result("zz", "Complete", at(1), 5))
		}, rules.Unavailable, nil, 1, "none of the 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, p := newSource(t, &fake{answer: tt.answer})
			got := fetch(t, s, want(errorRate(), 0, 10))[0]
			if got.Fault != tt.fault || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("fault %d %q, want %d with %q", got.Fault, got.Detail, tt.fault, tt.detail)
			}
			if diff := cmp.Diff(tt.points, got.Points); diff != "" {
				t.Errorf("points (-want +got):\n%s", diff)
			}
			st := s.Stats()
			if st.Requests != tt.requests || st.Retries != tt.requests-1 || len(p.slept) != int(tt.requests)-1 {
				t.Errorf("%d requests, %d retries, %d pauses; want %d requests", st.Requests, st.Retries, len(p.slept), tt.requests)
			}
			if throttled := tt.fault == rules.Throttled; throttled != (got.RetryAt > now().Unix()) {
				t.Errorf("fault %d: retry at %d (now %d)", got.Fault, got.RetryAt, now().Unix())
			}
			if settled := got.SettledUntil != 0; settled != (got.Fault == rules.OK || got.Fault == rules.NoData) {
				t.Errorf("fault %d: settled until %d", got.Fault, got.SettledUntil)
			}
			if strings.Contains(got.Detail, "hidden") || strings.Contains(got.Detail, "127.0.0.1") {
				t.Errorf("a secret in %q", got.Detail)
			}
		})
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	tests := []struct {
		header string
		want   int64
	}{
		{"40", 40}, {"99999999", 3600}, {"nonsense", 15}, {"-3", 15},
		{"Wed, 04 Jun 2025 00:02:00 GMT", 120},
	}
	for _, tt := range tests {
		s, _ := newSource(t, &fake{answer: func(call) (int, map[string]string, any) {
			h := map[string]string{"Retry-After": tt.header, "Date": "Wed, 04 Jun 2025 00:00:00 GMT"}
			return 400, h, m{"__type": "ThrottlingException"}
		}})
		got := fetch(t, s, want(errorRate(), 0, 10))[0]
		if w := now().Unix() + tt.want; got.RetryAt != w {
			t.Errorf("Retry-After %q: retry at now%+d s, want now%+d s", tt.header, got.RetryAt-now().Unix(), tt.want)
		}
		if n := s.Stats().Throttled; n != 3 {
			t.Errorf("%d answers counted as throttled, want 3", n)
		}
	}
}

func TestRetryThenAnswer(t *testing.T) {
	n := 0
	good := byStat(map[string][]float64{"Count Sum": {at(0), 9}})
	f := &fake{}
	f.answer = func(c call) (int, map[string]string, any) {
		if n++; n < 3 {
			return 500, nil, m{"__type": "InternalServiceFault"}
		}
		return good(c)
	}
	s, p := newSource(t, f)
	got := fetch(t, s, want(errorRate(), 0, 10))[0]
	if got.Fault != rules.OK || len(got.Points) != 1 || len(p.slept) != 2 {
		t.Errorf("fault %d, %d points, %d pauses; want an answer after two pauses", got.Fault, len(got.Points), len(p.slept))
	}
}

func TestDeadline(t *testing.T) {
	release := make(chan struct{})
	s, _ := newSource(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for i, r := range s.Fetch(ctx, now(), []sources.Want{want(errorRate(), 0, 10), want(alarm("a"), 0, 10)}) {
		if r.Fault != rules.Unavailable || !strings.Contains(r.Detail, "deadline") || len(r.Points) != 0 {
			t.Errorf("reading %d: fault %d %q", i, r.Fault, r.Detail)
		}
	}
}

func TestUnreachable(t *testing.T) {
	s, _ := newSource(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}))
	got := fetch(t, s, want(errorRate(), 0, 10))[0]
	if got.Fault != rules.Unavailable || got.Detail == "" || strings.Contains(got.Detail, "127.0.0.1") {
		t.Errorf("fault %d %q, want unavailable without an address", got.Fault, got.Detail)
	}
}
