package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// peopleTables are the tables of a plan that are about people.
func (p *Plan) peopleTables() []*table {
	var all []*table
	for i := range p.Communications {
		all = append(all, p.Communications[i].table())
	}
	for _, r := range p.Roles {
		t := &table{path: Path("people", r.Name), summary: strings.Join(r.Sign, ", ")}
		t.set("sign", list(r.Sign))
		t.set("tell", r.Tell.String())
		t.set("page", r.Page.String())
		all = append(all, t)
	}
	for _, a := range p.Approvals {
		if a.Allows == "" {
			continue
		}
		t := &table{path: Path("approvals", a.Allows), summary: fmt.Sprintf("%d of %s", a.Need, strings.Join(a.Roles, ", "))}
		t.set("roles", list(a.Roles))
		t.set("need", strconv.Itoa(a.Need))
		t.set("not_author", yes(!a.ByAuthor))
		t.set("expires", length(a.ExpiresIn))
		t.set("meaning", a.Meaning)
		all = append(all, t)
	}
	review := &table{path: "review"}
	review.set("pass_criteria", list(p.PassCriteria))
	review.set("sign", list(p.Review.Sign))
	review.set("archive", p.Review.Archive)
	review.set("remind", length(p.Review.Remind))
	return append(all, review)
}

func (m *Communication) table() *table {
	when := Moment{m.Phase, Offset{m.At}}.String()
	if !m.On.IsZero() {
		when = ""
	}
	t := &table{path: Path("communications", m.Name), summary: fmt.Sprintf("%s%v %s: %s", when, m.On, m.Channel, m.Text)}
	t.set("at", when)
	t.set("on", m.On.String())
	t.set("only_if", m.OnlyIf.String())
	t.set("grace", length(m.Grace))
	t.set("quiet_hours", m.Quiet.String())
	t.set("to", m.To.String())
	t.set("channel", m.Channel)
	t.set("subject", m.Subject)
	t.set("text", m.Text)
	t.set("notify", list(m.Notify))
	return t
}
