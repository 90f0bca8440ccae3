package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// dashboard is what a test reads of one.
type dashboard struct {
	UID   string
	Links []struct{ URL string }

	Templating struct {
		List []struct{ Name, Definition string }
	}
	Panels []struct {
		ID          int
		Title, Type string
		Repeat      string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr, LegendFormat string }
	}
}

// dashboardOf runs `relgate grafana dashboard` and reads what it wrote.
func dashboardOf(t *testing.T, args ...string) (d dashboard, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dashboard.json")
	var out bytes.Buffer
	if code := run(t.Context(), append([]string{"grafana", "dashboard", "-o", path}, args...), console{out: &out, err: &out}); code != exitPass || out.Len() > 0 {
		t.Fatalf("exit %d: %s", code, &out)
	}
	text = readText(t, path)
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d, text
}

func TestTheDashboardIsWrittenToAFile(t *testing.T) {
	t.Parallel()
	d, text := dashboardOf(t)
	if _, again := dashboardOf(t); again != text {
		t.Error("it is another one each time")
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"grafana", "dashboard"}, console{out: &out, err: &out}); code != exitPass || out.String() != text {
		t.Errorf("exit %d: standard output has another dashboard than the file", code)
	}
	if len(d.Links) != 1 || !strings.Contains(d.Links[0].URL, "docs/operations.md") {
		t.Errorf("links %v, want the runbook alone", d.Links)
	}
	d, _ = dashboardOf(t, "--external-url", "https://relgate.example.com/", "--datasource", "prom-1")
	if len(d.Links) != 3 || d.Links[1].URL != "https://relgate.example.com/v1/plans/${plan:percentencode}" || d.Links[2].URL != "https://relgate.example.com/v1/runs/${run:percentencode}" {
		t.Errorf("links %v, want the plan's page and the run's report", d.Links)
	}
	for _, bad := range [][]string{{"-o", ""}, {"-o", filepath.Join(t.TempDir(), "no", "such", "folder.json")}} {
		if code := run(t.Context(), append([]string{"grafana", "dashboard"}, bad...), console{out: &out, err: &out}); code == exitPass {
			t.Errorf("%q: exit 0", bad)
		}
	}
}

// Panels lie side by side and below each other, and none on another.
func TestThePanelsDoNotOverlap(t *testing.T) {
	t.Parallel()
	d, _ := dashboardOf(t)
	ids := map[int]bool{}
	for i, p := range d.Panels {
		g := p.GridPos
		if ids[p.ID] || g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s: id %d, place %+v", p.Title, p.ID, g)
		}
		ids[p.ID] = true
		for _, q := range d.Panels[:i] {
			o := q.GridPos
			if g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
				t.Errorf("%s %+v lies on %s %+v", p.Title, g, q.Title, o)
			}
		}
	}
}

// What the dashboard asks names metrics and labels that there are.
func TestTheDashboardNamesMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	d, _ := dashboardOf(t)
	known, asked := metrics(t), ""
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			asked += q.Expr + "\n"
		}
	}
	for _, v := range d.Templating.List {
		asked += v.Definition + "\n"
	}
	for _, name := range usedMetrics(asked) {
		if _, ok := known[name]; !ok {
			t.Errorf("%s is no metric of relgate's", name)
		}
	}
	for _, m := range regexp.MustCompile(`\b(relgate_[a-z_]+)\{([^}]*)\}`).FindAllStringSubmatch(asked, -1) {
		for _, l := range regexp.MustCompile(`([a-z]+)(=~|!~|!=|=)"`).FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(known[m[1]], l[1]) {
				t.Errorf("%s has no label %s", m[1], l[1])
			}
		}
	}
	// What the brief of a release needs is on it.
	for _, name := range []string{
		"relgate_gate_verdict", "relgate_run_verdict", "relgate_phase_state", "relgate_rule_value", "relgate_rule_threshold", "relgate_rule_value_low", "relgate_rule_value_high",
		"relgate_rule_baseline_value", "relgate_rule_samples", "relgate_rule_samples_needed", "relgate_rule_evidence_log", "relgate_rule_evidence_bound_log",
		"relgate_rule_breaching_seconds", "relgate_rule_for_seconds", "relgate_phase_traffic_ratio", "relgate_signal_newest_timestamp_seconds", "relgate_webhook_pending",
	} {
		if !slices.Contains(usedMetrics(asked), name) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// chosen fills in the dashboard's variables as Grafana does.
var chosen = strings.NewReplacer("$plan", "REL-2025-06-04", "$run", ".*", "$ratio", ".+", "$number", ".+", "$__rate_interval", "5m")

// A real Prometheus that scrapes a demo has an answer to everything that the dashboard
// asks: to every panel, and for every variable.
func TestPrometheusAnswersEveryPanel(t *testing.T) {
	t.Parallel()
	r := record(t, "healthy", 7*time.Hour)
	d, _ := dashboardOf(t)
	asked := 0
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			if asked++; len(r.ask(chosen.Replace(q.Expr), "")) == 0 {
				t.Errorf("%s: no answer to %s", p.Title, q.Expr)
			}
			// A run that is not the plan's newest has no series at any time.
			if other := strings.ReplaceAll(q.Expr, "$run", "another"); other != q.Expr && len(r.ask(chosen.Replace(other), "")) > 0 {
				t.Errorf("%s: %s shows another run than the chosen one", p.Title, q.Expr)
			}
		}
	}
	for _, v := range d.Templating.List {
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
			if asked++; len(r.ask(chosen.Replace("count by ("+m[2]+") ("+m[1]+")"), "")) == 0 {
				t.Errorf("variable %s has no value", v.Name)
			}
		}
	}
	if asked < 40 {
		t.Errorf("%d expressions, want 40 or more", asked)
	}
}

// labelValues is how a variable asks for the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.*), ([a-z]+)\)$`)
