package people

import (
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/effects"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Way is the way back of the run.
func (st *State) Way() *effects.State { return &st.effects }

// Climb notes whether a rule would roll the run back that slows the fault down first.
func (st State) Climb(rule string, at int64, fires bool) State {
	st.effects = st.effects.Climb(rule, at, fires)
	return st
}

// View is what people see. run is the state of the run, and over whether it is decided.
func (st *State) View(plan *rules.Plan, at, start int64, run rules.State, phases []Phase) fact.People {
	var v fact.People
	for i := range plan.Approvals {
		if plan.Approvals[i].Allows != "" {
			v.Approvals = append(v.Approvals, st.approvalView(plan, i, until(plan, plan.Approvals[i].Allows, at, phases)))
		}
	}
	for i := range plan.Communications {
		m := &st.messages[i]
		shown := fact.MessageView{Name: plan.Communications[i].Name, State: m.shown(decided(run)).String(), At: when(m.at), Kept: m.kept}
		if t, known := dueAt(plan, i, start, phases); known && plan.Communications[i].On.IsZero() {
			shown.Due = when(t)
		}
		v.Messages = append(v.Messages, shown)
	}
	if !plan.Review.IsZero() {
		v.Review = fact.ReviewView{State: st.review.is.String(), Roles: roleViews(plan.Review.Sign, st.review.roles), Kept: st.review.kept}
	}
	for _, name := range plan.PassCriteria {
		v.Criteria = append(v.Criteria, fact.Criterion{Name: name, State: st.criterion(plan, &v, name, run)})
	}
	return v
}

func (st *State) approvalView(plan *rules.Plan, i int, at int64) fact.ApprovalView {
	a := &plan.Approvals[i]
	v := fact.ApprovalView{Allows: a.Allows, Need: a.Need, Waived: st.approvals[i].waived != 0, Roles: roleViews(a.Roles, st.approvals[i].roles)}
	for k := range st.approvals[i].roles {
		if st.approvals[i].roles[k].counts(a, at) {
			v.Have++
		} else {
			v.Missing = append(v.Missing, a.Roles[k])
		}
	}
	if v.Have >= v.Need {
		v.Missing = nil
	}
	return v
}

func roleViews(names []string, marks []mark) []fact.RoleView {
	var views []fact.RoleView
	for k, m := range marks {
		v := fact.RoleView{Role: names[k], State: m.is.String()}
		if m.is >= approved && m.name != "" {
			v.By, v.At = m.name, when(m.at)
		}
		views = append(views, v)
	}
	return views
}

func decided(run rules.State) bool {
	return run == rules.Passed || run == rules.Failed || run == rules.RolledBack || run == rules.Superseded
}

func (st *State) criterion(plan *rules.Plan, v *fact.People, name string, run rules.State) fact.CriterionState {
	decided := decided(run)
	judged := func(met bool) fact.CriterionState {
		switch {
		case !decided:
			return fact.CriterionOpen
		case met:
			return fact.CriterionMet
		}
		return fact.CriterionNotMet
	}
	done := st.review.is == archived || st.review.is == complete && plan.Review.Archive == ""
	switch name {
	case rules.CriterionPhases:
		return judged(run == rules.Passed && st.past&overridden == 0)
	case rules.CriterionRollback:
		return judged(run != rules.RolledBack && st.past&rolledBack == 0)
	case rules.CriterionSigned:
		return st.signedCriterion(v, decided)
	case rules.CriterionMessages:
		return st.messagesCriterion(plan, v, decided)
	case rules.CriterionReview:
		if done {
			return fact.CriterionMet
		}
		return fact.CriterionOpen
	}
	if st.review.is == complete || st.review.is == archived {
		return fact.CriterionMet // they who signed the review say so
	}
	return fact.CriterionOpen
}

// signedCriterion is met when all is signed that is asked for before the release or its
// phases begin, and no one ever went on without; an override is asked for only where a
// person wants one, and a step of the way back only where one is due. In a run that is decided no one can sign any more.
func (st *State) signedCriterion(v *fact.People, decided bool) fact.CriterionState {
	lacks := slices.ContainsFunc(v.Approvals, func(a fact.ApprovalView) bool {
		return a.Allows != rules.ApprovesOverride && !strings.Contains(a.Allows, "/") && a.Have < a.Need
	})
	switch {
	case st.past&unsigned != 0 || lacks && decided:
		return fact.CriterionNotMet
	case lacks:
		return fact.CriterionOpen
	}
	return fact.CriterionMet
}

// messagesCriterion is met when every message was sent, each time that it fell due, or was not to be. Whether one without
// a sink was sent is not known: it stays open. What waits in a run
// that is decided for a phase that never began is not to be.
func (st *State) messagesCriterion(plan *rules.Plan, v *fact.People, decided bool) fact.CriterionState {
	state := fact.CriterionMet
	for i := range st.messages {
		c := &plan.Communications[i]
		switch is := st.messages[i].is; {
		case is == late, st.messages[i].lost():
			return fact.CriterionNotMet
		case len(st.messages[i].earlier) > 0, st.messages[i].waits(decided) && c.On.IsZero() && !(decided && v.Messages[i].Due.IsZero()), is == due:
			state = fact.CriterionOpen
		}
	}
	return state
}
