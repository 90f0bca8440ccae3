package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	yaml "github.com/oasdiff/yaml3"
	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/github"
	"github.com/relgate/relgate/exporters/github/githubtest"
)

const githubCommit = "0123456789abcdef0123456789abcdef01234567"

// githubConfig is the plan of inboxConfig, whose phase one the environment production waits for.
func githubConfig(api string) string {
	return inboxConfig("1s") + fmt.Sprintf(`
webhook_allow = ["127.0.0.1/32"]

[github.acme]
app_id = %q
key    = { env = "RELGATE_TEST_GITHUB_KEY" }
secret = { env = "RELGATE_TEST_GITHUB_SECRET" }
url    = %q

[github.acme.gates.production]
repository = "acme/shop"
plan       = "P"
phase      = "one"
ref        = "v{version}"
`, githubtest.AppID, api)
}

// hookOf is the URL of a served daemon's webhook of an App.
func hookOf(t *testing.T, s *served, app string) string {
	return strings.Replace(inboxOf(t, s), "/v1/inbox/am", "/v1/github/"+app, 1)
}

// deliver posts what GitHub sends.
func deliver(t *testing.T, url string, h http.Header, body []byte) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = h
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(said)
}

// A deployment that relgate was told of is answered though relgate is killed: when GitHub can be
// told again, and by what is right then.
func TestADeploymentAtGitHubOutlivesKills(t *testing.T) {
	t.Setenv("RELGATE_TEST_INBOX", inboxToken)
	t.Setenv("RELGATE_TEST_GITHUB_KEY", githubtest.Key())
	t.Setenv("RELGATE_TEST_GITHUB_SECRET", githubtest.Secret)
	hub := githubtest.New(time.Now)
	at := httptest.NewServer(hub)
	defer at.Close()
	reviews := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/deployment_protection_rule") }
	away := func(r *http.Request) githubtest.Mode {
		if reviews(r) {
			return githubtest.Mode{Status: 502}
		}
		return githubtest.Mode{}
	}
	kill := func(s *served) {
		t.Helper()
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait()
	}
	state := func(run int, want string) {
		t.Helper()
		eventually(t, fmt.Sprintf("job %d that is %s", run, want), func() bool { return hub.Job("acme/shop", run, "production").State == want })
	}
	dir := t.TempDir()
	path := writeConfig(t, dir, githubConfig(at.URL))
	s := serve(t, path)
	send := func(run int) (int, string) {
		t.Helper()
		hub.Wait("acme/shop", run, "production")
		h, body := githubtest.Payload(at.URL, "acme/shop", run, run, "production", "v1.0.0", githubCommit)
		return deliver(t, hookOf(t, s, "acme"), h, body)
	}

	hub.Answer(away)
	if status, said := send(7); status != http.StatusOK || !strings.Contains(said, "accepted") {
		t.Fatalf("got %d %s", status, said)
	}
	kill(s)
	hub.Answer(nil)
	s = serve(t, path)
	state(7, "approved")
	s.says(t, `msg="a deployment no longer waits" github=acme repository=acme/shop environment=production run=P@1.0.0 end=approved`)

	// One that GitHub could not be told of before the rollback is rejected after it.
	hub.Answer(away)
	if status, said := send(8); status != http.StatusOK {
		t.Fatalf("got %d %s", status, said)
	}
	s.says(t, "answered 502")
	for _, alert := range []string{"Watchdog", "ApiErrors"} {
		if status, said := pushTo(t, inboxOf(t, s), inboxToken, groupOf(alert, "firing")); status != http.StatusOK {
			t.Fatalf("got %d %s", status, said)
		}
	}
	s.says(t, "to=rolled_back")
	kill(s)
	hub.Answer(nil)
	s = serve(t, path)
	state(8, "rejected")
	if text := hub.Job("acme/shop", 8, "production").Text; !strings.HasPrefix(text, "ROLLBACK") {
		t.Errorf("it says %q", text)
	}
	// GitHub's repetition is known after all that.
	h, body := githubtest.Payload(at.URL, "acme/shop", 7, 7, "production", "v1.0.0", githubCommit)
	if status, said := deliver(t, hookOf(t, s, "acme"), h, body); status != http.StatusOK || !strings.Contains(said, "duplicate") {
		t.Errorf("got %d %s", status, said)
	}
	if trouble := hub.Trouble(); len(trouble) > 0 {
		t.Errorf("GitHub would not have taken: %q", trouble)
	}
	for _, secret := range []string{githubtest.Secret, "ghs_", "PRIVATE KEY"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// What GitHub sends is refused with a reason, and gates of Apps follow a reload.
func TestTheWebhookOfAnApp(t *testing.T) {
	t.Setenv("RELGATE_TEST_INBOX", inboxToken)
	t.Setenv("RELGATE_TEST_GITHUB_KEY", githubtest.Key())
	t.Setenv("RELGATE_TEST_GITHUB_SECRET", githubtest.Secret)
	hub := githubtest.New(time.Now)
	at := httptest.NewServer(hub)
	defer at.Close()
	dir := t.TempDir()
	s := serve(t, writeConfig(t, dir, githubConfig(at.URL)))
	hub.Wait("acme/shop", 7, "production")
	signed := func(environment string) (http.Header, []byte) {
		return githubtest.Payload(at.URL, "acme/shop", 7, 1, environment, "v1.0.0", githubCommit)
	}
	good, body := signed("production")
	large := []byte(`{"x":"` + strings.Repeat("x", 1<<20) + `"}`)
	elsewhere, other := githubtest.Payload("https://evil.example", "acme/shop", 7, 1, "production", "v1.0.0", githubCommit)
	for _, tt := range []struct {
		name, app string
		header    http.Header
		body      []byte
		status    int
		said      string
	}{
		{"no such App", "other", good, body, 404, "no [github.NAME]"},
		{"no signature", "acme", http.Header{}, body, 401, "X-Hub-Signature-256"},
		{"a signature of something else", "acme", good, other, 401, "is not that of this body"},
		{"another API", "acme", elsewhere, other, 403, "deployment_callback_url"},
		{"too large", "acme", githubtest.Sign(large, "x"), large, 413, "more than 1048576 bytes"},
		{"no JSON", "acme", githubtest.Sign([]byte("payload=1"), "x"), []byte("payload=1"), 400, "application/json"},
		{"a request", "acme", good, body, 200, `"accepted"`},
	} {
		if status, said := deliver(t, hookOf(t, s, tt.app), tt.header, tt.body); status != tt.status || !strings.Contains(said, tt.said) {
			t.Errorf("%s: got %d %s, want %d and %q", tt.name, status, said, tt.status, tt.said)
		}
	}
	s.says(t, `msg="what GitHub sent is refused" github=acme result=`)
	_, page := get(t, "http://"+s.private(t)+"/metrics")
	wants(t, page, `relgate_github_requests_total{app="acme",result="accepted"} 1`, `relgate_github_requests_total{app="acme",result="signature"} 1`,
		`relgate_github_requests_total{app="acme",result="busy"} 0`, `relgate_github_deployments_untold{app="acme"} 0`)

	hub.Wait("acme/shop", 7, "canary")
	h, canary := signed("canary")
	if status, said := deliver(t, hookOf(t, s, "acme"), h, canary); status != 200 {
		t.Fatalf("got %d %s", status, said)
	}
	writeConfig(t, dir, strings.Replace(githubConfig(at.URL), "gates.production", "gates.canary", 1))
	eventually(t, "the answer of a gate that was added", func() bool { return hub.Job("acme/shop", 7, "canary").State == "approved" })

	// A key that is none is refused at the start, and shown nowhere.
	t.Setenv("RELGATE_TEST_GITHUB_KEY", "secret-of-the-test")
	bad := serve(t, writeConfig(t, filepath.Join(t.TempDir()), githubConfig(at.URL)))
	bad.says(t, "key: want a PEM file")
}

// A body that was cut off says nothing of GitHub's request: it is answered 503, as what did not
// arrive, so that it is repeated. What is refused with 400 is not.
func TestARequestOfGitHubThatDoesNotArriveWhole(t *testing.T) {
	t.Setenv("RELGATE_TEST_INBOX", inboxToken)
	t.Setenv("RELGATE_TEST_GITHUB_KEY", githubtest.Key())
	t.Setenv("RELGATE_TEST_GITHUB_SECRET", githubtest.Secret)
	hub := githubtest.New(time.Now)
	at := httptest.NewServer(hub)
	defer at.Close()
	s := serve(t, writeConfig(t, t.TempDir(), githubConfig(at.URL)))
	h, body := githubtest.Payload(at.URL, "acme/shop", 7, 7, "production", "v1.0.0", githubCommit)
	if status, header, said := sendHalf(t, hookOf(t, s, "acme"), h, body); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(said, "unavailable") {
		t.Errorf("got %d %s", status, said)
	}
}

// sendHalf posts the first half of a body, and then nothing more.
func sendHalf(t *testing.T, to string, h http.Header, body []byte) (status int, header http.Header, said string) {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", target.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	_, e1 := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", target.Path, target.Host, len(body))
	e2 := h.Write(c)
	_, e3 := fmt.Fprintf(c, "\r\n%s", body[:len(body)/2])
	if err := errors.Join(e1, e2, e3, c.(*net.TCPConn).CloseWrite()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// What is kept of a deployment is the newest, is known for longer than the push that brought it,
// and no other App's.
func TestDeploymentsAreKeptInTheJournal(t *testing.T) {
	j, err := journal.Open(t.Context(), journal.Config{Path: filepath.Join(t.TempDir(), "relgate.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}()
	now := time.Now()
	at := func() time.Time { now = now.Add(time.Second); return now }
	one, other := deployments{j, "github/acme", at}, deployments{j, "github/other", at}
	add := func(s deployments, id string) bool {
		t.Helper()
		added, err := s.Add(t.Context(), github.Request{ID: id, At: now.UTC()})
		if err != nil {
			t.Fatal(err)
		}
		return added
	}
	if !add(one, "a") || add(one, "a") || !add(other, "a") || !add(one, "b") {
		t.Fatal("each is added once for each App")
	}
	for _, run := range []string{"P@1", "P@2"} {
		if err := one.Put(t.Context(), github.Request{ID: "a", Run: run}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.PrunePushes(t.Context(), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if add(one, "a") {
		t.Error("it is added again once its push is pruned")
	}
	list, err := one.Requests(t.Context())
	if err != nil || len(list) != 2 || list[0].ID+list[0].Run+list[1].ID+list[1].Run != "aP@2b" && list[0].ID+list[0].Run+list[1].ID+list[1].Run != "baP@2" {
		t.Errorf("got %+v, %v", list, err)
	}
	if err := one.Drop(t.Context(), "a"); err != nil || !add(one, "c") {
		t.Error(err)
	}
	if list, err := one.Requests(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("got %+v, %v", list, err)
	}
	if list, err := other.Requests(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

// What docs/integrations.md prints of Apps is a config without any problem of theirs.
func TestTheAppsOfTheDocsAreConfigs(t *testing.T) {
	text := strings.NewReplacer(`plan       = "shop"`, `plan = "P"`, `phase      = "ten"`, `phase = "one"`, `phase      = "fifty"`, `phase = "run"`).Replace(recipe(t, integrations, "github-config"))
	c, problems := configs().Decode("config.toml", []byte(inboxConfig("1m")+text), func(string) ([]byte, error) { return []byte("x"), nil })
	for _, p := range problems {
		if strings.Contains(p.String(), "github") {
			t.Error(p)
		}
	}
	if c == nil || len(c.GitHubs) != 1 || len(c.GitHubs[0].Gates) != 2 || c.GitHubs[0].Gates[0].Environment != "production-10" {
		t.Fatalf("got %+v", c)
	}
	var workflow struct {
		Jobs map[string]struct {
			Environment string `yaml:"environment"`
		} `yaml:"jobs"`
	}
	if err := yaml.Unmarshal([]byte(recipe(t, integrations, "github-environment")), &workflow); err != nil || len(workflow.Jobs) != 1 {
		t.Fatalf("got %+v, %v", workflow, err)
	}
	for name, job := range workflow.Jobs {
		if !slices.ContainsFunc(c.GitHubs[0].Gates, func(g config.GitHubGateSpec) bool { return g.Environment == job.Environment }) {
			t.Errorf("job %s waits in environment %q, which has no gate", name, job.Environment)
		}
	}
	page := readText(t, filepath.Join(root, integrations))
	for result, status := range requestStatus {
		if !strings.Contains(page, "`"+string(result)+"`") {
			t.Errorf("docs/integrations.md does not say what %s means", result)
		}
		if status == 0 {
			t.Errorf("%s has no status", result)
		}
	}
}
