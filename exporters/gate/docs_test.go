package gate_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/internal/peertest"
	"github.com/relgate/relgate/rules"
)

var update = flag.Bool("update", false, "write the documents that tests compare")

const docsPath = "../../docs/http.md"

// statusTable asks a gate in every situation and writes down what it says.
func statusTable(t *testing.T) string {
	order := []string{"pass", "pending", "unknown", "fail", "ended", "rollback"}
	edits := situations()
	edits["ended"] = both(between, func(s *fact.Snapshot) {
		s.State, s.Verdict, s.Over = rules.Superseded, rules.Fail, true
	})
	var b strings.Builder
	b.WriteString("| view | " + strings.Join(order, " | ") + " |\n|---|" + strings.Repeat("---|", len(order)) + "\n")
	for _, viewName := range []string{"gate", "entry", "verdict", "rollback", "rollback?on=fail"} {
		b.WriteString("| `/v1/gates/{plan}/{phase}/" + viewName + "` |")
		for _, verdict := range order {
			status := wantStatus[viewName][verdict]
			if viewName != "entry" { // a phase of any verdict may have begun
				g, _ := newGate(t, gate.Config{}, view(planName, edits[verdict]))
				status = ask(g.Handler(), "GET", "/v1/gates/REL-1/ten/"+viewName, "").StatusCode
			}
			fmt.Fprintf(&b, " %d |", status)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func pathTable(doc *openapi3.T) string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		operations := doc.Paths.Value(path).Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			op := operations[method]
			if method == http.MethodHead || method == http.MethodPost && operations[http.MethodGet] != nil {
				continue // the same as GET
			}
			answers := slices.Sorted(maps.Keys(op.Responses.Map()))
			fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", method, path, strings.TrimSpace(strings.ReplaceAll(op.Summary+". ", "?. ", "? ")+op.Description), strings.Join(answers, ", "))
		}
	}
	return b.String()
}

func schemaTables(doc *openapi3.T) string {
	var b strings.Builder
	for _, name := range []string{
		"Gate", "Do", "Run", "Hold", "Rule", "Weighed", "Odds", "Baseline", "Earlier", "Groups", "Rating", "Plan", "Signal", "PlanSummary", "File",
		"Status", "RunSummary", "RunPage", "EventList", "Event", "Evidence", "Effects", "EffectLine", "Effect", "Command", "Start", "Problem", "Deliveries",
	} {
		s := doc.Components.Schemas[name].Value
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| field | type | |\n|---|---|---|\n", name, s.Description)
		for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[field]
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", field, typeOf(p), meaning(p))
		}
	}
	return b.String()
}

func typeOf(p *openapi3.SchemaRef) string {
	v, null := p.Value, ""
	if v.Nullable {
		null = " or null"
	}
	switch {
	case p.Ref != "":
		return strings.TrimPrefix(p.Ref, "#/components/schemas/")
	case len(v.AllOf) == 1:
		return typeOf(v.AllOf[0]) + null
	case v.Type.Is("array"):
		return "list of " + typeOf(v.Items)
	case v.Format == "date-time":
		return "time" + null
	case v.Type == nil:
		return "any"
	}
	return v.Type.Slice()[0] + null
}

func meaning(p *openapi3.SchemaRef) string {
	if p.Ref != "" {
		return ""
	}
	text := p.Value.Description
	if len(p.Value.Enum) > 0 {
		var words []string
		for _, e := range p.Value.Enum {
			if e != "" {
				words = append(words, fmt.Sprintf("`%v`", e))
			}
		}
		text = strings.TrimSpace(text + " " + strings.Join(words, ", "))
	}
	return text
}

func httpPage(t *testing.T) []byte {
	t.Helper()
	page, err := os.ReadFile("testdata/http.md")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(gate.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	g, _ := newGate(t, gate.Config{BaseURL: "https://gate.example"}, view(planName))
	var example bytes.Buffer
	if err := json.Indent(&example, readBack(t, ask(g.Handler(), "GET", "/v1/gates/REL-1/ten/verdict", "")), "", "  "); err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer(
		"{{statuses}}", strings.TrimSpace(statusTable(t)), "{{paths}}", pathTable(doc), "{{bodies}}", schemaTables(doc),
		"{{evidence}}", heldExample(t), "{{example}}", strings.TrimSpace(example.String()),
	).Replace(string(page)))
}

