package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/relgate/relgate/exporters/wire"
)

// page collects Markdown. Every text from elsewhere goes through md.
type page struct{ strings.Builder }

// md shows text as it is where Markdown is read, also in the cell of a table: on one line,
// without markup, links or mentions of its own. What could show as something else is
// written as an escape.
func md(text string) string {
	text = strings.TrimSpace(breaks.Replace(text))
	text = links.Replace(markup.Replace(wire.Plain(text)))
	return leading.ReplaceAllString(text, `$1\$2$3`)
}

// markup is what has a meaning inside of a line. A mention is broken by an empty comment
// between its two parts: a backslash would not stop it.
var markup = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "|", `\|`, "~", `\~`,
	"&", `\&`, "$", `\$`, "#", `\#`, "!", `\!`, "@", "@<!-- -->")

var (
	breaks = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ")
	links  = strings.NewReplacer("://", `\://`, "www.", `www\.`) // what becomes a link without any markup
)

// leading is what has a meaning at the beginning of a line: the marks of lists, and lines
// below a heading.
var leading = regexp.MustCompile(`^([0-9]{0,9})([-+=.)])([-=\s]|$)`)

// code shows text as code, for commands and digests: nothing in it is markup. Backticks
// within are counted, as CommonMark wants it. In a cell only what has no "|" may be code.
func code(text string) string {
	if text == "" {
		return ""
	}
	text = wire.Plain(breaks.Replace(text))
	longest, run := 0, 0
	for _, r := range text {
		if run++; r != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	fence, pad := strings.Repeat("`", longest+1), ""
	if longest > 0 {
		pad = " "
	}
	return fence + pad + text + pad + fence
}

// blank is a cell, or a dash where it is empty.
func blank(cell string) string { return cmp.Or(cell, "–") }

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.Builder, format+"\n", args...) }

func (p *page) heading(level int, text string) {
	p.line("\n%s %s\n", strings.Repeat("#", level), text)
}

// table writes rows; nothing but a sentence where there are none.
func (p *page) table(none string, head []string, rows [][]string) {
	if len(rows) == 0 {
		p.line("%s", none)
		return
	}
	p.line("| %s |", strings.Join(head, " | "))
	p.line("|%s", strings.Repeat(" --- |", len(head)))
	for _, row := range rows {
		p.line("| %s |", strings.Join(row, " | "))
	}
}

// Markdown writes a report as Markdown: one fact a line, so that two versions can be
// compared. Charts are in the HTML only.
func (r *Report) Markdown(w io.Writer) error {
	p := &page{}
	p.line("# %s", md(cmp.Or(r.Title, r.Plan)+" "+r.Version))
	p.line("\n**%s**\n", md(r.Headline))
	p.line("%s\n", md(r.Sentence))
	for _, d := range r.Detail {
		p.line("- %s", md(d))
	}
	p.heading(2, "Overview")
	p.facts(r.overview())
	r.mdResults(p)
	r.mdPeople(p)
	r.mdAfter(p)
	_, err := io.WriteString(w, p.String())
	return err
}

// overview is the head of a report: name, value, and "code" for a value that is code.
func (r *Report) overview() [][3]string {
	began := cmp.Or(r.Began.By, "the plan's file")
	if r.Began.Principal != "" {
		began += " (token " + r.Began.Principal + ")"
	}
	if r.Began.Why != "" {
		began += ": " + r.Began.Why
	}
	list := [][3]string{
		{"Run", r.Run, "code"}, {"Plan", r.Plan, ""}, {"State", spoken(r.State), ""}, {"T", stamp(r.Start), ""},
		{"Begun", stamp(r.Began.At), ""}, {"Begun by", began, ""}, {"Release manager", r.Manager, ""}, {"Version before", r.Previous, ""},
	}
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		list = append(list, [3]string{"Parameter", name + " = " + r.Parameters[name], ""})
	}
	list = append(list, [3]string{"Digest of the plan", r.Digest, "code"}, [3]string{"As of", stamp(r.AsOf), ""})
	if r.Chain != nil {
		list = append(list, [3]string{fmt.Sprintf("Chain, tick %d", r.Chain.Seq), r.Chain.Head, "code"})
	}
	return list
}

