package config

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What an editor is given takes the project's own config, and refuses what Load
// refuses for its form.
func TestSchemaTakesWhatLoadTakes(t *testing.T) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("../config.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, changed string }{
		{"", ""}, // as it is
		{`window   = "15m"`, `windw = "15m"`},
		{`window   = "15m"`, `window = 15`},
		{`window   = "15m"`, `window = "15 minutes"`},
		{`start    = "T+20m"`, `start = "20m"`},
		{`when   = "< 1 %"`, `when = "< 1 x"`},
		{`traffic  = "10 %"`, `traffic = 10`},
		{`kind   = "ratio"`, `kind = "rate"`},
		{`token = { env = "SENTRY_TOKEN" }`, `token = { env = "A", file = "b" }`},
		{`title  = "API 5xx rate"`, `title = ["API 5xx rate"]`},
		{`owner  = "Ops"`, ``},
		{`lambda = 43`, `lambda = [43]`},
		{`expected_completion = "T+30.5h"`, `expected_completion = 30`},
	} {
		if !strings.Contains(string(own), tt.old) {
			t.Fatalf("the config has no %q", tt.old)
		}
		var doc map[string]any
		if _, err := toml.Decode(strings.Replace(string(own), tt.old, tt.changed, 1), &doc); err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(asJSON(doc)); (err == nil) != (tt.old == "") {
			t.Errorf("%q instead of %q: got %v", tt.changed, tt.old, err)
		}
	}
}

// asJSON is a TOML value as an editor's schema checker sees it: dates are text.
func asJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = asJSON(e)
		}
	case []any:
		for i, e := range v {
			v[i] = asJSON(e)
		}
	case []map[string]any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = asJSON(e)
		}
		return list
	case time.Time:
		if v.Location().String() == "date-local" {
			return v.Format(time.DateOnly)
		}
		return v.Format(time.RFC3339)
	}
	return v
}
