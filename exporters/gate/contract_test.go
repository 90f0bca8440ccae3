package gate_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
)

// Pictures are looked at by tests of their own.
func init() { openapi3filter.RegisterBodyDecoder("image/svg+xml", openapi3filter.FileBodyDecoder) }

// contract finds the part of the OpenAPI document that is about a request.
var contract = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData(gate.OpenAPI)
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc) // validates the document
})

// checkContract holds an answer against the OpenAPI document: its status must be
// described, its headers and body must fit.
func checkContract(t *testing.T, method, target string, res *http.Response, sent string) {
	t.Helper()
	router, err := contract()
	if err != nil {
		t.Fatalf("reading openapi.json: %v", err)
	}
	r := httptest.NewRequest(method, target, strings.NewReader(sent))
	route, params, err := router.FindRoute(r)
	if err != nil {
		t.Fatalf("%s %s is not described: %v", method, target, err)
	}
	body := readBack(t, res)
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header,
		Body:    io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: method == http.MethodHead},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), in); err != nil {
		t.Errorf("%s %s: %v\n%s", method, target, err, body)
	}
}

func TestOpenAPI(t *testing.T) {
	if _, err := contract(); err != nil {
		t.Fatal(err)
	}
	g, _ := newGate(t, gate.Config{Tokens: []gate.Token{{Name: "ci", SHA256: hash("s"), Scopes: []gate.Scope{gate.Read}}}})
	res := ask(g.Handler(), "GET", "/v1/openapi.json", "")
	if b := readBack(t, res); res.StatusCode != 200 || !bytes.Equal(b, gate.OpenAPI) {
		t.Errorf("status %d, %d bytes", res.StatusCode, len(b))
	}
	checkContract(t, "GET", "/v1/openapi.json", res, "")
}

// TestTheDescriptionHasTheFieldsThatAreSent compares the schemas with the types, so
// that a field cannot be in one of them only.
func TestTheDescriptionHasTheFieldsThatAreSent(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(gate.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"Gate": wire.Body{}, "Status": wire.Status{}, "Plan": wire.PlanBody{}, "PlanList": wire.PlanList{}, "PlanSummary": wire.PlanSummary{}, "RunList": wire.RunList{},
		"RunSummary": wire.RunSummary{}, "RunPage": wire.RunBody{}, "Event": wire.EventBody{}, "EventList": wire.EventList{}, "Problem": wire.Problem{},
		"Run": wire.Run{}, "Rule": wire.Rule{}, "Evidence": wire.Evidence{}, "Weighed": wire.Weighed{}, "Hold": wire.Hold{}, "Signal": wire.Signal{},
		"Do": wire.Do{}, "File": wire.File{}, "Links": wire.Links{}, "Override": wire.Override{}, "Previous": wire.Previous{}, "Groups": wire.Groups{}, "Effects": wire.Effects{}, "EffectLine": wire.EffectLine{}, "Effect": wire.Effect{}, "Rating": wire.Rating{},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		sent := map[string]any{}
		if err := json.Unmarshal(b, &sent); err != nil {
			t.Fatal(err)
		}
		s := doc.Components.Schemas[name].Value
		if got, want := slices.Sorted(maps.Keys(s.Properties)), slices.Sorted(maps.Keys(sent)); !slices.Equal(got, want) {
			t.Errorf("%s is described with %v, sent with %v", name, got, want)
		}
		if required := slices.Sorted(slices.Values(s.Required)); !slices.Equal(required, slices.Sorted(maps.Keys(sent))) {
			t.Errorf("%s: required are %v: every field is always there", name, required)
		}
	}
}
