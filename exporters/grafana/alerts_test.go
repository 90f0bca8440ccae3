package grafana

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	yaml "github.com/oasdiff/yaml3"
)

// The alert rules are those that relgate has for Prometheus, kept to one plan.
func TestTheAlertRulesAreThoseForPrometheus(t *testing.T) {
	text, err := os.ReadFile("../../packaging/prometheus/relgate.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	spaces := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	seen := 0
	for _, g := range file.Groups {
		for _, want := range g.Rules {
			i := slices.IndexFunc(alerts, func(a alert) bool { return a.name == want.Alert })
			if i < 0 {
				if g.Name == "relgate-release" {
					t.Errorf("%s is missing", want.Alert)
				}
				continue
			}
			seen++
			a := alerts[i]
			if want.For == "" {
				want.For = "0s"
			}
			if a.expr != spaces(want.Expr) || a.after != want.For || a.severity != want.Labels["severity"] || a.summary != want.Annotations["summary"] ||
				a.description != want.Annotations["description"] || Runbook+"#"+strings.ToLower(a.name) != want.Annotations["runbook_url"] {
				t.Errorf("%s differs:\n%+v\n%+v", a.name, a, want)
			}
		}
	}
	if seen != len(alerts) {
		t.Errorf("%d of %d alerts are rules for Prometheus", seen, len(alerts))
	}
}

func TestAnAlertRuleIsKeptToItsPlan(t *testing.T) {
	for expr, want := range map[string]string{
		`relgate_run_held == 1`: `relgate_run_held{plan="p.1"} == 1`,
		`last_over_time(relgate_run_state{state="held"}[15m]) == 1`:          `last_over_time(relgate_run_state{plan="p.1",state="held"}[15m]) == 1`,
		`relgate_run_held unless on (job, instance) relgate_journal_ok == 0`: `relgate_run_held{plan="p.1"} unless on (job, instance) relgate_journal_ok == 0`,
	} {
		if got := onPlan(expr, "p.1"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, p := range place(rows()) {
		if (fmt.Sprint(p["id"]) == verdictPanel) != (p["title"] == "Verdict on the run") {
			t.Errorf("alerts lead to panel %s, and %v is %v", verdictPanel, p["id"], p["title"])
		}
	}
	for _, r := range group("p.1", "relgate", "prom").Rules {
		asked := r.Data[0].Model.(object)["expr"].(string)
		if strings.Count(asked, "relgate_") != strings.Count(asked, `plan="p.1"`)+strings.Count(asked, "relgate_journal_ok") {
			t.Errorf("%s: %s", r.Title, asked)
		}
		if strings.Contains(r.Annotations["summary"], "$labels.plan") || strings.Contains(r.Annotations["summary"], "$value ") {
			t.Errorf("%s: %s", r.Title, r.Annotations["summary"])
		}
		if r.Data[0].RelativeTimeRange.From != 900 {
			t.Errorf("%s asks for %d seconds", r.Title, r.Data[0].RelativeTimeRange.From)
		}
	}
}
