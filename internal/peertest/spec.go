package peertest

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// specs is where the descriptions that others have published are: beside the project, as they
// are none of its files, or where RELGATE_SPECS says.
func specs() string {
	if dir := os.Getenv("RELGATE_SPECS"); dir != "" {
		return dir
	}
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..", "..", "shared", "specs")
}

// GitHub gives the schemas of what GitHub's REST API takes and answers: operation is a method
// and a path as its OpenAPI description has them, part is "requestBody" or "responses/200".
// Where no file github*.json or api.github.com*.json is among the specs the test is skipped,
// and not noted: no package brings the file.
func GitHub(tb testing.TB) func(operation, part string) *jsonschema.Schema {
	tb.Helper()
	var found []string
	for _, pattern := range []string{"github*.json", "api.github.com*.json"} {
		some, err := filepath.Glob(filepath.Join(specs(), pattern))
		if err != nil {
			tb.Fatal(err)
		}
		found = append(found, some...)
	}
	path := filepath.Join(specs(), "github.json")
	if len(found) > 0 {
		slices.Sort(found)
		path = found[0]
	}
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("GitHub's OpenAPI description is not there: put it into %s as github.json", specs())
	}
	return schemas(tb, path)
}

// Apple gives the schemas of App Store Connect's API, as GitHub does. Where no file
// apple-app-store-connect*.json is among the specs the test is skipped, and not noted.
func Apple(tb testing.TB) func(operation, part string) *jsonschema.Schema {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(specs(), "apple-app-store-connect*.json"))
	if err != nil {
		tb.Fatal(err)
	}
	if len(found) == 0 {
		tb.Skipf("Apple's OpenAPI description is not there: put it into %s as apple-app-store-connect.json", specs())
	}
	return schemas(tb, found[0])
}

// schemas compiles the schemas of a description.
func schemas(tb testing.TB, path string) func(operation, part string) *jsonschema.Schema {
	tb.Helper()
	doc, err := described(path)
	if err != nil {
		tb.Fatal(err)
	}
	const name = "description.json"
	return func(operation, part string) *jsonschema.Schema {
		tb.Helper()
		method, route, _ := strings.Cut(operation, " ")
		pointer := "/paths/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(route) + "/" + strings.ToLower(method) + "/" + part + "/content/application~1json/schema"
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft7)
		if err := c.AddResource(name, doc); err != nil {
			tb.Fatal(err)
		}
		s, err := c.Compile(name + "#" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer))
		if err != nil {
			tb.Fatalf("%s: %v", operation, err)
		}
		return s
	}
}

// described reads a description once for all tests of a package: it is large.
var described = func() func(path string) (any, error) {
	var mu sync.Mutex
	known := map[string]any{}
	return func(path string) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		if known[path] != nil {
			return known[path], nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			known[path] = doc
		}
		return doc, err
	}
}()

// Keeps reports what a body has against a schema.
func Keeps(tb testing.TB, s *jsonschema.Schema, body []byte) {
	tb.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = s.Validate(doc)
	}
	if err != nil {
		tb.Errorf("%v: %s", err, body)
	}
}

// Lacks reports that a schema takes a body that it must not take.
func Lacks(tb testing.TB, s *jsonschema.Schema, body string) {
	tb.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	if s.Validate(doc) == nil {
		tb.Errorf("the schema takes %s", body)
	}
}
