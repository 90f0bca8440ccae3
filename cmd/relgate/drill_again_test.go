package main

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
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
