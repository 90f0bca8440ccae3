package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wayConfig is the project's own plan, whose way back relgate takes itself.
func wayConfig(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	text := readText(t, filepath.Join(root, "config.toml"))
	text = strings.ReplaceAll(text, `"sql/`, `"`+absolutePath(t, filepath.Join(root, "sql"))+"/")
	text = strings.Replace(text, "\n[rollback.crash-free-low]\n", `
[rollback.api-5xx-high.effects]
alias = { do = "revert", to = "alias", version = "{lambda}", previous = "{previous.lambda}" }

[rollback.crash-free-low]
`, 1)
	text = strings.Replace(text, "\n[webhooks.pipeline]\n", `
[sinks.alias]
type     = "lambda"
region   = "eu-central-1"
function = "bioage-inference"
alias    = "live"

[webhooks.pipeline]
`, 1)
	place(t, filepath.Join(folder, "config.toml"), text)
	return filepath.Join(folder, "config.toml")
}

// effectsOf are the events of the way back in a demo, each as "subject from => to", without
// those of what is asked before it is needed.
func effectsOf(t *testing.T, run demoRun) (lines []string, last demoEvent) {
	t.Helper()
	for _, text := range run.events {
		var e demoEvent
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == "effect" && e.To != "asked" && e.From != "asked" {
			lines, last = append(lines, e.Subject+" "+e.From+" => "+e.To), e
		}
	}
	return lines, last
}

// A ladder holds the run while a person does what slows the fault down, and rolls back what
// stands on.
func TestALadderIsClimbed(t *testing.T) {
	t.Parallel()
	path := wayConfig(t)
	text := strings.Replace(readText(t, path), "\n[rollback.bias-high]\n", `
[rollback.lambda-p95-high.effects]
capacity = { do = "add provisioned concurrency", by = "DevSecOps" }
back     = { do = "roll back", after = "15m" }
alias    = { do = "revert", to = "alias", version = "{lambda}", previous = "{previous.lambda}" }

[rollback.bias-high]
`, 1)
	place(t, path, text)
	run := runDemo(t, "--speed", "max", "--scenario", "latency", "--config", path)
	all, last := effectsOf(t, run)
	const done = "lambda-p95-high/capacity acknowledged => done" // when the person is ready
	got := slices.DeleteFunc(slices.Clone(all), func(line string) bool { return line == done })
	want := []string{
		"lambda-p95-high/capacity planned => intended", "lambda-p95-high/capacity intended => acknowledged",
		"lambda-p95-high/back planned => done", "lambda-p95-high/alias planned => intended", "lambda-p95-high/alias intended => done",
		"REL-2025-06-04 intended => taken", "REL-2025-06-04 done => safe",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(all) != len(got)+1 || run.code != exitFail || !strings.HasPrefix(last.Headline, "SAFE: ") {
		t.Errorf("exit %d, it ends with %q", run.code, last.Headline)
	}
}

type demoEvent struct{ Kind, Subject, From, To, Headline, Sentence string }

// The loop is closed: a rule fires, relgate takes the alias back, traffic is good again, and
// that is said.
func TestTheWayBackIsTaken(t *testing.T) {
	t.Parallel()
	run := runDemo(t, "--speed", "max", "--scenario", "api-5xx", "--config", wayConfig(t))
	got, last := effectsOf(t, run)
	want := []string{
		"api-5xx-high/alias planned => intended", "api-5xx-high/alias intended => done",
		"REL-2025-06-04 intended => taken", "REL-2025-06-04 done => safe",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	proof := slices.IndexFunc(run.events, func(text string) bool {
		return strings.Contains(text, "READY: revert at alias: it could be done: it would do nothing: it is so already")
	})
	begun := slices.IndexFunc(run.events, func(text string) bool { return strings.Contains(text, `"to":"monitoring"`) })
	if proof < 0 || begun < proof {
		t.Errorf("that there is a way back is said in event %d, and the first phase begins in event %d", proof, begun)
	}
	if !strings.HasPrefix(last.Headline, "SAFE: ") || !strings.Contains(last.Sentence, "after the fault began") {
		t.Errorf("it says %q, %q", last.Headline, last.Sentence)
	}
}
