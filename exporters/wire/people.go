package wire

import (
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// People is the people's part of a run.
type People struct {
	Approvals []Approval    `json:"approvals"` // what must be signed, in the plan's order
	Messages  []MessageLine `json:"messages"`  // by the time that they are due
	Review    *Review       `json:"review"`    // null where the plan asks for none
	Criteria  []Criterion   `json:"criteria"`  // the plan's pass criteria
}

// Approval is what must be signed before something may happen.
type Approval struct {
	Allows  string   `json:"allows"` // start, override, or a phase
	Need    int      `json:"need" unit:"count"`
	Have    int      `json:"have" unit:"count"`
	Given   bool     `json:"given"`   // what it allows may happen
	Waived  bool     `json:"waived"`  // a person went on without it
	Missing []string `json:"missing"` // the roles whose signature it lacks
	Roles   []Signer `json:"roles"`
}

// Signer is where the signature of a role stands.
type Signer struct {
	Role  string     `json:"role"`
	State string     `json:"state"` // unasked, asked, approved, rejected, void, expired
	By    string     `json:"by"`    // the printed name; empty while no one has signed
	At    *time.Time `json:"at"`
}

// MessageLine is where a message of the plan stands.
type MessageLine struct {
	Name  string     `json:"name"`
	To    string     `json:"to"`    // sink and target, or the channel that the plan names
	State string     `json:"state"` // waiting, due, sent, failed, skipped
	Due   *time.Time `json:"due"`   // null where it waits for something that happens
	At    *time.Time `json:"at"`    // when it came to this state
	Kept  string     `json:"kept"`  // the receiver's own name for it
}

// Review is where the review of a run stands.
type Review struct {
	State string   `json:"state"` // empty before the run is decided; open, complete, archived
	Roles []Signer `json:"roles"`
	Link  string   `json:"link"` // where it is archived
}

// Criterion is one of the plan's pass criteria.
type Criterion struct {
	Name  string `json:"name"`  // its code, or the plan's own words
	Text  string `json:"text"`  // for people
	State string `json:"state"` // open, met, not_met
}

// PeopleOf is where the people's part of a run stands.
func PeopleOf(v *RunView) People {
	from := &v.Snapshot.People
	p := People{Approvals: approvalsOf(from.Approvals, nil), Messages: []MessageLine{}, Criteria: []Criterion{}}
	for i, m := range from.Messages {
		line := MessageLine{Name: m.Name, State: m.State, Due: at(m.Due), At: at(m.At), Kept: m.Kept}
		if c := &v.Plan.Communications[i]; c.To.Sink != "" {
			line.To = c.To.String()
		} else {
			line.To = c.Channel
		}
		p.Messages = append(p.Messages, line)
	}
	if len(from.Review.Roles) > 0 {
		p.Review = &Review{State: from.Review.State, Roles: signers(from.Review.Roles), Link: from.Review.Kept}
	}
	for _, c := range from.Criteria {
		p.Criteria = append(p.Criteria, Criterion{Name: c.Name, Text: words.Criterion(c.Name), State: string(c.State)})
	}
	return p
}

// approvalsOf are those that keep wants; all where it is nil.
func approvalsOf(from []fact.ApprovalView, keep func(allows string) bool) []Approval {
	list := []Approval{}
	for i := range from {
		if a := &from[i]; keep == nil || keep(a.Allows) {
			list = append(list, Approval{Allows: a.Allows, Need: a.Need, Have: a.Have, Given: a.Given(), Waived: a.Waived, Missing: lines(a.Missing), Roles: signers(a.Roles)})
		}
	}
	return list
}

func signers(from []fact.RoleView) []Signer {
	list := []Signer{}
	for _, r := range from {
		list = append(list, Signer{Role: r.Role, State: r.State, By: r.By, At: at(r.At)})
	}
	return list
}

// toSign are the approvals that a phase needs, or the run's first where no phase is meant.
func toSign(s *fact.Snapshot, phase string) []Approval {
	return approvalsOf(s.People.Approvals, func(allows string) bool { return allows == rules.ApprovesStart || allows == phase })
}

// unsigned says which signatures keep a phase from beginning, empty where none do.
func unsigned(s *fact.Snapshot, phase string) string {
	for i := range s.People.Approvals {
		if a := &s.People.Approvals[i]; (a.Allows == rules.ApprovesStart || a.Allows == phase) && !a.Given() {
			return words.Unsigned(a)
		}
	}
	return ""
}
