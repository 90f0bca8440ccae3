package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relgate/relgate/rules"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite what tests expect, and what is generated")

// Each file in testdata/broken is a config with something wrong, and the lines
// that say so: all of them, in file order.
func TestBrokenConfigs(t *testing.T) {
	for _, path := range brokenConfigs(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := problemsOf(t, ar)
			last := &ar.Files[len(ar.Files)-1]
			if *update {
				last.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(last.Data); got != want || got == "" {
				t.Errorf("got problems\n%swant\n%s", got, want)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("a secret is shown")
			}
		})
	}
}

func brokenConfigs(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/broken/*.txtar")
	if err != nil || len(paths) < 50 {
		t.Fatalf("got %d broken configs (%v), want at least 50", len(paths), err)
	}
	return paths
}

// usable checks that a config comes with its errors: it is nil, or has a broken
// plan, or misses what may only be away.
func usable(t *testing.T, c *Config, problems []Problem) {
	t.Helper()
	told := c == nil || len(c.Broken) > 0
	errs := 0
	for _, p := range problems {
		if p.Severity == rules.SeverityError && p.ID != "unknown-plan" && p.ID != "include-empty" {
			errs++
		}
	}
	if told != (errs > 0) {
		t.Errorf("got config %+v, with %d errors", c, errs)
	}
	if c == nil {
		return
	}
	for _, b := range c.Broken {
		if len(b.Problems) == 0 || Errors(b.Problems) != len(b.Problems) || b.File == "" {
			t.Errorf("got broken plan %+v, want a file and its errors", b)
		}
	}
}

// problemsOf loads the config of an archive from a directory, and gives its
// problems, one a line, with names relative to that directory.
func problemsOf(t *testing.T, ar *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	if err := txtar.Write(ar, dir); err != nil {
		t.Fatal(err)
	}
	c, problems := Load(filepath.Join(dir, "config.toml"))
	usable(t, c, problems)
	var lines strings.Builder
	for _, p := range problems {
		if p.Line < 1 || p.Col < 1 {
			t.Errorf("%v: got no place", p)
		}
		lines.WriteString(strings.ReplaceAll(p.String(), dir+string(filepath.Separator), "") + "\n")
	}
	return lines.String()
}
