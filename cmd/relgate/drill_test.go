package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/wire"
)

const drillConfig = `
[rollback.errors-high]
title  = "errors"
signal = "errors"
when   = "> 3 %"
for    = "5m"
owner  = "ops"
action = "roll it back"
command = "revert"

[rollback.errors-high.effects]
back  = { do = "roll the service back", to = "pipeline", command = "deploy {version}" }
cache = { do = "empty the cache", to = "hook" }

[rehearsal]
max_age = "30d"

[webhooks.pipeline]
url        = "https://github.example/api"
format     = "github-workflow"
repository = "acme/shop"
workflow   = "rollback.yml"
ref        = "main"
token      = { env = "HOOK_SECRET" }
class      = "action"
types      = ["relgate.run.rolled_back"]

[webhooks.hook]
url     = "https://hook.example/"
class   = "action"
secrets = [{ env = "HOOK_SECRET" }]

[environments.staging.webhooks.pipeline]
url   = "https://staging.example/pipeline"

[environments.staging.webhooks.hook]
url   = "https://staging.example/hook"
`

// stagehand is the receivers of a plan, and what stands in for them.
type stagehand struct {
	mu       sync.Mutex
	well     bool // what stands in answers
	active   bool // the workflow can be started
	real     []string
	rehearse []wire.EventBody
	asked    int
}

func (r *stagehand) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch req.Host {
	case "github.example":
		if req.Method != http.MethodGet || req.URL.Path != "/api/repos/acme/shop/actions/workflows/rollback.yml" {
			r.real = append(r.real, req.Method+" "+req.URL.Path)
			w.WriteHeader(http.StatusNotFound)
			return
		}
		r.asked++
		state := "disabled_manually"
		if r.active {
			state = "active"
		}
		_, _ = io.WriteString(w, `{"path": ".github/workflows/rollback.yml", "state": "`+state+`"}`)
	case "staging.example":
		var body struct{ Data wire.EventBody }
		_ = json.NewDecoder(req.Body).Decode(&body)
		r.rehearse = append(r.rehearse, body.Data)
		if !r.well && req.URL.Path == "/hook" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	default:
		var body struct{ Data wire.EventBody }
		_ = json.NewDecoder(req.Body).Decode(&body)
		if body.Data.To == fact.Intended || body.Data.To == fact.Asked {
			r.real = append(r.real, body.Data.Type)
		}
	}
}

func (r *stagehand) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// A phase begins when the way back was rehearsed and could be taken: neither is believed
// because it is written down.
func TestAPhaseWaitsForADrillAndForAWayBack(t *testing.T) {
	const run = "P-1@1.0.0"
	text := strings.NewReplacer("start = 2100-01-01T00:00:00Z", "start = "+time.Now().Add(-time.Minute).UTC().Format(time.RFC3339),
		"success = [\"errors\"]\n", "success = [\"errors\"]\nrollback = [\"errors-high\"]\n").Replace(withTokens()) + drillConfig
	t.Setenv("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	others := &stagehand{}
	d := housed(t, text, outboxtest.Network{Handler: others}, io.Discard)
	t.Setenv("RELGATE_URL", "http://"+d.public.Addr().String())
	show := func() (body wire.RunBody) {
		t.Helper()
		_, out := asksAs(t, "GET", "http://"+d.public.Addr().String()+"/v1/runs/"+run, "read-1", "", "")
		if err := json.Unmarshal([]byte(out), &body); err != nil {
			t.Fatal(err)
		}
		return body
	}
	does := func(token string, want int, says string, args ...string) string {
		t.Helper()
		t.Setenv("RELGATE_TOKEN", token+"-1")
		code, out, errs := command(t, args...)
		if code != want || !strings.Contains(out+errs, says) {
			t.Errorf("%q: exit code %d, want %d, and %q: %s%s", args, code, want, says, out, errs)
		}
		return out
	}
	waits := func(for_ string) {
		t.Helper()
		eventually(t, for_, func() bool {
			p := show().Phases[0]
			return p.State == "waiting" && strings.Contains(p.Headline+p.Sentence, for_)
		})
	}
	waits("the way back was never rehearsed")
	does("all", exitPass, "never rehearsed", "drill", "P-1")
	does("all", exitUsage, "the config has no [environments.lab]: known: staging", "drill", "P-1", "--environment", "lab", "--by", "Lee")
	does("all", exitUsage, "--by is required", "drill", "P-1", "--environment", "staging")
	does("all", exitUsage, "--environment is required", "drill", "P-1", "--environment", "", "--by", "Lee") // as where a variable is empty: a list would look like a drill
	does("read", exitAuth, "it has no scope start", "drill", "P-1", "--environment", "staging", "--by", "Lee")
	out := does("all", exitFail, "was not rehearsed as a whole", "drill", "--environment", "staging", "--by", "Lee", "--why", "the yearly one")
	for _, want := range []string{"Drill of P-1 in staging", "by Lee: 1 of 2 steps taken", "errors-high/back", "NOT TAKEN", "answered 500"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	waits("step errors-high/cache failed in it: answered 500")
	others.set(func() { others.well = true })
	does("all", exitPass, "2 of 2 steps taken", "drill", "P-1", "--environment", "staging", "--by", "Lee")
	waits("the workflow is disabled_manually: enable it in GitHub")
	others.set(func() { others.active = true })
	if _, err := d.runner.Command(t.Context(), "P-1", run, fact.Command{Kind: fact.BreakGlass, Subject: "way_back", By: "Lee", Why: "a test", Principal: "all"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the phase to begin", func() bool { return show().Phases[0].State == "monitoring" })
	body := show().Effects
	if body.Drill == nil || body.Drill.By != "Lee" || len(body.Drill.Steps) != 2 || !body.Drill.Steps[1].OK || body.Drill.Steps[1].TookSeconds == nil || body.WaivedAt == nil {
		t.Errorf("the run knows of the drill: %+v, gone on at %v", body.Drill, body.WaivedAt)
	}
	states := map[string]string{}
	for _, p := range body.Proofs {
		states[p.Name] = p.State
	}
	if states["back"] != fact.Missing || states["cache"] != fact.Unknown {
		t.Errorf("what is known: %+v", body.Proofs)
	}
	does("all", exitPass, "only a drill shows whether it works", "effects", run)
	if out := does("all", exitPass, "", "drill", "P-1"); strings.Count(out, "Drill of P-1 in staging") != 2 || strings.Index(out, "2 of 2") > strings.Index(out, "1 of 2") {
		t.Errorf("the drills are\n%s", out)
	}
	others.mu.Lock()
	defer others.mu.Unlock()
	if len(others.real) != 0 {
		t.Errorf("the real receivers were told: %v", others.real)
	}
	for _, e := range others.rehearse {
		if e.Effect == nil || e.Effect.Drill != "staging" || !strings.HasPrefix(e.Headline, "DRILL in staging, by Lee, nothing is wrong: DO: ") || e.Run != "" || !strings.HasPrefix(e.ID, "drill.") {
			t.Errorf("in a drill is sent %+v", e)
		}
	}
	if len(others.rehearse) != 4 {
		t.Errorf("%d messages were sent in two drills of two steps", len(others.rehearse))
	}
}
