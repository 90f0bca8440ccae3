package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// Document is a plan as people read and sign it.
type Document struct {
	Plan     string
	Title    string
	Digest   string // of the plan, hex SHA-256
	Run      string // id of the run whose plan it is; empty: of the plan's file
	Sections []Section
}

// Section is one numbered part of a Document.
type Section struct {
	Title  string
	Facts  [][3]string // name, value, "code" for a value that is code
	Head   []string    // of a table; nil where there is none
	Rows   [][]string  //
	None   string      // what is said where the table has no rows
	Blocks []Block     // behind the table
}

// Block is a part of a section with a title of its own: one rollback trigger, say.
type Block struct {
	Title string
	Facts [][3]string
	Lines []string
	Blank bool // people write or sign here
}

// OfPlan is the document of a plan.
func OfPlan(p *rules.Plan, digest string) *Document {
	return &Document{
		Plan: p.Name, Title: p.Title, Digest: digest, Run: p.Binding.Run,
		Sections: []Section{overviewOf(p), phasesOf(p), metricsOf(p), triggersOf(p), rehearsalOf(p), communicationsOf(p), signaturesOf(p)},
	}
}

func overviewOf(p *rules.Plan) Section {
	start, end := "set by relgate start", "T"+strings.TrimPrefix(rules.Offset{Duration: p.Length}.String(), "T")
	if !p.Start.IsZero() {
		start, end = stamp(&p.Start), stamp(&p.Completion)
	} else if p.Length == 0 {
		end = "–"
	}
	s := Section{Title: "Overview", Facts: [][3]string{
		{"Plan", p.Name, ""}, {"Title", p.Title, ""}, {"Version", cmp.Or(p.Version, "set at the start"), ""},
		{"Start (T)", start, ""}, {"Expected completion", end, ""}, {"Release manager", p.Manager, ""},
	}}
	if p.Author != "" {
		s.Facts = append(s.Facts, [3]string{"Author", p.Author, ""})
	}
	for _, d := range p.Parameters {
		value := "default " + d.Default
		if d.Required {
			value = "required"
		}
		if v, ok := p.Binding.Parameters[d.Name]; ok {
			value = v
		}
		s.Facts = append(s.Facts, [3]string{"Parameter " + d.Name, value, ""})
	}
	if p.FalseRollback > 0 {
		s.Facts = append(s.Facts, [3]string{"Risk of a false rollback", "at most " + rules.Percent.Format(p.FalseRollback) + " over the whole run", ""})
	}
	return s
}

func phasesOf(p *rules.Plan) Section {
	s := Section{Title: "Phases", Head: []string{"Phase", "Mechanism", "Traffic", "Start", "Window", "Begins", "Owner", "Success metrics", "Rollback triggers"}, None: "The plan has no phases."}
	for i := range p.Phases {
		x := &p.Phases[i]
		s.Rows = append(s.Rows, []string{
			cmp.Or(x.Title, x.Name), x.Target, rules.Percent.Format(x.Traffic), rules.Offset{Duration: x.Start}.String(), rules.Duration{Duration: x.Window}.String(),
			begins(x.Advance), x.Owner, namesOf(p, x.Success), namesOf(p, x.Rollback),
		})
	}
	return s
}

// begins says what starts a phase.
func begins(a rules.Advance) string {
	switch a {
	case rules.Signalled:
		return "by a command"
	case rules.OnPass:
		return "when the phase before passes"
	case rules.Observed:
		return "when it is seen to have its traffic"
	}
	return "on schedule"
}

func namesOf(p *rules.Plan, list []int) string {
	var names []string
	for _, i := range list {
		names = append(names, p.Rules[i].Name)
	}
	return strings.Join(names, ", ")
}

func metricsOf(p *rules.Plan) Section {
	s := Section{Title: "Success metrics", Head: []string{"Metric", "Target", "Measured by", "Decides", "Owner"}, None: "The plan has no success metrics."}
	for i := range p.Rules {
		if r := &p.Rules[i]; r.Kind == rules.Success {
			s.Rows = append(s.Rows, []string{title(r), r.ShownWhen.String() + alarm(p, r), measured(p, r), gate(r), r.Owner})
		}
	}
	return s
}

