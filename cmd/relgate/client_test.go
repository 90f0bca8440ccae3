package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// command runs the command line in this process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, console{out: &out, err: &errs})
	return code, out.String(), errs.String()
}

// ended runs a demo to the end of its plan and leaves the daemon answering.
func ended(t *testing.T, scenario string) (url string) {
	t.Helper()
	public, _ := startDemo(t, "--speed", "max", "--scenario", scenario, "--config", unanswered(t))
	url = "http://" + public
	eventually(t, "the end of "+scenario, func() bool {
		var plan wire.PlanBody
		_, body := get(t, url+"/v1/plans/REL-2025-06-04")
		return json.Unmarshal([]byte(body), &plan) == nil && plan.Run.Verdict != "pending" && plan.Run.Verdict != "" &&
			(plan.Run.Verdict != "fail" || plan.Run.Over) // a failed run may still be rolled back
	})
	return url
}

// TestAClientSaysWhatIsWrongWithItsFlags: it sends no token into the open by mistake, and
// shows none.
func TestAClientSaysWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	got := make(chan string, 9)
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	}))
	defer daemon.Close()
	const said = "hunter2" // never shown
	for _, tt := range []struct {
		args []string
		code int
		want string
		sent string // empty: nothing may be sent
	}{
		{[]string{"--url", "http://ci:hunter2@127.0.0.1:1"}, exitUnreachable, "http://ci:xxxxx@127.0.0.1:1", ""},
		{[]string{"--url", "http://ci:hunter2/@127.0.0.1"}, exitUsage, "want one such as https://gate.example", ""},
		{[]string{"--url", "127.0.0.1:8080"}, exitUsage, "want one such as https://gate.example", ""},
		{[]string{"--url", "localhost:8080"}, exitUsage, "want an address such as https://gate.example", ""},
		{[]string{"--url", daemon.URL + "?token=x"}, exitUsage, "want nothing behind the path", ""},
		{[]string{"--url", daemon.URL, "--token", said, "--ca", file("ca.pem", "x")}, exitUsage, "--ca, --cert and --key are for https", ""},
		{[]string{"--url", "HTTPS" + strings.TrimPrefix(daemon.URL, "http"), "--ca", file("ca.pem", "x")}, exitUsage, "holds no PEM certificate", ""},
		{[]string{"--url", daemon.URL, "--token-file", file("empty", " \n")}, exitUsage, "is empty", ""},
		{[]string{"--url", daemon.URL, "--token-file", file("two", said+"\n"+said)}, exitUsage, "more than one line", ""},
		{[]string{"--url", daemon.URL, "--token-file", file("bom", "\ufeff"+said+"\r\n")}, exitUnreachable, "it answered 302", "Bearer " + said},
	} {
		code, out, errs := command(t, append([]string{"runs"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) || strings.Contains(out+errs, said) {
			t.Errorf("%q: exit %d, %q, want %d and %q", tt.args, code, errs, tt.code, tt.want)
		}
		sent := ""
		select {
		case sent = <-got:
		default:
		}
		if sent != tt.sent || len(got) > 0 {
			t.Errorf("%q: sent %q, and %d more, want %q", tt.args, sent, len(got), tt.sent)
		}
	}
}

func TestGateCommandsExitWithTheVerdict(t *testing.T) {
	t.Parallel()
	url := ended(t, "api-5xx")
	for _, tt := range []struct {
		args []string
		code int
		out  string
	}{
		{[]string{"gate", "check"}, exitFail, "ROLLBACK REL-2025-06-04/run"},
		{[]string{"gate", "check", "--entry", "REL-2025-06-04", "mobile-50"}, exitFail, "ROLLBACK REL-2025-06-04/mobile-50"},
		{[]string{"gate", "check", "--rollback-exit-code"}, exitRollback, "ROLLBACK"},
		{[]string{"gate", "check", "REL-2025-06-04", "lambda-10"}, exitFail, "ROLLBACK REL-2025-06-04/lambda-10"},
		{[]string{"gate", "check", "REL-2025-06-04", "no-such-phase"}, exitUsage, ""},
		{[]string{"gate", "check", "--version", "0.0.9"}, exitPending, "no run of version 0.0.9 yet"},
		{[]string{"gate", "check", "NO-PLAN"}, exitUsage, ""},
		{[]string{"gate", "wait", "--timeout", "30s"}, exitFail, "ROLLBACK"},
		{[]string{"gate", "verdict"}, exitPass, "rollback\n"},
		{[]string{"gate", "check", "-o", "gitlab"}, exitFail, "relgate_verdict=rollback\nrelgate_pass=false\n"},
		{[]string{"explain"}, exitPass, "api-5xx-high"},
	} {
		code, out, errs := command(t, append(tt.args, "--url", url)...)
		if code != tt.code || !strings.Contains(out, tt.out) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit %d and %q", tt.args, code, out, errs, tt.code, tt.out)
		}
	}
	code, out, _ := command(t, "gate", "check", "-o", "json", "--url", url)
	var body wire.Body
	if err := json.Unmarshal([]byte(out), &body); err != nil || body.Verdict != "rollback" || code != exitFail {
		t.Errorf("gate check -o json: exit %d, %v, verdict %q", code, err, body.Verdict)
	}
}

