package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	yaml "github.com/oasdiff/yaml3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// What docs/webhooks.md prints of each format is a config without any problem, and there
// is no format without one.
func TestTheFormatsOfTheDocsAreConfigs(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	text, err := os.ReadFile(filepath.Join(root, "docs/webhooks.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{"standard": true}
	for _, name := range regexp.MustCompile("(?m)^```toml recipe=(format-.*)$").FindAllStringSubmatch(string(text), -1) {
		block := recipe(t, "docs/webhooks.md", name[1])
		for _, secret := range regexp.MustCompile(`env = "([A-Z_]+)"`).FindAllStringSubmatch(block, -1) {
			t.Setenv(secret[1], map[bool]string{true: "https://hooks.example.com/x", false: "a secret"}[strings.HasSuffix(secret[1], "_URL")])
		}
		c, problems := configs().Decode("config.toml", []byte(plainConfig+block), os.ReadFile)
		for _, p := range problems {
			if strings.Contains(p.String(), "webhooks.") {
				t.Errorf("%s: %v", name[1], p)
			}
		}
		if c == nil {
			continue
		}
		for i := range c.Webhooks {
			shown[c.Webhooks[i].Format] = true
			e, err := webhookEndpoint(&c.Webhooks[i])
			if err == nil {
				_, err = webhook.New(webhook.Config{}, e)
			}
			if err != nil {
				t.Errorf("%s: %v", name[1], err)
			}
		}
	}
	for _, f := range format.All() {
		if !shown[f.Name] {
			t.Errorf("docs/webhooks.md prints no config of the format %q", f.Name)
		}
	}
}

func TestTheAlertmanagerOfTheDocsIsAConfig(t *testing.T) {
	t.Parallel()
	c, problems := configs().Decode("config.toml", []byte(plainConfig+recipe(t, "docs/webhooks.md", "alertmanager")), os.ReadFile)
	for _, p := range problems {
		if strings.Contains(p.String(), "alertmanager.") {
			t.Error(p)
		}
	}
	if c == nil || len(c.Alertmanagers) != 1 || len(c.Alertmanagers[0].URLs) != 2 {
		t.Errorf("got %+v", c)
	}
}

// GitHub's workflow has the event's id where relgate looks for it, and every input that
// the config gives it.
func TestTheWorkflowOfTheDocsCanBeFound(t *testing.T) {
	t.Parallel()
	var workflow struct {
		RunName string `yaml:"run-name"`
		On      struct {
			Dispatch struct{ Inputs map[string]any } `yaml:"workflow_dispatch"`
		}
		Jobs map[string]any
	}
	if err := yaml.Unmarshal([]byte(recipe(t, "docs/webhooks.md", "github-workflow")), &workflow); err != nil {
		t.Fatal(err)
	}
	c, problems := configs().Decode("config.toml", []byte(plainConfig+recipe(t, "docs/webhooks.md", "format-github-workflow")), os.ReadFile)
	if c == nil {
		t.Fatal(problems)
	}
	inputs := slices.Sorted(maps.Keys(c.Webhooks[0].Keys.Tables["inputs"]))
	inputs = append(inputs, "relgate-event")
	slices.Sort(inputs)
	if got := slices.Sorted(maps.Keys(workflow.On.Dispatch.Inputs)); !slices.Equal(got, inputs) || len(workflow.Jobs) == 0 {
		t.Errorf("the workflow takes %q, and is given %q", got, inputs)
	}
	if !strings.Contains(workflow.RunName, "${{ inputs.relgate-event }}") {
		t.Errorf("run-name %q has no id of the event", workflow.RunName)
	}
}

// formRequest is a request as a receiver reads it.
type formRequest struct {
	Method, URL, Auth, Kind string
	Body                    string
}

// The recipes of docs/webhooks.md for receivers without a format of their own make what
// those receivers document, from any event that they select, whatever its texts hold.
func TestTheTemplatesOfTheDocsMakeWhatTheReceiversTake(t *testing.T) {
	const id, headline = "P-1@1.0.0.k7q/2", "ROLLBACK: \"5xx\" <5 %> & é\nmore"
	event := wire.EventBody{Kind: "run", Type: "relgate.run.rolled_back", ID: id, N: 2, Run: "P-1@1.0.0", Plan: "P-1", Version: "1.0.0", To: "rolled_back", Headline: headline}
	begun := wire.EventBody{Kind: "run", N: 1, Begun: &wire.Begun{Previous: wire.Previous{Version: "0.9.0"}}}
	for name, want := range map[string]formRequest{
		"format-circleci":  {"POST", "https://circleci.com/api/v2/project/gh/acme/shop/pipeline", "Circle a secret", "application/json", `{"branch":"main","parameters":{"relgate-event":"` + id + `","rollback_to":"0.9.0"}}`},
		"format-buildkite": {"POST", "https://api.buildkite.com/v2/organizations/acme/pipelines/roll-back/builds", "a secret", "application/json", `{"branch":"main","commit":"HEAD","env":{"ROLLBACK_TO":"0.9.0"},"message":"ROLLBACK: \"5xx\" \u003c5 %\u003e \u0026 é\nmore","meta_data":{"relgate-event":"` + id + `","relgate-link":"https://relgate.example/v1/runs/P-1@1.0.0"}}`},
		"format-jenkins":   {"POST", "https://jenkins.example.com/job/roll-back/buildWithParameters", "a secret", "application/x-www-form-urlencoded", "RELGATE_EVENT=P-1%401.0.0.k7q%2F2&ROLLBACK_TO=0.9.0"},
		"format-slack":     {"POST", "https://hooks.slack.example/x", "", "application/json", `{"text":"ROLLBACK: \"5xx\" \u003c5 %\u003e \u0026 é\nmore"}`},
	} {
		block := recipe(t, "docs/webhooks.md", name)
		for _, secret := range regexp.MustCompile(`env = "([A-Z_]+)"`).FindAllStringSubmatch(block, -1) {
			t.Setenv(secret[1], "a secret")
		}
		t.Setenv("SLACK_URL", "https://hooks.slack.example/x")
		c, problems := configs().Decode("config.toml", []byte(plainConfig+block), os.ReadFile)
		if c == nil {
			t.Fatal(problems)
		}
		e, err := webhookEndpoint(&c.Webhooks[0])
		if err != nil {
			t.Fatal(err)
		}
		e.Earlier = func(context.Context, string, uint64, bool) ([]wire.EventBody, error) {
			return []wire.EventBody{begun}, nil
		}
		var got formRequest
		sink, err := webhook.New(webhook.Config{External: "https://relgate.example", Transport: receiverFunc(func(r *http.Request) *http.Response {
			got = requestOf(t, r)
			return &http.Response{StatusCode: http.StatusCreated, Body: http.NoBody, Request: r}
		})}, e)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if o := sink.Send(t.Context(), outbox.Message{ID: id, Type: event.Type, N: 2, Data: data}); !o.OK || got != want {
			t.Errorf("%s: %+v: got\n%+v\nwant\n%+v", name, o, got, want)
		}
	}
}

// receiverFunc is a receiver without a network.
type receiverFunc func(r *http.Request) *http.Response

func (f receiverFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// requestOf is a request with its body in the order of its keys.
func requestOf(t *testing.T, r *http.Request) formRequest {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	s := formRequest{Method: r.Method, URL: r.URL.String(), Auth: r.Header.Get("Authorization"), Kind: r.Header.Get("Content-Type")}
	if token := r.Header.Get("Circle-Token"); token != "" {
		s.Auth = "Circle " + token
	}
	if s.Kind != "application/json" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		s.Body = form.Encode()
		return s
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("%v: %s", err, body)
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	s.Body = string(sorted)
	return s
}

// bodies is a receiver that hands out what it is sent.
type bodies chan string

func (b bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b <- string(body)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// next is the body that comes next.
func (b bodies) next(t *testing.T) string {
	t.Helper()
	select {
	case body := <-b:
		return body
	case <-time.After(time.Minute):
		t.Fatal("a minute without a delivery")
		return ""
	}
}

// give gives a daemon a command.
func give(t *testing.T, d *daemon, kind string) {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/plans/P-1/commands", strings.NewReader(`{"kind":"`+kind+`","version":"1.0.0","by":"ada","why":"a test"}`))
	r.Host = "127.0.0.1"
	r.Header.Set("Content-Type", "application/json")
	d.publicHandler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", kind, w.Code, w.Body)
	}
}

// The daemon tells a format what came before an event: a hold that is resumed resolves the
// alert that the hold was.
func TestTheDaemonTellsAFormatTheHistoryOfTheRun(t *testing.T) {
	hook := make(bodies, 64)
	d := housed(t, plainConfig+"[webhooks.oncall]\nurl = \"https://example.com/\"\nformat = \"alertmanager\"\ntypes = [\"relgate.run.held\", \"relgate.run.waiting\"]\n", hook, io.Discard)
	for _, tt := range []struct{ command, status string }{{"hold", "firing"}, {"resume", "resolved"}} {
		give(t, d, tt.command)
		var group struct {
			Alerts []struct {
				Status   string
				Labels   map[string]string
				StartsAt string
			}
		}
		if err := json.Unmarshal([]byte(hook.next(t)), &group); err != nil {
			t.Fatal(err)
		}
		if a := group.Alerts; len(a) != 1 || a[0].Status != tt.status || a[0].Labels["alertname"] != "RelgateRunHeld" || a[0].Labels["run"] != "P-1@1.0.0" {
			t.Errorf("%s: got %+v", tt.command, group)
		}
	}
}

// A daemon posts alerts to each instance of an Alertmanager, and a reload changes to which.
func TestTheDaemonPostsAlertsToEachInstance(t *testing.T) {
	posted := make(chan string, 64)
	d := housed(t, plainConfig+`
[alertmanager.am]
urls   = ["https://am-1.example.com/", "https://am-2.example.com/prefix"]
labels = { team = "mobile" }
plans  = ["P-1"]
`, receiverFunc(func(r *http.Request) *http.Response {
		var alerts []struct{ Labels map[string]string }
		if err := json.NewDecoder(r.Body).Decode(&alerts); err != nil || len(alerts) != 1 {
			t.Errorf("got %d alerts, %v", len(alerts), err)
		} else {
			posted <- r.URL.String() + " " + alerts[0].Labels["alertname"] + " " + alerts[0].Labels["run"] + " " + alerts[0].Labels["team"]
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}
	}), io.Discard)
	expect := func(want ...string) {
		t.Helper()
		var got []string
		for range want {
			select {
			case p := <-posted:
				got = append(got, p)
			case <-time.After(time.Minute):
				t.Fatalf("a minute without a post; got %q", got)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	give(t, d, "hold")
	expect("https://am-1.example.com/api/v2/alerts RelgateRunHeld P-1@1.0.0 mobile", "https://am-2.example.com/prefix/api/v2/alerts RelgateRunHeld P-1@1.0.0 mobile")
	next := *d.config
	next.Alertmanagers = slices.Clone(next.Alertmanagers)
	next.Alertmanagers[0].URLs = []string{"https://am-3.example.com"}
	if err := d.adopt(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	expect("https://am-3.example.com/api/v2/alerts RelgateRunHeld P-1@1.0.0 mobile")
}

// What became of the posts to each instance is on the page, over a reload too, without the
// paths of their URLs.
func TestThePageSaysWhatAlertmanagersTake(t *testing.T) {
	d := housed(t, plainConfig+`
[alertmanager.am]
urls = ["https://am-1.example.com:9093/hidden", "https://am-2.example.com", "https://am-2.example.com/hidden"]
`, receiverFunc(func(r *http.Request) *http.Response {
		status := map[string]int{"am-1.example.com:9093/hidden/api/v2/alerts": 503, "am-2.example.com/api/v2/alerts": 200, "am-2.example.com/hidden/api/v2/alerts": 400}[r.URL.Host+r.URL.Path]
		return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}
	}), io.Discard)
	shown := func(name string) map[string]string {
		_, page := get(t, "http://"+d.private.Addr().String()+"/metrics")
		if strings.Contains(page, "hidden") {
			t.Fatalf("the page shows a path:\n%s", page)
		}
		of := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^relgate_alertmanager_`+name+`\{address="([^"]+)",alertmanager="am"\} (\S+)$`).FindAllStringSubmatch(page, -1) {
			of[m[1]] = m[2]
		}
		return of
	}
	zeros := map[string]string{"am-1.example.com:9093": "0", "am-2.example.com#2": "0", "am-2.example.com#3": "0"}
	for _, name := range []string{"attempts_total", "failures_total", "refused_total", "lag_seconds"} {
		if got := shown(name); !maps.Equal(got, zeros) {
			t.Errorf("at first %s is %v, want %v", name, got, zeros)
		}
	}
	give(t, d, "hold")
	positive := func(name string, addresses ...string) {
		t.Helper()
		eventually(t, name, func() bool {
			got := shown(name)
			for address, value := range got {
				if (value != "0") != slices.Contains(addresses, address) {
					return false
				}
			}
			return len(got) >= len(addresses)
		})
	}
	all := []string{"am-1.example.com:9093", "am-2.example.com#2", "am-2.example.com#3"}
	positive("attempts_total", all...)
	positive("failures_total", all[0], all[2])
	positive("refused_total", all[2])
	positive("lag_seconds", all[0], all[2])
	positive("last_success_timestamp_seconds", all[1])
	next := *d.config
	if err := d.adopt(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	if got := shown("refused_total")[all[2]]; got == "0" || got == "" {
		t.Errorf("after a reload the instance has refused %q alerts, want at least 1", got)
	}
}

// Alerts are posted of the runs that are not over, and for a day of the others; a run that
// failed alerts until another of its plan begins.
func TestWhichRunsAlert(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	ago := func(h int) time.Time { return now.Add(-time.Duration(h) * time.Hour) }
	records := []fact.RunRecord{ // the newest begun first
		{ID: "a@3", Plan: "a", State: rules.Monitoring, Begun: ago(1), At: ago(0)},
		{ID: "b@1", Plan: "b", State: rules.Failed, Begun: ago(2), At: ago(1), Over: true},
		{ID: "a@2", Plan: "a", State: rules.Failed, Begun: ago(5), At: ago(3), Over: true},
		{ID: "a@1", Plan: "a", State: rules.RolledBack, Begun: ago(90), At: ago(80)},
		{ID: "a@0", Plan: "a", State: rules.Passed, Begun: ago(99), At: ago(98), Over: true},
	}
	for _, tt := range []struct {
		plans []string
		want  string
	}{
		{nil, "a@3 -, b@1 -, a@2 ended 1h0m0s ago, a@1 -"},
		{[]string{"b"}, "b@1 -"},
	} {
		var got []string
		for _, r := range alerting(records, tt.plans, now) {
			ended := "-"
			if !r.Ended.IsZero() {
				ended = fmt.Sprintf("ended %s ago", now.Sub(r.Ended))
			}
			got = append(got, r.ID+" "+ended)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%q: got %q, want %q", tt.plans, got, tt.want)
		}
	}
}

// A demo tells its own receivers and no others: it starts no pipeline and alerts no one. What
// starts something goes to a simulated receiver, with a token of its own.
func TestADemoReachesNoOneElse(t *testing.T) {
	t.Setenv("TOKEN", "a secret")
	c, problems := configs().Decode("config.toml", []byte(plainConfig+`
[webhooks.rollback]
format     = "github-workflow"
types      = ["relgate.run.rolled_back"]
repository = "acme/shop"
workflow   = "rollback.yml"
ref        = "main"
token      = { env = "TOKEN" }
[webhooks.oncall]
format     = "pagerduty"
routing_key = { env = "TOKEN" }
[alertmanager.am]
urls = ["https://am-1.example.com"]
`), os.ReadFile)
	if c == nil {
		t.Fatal(problems)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c.Sources = nil
	r, err := newReceivers(t.Context(), t.TempDir(), newVirtualClock(time.Now(), 0), c, faulttest.None)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	d := demo{config: c, world: &world{}, receivers: r, receiver: &recorder{listener: l, secret: "a secret"}}
	d.redirect()
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		e, err := webhookEndpoint(w)
		if err != nil {
			t.Fatal(err)
		}
		to, err := url.Parse(e.URL)
		if err != nil {
			t.Fatal(err)
		}
		switch w.Name {
		case "rollback":
			if e.Format.Name != "github-workflow" || !strings.HasPrefix(r.hosts[to.Host], "127.0.0.1:") || e.Own["token"] == "a secret" {
				t.Errorf("got %+v", e)
			}
		case "oncall":
			if e.Format.Name != "standard" || len(e.Own) > 0 || to.Hostname() != "127.0.0.1" {
				t.Errorf("got %+v", e)
			}
		}
	}
	req := httptest.NewRequest(http.MethodGet, "https://api.github.com/", http.NoBody)
	if _, err := r.RoundTrip(req); err == nil || len(c.Alertmanagers) > 0 {
		t.Errorf("it reaches GitHub, or %+v", c.Alertmanagers)
	}
}

// What starts something at GitHub, GitLab or EventBridge is asked for there, also where the
// answers fail, hang, come late and lie: at GitHub once, at the others with the event's id.
func TestADemoStartsWhatItsWebhooksStart(t *testing.T) {
	t.Setenv("TOKEN", "a secret")
	path := shipped(t, "[webhooks.ops]\n", `[webhooks.gitlab]
format  = "gitlab"
types   = ["relgate.run.rolled_back"]
project = "bioage/deploy"
ref     = "main"
token   = { env = "TOKEN" }
inputs  = { version = "{{ .version }}" }

[webhooks.bus]
format = "eventbridge"
types  = ["relgate.run.rolled_back"]
region = "eu-central-1"

[webhooks.tell]
format     = "github-dispatch"
types      = ["relgate.run.rolled_back"]
repository = "bioage/app"
token      = { env = "TOKEN" }

[webhooks.ops]
`)
	for _, mode := range []string{"good", "fail", "hang", "late", "lie"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			run := runDemo(t, "--speed", "max", "--scenario", "api-5xx", "--receivers", mode, "--config", path)
			for name, most := range map[string]int{"rollout": 1, "gitlab": 2, "bus": 2, "tell": 2} {
				if mode == "good" || mode == "fail" || mode == "hang" {
					most = 1
				}
				for _, r := range run.summary.Receivers {
					if r.Sink == name && (r.Took < 1 || r.Took > most || len(r.Wrong) > 0 || (r.Spoilt == 0) != (mode == "good")) {
						t.Errorf("got %+v, want 1 to %d taken", r, most)
					}
				}
			}
			if !strings.Contains(run.summary.Headline, "users are safe since") {
				t.Errorf("it ends with %q", run.summary.Headline)
			}
		})
	}
}
