package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relgate/relgate/rules"
)

// What is found in a plan after it was read has its place in the files: that of an
// included plan in its own, but for the signals that it shares.
func TestLocateInIncludedFiles(t *testing.T) {
	f := &watching{t: t, dir: t.TempDir()}
	at := strings.Index(minimalText, "[signals.error_rate]")
	f.write("config.toml", "include = [\"plans/*\"]\n"+minimalText[at:])
	f.write("plans/a.toml", minimalText[:at])
	c, problems := Load(filepath.Join(f.dir, "config.toml"))
	if c == nil || len(c.Plans) != 1 {
		t.Fatal(problems)
	}
	phase := c.Plans[0].Phases[0].Name
	given := []Problem{{File: filepath.Join(f.dir, "config.toml"), Line: 1, Col: 1, ID: "first"}}
	found := rules.Problems{
		{Path: rules.Path("phases", phase, "window"), ID: "short"},
		{Path: "signals.error_rate.expected_rate", ID: "none", Severity: rules.SeverityNote},
	}
	got := c.Locate(given, c.Plans[0], found)
	if len(got) != 3 || len(given) != 1 {
		t.Fatalf("got %v, want what was given and two more", got)
	}
	for i, want := range []struct{ file, id, text string }{
		{"config.toml", "first", ""}, {"config.toml", "none", "[signals.error_rate]"}, {"plans/a.toml", "short", "window"},
	} {
		p := got[i]
		if p.File != filepath.Join(f.dir, filepath.FromSlash(want.file)) || p.ID != want.id {
			t.Errorf("got %v, want %s in %s", p, want.id, want.file)
			continue
		}
		if line := lineAt(t, p); !strings.Contains(line, want.text) {
			t.Errorf("%v: that is %q, want %q", p, line, want.text)
		}
	}
	if got := c.Locate(given, new(rules.Plan), found); len(got) != 1 {
		t.Errorf("got %v of a plan that is none of the config's", got)
	}
}

func lineAt(t *testing.T, p Problem) string {
	t.Helper()
	data, err := os.ReadFile(p.File)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(data), "\n")[p.Line-1]
}
