package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"

	cdevents "github.com/cdevents/sdk-go/pkg/api"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// The events of the format "cdevents" keep the schemas that the specification's own library
// has. Those of 0.5.0: 0.5.1 has the same types.
func TestCDEventsKeepTheSpecificationsSchemas(t *testing.T) {
	at := time.Date(2025, 6, 4, 2, 1, 0, 0, time.UTC)
	run := func(from, to string) wire.EventBody { return wire.EventBody{Kind: "run", From: from, To: to} }
	done := wire.EventBody{Kind: "command", Subject: "rollback_done", To: "applied"}
	shown := map[string]bool{}
	for _, tt := range []struct {
		event    wire.EventBody
		previous string
	}{
		{run("waiting", "monitoring"), "0.9.0"}, {run("monitoring", "passed"), "0.9.0"}, {run("monitoring", "held"), "0.9.0"}, {run("held", "monitoring"), "0.9.0"},
		{run("monitoring", "failed"), "0.9.0"}, {run("held", "rolled_back"), "0.9.0"}, {done, "sha256:0.9"}, {done, ""},
	} {
		e := tt.event
		e.ID, e.N, e.At, e.Run, e.Plan, e.Version, e.Headline = "shop@1.0.0.k7q/2", 2, &at, "shop@1.0.0", "shop", "1.0.0", "what has happened"
		begun := wire.EventBody{Kind: "run", To: "waiting", Begun: &wire.Begun{Try: 1, Previous: wire.Previous{Version: tt.previous}}}
		for _, external := range []string{"", "https://relgate.example"} {
			body := calledFor(t, "cdevents", format.Endpoint{URL: "https://events.example", External: external, FormatKeys: rules.FormatKeys{
				Texts: map[string]string{"environment": "production", "artifact": "pkg:oci/shop?arch=amd64"},
			}}, format.Facts{ID: e.ID, Type: "relgate." + e.Kind + "." + e.To, Event: e, Earlier: []wire.EventBody{begun}})
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			kind := doc.(map[string]any)["context"].(map[string]any)["type"].(string)
			words := strings.Split(kind, ".") // dev.cdevents.SUBJECT.PREDICATE.VERSION
			_, schema, err := cdevents.CompiledSchemas.GetBySpecSubjectPredicate("0.5.0", words[2], words[3], "")
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Errorf("%s: %v: %s", kind, err, body)
			}
			shown[kind] = true
			delete(doc.(map[string]any)["subject"].(map[string]any)["content"].(map[string]any), "environment")
			if schema.Validate(doc) == nil {
				t.Errorf("%s: the schema takes an event without its environment", kind)
			}
		}
	}
	if len(shown) != 5 {
		t.Errorf("shown are %v, want 5 types", shown)
	}
}

// calledFor is the body that a format sends of an event.
func calledFor(t *testing.T, name string, e format.Endpoint, f format.Facts) []byte {
	t.Helper()
	of, known := format.Named(name)
	if !known {
		t.Fatalf("there is no format %q", name)
	}
	call, err := of.Open(e)(f)
	if err != nil || call == nil {
		t.Fatalf("got %v, %v", call, err)
	}
	return call.Body
}
