package format

import (
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

func TestATemplateMakesTheRequest(t *testing.T) {
	events := begunRun()
	events[1].Headline = "50 % \"quoted\"\nand \u202e more"
	for _, tt := range []struct {
		name  string
		texts map[string]string
		want  string // METHOD URL content-type body
		wrong string // in the error, where there is one
	}{
		{"JSON", map[string]string{"body": `{"text":{{ .headline | json }},"n":{{ .n }},"to":{{ json .previous.version }},"e":{{ .evidence | json }}}`},
			` https://ci.example/ application/json {"text":"50 % \"quoted\"\nand \u202e more","n":2,"to":"0.9.0","e":null}`, ""},
		{"a path and a method", map[string]string{"body": `{}`, "path": "/builds/{{ .parameters.commit | path }}/{{ path .plan }}", "method": "PUT"}, "PUT https://ci.example/builds/a1b2/REL application/json {}", ""},
		{"a form", map[string]string{"body": `v={{ .version | urlquery }}&id={{ .id | urlquery }}`, "content_type": "application/x-www-form-urlencoded"},
			" https://ci.example/ application/x-www-form-urlencoded v=1.0.0&id=REL%401.0.0.k7q%2F2", ""},
		{"a link", map[string]string{"body": `{{ .link | json }}`}, ` https://ci.example/ application/json "https://relgate.example/v1/runs/REL@1.0.0"`, ""},
		{"no JSON", map[string]string{"body": `{"text":"{{ .headline }}"}`}, "", "it is not JSON"},
		{"a field that is not there", map[string]string{"body": `{{ .verson }}`}, "", `no entry for key "verson"`},
		{"a parameter that the run does not have", map[string]string{"body": `{{ .parameters.branch }}`}, "", `no entry for key "branch"`},
		{"null", map[string]string{"body": `{{ .evidence.value }}`}, "", "nil pointer"},
		{"nothing known", map[string]string{"body": `{{ .evidence }}`}, "", "not known here"},
		{"too much", map[string]string{"body": `{{ range 100000 }}{{ $.id }}{{ end }}`}, "", "more than 262144 bytes"},
		{"a path out of its place", map[string]string{"body": `{}`, "path": "/a/../../admin"}, "", "cannot be added"},
		{"a path that is a host", map[string]string{"body": `{}`, "path": "@b.example/"}, "", "cannot be added"},
		{"a path that is no path", map[string]string{"body": `{}`, "path": "//b.example/"}, "", "cannot be added"},
	} {
		e := endpointOf(tt.texts, nil)
		e.URL = "https://ci.example/"
		call, err := templated.Open(e)(factsOf(events))
		if tt.wrong != "" {
			if call != nil || err == nil || !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%s: got %v, %v, want an error with %q", tt.name, call, err, tt.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := call.Method + " " + call.URL + " " + call.Header["Content-Type"] + " " + string(call.Body); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestNoPathIsAddedBehindAQuery(t *testing.T) {
	e := endpointOf(map[string]string{"body": `{}`, "path": "/x"}, nil)
	e.URL = "https://ci.example/hook?sig=s3cret"
	if call, err := templated.Open(e)(factsOf(begunRun())); call != nil || err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, %v", call, err)
	}
}

// A template that does not ask whether another endpoint is in trouble is never told of it.
func TestATemplateIsToldOfAnothersTroubleIfItAsks(t *testing.T) {
	f := factsOf(begunRun())
	f.Stuck = &Stuck{Endpoint: "pipeline", Attempts: 3, Reason: "answered 503"}
	body := `{"text":{{ with .stuck }}{{ printf "%s is stuck after %d" .endpoint .attempts | json }}{{ else }}{{ $.headline | json }}{{ end }}}`
	call, err := templated.Open(endpointOf(map[string]string{"body": body}, nil))(f)
	if err != nil || string(call.Body) != `{"text":"pipeline is stuck after 3"}` {
		t.Errorf("got %v, %v", call, err)
	}
	for body, want := range map[string]bool{body: true, `{"text":{{ .headline | json }}}`: false} {
		if got := templated.Escalations(rules.FormatKeys{Texts: map[string]string{"body": body}}); got != want {
			t.Errorf("%s: got %v, want %v", body, got, want)
		}
	}
}

// Whatever a config's template is, and whatever an event holds, reading and rendering it
// ends in a request or an error.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{`{"a":{{ .headline | json }}}`, "{{ .parameters.x }}", "{{ range .detail }}{{ . }}{{ end }}", "{{ .evidence.weighed.bad }}", "{{"} {
		f.Add(seed, "a headline")
	}
	f.Fuzz(func(t *testing.T, text, headline string) {
		if strings.Contains(text, "range") || strings.Contains(text, "define") || strings.Contains(text, "block") {
			t.Skip("may take long by itself")
		}
		var found rules.Problems
		checkTemplated(rules.Check("webhooks.a", &found), rules.FormatKeys{Texts: map[string]string{"body": text, "path": text}})
		events := history(wire.EventBody{Kind: "run", Headline: headline, Detail: []string{headline}})
		call, err := templated.Open(endpointOf(map[string]string{"body": text}, nil))(factsOf(events))
		if (call == nil) == (err == nil) || call != nil && len(call.Body) > maxRendered {
			t.Errorf("%q: got %v, %v", text, call, err)
		}
	})
}
