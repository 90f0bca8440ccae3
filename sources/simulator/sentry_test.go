package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/sources/simulator"
)

const sessionsURL = "/api/0/organizations/bioage/sessions/"

type sessionsAnswer struct {
	Start, End string
	Intervals  []string
	Groups     []struct {
		By     map[string]any
		Totals map[string]*float64
		Series map[string][]*float64
	}
	Detail string
}

func get(t *testing.T, target, token string, into any) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatalf("answer %q: %v", body, err)
		}
	}
	return resp, string(body)
}

func sessionsOf(release string, more ...string) string {
	v := url.Values{"field": {"sum(session)"}, "groupBy": {"session.status"}, "project": {"bioage-ios"}, "environment": {"production"},
		"query": {`release:"` + release + `"`}, "interval": {"1m"}, "start": {"2025-06-04T03:00:30"}, "end": {"2025-06-04T03:30:10Z"}}
	for i := 0; i < len(more); i += 2 {
		if more[i+1] == "" {
			v.Del(more[i])
			continue
		}
		v[more[i]] = strings.Split(more[i+1], "|")
	}
	return v.Encode()
}

const (
	release  = "com.bioage.app@1.0.0+100"
	previous = "com.bioage.app@0.9.8+92"
)

func TestSentryCountsSessionsByStatus(t *testing.T) {
	_, clk, base := upstream(t, "sentry", "healthy")
	clk.at(2 * time.Hour)
	var got sessionsAnswer
	resp, _ := get(t, base+sessionsURL+"?"+sessionsOf(release), "sntrys_x", &got)
	if resp.StatusCode != 200 || got.Start != "2025-06-04T03:00:00Z" || got.End != "2025-06-04T03:31:00Z" || len(got.Intervals) != 31 {
		t.Fatalf("status %d, %s to %s, %d intervals; want 200 and the range rounded outward", resp.StatusCode, got.Start, got.End, len(got.Intervals))
	}
	if resp.Header.Get("X-Sentry-Rate-Limit-Remaining") == "" || resp.Header.Get("X-Sentry-Rate-Limit-Reset") == "" {
		t.Errorf("headers %v, want Sentry's rate limit", resp.Header)
	}
	counts := map[string]float64{}
	for _, g := range got.Groups {
		status := g.By["session.status"].(string)
		for _, v := range g.Series["sum(session)"] {
			counts[status] += *v
		}
		if total := *g.Totals["sum(session)"]; total != counts[status] {
			t.Errorf("%s: total %v, series sums to %v", status, total, counts[status])
		}
	}
	all := counts["healthy"] + counts["errored"] + counts["abnormal"] + counts["crashed"]
	if len(counts) != 4 || all < 500 || counts["crashed"] == 0 || counts["crashed"]/all > 0.005 {
		t.Errorf("counts %v, want four statuses, some crashes, below 0.5 %%", counts)
	}
}

func TestSentryRefusesInItsOwnWords(t *testing.T) {
	_, clk, base := upstream(t, "sentry", "healthy")
	clk.at(2 * time.Hour)
	for _, tt := range []struct {
		more   []string
		status int
		detail string
	}{
		{[]string{"interval", "7m"}, 400, "The interval should divide one day without a remainder."},
		{[]string{"interval", "2d"}, 400, "The interval has to be less than one day."},
		{[]string{"interval", "90s"}, 400, "The interval has to be a multiple of the minimum interval of one minute."},
		{[]string{"start", "2025-06-01T00:00:00Z"}, 400, "Your interval and date range would create too many results. Use a larger interval, or a smaller date range."},
		{[]string{"field", ""}, 400, `Request is missing a "field"`},
		{[]string{"field", "sum(sessions)"}, 400, `Invalid field: "sum(sessions)"`},
		{[]string{"groupBy", "version"}, 400, `Invalid groupBy: "version"`},
		{[]string{"field", "crash_free_rate(session)"}, 400, "Cannot group field crash_free_rate(session) by session.status"},
		{[]string{"query", "release:com.bioage.app@*"}, 400, "Invalid condition: wildcard search is not supported"},
		{[]string{"project", "other"}, 403, "You do not have permission to perform this action."},
	} {
		var got sessionsAnswer
		resp, _ := get(t, base+sessionsURL+"?"+sessionsOf(release, tt.more...), "t", &got)
		if resp.StatusCode != tt.status || got.Detail != tt.detail {
			t.Errorf("%v: %d %q, want %d %q", tt.more, resp.StatusCode, got.Detail, tt.status, tt.detail)
		}
	}
}

func TestSentryKnowsItsTokenAndItsPaths(t *testing.T) {
	scenario, err := simulator.Load("healthy")
	if err != nil {
		t.Fatal(err)
	}
	_, _, base := serve(t, "sentry", simulator.Config{Scenario: scenario, SentryToken: "right"})
	for _, tt := range []struct {
		path, token string
		status      int
	}{
		{sessionsURL, "right", 200},
		{sessionsURL, "wrong", 401},
		{sessionsURL, "", 401},
		{"/api/0/organizations/other/sessions/", "right", 404},
		{"/api/0/organizations/bioage/sessions", "right", 404},
	} {
		if resp, body := get(t, base+tt.path+"?"+sessionsOf(release), tt.token, nil); resp.StatusCode != tt.status {
			t.Errorf("%s with token %q: %d %s, want %d", tt.path, tt.token, resp.StatusCode, body, tt.status)
		}
	}
}

func TestSentryAtAResolutionOfAnHour(t *testing.T) {
	scenario, err := simulator.Parse("hourly", "[sentry]\nresolution = \"1h\"\n")
	if err != nil {
		t.Fatal(err)
	}
	_, clk, base := serve(t, "sentry", simulator.Config{Scenario: scenario})
	clk.at(3 * time.Hour)
	var got sessionsAnswer
	get(t, base+sessionsURL+"?"+sessionsOf(release), "t", &got)
	if want := "The interval has to be a multiple of the minimum interval of one hour."; got.Detail != want {
		t.Errorf("one minute: %q, want %q", got.Detail, want)
	}
	got = sessionsAnswer{}
	get(t, base+sessionsURL+"?"+sessionsOf(release, "interval", "1h"), "t", &got)
	if len(got.Intervals) != 1 || len(got.Groups) != 4 {
		t.Errorf("one hour: %+v, want one interval and four groups", got)
	}
}

func TestSentryHasNothingOfUnknownReleases(t *testing.T) {
	_, clk, base := upstream(t, "sentry", "healthy")
	clk.at(2 * time.Hour)
	var got sessionsAnswer
	_, body := get(t, base+sessionsURL+"?"+sessionsOf("com.bioage.app@9.9.9+1"), "t", &got)
	if got.Groups == nil || len(got.Groups) != 0 {
		t.Errorf("got %s, want an empty list of groups", body)
	}
	got = sessionsAnswer{}
	get(t, base+sessionsURL+"?"+sessionsOf("com.bioage.app@9.9.9+1", "groupBy", "", "field", "crash_free_rate(session)"), "t", &got)
	if len(got.Groups) != 1 || got.Groups[0].Totals["crash_free_rate(session)"] != nil {
		t.Errorf("ungrouped rate of nothing: %+v, want null", got.Groups)
	}
}
