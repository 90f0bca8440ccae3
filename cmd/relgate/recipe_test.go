package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	yaml "github.com/oasdiff/yaml3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/recipes"
	"github.com/relgate/relgate/internal/peertest"
	"github.com/relgate/relgate/rules"
)

// written is what `relgate recipe` prints for a config's text.
func written(t *testing.T, config string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, problems bytes.Buffer
	if code := run(t.Context(), append([]string{"recipe", "--config", path}, args...), console{out: &out, err: &problems}); code != exitPass {
		t.Fatalf("relgate recipe %q: exit %d: %s", args, code, &problems)
	}
	return out.String()
}

func fiveSteps(t *testing.T) string {
	t.Helper()
	return readText(t, filepath.Join("testdata", "five.toml"))
}

// example is config.toml, whose query is in a file of its own, without the signals of that.
func example(t *testing.T) string {
	t.Helper()
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(readText(t, filepath.Join(root, "config.toml")), `"sql/`, fmt.Sprintf(`"%s/sql/`, filepath.ToSlash(abs)), 1)
}

func TestRecipesOfTheExample(t *testing.T) {
	for _, tt := range []struct{ name, args string }{
		{"curl", "curl"},
		{"github", "github REL-2025-06-04"},
		{"github-short-jobs", "github --job-limit 1h30m"},
		{"gitlab", "gitlab"},
		{"jenkins", "jenkins"},
		{"argo", "argo --target=lambda-alias"},
		{"flagger", "flagger --target=lambda-alias"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := strings.Fields(tt.args)
			for i, a := range args {
				args[i] = strings.Replace(a, "lambda-alias", "lambda alias live", 1)
			}
			got := written(t, example(t), args...)
			path := filepath.Join("testdata", "recipe", tt.name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(readText(t, path), got); diff != "" {
				t.Errorf("-golden +written:\n%s\nread the difference, then run with -update", diff)
			}
		})
	}
}

