package main

import (
	"encoding/json"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// otherWords builds a relgate that says everything in other words: each text of
// evaluator/words with a space in it begins with "verily".
func otherWords(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	files, err := filepath.Glob(filepath.Join(repository(t), "evaluator", "words", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			text, ok := n.(*ast.BasicLit)
			if ok && text.Kind == token.STRING && strings.HasPrefix(text.Value, `"`) && len(strings.Fields(text.Value)) > 2 {
				text.Value = `"verily ` + text.Value[1:]
				changed++
			}
			return true
		})
		overlay.Replace[path] = filepath.Join(dir, filepath.Base(path))
		out, err := os.Create(overlay.Replace[path])
		if err != nil {
			t.Fatal(err)
		}
		if err := format.Node(out, fset, f); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if changed < 50 {
		t.Fatalf("only %d texts were changed", changed)
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file, build := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "relgate")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", file, "-o", build, ".").CombinedOutput(); err != nil {
		t.Fatalf("building with other words: %v\n%s", err, out)
	}
	return build
}

// TestABuildWithOtherWordsGoesOn: words are no decisions. A build that says
// everything differently starts on the journal that this one left in the middle of
// its runs, replays it, and goes on; then this one does on that one's.
func TestABuildWithOtherWordsGoesOn(t *testing.T) {
	t.Parallel()
	other := otherWords(t)
	s, dir := openLaunch(t)
	s.relgate(0, "hold", "--plan", "slow", "--by", "ada", "--why", "to see")
	replays := func(build string) {
		t.Helper()
		for _, run := range []string{"slow@1.0.0", "quick@1.0.0", "bad@6.6.6"} {
			out, err := exec.CommandContext(t.Context(), build, "replay", filepath.Join(dir, "relgate.db"), "--run", run).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "give the same") {
				t.Errorf("replay of %s: %v, %s", run, err, out)
			}
		}
	}
	goesOn := func(build string, verily bool) {
		t.Helper()
		s.kill() // so that ticks have to be run again
		replays(build)
		s = openShopWith(t, build, dir)
		s.watched("slow")
		if status, b := s.gate("slow/run/gate"); status != http.StatusServiceUnavailable || !b.Run.Held || strings.Contains(b.Sentence, "verily") != verily {
			t.Errorf("gate of the run under way: %d %+v", status, b)
		}
		if status, b := s.gate("bad/run/rollback"); status != http.StatusOK || strings.Contains(b.Sentence, "verily") != verily {
			t.Errorf("gate of the rollback: %d %+v", status, b)
		}
		s.relgate(0, "gate", "check", "quick")
		s.relgate(0, "resume", "--plan", "slow", "--by", "ada", "--why", "seen")
		s.relgate(0, "hold", "--plan", "slow", "--by", "ada", "--why", "to see again")
		if log := s.log.String(); strings.Contains(log, "verily") != verily || !strings.Contains(log, "kind=run") || strings.Contains(log, "reproduce") {
			t.Errorf("the log:\n%s", log)
		}
	}
	goesOn(other, true)
	goesOn(binary(t), false)
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
	replays(other)
}
