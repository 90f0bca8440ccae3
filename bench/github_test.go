package bench

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-github/v74/github"

	ours "github.com/relgate/relgate/exporters/github"
	"github.com/relgate/relgate/exporters/github/githubtest"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// decodesAll decodes JSON that may have no field that a type of go-github has not.
func decodesAll(t *testing.T, body []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Errorf("%v: %s", err, body)
	}
}

// What starts a workflow, or tells a repository, is what go-github sends for the same.
func TestBodiesForGitHubAreThoseOfGoGitHub(t *testing.T) {
	e := format.Endpoint{URL: "https://api.github.com", Secrets: map[string]string{"token": "x"}, FormatKeys: rules.FormatKeys{
		Texts: map[string]string{"repository": "acme/shop", "workflow": "rollback.yml", "ref": "main"}, Tables: map[string]map[string]string{"inputs": {"version": "{{ .version }}"}},
	}}
	event := wire.EventBody{ID: "shop@1.0.0.k7q/2", N: 2, Kind: "run", To: "rolled_back", Run: "shop@1.0.0", Plan: "shop", Version: "1.0.0"}
	f := format.Facts{ID: event.ID, Type: "relgate.run.rolled_back", Event: event, Earlier: []wire.EventBody{{Kind: "run", Begun: &wire.Begun{Try: 1}}}}

	var told github.DispatchRequestOptions
	decodesAll(t, calledFor(t, "github-dispatch", e, f), &told)
	if told.EventType != f.Type || told.ClientPayload == nil {
		t.Errorf("got %+v", told)
	}

	of, _ := format.Named("github-workflow")
	call, err := of.Open(e)(f)
	if err != nil {
		t.Fatal(err)
	}
	call = call.Read(format.Answer{Status: 200, Header: http.Header{}, Body: []byte(`{"total_count":0,"workflow_runs":[]}`)}).Next
	plain := call.Read(format.Answer{Status: 422, Header: http.Header{}}).Next
	var started github.CreateWorkflowDispatchEventRequest
	decodesAll(t, plain.Body, &started)
	if started.Ref != "main" || started.Inputs["version"] != "1.0.0" || started.Inputs["relgate-event"] != event.ID {
		t.Errorf("got %+v", started)
	}
	// The first attempt has one field more, which go-github does not know yet.
	if text := string(call.Body); strings.Replace(text, `,"return_run_details":true`, "", 1) != string(plain.Body) || text == string(plain.Body) {
		t.Errorf("got %s, and without details %s", call.Body, plain.Body)
	}
}

// A request of a deployment protection rule, as the tests of relgate make it, is one to go-github,
// which also takes its signature.
func TestRequestsOfARuleAreThoseOfGoGitHub(t *testing.T) {
	h, body := githubtest.Payload(ours.DefaultAPI, "acme/shop", 7, 1, "production", "v1.0.0", strings.Repeat("a", 40))
	req, err := http.NewRequest(http.MethodPost, "https://relgate.example/v1/github/acme", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = h
	payload, err := github.ValidatePayload(req, []byte(githubtest.Secret))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := github.ParseWebHook(github.WebHookType(req), payload)
	event, ok := parsed.(*github.DeploymentProtectionRuleEvent)
	if err != nil || !ok || event.GetEnvironment() != "production" || event.GetDeployment().GetRef() != "v1.0.0" || event.GetInstallation().GetID() != githubtest.Installation ||
		!strings.HasPrefix(event.GetDeploymentCallbackURL(), "https://api.github.com/repos/acme/shop/actions/runs/7/") {
		t.Errorf("got %+v, %v", parsed, err)
	}
	decodesAll(t, body, &github.DeploymentProtectionRuleEvent{})
}