func TestCommandsAreRecordedWithWhoAndWhy(t *testing.T) {
	t.Parallel()
	url := ended(t, "crash")
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"hold", "--why", "lunch"}, exitUsage, "--by"},
		{[]string{"rollback-done", "--by", "Ada", "--why", "alias is on 42 again"}, exitPass, "applied"},
		{[]string{"rollback-done", "--by", "Ada", "--why", "twice"}, exitFail, "refused"},
		{[]string{"override", "maybe", "--by", "Ada", "--why", "x"}, exitUsage, "pass"},
	} {
		code, out, errs := command(t, append(tt.args, "--url", url)...)
		if code != tt.code || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%q: exit %d, %q%q; want exit %d and %q", tt.args, code, out, errs, tt.code, tt.says)
		}
	}
	if code, _, _ := command(t, "gate", "check", "--rollback-exit-code", "--url", url); code != exitFail {
		t.Errorf("gate check after the rollback was done: exit %d, want %d", code, exitFail)
	}
}

func TestAnUnreachableDaemonIsNoPass(t *testing.T) {
	closed := "http://127.0.0.1:1" // nothing listens there; a port that was free might be taken by another test
	captive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>Please log in</html>"))
	}))
	defer captive.Close()
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	defer locked.Close()
	moved := httptest.NewServer(http.RedirectHandler(captive.URL, http.StatusFound))
	defer moved.Close()
	for _, tt := range []struct {
		url  string
		code int
	}{
		{closed, exitUnreachable}, {captive.URL, exitUnreachable}, {locked.URL, exitAuth}, {moved.URL, exitUnreachable}, {"::", exitUsage},
	} {
		for _, args := range [][]string{{"gate", "check", "P"}, {"gate", "verdict", "P"}, {"gate", "wait", "P", "--unreachable-for", "0s"}, {"explain", "P"}} {
			if code, out, _ := command(t, append(args, "--url", tt.url)...); code != tt.code {
				t.Errorf("%q at %s: exit %d, stdout %q; want %d", args, tt.url, code, out, tt.code)
			}
		}
	}
}

