package sentry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/sentry"
	"github.com/relgate/relgate/sources/sentry/kind"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "sntrys_secret"

var noon = time.Date(2025, 6, 4, 12, 0, 0, 0, time.UTC)

// fake is a Sentry whose answer is a function of the request's query.
type fake struct {
	*httptest.Server
	asked  []url.Values
	slept  []time.Duration
	answer func(w http.ResponseWriter, q url.Values)
}

func newFake(t testing.TB, answer func(w http.ResponseWriter, q url.Values)) *fake {
	f := &fake{answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/api/0/organizations/bio%2Fage/sessions/" && r.URL.EscapedPath() != "/api/0/organizations/bio%2Fage/sessions/" {
			t.Errorf("asked %s %s", r.Method, r.URL.EscapedPath())
		}
		if got := r.Header.Get("Authorization"); got != "Bearer "+token {
			t.Errorf("got authorization %q", got)
		}
		q := r.URL.Query()
		f.asked = append(f.asked, q)
		f.answer(w, q)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) source(t testing.TB) *sentry.Source {
	t.Helper()
	s, err := sentry.New(sentry.Config{
		Name: "sentry", BaseURL: f.URL, Org: "bio/age", Token: token,
		Pause: func(ctx context.Context, d time.Duration) error { f.slept = append(f.slept, d); return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseIdleConnections)
	return s
}

// series answers with a number of sessions for each status and period of the
// range asked for.
func series(count func(status string, at int64) any) func(w http.ResponseWriter, q url.Values) {
	return func(w http.ResponseWriter, q url.Values) {
		fmt.Fprint(w, seriesBody(q.Get("start"), q.Get("end"), q.Get("interval"), count))
	}
}

func seriesBody(start, end, interval string, count func(status string, at int64) any) string {
	from, to, width := unix(start), unix(end), int64(60)
	if n, ok := strings.CutSuffix(interval, "h"); ok {
		h, _ := strconv.ParseInt(n, 10, 64)
		width = h * 3600
	}
	var at []string
	for t := from; t < to; t += width {
		at = append(at, time.Unix(t, 0).UTC().Format(time.RFC3339))
	}
	groups := []any{}
	for _, status := range []string{"healthy", "errored", "abnormal", "crashed"} {
		values := []any{}
		for t := from; t < to; t += width {
			v := count(status, t)
			values = append(values, v)
		}
		if len(values) > 0 && values[0] != absent {
			groups = append(groups, map[string]any{"by": map[string]any{"session.status": status}, "series": map[string]any{"sum(session)": values}})
		}
	}
	b, err := json.Marshal(map[string]any{"start": start, "end": end, "query": "", "intervals": at, "groups": groups})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// absent is the count of a status that the answer leaves out.
const absent = "absent"

func unix(stamp string) int64 {
	t, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		panic(err)
	}
	return t.Unix()
}

// usual is a release with 2 crashes in 100 sessions a minute.
func usual(status string, _ int64) any {
	return map[string]any{"healthy": 90, "errored": 5, "abnormal": 3, "crashed": 2}[status]
}

func want(index int, minutes int64) sources.Want {
	return sources.Want{
		Run: "p", Index: index, From: noon.Unix() - minutes*60, To: noon.Unix(),
		Signal: &rules.Signal{
			Name: "crash_free", Source: "sentry", Kind: rules.Ratio, Good: true, Period: time.Minute, Settle: 2 * time.Minute,
			Query: rules.Query{Ask: &kind.Query{Project: "bioage-ios", Release: `com.bioage.app@1.0.0+100`, Environment: "production"}},
		},
	}
}

func point(minutesBeforeNoon int64, crashed, all float64) rules.Point {
	return rules.Point{At: noon.Unix() - minutesBeforeNoon*60, Value: crashed, Samples: all}
}

func TestSessionsAreCounted(t *testing.T) {
	f := newFake(t, series(usual))
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(3, 4)})
	w := rules.Reading{
		Signal: 3, From: noon.Unix() - 240, To: noon.Unix(), SettledUntil: noon.Unix() - 120,
		Points: []rules.Point{point(4, 2, 100), point(3, 2, 100), point(2, 2, 100), point(1, 2, 100)},
	}
	if len(got) != 1 || !reflect.DeepEqual(got[0], w) {
		t.Errorf("got %+v, want %+v", got, w)
	}
	asked := url.Values{
		"field": {"sum(session)"}, "groupBy": {"session.status"}, "query": {`release:"com.bioage.app@1.0.0+100"`},
		"project": {"bioage-ios"}, "environment": {"production"}, "interval": {"1m"},
		"start": {"2025-06-04T11:56:00Z"}, "end": {"2025-06-04T12:00:00Z"}, "includeTotals": {"1"}, "includeSeries": {"1"},
	}
	if len(f.asked) != 1 || !reflect.DeepEqual(f.asked[0], asked) {
		t.Errorf("asked %v, want %v", f.asked, asked)
	}
}

