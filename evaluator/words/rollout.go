package words

import (
	"fmt"
	"strconv"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Observed says which share of the traffic a phase is seen to have, beside what was planned:
// "0.5 % of the traffic has it, 10 % planned". It is empty where no signal tells it.
func Observed(p *fact.PhaseView, at time.Time) string {
	switch o := p.Observed; {
	case o == nil:
		return ""
	case !o.Known:
		return "how much of the traffic has it is not known, " + causeText(o.Cause)
	case !o.Mismatch.IsZero():
		return fmt.Sprintf("%s, another share than planned since %s", shares(o.Share, p.Traffic), clock(o.Mismatch, at))
	default:
		return shares(o.Share, p.Traffic)
	}
}

// observedText is a share as messages have it.
func observedText(known *float64) string {
	if known == nil {
		return "not known"
	}
	return seen(*known)
}

// seen is a share to three digits: counts do not say more.
func seen(share float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(share, 'g', 3, 64), 64)
	return rules.Percent.Short(rounded)
}

// shares says what is seen beside what was planned.
func shares(observed, planned float64) string {
	return fmt.Sprintf("%s of the traffic has it, %s planned", seen(observed), rules.Percent.Short(planned))
}

// shareGround says why something is as it is for the share of the traffic that a phase has,
// empty for any other ground.
func shareGround(w *fact.Why, at time.Time) string {
	switch w.Code {
	case fact.WhyHeldByMismatch:
		return fmt.Sprintf("the traffic of phase %s holds the run: %s, since %s", w.Phase, shares(w.Observed, w.Planned), clock(w.Since, at))
	case fact.WhyAwaitsShare:
		if w.Cause != rules.CauseNone {
			return fmt.Sprintf("waiting until %s of the traffic has it; how much has is not known, %s", rules.Percent.Short(w.Planned), causeText(w.Cause))
		}
		return fmt.Sprintf("waiting until %s of the traffic has it; %s has", rules.Percent.Short(w.Planned), seen(w.Observed))
	case fact.WhyStartedByShare:
		return fmt.Sprintf("started when its traffic was seen: %s; watched until %s", shares(w.Observed, w.Planned), clock(w.Until, at))
	case fact.WhyShareDiffers:
		return fmt.Sprintf("phase %s has not the traffic that was planned: %s, since %s", w.Phase, shares(w.Observed, w.Planned), clock(w.Since, at))
	case fact.WhyShareMatches:
		return fmt.Sprintf("phase %s has the traffic that was planned: %s", w.Phase, shares(w.Observed, w.Planned))
	case fact.WhyShareUnwatched:
		return fmt.Sprintf("the traffic of phase %s is not looked at any more", w.Phase)
	case fact.WhyMismatchHolds:
		return fmt.Sprintf("the traffic of phase %s holds the run, and this token may end a person's hold only", w.Phase)
	}
	return ""
}

// rolloutEvent says that a phase has another share of the traffic than planned, or has what
// was planned again.
func rolloutEvent(plan *rules.Plan, e *fact.Event) Text {
	t := Text{Who: plan.Manager, Sentence: sentence(capital(shareGround(&e.Why, e.At)))}
	p := phaseNamed(plan, e.Phase)
	if p != nil {
		t.Who = p.Owner
	}
	verb, said := note, shares(e.Why.Observed, e.Why.Planned)
	switch e.To {
	case fact.Mismatch:
		verb, t.Do = warn, doShift(plan, e.Phase)
	case fact.Over:
		said = "its traffic is not looked at any more"
	}
	t.Headline = headline(verb, fmt.Sprintf("phase %s: %s", e.Subject, said))
	return t
}

// doShift is what is to be done about another share than planned.
func doShift(plan *rules.Plan, phase string) string {
	if p := phaseNamed(plan, phase); p != nil && p.Target != "" {
		return "see who moved the traffic of " + p.Target + ", and bring it to what was planned"
	}
	return "see who moved the traffic, and bring it to what was planned"
}

// HeldByTraffic is why a run is held for the traffic of a phase, in a sentence.
func HeldByTraffic(s *fact.Snapshot) string {
	return sentence(capital(shareGround(&s.Holder.Mismatch, s.At)))
}

// heldLine says it for a headline.
func heldLine(w *fact.Why) string {
	return fmt.Sprintf("phase %s: %s", w.Phase, shares(w.Observed, w.Planned))
}

// heldByTraffic says that a run is held for the traffic of a phase, as it was then and as it
// is now.
func heldByTraffic(plan *rules.Plan, s *fact.Snapshot) Text {
	w := &s.Holder.Mismatch
	t := Text{
		Headline: headline(hold, heldLine(w)),
		Sentence: sentence(capital(shareGround(w, s.At)), "Every gate of the run is closed until it is resumed"),
		Do:       doShift(plan, w.Phase) + "; then resume the run, or abort it", Who: s.Manager,
	}
	for i := range s.Phases {
		p := &s.Phases[i]
		if p.Name != w.Phase {
			continue
		}
		t.Who = p.Owner
		if said := Observed(p, s.At); said != "" {
			t.Detail = append(t.Detail, sentence("Now: "+said))
		}
	}
	return t
}
