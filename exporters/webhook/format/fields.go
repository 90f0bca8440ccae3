package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// maxRendered is how many bytes a template may make.
const maxRendered = 256 << 10

// field is a template of Go's text/template over the facts of an event.
type field struct{ *template.Template }

// functions are what a template may call beside Go's own.
var functions = template.FuncMap{
	// json writes a value as JSON, a text in quotes.
	"json": func(v any) (string, error) {
		text, err := encode(v)
		return strings.TrimSuffix(string(text), "\n"), err
	},
	// path writes a text as one part of a URL's path.
	"path": url.PathEscape,
}

// compile reads a template. A field that is not there is an error when it is rendered.
func compile(text string) (field, error) {
	t, err := template.New("").Funcs(functions).Option("missingkey=error").Parse(text)
	if err != nil {
		return field{}, errors.New(saying(err))
	}
	return field{t}, nil
}

// saying is what a template's error says, without the place that it begins with, which
// names nothing that a reader knows.
func saying(err error) string {
	text := strings.TrimPrefix(err.Error(), "template: ")
	return regexp.MustCompile(`^:?(\d+:)+ ?(executing "" at )?`).ReplaceAllString(text, "")
}

// render writes a template over facts.
func (t field) render(facts map[string]any) (string, error) {
	var b limited
	if err := t.Execute(&b, facts); err != nil {
		return "", errors.New(saying(err))
	}
	if strings.Contains(b.String(), "<no value>") {
		return "", errors.New("it names something that is not known here")
	}
	return b.String(), nil
}

// limited is a buffer that holds as much as a template may make.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxRendered {
		return 0, fmt.Errorf("it makes more than %d bytes", maxRendered)
	}
	return l.Buffer.Write(p)
}

// fieldsOf is what templates see of facts: the event as the standard format has it, with
// `parameters` and `previous` of the run, a `link` to it, and `stuck`, which is null unless
// another endpoint does not take the event.
func fieldsOf(e Endpoint, f Facts) (map[string]any, error) {
	text, err := json.Marshal(f.Event)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&all); err != nil {
		return nil, err // unreachable: it was just encoded
	}
	parameters, previous := map[string]string{}, map[string]any{"version": "", "parameters": map[string]string{}}
	begun := f.Event.Begun
	if begun == nil && len(f.Earlier) > 0 {
		begun = f.Earlier[0].Begun
	}
	if begun != nil {
		parameters = begun.Parameters
		previous["version"], previous["parameters"] = begun.Previous.Version, begun.Previous.Parameters
	}
	if s := f.Stuck; s != nil {
		all["stuck"] = map[string]any{"endpoint": s.Endpoint, "attempts": s.Attempts, "reason": s.Reason}
	} else {
		all["stuck"] = nil
	}
	site := wire.Site{Base: e.External}
	all["parameters"], all["previous"], all["link"] = parameters, previous, site.Link("v1", "runs", f.Event.Run)
	return all, nil
}

// fields are compiled templates by name.
type fields map[string]field

// compileAll compiles templates that a config has checked.
func compileAll(texts map[string]string) (fields, error) {
	all := fields{}
	for name, text := range texts {
		t, err := compile(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[name] = t
	}
	return all, nil
}

// render renders each by its name.
func (all fields) render(facts map[string]any) (map[string]string, error) {
	out := map[string]string{}
	for name, t := range all {
		text, err := t.render(facts)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = text
	}
	return out, nil
}

// checkTemplate reports a template that cannot be read, or that fails for an event of any
// kind: with everything that such an event can have, and with nothing but what it always
// has. further looks at what it makes; it may be nil.
func checkTemplate(c rules.Checker, text string, further func(made string) error) {
	if text == "" {
		return // it is left out, or missing, which is said elsewhere
	}
	t, err := compile(text)
	if err != nil {
		c.Fail("bad-template", "", "%v", err)
		return
	}
	for _, f := range samples(text) {
		facts, err := fieldsOf(Endpoint{External: "https://relgate.example"}, f)
		if err != nil {
			c.Fail("bad-template", "", "%v", err) // unreachable: samples can be encoded
			return
		}
		made, err := t.render(facts)
		fix := "an event of any kind comes with every field, null where it has none: look at docs/webhooks.md"
		if err == nil && further != nil {
			fix, err = "", further(made)
		}
		if err != nil {
			c.Fail("bad-template", fix, "of an event of kind %s: %v", f.Event.Kind, err)
			return
		}
	}
}

// checkTemplates is checkTemplate for a table of them.
func checkTemplates(c rules.Checker, key string, table map[string]string) {
	for name, text := range table {
		checkTemplate(c.At(key, name), text, nil)
	}
}

// parameterNames are what a template takes of the run's parameters.
var parameterNames = regexp.MustCompile(`\.parameters\.([A-Za-z_][A-Za-z0-9_]*)`)

// samples are an event of each kind, bare and with all that it can have, in a run that
// has the parameters that a template names.
func samples(text string) []Facts {
	parameters := map[string]string{}
	for _, m := range parameterNames.FindAllStringSubmatch(text, -1) {
		parameters[m[1]] = "sample"
	}
	number := 1.5
	begun := &wire.Begun{Try: 1, Parameters: parameters, Previous: wire.Previous{Version: "0.9.0", Parameters: parameters}}
	var all []Facts
	for _, kind := range slices.Sorted(slices.Values([]string{"run", "phase", "verdict", "rule", "signal", "communication", "command", "plan"})) {
		bare := wire.EventBody{
			Kind: kind, Type: "relgate." + kind + ".sample", Severity: "info", ID: "sample@1.0.0.k7q/2", N: 2, Run: "sample@1.0.0", Plan: "sample", Version: "1.0.0",
			Subject: "sample", Detail: []string{}, Changes: []wire.Change{}, Totals: []wire.Total{},
		}
		full := bare
		full.Phase, full.From, full.To, full.Cause, full.Because = "one", "waiting", "monitoring", "threshold", "sample@1.0.0.k7q/1"
		full.Headline, full.Sentence, full.Detail = `a "headline"`, "a sentence\nof two lines", []string{"more"}
		full.Owner, full.Action, full.Command, full.By, full.Principal, full.Why = "ops", "revert", `revert --now "x"`, "ada", "ci", "why"
		full.Evidence = &wire.Evidence{
			Signal: "errors", Value: &number, Threshold: &number, Samples: &number,
			Quantile: &wire.Quantile{}, Datapoints: &wire.Periods{}, Weighed: &wire.Weighed{Bad: &number, Samples: &number, Baseline: &wire.Baseline{}, Earlier: &wire.Earlier{}, Groups: &wire.Groups{}, Rating: &wire.Rating{}},
		}
		full.Begun, full.Changes, full.Totals = begun, []wire.Change{{Path: "a"}}, []wire.Total{{Signal: "errors"}}
		for _, e := range []wire.EventBody{bare, full} {
			f := Facts{ID: e.ID, Type: e.Type, Event: e, Earlier: []wire.EventBody{{Kind: "run", Begun: begun}}}
			told := f
			told.Stuck = &Stuck{Endpoint: "other", Attempts: 3, Reason: `a "reason"`}
			all = append(all, f, told)
		}
	}
	return all
}
