package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

// Approval is where the signature of a role came to: one answer to the plan's question for
// it, or none.
type Approval struct {
	Allows    string     `json:"allows"` // start, override, a phase, or review
	Role      string     `json:"role"`
	State     string     `json:"state"`     // asked, approved, rejected, void, expired, overridden; unasked: nothing is known of it
	By        string     `json:"by"`        // printed name, in the sender's words
	Principal string     `json:"principal"` // name of the token that proved it; empty: nothing did
	Meaning   string     `json:"meaning"`   // review, approval, responsibility
	Why       string     `json:"why"`       // in the signer's words
	At        *time.Time `json:"at"`
	Digest    string     `json:"digest"`  // of the plan that was signed, or was in force then; empty: not known
	Current   bool       `json:"current"` // that is the plan in force now
	Text      string     `json:"text"`
}

// approvals are those of the journal in their order, then roles that the plan asks and of
// which the journal knows nothing.
func (m *maker) approvals() []Approval {
	list := []Approval{}
	type asked struct{ allows, role string }
	known := map[asked]bool{}
	for i := range m.events {
		if e := &m.events[i]; e.Kind == "approval" {
			a := m.approval(e, e.Subject)
			known[asked{a.Allows, a.Role}] = true
			list = append(list, a)
		}
	}
	for i := range m.Plan.Approvals {
		for _, role := range m.Plan.Approvals[i].Roles {
			if a := (asked{m.Plan.Approvals[i].Allows, role}); a.allows != "" && !known[a] {
				list = append(list, Approval{Allows: a.allows, Role: role, State: "unasked", Text: "The journal has nothing of this signature."})
			}
		}
	}
	return list
}

// approval is the event of a signature. Who gave the command stands in its root.
func (m *maker) approval(e *wire.EventBody, allows string) Approval {
	x := m.moment(e)
	a := Approval{Allows: allows, State: e.To, By: x.By, Principal: x.Principal, Why: x.Why, At: e.At, Digest: x.Digest, Text: e.Sentence}
	if s := e.Signature; s != nil {
		a.Role, a.Meaning = s.Role, s.Meaning
		a.By = cmp.Or(s.Name, a.By)
		if s.Digest.SHA256 != nil {
			a.Digest = *s.Digest.SHA256
		}
	}
	a.Current = a.Digest != "" && a.Digest == m.Digest
	return a
}

// overrides are decisions of people against what the rules say, or past them.
func (m *maker) overrides() []Moment {
	list := []Moment{}
	for i := range m.events {
		e := &m.events[i]
		switch {
		case e.Kind == "command" && e.To == "applied" && slices.Contains([]string{"override", "abort", "resume", "hold", "supersede"}, e.Subject):
		case e.Kind == "approval" && e.To == "overridden":
		default:
			continue
		}
		x := m.moment(e)
		x.Text = cmp.Or(e.Sentence, x.Text) // with the reason
		list = append(list, x)
	}
	return list
}

func (m *maker) amendments() []Amendment {
	list := []Amendment{}
	for i := range m.events {
		e := &m.events[i]
		if e.Kind == "plan" && e.To == "edited" {
			list = append(list, Amendment{Moment: m.moment(e), Changes: append([]wire.Change{}, e.Changes...)})
		}
	}
	return list
}

// Message is a communication of the plan, and what became of it.
type Message struct {
	Name   string     `json:"name"`
	To     string     `json:"to"`    // sink and target, or the channel that the plan names
	State  string     `json:"state"` // waiting: its time has not come; due, skipped, sent, failed
	Due    *time.Time `json:"due"`   // null where it waits for something that happens
	At     *time.Time `json:"at"`    // of the newest state; null while it waits
	Text   string     `json:"text"`
	Answer string     `json:"answer"` // what came of it, in words
	Kept   string     `json:"kept"`   // the receiver's own name for it
}

// messages are those of the plan, and those that the journal knows besides.
func (m *maker) messages() []Message {
	list := []Message{}
	at := map[string]int{}
	for i := range m.Plan.Communications {
		c := &m.Plan.Communications[i]
		at[c.Name] = len(list)
		list = append(list, Message{Name: c.Name, To: cmp.Or(c.To.String(), c.Channel), State: "waiting", Text: c.Text})
	}
	for _, line := range m.Run.People.Messages {
		if i, known := at[line.Name]; known {
			list[i].Due, list[i].To = line.Due, cmp.Or(line.To, list[i].To)
		}
	}
	for i := range m.events {
		e := &m.events[i]
		if e.Kind != "communication" {
			continue
		}
		if _, known := at[e.Subject]; !known {
			at[e.Subject] = len(list)
			list = append(list, Message{Name: e.Subject})
		}
		x := &list[at[e.Subject]]
		x.State, x.At, x.Kept = e.To, e.At, e.Kept
		if e.To == "due" {
			x.Text, x.Answer = strings.TrimPrefix(e.Sentence, x.To+": "), "" // with its fields filled in
			continue
		}
		x.Answer = e.Sentence
	}
	return list
}

// Review is the review of the run by people.
type Review struct {
	State      string     `json:"state"` // none, open, complete, archived
	Opened     *Moment    `json:"opened"`
	Completed  *Moment    `json:"completed"` // every role has signed
	Archived   *Moment    `json:"archived"`
	Link       string     `json:"link"`       // where it is archived
	Signatures []Approval `json:"signatures"` // every one that was given, or became void
	Fields     []Field    `json:"fields"`
}

// Field is something that people write in the review.
type Field struct {
	Name string `json:"name"`
	Asks string `json:"asks"` // what is to be written there
	Text string `json:"text"` // empty: it is not written
}

// fields are those that every review has.
var fields = []Field{
	{Name: "feedback", Asks: "Customer feedback"},
	{Name: "lessons", Asks: "Lessons learned"},
	{Name: "actions", Asks: "Action items, each with an owner and a date"},
}

func (m *maker) review() Review {
	r := Review{State: "none", Signatures: []Approval{}, Fields: []Field{}}
	written := map[string]string{}
	for i := range m.events {
		e := &m.events[i]
		if e.Kind != "review" {
			continue
		}
		at := new(m.moment(e))
		switch {
		case e.To == "open":
			r.State, r.Opened = e.To, at
		case e.To == "edited":
			written[e.Subject] = at.Why
		case e.To == "approved" || e.From == "approved":
			r.Signatures = append(r.Signatures, m.approval(e, "review"))
		case e.To == "void": // the run goes on
			r.State, r.Opened, r.Completed, r.Archived, r.Link = "none", nil, nil, nil, ""
		case e.To == "complete":
			r.State, r.Completed = e.To, at
		case e.To == "archived":
			r.State, r.Archived, r.Link = e.To, at, e.Kept
		}
	}
	for _, f := range fields {
		f.Text = written[f.Name]
		delete(written, f.Name)
		r.Fields = append(r.Fields, f)
	}
	for _, name := range slices.Sorted(maps.Keys(written)) {
		r.Fields = append(r.Fields, Field{Name: name, Asks: name, Text: written[name]})
	}
	return r
}