func TestARunningBucketIsToldButNotSettled(t *testing.T) {
	f := newFake(t, series(usual))
	w := want(0, 4)
	w.Signal.Settle = 0
	w.To = noon.Unix() + 60
	got := f.source(t).Fetch(t.Context(), noon.Add(30*time.Second), []sources.Want{w})[0]
	if len(got.Points) != 5 || got.Points[4].At != noon.Unix() || got.SettledUntil != noon.Unix() {
		t.Errorf("got %+v, want the period of noon, and settled until noon", got)
	}
}

func TestTheFutureIsNotAsked(t *testing.T) {
	f := newFake(t, series(usual))
	w := want(0, 4)
	w.To = noon.Unix() + 3600
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{w})[0]
	if end := f.asked[0].Get("end"); end != "2025-06-04T12:01:00Z" || got.SettledUntil != noon.Unix()-120 {
		t.Errorf("asked until %s, settled %d", end, got.SettledUntil)
	}
}

func TestWhatIsNotKnownIsAbsent(t *testing.T) {
	tests := []struct {
		name   string
		count  func(status string, at int64) any
		points []rules.Point
		fault  rules.Fault
	}{
		{"no sessions at all", func(string, int64) any { return 0 }, nil, rules.NoData},
		{"all null", func(string, int64) any { return nil }, nil, rules.NoData},
		{"a minute without sessions", func(s string, at int64) any {
			if at == noon.Unix()-120 {
				return 0
			}
			return usual(s, at)
		}, []rules.Point{point(3, 2, 100), point(1, 2, 100)}, rules.OK},
		{"a null among the crashes", func(s string, at int64) any {
			if at == noon.Unix()-120 && s == "crashed" {
				return nil
			}
			return usual(s, at)
		}, []rules.Point{point(3, 2, 100), point(1, 2, 100)}, rules.OK},
		{"no crash", func(s string, at int64) any {
			if s == "healthy" {
				return 7
			}
			return 0
		}, []rules.Point{point(3, 0, 7), point(2, 0, 7), point(1, 0, 7)}, rules.OK},
		{"nothing but crashes", func(s string, at int64) any {
			if s == "crashed" {
				return 7
			}
			return 0
		}, []rules.Point{point(3, 7, 7), point(2, 7, 7), point(1, 7, 7)}, rules.OK},
		{"errors are no crashes", func(s string, at int64) any {
			if s == "errored" || s == "abnormal" {
				return 7
			}
			return 0
		}, []rules.Point{point(3, 0, 14), point(2, 0, 14), point(1, 0, 14)}, rules.OK},
	}
	for _, tt := range tests {
		f := newFake(t, series(tt.count))
		got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 3)})[0]
		if got.Fault != tt.fault || len(got.Points)+len(tt.points) > 0 && !reflect.DeepEqual(got.Points, tt.points) {
			t.Errorf("%s: got %+v, want %v with fault %q", tt.name, got, tt.points, tt.fault)
		}
		if got.Fault != rules.OK && got.SettledUntil != 0 {
			t.Errorf("%s: watermark %d beside a fault", tt.name, got.SettledUntil)
		}
	}
}

const noMinutes = `{"detail":"The interval has to be a multiple of the minimum interval of one hour."}`