func TestARecipeIsRefusedWhereItCannotDoWhatThePlanWants(t *testing.T) {
	t.Parallel()
	five := fiveSteps(t)
	signalled := strings.ReplaceAll(five, `"on_pass"`, `"signalled"`)
	for _, tt := range []struct{ about, config, args, says string }{
		{"no such plan", five, "curl cart", `unknown plan "cart": the config has shop`},
		{"no such target", five, "curl --target=ios", `no phase of plan "shop" has the target "ios"`},
		{"a job that is over at once", five, "github --job-limit=5m", "cannot wait for anything: want 50m or more"},
		{"Argo sends no commands", signalled, "argo", `phase "ten" begins by a command (advance = "signalled"), and argo sends none`},
		{"Flagger sends no commands", signalled, "flagger", `phase "ten" begins by a command`},
		{"two targets in one rollout", example(t), "argo", `phase "mobile-10": argo raises the share of one target, and this one has 10 % after 100 %: name a target by --target`},
		{"half a percent", strings.Replace(five, `"1 %"`, `"0.5 %"`, 1), "argo", `phase "one": argo knows whole percents only, not 0.5 %`},
		{"Flagger has one gate for all of its steps", five, "flagger", "this plan has more phases"},
		{"a broken config", strings.Replace(five, `"30m"`, `"half an hour"`, 1), "curl", "nothing was written"},
	} {
		path := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(path, []byte(tt.config), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, said bytes.Buffer
		code := run(t.Context(), append([]string{"recipe", "--config", path}, strings.Fields(tt.args)...), console{out: &out, err: &said})
		if code != exitUsage || out.Len() > 0 || !strings.Contains(said.String(), tt.says) {
			t.Errorf("%s: exit %d, wrote %d bytes, said %q; want exit 2, nothing, and %q", tt.about, code, out.Len(), said.String(), tt.says)
		}
	}
}

// TestTheDocumentedRecipesAreWritten runs the commands of docs/integrations.md.
func TestTheDocumentedRecipesAreWritten(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, "http://127.0.0.1:1", "", "")
	if err := os.WriteFile(filepath.Join(p.dir, "config.toml"), []byte(example(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := p.sh(recipe(t, "docs/integrations.md", "ci-recipes")); code != 0 {
		t.Fatalf("exit %d", code)
	}
	for file, golden := range map[string]string{"release.yml": "github", ".gitlab-ci.yml": "gitlab", "Jenkinsfile": "jenkins", "release.sh": "curl", "argo.yml": "argo", "flagger.yml": "flagger"} {
		if diff := cmp.Diff(readText(t, filepath.Join("testdata", "recipe", golden+".golden")), p.file(file)); diff != "" {
			t.Errorf("%s: -golden +written:\n%s", file, diff)
		}
	}
}

// TestTheActionAsItIsDocumented runs the step of docs/integrations.md.
func TestTheActionAsItIsDocumented(t *testing.T) {
	t.Parallel()
	var steps []githubStep
	if err := yaml.Unmarshal([]byte(recipe(t, "docs/integrations.md", "ci-action")), &steps); err != nil || len(steps) != 1 {
		t.Fatalf("%d steps: %v", len(steps), err)
	}
	url, _ := daemonWith(t, release(rules.Monitoring, rules.Pending))
	values := map[string]string{"secrets.RELGATE_TOKEN": ciToken, "inputs.version": "1.0.1"}
	steps[0].With["url"] = url
	p := newPipeline(t, "http://127.0.0.1:1", "", "")
	if outputs, code := p.action(steps[0].With, values); code != 0 || outputs["pass"] != "true" || outputs["verdict"] != "pass" || outputs["exit_code"] != "0" {
		t.Errorf("exit %d, outputs %q", code, outputs)
	}
}

// TestTheComponentAsItIsDocumented: the include of docs/integrations.md gives the component every
// input that it needs, and none that it does not know.
func TestTheComponentAsItIsDocumented(t *testing.T) {
	t.Parallel()
	var include struct {
		Include []struct {
			Component string
			Inputs    map[string]string
		}
	}
	if err := yaml.Unmarshal([]byte(recipe(t, integrations, "ci-component")), &include); err != nil || len(include.Include) != 1 {
		t.Fatalf("%+v: %v", include, err)
	}
	var head struct {
		Spec struct {
			Inputs map[string]struct {
				Default *string
				Options []string
			}
		}
	}
	text, _, _ := strings.Cut(readText(t, filepath.Join(root, "templates", "gate.yml")), "\n---\n")
	if err := yaml.Unmarshal([]byte(text), &head); err != nil || len(head.Spec.Inputs) == 0 {
		t.Fatalf("%+v: %v", head, err)
	}
	given := include.Include[0]
	if !regexp.MustCompile(`^\$CI_SERVER_FQDN/\S+/gate@\S+$`).MatchString(given.Component) {
		t.Errorf("%q is no component called gate", given.Component)
	}
	for name := range given.Inputs {
		if _, ok := head.Spec.Inputs[name]; !ok {
			t.Errorf("the component has no input %q", name)
		}
	}
	for name, input := range head.Spec.Inputs {
		if _, ok := given.Inputs[name]; !ok && input.Default == nil {
			t.Errorf("the component needs the input %q", name)
		}
	}
}

// scripts are the shell scripts that relgate gives away, by name.
func scripts(t *testing.T) map[string]string {
	return map[string]string{
		"gate.sh":      recipes.Script,
		"gate-step.sh": readText(t, filepath.Join(root, "action", "gate-step.sh")),
		"curl":         written(t, example(t), "curl"),
		"signalled":    written(t, strings.ReplaceAll(fiveSteps(t), `"on_pass"`, `"signalled"`), "curl"),
		"docs":         "#!/bin/sh\n# shellcheck disable=SC2154\n" + recipe(t, "docs/http.md", "curl"),
	}
}

func TestShellcheckAcceptsTheScripts(t *testing.T) {
	t.Parallel()
	shellcheck := peertest.Need(t, "shellcheck")
	for name, text := range scripts(t) {
		cmd := exec.CommandContext(t.Context(), shellcheck, "--severity=style", "--shell=sh", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestGeneratedFilesHaveTheOneScript: the action and the component have the script that
// exporters/recipes has.
func TestGeneratedFilesHaveTheOneScript(t *testing.T) {
	action, component := filepath.Join(root, "action", "gate.sh"), filepath.Join(root, "templates", "gate.yml")
	frame := readText(t, filepath.Join("testdata", "recipe", "component.yml"))
	var indented strings.Builder
	for line := range strings.Lines(recipes.Script) {
		if strings.TrimSpace(line) != "" {
			indented.WriteString("      ")
		}
		indented.WriteString(line)
	}
	want := strings.Replace(frame, "      {{script}}\n", indented.String(), 1)
	if *update {
		for path, text := range map[string]string{action: recipes.Script, component: want} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if readText(t, action) != recipes.Script {
		t.Errorf("%s is stale: run the test with -update", action)
	}
	if readText(t, component) != want || !strings.Contains(frame, "{{script}}") {
		t.Errorf("%s is stale: run the test with -update", component)
	}
	var job map[string]struct{ Script []string }
	_, body, _ := strings.Cut(want, "\n---\n")
	if err := yaml.Unmarshal([]byte(body), &job); err != nil {
		t.Fatal(err)
	}
	if got := job["$[[ inputs.job ]]"].Script; len(got) != 1 || got[0] != recipes.Script {
		t.Errorf("the component's script is read as %q", got)
	}
}

// TestTheScriptEndsWithTheVerdict runs gate.sh, bare and as the action, in every state of a
// gate and against what else may answer at its address.
func TestTheScriptEndsWithTheVerdict(t *testing.T) {
	t.Parallel()
	pass := passing(t)
	held := func(s *fact.Snapshot) {
		s.State, s.Held, s.Holder = rules.Held, true, fact.Holder{By: "Ada", Cause: rules.CauseManual, Text: "lunch"}
	}
	over := func(s *fact.Snapshot) { s.State, s.Verdict = rules.Failed, rules.Fail }
	passed, _ := daemonWith(t, release(rules.Passed, rules.Pass))
	pending, _ := daemonWith(t, release(rules.Monitoring, rules.Pending))
	unknown, _ := daemonWith(t, release(rules.Monitoring, rules.Unknown, func(s *fact.Snapshot) { s.Verdict = rules.Unknown }))
	failed, _ := daemonWith(t, release(rules.Failed, rules.Fail, over))
	back, _ := daemonWith(t, release(rules.RolledBack, rules.Rollback))
	lunch, _ := daemonWith(t, release(rules.Passed, rules.Pass, held))
	other := func(old, new string) string {
		if !strings.Contains(pass, old) {
			t.Fatalf("the answer has no %s", old)
		}
		return fake(t, 200, "application/json", strings.Replace(pass, old, new, 1))
	}
	for _, tt := range []struct {
		about, url string
		env        []string
		code       int
		verdict    string
	}{
		{"passed", passed, nil, exitPass, "pass"},
		{"may begin, and has begun", pending, []string{"QUESTION=entry"}, exitPass, "pass"},
		{"the whole run", pending, []string{"PHASE=run"}, exitPending, "pending"},
		{"pending", pending, nil, exitPending, "pending"},
		{"pending to the end", pending, []string{"RELGATE_TIMEOUT=1s"}, exitTimeout, "pending"},
		{"unknown", unknown, nil, exitUnreachable, "unknown"},
		{"held", lunch, nil, exitPending, "pending"},
		{"held at the door", lunch, []string{"QUESTION=entry"}, exitPending, "pending"},
		{"failed", failed, nil, exitFail, "fail"},
		{"failed while it waits", failed, []string{"RELGATE_TIMEOUT=1h"}, exitFail, "fail"},
		{"rolled back", back, []string{"RELGATE_TIMEOUT=1h"}, exitFail, "rollback"},
		{"rolled back at the door", back, []string{"QUESTION=entry", "RELGATE_TIMEOUT=1h"}, exitFail, "rollback"},
		{"another version", passed, []string{"VERSION=1.0.2"}, exitPending, "pending"},
		{"no such phase", passed, []string{"PHASE=eleven", "RELGATE_TIMEOUT=1h"}, exitUsage, "unknown"},
		{"no daemon", "http://127.0.0.1:1", nil, exitUnreachable, "unknown"},
		{"no daemon to the end", "http://127.0.0.1:1", []string{"RELGATE_TIMEOUT=1s"}, exitTimeout, "unknown"},
		{"a login page", fake(t, 200, "text/html", "<html>Please log in</html>"), nil, exitUnreachable, "unknown"},
		{"a redirect", fake(t, 302, "text/html", ""), nil, exitUnreachable, "unknown"},
		{"204", fake(t, 204, "", ""), nil, exitUnreachable, "unknown"},
		{"a pass with 202", fake(t, 202, "application/json", pass), nil, exitUnreachable, "unknown"},
		{"a pass with 503", fake(t, 503, "application/json", pass), nil, exitUnreachable, "unknown"},
		{"a pass with 409", fake(t, 409, "application/json", pass), nil, exitUnreachable, "unknown"},
		{"another 409", fake(t, 409, "text/plain", "conflict"), nil, exitUnreachable, "unknown"},
		{"500", fake(t, 500, "text/plain", "oops"), nil, exitUnreachable, "unknown"},
		{"not allowed", fake(t, 401, "application/problem+json", "{}"), []string{"RELGATE_TIMEOUT=1h"}, exitAuth, "unknown"},
		{"forbidden", fake(t, 403, "application/problem+json", "{}"), nil, exitAuth, "unknown"},
		{"no such plan", fake(t, 404, "application/problem+json", "{}"), nil, exitUsage, "unknown"},
		{"the pass of another version", other(`"version":"1.0.1"`, `"version":"1.0.0"`), nil, exitUnreachable, "unknown"},
		{"the pass of another plan", other(`"plan":"shop"`, `"plan":"cart"`), nil, exitUnreachable, "unknown"},
		{"the pass of another phase", other(`"phase":"ten"`, `"phase":"all"`), nil, exitUnreachable, "unknown"},
		{"the answer to another question", other(`"question":"passed"`, `"question":"entry"`), nil, exitUnreachable, "unknown"},
		{"a pass that is none", other(`"pass":true`, `"pass":false`), nil, exitUnreachable, "unknown"},
		{"no version", passed, []string{"VERSION="}, exitUsage, "unknown"},
		{"a version that would be a query", passed, []string{"VERSION=1&run=x"}, exitUsage, "unknown"},
		{"a question that there is none of", passed, []string{"QUESTION=perhaps"}, exitUsage, "unknown"},
		{"a time that is none", passed, []string{"RELGATE_TIMEOUT=soon"}, exitUsage, "unknown"},
		{"no address", passed, []string{"RELGATE_URL="}, exitUsage, "unknown"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			want := fmt.Sprintf("relgate_verdict=%s\nrelgate_pass=%v\nrelgate_exit_code=%d\n", tt.verdict, tt.code == 0, tt.code)
			p := newPipeline(t, tt.url, "ten", "1.0.1", append([]string{"RELGATE_DOTENV=gate.env"}, tt.env...)...)
			if code := p.sh(recipes.Script); code != tt.code || p.file("gate.env") != want {
				t.Errorf("exit %d, %q; want %d, %q", code, p.file("gate.env"), tt.code, want)
			}
			for _, neutral := range []string{"fail", "neutral"} {
				p := newPipeline(t, tt.url, "ten", "1.0.1", append([]string{"GITHUB_OUTPUT=output", "GITHUB_STEP_SUMMARY=summary", "PENDING=" + neutral}, tt.env...)...)
				step, err := filepath.Abs(filepath.Join(root, "action", "gate-step.sh"))
				if err != nil {
					t.Fatal(err)
				}
				wanted := tt.code
				if wanted == exitPending && neutral == "neutral" {
					wanted = 0
				}
				if code := p.sh("sh " + step); code != wanted || p.file("output") != want || strings.Count(p.file("summary"), "\n") != 1 {
					t.Errorf("action, pending %s: exit %d, %q, summary %q; want %d, %q", neutral, code, p.file("output"), p.file("summary"), wanted, want)
				}
			}
		})
	}
}

// TestTheScriptShowsNoToken: neither what it writes nor the list of processes has the token.
func TestTheScriptShowsNoToken(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, fake(t, 401, "text/plain", "no"), "ten", "1.0.1")
	p.program("curl", `echo "$*" >>arguments; cat >config; printf 401`)
	if code := p.sh(recipes.Script + "\n"); code != exitAuth {
		t.Errorf("exit %d, want %d", code, exitAuth)
	}
	if strings.Contains(p.file("arguments"), ciToken) || !strings.Contains(p.file("config"), ciToken) {
		t.Errorf("arguments %q, standard input %q", p.file("arguments"), p.file("config"))
	}
}

// TestTheScriptOutlastsAKill: it waits through SIGKILL of the daemon, and says yes only
// when the phase has passed.
func TestTheScriptOutlastsAKill(t *testing.T) {
	t.Parallel()
	open := newShop(t)
	s := open()
	p := newPipeline(t, s.url, "canary", "1.0.0", "RELGATE_TIMEOUT=10m")
	ended := make(chan int, 1)
	go func() { ended <- p.sh(recipes.Script) }()
	t.Cleanup(func() { <-ended })
	asked := func(line string) {
		t.Helper()
		eventually(t, "curl to see "+line, func() bool { return strings.HasSuffix("\n"+p.file("asked"), "\n"+line+"\n") })
	}
	asked("0 503")
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	asked("7 000")
	s = open()
	asked("0 503")
	s.relgate(0, "start", "shop", "--version", "1.0.0", "--at", almostOver(), "--set", "lambda=41", "--set", "previous=0.9.0", "--set", "previous.lambda=40")
	code := <-ended
	close(ended)
	if code != 0 || strings.Count(p.file("asked"), " 200\n") != 1 {
		t.Errorf("exit %d after %q", code, p.file("asked"))
	}
}
