package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

var releaseStart = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// release is a plan of two phases with one run, whose first phase has the state.
func release(state rules.State, v rules.Verdict, edit ...func(*fact.Snapshot)) gate.PlanView {
	plan := &rules.Plan{
		Name: "shop", Title: "Shop", Version: "1.0.1", Interval: 30 * time.Second, Start: releaseStart,
		Binding: rules.Binding{Run: "shop@1.0.1", UID: "k3v9", Try: 1},
		Phases:  []rules.Phase{{Name: "ten", Window: time.Hour}, {Name: "all", Window: time.Hour}},
	}
	s := fact.Snapshot{
		Plan: "shop", Title: "Shop", Version: "1.0.1", Seq: 7, At: releaseStart.Add(5 * time.Minute), Interval: 30 * time.Second, Start: releaseStart,
		State: rules.Monitoring, Verdict: rules.Pending, Cause: rules.CauseWindow, Generation: 4,
		Phases: []fact.PhaseView{
			{Name: "ten", Traffic: .1, State: state, Verdict: v, Scheduled: releaseStart, Started: releaseStart, WindowEnd: releaseStart.Add(time.Hour)},
			{Name: "all", Traffic: 1, State: rules.Waiting, Verdict: rules.Pending, Scheduled: releaseStart.Add(2 * time.Hour)},
		},
	}
	if v == rules.Rollback {
		s.State, s.Verdict = rules.RolledBack, v
	}
	for _, e := range edit {
		e(&s)
	}
	return gate.PlanView{Name: "shop", Title: "Shop", Version: "1.0.1", Phases: []string{"ten", "all"}, File: gate.File{State: gate.FileOK}, Runs: []wire.RunView{{Plan: plan, Snapshot: s}}}
}

