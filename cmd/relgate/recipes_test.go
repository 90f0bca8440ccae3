package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	yaml "github.com/oasdiff/yaml3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/internal/peertest"
	"github.com/relgate/relgate/rules"
)

// recipe is the text of a document's fenced block whose info string says recipe=NAME,
// without the indentation of the list that it stands in.
func recipe(t *testing.T, page, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^( *)```[a-z]+ recipe=" + name + "\n(.*?)^ *```$").FindStringSubmatch(string(text))
	if block == nil {
		t.Fatalf("%s has no recipe=%s", page, name)
	}
	return regexp.MustCompile("(?m)^"+block[1]).ReplaceAllString(block[2], "")
}

// pipeline is a CI job's machine: relgate and curl on the PATH, and the programs of
// the recipes, which write into a file that they ran.
type pipeline struct {
	t   *testing.T
	dir string
	url string
	env []string
}

const ciToken = "token-of-the-job"

// newPipeline is a pipeline that asks for a phase of the plan shop.
func newPipeline(t *testing.T, url, phase, version string, env ...string) *pipeline {
	t.Helper()
	p := &pipeline{t: t, dir: t.TempDir(), url: url}
	p.program("shift-traffic.sh", `echo "$0 $*" >>ran`)
	p.program("shift-traffic", `echo "$0 $*" >>ran`)
	p.program("roll-back", `echo "$0 $*" >>ran`)
	// The curl on the PATH is the real one, and writes down its exit code and what
	// it printed last: the status.
	p.program("curl", fmt.Sprintf(`out=$(%s "$@"); code=$?; echo "$code ${out##*[!0-9]}" >>asked; printf %%s "$out"; exit $code`, peertest.Need(t, "curl")))
	if err := os.Symlink(binary(t), filepath.Join(p.dir, "relgate")); err != nil {
		t.Fatal(err)
	}
	p.env = append(os.Environ(), "PATH="+p.dir+":"+os.Getenv("PATH"), "RELGATE_URL="+url, "RELGATE_TOKEN="+ciToken,
		"PLAN=shop", "PHASE="+phase, "VERSION="+version, "RELGATE_DELAY=0.02")
	p.env = append(p.env, env...)
	return p
}

func (p *pipeline) program(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

// file is the text of a file of the job; empty where there is none.
func (p *pipeline) file(name string) string {
	text, _ := os.ReadFile(filepath.Join(p.dir, name))
	return string(text)
}

// sh runs a script as runners do, and gives its exit code.
func (p *pipeline) sh(script string, env ...string) int {
	cmd := exec.CommandContext(p.t.Context(), "sh", "-e", "-c", script)
	cmd.Dir, cmd.Env = p.dir, append(p.env, env...)
	cmd.WaitDelay = time.Second // for the programs of a script that was killed
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.t.Error(err)
	}
	p.t.Logf("sh: exit %d\n%s", cmd.ProcessState.ExitCode(), said.String())
	return cmd.ProcessState.ExitCode()
}

// githubCondition is the one form of a condition that the recipe uses.
var githubCondition = regexp.MustCompile(`^failure\(\) && steps\.(\w+)\.outputs\.(\w+) == '(\w+)'$`)

// github runs steps as GitHub Actions does: after one that failed only those whose
// condition says so. It gives the exit code of the first that failed.
func (p *pipeline) github(text string) int {
	var steps []struct {
		Name, ID, Run string
		If            string `yaml:"if"`
		Env           map[string]string
	}
	if err := yaml.Unmarshal([]byte(text), &steps); err != nil {
		p.t.Error(err)
		return -1
	}
	failed, outputs := 0, map[string]string{} // :: step.name → value
	for i, s := range steps {
		wanted := failed == 0
		if s.If != "" {
			c := githubCondition.FindStringSubmatch(s.If)
			if c == nil {
				p.t.Errorf("condition %q is of no form that this test knows", s.If)
				return -1
			}
			wanted = failed != 0 && outputs[c[1]+"."+c[2]] == c[3]
		}
		if !wanted {
			continue
		}
		file := fmt.Sprintf("output-%d", i)
		env := []string{"GITHUB_OUTPUT=" + file, "GITHUB_STEP_SUMMARY=summary"}
		for name, value := range s.Env {
			env = append(env, name+"="+strings.NewReplacer("https://gate.example", p.url, "${{ secrets.RELGATE_TOKEN }}", ciToken).Replace(value))
		}
		if code := p.sh(s.Run, env...); failed == 0 {
			failed = code
		}
		for line := range strings.Lines(p.file(file)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			outputs[s.ID+"."+name] = value
		}
	}
	return failed
}