func (r *Report) mdResults(p *page) {
	p.heading(2, "Pass criteria")
	var rows [][]string
	for _, c := range r.Criteria {
		rows = append(rows, []string{md(c.Text), c.Status.Words(), md(c.Reason)})
	}
	p.table("The plan has no pass criteria.", []string{"Criterion", "Status", "Why"}, rows)

	p.heading(2, "Phases")
	rows = nil
	for _, x := range r.Phases {
		rows = append(rows, []string{md(x.Phase), percent(x.TrafficPercent), md(x.stateWords()), stamp(x.Start), stamp(x.Decided), md(x.Text)})
	}
	p.table("The plan has no phases.", []string{"Phase", "Traffic", "State", "Begun", "Decided", "Why"}, rows)

	p.heading(2, "Success metrics")
	rows = nil
	for _, x := range r.Metrics {
		for _, f := range x.Phases {
			rows = append(rows, []string{md(cmp.Or(x.Title, x.Metric)), md(f.Phase), md(x.Target), md(f.Shown), md(f.Counted), md(f.words()), md(f.Text)})
		}
	}
	p.table("The plan has no success metrics.", []string{"Metric", "Phase", "Target", "Value", "Counts", "Status", "In words"}, rows)

	p.heading(2, "Rollback triggers")
	rows = nil
	for _, t := range r.Triggers {
		rows = append(rows, []string{md(cmp.Or(t.Title, t.Trigger)), md(t.When), md(t.Shown), md(t.Counted), md(t.words()), fmt.Sprint(t.Warnings), md(t.Text)})
	}
	p.table("The plan has no rollback triggers.", []string{"Trigger", "When", "Last value", "Counts", "State", "Warnings", "In words"}, rows)

	p.heading(2, "Rollback")
	if len(r.Rollbacks) == 0 {
		p.line("None.")
	}
	for _, b := range r.Rollbacks {
		p.facts(b.facts())
		b.mdSteps(p)
	}
}

// facts are a rollback's, as the overview's are.
func (b *Rollback) facts() [][3]string {
	who := "rule " + b.Rule
	if b.Rule == "" {
		who = cmp.Or(b.By, "not known")
	}
	list := [][3]string{{"Ordered by", who, ""}, {"Why", b.Text, ""}}
	if b.Rule != "" {
		estimate := " (an estimate: the start of the stretch that the rule judged)"
		if b.Alarm != "" {
			estimate = " (an estimate: since when the alarm " + b.Alarm + " was on)"
		}
		list = append(list, [3]string{"Fault began", stamp(b.FaultBegan) + estimate, ""},
			[3]string{"Found", stamp(b.Found) + after(b.ToFind, "after it began"), ""})
	}
	list = append(list, [3]string{"Ordered", stamp(b.Ordered) + after(b.ToOrder, "after it began"), ""})
	switch {
	case b.Acknowledged != nil:
		list = append(list, [3]string{"Acknowledged", stamp(b.Acknowledged) + after(b.ToAck, "after the order") + by(b.AckBy), ""})
	case b.Undone == nil && b.WayTaken == nil:
		list = append(list, [3]string{"Acknowledged", "not yet: it was not reported as carried out", ""})
	}
	list = append(list, b.wayFacts()...)
	if b.Undone != nil {
		list = append(list, [3]string{"Overridden", stamp(b.Undone) + ": the run went on", ""})
	}
	return append(list, [3]string{"Action", b.Action, ""}, [3]string{"Command", b.Command, "code"}, [3]string{"Owner", b.Owner, ""})
}

func (r *Report) mdPeople(p *page) {
	p.heading(2, "Approvals")
	signatures(p, r.Approvals)

	p.heading(2, "Overrides")
	r.moments(p, r.Overrides, true)
	p.heading(2, "Amendments")
	if len(r.Amendments) == 0 {
		p.line("None.")
	}
	for _, a := range r.Amendments {
		p.line("- %s: %s", stamp(a.At), md(a.Text))
		for _, c := range a.Changes {
			p.line("  - %s: %s → %s", code(c.Path), blank(md(c.From)), blank(md(c.To)))
		}
	}

	p.heading(2, "Messages")
	var rows [][]string
	for _, m := range r.Messages {
		rows = append(rows, []string{md(m.Name), md(m.To), md(spoken(m.State)), stamp(m.Due), stamp(m.At), md(m.Text), blank(md(m.Answer))})
	}
	p.table("None.", []string{"Message", "To", "State", "Due", "At", "Text", "Result"}, rows)

	p.heading(2, "Deliveries")
	rows = nil
	for i := range r.Deliveries {
		d := &r.Deliveries[i]
		rows = append(rows, []string{md(d.Endpoint), fmt.Sprintf("%d of %d", d.Done, d.Newest), fmt.Sprint(len(d.Waiting)), fmt.Sprint(len(d.GivenUp)), blank(md(d.trouble()))})
	}
	p.table("None.", []string{"Endpoint", "Done", "Orders waiting", "Given up", "Trouble"}, rows)
}

