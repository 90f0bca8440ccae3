package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/grafana/grafanatest"
)

const grafanaToken = "glsa_token_of_the_test_0123"

// newGrafanaServer serves a Grafana in memory below /grafana.
func newGrafanaServer(t *testing.T) (*grafanatest.Server, string) {
	t.Helper()
	fake := grafanatest.New(grafanaToken, "/grafana")
	server := httptest.NewServer(fake)
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return fake, server.URL + "/grafana"
}

// grafanaConfig writes the shop's config with a Grafana and gives its path.
func grafanaConfig(t *testing.T, dir, sentry, url, more string) string {
	t.Helper()
	secret := filepath.Join(dir, "grafana-token")
	if err := os.WriteFile(secret, []byte(grafanaToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHOP_SENTRY_TOKEN", "secret")
	return writeConfig(t, dir, shop+fmt.Sprintf(shopDaemon, sentry)+fmt.Sprintf("\n[grafana]\nurl = %q\ntoken = { file = \"grafana-token\" }\n", url)+more)
}

// syncs runs `relgate grafana sync`, wants its exit code and gives all that it said.
func syncs(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, err bytes.Buffer
	got := run(t.Context(), append([]string{"grafana", "sync"}, args...), console{out: &out, err: &err})
	if got != code {
		t.Errorf("grafana sync %q: exit %d, want %d: %s%s", args, got, code, &out, &err)
	}
	if said := out.String() + err.String(); strings.Contains(said, grafanaToken) {
		t.Errorf("it says the token: %s", said)
	}
	return out.String() + err.String()
}

func TestGrafanaSyncSaysWhatItDid(t *testing.T) {
	fake, url := newGrafanaServer(t)
	path := grafanaConfig(t, t.TempDir(), "https://sentry.example.com", url, "alerts = true\ndatasource = \"prom\"\n")
	want := "folder     relgate       made\ndashboard  relgate       made\nalerts     relgate-shop  made\n"
	if got := syncs(t, exitPass, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	state := fake.State()
	if got := syncs(t, exitPass, path); got != strings.ReplaceAll(want, "made", "unchanged") || fake.State() != state {
		t.Errorf("the second time:\n%s", got)
	}
	fake.EditDashboard("relgate", func(d grafanatest.Object) { d["title"] = "Ours" })
	writeConfig(t, filepath.Dir(path), readText(t, path)+"\n") // the same
	if got := syncs(t, exitPass, path); !strings.Contains(got, "kept as a person changed it; --overwrite replaces it") {
		t.Errorf("after an edit:\n%s", got)
	}
	var report syncReport
	if err := json.Unmarshal([]byte(syncs(t, exitPass, path, "--overwrite", "-o", "json")), &report); err != nil || len(report.Changes) != 3 || report.Changes[1].Did != "overwritten" || report.Error != "" {
		t.Errorf("%v: %+v", err, report)
	}
}

func TestGrafanaSyncThatFails(t *testing.T) {
	fake, url := newGrafanaServer(t)
	dir := t.TempDir()
	path := grafanaConfig(t, dir, "https://sentry.example.com", url, "")
	t.Setenv("GF_LOG", "1")
	for _, tt := range []struct {
		mode grafanatest.Mode
		code int
		says string
	}{
		{grafanatest.Mode{Status: 401, Words: "no " + grafanaToken}, exitAuth, "it does not know the token"},
		{grafanatest.Mode{Status: 403, Words: "no"}, exitAuth, "it needs the role Editor"},
		{grafanatest.Mode{Status: 400, Words: "no"}, exitFail, "400 Bad Request"},
		{grafanatest.Mode{After: 502}, exitUnreachable, "502 Bad Gateway"},
		{grafanatest.Mode{Login: true}, exitUnreachable, "leads to another address"},
		{grafanatest.Mode{Page: true}, exitUnreachable, "there is a page"},
	} {
		fake.Answer(func(*http.Request) grafanatest.Mode { return tt.mode })
		if got := syncs(t, tt.code, path); !strings.Contains(got, tt.says) {
			t.Errorf("%+v: %s", tt.mode, got)
		}
		var report syncReport
		if got := syncs(t, tt.code, path, "-o", "json"); json.NewDecoder(strings.NewReader(got)).Decode(&report) != nil || !strings.Contains(report.Error, tt.says) {
			t.Errorf("%+v: %s", tt.mode, got)
		}
	}
	for text, says := range map[string]string{
		shop + fmt.Sprintf(shopDaemon, "https://sentry.example.com"): "there is no [grafana]",
		"[grafana]\nurl = 1\n": "grafana.url",
		strings.ReplaceAll(readText(t, path), "grafana-token", "gone"):                                         "no such file",
		strings.ReplaceAll(readText(t, path), `{ file = "grafana-token" }`, `"t"`) + "ca = \"gone.pem\"\n":     "gone.pem",
		strings.ReplaceAll(readText(t, path), `{ file = "grafana-token" }`, `{ env = "NOT_SET_IN_THE_TEST" }`): "NOT_SET_IN_THE_TEST",
	} {
		if got := syncs(t, exitUsage, writeConfig(t, t.TempDir(), text)); !strings.Contains(got, says) {
			t.Errorf("want %q: %s", says, got)
		}
	}
}

// The program is killed at each of its requests, after Grafana has done it, and run again:
// there is one of everything.
func TestGrafanaSyncKilledAtEachStep(t *testing.T) {
	calm, url := newGrafanaServer(t)
	more := "alerts = true\ndatasource = \"prom\"\n"
	syncs(t, exitPass, grafanaConfig(t, t.TempDir(), "https://sentry.example.com", url, more))
	for step := range calm.Requests() {
		fake, url := newGrafanaServer(t)
		path := grafanaConfig(t, t.TempDir(), "https://sentry.example.com", url, more)
		ctx, kill := context.WithCancel(t.Context())
		n := 0
		fake.Answer(func(*http.Request) grafanatest.Mode {
			if n++; n <= step {
				return grafanatest.Mode{}
			}
			time.AfterFunc(20*time.Millisecond, kill)
			return grafanatest.Mode{HangAfter: true}
		})
		cmd := exec.CommandContext(ctx, binary(t), "grafana", "sync", path) // it kills with SIGKILL
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("step %d: it was not killed: %s", step, out)
		}
		kill()
		fake.Answer(nil)
		syncs(t, exitPass, path)
		if fake.State() != calm.State() {
			t.Errorf("killed at request %d: %s", step, fake.State())
		}
	}
}

// Where the config asks for it the daemon brings the dashboard at its start and when the
// config changes, and goes on trying; the release is watched meanwhile.
func TestTheDaemonSyncsAtItsStart(t *testing.T) {
	fake, url := newGrafanaServer(t)
	dir := t.TempDir()
	path := grafanaConfig(t, dir, newCrashes(t).URL, url, "sync = true\nannotations = false\n")
	fake.Answer(func(*http.Request) grafanatest.Mode { return grafanatest.Mode{Status: 401, Words: grafanaToken} })
	s := openShop(t, dir)
	s.says(t, "bringing the dashboard to Grafana")
	wants(t, s.relgate(exitPending, "gate", "check", "shop", "--version", "1.0.0"), "1.0.0")
	fake.Answer(nil)
	writeConfig(t, dir, readText(t, path)+"alerts = true\ndatasource = \"prom\"\n")
	s.says(t, "what=alerts name=relgate-shop did=made")
	if d, _ := fake.Dashboard("relgate"); d == nil {
		t.Error("there is no dashboard")
	}
	if code := s.end(t); code != 0 || strings.Contains(s.log.String(), grafanaToken) {
		t.Errorf("exit %d: %s", code, s.log)
	}
}

// The daemon is killed each time that Grafana has just stored an annotation, and started
// again: each event is annotated once.
func TestAnnotationsAreWrittenOnceOverKills(t *testing.T) {
	fake, url := newGrafanaServer(t)
	sentry, dir := newCrashes(t), t.TempDir()
	grafanaConfig(t, dir, sentry.URL, url, "")
	sentry.set("1.0.1", 50)
	hourAgo := time.Now().Add(-time.Hour).UTC().Truncate(time.Minute).Format(time.RFC3339)
	kills := 0
	for kills < 5 {
		stored := make(chan bool, 1)
		fake.Answer(func(r *http.Request) grafanatest.Mode {
			if r.Method == http.MethodGet {
				return grafanatest.Mode{}
			}
			select {
			case stored <- true:
			default:
			}
			return grafanatest.Mode{HangAfter: true}
		})
		s := openShop(t, dir)
		switch kills {
		case 0:
			s.relgate(0, "start", "shop", "--version", "1.0.0", "--at", hourAgo, "--set", "lambda=41", "--set", "previous=0.9.0", "--set", "previous.lambda=40")
		case 3:
			s.relgate(0, "gate", "wait", "shop", "--version", "1.0.0", "--timeout", "1m")
			s.relgate(0, "start", "shop", "--version", "1.0.1", "--at", hourAgo, "--set", "lambda=42")
		}
		select {
		case <-stored:
		case <-time.After(time.Minute):
			t.Fatalf("no annotation came: %s", s.log)
		}
		before := len(fake.Annotations())
		eventually(t, "Grafana to have stored it", func() bool { return len(fake.Annotations()) >= before })
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait()
		kills++
	}
	fake.Answer(nil)
	s := openShop(t, dir)
	s.relgate(exitRollback, "gate", "wait", "shop", "--version", "1.0.1", "--timeout", "1m", "--rollback-exit-code")
	eventually(t, "all to be delivered", func() bool {
		return strings.Contains(s.relgate(0, "deliveries", "list"), " 0 pending")
	})
	var texts []string
	seen := map[string]int{}
	for _, a := range fake.Annotations() {
		text, _, _ := strings.Cut(fmt.Sprint(a["text"]), ":")
		texts = append(texts, text)
		for _, tag := range a["tags"].([]any) {
			if strings.HasPrefix(tag.(string), "event:") {
				seen[tag.(string)]++
			}
		}
	}
	for event, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", event, n)
		}
	}
	slices.Sort(texts)
	if got := strings.Join(texts, " "); got != "PASS PASS ROLLBACK WAIT WAIT" {
		t.Errorf("got %s:\n%s", got, fake.State())
	}
	if code := s.end(t); code != 0 || strings.Contains(s.log.String(), grafanaToken) {
		t.Errorf("exit %d", code)
	}
}