// gitlab runs the script of the recipe's one job.
func (p *pipeline) gitlab(text string) int {
	var jobs map[string]struct {
		Script    []string
		Artifacts struct{ Reports struct{ Dotenv string } }
	}
	if err := yaml.Unmarshal([]byte(text), &jobs); err != nil || jobs["gate"].Artifacts.Reports.Dotenv != "gate.env" {
		p.t.Errorf("%v: %+v", err, jobs)
	}
	return p.sh(strings.Join(jobs["gate"].Script, "\n"))
}

// callers are the recipes that run programs, each with the way that its runner runs
// it, and what has run when the gate is open.
var callers = []struct {
	name, page, recipe string
	run                func(p *pipeline, text string) int
	moved              string
}{
	{"README's wait", "README.md", "wait", func(p *pipeline, text string) int { return p.sh(text) }, "./shift-traffic.sh \n"},
	{"README's curl", "README.md", "curl", func(p *pipeline, text string) int { return p.sh(text) }, "./shift-traffic.sh \n"},
	{"GitHub", "docs/http.md", "github", (*pipeline).github, "./shift-traffic 10\n"},
	{"GitLab", "docs/http.md", "gitlab", (*pipeline).gitlab, ""},
}

func TestTheCurlRecipeIsOne(t *testing.T) {
	if readme, docs := recipe(t, "README.md", "curl"), recipe(t, "docs/http.md", "curl"); readme != docs+"./shift-traffic.sh\n" {
		t.Errorf("README.md and docs/http.md print two scripts:\n%s\n%s", readme, docs)
	}
}

// newShop makes a shop whose daemon answers at the same address each time that it is
// opened.
func newShop(t *testing.T) (open func() *shopkeeper) {
	t.Helper()
	sentry, dir := newCrashes(t), t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer(`env = "SHOP_SENTRY_TOKEN"`, fmt.Sprintf("file = %q", secret), `public  = "127.0.0.1:0"`, fmt.Sprintf("public = %q", freePort(t))).
		Replace(shop + fmt.Sprintf(shopDaemon, sentry.URL))
	writeConfig(t, dir, config)
	return func() *shopkeeper { return openShop(t, dir) }
}

// TestRecipesOutlastRestarts: every recipe waits for a run that has not begun, through
// SIGTERM and SIGKILL of the daemon and a hold, for more tries than the first recipe
// had, and opens when the phase passes.
func TestRecipesOutlastRestarts(t *testing.T) {
	t.Parallel()
	open := newShop(t)
	s := open()
	jobs, codes, running := startCallers(t, s.url)
	curl, github := jobs[1], jobs[2]
	asked := func(line string) int { return strings.Count("\n"+curl.file("asked"), "\n"+line+"\n") }
	again := func(line string) {
		t.Helper()
		before := asked(line)
		eventually(t, "curl to see "+line, func() bool { return asked(line) > before })
	}
	again("0 503")
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
	again("7 000")
	s = open()
	eventually(t, "a hundred tries", func() bool { return asked("0 503") > 100 })

	s.relgate(0, "start", "shop", "--version", "1.0.0", "--at", almostOver(), "--set", "lambda=41", "--set", "previous=0.9.0", "--set", "previous.lambda=40")
	eventually(t, "the entry of the phase", func() bool { return github.file("ran") != "" })
	s.relgate(0, "hold", "--plan", "shop", "--by", "ada", "--why", "lunch")
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	again("7 000")
	s = open()
	again("0 503")
	s.relgate(0, "resume", "--plan", "shop", "--by", "ada", "--why", "back")

	running.Wait()
	for i, c := range callers {
		if ran := jobs[i].file("ran"); codes[i] != 0 || ran != c.moved {
			t.Errorf("%s: exit %d, ran %q; want 0 and %q", c.name, codes[i], ran, c.moved)
		}
	}
	wants(t, jobs[3].file("gate.env"), "relgate_pass=true\n", "relgate_run=shop@1.0.0\n")
	if last := "\n" + curl.file("asked"); !strings.HasSuffix(last, "\n0 200\n") || strings.Count(last, " 200\n") != 1 {
		t.Errorf("curl's answers end with %q", last[max(0, len(last)-40):])
	}
}

// TestRecipesTellARollbackAtOnce: no recipe asks again after a rollback was ordered.
func TestRecipesTellARollbackAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)()
	jobs, codes, running := startCallers(t, s.url)
	s.relgate(0, "start", "shop", "--version", "1.0.0", "--set", "lambda=41", "--set", "previous=0.9.0", "--set", "previous.lambda=40")
	eventually(t, "the entry of the phase", func() bool { return jobs[2].file("ran") != "" })
	s.relgate(0, "abort", "--plan", "shop", "--by", "ada", "--why", "a bad feeling")
	running.Wait()
	for i, c := range callers {
		want := map[string]string{"GitHub": "./shift-traffic 10\n./roll-back \n"}[c.name]
		if ran := jobs[i].file("ran"); codes[i] != 1 || ran != want {
			t.Errorf("%s: exit %d, ran %q; want 1 and %q", c.name, codes[i], ran, want)
		}
	}
	wants(t, jobs[3].file("gate.env"), "relgate_verdict=rollback\n", "relgate_exit_code=1\n")
	if asked := jobs[1].file("asked"); !strings.HasSuffix(asked, "\n0 409\n") || strings.Count(asked, " 409\n") != 1 {
		t.Errorf("curl was told of the rollback %d times", strings.Count(asked, " 409\n"))
	}
}