// daemonWith answers as a daemon with the plans does.
func daemonWith(t *testing.T, plans ...gate.PlanView) (url string, g *gate.Gate) {
	t.Helper()
	g, err := gate.New(gate.Config{Now: func() time.Time { return releaseStart.Add(5 * time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	g.Update(gate.Views{Plans: plans})
	srv := httptest.NewServer(g.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(g.Drain) // before the server, which waits for long polls
	return srv.URL, g
}

func TestGateCheckExitsWithTheAnswerToItsQuestion(t *testing.T) {
	t.Parallel()
	template := release(rules.Passed, rules.Pass)
	template.Template, template.Version = true, ""
	passed, _ := daemonWith(t, release(rules.Passed, rules.Pass))
	started, _ := daemonWith(t, template)
	failed, _ := daemonWith(t, release(rules.Failed, rules.Fail))
	back, _ := daemonWith(t, release(rules.RolledBack, rules.Rollback))
	held, _ := daemonWith(t, release(rules.Passed, rules.Pass, func(s *fact.Snapshot) {
		s.State, s.Held, s.Holder = rules.Held, true, fact.Holder{By: "Ada", Cause: rules.CauseManual, Text: "lunch"}
	}))
	for _, tt := range []struct {
		about string
		url   string
		args  []string
		code  int
		says  string // on stdout or stderr
	}{
		{"a phase that has passed", passed, []string{"shop", "ten"}, exitPass, "PASS shop/ten 1.0.1"},
		{"without a phase it is the whole run", passed, []string{"shop"}, exitPending, "WAIT shop/run"},
		{"without a plan it is the only one", passed, nil, exitPending, "WAIT shop/run"},
		{"between two phases current is none", passed, []string{"shop", "current"}, exitPending, "phase all has not begun"},
		{"a phase that has not begun", passed, []string{"shop", "all"}, exitPending, "WAIT shop/all"},
		{"entry before its time", passed, []string{"shop", "all", "--entry"}, exitPending, "planned for 2025-06-04 04:00 UTC"},
		{"entry of what has begun", passed, []string{"shop", "ten", "--entry"}, exitPass, "phase ten has begun"},
		{"entry of the first phase", passed, []string{"shop", "--entry"}, exitPass, "PASS shop/run"},
		{"entry of current", passed, []string{"shop", "current", "--entry"}, exitUsage, "name the phase"},
		{"its version", passed, []string{"shop", "ten", "--version", "1.0.1"}, exitPass, "PASS"},
		{"another version", passed, []string{"shop", "ten", "--version", "1.0.2"}, exitPending, "no run of version 1.0.2 yet"},
		{"its run", passed, []string{"shop", "ten", "--run", "shop@1.0.1"}, exitPass, "PASS"},
		{"another run", passed, []string{"shop", "ten", "--run", "shop@1.0.1~2"}, exitUsage, "no such run"},
		{"another plan", passed, []string{"cart", "ten"}, exitUsage, "no such plan"},
		{"another phase", passed, []string{"shop", "eleven"}, exitUsage, "no such phase"},
		{"a template without a version", started, []string{"shop", "ten"}, exitUsage, "name the version"},
		{"a template with one", started, []string{"shop", "ten", "--version", "1.0.1"}, exitPass, "PASS"},
		{"failed", failed, []string{"shop", "ten"}, exitFail, "FAIL shop/ten"},
		{"rolled back", back, []string{"shop", "ten"}, exitFail, "ROLLBACK shop/ten"},
		{"rolled back, with a code of its own", back, []string{"shop", "all", "--rollback-exit-code"}, exitRollback, "ROLLBACK shop/all"},
		{"entry of what is rolled back", back, []string{"shop", "all", "--entry"}, exitFail, "ROLLBACK"},
		{"held, though the phase has passed", held, []string{"shop", "ten"}, exitPending, "held by Ada: lunch"},
		{"entry while held", held, []string{"shop", "ten", "--entry"}, exitPending, "held by Ada: lunch"},
	} {
		code, out, errs := command(t, append([]string{"gate", "check", "--url", tt.url}, tt.args...)...)
		if code != tt.code || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want exit %d and %q", tt.about, code, out, errs, tt.code, tt.says)
		}
	}
}

// good is the answer to: has phase ten of version 1.0.1 of plan shop passed?
func good() map[string]any {
	return map[string]any{
		"apiVersion": "gate/v1", "plan": "shop", "phase": "ten", "question": "passed", "current": "ten", "version": "1.0.1", "generation": 3,
		"verdict": "pass", "pass": true, "final": true, "stale": false, "action": "proceed", "headline": "PASS", "sentence": "it passed", "summary": "passed",
		"run": map[string]any{"id": "shop@1.0.1", "version": "1.0.1", "state": "monitoring"},
	}
}

func with(changes map[string]any) map[string]any {
	b := good()
	for name, value := range changes {
		if value == nil {
			delete(b, name)
		} else {
			b[name] = value
		}
	}
	return b
}

// fake answers every request alike.
func fake(t *testing.T, status int, contentType, body string) (url string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		if status >= 300 && status < 400 {
			w.Header().Set("Location", "https://login.example/")
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent && status != http.StatusNotModified {
			_, _ = w.Write([]byte(body))
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func fakeBody(t *testing.T, status int, body map[string]any) string {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return fake(t, status, "application/json", string(b))
}

func TestOnlyTheAnswerToTheQuestionOpensTheGate(t *testing.T) {
	t.Parallel()
	run := func(id, version string) map[string]any {
		return map[string]any{"id": id, "version": version, "state": "monitoring"}
	}
	ask := []string{"shop", "ten", "--version", "1.0.1"}
	const html = "<html>Please log in</html>"
	for _, tt := range []struct {
		about string
		url   string
		args  []string
		code  int
		says  string
	}{
		{"the answer itself", fakeBody(t, 200, good()), ask, exitPass, ""},
		{"with fields of a later version", fakeBody(t, 200, with(map[string]any{"novel": 1})), ask, exitPass, ""},
		{"of another plan", fakeBody(t, 200, with(map[string]any{"plan": "cart"})), ask, exitUnreachable, `plan "cart"`},
		{"of another phase", fakeBody(t, 200, with(map[string]any{"phase": "all"})), ask, exitUnreachable, `phase "all"`},
		{"of the whole run", fakeBody(t, 200, with(map[string]any{"phase": "run"})), ask, exitUnreachable, `phase "run"`},
		{"of another version", fakeBody(t, 200, with(map[string]any{"version": "1.0.0", "run": run("shop@1.0.0", "1.0.0")})), ask, exitUnreachable, `version "1.0.0"`},
		{"of another run's version", fakeBody(t, 200, with(map[string]any{"run": run("shop@1.0.1", "1.0.0")})), ask, exitUnreachable, "run of version"},
		{"of a run of another version", fakeBody(t, 200, with(map[string]any{"run": run("shop@1.0.0", "1.0.1")})), ask, exitUnreachable, `run "shop@1.0.0"`},
		{"of a run of another plan", fakeBody(t, 200, with(map[string]any{"run": run("cart@1.0.1", "1.0.1")})), ask, exitUnreachable, `run "cart@1.0.1"`},
		{"of no run", fakeBody(t, 200, with(map[string]any{"run": run("", "1.0.1")})), ask, exitUnreachable, "of no run"},
		{"of another try than the one asked for", fakeBody(t, 200, good()), []string{"shop", "ten", "--run", "shop@1.0.1~2"}, exitUnreachable, `run "shop@1.0.1"`},
		{"to another question", fakeBody(t, 200, with(map[string]any{"question": "entry"})), ask, exitUnreachable, `"entry"`},
		{"of another API", fakeBody(t, 200, with(map[string]any{"apiVersion": "gate/v2"})), ask, exitUnreachable, "apiVersion"},
		{"a verdict alone", fake(t, 200, "application/json", `{"verdict":"pass"}`), ask, exitUnreachable, "missing"},
		{"a pass that is none", fakeBody(t, 200, with(map[string]any{"pass": false})), ask, exitUnreachable, "pass false"},
		{"a pass that is stale", fakeBody(t, 200, with(map[string]any{"stale": true})), ask, exitUnreachable, "stale"},
		{"a pass that is not final", fakeBody(t, 200, with(map[string]any{"final": false})), ask, exitUnreachable, "final"},
		{"a pass that says hold", fakeBody(t, 200, with(map[string]any{"action": "hold"})), ask, exitUnreachable, "action"},
		{"a pass of a held run", fakeBody(t, 200, with(map[string]any{"run": map[string]any{"id": "shop@1.0.1", "version": "1.0.1", "state": "held", "held": true}})), ask, exitUnreachable, "held"},
		{"pending with pass", fakeBody(t, 200, with(map[string]any{"verdict": "pending"})), ask, exitUnreachable, "pass true"},
		{"a verdict that there is not", fakeBody(t, 200, with(map[string]any{"verdict": "green"})), ask, exitUnreachable, "green"},
		{"no pass at all", fakeBody(t, 200, with(map[string]any{"pass": nil})), ask, exitUnreachable, `"pass" is missing`},
		{"no stale at all", fakeBody(t, 200, with(map[string]any{"stale": nil})), ask, exitUnreachable, `"stale" is missing`},
		{"no run at all", fakeBody(t, 200, with(map[string]any{"run": nil})), ask, exitUnreachable, `"run" is missing`},
		{"the right answer with another status", fakeBody(t, 201, good()), ask, exitUnreachable, "201"},
		{"current, of another phase than it names", fakeBody(t, 200, with(map[string]any{"current": "all"})), []string{"shop", "current"}, exitUnreachable, "phase"},
		{"current", fakeBody(t, 200, good()), []string{"shop", "current"}, exitPass, ""},
		{"entry with the body of the gate", fakeBody(t, 200, good()), []string{"shop", "ten", "--entry"}, exitUnreachable, `"passed"`},
		{"entry that passes with 503", fakeBody(t, 503, with(map[string]any{"question": "entry", "final": false})), []string{"shop", "ten", "--entry"}, exitUnreachable, "status 503"},
		{"entry that is pending with 200", fakeBody(t, 200, with(map[string]any{"question": "entry", "final": false, "verdict": "pending", "pass": false, "action": "hold"})), []string{"shop", "ten", "--entry"}, exitUnreachable, "status 200"},
		{"an empty 200", fake(t, 200, "application/json", ""), ask, exitUnreachable, ""},
		{"null", fake(t, 200, "application/json", "null"), ask, exitUnreachable, "missing"},
		{"a list", fake(t, 200, "application/json", "[]"), ask, exitUnreachable, ""},
		{"the word", fake(t, 200, "text/plain", "pass"), ask, exitUnreachable, ""},
		{"204", fake(t, 204, "", ""), ask, exitUnreachable, "204"},
		{"202", fakeBody(t, 202, good()), ask, exitUnreachable, "202"},
		{"304", fake(t, 304, "", ""), ask, exitUnreachable, "304"},
		{"a redirect", fake(t, 302, "text/html", html), ask, exitUnreachable, "302"},
		{"a lasting redirect", fake(t, 301, "text/html", html), ask, exitUnreachable, "301"},
		{"a login page with 200", fake(t, 200, "text/html", html), ask, exitUnreachable, ""},
		{"a proxy's 404", fake(t, 404, "text/html", "<h1>Not Found</h1>"), ask, exitUnreachable, "404"},
		{"a proxy's 400", fake(t, 400, "text/html", html), ask, exitUnreachable, "400"},
		{"a proxy's 502", fake(t, 502, "text/html", html), ask, exitUnreachable, "502"},
		{"a proxy's 401", fake(t, 401, "text/html", html), ask, exitAuth, "give the token with --token-file, or in RELGATE_TOKEN"},
		{"a proxy's 403", fake(t, 403, "text/html", html), ask, exitAuth, "403"},
		{"a daemon that starts", fake(t, 503, "application/problem+json", `{"type":"about:blank","title":"starting","status":503,"detail":"no plan has been evaluated yet","run":""}`), ask, exitUnreachable, "starting"},
		{"a problem of another status", fake(t, 404, "application/problem+json", `{"title":"x","status":400}`), ask, exitUnreachable, "404"},
		{"nothing listens", "http://127.0.0.1:1", ask, exitUnreachable, "cannot be reached"},
		{"an address that is none", "::", ask, exitUsage, "--url"},
	} {
		for _, kind := range [][]string{{"check"}, {"wait", "--unreachable-for", "0s"}, {"verdict"}} {
			code, out, errs := command(t, append(append([]string{"gate"}, kind...), append(tt.args, "--url", tt.url)...)...)
			if code != tt.code || !strings.Contains(errs, tt.says) {
				t.Errorf("%s: gate %s exits with %d, stdout %q, stderr %q; want %d and %q", tt.about, kind[0], code, out, errs, tt.code, tt.says)
			}
			if code != exitPass && out != "" {
				t.Errorf("%s: gate %s writes %q", tt.about, kind[0], out)
			}
		}
	}
}

// A failure is one at once, also where it may still become a rollback.
func TestAFailureNeedNotBeFinal(t *testing.T) {
	failing := with(map[string]any{"final": false, "verdict": "fail", "pass": false, "action": "stop"})
	for _, kind := range []string{"check", "wait"} {
		if code, _, errs := command(t, "gate", kind, "shop", "ten", "--url", fakeBody(t, 200, failing)); code != exitFail {
			t.Errorf("gate %s exits with %d, stderr %q", kind, code, errs)
		}
	}
}

func TestEveryExitButUsageWritesAResult(t *testing.T) {
	passed, _ := daemonWith(t, release(rules.Passed, rules.Pass))
	for _, tt := range []struct {
		about   string
		args    []string
		code    int
		verdict string
		run     string
	}{
		{"pass", []string{"check", "shop", "ten", "--url", passed}, exitPass, "pass", "shop@1.0.1"},
		{"pending", []string{"check", "shop", "all", "--url", passed}, exitPending, "pending", "shop@1.0.1"},
		{"no run yet", []string{"check", "shop", "ten", "--version", "9", "--url", passed}, exitPending, "pending", ""},
		{"timeout", []string{"wait", "shop", "all", "--timeout", "100ms", "--url", passed}, exitTimeout, "unknown", ""},
		{"unreachable", []string{"check", "shop", "ten", "--url", "http://127.0.0.1:1"}, exitUnreachable, "unknown", ""},
		{"unreachable, and no plan named", []string{"check", "--url", "http://127.0.0.1:1"}, exitUnreachable, "unknown", ""},
		{"unreachable for long", []string{"wait", "shop", "ten", "--unreachable-for", "0s", "--url", "http://127.0.0.1:1"}, exitUnreachable, "unknown", ""},
		{"not allowed", []string{"check", "shop", "ten", "--url", fake(t, 401, "text/html", "no")}, exitAuth, "unknown", ""},
		{"a login page", []string{"check", "shop", "ten", "--url", fake(t, 200, "text/html", "<html>")}, exitUnreachable, "unknown", ""},
		{"a login page, verdict", []string{"verdict", "shop", "ten", "--url", fake(t, 200, "text/html", "<html>")}, exitUnreachable, "unknown", ""},
		{"usage", []string{"check", "shop", "eleven", "--url", passed}, exitUsage, "", ""},
	} {
		t.Run(tt.about, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("GITHUB_OUTPUT", filepath.Join(dir, "output"))
			t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(dir, "summary"))
			args := append([]string{"gate"}, tt.args...)
			code, out, _ := command(t, append(args, "-o", "json")...)
			var b wire.Body
			err := json.Unmarshal([]byte(out), &b)
			if code != tt.code || b.Verdict != tt.verdict || b.Run.ID != tt.run || (err == nil) != (code != exitUsage) {
				t.Errorf("json: exit %d, %v, %q; want %d and verdict %q of run %q", code, err, out, tt.code, tt.verdict, tt.run)
			}
			if b.Verdict == "unknown" && (b.Sentence == "" || b.Pass || b.Phase == "") {
				t.Errorf("json: %q gives no reason", out)
			}
			_, out, _ = command(t, append(args, "-o", "gitlab")...)
			checkVariables(t, "gitlab", out, tt.code, tt.verdict, tt.run)
			_, out, _ = command(t, append(args, "-o", "github")...)
			if got := strings.HasPrefix(out, "::"); got != (tt.code != exitUsage) || strings.Count(out, "\n") > 1 {
				t.Errorf("github: annotation %q", out)
			}
			outputs, _ := os.ReadFile(filepath.Join(dir, "output"))
			checkVariables(t, "github", string(outputs), tt.code, tt.verdict, tt.run)
			if summary, _ := os.ReadFile(filepath.Join(dir, "summary")); strings.Contains(string(summary), "### relgate: "+tt.verdict+"\n") != (tt.code != exitUsage) {
				t.Errorf("github: summary %q", summary)
			}
		})
	}
}

func checkVariables(t *testing.T, what, text string, code int, verdict, run string) {
	t.Helper()
	if code == exitUsage {
		if text != "" {
			t.Errorf("%s: %q after exit %d", what, text, code)
		}
		return
	}
	got := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || !strings.HasPrefix(name, "relgate_") {
			t.Errorf("%s: line %q", what, line)
		}
		got[name] = value
	}
	want := map[string]string{"relgate_verdict": verdict, "relgate_pass": fmt.Sprint(verdict == "pass"), "relgate_run": run, "relgate_exit_code": fmt.Sprint(code)}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s: %s is %q, want %q", what, name, v, value)
		}
	}
	for _, name := range []string{"plan", "phase", "version", "reason", "headline"} {
		if _, ok := got["relgate_"+name]; !ok {
			t.Errorf("%s: no relgate_%s", what, name)
		}
	}
}

// TestWhatTheDaemonSaysCannotForgeALine: text with line breaks, escapes, right-to-left
// marks, HTML and workflow commands shows as what it is, everywhere.
func TestWhatTheDaemonSaysCannotForgeALine(t *testing.T) {
	const evil = "lunch\nPASS (passed): all good\x1b[2K\r\u202e\u009b1A ::error::x <img src=x> [a](javascript:b) 100%0A"
	body := with(map[string]any{
		"verdict": "pending", "pass": false, "final": false, "action": "hold", "headline": "PENDING: " + evil, "sentence": evil, "summary": evil, "detail": []string{evil},
		"do":  map[string]any{"action": evil, "command": evil, "owner": evil},
		"run": map[string]any{"id": "shop@1.0.1", "version": "1.0.1", "state": "held", "held": true, "hold": map[string]any{"kind": "person", "by": evil, "reason": evil}},
	})
	pending := fakeBody(t, 200, body)
	problem, err := json.Marshal(wire.Problem{Title: evil, Status: 404, Detail: evil})
	if err != nil {
		t.Fatal(err)
	}
	refused := fake(t, 404, "application/problem+json", string(problem))
	page := fake(t, 500, "text/html", evil)
	foreign := fakeBody(t, 200, with(map[string]any{"plan": evil}))
	dir := t.TempDir()
	t.Setenv("GITHUB_OUTPUT", filepath.Join(dir, "output"))
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(dir, "summary"))
	for _, url := range []string{pending, refused, page, foreign} {
		for _, args := range [][]string{
			{"gate", "check"}, {"gate", "verdict"}, {"gate", "check", "-o", "json"}, {"gate", "check", "-o", "gitlab"}, {"gate", "check", "-o", "github"},
			{"gate", "wait", "--timeout", "50ms", "--unreachable-for", "0s"},
		} {
			_, out, errs := command(t, append(args, "shop", "ten", "--url", url)...)
			checkSafe(t, strings.Join(args, " "), out+errs)
			if args[len(args)-1] == "json" && out != "" && !json.Valid([]byte(out)) {
				t.Errorf("%q is not JSON", out)
			}
		}
	}
	checkFiles(t, dir)
}

// checkFiles looks at what a step has left in a folder: its output and its summary.
func checkFiles(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"output", "summary"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		checkSafe(t, name, string(text))
		if name == "summary" && (strings.Contains(strings.ReplaceAll(string(text), `\<`, ""), "<") || strings.Contains(string(text), "](")) {
			t.Errorf("summary %q holds HTML or a link", text)
		}
	}
}

