package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/exporters/wire"
)

var update = flag.Bool("update", false, "write the generated documents again")

// commandReference is docs/cli.md: the help texts themselves.
func commandReference(t *testing.T) string {
	t.Helper()
	var doc strings.Builder
	doc.WriteString("# Command line\n\nThis page is what `relgate COMMAND --help` prints.\n\n" +
		"Exit codes: 0 pass or success, 1 fail (or rollback), 2 usage or config, 3 rollback, 4 the daemon refused\n" +
		"the token, 8 pending or undecided, 69 unreachable or unknown, 124 timeout, 130 interrupted.\n")
	parser, err := newParser(&commandLine{}, console{})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(true) {
		var out bytes.Buffer
		words := strings.Fields(commandName(leaf))
		if code := run(t.Context(), append(words[1:], "--help"), console{out: &out, err: &out}); code != exitPass {
			t.Fatalf("%s --help: exit %d: %s", words, code, &out)
		}
		doc.WriteString("\n## " + commandName(leaf) + "\n\n```\n" + strings.TrimSpace(out.String()) + "\n```\n")
	}
	return doc.String()
}

// commandName is a command without its arguments.
func commandName(leaf *kong.Node) string {
	var words []string
	for n := leaf; n != nil; n = n.Parent {
		words = append([]string{n.Name}, words...)
	}
	return strings.Join(words, " ")
}

func TestDocsOfTheCommandLineAreFresh(t *testing.T) {
	path := filepath.Join(root, "docs", "cli.md")
	want := commandReference(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run `make docs`", path)
	}
}

// TestDocsLinksLeadSomewhere follows every link of our documents within the
// project.
func TestDocsLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	top, _ := filepath.Glob(filepath.Join(root, "*.md"))
	links := 0
	for _, page := range append(pages, top...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "](")[1:] {
			target, _, _ := strings.Cut(part, ")")
			target, _, _ = strings.Cut(target, "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s: link to %q leads nowhere", page, target)
			}
		}
	}
	if links < 10 {
		t.Errorf("followed %d links only", links)
	}
}

// Every block of docs/integrations.md that people copy has a name, by which a test reads it:
// configs are loaded, commands run, pipelines followed.
func TestEveryBlockOfTheManualsIsRead(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests string
	for _, file := range files {
		tests += readText(t, file)
	}
	for page, least := range map[string]int{integrations: 20, peoplePage: 14} {
		blocks := regexp.MustCompile("(?m)^ *```([a-z]+)(?: recipe=(\\S+))?$").FindAllStringSubmatch(readText(t, filepath.Join(root, page)), -1)
		for i, block := range blocks {
			byPattern := block[1] == "toml" && strings.HasPrefix(block[2], "inbox-") // TestTheInboxesOfTheDocsAreConfigs
			shown := page == peoplePage && block[1] == "json"                        // an answer, whose form is in http.md
			if !shown && (block[2] == "" || !byPattern && !strings.Contains(tests, strconv.Quote(block[2]))) {
				t.Errorf("%s: no test reads block %d, %s %q", page, i+1, block[1], block[2])
			}
		}
		if len(blocks) < least {
			t.Errorf("%s: %d blocks, want %d or more", page, len(blocks), least)
		}
	}
}

// A command that a document names is one: its flags and arguments are read, and nothing
// is run. Those that are cut short ("…") or end before what is required are left out.
func TestTheCommandsThatDocumentsNameAreCommands(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d documents: %v", len(files), err)
	}
	files = append(files, filepath.Join(root, "README.md"), filepath.Join(root, "CHANGELOG.md"), alertRules)
	label := regexp.MustCompile(`{{ \$labels\.([a-z]+) }}`)
	seen := 0
	for _, file := range files {
		for _, m := range regexp.MustCompile("`relgate ([a-z][^`\n]*)`").FindAllStringSubmatch(readText(t, file), -1) {
			text, _, _ := strings.Cut(m[1], " > ")
			if strings.ContainsAny(text, "…[") {
				continue
			}
			args := strings.Fields(label.ReplaceAllString(text, "$1"))
			parser, err := newParser(&commandLine{}, console{out: io.Discard, err: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			seen++
			if _, err := parser.Parse(args); err != nil && !regexp.MustCompile(`^(missing flags|expected )`).MatchString(err.Error()) {
				t.Errorf("%s: relgate %s: %v", filepath.Base(file), text, err)
			}
		}
	}
	if seen < 90 {
		t.Errorf("%d commands in the documents, want 90 or more", seen)
	}
	// What a person copies in the night is whole.
	for _, m := range regexp.MustCompile("`relgate ([a-z][^`\n]* [^`\n]*)`").FindAllStringSubmatch(readText(t, alertRules), -1) {
		parser, err := newParser(&commandLine{}, console{out: io.Discard, err: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(strings.Fields(label.ReplaceAllString(m[1], "$1"))); err != nil {
			t.Errorf("the alert rules name relgate %s: %v", m[1], err)
		}
	}
}

// The bodies that webhooks.md shows have the fields that a delivery has, and no others.
func TestTheBodiesInWebhooksAreWhatIsSent(t *testing.T) {
	t.Parallel()
	var want []string
	for f := range reflect.TypeFor[wire.EventBody]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		want = append(want, name)
	}
	slices.Sort(want)
	shown := regexp.MustCompile(`(?s)\n(\{"type":"relgate\..*?)\n`+"```").FindAllStringSubmatch(readText(t, filepath.Join(root, "docs", "webhooks.md")), -1)
	if len(shown) != 2 {
		t.Fatalf("%d bodies, want 2", len(shown))
	}
	for _, m := range shown {
		var body struct {
			Type      string                     `json:"type"`
			Timestamp time.Time                  `json:"timestamp"`
			Data      map[string]json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal([]byte(strings.ReplaceAll(m[1], ",…", "")), &body); err != nil {
			t.Fatalf("%v: %s", err, m[1])
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(body.Data))); diff != "" {
			t.Errorf("fields of %s (-sent +shown):\n%s", body.Type, diff)
		}
	}
}
