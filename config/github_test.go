package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const githubText = `
[parameters.commit]
pattern = "[0-9a-f]{40}"

[github.acme]
app_id = "4711"
key    = { file = "key.pem" }
secret = { file = "secret" }

[github.acme.gates.production]
repository = "acme/shop"
plan       = "launch"
phase      = "canary"
parameter  = "commit"
`

// A parameter that a deployment's run is found by is used, and one that is named by the gate of
// another plan is not.
func TestAParameterThatAGateNamesIsUsed(t *testing.T) {
	text := strings.Replace(strings.Replace(minimalText, "start   = 2025-06-04T02:00:00Z\n", "", 1), `version = "1.0.0"`+"\n", "", 1)
	for _, tt := range []struct {
		old, changed string
		want         []string
	}{
		{"", "", nil},
		{`parameter  = "commit"`, `ref = "v{version}"`, []string{"unused-parameter"}},
	} {
		c, problems := Decode("config.toml", []byte(text+strings.Replace(githubText, tt.old, tt.changed, 1)), os.ReadFile)
		var got []string
		for _, p := range problems {
			if p.ID != "unreadable" {
				got = append(got, p.ID)
			}
		}
		if c == nil || !slices.Equal(got, tt.want) {
			t.Errorf("with %q: got %v, want %v", tt.changed, problems, tt.want)
		}
	}
}

// The key and the secret of an App are files that are watched, and read anew.
func TestTheSecretsOfAnAppAreWatched(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"key.pem", "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte(minimalText+strings.Replace(githubText, "[parameters.commit]", "[parameters.commit]\ndefault = \"0123456789abcdef0123456789abcdef01234567\"", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"key.pem", "secret"} {
		c, problems := Load(path)
		if c == nil || len(problems) > 0 {
			t.Fatal(problems)
		}
		if c.Changed() {
			t.Fatalf("%s: something has changed before it was", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		if !c.Changed() {
			t.Errorf("%s was replaced, and nothing has changed", name)
		}
	}
}
