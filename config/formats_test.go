package config

import (
	"os"
	"path/filepath"
	"testing"
)

// Secrets of a format, and of an Alertmanager, are files that are watched: a token that is
// replaced counts at the reload that follows.
func TestSecretsOfFormatsAreWatched(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"token", "header"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "config.toml")
	text := minimalText + `
[webhooks.ci]
format     = "github-workflow"
types      = ["relgate.run.rolled_back"]
repository = "acme/shop"
workflow   = "rollback.yml"
ref        = "main"
token      = { file = "token" }
[alertmanager.am]
urls    = ["https://am.example.com"]
headers = { Authorization = { file = "header" } }
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"token", "header"} {
		c, problems := Load(path)
		if c == nil || len(problems) > 0 {
			t.Fatal(problems)
		}
		if c.Changed() {
			t.Errorf("%s: it has changed before it was", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		if !c.Changed() {
			t.Errorf("%s was replaced, and nothing has changed", name)
		}
	}
	c, _ := Load(path)
	if got, err := c.Webhooks[0].Own["token"].Value(); err != nil || got != "new" {
		t.Errorf("got %q, %v", got, err)
	}
}
