package words

import (
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Run says where a run stands, and what to do.
func Run(plan *rules.Plan, s *fact.Snapshot) Text {
	t := runText(plan, s)
	for i := range s.Rollback {
		if v := &s.Rollback[i]; v.State == fact.RuleWarning || v.State == fact.RuleWouldFire || v.State == fact.RuleWouldHold {
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

func runText(plan *rules.Plan, s *fact.Snapshot) Text {
	said := ground(plan, &s.Why, s.At)
	t := Text{Headline: headline(runVerb(s), said), Sentence: sentence(said), Who: s.Manager}
	if to := toSign(s); to != "" && (s.Why.Code == fact.WhyUnsigned || s.Why.Code == fact.WhyNotBegun) {
		if s.Why.Code == fact.WhyNotBegun {
			said += "; " + to
		}
		t.Headline, t.Sentence, t.Do = headline(wait, said), sentence(said), "sign it: `relgate approve`"
	}
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
	case s.Why.Code == fact.WhyUnderWay:
		said = onTheWay(plan, s)
		t.Headline, t.Sentence = headline(wait, said), sentence(said)
	}
	return t
}

// onTheWay says how many phases have passed, and what the first undecided one
// waits for.
func onTheWay(plan *rules.Plan, s *fact.Snapshot) string {
	k := slices.IndexFunc(s.Phases, func(p fact.PhaseView) bool { return p.Decided.IsZero() })
	if k < 0 { // unreachable unless a run goes on after its last phase was decided
		return ground(plan, &s.Why, s.At)
	}
	p := &s.Phases[k]
	why := ground(plan, &p.Why, s.At)
	if v := viewOf(p, p.Why.Rule); v != nil && p.Why.Code == fact.WhyByRule {
		_, why, _ = strings.Cut(Rule(plan, v, s.At).Headline, ": ")
	}
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

func runVerb(s *fact.Snapshot) string {
	switch {
	case s.State == rules.Held:
		return hold
	case s.State == rules.Superseded:
		return superseded
	}
	return verdictWord(s.Verdict)
}

// rolledBack says why the run is rolled back, and whether that is done.
func rolledBack(plan *rules.Plan, s *fact.Snapshot) Text {
	var t Text
	if s.Fired != nil {
		t = Event(plan, s.Fired, nil)
	} else { // unreachable unless a state says that it is rolled back and has no event of it
		t = Text{Headline: headline(rollback, ground(plan, &s.Why, s.At))}
	}
	if s.Fired != nil && s.Fired.Kind == fact.CommandEvent {
		aborted := "aborted" + by(s.Fired.By, s.Fired.Why.Text)
		t.Headline, t.Sentence, t.Who = headline(rollback, aborted), sentence(aborted), s.Manager
	}
	t.Detail = append(t.Detail, openSteps(s)...)
	if s.RolledBack {
		done := ground(plan, &s.Why, s.At)
		if after := afterBack(s); after != "" {
			done += "; " + after
		}
		t.Headline, t.Sentence = headline(fail, done), sentence(done, t.Sentence)
		t.Do, t.Command = "", ""
		if s.Fired != nil && s.Fired.Kind == fact.CommandEvent {
			t.Detail = nil // the commands to roll it back
		}
	}
	return t
}

// held says who or what holds the run, with the numbers as the hold began.
func held(plan *rules.Plan, s *fact.Snapshot) Text {
	h := &s.Holder
	if h.Mismatch.Code != "" {
		return heldByTraffic(plan, s)
	}
	if !h.Rule {
		said := "held" + by(h.By, h.Text)
		return Text{
			Headline: headline(hold, strings.TrimPrefix(said, "held ")), Sentence: sentence(said, "Every gate of the run is closed until it is resumed"),
			Do: "resume the run, or abort it", Who: h.By,
		}
	}
	v := fact.RuleView{Name: h.By, Kind: rules.RollbackRule, State: fact.RuleHolding, Verdict: rules.Pending, Cause: h.Cause}
	v.Why.Code = fact.WhyMeasured
	if h.Evidence != nil {
		v.Evidence = *h.Evidence
	}
	now := rollbackView(s, h.By)
	if now != nil && now.State == fact.RuleHolding {
		v.Cause = now.Cause // a hold that began for the baseline may rest on evidence now
	}
	t := ruleText(plan, &v, s.At, back(s, h.By))
	if now != nil && now.Evidence.Weighed != nil && !now.Evidence.Weighed.Rung.Holds() {
		t.Detail = append(t.Detail, "now: "+ruleText(plan, now, s.At, back(s, h.By)).Sentence)
	}
	t.Do = fmt.Sprintf("look at %s, then resume the run or abort it", titleOf(plan, h.By))
	return t
}

// failed says which phase failed, and by what.
func failed(plan *rules.Plan, s *fact.Snapshot) Text {
	if t, ok := byPhase(plan, s, fact.WhyPhaseFailed, "has failed"); ok {
		if s.Accused {
			t.Detail = append(t.Detail, "Its rollback rules are watched on: they may still roll it back")
		}
		return t
	}
	said := ground(plan, &s.Why, s.At)
	return Text{Headline: headline(fail, said), Sentence: sentence(said), Do: "stop the rollout", Who: s.Manager}
}

// notKnown says which phase could not be judged, and what is needed for it.
func notKnown(plan *rules.Plan, s *fact.Snapshot) Text {
	if t, ok := byPhase(plan, s, fact.WhyPhaseUnknown, "could not be judged in time"); ok {
		return t
	}
	said := ground(plan, &s.Why, s.At)
	return Text{Headline: headline(unknown, said), Sentence: sentence(said), Do: "look at the phases", Who: s.Manager}
}

// byPhase is the text of the phase that decided the run, where that is the run's
// ground.
func byPhase(plan *rules.Plan, s *fact.Snapshot, code fact.Code, what string) (Text, bool) {
	k := slices.IndexFunc(s.Phases, func(p fact.PhaseView) bool { return p.Name == s.Why.Phase })
	if s.Why.Code != code || k < 0 {
		return Text{}, false
	}
	t := Phase(plan, s, k)
	t.Sentence = sentence("phase "+s.Phases[k].Name+" "+what, t.Sentence)
	return t, true
}

// Phase says where the k-th phase stands.
func Phase(plan *rules.Plan, s *fact.Snapshot, k int) Text {
	p := &s.Phases[k]
	verb, said := phaseVerb(s, p), ground(plan, &p.Why, s.At)
	t := Text{Headline: headline(verb, said), Sentence: sentence(said), Who: p.Owner}
	switch p.Why.Code {
	case fact.WhyByRule:
		if v := viewOf(p, p.Why.Rule); v != nil {
			t = Rule(plan, v, s.At)
			t.Headline = reverb(verb, t.Headline)
		}
	case fact.WhyRuleHolds, fact.WhyRuleBreaches, fact.WhyRuleSilent, fact.WhyRuleThin, fact.WhyEndUnknown, fact.WhyRuleLate, fact.WhyRuleUnsettled, fact.WhyOngoing:
		if v := rollbackView(s, p.Why.Rule); v != nil {
			r := Rule(plan, v, s.At)
			t.Sentence = sentence(said, ofEarlier(plan, k, &p.Why))
			t.Detail, t.Who = append([]string{r.Sentence}, r.Detail...), r.Who
		}
	case fact.WhyRulesHold:
		if v := viewOf(p, p.Why.Rule); v != nil {
			r := Rule(plan, v, s.At)
			t.Headline, t.Detail = reverb(verb, r.Headline), r.Detail
			t.Sentence = sentence(r.Sentence, rollbackRules(plan, &p.Why))
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
	if said := Observed(p, s.At); said != "" && p.Why.Code != fact.WhyAwaitsShare {
		t.Detail = append(t.Detail, sentence(capital(said)))
	}
	switch p.Verdict {
	case rules.Fail:
		t.Do = "stop the rollout: " + mend(plan, p.Why.Rule)
	case rules.Unknown:
		t.Do = unknownDo(plan, s, p)
	}
	return t
}

// ofEarlier says why a phase waits for a rollback rule that it does not name, and what
// became of a policy that fails phases.
func ofEarlier(plan *rules.Plan, k int, w *fact.Why) string {
	i := slices.IndexFunc(plan.Rules, func(r rules.Rule) bool { return r.Kind == rules.RollbackRule && r.Name == w.Rule })
	if k >= len(plan.Phases) || slices.Contains(plan.Phases[k].Rollback, i) {
		return ""
	}
	for e := k - 1; e >= 0; e-- {
		if !slices.Contains(plan.Phases[e].Rollback, i) {
			continue
		}
		said := fmt.Sprintf("It is a rule of phase %s, which is over, and is watched to the end of the run", plan.Phases[e].Name)
		key, policy := policyKey(w.Cause), plan.Rules[i].OnNoData
		if key == "on_error" {
			policy = plan.Rules[i].OnError
		}
		if w.Code == fact.WhyRuleSilent && policy == rules.PolicyFail {
			said += fmt.Sprintf(`. Its %s = "fail" fails the phases that name it, and this one does not`, key)
		}
		return said
	}
	return ""
}

// ofTheRun reports whether a phase stands where it does because the whole run does:
// its text is the run's.
func ofTheRun(w *fact.Why) bool {
	switch w.Code {
	case fact.WhyRuleFired, fact.WhyAborted, fact.WhyRollbackDone, fact.WhyRollbackTaken, fact.WhyHeldByRule, fact.WhyHeldByMismatch, fact.WhyHeld:
		return true
	}
	return false
}

func phaseVerb(s *fact.Snapshot, p *fact.PhaseView) string {
	switch {
	case p.State == rules.Superseded:
		return superseded
	case s.Held && p.Verdict == rules.Pending && (p.Why.Code == fact.WhyHeld || p.Why.Code == fact.WhyHeldByRule || p.Why.Code == fact.WhyHeldByMismatch):
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
func unknownDo(plan *rules.Plan, s *fact.Snapshot, p *fact.PhaseView) string {
	signal, v := "", viewOf(p, p.Why.Rule)
	if r := anyRule(plan, p.Why.Rule); r != nil {
		i := r.ShownSignal
		if v != nil && v.Why.Code == fact.WhyAlarmUnknown || p.Why.Code == fact.WhyAlarmUnknown {
			i = r.Alarm
		}
		if i >= 0 && i < len(plan.Signals) {
			signal = "signal " + plan.Signals[i].Name
		}
		missed := p.Why.Code == fact.WhyByRule && v != nil && v.Why.Code == fact.WhyCannotJudge && (&speaker{rule: r, ev: &v.Evidence, at: s.At}).endUnknown()
		if missed && p.Cause == rules.CauseNoData || p.Why.Code == fact.WhyEndUnknown {
			return "override the phase, or start the release again"
		}
	}
	if p.Why.Code == fact.WhyRuleLate {
		return "write a longer settle" + strings.TrimSuffix(" for "+signal, " for ") + ", or override the phase"
	}
	switch p.Cause {
	case rules.CauseNoData, rules.CauseStale, rules.CauseUnsettled, rules.CauseSourceError, rules.CauseConfig:
		if signal != "" {
			return fmt.Sprintf("mend %s (%s), or override the phase", signal, causeText(p.Cause))
		}
	case rules.CauseInsufficientSamples:
		return "extend the window, send more traffic, or override the phase"
	}
	return "look at " + titleOf(plan, p.Why.Rule) + ", or override the phase"
}

// back is the step that rolls the run back, of a rule that slows the fault down first; nil
// where there is none.
func back(s *fact.Snapshot, rule string) *fact.EffectView {
	for i := len(s.Effects.Steps) - 1; i >= 0; i-- {
		if v := &s.Effects.Steps[i]; v.Rule == rule && v.Slow && v.Do == rules.DoRollBack {
			return v
		}
	}
	return nil
}
