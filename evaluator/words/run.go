package words

import (
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// Run says where a run stands, and what to do.
func Run(plan *rules.Plan, s *evaluator.Snapshot) Text {
	t := runText(plan, s)
	for i := range s.Rollback {
		if v := &s.Rollback[i]; v.State == evaluator.RuleWarning {
			t.Detail = append(t.Detail, Rule(plan, v, s.At).Headline)
		}
	}
	_, said, _ := strings.Cut(t.Headline, ": ")
	for k := range s.Phases {
		if ofTheRun(&s.Phases[k].Why) {
			continue
		}
		verb, more, _ := strings.Cut(Phase(plan, s, k).Headline, ": ")
		line := fmt.Sprintf("phase %s: %s", s.Phases[k].Name, strings.ToLower(verb))
		if more != said { // the headline has said it
			line += ": " + more
		}
		t.Detail = append(t.Detail, line)
	}
	return t
}

func runText(plan *rules.Plan, s *evaluator.Snapshot) Text {
	said := ground(plan, &s.Why, s.At)
	t := Text{Headline: headline(runVerb(s), said), Sentence: sentence(said), Who: s.Manager}
	switch {
	case s.State == rules.RolledBack:
		return rolledBack(plan, s)
	case s.State == rules.Held:
		return held(plan, s)
	case s.State == rules.Superseded:
		t.Do = "stop rolling out this version"
	case s.Verdict == rules.Fail:
		return failed(plan, s)
	case s.Verdict == rules.Unknown:
		return notKnown(plan, s)
	case s.State == rules.Passed:
		t.Who = ""
	case s.Why.Code == evaluator.WhyUnderWay:
		said = onTheWay(plan, s)
		t.Headline, t.Sentence = headline(wait, said), sentence(said)
	}
	return t
}

// onTheWay says how many phases have passed, and what the first undecided one
// waits for.
func onTheWay(plan *rules.Plan, s *evaluator.Snapshot) string {
	k := slices.IndexFunc(s.Phases, func(p evaluator.PhaseView) bool { return p.Decided.IsZero() })
	if k < 0 { // unreachable unless a run goes on after its last phase was decided
		return ground(plan, &s.Why, s.At)
	}
	p := &s.Phases[k]
	why := ground(plan, &p.Why, s.At)
	said := fmt.Sprintf("phase %s: %s", p.Name, why)
	switch {
	case p.Started.IsZero():
		said = fmt.Sprintf("next: %s, %s", p.Name, why)
	case why == "":
		said = fmt.Sprintf("phase %s is watched", p.Name)
	}
	if len(s.Phases) == 1 {
		return said
	}
	return phasesPassed(&s.Why) + "; " + said
}

func runVerb(s *evaluator.Snapshot) string {
	switch {
	case s.State == rules.Held:
		return hold
	case s.State == rules.Superseded:
		return superseded
	}
	return verdictWord(s.Verdict)
}

// rolledBack says why the run is rolled back, and whether that is done.
func rolledBack(plan *rules.Plan, s *evaluator.Snapshot) Text {
	var t Text
	if s.Fired != nil {
		t = Event(plan, s.Fired, nil)
	} else { // unreachable unless a state says that it is rolled back and has no event of it
		t = Text{Headline: headline(rollback, ground(plan, &s.Why, s.At))}
	}
	if s.Fired != nil && s.Fired.Kind == evaluator.CommandEvent {
		aborted := "aborted" + by(s.Fired.By, s.Fired.Why.Text)
		t.Headline, t.Sentence, t.Who = headline(rollback, aborted), sentence(aborted), s.Manager
	}
	if s.RolledBack {
		done := ground(plan, &s.Why, s.At)
		t.Headline, t.Sentence = headline(fail, done), sentence(done, t.Sentence)
		t.Do, t.Command = "", ""
		if s.Fired != nil && s.Fired.Kind == evaluator.CommandEvent {
			t.Detail = nil // the commands to roll it back
		}
	}
	return t
}

// held says who or what holds the run, with the numbers as the hold began.
func held(plan *rules.Plan, s *evaluator.Snapshot) Text {
	h := &s.Holder
	if !h.Rule {
		said := "held" + by(h.By, h.Text)
		return Text{
			Headline: headline(hold, strings.TrimPrefix(said, "held ")), Sentence: sentence(said, "Every gate of the run is closed until it is resumed"),
			Do: "resume the run, or abort it", Who: h.By,
		}
	}
	v := evaluator.RuleView{Name: h.By, Kind: rules.RollbackRule, State: evaluator.RuleHolding, Verdict: rules.Pending, Cause: h.Cause}
	v.Why.Code = evaluator.WhyMeasured
	if h.Evidence != nil {
		v.Evidence = *h.Evidence
	}
	t := Rule(plan, &v, s.At)
	if now := rollbackView(s, h.By); now != nil && now.Evidence.Weighed != nil && !now.Evidence.Weighed.Rung.Holds() {
		t.Detail = append(t.Detail, "now: "+Rule(plan, now, s.At).Sentence)
	}
	t.Do = fmt.Sprintf("look at %s, then resume the run or abort it", titleOf(plan, h.By))
	return t
}

// failed says which phase failed, and by what.
func failed(plan *rules.Plan, s *evaluator.Snapshot) Text {
	if t, ok := byPhase(plan, s, evaluator.WhyPhaseFailed, "has failed"); ok {
		return t
	}
	said := ground(plan, &s.Why, s.At)
	return Text{Headline: headline(fail, said), Sentence: sentence(said), Do: "stop the rollout", Who: s.Manager}
}

// notKnown says which phase could not be judged, and what is needed for it.
func notKnown(plan *rules.Plan, s *evaluator.Snapshot) Text {
	if t, ok := byPhase(plan, s, evaluator.WhyPhaseUnknown, "could not be judged in time"); ok {
		return t
	}
	said := ground(plan, &s.Why, s.At)
	return Text{Headline: headline(unknown, said), Sentence: sentence(said), Do: "look at the phases", Who: s.Manager}
}

// byPhase is the text of the phase that decided the run, where that is the run's
// ground.
func byPhase(plan *rules.Plan, s *evaluator.Snapshot, code evaluator.Code, what string) (Text, bool) {
	k := slices.IndexFunc(s.Phases, func(p evaluator.PhaseView) bool { return p.Name == s.Why.Phase })
	if s.Why.Code != code || k < 0 {
		return Text{}, false
	}
	t := Phase(plan, s, k)
	t.Sentence = sentence("phase "+s.Phases[k].Name+" "+what, t.Sentence)
	return t, true
}

// Phase says where the k-th phase stands.
func Phase(plan *rules.Plan, s *evaluator.Snapshot, k int) Text {
	p := &s.Phases[k]
	verb, said := phaseVerb(s, p), ground(plan, &p.Why, s.At)
	t := Text{Headline: headline(verb, said), Sentence: sentence(said), Who: p.Owner}
	switch p.Why.Code {
	case evaluator.WhyByRule:
		if v := viewOf(p, p.Why.Rule); v != nil {
			t = Rule(plan, v, s.At)
			t.Headline = reverb(verb, t.Headline)
		}
	case evaluator.WhyRuleHolds, evaluator.WhyRuleBreaches, evaluator.WhyRuleSilent, evaluator.WhyRuleThin, evaluator.WhyRuleUnsettled:
		if v := rollbackView(s, p.Why.Rule); v != nil {
			r := Rule(plan, v, s.At)
			t.Detail, t.Who = append([]string{r.Sentence}, r.Detail...), r.Who
		}
	case evaluator.WhyRulesHold:
		if v := viewOf(p, p.Why.Rule); v != nil {
			r := Rule(plan, v, s.At)
			t.Headline, t.Detail = reverb(verb, r.Headline), r.Detail
			t.Sentence = sentence(r.Sentence, rollbackRules(&p.Why))
		}
	}
	if ofTheRun(&p.Why) {
		run := runText(plan, s)
		run.Headline = reverb(verb, run.Headline)
		return run
	}
	if s.State == rules.Held && p.Verdict == rules.Pending {
		run := runText(plan, s) // whatever else it waits for, the hold comes first
		run.Detail = append([]string{sentence(said)}, run.Detail...)
		return run
	}
	switch p.Verdict {
	case rules.Fail:
		t.Do = "stop the rollout: " + mend(plan, p.Why.Rule)
	case rules.Unknown:
		t.Do = unknownDo(plan, s, p)
	}
	return t
}

// ofTheRun reports whether a phase stands where it does because the whole run does:
// its text is the run's.
func ofTheRun(w *evaluator.Why) bool {
	switch w.Code {
	case evaluator.WhyRuleFired, evaluator.WhyAborted, evaluator.WhyRollbackDone, evaluator.WhyHeldByRule, evaluator.WhyHeld:
		return true
	}
	return false
}

func phaseVerb(s *evaluator.Snapshot, p *evaluator.PhaseView) string {
	switch {
	case p.State == rules.Superseded:
		return superseded
	case s.Held && p.Verdict == rules.Pending && (p.Why.Code == evaluator.WhyHeld || p.Why.Code == evaluator.WhyHeldByRule):
		return hold
	}
	return verdictWord(p.Verdict)
}

// reverb puts another first word before a headline.
func reverb(verb, line string) string {
	_, rest, _ := strings.Cut(line, ": ")
	return headline(verb, rest)
}

// mend says what to look at.
func mend(plan *rules.Plan, rule string) string {
	if rule == "" {
		return "look at its rules"
	}
	return "look at " + titleOf(plan, rule)
}

// unknownDo says what is to be mended before a phase can be judged.
func unknownDo(plan *rules.Plan, s *evaluator.Snapshot, p *evaluator.PhaseView) string {
	signal := ""
	if r := anyRule(plan, p.Why.Rule); r != nil && r.ShownSignal >= 0 && r.ShownSignal < len(plan.Signals) {
		signal = "signal " + plan.Signals[r.ShownSignal].Name
	}
	switch p.Cause {
	case rules.CauseNoData, rules.CauseStale, rules.CauseSourceError, rules.CauseConfig:
		if signal != "" {
			return fmt.Sprintf("mend %s (%s), or override the phase", signal, causeText(p.Cause))
		}
	case rules.CauseInsufficientSamples:
		return "extend the window, send more traffic, or override the phase"
	}
	return "look at " + titleOf(plan, p.Why.Rule) + ", or override the phase"
}