// startCallers starts every caller, each in a job of its own.
func startCallers(t *testing.T, url string) ([]*pipeline, []int, *sync.WaitGroup) {
	t.Helper()
	jobs, codes, running := make([]*pipeline, len(callers)), make([]int, len(callers)), &sync.WaitGroup{}
	for i, c := range callers {
		jobs[i] = newPipeline(t, url, "canary", "1.0.0")
		text := recipe(t, c.page, c.recipe)
		running.Go(func() { codes[i] = c.run(jobs[i], text) })
	}
	t.Cleanup(running.Wait) // a test that gives up waits for its jobs, which the end of its context kills
	return jobs, codes, running
}

// almostOver is a T whose window of ten minutes ends some seconds from now.
func almostOver() string {
	return time.Now().Add(10*time.Second - 10*time.Minute).UTC().Format(time.RFC3339)
}

// TestRecipesEndWithTheVerdict runs every recipe in every state. Only the waiting is
// shortened.
func TestRecipesEndWithTheVerdict(t *testing.T) {
	t.Parallel()
	held := func(s *fact.Snapshot) {
		s.State, s.Held, s.Holder = rules.Held, true, fact.Holder{By: "Ada", Cause: rules.CauseManual, Text: "lunch"}
	}
	over := func(s *fact.Snapshot) { s.State, s.Verdict = rules.Failed, rules.Fail }
	passed, _ := daemonWith(t, release(rules.Passed, rules.Pass))
	pending, _ := daemonWith(t, release(rules.Monitoring, rules.Pending))
	failed, _ := daemonWith(t, release(rules.Failed, rules.Fail, over))
	back, _ := daemonWith(t, release(rules.RolledBack, rules.Rollback))
	lunch, _ := daemonWith(t, release(rules.Passed, rules.Pass, held))
	for _, tt := range []struct {
		about, url, phase, version string
		code                       int
		verdict                    string
		entered                    bool // its /entry is open
	}{
		{"passed", passed, "ten", "1.0.1", 0, "pass", true},
		{"undecided to the end", pending, "ten", "1.0.1", exitTimeout, "unknown", true},
		{"held", lunch, "ten", "1.0.1", exitTimeout, "unknown", false},
		{"another version", passed, "ten", "1.0.2", exitTimeout, "unknown", false},
		{"failed", failed, "ten", "1.0.1", exitFail, "fail", false},
		{"rolled back", back, "ten", "1.0.1", exitFail, "rollback", false},
		{"no such phase", passed, "eleven", "1.0.1", exitUsage, "", false},
		{"no daemon", "http://127.0.0.1:1", "ten", "1.0.1", exitUnreachable, "unknown", false},
		{"a login page", fake(t, 200, "text/html", "<html>Please log in</html>"), "ten", "1.0.1", exitUnreachable, "unknown", false},
	} {
		for _, c := range callers {
			t.Run(tt.about+": "+c.name, func(t *testing.T) {
				t.Parallel()
				timeout := "--timeout 1s"
				seconds := "RELGATE_TIMEOUT=1"
				switch tt.code {
				case exitUnreachable:
					timeout = "--timeout 1m --unreachable-for 0s"
				case exitTimeout:
				default: // it is decided: no machine is too slow for that
					timeout, seconds = "--timeout 1m", "RELGATE_TIMEOUT=60"
				}
				p := newPipeline(t, tt.url, tt.phase, tt.version, seconds)
				text := recipe(t, c.page, c.recipe)
				code := c.run(p, regexp.MustCompile(`--timeout \w+`).ReplaceAllString(text, timeout))
				want := tt.code
				if c.recipe == "curl" { // it knows 1 and 124 only
					want = map[string]int{"no daemon": exitTimeout, "a login page": exitFail, "no such phase": exitFail}[tt.about]
					if want == 0 {
						want = tt.code
					}
				}
				ran := ""
				if code == 0 || c.name == "GitHub" && tt.entered {
					ran = c.moved
				}
				if got := p.file("ran"); code != want || got != ran {
					t.Errorf("exit %d, ran %q; want %d and %q", code, got, want, ran)
				}
				variables := p.file("gate.env") + p.file("output-2")
				if c.name == "GitHub" && !tt.entered {
					variables = p.file("output-0")
				}
				if tt.verdict != "" && (c.name == "GitHub" || c.name == "GitLab") {
					wants(t, variables, "relgate_verdict="+tt.verdict+"\n", fmt.Sprintf("relgate_exit_code=%d\n", tt.code))
				}
			})
		}
	}
}

