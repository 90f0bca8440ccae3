package effects

import (
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

var kinds = []fact.CommandKind{fact.AckEffect, fact.EffectDone, fact.EffectFailed, fact.SkipEffect}

// Takes reports whether a command is about a step of the way back.
func Takes(kind fact.CommandKind) bool { return slices.Contains(kinds, kind) }

// Command gives what a command will do to the state, or why it cannot. do is called with a
// scene whose events have the command's as their root.
func (st State) Command(plan *rules.Plan, c *fact.Command) (do func(sc *Scene) State, refusal *fact.Why) {
	i := st.named(c.Subject)
	if i < 0 {
		return nil, &fact.Why{Code: fact.WhyNoSuchEffect, State: c.Subject}
	}
	s := &st.steps[i]
	to, may := done, s.is == intended || s.is == acknowledged || s.is == failed
	switch c.Kind {
	case fact.AckEffect:
		to, may = acknowledged, s.is == intended || s.is == failed
	case fact.EffectFailed:
		to, may = failed, s.is == intended || s.is == acknowledged
	case fact.SkipEffect:
		to, may = skipped, s.open()
	}
	if !may {
		return nil, &fact.Why{Code: fact.WhyEffectIs, Phase: s.rule + "/" + s.name, State: s.is.String()}
	}
	return func(sc *Scene) State {
		w := &work{Scene: sc, st: st}
		s := w.step(i)
		s.by = c.By
		if to == failed {
			s.tell = sc.At
		}
		w.say(i, to, fact.Why{Code: fact.WhyEffectReported})
		return w.st
	}, nil
}

// named finds the newest step of a name, "rule/effect" or "effect": one that is open before
// one that is not.
func (st *State) named(name string) int {
	found := -1
	for i := range st.steps {
		s := &st.steps[i]
		if s.rule+"/"+s.name != name && (s.name != name || strings.Contains(name, "/")) {
			continue
		}
		if found < 0 || s.open() || !st.steps[found].open() {
			found = i
		}
	}
	return found
}

// Result takes in what became of a step that was sent.
func (st State) Result(sc *Scene, n uint64, r *fact.Result) State {
	w := &work{Scene: sc, st: st}
	if r.Drill != nil {
		w.drilled(r.Drill)
		return w.st
	}
	if i := slices.IndexFunc(st.proofs, func(p proof) bool { return n != 0 && p.event == n && p.sink == r.Sink }); i >= 0 {
		w.answered(i, r)
		return w.st
	}
	i := slices.IndexFunc(st.steps, func(s step) bool { return n != 0 && s.event == n && s.sink == r.Sink })
	if i < 0 || st.steps[i].is != intended && st.steps[i].is != acknowledged && st.steps[i].is != failed {
		return st
	}
	w.because = r.Event
	s := w.step(i)
	_, e := effect(sc.Plan, s)
	switch {
	case !r.OK && (s.is == failed || s.by != ""): // it was tried again, or a person has it
	case !r.OK:
		s.tell = sc.At
		w.say(i, failed, fact.Why{Code: fact.WhyEffectFailed, Text: r.Reason})
	case r.Done:
		s.kept, s.by = r.Kept, ""
		w.say(i, done, fact.Why{Code: fact.WhyEffectDone})
	case e != nil && e.By != "":
		s.kept = r.Kept // it was told: the person answers
	case s.is != acknowledged:
		s.kept = r.Kept
		w.say(i, acknowledged, fact.Why{Code: fact.WhyEffectTaken})
	}
	return w.st
}
