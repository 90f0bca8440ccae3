package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate"
	"github.com/relgate/relgate/exporters/wire"
)

// twoReleases writes the project's config as that of two versions under one plan, a
// week apart, and a world in which the API fails three times as often as usual, but not as
// often as it may.
func twoReleases(t *testing.T, dir string) (first, second, worse string) {
	t.Helper()
	text, err := relgate.Files.ReadFile("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	query, err := relgate.Files.ReadFile("sql/bias_by_age_decile.sql")
	if err != nil {
		t.Fatal(err)
	}
	next := strings.NewReplacer("\nversion             = \"1.0.0\"", "\nversion             = \"1.0.1\"", "2025-06-04T", "2025-06-11T", "2025-06-05T", "2025-06-12T", "\nlambda = 43", "\nlambda = 44",
		// The simulated world has one app, 1.0.0, and two versions of the function.
		"{version}", "1.0.0",
		`"{lambda}"`, `"43"`, `value = "{previous.lambda}"`, `value = "42"`, `previous = "{previous.lambda}"`, `previous = "42"`, `to = "ios" }`, `to = "ios", version = "1.0.0" }`)
	for name, text := range map[string]string{
		"first.toml": string(text), "second.toml": next.Replace(string(text)), "sql/bias_by_age_decile.sql": string(query),
		"worse.toml": "title = \"More failures than usual\"\nends = \"passed\"\nseed = 1\n[levels]\n\"api.5xx\" = \"0.6 %\"\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "first.toml"), filepath.Join(dir, "second.toml"), filepath.Join(dir, "worse.toml")
}

// The second run of a plan is compared with the first: a version that keeps its
// targets, and yet fails three times as often, is warned of and passes.
func TestSecondReleaseIsComparedWithTheFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second, worse := twoReleases(t, dir)
	state := filepath.Join(dir, "state")
	was := runDemo(t, "--speed", "max", "--dir", state, "--config", first)
	if was.code != 0 || was.summary.Run != "REL-2025-06-04@1.0.0" {
		t.Fatalf("the first release: exit %d, run %s, %s", was.code, was.summary.Run, was.summary.Headline)
	}
	var passed *wire.EventBody
	for _, e := range wireEvents(t, was) {
		if e.Evidence != nil && e.Evidence.Weighed != nil && e.Evidence.Weighed.Earlier != nil && e.Evidence.Weighed.Earlier.Releases != 0 {
			t.Errorf("the first release is compared with %d before it: %s", e.Evidence.Weighed.Earlier.Releases, e.Headline)
		}
		if e.Type == "relgate.run.passed" {
			passed = &e
		}
	}
	if passed == nil {
		t.Fatal("no event says that the run has passed")
	}
	i := slices.IndexFunc(passed.Totals, func(total wire.Total) bool { return total.Signal == "api_5xx_rate" })
	if i < 0 || *passed.Totals[i].Samples < 1e6 {
		t.Fatalf("the first release has totals %+v", passed.Totals)
	}

	is := runDemo(t, "--speed", "max", "--dir", state, "--config", second, "--scenario", worse)
	if is.code != 0 || is.summary.Run != "REL-2025-06-04@1.0.1" {
		t.Fatalf("the second release: exit %d, run %s, %s", is.code, is.summary.Run, is.summary.Headline)
	}
	var warning *wire.EventBody
	for _, e := range wireEvents(t, is) {
		if e.Run != "REL-2025-06-04@1.0.1" || e.Version != "1.0.1" {
			t.Fatalf("event %s of the second run is of run %q, version %q", e.ID, e.Run, e.Version)
		}
		if e.Type == "relgate.rule.warning" && e.Cause == "baseline" {
			warning = &e
		}
	}
	if warning == nil {
		t.Fatalf("no warning among\n%s", strings.Join(is.events, "\n"))
	}
	past := warning.Evidence.Weighed.Earlier
	if past == nil || past.Releases != 1 || *past.Samples != *passed.Totals[i].Samples || *past.Bad != *passed.Totals[i].Bad || warning.Subject != "api-5xx-high" {
		t.Errorf("%s was compared with %+v, want %+v", warning.Subject, past, passed.Totals[i])
	}
	if said := strings.Join(append([]string{warning.Headline, warning.Sentence}, warning.Detail...), " "); !strings.HasPrefix(said, "WARN: API 5xx") || !strings.Contains(said, "; they ran at other times, so this only warns") {
		t.Errorf("it says %q", said)
	}
	journal := filepath.Join(state, "relgate.db")
	for _, run := range []string{"REL-2025-06-04@1.0.0", "REL-2025-06-04@1.0.1"} {
		out, err := exec.CommandContext(t.Context(), binary(t), "replay", journal, "--run", run).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "give the same") {
			t.Errorf("replay of %s: %v: %s", run, err, out)
		}
	}
	if out, err := exec.CommandContext(t.Context(), binary(t), "replay", journal).CombinedOutput(); err == nil || !strings.Contains(string(out), "has 2 runs") {
		t.Errorf("replay without a run: %v: %s", err, out)
	}
}

// wireEvents are the events of a demo.
func wireEvents(t *testing.T, run demoRun) []wire.EventBody {
	t.Helper()
	list := make([]wire.EventBody, len(run.events))
	for i, line := range run.events {
		if err := json.Unmarshal([]byte(line), &list[i]); err != nil {
			t.Fatal(err)
		}
	}
	return list
}