func title(r *rules.Rule) string {
	if r.Title == "" || r.Title == r.Name {
		return r.Name
	}
	return r.Title + " (" + r.Name + ")"
}

// alarm names the alarm that a rule goes by beside its own condition.
func alarm(p *rules.Plan, r *rules.Rule) string {
	if r.Alarm < 0 || r.Alarm >= len(p.Signals) || p.Signals[r.Alarm].Kind != rules.Alarm {
		return ""
	}
	if r.Kind == rules.RollbackRule {
		return ", or alarm " + p.Signals[r.Alarm].Name + " goes off"
	}
	return ", and alarm " + p.Signals[r.Alarm].Name + " stays OK"
}

// measured says from where a rule's numbers come.
func measured(p *rules.Plan, r *rules.Rule) string {
	if r.ShownSignal < 0 || r.ShownSignal >= len(p.Signals) {
		return ""
	}
	sig := &p.Signals[r.ShownSignal]
	return fmt.Sprintf("%s, from %s, every %s", sig.Name, sig.Source, rules.Duration{Duration: sig.Every})
}

func gate(r *rules.Rule) string {
	switch {
	case r.Shadow:
		return "nothing: in shadow"
	case r.Gate == rules.Veto:
		return "it can fail a phase, and is not required to pass"
	case r.Gate == rules.Advisory:
		return "nothing: for advice"
	}
	return "required to pass"
}

func triggersOf(p *rules.Plan) Section {
	s := Section{Title: "Rollback triggers", None: "The plan has no rollback triggers."}
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Kind != rules.RollbackRule {
			continue
		}
		b := Block{Title: title(r), Facts: [][3]string{{"Detection", detection(p, r), ""}, {"Action", r.Action, ""}, {"Command", r.Command, "code"}, {"Owner", r.Owner, ""}}}
		if r.Shadow {
			b.Facts = append(b.Facts, [3]string{"Mode", "shadow: it is judged and never acts", ""})
		}
		s.Blocks = append(s.Blocks, b)
	}
	return s
}

// detection says when a rollback rule acts.
func detection(p *rules.Plan, r *rules.Rule) string {
	said := r.ShownWhen.String()
	switch {
	case r.Datapoints.N > 0:
		said += " in " + r.Datapoints.String() + " periods"
	case r.For > 0:
		said += " for " + rules.Duration{Duration: r.For}.String()
	}
	said += alarm(p, r) + "; " + measured(p, r)
	if r.Method == rules.Sequential && r.Alpha > 0 {
		said += fmt.Sprintf("; weighed: acts when a release that keeps its target would look like this less than once in %s", rules.Count(1/r.Alpha))
	}
	return said
}

func rehearsalOf(p *rules.Plan) Section {
	s := Section{Title: "Rehearsal"}
	r := &p.Rehearsal
	if *r == (rules.Rehearsal{}) {
		s.None = "The plan names no rehearsal of its rollback commands."
		return s
	}
	if r.Date != "" || r.Environment != "" || r.Note != "" {
		s.Facts = [][3]string{{"Date", r.Date, ""}, {"Environment", r.Environment, ""}, {"Note", r.Note, ""}}
	}
	if r.MaxAge > 0 {
		s.Facts = append(s.Facts, [3]string{"Drill", "not older than " + rules.Duration{Duration: r.MaxAge}.String(), ""})
	}
	if r.Obstacle {
		s.Facts = append(s.Facts, [3]string{"Way back", "no phase begins before it is known to exist", ""})
	}
	return s
}

func communicationsOf(p *rules.Plan) Section {
	s := Section{Title: "Communications", Head: []string{"Message", "When", "Only if", "To", "Text"}, None: "The plan has no communications."}
	for i := range p.Communications {
		c := &p.Communications[i]
		when := rules.Moment{Phase: c.Phase, Offset: rules.Offset{Duration: c.At}}.String()
		if !c.On.IsZero() {
			when = "when " + c.On.String()
		}
		text := c.Text
		if c.Subject != "" {
			text = c.Subject + ": " + text
		}
		s.Rows = append(s.Rows, []string{c.Name, when, c.OnlyIf.String(), cmp.Or(c.To.String(), c.Channel), text})
	}
	return s
}

