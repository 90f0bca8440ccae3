package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asksAs sends a request with a bearer token and a Host header, each empty for none.
func asksAs(t *testing.T, method, url, token, host, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// TestTokensAreReplacedAndRevokedWithoutARestart: by their file, by the config, and not
// by a file that cannot be read.
func TestTokensAreReplacedAndRevokedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	secrets := filepath.Join(dir, "secrets")
	if err := os.Mkdir(secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(secrets, "ci.token")
	place(t, file, "first-secret\n")
	const ci = "\n[daemon.tokens.ci]\ntoken = { file = \"secrets/ci.token\" }\nscopes = [\"read\"]\n"
	const ops = "\n[daemon.tokens.ops]\nhash = \"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\nscopes = [\"command\"]\n" // hello
	path := writeConfig(t, dir, plainConfig+ci)
	s := serve(t, path)
	s.private(t)
	url := "http://" + publicPort.FindStringSubmatch(s.log.String())[1]
	status := func(token string) int { code, _ := asksAs(t, "GET", url+"/v1/plans", token, "", ""); return code }
	is := func(token string, want int) func() bool { return func() bool { return status(token) == want } }
	eventually(t, "the first secret", is("first-secret", 200))
	if got := status("hello"); got != 401 {
		t.Errorf("a token that is not configured: %d, want 401", got)
	}
	s.says(t, `msg="request refused" reason=unknown_token remote=127.0.0.1:`)

	place(t, file, "second-secret\n") // rotated: the config stays as it is
	eventually(t, "the second secret", is("second-secret", 200))
	if got := status("first-secret"); got != 401 {
		t.Errorf("the secret that was replaced: %d, want 401", got)
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.says(t, "config not reloaded: the old one stays in force")
	s.says(t, "ci.token")
	if got := status("second-secret"); got != 200 {
		t.Errorf("while its file is away: %d, want 200", got)
	}

	place(t, file, "second-secret\n")
	writeConfig(t, dir, plainConfig+ops) // revoked, and another one comes
	eventually(t, "the end of the token that was taken out", is("second-secret", 401))
	if got := status("hello"); got != 403 {
		t.Errorf("the token that came: %d, want to be known", got)
	}
	// What else the new config lacks does not keep a token that was taken out.
	writeConfig(t, dir, plainConfig+ci+`
[webhooks.w]
url = "https://hooks.example"
hub_secret = { env = "RELGATE_TEST_NOT_SET" }
`)
	s.says(t, "after its tokens, which are in force")
	if got := status("hello"); got != 401 {
		t.Errorf("a token that was taken out, with a webhook that lacks its secret: %d, want 401", got)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, secret := range []string{"first-secret", "second-secret", "hello"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, s.log)
		}
	}
	if strings.Contains(s.log.String(), "take effect at the next start") {
		t.Errorf("tokens are said to wait for a restart:\n%s", s.log)
	}
}

// TestARebindingPageReachesNothing: over real connections, on both ports.
func TestARebindingPageReachesNothing(t *testing.T) {
	s := serve(t, writeConfig(t, t.TempDir(), plainConfig))
	private := "http://" + s.private(t)
	public := "http://" + publicPort.FindStringSubmatch(s.log.String())[1]
	const hold = `{"kind":"hold","by":"a","why":"b"}`
	eventually(t, "a plan", func() bool { code, _ := asksAs(t, "GET", public+"/v1/plans/P-1", "", "", ""); return code == 200 })
	for _, tt := range []struct {
		method, url, host, body string
		want                    int
	}{
		{"POST", public + "/v1/plans/P-1/commands", "rebound.example:8080", hold, 403},
		{"POST", public + "/v1/plans/P-1/runs", "rebound.example", `{"version":"1.0.0"}`, 403},
		{"POST", public + "/v1/deliveries/x/retry", "rebound.example", "", 403},
		{"POST", public + "/v1/deliveries/x/replay?since=2025-06-04T02:00:00Z", "rebound.example", "", 403},
		{"POST", public + "/v1/plans/P-1/commands", "", hold, 200},
		{"GET", private + "/debug/pprof/cmdline", "rebound.example:9091", "", 403},
		{"POST", private + "/debug/pprof/symbol", "rebound.example:9091", "", 403},
		{"GET", private + "/debug/pprof/cmdline", "", "", 200},
		{"GET", private + "/-/healthy", "relgate.svc:9091", "", 200},
		{"GET", private + "/metrics", "relgate.svc:9091", "", 200},
	} {
		if code, body := asksAs(t, tt.method, tt.url, "", tt.host, tt.body); code != tt.want {
			t.Errorf("%s %s as %q: %d %s, want %d", tt.method, tt.url, tt.host, code, body, tt.want)
		}
	}
	s.says(t, "reason=foreign_host")
}