func TestHoursWhenThereAreNoMinutes(t *testing.T) {
	f := newFake(t, nil)
	f.answer = func(w http.ResponseWriter, q url.Values) {
		if q.Get("interval") != "1h" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, noMinutes)
			return
		}
		series(usual)(w, q)
	}
	s := f.source(t)
	intervals := func() (out []string) {
		for _, q := range f.asked {
			out = append(out, q.Get("interval"))
		}
		f.asked = nil
		return out
	}
	now := noon.Add(30 * time.Minute)
	w := want(0, 90) // from 10:30
	w.To = now.Unix()
	got := s.Fetch(t.Context(), now, []sources.Want{w})[0]
	points := []rules.Point{point(120, 2, 100), point(60, 2, 100), point(0, 2, 100)}
	if got.Width != 3600 || got.SettledUntil != noon.Unix() || got.Fault != rules.OK || !reflect.DeepEqual(got.Points, points) {
		t.Errorf("got %+v, want hours %v settled until noon", got, points)
	}
	if q := f.asked[1]; q.Get("start") != "2025-06-04T10:00:00Z" || q.Get("end") != "2025-06-04T13:00:00Z" {
		t.Errorf("asked from %s to %s, want whole hours", q.Get("start"), q.Get("end"))
	}
	if got := intervals(); !reflect.DeepEqual(got, []string{"1m", "1h"}) {
		t.Errorf("asked %v, want minutes, then hours", got)
	}
	s.Fetch(t.Context(), now.Add(time.Minute), []sources.Want{w})
	if got := intervals(); !reflect.DeepEqual(got, []string{"1h"}) {
		t.Errorf("a minute later asked %v, want hours", got)
	}
	s.Fetch(t.Context(), now.Add(25*time.Hour), []sources.Want{w})
	if got := intervals(); !reflect.DeepEqual(got, []string{"1m", "1h"}) {
		t.Errorf("a day later asked %v, want minutes tried again", got)
	}
}

func TestAnAnswerInHoursIsReadAsHours(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ url.Values) {
		fmt.Fprint(w, seriesBody("2025-06-04T11:00:00Z", "2025-06-04T12:00:00Z", "1h", usual))
	})
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 30)})[0]
	if got.Width != 3600 || got.SettledUntil != noon.Unix()-3600 && got.SettledUntil != 0 || len(got.Points) != 1 || got.Fault != rules.OK {
		t.Errorf("got %+v, want one hour as wide as it is", got)
	}
}

func TestAnAnswerThatEndsEarlySettlesNoMore(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, q url.Values) {
		fmt.Fprint(w, seriesBody(q.Get("start"), "2025-06-04T11:57:00Z", "1m", usual))
	})
	w := want(0, 10)
	w.Signal.Settle = 0
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{w})[0]
	if got.SettledUntil != noon.Unix()-180 || len(got.Points) != 7 || got.Fault != rules.OK || len(f.asked) != 1 {
		t.Errorf("got %+v in %d requests, want what there was and a watermark at its end", got, len(f.asked))
	}
}

func TestLongRangesAreAskedInParts(t *testing.T) {
	f := newFake(t, series(usual))
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 1500)})[0]
	if len(got.Points) != 1500 || len(f.asked) != 3 || got.SettledUntil != noon.Unix()-120 {
		t.Errorf("got %d points in %d requests until %d, want 1500 in 3", len(got.Points), len(f.asked), got.SettledUntil)
	}
	n := 0
	f.answer = func(w http.ResponseWriter, q url.Values) {
		if n++; n > 1 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		series(usual)(w, q)
	}
	got = f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 1500)})[0]
	if len(got.Points) != 720 || got.Fault != rules.AuthFault || got.SettledUntil != 0 {
		t.Errorf("got %d points, fault %q, until %d, want the first part without a watermark", len(got.Points), got.Fault, got.SettledUntil)
	}
}

func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	f := newFake(t, series(usual))
	other := want(2, 4)
	other.Signal.Query = rules.Query{Ask: &kind.Query{Project: "p", Release: `odd "name"@1`}}
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 4), want(1, 4), other})
	if len(f.asked) != 2 || got[1].Signal != 1 || !reflect.DeepEqual(got[0].Points, got[1].Points) {
		t.Errorf("%d requests, want 2; got %+v", len(f.asked), got)
	}
	q := f.asked[1]
	if q.Get("query") != `release:"odd \"name\"@1"` || q.Has("environment") {
		t.Errorf("asked %v, want the quotes escaped and no environment", q)
	}
}

