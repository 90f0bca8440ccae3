package prom

import (
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

type peopleDescs struct {
	signaturesMissing, approvalWaived, message, criterion, reviewUnsigned *desc
}

func (c *catalog) addPeople() {
	c.signaturesMissing = c.gauge("relgate_approval_signatures_missing", "Signatures that it takes still before what the approval allows may happen.", "plan", "allows")
	c.approvalWaived = c.gauge("relgate_approval_waived", "1 while a person has the release go on without the signatures (break-glass).", "plan", "allows")
	c.message = c.gauge("relgate_message_state", "Where a message of the plan stands: waiting, due, sent, failed, skipped.", "plan", "message", "state")
	c.criterion = c.gauge("relgate_criterion_state", "Where a pass criterion of the plan stands that relgate judges: open, met, not_met.", "plan", "criterion", "state")
	c.reviewUnsigned = c.gauge("relgate_review_signatures_missing", "Signatures that an open review lacks. Absent while no review is open.", "plan")
}

// messageStates and criterionStates are shown as one series each.
var (
	messageStates   = []string{fact.Waiting, fact.Due, fact.Sent, fact.Failed, fact.Skipped}
	criterionStates = []fact.CriterionState{fact.CriterionOpen, fact.CriterionMet, fact.CriterionNotMet}
)

func (b *shownRun) people() {
	s := &b.Snapshot
	for i := range s.People.Approvals {
		a := &s.People.Approvals[i]
		missing := max(0, a.Need-a.Have)
		if a.Waived {
			missing = 0
		}
		b.set(b.c.signaturesMissing, float64(missing), s.Plan, a.Allows)
		b.flag(b.c.approvalWaived, a.Waived, s.Plan, a.Allows)
	}
	for _, m := range s.People.Messages {
		for _, state := range messageStates {
			b.flag(b.c.message, m.State == state, s.Plan, m.Name, state)
		}
	}
	for _, c := range s.People.Criteria {
		if slices.Contains(rules.Criteria(), c.Name) {
			for _, state := range criterionStates {
				b.flag(b.c.criterion, c.State == state, s.Plan, c.Name, string(state))
			}
		}
	}
	if r := &s.People.Review; r.State == fact.Open {
		missing := 0
		for _, m := range r.Roles {
			if m.State != fact.Approved {
				missing++
			}
		}
		b.set(b.c.reviewUnsigned, float64(missing), s.Plan)
	}
}
