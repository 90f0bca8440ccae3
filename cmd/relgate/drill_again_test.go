package main

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/rules"
)

// A workflow that takes parameters of the run can be rehearsed: there is no run to read them
// from.
func TestADrillHasTheParametersOfTheRelease(t *testing.T) {
	var sent string
	to := webhook.Endpoint{
		Name: "pipeline", URL: "https://github.example", Own: map[string]string{"token": "t"},
		Keys: rules.FormatKeys{
			Texts:  map[string]string{"repository": "acme/shop", "workflow": "back.yml", "ref": "main"},
			Tables: map[string]map[string]string{"inputs": {"to": "{{ .previous.parameters.lambda }} after {{ .parameters.lambda }}"}},
		},
	}
	to.Format, _ = format.Named("github-workflow")
	sink, err := webhook.New(webhook.Config{Transport: outboxtest.Network{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // were it started before, it would be in the list
			_, _ = io.WriteString(w, `{"total_count": 0, "workflow_runs": []}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		sent += string(body)
		w.WriteHeader(http.StatusNoContent)
	})}}, to)
	if err != nil {
		t.Fatal(err)
	}
	plan := &rules.Plan{Name: "P", Version: "2", Binding: rules.Binding{
		Parameters: map[string]string{"lambda": "43"}, Previous: rules.Previous{Version: "1", Parameters: map[string]string{"lambda": "42"}},
	}}
	rule, effect := &rules.Rule{Name: "high"}, &rules.Effect{Name: "back", Do: "roll it back", To: rules.Address{Sink: "pipeline"}}
	var step fact.DrillStep
	d := driller{&daemon{assembly: assembly{clock: newWallClock(slog.New(slog.DiscardHandler))}}}
	d.try(t.Context(), plan, rule, effect, sink, &fact.Drill{ID: "d", Environment: "staging", By: "Lee"}, 1, &step)
	if !step.OK || !strings.Contains(sent, "42 after 43") {
		t.Errorf("%+v, sent %s", step, sent)
	}
}

// A run that was decided when the way back was rehearsed, and goes on since, knows of it.
func TestARunThatGoesOnHearsOfTheNewestDrill(t *testing.T) {
	const run = "P-1@1.0.0"
	text := strings.NewReplacer("start = 2100-01-01T00:00:00Z", "start = "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		"success = [\"errors\"]\n", "success = [\"errors\"]\nrollback = [\"errors-high\"]\n").Replace(withTokens()) + drillConfig
	t.Setenv("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	d := housed(t, text, outboxtest.Network{Handler: &stagehand{well: true, active: true}}, io.Discard)
	give := func(c fact.Command) {
		t.Helper()
		c.By, c.Why, c.Principal = "Lee", "a test", "all"
		if e, err := d.runner.Command(t.Context(), "P-1", run, c); err != nil || e.To != "applied" {
			t.Fatal(e, err)
		}
	}
	give(fact.Command{Kind: fact.Abort})
	done, err := driller{d}.Drill(t.Context(), "P-1", gate.DrillRequest{Environment: "staging", By: "Lee"})
	if err != nil {
		t.Fatal(err)
	}
	known := func() *fact.Drill {
		v, err := d.runner.Recall(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		return v.Snapshot.Effects.Drill
	}
	if known() != nil {
		t.Error("a run that is decided was told")
	}
	give(fact.Command{Kind: fact.Override, Verdict: rules.Pass})
	eventually(t, "the run to hear of the drill", func() bool { k := known(); return k != nil && k.ID == done.ID })
}

// A drill that a wrong clock dates ahead hides none that came after it.
func TestTheNewestDrillIsNoneOfTheFuture(t *testing.T) {
	t.Setenv("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	d := housed(t, withTokens(), outboxtest.Network{Handler: &stagehand{}}, io.Discard)
	for id, at := range map[string]time.Duration{"past": -time.Hour, "now": -time.Second, "future": 24 * time.Hour} {
		if err := (driller{d}).keepDrill(t.Context(), "P-1", &fact.Drill{ID: id, At: time.Now().Add(at)}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.newestDrill(t.Context(), "P-1"); err != nil || got.ID != "now" {
		t.Errorf("got %+v, %v", got, err)
	}
}