// What docs/integrations.md has people run is run: the config, the sync and the file.
func TestTheGrafanaRecipesWork(t *testing.T) {
	fake, url := newGrafanaServer(t)
	dir := t.TempDir()
	if err := os.Symlink(binary(t), filepath.Join(dir, "relgate")); err != nil {
		t.Fatal(err)
	}
	page := "docs/integrations.md"
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(shop+fmt.Sprintf(shopDaemon, "https://sentry.example.com")+
		strings.ReplaceAll(recipe(t, page, "grafana-config"), "https://grafana.example.com", url)), 0o600); err != nil {
		t.Fatal(err)
	}
	sh := func(script string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", script)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "GRAFANA_TOKEN="+grafanaToken)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", script, err, out)
		}
		return string(out)
	}
	sh("relgate check config.toml")
	said := sh(recipe(t, page, "grafana-sync"))
	if shown := recipe(t, page, "grafana-synced"); said != strings.ReplaceAll(shown, "PLAN", "shop") {
		t.Errorf("it says\n%s\nand the page shows\n%s", said, shown)
	}
	fake.EditDashboard("relgate", func(d grafanatest.Object) { d["title"] = "Ours" })
	sh(recipe(t, page, "grafana-overwrite"))
	if d, _ := fake.Dashboard("relgate"); d["title"] != "relgate: release gate" {
		t.Errorf("the title is %v", d["title"])
	}
	sh(recipe(t, page, "dashboard"))
	if text := readText(t, filepath.Join(dir, "relgate-dashboard.json")); !json.Valid([]byte(text)) {
		t.Error("the file is no dashboard")
	}
}