// TestAnEmptyNameAsksForNothing: of `--version "$VERSION"` with no such variable.
func TestAnEmptyNameAsksForNothing(t *testing.T) {
	t.Parallel()
	asked := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer srv.Close()
	who := []string{"--by", "Ada", "--why", "x"}
	var lines [][]string
	for _, of := range [][]string{{"gate", "check"}, {"gate", "wait"}, {"gate", "verdict"}} {
		lines = append(lines, append(of, ""), append(of, "shop", ""), append(of, "shop", "ten", "--version", ""), append(of, "shop", "ten", "--version="),
			append(of, "shop", "ten", "--run", ""), append(of, "shop", "ten", "--version", "a b"))
	}
	for _, of := range [][]string{{"hold"}, {"resume"}, {"abort"}, {"rollback-done"}, {"override", "pass"}, {"phase", "start"}} {
		of = slices.Concat(of, who)
		lines = append(lines, append(of, "--version", ""), append(of, "--run", ""), append(of, "--plan", ""), append(of, "--version", "a/b"))
	}
	lines = append(lines, append([]string{"phase", "start", ""}, who...), append([]string{"override", "pass", ""}, who...),
		[]string{"explain", ""}, []string{"explain", "--version", ""}, []string{"explain", "--run", ""}, []string{"explain", "--version", "~"}, []string{"runs", ""},
		[]string{"start", "", "--version", "1"}, []string{"start", "shop", "--version", ""}, []string{"start", "shop", "--version", "1 2"})
	for _, args := range lines {
		code, out, errs := command(t, slices.Concat(args, []string{"--url", srv.URL})...)
		if code != exitUsage || asked || out != "" || !strings.Contains(errs, "is a variable not set?") && !strings.Contains(errs, "want at most 128") {
			t.Errorf("%q: exit %d, asked %v, stdout %q, stderr %q; want %d", args, code, asked, out, errs, exitUsage)
		}
	}
}

// TestAnAnswerToAnotherQuestionIsNotShown: as of a proxy that drops the query, or keeps
// the answer to an earlier one.
func TestAnAnswerToAnotherQuestionIsNotShown(t *testing.T) {
	t.Parallel()
	page := func(edit ...string) string {
		text := `{"apiVersion":"gate/v1","plan":"shop","version":"1.0.1","headline":"WAIT: x","sentence":"x.","run":{"id":"shop@1.0.1","version":"1.0.1","verdict":"pending"},"start":null}`
		return strings.NewReplacer(edit...).Replace(text)
	}
	list := func(edit ...string) string {
		return strings.NewReplacer(edit...).Replace(`{"apiVersion":"gate/v1","runs":[{"id":"shop@1.0.1","plan":"shop","version":"1.0.1"},{"id":"shop@1.0.0","plan":"shop","version":"1.0.0"}]}`)
	}
	explain := []string{"explain", "shop", "--version", "1.0.1"}
	explainRun := []string{"explain", "shop", "--run", "shop@1.0.1"}
	one := []string{"runs", "shop@1.0.1"}
	all := []string{"runs", "shop"}
	start := []string{"start", "shop", "--version", "1.0.1"}
	const problem = `{"type":"about:blank","title":"the run was refused","status":409,"detail":"shop@1.0.0 is under way","run":"shop@1.0.0"}`
	for _, tt := range []struct {
		about  string
		args   []string
		status int
		kind   string
		body   string
		code   int
	}{
		{"the answer itself", explain, 200, "application/json", page(), exitPass},
		{"the run itself", explainRun, 200, "application/json", page(), exitPass},
		{"another version", explain, 200, "application/json", page("1.0.1", "1.0.0"), exitUnreachable},
		{"another run", explainRun, 200, "application/json", page("shop@1.0.1", "shop@1.0.1~2"), exitUnreachable},
		{"another plan", explain, 200, "application/json", page("shop", "cart"), exitUnreachable},
		{"another API", explain, 200, "application/json", page("gate/v1", "gate/v2"), exitUnreachable},
		{"a run of another plan", explain, 200, "application/json", page("shop@", "cart@"), exitUnreachable},
		{"a page", explain, 200, "text/html", "<html>", exitUnreachable},
		{"one run", one, 200, "application/json", page(), exitPass},
		{"another run than the one", one, 200, "application/json", page("1.0.1", "1.0.0"), exitUnreachable},
		{"one run of another API", one, 200, "application/json", page("gate/v1", "gate/v2"), exitUnreachable},
		{"one run, whose page says another plan", one, 200, "application/json", page(`"plan":"shop"`, `"plan":"cart"`), exitUnreachable},
		{"a list", all, 200, "application/json", list(), exitPass},
		{"a list of all runs", []string{"runs"}, 200, "application/json", list("shop@1.0.0", "cart@1.0.0", `"plan":"shop","version":"1.0.0"`, `"plan":"cart","version":"1.0.0"`), exitPass},
		{"a list with a run of another plan", all, 200, "application/json", list("shop@1.0.0", "cart@1.0.0", `"plan":"shop","version":"1.0.0"`, `"plan":"cart","version":"1.0.0"`), exitUnreachable},
		{"a list of another API", all, 200, "application/json", list("gate/v1", "gate/v2"), exitUnreachable},
		{"an empty list of another API", all, 200, "application/json", `{"runs":[]}`, exitUnreachable},
		{"a start", start, 201, "application/json", page(), exitPass},
		{"a start that was there", start, 200, "application/json", page(), exitPass},
		{"a start of another version", start, 200, "application/json", page("1.0.1", "1.0.0"), exitUnreachable},
		{"a start of another plan", start, 201, "application/json", page("shop", "cart"), exitUnreachable},
		{"a start of another API", start, 201, "application/json", page("gate/v1", "gate/v2"), exitUnreachable},
		{"a start of no run", start, 201, "application/json", page(`"id":"shop@1.0.1"`, `"id":""`), exitUnreachable},
		{"a start that is refused", start, 409, "application/problem+json", problem, exitFail},
		{"a proxy's 409", start, 409, "text/html", "<html>conflict</html>", exitUnreachable},
	} {
		url := fake(t, tt.status, tt.kind, tt.body)
		for _, form := range []string{"text", "json"} {
			code, out, errs := command(t, slices.Concat(tt.args, []string{"-o", form, "--url", url})...)
			if code != tt.code || (out != "") != (tt.code == exitPass) {
				t.Errorf("%s: %q -o %s exits with %d, stdout %q, stderr %q; want %d", tt.about, tt.args, form, code, out, errs, tt.code)
			}
			if foreign := errForeign.Error(); tt.code == exitUnreachable && tt.status < 300 && !strings.Contains(errs, foreign) {
				t.Errorf("%s: stderr %q, want %q", tt.about, errs, foreign)
			}
		}
	}
}