// passing is the answer that opens shop's phase ten for version 1.0.1, as the gate
// writes it.
func passing(t *testing.T) string {
	t.Helper()
	url, _ := daemonWith(t, release(rules.Passed, rules.Pass))
	status, body := get(t, url+"/v1/gates/shop/ten/gate?version=1.0.1")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	return body
}

// TestTheCurlRecipeTakesNothingElseForYes runs the script against what else may
// answer at the daemon's address.
func TestTheCurlRecipeTakesNothingElseForYes(t *testing.T) {
	t.Parallel()
	script, pass := recipe(t, "docs/http.md", "curl"), passing(t)
	says := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://login.example/")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	// cut sends a part of an answer and closes the connection, as a daemon does that is
	// killed.
	cut := func(part string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte(part))
			_ = conn.Close()
		}
	}
	whole := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(pass), pass)
	other := func(old, new string) http.HandlerFunc {
		if !strings.Contains(pass, old) {
			t.Errorf("the answer has no %s", old)
		}
		return says(200, strings.Replace(pass, old, new, 1))
	}
	for _, tt := range []struct {
		about string
		code  int
		then  []http.HandlerFunc // the answers in order; the last stays
	}{
		{"the answer", 0, []http.HandlerFunc{says(200, pass)}},
		{"a daemon that is killed before an answer, in its head and in its body", 0, []http.HandlerFunc{cut(""), cut(whole[:20]), cut(whole[:len(whole)-2]), says(200, pass)}},
		{"a proxy before a daemon that is away", 0, []http.HandlerFunc{says(502, "<html>bad gateway</html>"), says(504, ""), says(429, ""), says(200, pass)}},
		{"an answer that is never whole", 124, []http.HandlerFunc{cut(whole[:len(whole)-2])}},
		{"no", 1, []http.HandlerFunc{says(503, ""), says(409, "{}"), says(200, pass)}},
		{"a pass with 409", 1, []http.HandlerFunc{says(409, pass)}},
		{"a pass with 503", 124, []http.HandlerFunc{says(503, pass)}},
		{"a redirect", 1, []http.HandlerFunc{says(301, "")}},
		{"a redirect with a pass", 1, []http.HandlerFunc{says(302, pass)}},
		{"204", 1, []http.HandlerFunc{says(204, "")}},
		{"202 with a pass", 1, []http.HandlerFunc{says(202, pass)}},
		{"304", 1, []http.HandlerFunc{says(304, "")}},
		{"a login page", 1, []http.HandlerFunc{says(200, "<html>Please log in</html>")}},
		{"a login page that quotes a pass", 1, []http.HandlerFunc{says(200, "<html>"+pass)}},
		{"an empty 200", 124, []http.HandlerFunc{says(200, "")}},
		{"an empty 200 after a pass that was cut off", 124, []http.HandlerFunc{cut(whole[:len(whole)-2]), says(200, "")}},
		{"the word", 1, []http.HandlerFunc{says(200, "pass")}},
		{"a bare verdict", 1, []http.HandlerFunc{says(200, `{"verdict":"pass","pass":true}`)}},
		{"another version", 1, []http.HandlerFunc{other(`"version":"1.0.1"`, `"version":"1.0.0"`)}},
		{"another plan", 1, []http.HandlerFunc{other(`"plan":"shop"`, `"plan":"cart"`)}},
		{"another phase", 1, []http.HandlerFunc{other(`"phase":"ten"`, `"phase":"all"`)}},
		{"another question", 1, []http.HandlerFunc{other(`"question":"passed"`, `"question":"entry"`)}},
		{"no pass", 1, []http.HandlerFunc{other(`"pass":true`, `"pass":false`)}},
		{"not allowed", 1, []http.HandlerFunc{says(401, "{}")}},
		{"no such plan", 1, []http.HandlerFunc{says(404, "{}")}},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			next := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				answer := tt.then[min(next, len(tt.then)-1)]
				next++
				mu.Unlock()
				if r.Header.Get("Authorization") != "Bearer "+ciToken {
					t.Errorf("Authorization is %q", r.Header.Get("Authorization"))
				}
				answer(w, r)
			}))
			t.Cleanup(srv.Close)
			timeout := "RELGATE_TIMEOUT=60"
			if tt.code == exitTimeout {
				timeout = "RELGATE_TIMEOUT=1"
			}
			p := newPipeline(t, srv.URL, "ten", "1.0.1", timeout)
			if code := p.sh(script); code != tt.code {
				t.Errorf("exit %d, want %d; curl: %q", code, tt.code, p.file("asked"))
			}
		})
	}
}