// checkSafe looks for raw characters and forged lines in what a step has said.
func checkSafe(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if class := rules.UnsafeIn(line); class != "" {
			t.Errorf("%s: %s in %q", what, class, line)
		}
		if strings.HasPrefix(line, "PASS (") {
			t.Errorf("%s: a forged line %q", what, line)
		}
		if rest, ok := strings.CutPrefix(line, "::"); ok && strings.Count(rest, "::") != 1 {
			t.Errorf("%s: a forged command in %q", what, line)
		}
	}
}

func TestGateWaitOutlastsRestartsAndPagesOfProxies(t *testing.T) {
	t.Parallel()
	answers := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { http.Error(w, "no tick yet", http.StatusServiceUnavailable) },
		func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>maintenance</html>")) },
		func(w http.ResponseWriter) { _ = json.NewEncoder(w).Encode(good()) },
	}
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answers[asked](w)
		asked++
	}))
	defer srv.Close()
	if code, out, errs := command(t, "gate", "wait", "shop", "ten", "--url", srv.URL); code != exitPass || asked != 3 {
		t.Errorf("exit %d after %d questions, %q%q; want 0 after 3", code, asked, out, errs)
	}
}

func TestGateWaitWaitsForTheRunToBeginAndPass(t *testing.T) {
	t.Parallel()
	empty := release(rules.Monitoring, rules.Pending)
	empty.Template, empty.Version, empty.Runs = true, "", nil
	_, g := daemonWith(t, empty)
	begun := make(chan struct{})
	go func() {
		<-begun
		v := release(rules.Passed, rules.Pass)
		v.Template, v.Version = true, ""
		g.Update(gate.Views{Plans: []gate.PlanView{v}})
	}()
	// The update must come while the command waits: it is released by its first poll.
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("wait") != "" {
			close(begun)
		}
		g.Handler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	if code, out, errs := command(t, "gate", "wait", "shop", "ten", "--version", "1.0.1", "--url", srv.URL); code != exitPass || !strings.Contains(errs, "no run of version 1.0.1 yet") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

func TestGateWaitGivesUpInTime(t *testing.T) {
	t.Parallel()
	pending := with(map[string]any{"verdict": "pending", "pass": false, "final": false, "action": "hold", "summary": "12m left"})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("wait") != "" {
			<-r.Context().Done() // a long poll
			return
		}
		_ = json.NewEncoder(w).Encode(pending)
	}))
	defer srv.Close()
	code, _, errs := command(t, "gate", "wait", "shop", "ten", "--timeout", "200ms", "--url", srv.URL)
	if code != exitTimeout || !strings.Contains(errs, "12m left") {
		t.Errorf("exit %d, %q; want %d and the last summary", code, errs, exitTimeout)
	}
}

