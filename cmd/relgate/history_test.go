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
	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// twoReleases writes the project's config as that of two releases, a week apart,
// and a world in which the API fails three times as often as usual, but not as
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
	next := strings.NewReplacer("REL-2025-06-04", "REL-2025-06-11", "2025-06-04T", "2025-06-11T", "2025-06-05T", "2025-06-12T")
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

// The second release in a journal is compared with the first: one that keeps its
// targets, and yet fails three times as often, is warned of and passes.
func TestSecondReleaseIsComparedWithTheFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second, worse := twoReleases(t, dir)
	state := filepath.Join(dir, "state")
	was := runDemo(t, "--speed", "max", "--dir", state, "--config", first)
	const none = "; no baseline yet: no earlier release has passed here"
	if was.code != 0 || !slices.ContainsFunc(was.events, func(e string) bool { return strings.Contains(e, none) }) {
		t.Errorf("the first release: exit %d, and no event says %q", was.code, none)
	}
	var passed evaluator.Event
	if err := json.Unmarshal([]byte(was.events[len(was.events)-1]), &passed); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(passed.Totals, func(total evaluator.Total) bool { return total.Signal == "api_5xx_rate" })
	if i < 0 || passed.Totals[i].Samples < 1e6 {
		t.Fatalf("the first release has totals %+v", passed.Totals)
	}

	is := runDemo(t, "--speed", "max", "--dir", state, "--config", second, "--scenario", worse)
	var warning *evaluator.Event
	for _, line := range is.events {
		var e evaluator.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Plan == "REL-2025-06-11" && e.Kind == evaluator.RuleEvent && e.To == "warning" && e.Cause == rules.CauseBaseline {
			warning = &e
		}
	}
	if is.code != 0 || warning == nil {
		t.Fatalf("the second release: exit %d, verdict %s, no warning among\n%s", is.code, is.summary.Verdict, strings.Join(is.events, "\n"))
	}
	past := warning.Evidence.Weighed.Past
	if past == nil || past.Releases != 1 || past.Samples != passed.Totals[i].Samples || past.Bad != passed.Totals[i].Bad || warning.Subject != "api-5xx-high" {
		t.Errorf("%s was compared with %+v, want %+v", warning.Subject, past, passed.Totals[i])
	}
	for _, want := range []string{"WARN: ", "; the last release that passed: 0.2", "they ran at other times, so that it only warns"} {
		if !strings.Contains(warning.Reason, want) {
			t.Errorf("it says %q, and not %q", warning.Reason, want)
		}
	}
	journal := filepath.Join(state, "relgate.db")
	for _, plan := range []string{"REL-2025-06-04", "REL-2025-06-11"} {
		out, err := exec.CommandContext(t.Context(), binary(t), "replay", journal, "--plan", plan).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "give the same") {
			t.Errorf("replay of %s: %v: %s", plan, err, out)
		}
	}
}
