package grafana_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/grafana"
	"github.com/relgate/relgate/exporters/grafana/grafanatest"
)

const token = "glsa_secretsecretsecret_12345678"

// open serves a Grafana and makes a client of it.
func open(t *testing.T, prefix string) (*grafanatest.Server, *grafana.Client) {
	t.Helper()
	fake := grafanatest.New(token, prefix)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return fake, client(t, server.URL+prefix)
}

func client(t *testing.T, address string) *grafana.Client {
	t.Helper()
	c, err := grafana.New(grafana.Config{URL: address, Token: token, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

var everything = grafana.Wanted{
	Board:  grafana.Board{BaseURL: "https://relgate.example.com", Datasource: "prom"},
	Alerts: true, Plans: []string{"shop", "REL-2025-06-04"},
}

func mustSync(t *testing.T, c *grafana.Client, w grafana.Wanted) []grafana.Change {
	t.Helper()
	done, err := c.Sync(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// dids is what became of each thing, in order.
func dids(changes []grafana.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.What+" "+c.Name+" "+string(c.Did))
	}
	return strings.Join(all, "\n")
}

func writes(requests []string) []string {
	return slices.DeleteFunc(slices.Clone(requests), func(r string) bool { return strings.HasPrefix(r, "GET ") })
}

func TestSyncTwiceChangesNothing(t *testing.T) {
	for _, prefix := range []string{"", "/grafana", "/a/b"} {
		fake, c := open(t, prefix)
		want := "folder relgate made\ndashboard relgate made\nalerts relgate-shop made\nalerts relgate-REL-2025-06-04 made"
		if got := dids(mustSync(t, c, everything)); got != want {
			t.Errorf("%q: first:\n%s\nwant\n%s", prefix, got, want)
		}
		state, asked := fake.State(), len(fake.Requests())
		if got := dids(mustSync(t, c, everything)); got != strings.ReplaceAll(want, "made", "unchanged") {
			t.Errorf("%q: second:\n%s", prefix, got)
		}
		if w := writes(fake.Requests()[asked:]); fake.State() != state || len(w) > 0 {
			t.Errorf("%q: the second time it wrote %q", prefix, w)
		}
	}
}

// Alert rules are there only where they are asked for: one rollback must not page by two
// ways.
func TestAlertRulesAreWrittenOnlyWhereAsked(t *testing.T) {
	fake, c := open(t, "")
	w := everything
	w.Alerts = false
	if got := dids(mustSync(t, c, w)); got != "folder relgate made\ndashboard relgate made" {
		t.Errorf("got\n%s", got)
	}
	if strings.Contains(fake.State(), "RelgateRollbackOrdered") {
		t.Error("there are alert rules although the config asks for none")
	}
}

// A sync that is killed at any request, before Grafana did it or after, leaves one of
// everything once it is run again.
func TestSyncKilledAtEachStepLeavesOneOfEverything(t *testing.T) {
	calm, c := open(t, "")
	mustSync(t, c, everything)
	steps := len(calm.Requests())
	if steps < 10 {
		t.Fatalf("%d requests", steps)
	}
	for _, after := range []bool{false, true} {
		for step := range steps {
			fake, c := open(t, "")
			ctx, kill := context.WithCancel(t.Context())
			n := 0
			fake.Answer(func(r *http.Request) grafanatest.Mode {
				if n++; n <= step {
					return grafanatest.Mode{}
				}
				if !after {
					kill()
				}
				return grafanatest.Mode{Lost: after, Hang: !after}
			})
			if _, err := c.Sync(ctx, everything); err == nil {
				t.Errorf("step %d: no error", step)
			}
			kill()
			fake.Answer(nil)
			mustSync(t, c, everything)
			if fake.State() != calm.State() {
				t.Errorf("killed at request %d (done: %v): what is there differs from an undisturbed sync:\n%s", step, after, fake.State())
			}
		}
	}
}

func TestAPersonsDashboardSurvives(t *testing.T) {
	fake, c := open(t, "")
	mustSync(t, c, everything)
	fake.EditDashboard("relgate", func(d grafanatest.Object) { d["title"] = "Our release" })
	fake.MoveDashboard("relgate", "", false) // to the root
	newer := everything
	newer.BaseURL = "https://elsewhere.example.com" // there is something to write
	state := fake.State()
	if got := mustSync(t, c, newer)[1].Did; got != grafana.Kept || fake.State() != state {
		t.Errorf("%s", got)
	}
	newer.Overwrite = true
	if got := mustSync(t, c, newer)[1].Did; got != grafana.Overwritten {
		t.Errorf("with overwrite: %s", got)
	}
	if d, folder := fake.Dashboard("relgate"); d["title"] != "relgate: release gate" || d["version"] != 3.0 || folder != "" {
		t.Errorf("title %v, version %v, folder %q", d["title"], d["version"], folder)
	}
	newer.Overwrite = false
	if got := mustSync(t, c, newer)[1].Did; got != grafana.Unchanged {
		t.Errorf("after it was overwritten: %s", got)
	}
}

func TestADashboardThatOnlyRelgateWroteIsUpdated(t *testing.T) {
	fake, c := open(t, "")
	mustSync(t, c, everything)
	fake.MoveDashboard("relgate", "", false)
	// Grafana may store another form than it was given: that is no edit of a person.
	fake.EditDashboard("relgate", func(d grafanatest.Object) { d["version"], d["schemaVersion"] = 0.0, 42.0 })
	if got := mustSync(t, c, everything)[1].Did; got != grafana.Unchanged {
		t.Errorf("stored in another form: %s", got)
	}
	newer := everything
	newer.BaseURL = "https://elsewhere.example.com"
	if got := mustSync(t, c, newer)[1].Did; got != grafana.Updated {
		t.Errorf("%s", got)
	}
	if _, folder := fake.Dashboard("relgate"); folder != "" || !strings.Contains(fake.State(), "elsewhere.example.com") {
		t.Errorf("folder %q: it was to stay where a person has put it, with the new links", folder)
	}
	// Or count its versions otherwise.
	fake.EditDashboard("relgate", func(d grafanatest.Object) { d["version"] = 41.0 })
	if got := mustSync(t, c, everything)[1].Did; got != grafana.Updated {
		t.Errorf("counted otherwise: %s", got)
	}
}

// A person who saves between relgate's look and its write is the quicker one.
func TestAPersonWhoIsQuickerWins(t *testing.T) {
	fake, c := open(t, "")
	mustSync(t, c, everything)
	fake.Answer(func(r *http.Request) grafanatest.Mode {
		if r.Method == http.MethodPost {
			fake.EditDashboard("relgate", func(d grafanatest.Object) { d["title"] = "Our release" })
		}
		return grafanatest.Mode{}
	})
	newer := everything
	newer.BaseURL = "https://elsewhere.example.com"
	if got := mustSync(t, c, newer)[1].Did; got != grafana.Kept {
		t.Errorf("%s", got)
	}
	if d, _ := fake.Dashboard("relgate"); d["title"] != "Our release" {
		t.Errorf("the title is %v", d["title"])
	}
}

// What was imported from the file is relgate's own, and what Grafana provisions from one
// is left to that.
func TestADashboardFromAFile(t *testing.T) {
	fake, c := open(t, "")
	mustSync(t, c, everything)
	fake.EditDashboard("relgate", func(d grafanatest.Object) { // as the import of the file has it
		v := d["templating"].(grafanatest.Object)
		v["list"] = v["list"].([]any)[:len(v["list"].([]any))-1]
	})
	if got := mustSync(t, c, everything)[1].Did; got != grafana.Unchanged {
		t.Errorf("%s", got)
	}
	fake.MoveDashboard("relgate", "relgate", true)
	newer := everything
	newer.BaseURL, newer.Overwrite = "https://elsewhere.example.com", true
	if got := mustSync(t, c, newer)[1].Did; got != grafana.Provisioned {
		t.Errorf("provisioned: %s", got)
	}
}

func TestAPersonsAlertRuleSurvives(t *testing.T) {
	for name, change := range map[string]func(r grafanatest.Object){
		"another title":      func(r grafanatest.Object) { r["title"] = "Ours" },
		"a longer for":       func(r grafanatest.Object) { r["for"] = "30m" },
		"a label":            func(r grafanatest.Object) { r["labels"].(grafanatest.Object)["team"] = "ops" },
		"paused":             func(r grafanatest.Object) { r["isPaused"] = true },
		"another expression": func(r grafanatest.Object) { expr(r)["expr"] = "vector(1)" },
		"a contact point":    func(r grafanatest.Object) { r["notification_settings"] = grafanatest.Object{"receiver": "ops"} },
		"another summary":    func(r grafanatest.Object) { r["annotations"].(grafanatest.Object)["summary"] = "Ours" },
		"another state":      func(r grafanatest.Object) { r["noDataState"] = "Alerting" },
		"from a file":        func(r grafanatest.Object) { r["provenance"] = "file" },
	} {
		t.Run(name, func(t *testing.T) {
			fake, c := open(t, "")
			mustSync(t, c, everything)
			fake.EditRule("relgate", "relgate-shop", 1, change)
			newer := everything
			newer.Datasource = "another"
			done := mustSync(t, c, newer)
			if done[2].Did != grafana.Kept || done[3].Did != grafana.Updated {
				t.Errorf("got\n%s", dids(done))
			}
			newer.Overwrite = true
			done, err := c.Sync(t.Context(), newer)
			if name == "from a file" {
				if err == nil || !strings.Contains(err.Error(), "provenance") {
					t.Errorf("what comes from a file was overwritten: %v", err)
				}
				return
			}
			if err != nil || done[2].Did != grafana.Overwritten || strings.Contains(fake.State(), "Ours") {
				t.Errorf("%v\n%s", err, dids(done))
			}
		})
	}
}

func expr(r grafanatest.Object) grafanatest.Object {
	return r["data"].([]any)[0].(grafanatest.Object)["model"].(grafanatest.Object)
}

// A rule that is written again is the same rule, with its history.
func TestARuleKeepsItsUID(t *testing.T) {
	fake, c := open(t, "")
	mustSync(t, c, everything)
	before := fake.Group("relgate", "relgate-shop")
	newer := everything
	newer.Datasource = "another"
	mustSync(t, c, newer)
	for i, r := range fake.Group("relgate", "relgate-shop") {
		if r["uid"] != before[i]["uid"] || r["uid"] == "" || r["provenance"] != "" {
			t.Errorf("%v: uid %v, was %v; provenance %q", r["title"], r["uid"], before[i]["uid"], r["provenance"])
		}
	}
}

// What goes wrong is said in words that help, and never with the token.
func TestWhatGoesWrongIsSaid(t *testing.T) {
	mode := func(m grafanatest.Mode) func(*testing.T, *grafanatest.Server) {
		return func(t *testing.T, fake *grafanatest.Server) {
			fake.Answer(func(r *http.Request) grafanatest.Mode {
				if strings.HasSuffix(r.URL.Path, "/api/health") {
					return grafanatest.Mode{}
				}
				return m
			})
		}
	}
	for _, tt := range []struct {
		name   string
		do     func(t *testing.T, fake *grafanatest.Server)
		says   string
		status int
	}{
		{"401", mode(grafanatest.Mode{Status: 401, Words: "bad token " + token}), `folder "relgate": Grafana answered 401 Unauthorized: it does not know the token; is it of a service account of this Grafana, and not expired? (bad token [redacted])`, 401},
		{"403", mode(grafanatest.Mode{Status: 403, Words: "You'll need additional permissions: folders:create"}), `the service account may not do this; it needs the role Editor (You'll need additional permissions: folders:create)`, 403},
		{"429", mode(grafanatest.Mode{Status: 429, RetryAfter: 7, Words: "slow\x1b[31m \u202edown"}), "429 Too Many Requests (slow [31m  down)", 429},
		{"500 with a bearer", mode(grafanatest.Mode{Status: 500, Words: "Authorization: Bearer abcdef"}), "(Authorization: [redacted])", 500},
		{"502 after it was done", mode(grafanatest.Mode{After: 502}), "502 Bad Gateway", 502},
		{"hang", mode(grafanatest.Mode{Hang: true}), "Grafana did not answer within 100ms", 0},
		{"lost", mode(grafanatest.Mode{Lost: true}), "Grafana closed the connection without an answer", 0},
		{"login redirect", mode(grafanatest.Mode{Login: true}), "302 Found: it leads to another address, which relgate does not follow", 302},
		{"login page", mode(grafanatest.Mode{Page: true}), "there is a page where Grafana's API should be, not JSON", 0},
		{"a folder of that title", func(t *testing.T, fake *grafanatest.Server) {
			fake.Answer(func(r *http.Request) grafanatest.Mode {
				if r.Method == http.MethodPost {
					return grafanatest.Mode{Status: 409, Words: "a folder with the same name already exists"}
				}
				return grafanatest.Mode{}
			})
		}, "a folder of that title is there with another uid", 409},
		{"a dashboard of that title", func(t *testing.T, fake *grafanatest.Server) {
			_, c := fake, client(t, serve(t, fake))
			mustSync(t, c, grafana.Wanted{})
			fake.EditDashboard("relgate", func(d grafanatest.Object) {})
			fake.CopyDashboard("relgate", "theirs")
		}, "another dashboard of the same title is in the folder", 412},
		{"412 of something before Grafana, and no dashboard is there", func(t *testing.T, fake *grafanatest.Server) {
			fake.Answer(func(r *http.Request) grafanatest.Mode {
				if strings.HasSuffix(r.URL.Path, "/api/dashboards/db") {
					return grafanatest.Mode{Status: 412, Words: "If-Match"}
				}
				return grafanatest.Mode{}
			})
		}, `dashboard "relgate": it was not saved: Grafana answered 412 Precondition Failed (If-Match)`, 412},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake := grafanatest.New(token, "")
			tt.do(t, fake)
			timeout := 10 * time.Second
			if tt.name == "hang" {
				timeout = 100 * time.Millisecond
			}
			c, err := grafana.New(grafana.Config{URL: serve(t, fake), Token: token, Timeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseIdleConnections()
			_, err = c.Sync(t.Context(), grafana.Wanted{})
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(fmt.Sprintf("%+v %#v", err, err), token) || strings.ContainsAny(err.Error(), "\x1b\u202e") {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			if got := grafana.StatusOf(err); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
		})
	}
}

// A token of any form is taken out of what Grafana says.
func TestATokenOfNoKnownFormIsNotShown(t *testing.T) {
	const odd = "an+odd/token=1234"
	fake := grafanatest.New(odd, "")
	fake.Answer(func(*http.Request) grafanatest.Mode {
		return grafanatest.Mode{Status: 400, Words: "what is " + odd + " or " + url.QueryEscape(odd) + "?"}
	})
	c, err := grafana.New(grafana.Config{URL: serve(t, fake), Token: odd})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	if _, err := c.Sync(t.Context(), grafana.Wanted{}); err == nil || !strings.Contains(err.Error(), "(what is [redacted] or [redacted]?)") {
		t.Errorf("%v", err)
	}
}

// A PUT that something between answers with 200 has written nothing.
func TestRulesAreReadBack(t *testing.T) {
	fake, c := open(t, "")
	fake.Answer(func(r *http.Request) grafanatest.Mode {
		if r.Method == http.MethodPut {
			return grafanatest.Mode{Status: 200}
		}
		return grafanatest.Mode{}
	})
	if _, err := c.Sync(t.Context(), everything); err == nil || !strings.Contains(err.Error(), "Grafana took the rules and does not have them") {
		t.Errorf("%v", err)
	}
}

func serve(t *testing.T, fake *grafanatest.Server) string {
	t.Helper()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return server.URL
}

func TestWhatIsNoGrafanaIsSaid(t *testing.T) {
	fake, _ := open(t, "/grafana")
	address := serve(t, fake)
	for path, says := range map[string]string{
		"/":        "is no Grafana: check the url, with the path below which Grafana is served; it answered 404 Not Found",
		"/grafana": "",
	} {
		_, err := client(t, address+path).Sync(t.Context(), grafana.Wanted{})
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", path, err, says)
		}
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{}`)
	}))
	defer other.Close()
	if _, err := client(t, other.URL).Sync(t.Context(), grafana.Wanted{}); err == nil || !strings.Contains(err.Error(), "is no Grafana") {
		t.Errorf("%v", err)
	}
	if _, err := client(t, "https"+strings.TrimPrefix(other.URL, "http")).Sync(t.Context(), grafana.Wanted{}); err == nil || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("%v", err)
	}
	other.Close()
	if _, err := client(t, other.URL).Sync(t.Context(), grafana.Wanted{}); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("%v", err)
	}
	for _, bad := range []grafana.Config{
		{URL: "grafana.example.com", Token: token}, {URL: "https://u:p@grafana.example.com", Token: token}, {URL: "https://grafana.example.com/?x=1", Token: token},
		{URL: "https://grafana.example.com"}, {URL: "https://grafana.example.com", Token: token + "\nsecond"},
	} {
		if _, err := grafana.New(bad); err == nil || strings.Contains(err.Error(), "glsa") {
			t.Errorf("%+v: %v", bad.URL, err)
		}
	}
}

// A token of a Cloud stack is sent as one of Grafana itself is, to no other address, and
// what is provisioned may be edited.
func TestTheHeadersOfRequests(t *testing.T) {
	const cloud = "glc_eyJvIjoiMSJ9"
	fake := grafanatest.New(cloud, "")
	c, err := grafana.New(grafana.Config{URL: serve(t, fake), Token: cloud, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	mustSync(t, c, everything)
	for i, h := range fake.Headers() {
		request := fake.Requests()[i]
		editable := h.Get("X-Disable-Provenance") == "true"
		if h.Get("Authorization") != "Bearer "+cloud || h.Get("User-Agent") != "relgate/1.2.3" || editable != strings.Contains(request, "/provisioning/") {
			t.Errorf("%s: %v", request, h)
		}
	}
}

// Names go into paths as they are: there are none that lead elsewhere.
func TestNamesAreSafeInPaths(t *testing.T) {
	fake, c := open(t, "")
	mustSync(t, c, everything)
	safe := regexp.MustCompile(`^(GET|POST|PUT) /api(/[A-Za-z0-9_.-]+)+$`)
	for _, r := range fake.Requests() {
		if !safe.MatchString(r) {
			t.Errorf("%s", r)
		}
	}
}
