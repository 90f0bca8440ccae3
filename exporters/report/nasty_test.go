package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// nasty is text as only an attacker writes it.
const nasty = "<script>alert(1)</script>\"'|` \n# x\n- y\r\n*b* _i_ [l](javascript:alert(2)) ![i](http://evil.example) @team #1 \u202egnp.exe \x1b[31m &amp; שלום {{.}} \\| --> </style> www.evil.example"

// spoil writes text into every string of a value.
func spoil(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			spoil(v.Elem(), text)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() || v.Type() == reflect.TypeFor[rules.Query]() {
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spoil(v.Field(i), text)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i), text)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if v.Type().Elem().Kind() == reflect.String {
				v.SetMapIndex(k, reflect.ValueOf(text).Convert(v.Type().Elem()))
			}
		}
	case reflect.String:
		if v.CanSet() && !structural[v.String()] {
			v.SetString(text)
		}
	}
}

// structural are words of the API that decide what is shown.
var structural = map[string]bool{}

func init() {
	for _, w := range strings.Fields("run approval communication plan phase rule command review success rollback edited fired would_fire rolled_back passed applied shadow sent open complete archived edited approved overridden asked start break_glass edit_review sign_review met not_met") {
		structural[w] = true
	}
}

func spoilt() *report.Source {
	s := rolledBack()
	spoil(reflect.ValueOf(s), nasty)
	then(s, wire.EventBody{ID: "edit", Kind: "command", Subject: "edit_review", To: "applied", Why: nasty},
		wire.EventBody{Kind: "review", Subject: "lessons", To: "edited", Because: "edit"}, wire.EventBody{Kind: "review", Subject: nasty, To: "edited", Because: "edit"})
	return s
}

// wellFormed parses a page and gives its elements by name. Everything is in it: no script,
// and nothing from elsewhere.
func wellFormed(t *testing.T, text string) map[string]int {
	t.Helper()
	elements := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if err == io.EOF {
			return elements
		}
		if err != nil {
			t.Fatal(err)
		}
		tag, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		elements[tag.Name.Local]++
		for _, a := range tag.Attr {
			if name := a.Name.Local; strings.HasPrefix(name, "on") || name == "src" || name == "href" || name == "style" || name == "srcdoc" {
				t.Errorf("<%s> has %s=%q", tag.Name.Local, name, a.Value)
			}
		}
	}
}

func TestNastyTextsStayTextsInHTML(t *testing.T) {
	var plan bytes.Buffer
	p := shop()
	spoil(reflect.ValueOf(p), nasty)
	if err := report.OfPlan(p, nasty).HTML(&plan); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"report": page(t, spoilt()), "plan": plan.String()} {
		if n := strings.Count(text, "alert(1)"); n < 20 {
			t.Fatalf("%s: the nasty text is in it %d times: is it written at all?", name, n)
		}
		allowed := strings.Fields("html head meta title style body header main section h1 h2 h3 p ul li dl dt dd table thead tbody tr th td bdi span code div figure figcaption strong svg rect line path text")
		for element, n := range wellFormed(t, text) {
			ok := false
			for _, a := range allowed {
				ok = ok || a == element
			}
			if !ok {
				t.Errorf("%s: %d elements <%s>", name, n, element)
			}
		}
		for _, bad := range []string{"\u202e", "\x1b", "<script", "javascript:alert(2)\""} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: %q is in it as it is", name, bad)
			}
		}
		if !strings.Contains(text, "שלום") || !strings.Contains(text, `\u202e`) {
			t.Errorf("%s: letters are lost, or a control is not shown", name)
		}
	}
}

func TestNastyTextsStayTextsInMarkdown(t *testing.T) {
	var plan bytes.Buffer
	p := shop()
	spoil(reflect.ValueOf(p), nasty)
	if err := report.OfPlan(p, nasty).Markdown(&plan); err != nil {
		t.Fatal(err)
	}
	cells := regexp.MustCompile(`(?:^|[^\\])\|`)
	for name, text := range map[string]string{"report": markdown(t, spoilt()), "plan": plan.String()} {
		if n := strings.Count(text, "alert(1)"); n < 20 {
			t.Fatalf("%s: the nasty text is in it %d times: is it written at all?", name, n)
		}
		columns := 0
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			shown := withoutCode(line)
			switch {
			case !strings.HasPrefix(line, "| "):
				if !strings.HasPrefix(line, "|") {
					columns = 0
				}
			case columns == 0:
				columns = len(cells.FindAllString(shown, -1))
			case len(cells.FindAllString(shown, -1)) != columns:
				t.Errorf("%s: a row has not the columns of its table: %s", name, line)
			}
			for _, bad := range []string{"<script", "](", "![", " *b*", "@team", "http://", "\r", "\u202e", "\x1b", " www.evil"} {
				if strings.Contains(strings.ReplaceAll(shown, `\`+bad, ""), bad) {
					t.Errorf("%s: %q is in it as it is: %s", name, bad, line)
				}
			}
		}
	}
}

// withoutCode takes the code out of a line: nothing in it is markup.
func withoutCode(line string) string {
	for {
		from := strings.Index(strings.ReplaceAll(line, "\\`", "xx"), "`")
		if from < 0 {
			return line
		}
		fence := line[from : from+len(line[from:])-len(strings.TrimLeft(line[from:], "`"))]
		to := strings.Index(line[from+len(fence):], fence)
		if to < 0 {
			return line
		}
		line = line[:from] + line[from+2*len(fence)+to:]
	}
}

func TestNastyTextsStayTextsInJSON(t *testing.T) {
	text, err := json.Marshal(report.Make(spoilt()))
	if err != nil {
		t.Fatal(err)
	}
	var back report.Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if back.Title != nasty {
		t.Errorf("the title came back as %q", back.Title)
	}
}

// FuzzReport: nothing panics on what a journal may hold.
func FuzzReport(f *testing.F) {
	f.Add(nasty, "fired", int64(0))
	f.Add("", "", int64(1<<62))
	f.Fuzz(func(t *testing.T, text, to string, when int64) {
		s := rolledBack()
		spoil(reflect.ValueOf(s), text)
		for i := range s.Run.Events {
			e := &s.Run.Events[i]
			if i%2 == 0 {
				e.At = nil
			}
			if i%3 == 0 {
				e.To, e.Because = to, text
			}
		}
		s.Readings[0].Signal = "errors"
		s.Plan.Signals[0].Name = "errors"
		s.Readings[0].Points = append(s.Readings[0].Points, rules.Point{At: when, Value: 1, Samples: 1})
		r := report.Make(s)
		if err := r.Markdown(io.Discard); err != nil {
			t.Fatal(err)
		}
		if err := r.HTML(io.Discard); err != nil {
			t.Fatal(err)
		}
		if err := report.OfPlan(s.Plan, text).HTML(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}
