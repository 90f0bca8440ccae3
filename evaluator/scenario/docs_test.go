package scenario_test

import (
	"os"
	"strings"
	"testing"
)

// The example of the documentation holds.
func TestDocumentedExample(t *testing.T) {
	text, err := os.ReadFile("../../docs/testing-plans.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```txtar\n")
	if !ok {
		t.Fatal("docs/testing-plans.md has no example in txtar")
	}
	example, _, _ := strings.Cut(rest, "```")
	r := run(t, "example.txtar", []byte(example))
	for _, d := range r.Differences {
		t.Error(d)
	}
}

// The snippets of the documentation are what Parse takes.
func TestDocumentedSnippets(t *testing.T) {
	text, err := os.ReadFile("../../docs/testing-plans.md")
	if err != nil {
		t.Fatal(err)
	}
	snippets := 0
	for _, name := range []string{"readings", "commands", "run", "events", "verdicts", "datapoints", "ticks"} {
		_, section, ok := strings.Cut(string(text), "\n## "+name+"\n")
		if !ok {
			t.Fatalf("docs/testing-plans.md does not describe %q", name)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for i, part := range strings.Split(section, "```") {
			if i%2 == 0 {
				continue
			}
			snippets++
			parse(t, "-- "+name+" --"+part)
		}
	}
	if snippets < 11 {
		t.Errorf("found %d snippets only", snippets)
	}
}
