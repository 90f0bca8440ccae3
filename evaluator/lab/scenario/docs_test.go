package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The examples of the documentation hold.
func TestDocumentedExamples(t *testing.T) {
	examples := strings.Split(read(t, "../../../docs/testing-plans.md"), "```txtar\n")[1:]
	for _, text := range examples {
		text, _, _ = strings.Cut(text, "```")
		r := run(t, "example.txtar", []byte(text))
		for _, d := range r.Differences {
			t.Error(d)
		}
		if len(r.Events) == 0 {
			t.Errorf("nothing happens in it:\n%s", text)
		}
	}
	if len(examples) < 2 {
		t.Errorf("docs/testing-plans.md has %d examples in txtar", len(examples))
	}
}

// Every scenario that the documentation names is there.
func TestDocumentedScenarios(t *testing.T) {
	_, table, ok := strings.Cut(read(t, "../../../docs/testing-plans.md"), "scenario/evidence-*.txtar`")
	if !ok {
		t.Fatal("docs/testing-plans.md does not name the scenarios of evidence")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	named := 0
	for i, name := range strings.Split(table, "`") {
		if i%2 == 0 {
			continue
		}
		named++
		pattern := "../../testdata/scenario/evidence-" + strings.ReplaceAll(name, "…", "*") + ".txtar"
		if files, err := filepath.Glob(pattern); err != nil || len(files) == 0 {
			t.Errorf("there is no %s: %v", pattern, err)
		}
	}
	if named < 15 {
		t.Errorf("the table names %d scenarios", named)
	}
}

// The snippets of the documentation are what Parse takes.
func TestDocumentedSnippets(t *testing.T) {
	text, err := os.ReadFile("../../../docs/testing-plans.md")
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

// The examples of the page on differences hold, under the documented plan.
func TestDocumentedDifferences(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, "../../../docs/testing-plans.md"), "-- plan.toml --\n")
	toml, _, ok := strings.Cut(rest, "-- readings --\n")
	if !ok {
		t.Fatal("docs/testing-plans.md has no plan in its example")
	}
	examples := strings.Split(read(t, "../../../docs/differences.md"), "```scenario\n")[1:]
	for _, text := range examples {
		text, _, _ = strings.Cut(text, "```")
		if !strings.Contains(text, "=>") && !strings.Contains(text, "-- verdicts --") {
			t.Errorf("it expects nothing:\n%s", text)
		}
		r := run(t, "differences.md", []byte("-- plan.toml --\n"+toml+text))
		for _, d := range r.Differences {
			t.Errorf("%v\n%s", d, text)
		}
	}
	if len(examples) < 7 {
		t.Errorf("%d examples only", len(examples))
	}
}