func TestACommandNamesItsRunAndAcceptsItsOwnEventOnly(t *testing.T) {
	t.Parallel()
	event := map[string]any{"kind": "command", "subject": "hold", "plan": "shop", "run": "shop@1.0.1", "version": "1.0.1", "to": "applied", "sentence": "hold by Ada"}
	changed := func(name string, value any) map[string]any {
		e := maps.Clone(event)
		e[name] = value
		return e
	}
	refused := changed("to", "refused")
	refused["sentence"] = "hold refused: the run is held already."
	var sent map[string]any
	for _, tt := range []struct {
		about  string
		status int
		event  map[string]any
		code   int
		says   string
	}{
		{"applied", 200, event, exitPass, "shop@1.0.1: hold applied: hold by Ada"},
		{"refused", 409, refused, exitFail, "shop@1.0.1: hold refused: the run is held already.\n"},
		{"of another version", 200, changed("version", "1.0.0"), exitUnreachable, "not of this command"},
		{"of a run of another version", 200, changed("run", "shop@1.0.0"), exitUnreachable, "not of this command"},
		{"of a run of another plan", 200, changed("run", "cart@1.0.1"), exitUnreachable, "not of this command"},
		{"refused with 200", 200, changed("to", "refused"), exitUnreachable, "not of this command"},
		{"of another command", 200, changed("subject", "abort"), exitUnreachable, "not of this command"},
		{"of another plan", 200, changed("plan", "cart"), exitUnreachable, "not of this command"},
		{"of another kind", 200, changed("kind", "run"), exitUnreachable, "not of this command"},
		{"an empty object", 200, map[string]any{}, exitUnreachable, "not of this command"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent = nil
			if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
				t.Error(err)
			}
			w.WriteHeader(tt.status)
			_ = json.NewEncoder(w).Encode(tt.event)
		}))
		code, out, errs := command(t, "hold", "--plan", "shop", "--version", "1.0.1", "--by", "Ada", "--why", "lunch", "--url", srv.URL)
		srv.Close()
		if code != tt.code || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%s: exit %d, %q%q; want %d and %q", tt.about, code, out, errs, tt.code, tt.says)
		}
		if sent["version"] != "1.0.1" || sent["by"] != "Ada" || sent["id"] == "" {
			t.Errorf("%s: sent %v", tt.about, sent)
		}
	}
}
