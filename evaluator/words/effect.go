package words

import (
	"cmp"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// First words of headlines of the way back.
const (
	doIt     = "DO"           // a step is asked for
	theyHave = "ACKNOWLEDGED" // whoever does it has it
	doneWord = "DONE"
	notDone  = "NOT DONE"
	unwanted = "SKIPPED"
	unneeded = "NOT NEEDED"
	noAnswer = "NO ANSWER"
	takenWay = "ROLLED BACK"
	safeWord = "SAFE"
	stopWord = "STOPPED" // and by that not safe
	unproved = "UNPROVEN"

	askedWord   = "ASKED" // before it is needed: could it be done?
	readyWord   = "READY"
	missingWord = "NOT READY"
	undrilled   = "NOT REHEARSED"
	unknownWord = "NOT KNOWN"
	drillWord   = "REHEARSED"
	waivedWord  = "GOING ON"
)

// effectEvent says what became of a step of the way back, or of all of it.
func effectEvent(plan *rules.Plan, e *fact.Event, w fact.Why) Text {
	f := e.Effect
	if f == nil {
		f = new(fact.Effect)
	}
	switch e.To {
	case fact.Taken, fact.Safe, fact.Stopped, fact.Unproven:
		return wayEnded(plan, e, f)
	case fact.Asked, fact.Ready, fact.Missing, fact.Unknown, fact.Rehearsed, fact.Overridden:
		return wayProven(plan, e, f)
	}
	step, why := stepName(e, f), ground(plan, &w, e.At)
	t := Text{Who: cmp.Or(f.By, plan.Manager)}
	if r := ruleNamed(plan, rules.RollbackRule, f.Rule); r != nil && f.By == "" {
		t.Who = cmp.Or(r.Owner, plan.Manager)
	}
	if f.Link != "" {
		t.Detail = append(t.Detail, "Described at "+f.Link)
	}
	say := func(verb, said string) {
		t.Headline, t.Sentence = headline(verb, step+": "+said), sentence(capital(step)+": "+said)
	}
	switch e.To {
	case fact.Intended:
		said, more, within := "asked for, because "+why, "", ""
		if f.Slow {
			more = "It only slows the fault down; the run is held meanwhile"
		}
		if d, err := time.ParseDuration(f.Within); err == nil {
			within = "It is to be acknowledged within " + spanOf(d) + ", else others are told"
		}
		t.Headline = headline(doIt, step, "("+why+")")
		t.Sentence = sentence(capital(step)+": "+said, more, within, toAnswer(e, f))
		t.Do, t.Command = f.Do, f.Command
	case fact.Acknowledged:
		say(theyHave, why)
	case fact.Done:
		if w.Code == fact.WhyEffectDone && e.Kept != "" {
			why = e.Kept
		}
		say(doneWord, why)
	case fact.Failed:
		say(notDone, why)
		t.Do, t.Command = "do it by hand, then say so: "+answer("done", e), f.Command
	case fact.Skipped:
		say(unwanted, why)
	case fact.Escalated:
		if e.From == fact.Failed {
			why = "it could not be done; " + why
		}
		say(noAnswer, why)
		t.Do, t.Command = "see to it, and say so: "+answer("ack", e), f.Command
	default:
		say(unneeded, why)
	}
	return t
}

// wayEnded says that users are safe, or what is known instead.
func wayEnded(plan *rules.Plan, e *fact.Event, f *fact.Effect) Text {
	w := &e.Why
	said, t := ground(plan, w, e.At), Text{Who: plan.Manager}
	switch e.To {
	case fact.Taken:
		t.Headline, t.Sentence = headline(takenWay, said), sentence(capital(said), "The rollback counts as carried out, and the signals are watched until they are good again")
	case fact.Safe:
		if !f.Fault.IsZero() && w.Since.After(f.Fault) {
			said += ", " + spanOf(w.Since.Sub(f.Fault)) + " after the fault began"
		}
		t.Headline, t.Sentence = headline(safeWord, said), sentence(capital(said), "The way back was taken, and the signals are good again")
	case fact.Stopped:
		t.Headline, t.Sentence = headline(stopWord, said), sentence(capital(said), "Who has the version keeps it, so nothing says that users are safe")
		t.Do = "see to those who have the version: relgate cannot take it from them"
	default:
		more := "The way back was taken, as far as relgate knows"
		if e.From != fact.Done {
			more = "Steps of the way back are still open"
		}
		t.Headline, t.Sentence = headline(unproved, said), sentence(capital(said), more, "Whether users are safe is not known, and the signals are watched no more")
		t.Do = "look whether users are safe"
	}
	return t
}

// wayProven says what is known of the way back before it is needed.
func wayProven(plan *rules.Plan, e *fact.Event, f *fact.Effect) Text {
	w := &e.Why
	why, t := ground(plan, w, e.At), Text{Who: plan.Manager}
	say := func(word, said string, more ...string) {
		t.Headline, t.Sentence = headline(word, said), sentence(append([]string{capital(said)}, more...)...)
	}
	step := stepName(e, f)
	switch {
	case e.To == fact.Asked:
		say(askedWord, "could this be done: "+step, "Nothing is done by that")
	case e.To == fact.Ready:
		say(readyWord, step+": "+cmp.Or(w.Text, "it could be done"))
	case e.To == fact.Unknown:
		say(unknownWord, step+": its receiver cannot be asked without doing it", "A drill shows whether it works: `relgate drill`")
	case e.To == fact.Rehearsed:
		var failed []string
		if e.Drill != nil {
			for _, s := range e.Drill.Steps {
				if !s.OK {
					failed = append(failed, s.Rule+"/"+s.Name+": "+s.Answer)
				}
			}
		}
		t.Detail = failed
		say(drillWord, why)
	case e.To == fact.Overridden:
		say(waivedWord, why, "If this release has to be rolled back, that may fail")
	case w.Code == fact.WhyWayVoid:
		say(missingWord, why, unprovenMeans(plan))
	case w.Code == fact.WhyNotRehearsed:
		say(undrilled, why, unprovenMeans(plan))
		t.Do = "rehearse it: `relgate drill " + cmp.Or(plan.Name, "PLAN") + " --environment NAME`"
	default:
		say(missingWord, step+": "+cmp.Or(w.Text, "no reason was given"), unprovenMeans(plan))
		t.Do = "put it right: it is asked again by itself"
		if r := ruleNamed(plan, rules.RollbackRule, f.Rule); r != nil {
			t.Who = cmp.Or(r.Owner, plan.Manager)
		}
	}
	return t
}

// Drill marks a text as one that rehearses.
func Drill(environment, by, text string) string {
	return fmt.Sprintf("DRILL in %s, by %s, nothing is wrong: %s", environment, by, text)
}

// unprovenMeans says what follows from a way back that is not known to exist.
func unprovenMeans(plan *rules.Plan) string {
	if plan.Rehearsal.Obstacle {
		return "No phase begins before it is known that the way back exists"
	}
	return "The release goes on all the same, because the plan wants a warning only"
}

// stepName says what a step does, and who does it.
func stepName(e *fact.Event, f *fact.Effect) string {
	switch {
	case f.Do == "":
		return e.Subject
	case f.To != "":
		return f.Do + " at " + f.To
	case f.By != "":
		return f.Do + " by " + f.By
	}
	return f.Do
}

// Step is a step of the way back in a few words: "revert at alias".
func Step(v *fact.EffectView) string {
	return stepName(&fact.Event{Subject: v.Rule + "/" + v.Name}, &fact.Effect{Do: v.Do, To: v.Sink, By: v.Role})
}

// answer is the command that says what became of a step.
func answer(what string, e *fact.Event) string {
	return fmt.Sprintf("`relgate effects %s %s %s`", what, cmp.Or(e.Run, e.Plan, "RUN"), cmp.Or(e.Subject, "STEP"))
}

// toAnswer says how a person answers.
func toAnswer(e *fact.Event, f *fact.Effect) string {
	if f.By == "" {
		return ""
	}
	return "Acknowledge it with " + answer("ack", e) + ", and say that it is done with " + answer("done", e)
}

// afterBack says what is known of users since the way back was taken; empty where nothing
// was asked for.
func afterBack(s *fact.Snapshot) string {
	e := &s.Effects
	switch {
	case e.Ended.IsZero() && !e.Back.IsZero() && !s.Over:
		return "whether users are safe is not known yet"
	case e.Ended.IsZero() && len(e.Steps) > 0 && s.RolledBack:
		return "whether users are safe is not known"
	case e.Ended.IsZero():
		return ""
	case e.Stopped:
		return "it spreads no further since " + clock(e.Ended, s.At)
	}
	return "users are safe since " + clock(e.Ended, s.At)
}

// openSteps lists the steps of the way back of which something is still expected.
func openSteps(s *fact.Snapshot) (lines []string) {
	for i := range s.Effects.Steps {
		switch v := &s.Effects.Steps[i]; v.State {
		case fact.Planned:
			lines = append(lines, Step(v)+": due at "+clock(v.Due, s.At))
		case fact.Intended, fact.Acknowledged, fact.Failed:
			lines = append(lines, fmt.Sprintf("%s: %s since %s", Step(v), v.State, clock(v.At, s.At)))
		}
	}
	return lines
}
