package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/relgate/relgate/exporters/chart"
	"github.com/relgate/relgate/exporters/wire"
)

//go:embed style.css
var style string

//go:embed report.html
var reportPage string

// eventList is what the template of events shows.
type eventList struct {
	Moments  []Moment
	Authored bool // with the token and the digest
}

// functions are what pages say with. Templates escape for where a text stands; text first
// makes visible what could show as something else.
var functions = template.FuncMap{
	"style":      func() template.CSS { return template.CSS(style) },
	"text":       wire.Plain,
	"lines":      lines,
	"dash":       func(s string) string { return blank(wire.Plain(s)) },
	"spoken":     func(s string) string { return spoken(wire.Plain(s)) },
	"stamp":      stamp,
	"percent":    percent,
	"count":      count,
	"minutes":    minutes,
	"short":      short,
	"tone":       tone,
	"add":        func(a, b float64) float64 { return chart.Round1(a + b) },
	"overview":   (*Report).overview,
	"charts":     func(r *Report) []figure { return r.charts },
	"facts":      func(b Rollback) [][3]string { return b.facts() },
	"phaseState": func(x Phase) string { return wire.Plain(x.stateWords()) },
	"metric":     func(f MetricPhase) string { return wire.Plain(f.words()) },
	"trigger":    func(t Trigger) string { return wire.Plain(t.words()) },
	"allowed":    func(a Approval) string { return wire.Plain(a.allowed()) },
	"binding":    func(a Approval) string { return a.binding() },
	"trouble":    func(d Delivery) string { return d.trouble() },
	"author":     func(m Moment) string { return m.author(wire.Plain) },
	"authored":   func(list []Moment) eventList { return eventList{list, true} },
	"about":      func(d *Document) string { return d.about() },
	"number":     func(i int) int { return i + 1 },
	"plainly":    func(list []Moment) eventList { return eventList{list, false} },
}

// HTML writes a report as one page that needs nothing else: no script, no font, no
// network. It prints on A4, and follows the reader's choice of light and dark.
func (r *Report) HTML(w io.Writer) error { return render(w, reportPage, r) }

func render(w io.Writer, text string, of any) error {
	parsed, err := template.New("page").Funcs(functions).Parse(text)
	if err != nil {
		return err // unreachable unless the page in the binary is broken
	}
	return parsed.Execute(w, of)
}

// lines is a text of several lines, each without what could show as something else.
func lines(text string) string {
	list := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := range list {
		list[i] = wire.Plain(list[i])
	}
	return strings.Join(list, "\n")
}

// tone is the class of a state or a verdict.
func tone(state string) string {
	switch state {
	case "pass", "passed":
		return "good"
	case "fail", "failed", "rollback", "rolled_back":
		return "wrong"
	case "pending", "unknown", "held":
		return "warn"
	}
	return ""
}