func TestPagesAreJoined(t *testing.T) {
	statuses := []string{"healthy errored", "crashed abnormal"}
	f := newFake(t, nil)
	f.answer = func(w http.ResponseWriter, q url.Values) {
		page := 0
		if q.Get("cursor") == "0:1:0" {
			page = 1
		}
		w.Header().Add("Link", `<https://evil.example.com/?cursor=x>; rel="previous"; results="true"; cursor="0:0:1"`)
		if page == 0 {
			w.Header().Add("Link", `<https://evil.example.com/?cursor=0:1:0>; rel="next"; results="true"; cursor="0:1:0"`)
		} else {
			w.Header().Add("Link", `<https://evil.example.com/?cursor=0:2:0>; rel="next"; results="false"; cursor="0:2:0"`)
		}
		series(func(s string, at int64) any {
			if strings.Contains(statuses[page], s) {
				return 5
			}
			return absent
		})(w, q)
	}
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 1)})[0]
	if len(f.asked) != 2 || !reflect.DeepEqual(got.Points, []rules.Point{point(1, 5, 20)}) {
		t.Errorf("got %+v in %d requests, want both statuses", got, len(f.asked))
	}
	f.answer = func(w http.ResponseWriter, q url.Values) {
		w.Header().Set("Link", `<x>; rel="next"; results="true"; cursor="1"`)
		fmt.Fprint(w, strings.Replace(seriesBody(q.Get("start"), q.Get("end"), "1m", usual), `"groups":[`, `"groups":[],"x":[`, 1))
	}
	if got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 1)})[0]; got.Fault != rules.PartialData || got.SettledUntil != 0 {
		t.Errorf("pages without end: got %+v, want partial data", got)
	}
}

func TestRefusalsAreClassified(t *testing.T) {
	at := func(d time.Duration) string { return strconv.FormatInt(noon.Add(d).Unix(), 10) }
	tests := []struct {
		name    string
		code    int
		body    string
		headers []string
		fault   rules.Fault
		detail  string
		retryAt time.Duration
		asked   int
	}{
		{"a bad token", 401, `{"detail":"Invalid token"}`, nil, rules.AuthFault, "401: Invalid token", 0, 1},
		{"a token without the scope", 403, `{"detail":"You do not have permission to perform this action."}`, nil, rules.AuthFault, "permission", 0, 1},
		{"single sign-on", 403, `{"detail":{"code":"sso-required","message":"Must login via SSO"}}`, nil, rules.AuthFault, "sso-required Must login via SSO", 0, 1},
		{"a wrong org", 404, `{"detail":"The requested resource does not exist"}`, nil, rules.ConfigFault, "does not exist", 0, 1},
		{"a wrong query", 400, `{"detail":"Invalid condition: wildcard search is not supported"}`, nil, rules.ConfigFault, "wildcard", 0, 1},
		{"an interval that no hour heals", 400, `{"detail":"The interval should divide one day without a remainder."}`, nil, rules.ConfigFault, "one day", 0, 1},
		{"no minutes and no hours", 400, noMinutes, nil, rules.ConfigFault, "minimum interval", 0, 2},
		{"too often, window ends in a minute", 429, `{"detail":"too frequently"}`, []string{"X-Sentry-Rate-Limit-Remaining", "0", "X-Sentry-Rate-Limit-Reset", at(time.Minute)}, rules.Throttled, "too frequently", time.Minute, 1},
		{"too often, window ends soon", 429, `{"detail":"too frequently"}`, []string{"X-Sentry-Rate-Limit-Remaining", "0", "X-Sentry-Rate-Limit-Reset", at(2 * time.Second)}, rules.Throttled, "too frequently", -1, 3},
		{"too many at once", 429, `{"detail":"concurrency"}`, []string{"X-Sentry-Rate-Limit-Remaining", "20", "X-Sentry-Rate-Limit-Reset", at(time.Minute)}, rules.Throttled, "concurrency", 0, 3},
		{"a proxy's Retry-After", 429, ``, []string{"Retry-After", "30"}, rules.Throttled, "Too Many", 30 * time.Second, 1},
		{"an old endpoint's complaint", 200, `{"detail":"You are attempting to use this endpoint too quickly. Limit is 3/1s"}`, nil, rules.PartialData, "lacks", 0, 1},
		{"an echo of the token", 400, `{"detail":"bad ` + token + `"}`, nil, rules.ConfigFault, "bad [redacted]", 0, 1},
		{"a failure", 500, `{"detail":"Internal Error"}`, nil, rules.Unavailable, "Internal Error", 0, 3},
		{"a proxy's page", 200, `<html>`, nil, rules.Unavailable, "answered with HTML, not JSON", 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, func(w http.ResponseWriter, _ url.Values) {
				for i := 0; i < len(tt.headers); i += 2 {
					w.Header().Set(tt.headers[i], tt.headers[i+1])
				}
				w.WriteHeader(tt.code)
				fmt.Fprint(w, tt.body)
			})
			got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 3)})[0]
			if got.Fault != tt.fault || !strings.Contains(got.Detail, tt.detail) || strings.Contains(got.Detail, token) {
				t.Errorf("got %q %q, want %q with %q", got.Fault, got.Detail, tt.fault, tt.detail)
			}
			if got.Points != nil || got.SettledUntil != 0 || len(f.asked) != tt.asked {
				t.Errorf("got %+v in %d requests, want nothing in %d", got, len(f.asked), tt.asked)
			}
			if tt.retryAt >= 0 {
				at := int64(0)
				if tt.retryAt > 0 {
					at = noon.Add(tt.retryAt).Unix()
				}
				if got.RetryAt != at {
					t.Errorf("retry at %d, want %d", got.RetryAt, at)
				}
			}
		})
	}
}