// signatures writes approvals as a table.
func signatures(p *page, list []Approval) {
	var rows [][]string
	for i := range list {
		a := &list[i]
		rows = append(rows, []string{
			md(a.allowed()), blank(md(a.Role)), md(spoken(a.State)), blank(md(a.By)), blank(md(a.Principal)), blank(md(a.Meaning)), blank(md(a.Why)),
			stamp(a.At), blank(code(short(a.Digest))), a.binding(),
		})
	}
	p.table("None.", []string{"For", "Role", "State", "By", "Token", "Meaning", "Why", "At", "Plan", "In force"}, rows)
}

// trouble is what is wrong with a delivery; empty where nothing is.
func (d *Delivery) trouble() string {
	var list []string
	for _, g := range d.GivenUp {
		again := ""
		if g.Again {
			again = ", and now sent again"
		}
		list = append(list, fmt.Sprintf("%s given up at %s%s: %s", g.Event, stamp(&g.At), again, g.Reason))
	}
	for _, o := range d.Waiting {
		list = append(list, strings.TrimSuffix(fmt.Sprintf("order %s waits after %d failed attempts: %s", o.Event, o.Attempts, o.LastError), ": "))
	}
	if d.Done < d.Newest && d.Attempts > 0 {
		list = append(list, fmt.Sprintf("%d attempts failed: %s", d.Attempts, d.LastError))
	}
	return strings.Join(list, "; ")
}

func (r *Report) mdAfter(p *page) {
	p.heading(2, "Shadow rules")
	if len(r.Shadow) == 0 {
		p.line("None.")
	}
	for _, s := range r.Shadow {
		p.line("- %s: %s", md(cmp.Or(s.Title, s.Rule)), blank(md(s.Text)))
		for _, m := range s.Moments {
			p.line("  - %s: %s", stamp(m.At), md(m.Text))
		}
	}

	p.heading(2, "Forecasts and what came")
	if len(r.Forecasts) > 0 {
		p.line("What check says of the plan as the run began, beside what came. A success rule decides at the end of its window at the earliest.\n")
	}
	var rows [][]string
	for _, c := range r.Forecasts {
		rows = append(rows, []string{md(c.Phase), md(c.Rule), md(c.Said), minutes(c.ForecastMinutes), minutes(c.RealMinutes), count(c.ForecastSamples), count(c.RealSamples), md(c.Real)})
	}
	p.table("None: no signal has an expected rate.", []string{"Phase", "Rule", "Forecast", "Time", "Real", "Samples", "Real", "Came to"}, rows)

	p.heading(2, "Review")
	p.line("State: %s%s\n", md(spoken(r.Review.State)), archivedAt(md(r.Review.Link)))
	if len(r.Review.Signatures) > 0 {
		signatures(p, r.Review.Signatures)
		p.line("")
	}
	for _, f := range r.Review.Fields {
		p.line("### %s\n", md(f.Asks))
		if f.Text == "" {
			p.line("_Not written yet._\n")
		}
		for line := range strings.Lines(f.Text) {
			p.line("> %s", md(line))
		}
		if f.Text != "" {
			p.line("")
		}
	}

	p.heading(2, "Timeline")
	r.moments(p, r.Timeline, false)
	p.heading(2, "Every event")
	r.moments(p, r.Everything, false)
	p.heading(2, "What this rests on")
	for _, n := range r.Notes {
		p.line("- %s", md(n))
	}
}

// moments writes events, a line each.
func (r *Report) moments(p *page, list []Moment, author bool) {
	if len(list) == 0 {
		p.line("None.")
	}
	for i := range list {
		m := &list[i]
		said := md(m.Text)
		if author {
			said += m.author(md)
		}
		p.line("- %s (%s): %s", stamp(m.At), cmp.Or(m.Offset, "–"), said)
	}
}

// author is the token and the digest behind a moment.
func (m *Moment) author(show func(string) string) string {
	text := ""
	if m.Principal != "" {
		text += "; token " + show(m.Principal)
	} else {
		text += "; no token"
	}
	if m.Digest != "" {
		text += "; plan " + show(short(m.Digest))
	}
	return text
}
