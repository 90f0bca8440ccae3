package backtest

import (
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// told makes a Release of a run of the whole plan.
func (r *run) told(n int, start int64, d *driven, of []coverage) Release {
	s := evaluator.Look(d.plan, d.state)
	rel := Release{
		N: n, Start: when(start), State: s.State, Verdict: s.Verdict, Reason: words.Run(d.plan, &s).Sentence,
		Ended: when(max(d.at, start)), Took: max(d.at-start, 0), Unjudged: r.unjudged(of),
	}
	if s.Fired != nil {
		rel.Rule = s.Fired.Subject
	}
	for i := range s.Phases {
		rel.Phases = append(rel.Phases, r.phase(d, &s, i, of))
	}
	held := ""
	rel.Held, held = firstHeld(d.events)
	rel.Outcome = runOutcome(&rel, s.Held, d.cut)
	switch rel.Outcome {
	case OutcomeHeld:
		rel.Rule = held
		r.blame(&rel)
	case OutcomeRollback, OutcomeFail:
		r.blame(&rel)
	}
	return rel
}

// unjudged lists the rules of the phases that the history does not hold in full.
func (r *run) unjudged(of []coverage) []Unjudged {
	var list []Unjudged
	for i, c := range of {
		if c.extent != Whole {
			list = append(list, Unjudged{Rule: r.plan.Rules[i].Name, Extent: c.extent, Why: c.why})
		}
	}
	return list
}

// runOutcome puts the phases' outcomes together.
func runOutcome(rel *Release, held, cut bool) string {
	part := slices.ContainsFunc(rel.Phases, func(p PhaseRun) bool { return p.Outcome == OutcomePart })
	switch {
	case rel.State == rules.RolledBack:
		return OutcomeRollback
	case rel.State == rules.Failed, rel.Verdict == rules.Fail:
		return OutcomeFail
	case rel.State == rules.Passed && part:
		return OutcomePart
	case rel.State == rules.Passed:
		return OutcomePass
	case held:
		return OutcomeHeld
	case slices.ContainsFunc(rel.Phases, func(p PhaseRun) bool { return p.Outcome == OutcomeNone }):
		return OutcomeNone
	case cut:
		return OutcomeCut
	}
	return OutcomeUnknown
}

// firstHeld is when the run was first held, zero if it never was, and the rule
// that did it.
func firstHeld(events []fact.Event) (at time.Time, rule string) {
	for i := range events {
		switch e := &events[i]; {
		case e.Kind == fact.RuleEvent && e.To == string(fact.RuleHolding):
			rule = e.Subject
		case e.Kind == fact.RunEvent && e.To == rules.Held.String():
			return e.At, rule
		}
	}
	return time.Time{}, ""
}

// blame says whether a rollback, a hold or a failure was right. A phase is judged
// over its window, so a failure is right if a marked period overlaps that.
func (r *run) blame(rel *Release) {
	if len(r.marks.list) == 0 {
		rel.Judgement = Unmarked
		return
	}
	mark := -1
	switch rel.Outcome {
	case OutcomeRollback:
		rel.Judgement, mark = r.marks.judge(rel.Rule, rel.Ended.Unix())
	case OutcomeHeld:
		rel.Judgement, mark = r.marks.judge(rel.Rule, rel.Held.Unix())
	default:
		for _, p := range rel.Phases {
			if p.Outcome == OutcomeFail && mark < 0 {
				mark = r.marks.over(failing(&p), p.Started.Unix(), p.WindowEnd.Unix())
			}
		}
		rel.Judgement = False
		if mark >= 0 {
			rel.Judgement = Right
		}
	}
	rel.Mark = mark + 1
}

// failing names the success rule that failed a phase, "" when a policy did.
func failing(p *PhaseRun) string {
	for _, s := range p.Rules {
		if s.Verdict == rules.Fail {
			return s.Rule
		}
	}
	return ""
}

// phase makes a PhaseRun of a phase's view.
func (r *run) phase(d *driven, s *fact.Snapshot, k int, of []coverage) PhaseRun {
	v := &s.Phases[k]
	p := PhaseRun{Phase: v.Name, Reason: words.Phase(d.plan, s, k).Sentence, Started: v.Started, WindowEnd: v.WindowEnd, Decided: v.Decided}
	lacks := false
	for _, list := range [...][]int{r.plan.Phases[k].Success, r.plan.Phases[k].Rollback} {
		for _, i := range list {
			lacks = lacks || of[i].extent != Whole
		}
	}
	p.Outcome = phaseOutcome(v, lacks, s.Held, d.cut)
	for _, i := range r.plan.Phases[k].Success {
		p.Rules = append(p.Rules, success(d.plan, s, v, r.plan.Rules[i].Name, of[i]))
	}
	return p
}

func phaseOutcome(v *fact.PhaseView, lacks, held, cut bool) string {
	switch {
	case v.State == rules.Passed && lacks:
		return OutcomePart
	case v.State == rules.Passed:
		return OutcomePass
	case v.State == rules.Failed:
		return OutcomeFail
	case v.State == rules.RolledBack:
		return OutcomeRollback
	case held && !v.Started.IsZero():
		return OutcomeHeld
	case v.Verdict == rules.Unknown && lacks:
		return OutcomeNone
	case v.Verdict == rules.Unknown:
		return OutcomeUnknown
	case cut:
		return OutcomeCut
	case v.Started.IsZero():
		return OutcomeIdle
	case lacks:
		return OutcomeNone
	}
	return OutcomeUnknown
}

// success makes a SuccessRun. A rule that the history cannot answer for is
// unknown; one that was judged without its alarm cannot be said to pass.
func success(plan *rules.Plan, snap *fact.Snapshot, v *fact.PhaseView, rule string, c coverage) SuccessRun {
	s := SuccessRun{Rule: rule, Extent: c.extent, Verdict: rules.Unknown, Reason: c.why}
	for i := range v.Success {
		if x := &v.Success[i]; x.Name == rule {
			s.Verdict, s.Reason = x.Verdict, words.Rule(plan, x, snap.At).Sentence
			if x.Evidence.Known {
				s.Evidence = &x.Evidence
			}
		}
	}
	if c.extent != Whole {
		if s.Reason != c.why && c.why != "" {
			s.Reason += "; " + c.why
		}
		if s.Verdict == rules.Pass {
			s.Verdict = rules.Unknown
		}
	}
	return s
}