func TestAThrottledBatchStops(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ url.Values) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	s := f.source(t)
	got := s.Fetch(t.Context(), noon, []sources.Want{want(0, 3), want(1, 5), want(2, 7)})
	for i, r := range got {
		if r.Fault != rules.Throttled || r.RetryAt != noon.Unix()+60 || r.Signal != i {
			t.Errorf("got %+v, want throttled for a minute", r)
		}
	}
	if len(f.asked) != 1 || s.Stats().Throttled != 1 {
		t.Errorf("%d requests and %+v, want the rest not asked", len(f.asked), s.Stats())
	}
}

func TestTheBudgetIsTold(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, q url.Values) {
		w.Header().Set("X-Sentry-Rate-Limit-Remaining", "39")
		series(usual)(w, q)
	})
	s := f.source(t)
	if got := s.Stats().RateRemaining; got != -1 {
		t.Errorf("got %v before the first answer, want -1", got)
	}
	s.Fetch(t.Context(), noon, []sources.Want{want(0, 3)})
	if got := s.Stats(); got.RateRemaining != 39 || got.Requests != 1 {
		t.Errorf("got %+v, want 39 left after 1 request", got)
	}
}

func TestQuestionsThatCannotBeAsked(t *testing.T) {
	f := newFake(t, series(usual))
	change := []func(*rules.Signal){
		func(s *rules.Signal) { s.Query = rules.Query{} },
		func(s *rules.Signal) { s.Kind = rules.Gauge },
		func(s *rules.Signal) { kind.Of(s.Query).Release = "" },
		func(s *rules.Signal) { kind.Of(s.Query).Release = "com.bioage.app@1.*" },
		func(s *rules.Signal) { s.Period = 0 },
		func(s *rules.Signal) { s.Period = 7 * time.Minute },
	}
	for i, c := range change {
		w := want(i, 3)
		c(w.Signal)
		got := f.source(t).Fetch(t.Context(), noon, []sources.Want{w})[0]
		if got.Fault != rules.ConfigFault || got.Signal != i || got.Detail == "" {
			t.Errorf("%d: got %+v, want a config fault", i, got)
		}
	}
	if len(f.asked) != 0 {
		t.Errorf("%d requests, want none", len(f.asked))
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	for _, cfg := range []sentry.Config{
		{BaseURL: "https://sentry.io", Token: "t"}, {BaseURL: "https://sentry.io", Org: "o"}, {Org: "o", Token: token, BaseURL: token},
	} {
		if _, err := sentry.New(cfg); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%+v: got %v", cfg, err)
		}
	}
}
