package bench

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"

	"github.com/relgate/relgate/internal/peertest"
)

// goldens are the recipes of config.toml that a test of cmd/relgate compares.
const goldens = "../cmd/relgate/testdata/recipe"

func text(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lint is what actionlint says of a workflow in a repository that has our action as ./action,
// so that the action's inputs and outputs are known.
func lint(t *testing.T, workflow []byte) []*actionlint.Error {
	t.Helper()
	dir := t.TempDir()
	for path, content := range map[string][]byte{
		".git/HEAD":                     []byte("ref: refs/heads/main\n"),
		"action/action.yml":             text(t, "../action/action.yml"),
		".github/workflows/release.yml": bytes.ReplaceAll(workflow, []byte("relgate/relgate/action@main"), []byte("./action")),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{Shellcheck: peertest.Find(t, "shellcheck")})
	if err != nil {
		t.Fatal(err)
	}
	project, err := actionlint.NewProject(dir)
	if err != nil {
		t.Fatal(err)
	}
	found, err := linter.LintFile(filepath.Join(dir, ".github/workflows/release.yml"), project)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestActionlintAcceptsTheWorkflows(t *testing.T) {
	for _, name := range []string{"github", "github-short-jobs"} {
		for _, e := range lint(t, text(t, filepath.Join(goldens, name+".golden"))) {
			t.Errorf("%s: %v", name, e)
		}
	}
	// It does look.
	workflow := string(text(t, filepath.Join(goldens, "github.golden")))
	for _, tt := range []struct{ old, new, says string }{
		{"question: entry", "questoin: entry", `input "questoin" is not defined in action`},
		{"steps.gate.outputs.verdict", "steps.gate.outputs.verdct", `property "verdct" is not defined`},
		{"needs: p1-lambda-10", "needs: p1", `"p1"`},
		{"inputs.version", "inputs.versoin", `"versoin"`},
	} {
		found := lint(t, []byte(strings.ReplaceAll(workflow, tt.old, tt.new)))
		said := ""
		for _, e := range found {
			said += e.Error() + "\n"
		}
		if workflow == strings.ReplaceAll(workflow, tt.old, tt.new) || !strings.Contains(said, tt.says) {
			t.Errorf("%s: actionlint says %q, want %q", tt.new, said, tt.says)
		}
	}
}

// gitlabList is what gitlab-ci-local, which holds pipelines against GitLab's own schema, says
// of one: its jobs, or what is wrong with it.
func gitlabList(t *testing.T, files map[string][]byte, args ...string) (string, error) {
	t.Helper()
	program := filepath.Join("verifiers", "node_modules", "gitlab-ci-local", "src", "index.js")
	peertest.NeedFile(t, "gitlab-ci-local", program)
	program, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, git := range []string{"init -q -b main", "add .", "-c user.name=a -c user.email=a@example.com commit -qm x", "remote add origin https://gitlab.example/acme/shop.git"} {
		cmd := exec.CommandContext(t.Context(), "git", strings.Fields(git)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", git, err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), peertest.Need(t, "node"), append([]string{program, "--list"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// jobsOf are the first words of the lines of a list of jobs.
func jobsOf(list string) (names []string) {
	_, table, _ := strings.Cut(list, "\nname ")
	_, table, _ = strings.Cut(table, "\n")
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 0 {
			names = append(names, fields[0])
		}
	}
	return names
}

func TestGitLabsSchemaAcceptsThePipelines(t *testing.T) {
	pipeline := text(t, filepath.Join(goldens, "gitlab.golden"))
	component := text(t, "../templates/gate.yml")
	use := []byte(`stages: [deploy]
include:
  - local: templates/gate.yml
    inputs: { url: "https://gate.example", plan: shop, phase: ten, version: $CI_COMMIT_TAG }
gate:
  allow_failure: { exit_codes: [8] }
`)
	for _, tt := range []struct {
		about string
		files map[string][]byte
		args  []string
		jobs  string
		wrong string // what it says is wrong; empty for nothing
	}{
		{"from the start", map[string][]byte{".gitlab-ci.yml": pipeline}, nil, "p1-lambda-10 p2-lambda-100 p3-mobile-10", ""},
		{"after a phase that took long", map[string][]byte{".gitlab-ci.yml": pipeline}, []string{"--variable", "RELGATE_PASSED=mobile-10"}, "passed p4-mobile-50", ""},
		{"after the last but one", map[string][]byte{".gitlab-ci.yml": pipeline}, []string{"--variable", "RELGATE_PASSED=mobile-50"}, "passed p5-mobile-100", ""},
		{"after a phase that a job waited for", map[string][]byte{".gitlab-ci.yml": pipeline}, []string{"--variable", "RELGATE_PASSED=lambda-10"}, "passed", ""},
		{"the component", map[string][]byte{".gitlab-ci.yml": use, "templates/gate.yml": component}, nil, "gate", ""},
		{"a key that there is none of", map[string][]byte{".gitlab-ci.yml": bytes.ReplaceAll(pipeline, []byte("resource_group"), []byte("resuorce_group"))}, nil, "", "'resuorce_group' property is not expected"},
	} {
		said, err := gitlabList(t, tt.files, tt.args...)
		switch {
		case tt.wrong != "":
			if err == nil || !strings.Contains(said, tt.wrong) {
				t.Errorf("%s: %v: %s; want %q", tt.about, err, said, tt.wrong)
			}
		case err != nil || strings.Join(jobsOf(said), " ") != tt.jobs:
			t.Errorf("%s: %v: jobs %q, want %q: %s", tt.about, err, jobsOf(said), tt.jobs, said)
		}
	}
}
