package gate_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/gate"
)

var update = flag.Bool("update", false, "write the documents that tests compare")

const docsPath = "../../docs/http.md"

const docsHead = `# HTTP

<!-- Generated from exporters/gate by: go test ./exporters/gate -run TestDocs -update -->

What the public port answers; [openapi.json](../exporters/gate/openapi.json), served at ` + "`/v1/openapi.json`" + `, says the same to tools.

## The gate

One body, three views. GET, HEAD and POST are the same; ` + "`{phase}`" + ` may be ` + "`current`" + `.

`

const docsGate = `
Give ` + "`/gate`" + ` to callers that look at the status only (curl, Flagger, Jenkins) and ` + "`/verdict`" + ` to those that read the body (Argo Rollouts, Azure,
Spinnaker). **Never give ` + "`/verdict`" + ` to a caller that looks at the status only: it is always 200.** ` + "`/rollback`" + ` is for Flagger's rollback hook.

- What is not decided is 503 with a small ` + "`Retry-After`" + `, which curl and most clients try again. ` + "`?pending=425`" + ` is for clients that lose the body of a
  5xx or count it as an outage (Flagger, Envoy); ` + "`?pending=429`" + ` for those that retry 429 only.
- ` + "`?wait=30s`" + ` (or ` + "`Prefer: wait=30`" + `) waits, at most 50 s, until the verdict is final; with ` + "`&after=GENERATION`" + ` until anything has changed.
  Leave it out where the caller's own limit is short (Flagger, Argo, Azure).
- ` + "`Accept: text/plain`" + ` gives the verdict alone, without an end of line.
- ` + "`/gate`" + ` and ` + "`/rollback`" + ` are never stored. ` + "`/verdict`" + ` has an ` + "`ETag`" + ` and answers ` + "`If-None-Match`" + ` with 304.
- A verdict that is not final is believed for three intervals after its evaluation. Then the answer is ` + "`unknown`" + `, cause ` + "`stale`" + `, until the next one.
  A verdict that is final stays: only a command changes it.
- While a rollback is ordered every gate of the plan says ` + "`rollback`" + `, also that of a phase that passed before.
- While the run is held nothing that is not decided passes: ` + "`run.hold`" + ` says whether a person or a rollback rule holds it, and why, and so do ` + "`reason`" + `
  and ` + "`summary`" + `. A rule that weighs evidence holds the run when the release misses its limit and is not, or not surely, to be taken back; it stays
  so until a person resumes it. A rule that only warns keeps nobody from going on.
- Before the first evaluation every view answers 503. A path with an empty step (` + "`//v1/…`" + `) is 404, never a redirect.

` + "```sh" + `
curl -fsS --retry 100 --retry-max-time 3000 -o verdict.json -H "Authorization: Bearer $TOKEN" "$RELGATE_URL/v1/gates/REL-2025-06-04/current/gate?wait=30s"
` + "```" + `

` + "```yaml" + `
# Argo Rollouts, AnalysisTemplate
successCondition: result.verdict == "pass"
failureCondition: result.verdict in ["fail", "rollback"]
provider: { web: { url: "https://gate.example/v1/gates/{{args.plan}}/current/verdict", jsonPath: "{$}" } }
# Flagger, canary analysis
webhooks:
  - { name: gate, type: confirm-promotion, url: "https://ci:TOKEN@gate.example/v1/gates/REL-2025-06-04/current/gate?pending=425" }
  - { name: back, type: rollback, url: "https://ci:TOKEN@gate.example/v1/gates/REL-2025-06-04/current/rollback" }
` + "```" + `

## Access

Tokens stand in the config as the SHA-256 of their secret, with the scopes ` + "`read`" + ` and ` + "`command`" + ` and, if wanted, the plans that they are good for.
They are sent as ` + "`Authorization: Bearer`" + `, or as the password of Basic by clients that can only be given a URL. Without any token everybody may
read, and commands are taken on a loopback address only. Pages of other sites cannot send commands. Headers may have 16 KiB, bodies 64 KiB.
Errors are ` + "`application/problem+json`" + ` (RFC 9457).

## Paths

| | | answers |
|---|---|---|
`

// statusTable asks a gate in every situation and writes down what it says.
func statusTable(t *testing.T) string {
	order := []string{"pass", "pending", "unknown", "fail", "rollback"}
	var b strings.Builder
	b.WriteString("| view | " + strings.Join(order, " | ") + " |\n|---|" + strings.Repeat("---|", len(order)) + "\n")
	for _, viewName := range []string{"gate", "verdict", "rollback"} {
		b.WriteString("| `/v1/gates/{plan}/{phase}/" + viewName + "` |")
		for _, verdict := range order {
			g, _ := newGate(t, gate.Config{}, view(planName, situations()[verdict]))
			fmt.Fprintf(&b, " %d |", ask(g.Handler(), "GET", "/v1/gates/REL-1/ten/"+viewName, "").StatusCode)
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
			fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", method, path, strings.TrimSpace(op.Summary+". "+op.Description), strings.Join(answers, ", "))
		}
	}
	return b.String()
}

func schemaTables(doc *openapi3.T) string {
	var b strings.Builder
	for _, name := range []string{"Gate", "Rule", "RuleEvidence", "Odds", "Baseline", "Earlier", "Groups", "Rating", "Run", "Hold", "Plan", "Signal", "Command", "Event", "Deliveries"} {
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
	doc, err := openapi3.NewLoader().LoadFromData(gate.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	g, _ := newGate(t, gate.Config{BaseURL: "https://gate.example"}, view(planName))
	var example bytes.Buffer
	if err := json.Indent(&example, readBack(t, ask(g.Handler(), "GET", "/v1/gates/REL-1/ten/verdict", "")), "", "  "); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(docsHead + statusTable(t) + docsGate + pathTable(doc))
	b.WriteString("\n## Bodies\n" + schemaTables(doc))
	b.WriteString(heldExample(t))
	b.WriteString("\n## Example\n\n```json\n" + strings.TrimSpace(example.String()) + "\n```\n")
	return b.Bytes()
}

// heldExample is a run that a rule holds which weighs evidence.
func heldExample(t *testing.T) string {
	w := until(t, weighingPlan(true), evaluator.RuleHolding, faulty(true))
	g, _ := newGate(t, gate.Config{Now: func() time.Time { return w.at }}, w.view())
	p := body(t, g, "ten")
	b, err := json.MarshalIndent(map[string]any{"run": p.Run, "rule": p.Rules[1]}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return "\n## Evidence\n\n" + docsEvidence + "\n```json\n" + unescaped(b) + "\n```\n"
}

// unescaped shows "<" as the gate does, which writes for people.
func unescaped(b []byte) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b))
}

const docsEvidence = `A rule with ` + "`evidence = \"sequential\"`" + ` says in ` + "`reason`" + ` what it weighs, in one sentence, and in ` + "`evidence`" + ` with what numbers. Here the canary
and its baseline fail together: the rule holds the run and does not roll it back.
`

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