func TestAWaitEndsWithTheVersionThatItBeganWith(t *testing.T) {
	t.Parallel()
	next := release(rules.Passed, rules.Pass)
	next.Version = "1.0.2"
	plan := *next.Runs[0].Plan
	plan.Version, plan.Binding.Run = "1.0.2", "shop@1.0.2"
	next.Runs[0].Plan, next.Runs[0].Snapshot.Version = &plan, "1.0.2"
	_, g := daemonWith(t, release(rules.Monitoring, rules.Pending))
	var second string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("wait") != "" && second == "" {
			second = r.URL.Query().Get("version")
			g.Update(gate.Views{Plans: []gate.PlanView{next}}) // the file names another version now
			r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "wait=30s", "wait=0s")
		}
		g.Handler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	defer g.Drain()
	code, out, errs := command(t, "gate", "wait", "shop", "ten", "--timeout", "300ms", "--url", srv.URL)
	if code == exitPass || second != "1.0.1" {
		t.Errorf("exit %d, second question about version %q, %q%q; want a wait for 1.0.1", code, second, out, errs)
	}
}

func TestNothingToDoIsSaidWithItsReason(t *testing.T) {
	at := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		about string
		body  wire.PlanBody
		want  string
	}{
		{"under way", wire.PlanBody{Run: wire.Run{Verdict: "pending"}}, "do now    nothing: relgate goes on by itself\n"},
		{"over", wire.PlanBody{Run: wire.Run{Verdict: "pass", Over: true}}, "do now    nothing: the run is over\n"},
		{"unknown", wire.PlanBody{Run: wire.Run{Verdict: "unknown"}}, "relgate cannot judge until then\n"},
		{"a journal in trouble", wire.PlanBody{Stale: true, Run: wire.Run{Verdict: "pass", Over: true}}, "relgate cannot judge until then\n"},
		{"what the release asks for", wire.PlanBody{Do: wire.Do{Action: "pause"}, Run: wire.Run{Verdict: "unknown"}}, "do now    pause\n"},
	} {
		var b strings.Builder
		tt.body.EvaluatedAt = &at
		explain(&b, &tt.body, false)
		if !strings.Contains(b.String(), tt.want) || strings.Contains(b.String(), "three intervals") { // stale has other reasons, too
			t.Errorf("%s: %q, want %q", tt.about, b.String(), tt.want)
		}
	}
}