// heldExample is a run that a rule holds which weighs evidence.
func heldExample(t *testing.T) string {
	w := until(t, weighingPlan(true), fact.RuleHolding, faulty(true))
	g, _ := newGate(t, gate.Config{Now: func() time.Time { return w.at }}, w.view())
	p := body(t, g, "ten")
	b, err := json.MarshalIndent(map[string]any{"run": p.Run, "rule": p.Rules[1]}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return unescaped(b)
}

// unescaped shows "<" as the gate does, which writes for people.
func unescaped(b []byte) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b))
}

func TestDocs(t *testing.T) {
	want := httpPage(t)
	if *update {
		if err := os.WriteFile(docsPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the gate says: go test ./exporters/gate -run TestDocs -update", docsPath)
	}
}

// TestRecipesNamePhaseAndVersion: no recipe asks a question that another version or
// the phase before could answer, and none gives /verdict to a status-only caller.
func TestRecipesNamePhaseAndVersion(t *testing.T) {
	page, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	found := recipes(string(page))
	for _, name := range []string{"curl", "github", "gitlab", "argo", "flagger", "jenkins"} {
		text := found[name]
		if text == "" {
			t.Errorf("there is no recipe=%s", name)
		}
		if strings.Contains(text, "current") || !strings.Contains(text, "version") {
			t.Errorf("%s asks for the current phase, or for no version:\n%s", name, text)
		}
		for line := range strings.Lines(text) {
			at := strings.Index(line, "/v1/gates/")
			if at >= 0 && !strings.Contains(line[at:], "?version=") {
				t.Errorf("%s: %q names no version", name, line)
			}
			if (name == "curl" || name == "flagger") && (strings.Contains(line, "/verdict") || strings.Contains(line, "wait=")) {
				t.Errorf("%s: %q", name, line)
			}
		}
	}
}

// recipes are the fenced blocks of a page whose info string says recipe=NAME.
func recipes(page string) map[string]string {
	found := map[string]string{}
	for _, block := range strings.Split("\n"+page, "\n```")[1:] {
		info, text, _ := strings.Cut(block, "\n")
		if _, name, ok := strings.Cut(info, " recipe="); ok {
			found[name] = text
		}
	}
	return found
}

// recipe is the text of one of the page's recipes.
func recipe(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	text := recipes(string(page))[name]
	if text == "" {
		t.Fatalf("%s has no recipe=%s", docsPath, name)
	}
	return text
}

// TestTheCurlRecipeSaysWhatTheGateSays runs the script as the page has it, over every
// state. With RELGATE_TIMEOUT=0 it asks once.
func TestTheCurlRecipeSaysWhatTheGateSays(t *testing.T) {
	t.Parallel()
	peertest.Need(t, "curl")
	script := recipe(t, "curl")
	exits := map[string]int{"pass": 0, "pending": 124, "unknown": 124, "fail": 1, "ended": 1, "rollback": 1}
	for _, st := range states {
		srv := httptest.NewServer(stateGate(t, st.edit, st.age, st.trouble))
		for phase, want := range map[string]string{"ten": st.ten, "all": st.all, "run": st.run} {
			sh := exec.CommandContext(t.Context(), "sh", "-e", "-c", script)
			sh.Env = append(os.Environ(), "RELGATE_URL="+srv.URL, "RELGATE_TOKEN=reader-secret", "RELGATE_TIMEOUT=0", "PLAN="+planName, "PHASE="+phase, "VERSION=1.0.0")
			out, _ := sh.CombinedOutput()
			if got := sh.ProcessState.ExitCode(); got != exits[want] {
				t.Errorf("%s: phase %s: exit %d, want %d (%s): %s", st.about, phase, got, exits[want], want, out)
			}
		}
		srv.Close()
	}
}
