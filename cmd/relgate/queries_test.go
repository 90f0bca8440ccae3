package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every query in the documents is one, and names metrics that there are.
func TestTheQueriesInTheDocumentsParse(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, filepath.Join(root, "README.md"))
	var b strings.Builder
	b.WriteString("groups:\n- name: docs\n  rules:\n")
	found, known := map[string]bool{}, metrics(t)
	isMetric := func(name string) bool { _, ok := known[name]; return ok }
	for _, page := range pages {
		for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(readText(t, page), -1) {
			query := strings.ReplaceAll(m[1], `\|`, "|")
			named := usedMetrics(query)
			if len(named) == 0 && !strings.HasPrefix(query, "ALERTS") && !strings.HasPrefix(query, "up{") || found[query] {
				continue
			}
			if unknown := slices.DeleteFunc(named, isMetric); len(unknown) > 0 {
				if !strings.HasSuffix(page, "http.md") && !strings.HasSuffix(page, "integrations.md") { // they name outputs for pipelines
					t.Errorf("%s: %q names %v, which are no metrics", page, query, unknown)
				}
				continue
			}
			found[query] = true
			fmt.Fprintf(&b, "  - record: docs:query%d\n    expr: '%s'\n", len(found), strings.ReplaceAll(query, "'", "''"))
		}
	}
	if len(found) < 40 {
		t.Errorf("%d queries, want 40 or more", len(found))
	}
	path := filepath.Join(t.TempDir(), "docs.yml")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}

// metrics is every metric with its labels, as docs/metrics.md has them. A test of
// exporters/prom holds that page to the code.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	row := regexp.MustCompile("(?m)^\\| `(relgate_[a-z_]+)` \\| [a-z]+ \\| ([^|]*) \\|")
	for _, m := range row.FindAllStringSubmatch(readText(t, filepath.Join(root, "docs", "metrics.md")), -1) {
		out[m[1]] = strings.Fields(strings.ReplaceAll(m[2], "`", ""))
	}
	if len(out) < 80 {
		t.Fatalf("docs/metrics.md lists %d metrics: is its table read wrongly?", len(out))
	}
	return out
}

// panelQueries is the queries for panels in docs/operations.md that have an answer at
// any time of a demo, whose clock is not that of Prometheus.
func panelQueries(t *testing.T) []string {
	t.Helper()
	_, panels, _ := strings.Cut(readText(t, filepath.Join(root, "docs", "operations.md")), "\n## Panels\n")
	panels, _, _ = strings.Cut(panels, "\n## ")
	var out []string
	for _, m := range regexp.MustCompile("`(([^`\n]*relgate_[a-z_]+{?)[^`\n]*)`").FindAllStringSubmatch(panels, -1) {
		query := strings.NewReplacer(`\|`, "|", "$plan", "REL-2025-06-04").Replace(m[1])
		if !strings.Contains(query, "time()") && !strings.Contains(query, "_overdue{") {
			out = append(out, query)
		}
	}
	if len(out) < 15 {
		t.Fatalf("%d queries for panels, want 15 or more: %q", len(out), out)
	}
	return out
}