// A demo of a config with [grafana] writes to one of its own, in memory: the dashboard,
// and what happened.
func TestTheDemoHasAGrafana(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	text := strings.ReplaceAll(readText(t, filepath.Join(root, "config.toml")), `"sql/`, `"`+absolutePath(t, filepath.Join(root, "sql"))+"/")
	// A rule that names its webhooks says nothing of annotations.
	text = strings.ReplaceAll(text, "[rollback.api-5xx-high]\n", "[rollback.api-5xx-high]\nnotify = [\"ops\"]\n")
	if err := os.WriteFile(path, []byte(text+"\n[grafana]\nurl = \"https://grafana.invalid\"\ntoken = { env = \"NOT_SET_IN_THE_TEST\" }\nsync = true\nalerts = true\ndatasource = \"prom\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	d := &demo{demoCommand: demoCommand{Scenario: "api-5xx", Speed: "max", Output: "text", Config: path, ExitWhenDone: true}, con: console{out: &out, err: &out}}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := d.prepare(ctx); err != nil {
		t.Fatal(err)
	}
	_ = d.run(ctx) // its error is the verdict
	var got []string
	for _, a := range d.grafana.memory.Annotations() {
		at := func(key string) string { return time.UnixMilli(int64(a[key].(float64))).UTC().Format("15:04") }
		const link = ` <a href="https://gate.example/v1/runs/REL-2025-06-04@1.0.0" target="_blank">REL-2025-06-04@1.0.0</a>`
		text := fmt.Sprint(a["text"])
		if !strings.Contains(text, link) {
			t.Errorf("no link to the run: %s", text)
		}
		got = append(got, at("time")+"-"+at("timeEnd")+" "+strings.ReplaceAll(text, link, ""))
	}
	slices.Sort(got)
	want := `02:00-02:18 WAIT: phase lambda-10: started on schedule; watched until 02:15 UTC<br>PASS: phase lambda-10: API 5xx rate 0.22 % &lt; 1 % (45 of 20,187)
02:18-02:18 PASS: phase lambda-10: its success rules hold; 2 rollback rules are clear
02:20-02:53 WAIT: phase lambda-100: started on schedule; watched until 02:50 UTC<br>PASS: phase lambda-100: API 5xx rate 0.21 % &lt; 1 % (78 of 36,999)
02:30-03:11 WAIT: phase mobile-10: started on schedule; watched until 04:30 UTC<br>ROLLBACK: phase mobile-10 is rolled back: API 5xx
02:53-02:53 PASS: phase lambda-100: its success rules hold; 2 rollback rules are clear
03:11-03:11 ROLLBACK: API 5xx 4.9 % &gt; 3 % for 10 min (552 of 11,325)
03:13-03:13 FAIL: phase lambda-100: every step of the way back is done
03:13-03:13 FAIL: phase lambda-10: every step of the way back is done
03:13-03:13 FAIL: phase mobile-100: every step of the way back is done
03:13-03:13 FAIL: phase mobile-10: every step of the way back is done
03:13-03:13 FAIL: phase mobile-50: every step of the way back is done
03:19-03:19 SAFE: users are safe since 03:13 UTC, 13 min after the fault began`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if !strings.Contains(out.String(), "grafana   http://127.0.0.1:") {
		t.Errorf("it does not say where its Grafana is:\n%s", out.String())
	}
}
