package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
)

// templated writes whatever a template makes of an event: for receivers that no other
// format is for.
var templated = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "template", Doc: "a body that a template makes of the event",
		Keys: []rules.AccountKey{
			{Key: "body", Required: true, Example: `'{"text": {{ .headline | json }}}'`, Doc: "Format template: the body, as a template of Go's text/template over the event. Required there."},
			{Key: "path", Doc: "Format template: what is added to the URL, as a template: `/builds/{{ .parameters.build | path }}/unblock`."},
			{Key: "method", Doc: "Format template: POST, PUT or PATCH. Default: `POST`."},
			{Key: "content_type", Doc: "Format template: what the body is. JSON must be JSON. Default: `application/json`."},
		},
		Signed: true, Headers: true, Check: checkTemplated,
		// A template that does not look whether it is told of another endpoint's trouble
		// would take the event for one of its own, and act on it.
		Escalations: func(own rules.FormatKeys) bool { return strings.Contains(own.Texts["body"], ".stuck") },
	},
	Needs: NeedsBeginning,
	Open: func(e Endpoint) Maker {
		all, bad := compileAll(map[string]string{"body": e.Texts["body"], "path": e.Texts["path"]})
		return func(f Facts) (*Call, error) {
			if bad != nil {
				return nil, bad // unreachable: the config was checked
			}
			return templatedCall(e, all, f)
		}
	},
}

var methods = []string{"POST", "PUT", "PATCH"}

func checkTemplated(c rules.Checker, own rules.FormatKeys) {
	if m := own.Texts["method"]; m != "" {
		c.At("method").OneOf("bad-value", "method", m, methods)
	}
	kind := contentType(own)
	if strings.ContainsFunc(kind, func(r rune) bool { return r < ' ' || r >= 0x7f }) || !strings.Contains(kind, "/") {
		c.At("content_type").Fail("bad-value", "", `want a type such as "text/plain"`)
	}
	checkTemplate(c.At("body"), own.Texts["body"], func(made string) error { return readable(made, kind) })
	checkTemplate(c.At("path"), own.Texts["path"], pathIn)
}

func contentType(own rules.FormatKeys) string {
	return either(own.Texts["content_type"], "application/json")
}

// readable reports a body that is not what it is said to be.
func readable(body, kind string) error {
	if strings.HasPrefix(kind, "application/json") && !json.Valid([]byte(body)) {
		return errors.New("it is not JSON: write texts as {{ .headline | json }}, without quotes around them")
	}
	return nil
}

// pathIn reports what cannot be added to a URL: it must not lead to another host, or out
// of the path that the URL has.
func pathIn(made string) error {
	u, err := url.Parse(made)
	if made != "" && (err != nil || !strings.HasPrefix(made, "/") && !strings.HasPrefix(made, "?") || u.Host != "" || u.User != nil || slices.Contains(strings.Split(u.Path, "/"), "..")) {
		return fmt.Errorf("%q cannot be added to the URL: want a path that begins with a slash", made)
	}
	return nil
}

func templatedCall(e Endpoint, all fields, f Facts) (*Call, error) {
	facts, err := fieldsOf(e, f)
	if err != nil {
		return nil, err
	}
	made, err := all.render(facts)
	if err != nil {
		return nil, err
	}
	kind := contentType(e.FormatKeys)
	if err := errors.Join(readable(made["body"], kind), pathIn(made["path"])); err != nil {
		return nil, err
	}
	to := e.URL
	if made["path"] != "" {
		if strings.ContainsAny(e.URL, "?#") {
			return nil, errors.New("the URL has a query: no path can be added to it")
		}
		to = e.at(made["path"])
	}
	return &Call{Method: e.Texts["method"], URL: to, Body: []byte(made["body"]), Header: map[string]string{"Content-Type": kind}}, nil
}
