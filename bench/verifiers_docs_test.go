package bench

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
)

// versions are the modules' versions in go.mod and package.json, by their names.
func versions(t *testing.T) map[string]string {
	t.Helper()
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(module)) {
		if name, version, ok := strings.Cut(strings.TrimSpace(line), " v"); ok {
			all[name], _, _ = strings.Cut(version, " ")
		}
	}
	text, err := os.ReadFile("verifiers/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var npm struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &npm); err != nil {
		t.Fatal(err)
	}
	maps.Copy(all, npm.Dependencies)
	return all
}

func TestTheDocsSayWhichVersionsAreTried(t *testing.T) {
	docs, err := os.ReadFile("../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	all := versions(t)
	for verifier, modules := range map[string][]string{
		"standardwebhooks for JavaScript, for Go": {"standardwebhooks", "github.com/standard-webhooks/standard-webhooks/libraries"},
		"svix for JavaScript, for Go":             {"svix", "github.com/svix/svix-webhooks"},
		"@octokit/webhooks-methods":               {"@octokit/webhooks-methods"},
		"go-github":                               {"github.com/google/go-github/v74"},
		"cloudevents for JavaScript, for Go":      {"cloudevents", "github.com/cloudevents/sdk-go/v2"},
	} {
		var of []string
		for _, module := range modules {
			of = append(of, all[module])
		}
		if row := "| " + verifier + " | " + strings.Join(of, ", ") + " |"; !strings.Contains(string(docs), row) {
			t.Errorf("docs/webhooks.md has no row %q", row)
		}
	}
}

// What docs/webhooks.md prints is what is tried.
func TestTheDocsPrintTheVerifiersThatAreTried(t *testing.T) {
	docs, err := os.ReadFile("../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("verifiers_test.go")
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]int{} // :: language → blocks of it
	for _, block := range strings.Split(string(docs), "\n```")[1:] {
		language, text, _ := strings.Cut(block, "\n")
		var tried []byte
		switch language {
		case "go":
			tried = source
		case "js":
			tried, err = os.ReadFile("verifiers/verify.mjs")
		case "json":
			tried, err = os.ReadFile("verifiers/hooks.json")
		default:
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		printed[language]++
		if !strings.Contains(string(tried), text) {
			t.Errorf("this block is not what is tried:\n%s", text)
		}
	}
	for _, language := range []string{"go", "js", "json"} {
		if printed[language] != 1 {
			t.Errorf("got %d blocks in %s, want 1", printed[language], language)
		}
	}
}