// signaturesOf is the page that is signed: a line for each role and for what it signs.
func signaturesOf(p *rules.Plan) Section {
	s := Section{Title: "Review, approvals and pass criteria", Head: []string{"Signs for", "Role", "Who may sign", "Meaning", "Name", "Date", "Signature"}, None: "The plan asks for no signature."}
	row := func(what, role, meaning string) {
		may := "whoever may approve"
		if r := p.Role(role); r != nil && len(r.Sign) > 0 {
			may = strings.Join(r.Sign, ", ")
		}
		s.Rows = append(s.Rows, []string{what, role, may, meaning, "", "", ""})
	}
	for i := range p.Approvals {
		a := &p.Approvals[i]
		what := (&Approval{Allows: a.Allows}).allowed()
		if a.Allows == "" {
			continue // of a plan of before approvals were asked for
		}
		if a.Need < len(a.Roles) {
			what += fmt.Sprintf(" (%d of %d)", a.Need, len(a.Roles))
		}
		if a.ExpiresIn > 0 {
			what += ", for " + rules.Duration{Duration: a.ExpiresIn}.String()
		}
		for _, role := range a.Roles {
			row(what, role, cmp.Or(a.Meaning, rules.MeansApproval))
		}
	}
	for _, role := range p.Review.Sign {
		row("the review", role, rules.MeansReview)
	}
	criteria := Block{Title: "Pass criteria"}
	for _, name := range p.PassCriteria {
		criteria.Lines = append(criteria.Lines, words.Criterion(name))
	}
	if len(criteria.Lines) == 0 {
		criteria.Lines = []string{"The plan has none."}
	}
	s.Blocks = append(s.Blocks, criteria)
	if p.Review.Archive != "" {
		s.Blocks = append(s.Blocks, Block{Title: "Archive", Lines: []string{"The review is kept in " + p.Review.Archive + "."}})
	}
	for _, f := range fields {
		s.Blocks = append(s.Blocks, Block{Title: "Review: " + strings.ToLower(f.Asks[:1]) + f.Asks[1:], Blank: true})
	}
	return s
}

// about says which plan the digest names.
func (d *Document) about() string {
	if d.Run != "" {
		return "the plan of run " + d.Run
	}
	return "the plan as the file has it; the plan of a run has another digest"
}

// Markdown writes the document as Markdown.
func (d *Document) Markdown(w io.Writer) error {
	p := &page{}
	p.line("# %s", md(cmp.Or(d.Title, d.Plan)))
	p.line("\nRelease plan %s. Digest %s (SHA-256, %s).", md(d.Plan), code(d.Digest), md(d.about()))
	for i, s := range d.Sections {
		p.heading(2, fmt.Sprintf("%d. %s", i+1, s.Title))
		p.facts(s.Facts)
		if len(s.Head) > 0 {
			var rows [][]string
			for _, row := range s.Rows {
				var cells []string
				for _, cell := range row {
					cells = append(cells, blank(md(cell)))
				}
				rows = append(rows, cells)
			}
			p.table(s.None, s.Head, rows)
		} else if s.None != "" && len(s.Facts)+len(s.Blocks) == 0 {
			p.line("%s", s.None)
		}
		for _, b := range s.Blocks {
			p.heading(3, md(b.Title))
			p.facts(b.Facts)
			for _, l := range b.Lines {
				p.line("- %s", md(l))
			}
			if b.Blank {
				p.line("_To be written._")
			}
		}
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// facts writes names with their values.
func (p *page) facts(list [][3]string) {
	for _, f := range list {
		value := md(f[1])
		if f[2] != "" {
			value = code(f[1])
		}
		p.line("- %s: %s", md(f[0]), blank(value))
	}
}

//go:embed plan.html
var planPage string

// HTML writes the document as one page that needs nothing else, as [Report.HTML] does.
func (d *Document) HTML(w io.Writer) error { return render(w, planPage, d) }
