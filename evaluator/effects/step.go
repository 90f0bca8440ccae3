package effects

import (
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Scene is what a step sees of the run.
type Scene struct {
	Plan  *rules.Plan
	At    int64        // Unix seconds
	Since []fact.Event // of this tick so far
	Fault time.Time    // when the fault began that the run was rolled back for; zero where that is not known
	Fired []int        // rules that rolled it back
	// Watched reports whether a rule is watched: a phase that names it has begun.
	Watched func(rule int) bool
	// Good reports since when the signal of a rule has been good, in periods that begin at or
	// after from. Where idle, a period without samples is good, too.
	Good func(rule int, from int64, idle bool) (since int64, ok bool)
	Emit func(e fact.Event) uint64 // makes an event, and gives its ordinal
	// Phase is the next that may begin, and Opens when at the earliest; -1 where none may.
	Phase int
	Opens int64
	// Unsigned says what is missing of what a step, "rule/effect", wants signed; nil where
	// nothing is.
	Unsigned func(step string) *fact.Why
	// Anew makes the signatures for a step void that were given when it was due before.
	Anew func(step string)
}

// work is a step under way. The steps are copied before their first change.
type work struct {
	*Scene
	st      State
	owned   bool
	because string // id of the event whose result is taken in
}

func (w *work) step(i int) *step {
	if !w.owned {
		w.st.steps, w.owned = slices.Clone(w.st.steps), true
	}
	return &w.st.steps[i]
}

// None reports whether a plan has no steps of a way back: nothing has to be done then.
func None(plan *rules.Plan) bool {
	return !plan.WayBack
}

// Tick does what the time asks for, and what happened in this tick.
func (st State) Tick(sc *Scene) State {
	w := &work{Scene: sc, st: st}
	w.prove()
	w.climb()
	for k := range w.Since {
		w.heard(&w.Since[k])
	}
	for i := range w.st.steps {
		w.due(i)
	}
	for i := range w.st.steps {
		w.escalate(i)
	}
	w.finish()
	w.verify()
	return w.st
}

// climb plans what slows the fault down of the rules that began to fire, and drops that of
// those that do not fire any more.
func (w *work) climb() {
	for _, l := range w.st.ladders {
		i := w.ruleOf(l.rule)
		if i < 0 || slices.ContainsFunc(w.st.steps, func(s step) bool { return s.rule == l.rule && s.due >= l.since && s.at >= l.since }) {
			continue
		}
		w.plan(i, 0, w.Plan.Rules[i].Rung()+1, l.since)
	}
	for i := range w.st.steps {
		if s := &w.st.steps[i]; s.slow && (s.is == planned || s.is == intended || s.is == failed) && w.st.rolled == 0 && w.st.Ladder(s.rule) == 0 {
			w.say(i, dropped, fact.Why{Code: fact.WhyEffectDropped})
		}
	}
}

// plan adds the effects of a rule from one place to another. What was asked for already, by
// another rule, is not asked for twice.
func (w *work) plan(rule, from, to int, due int64) {
	r := &w.Plan.Rules[rule]
	for k := from; k < to; k++ {
		e := &r.Effects[k]
		due += secs(e.After)
		if !w.asked(e) {
			if slices.ContainsFunc(w.st.steps, func(s step) bool { return s.rule == r.Name && s.name == e.Name }) {
				w.Anew(r.Name + "/" + e.Name)
			}
			w.st.steps, w.owned = append(slices.Clone(w.st.steps), step{rule: r.Name, name: e.Name, do: e.Do, slow: k <= r.Rung(), due: due, at: w.At}), true
		}
	}
}

// asked reports whether a step of the way back asks the same of the same receiver. One that
// may still wait for its signatures, or be refused, stands for no other.
func (w *work) asked(e *rules.Effect) bool {
	return !e.Own() && slices.ContainsFunc(w.st.steps, func(s step) bool {
		_, o := effect(w.Plan, &s)
		signed := slices.ContainsFunc(w.Plan.Approvals, func(a rules.Approval) bool { return a.Allows == s.rule+"/"+s.name })
		return o != nil && !s.slow && s.is != dropped && s.is != skipped && s.due >= w.st.rolled &&
			o.What() == e.What() && o.By == e.By && (s.is != planned || !signed)
	})
}

func (w *work) ruleOf(name string) int {
	return slices.IndexFunc(w.Plan.Rules, func(r rules.Rule) bool { return r.Kind == rules.RollbackRule && r.Name == name })
}

// heard takes in what happened to the run in this tick.
func (w *work) heard(e *fact.Event) {
	switch {
	case e.Kind == fact.RunEvent && e.To == rules.RolledBack.String():
		w.rollBack()
	case e.Kind == fact.RunEvent && e.From == rules.RolledBack.String() && e.To != fact.Over:
		for i := range w.st.steps {
			if w.st.steps[i].open() {
				w.say(i, skipped, fact.Why{Code: fact.WhyRollbackOverridden})
			}
		}
		w.st.rolled, w.st.back, w.st.ended, w.st.given = 0, 0, 0, false
	case e.Kind == fact.CommandEvent && e.Subject == string(fact.RollbackDone) && e.To == "applied":
		for i := range w.st.steps {
			if w.st.steps[i].open() {
				w.step(i).by = e.By
				w.say(i, done, fact.Why{Code: fact.WhyRollbackDone})
			}
		}
		w.st.back = w.At
	}
}

// rollBack plans the way back: that of the rules that fired, or of all that are watched
// where a person rolled the run back.
func (w *work) rollBack() {
	w.st.rolled, w.st.ladders = w.At, nil
	for i := range w.st.steps {
		switch s := &w.st.steps[i]; {
		case !s.slow || s.is != planned && s.is != intended && s.is != failed:
		case s.do == rules.DoRollBack && slices.Contains(w.Fired, w.ruleOf(s.rule)):
			w.say(i, done, fact.Why{Code: fact.WhyRuleFired, Rule: s.rule})
		default:
			w.say(i, dropped, fact.Why{Code: fact.WhyRunIs, State: rules.RolledBack.String()})
		}
	}
	for _, i := range w.concerned() {
		w.plan(i, w.Plan.Rules[i].Rung()+1, len(w.Plan.Rules[i].Effects), w.At)
	}
}

// concerned are the rules whose way back is taken, and whose signals say whether it helped.
func (w *work) concerned() (list []int) {
	for i := range w.Plan.Rules {
		r := &w.Plan.Rules[i]
		if r.Kind == rules.RollbackRule && !r.Shadow && (slices.Contains(w.Fired, i) || len(w.Fired) == 0 && w.Watched(i)) {
			list = append(list, i)
		}
	}
	return list
}

// due intends a step that is due.
func (w *work) due(i int) {
	s := &w.st.steps[i]
	if s.is != planned || w.At < s.due {
		return
	}
	r, e := effect(w.Plan, s)
	switch {
	case e == nil:
		w.say(i, dropped, fact.Why{Code: fact.WhyEffectGone})
	case e.Do == rules.DoHold:
		w.say(i, done, fact.Why{Code: fact.WhyEffectOwn})
	case e.Do == rules.DoRollBack: // it is done when the rule fires
	case w.unsigned(i, e):
	default:
		s = w.step(i)
		s.tell = w.At + secs(e.Ack)
		if s.sink = e.To.Sink; e.By != "" {
			s.sink = Reached(w.Plan.Role(e.By)).Sink
		}
		s.event = w.say(i, intended, fact.Why{Code: fact.WhyEffectDue, Rule: r.Name})
	}
}

// unsigned reports whether a step that is due wants signatures first, and has a rejected one
// skipped.
func (w *work) unsigned(i int, e *rules.Effect) bool {
	why := w.Unsigned(w.st.steps[i].rule + "/" + w.st.steps[i].name)
	switch {
	case why == nil:
		return false
	case why.Code == fact.WhyRejected:
		w.step(i).by = why.By
		w.say(i, skipped, fact.Why{Code: fact.WhyEffectRejected, State: why.State, By: why.By})
	case w.st.steps[i].tell == 0:
		w.step(i).tell = w.At + secs(e.Ack)
	}
	return true
}

// Awaits reports whether a step, "rule/effect", is due and not asked for yet: its signatures
// are missing.
func (st *State) Awaits(name string) bool {
	return slices.ContainsFunc(st.steps, func(s step) bool { return s.rule+"/"+s.name == name && s.is == planned && s.tell != 0 })
}

// Reached is where a role is woken; where it is told if it has no such place.
func Reached(r *rules.Role) rules.Address {
	if r == nil {
		return rules.Address{}
	}
	if r.Page.Sink != "" {
		return r.Page
	}
	return r.Tell
}

// escalate tells others of a step that no one has acknowledged, or that failed, again and
// again until someone answers.
func (w *work) escalate(i int) {
	s := &w.st.steps[i]
	if !s.waits() || w.At < s.tell || s.told >= mostTold {
		return
	}
	r, e := effect(w.Plan, s)
	if e == nil {
		return
	}
	s = w.step(i)
	s.told++
	s.tell = w.At + min(secs(e.Ack)<<min(s.told, 10), longestSilence)
	why := fact.Why{Code: fact.WhyEffectUnanswered, Since: when(s.due), N: s.told, Text: s.kept}
	if s.is == planned {
		why = fact.Why{Code: fact.WhyEffectUnsigned, Since: when(s.due), N: s.told}
		if missing := w.Unsigned(s.rule + "/" + s.name); missing != nil {
			why.Text = missing.Text
		}
	}
	ev := w.event(s, s.is.String(), fact.Escalated, why)
	ev.Tell = w.tell(r.Owner, w.Plan.Manager, e.By)
	w.Emit(ev)
}

const (
	longestSilence = 30 * 60 // seconds between two times that others are told
	mostTold       = 100     // about two days
)

// finish notes that all that the rollback asks for is done.
func (w *work) finish() {
	if w.st.rolled == 0 || w.st.back != 0 {
		return
	}
	some := false
	for i := range w.st.steps {
		s := &w.st.steps[i]
		switch {
		case s.slow || s.due < w.st.rolled: // what slowed the fault down, or an earlier rollback that a person overrode
		case s.open():
			return
		default:
			some = some || s.is == done
		}
	}
	if some {
		w.st.back = w.At
		if !w.st.stops() { // else verify says at once that it has stopped
			w.whole(fact.Intended, fact.Taken, fact.Why{Code: fact.WhyRollbackTaken})
		}
	}
}

// verify ends the watch of a way back that was taken, when the signals are good again.
func (w *work) verify() {
	if !w.st.Watches() {
		return
	}
	why := fact.Why{Code: fact.WhySafe}
	if w.st.back != 0 && w.st.stops() {
		w.st.ended = w.st.back
		why.Code, why.Since, why.Text = fact.WhyStopped, when(w.st.back), w.stopped()
		w.end(fact.Stopped, why)
		return
	}
	if w.st.back != 0 {
		list := w.concerned()
		good, since := len(list) > 0, w.st.back // an edit may have taken out what says whether it helped
		for _, i := range list {
			at, ok := w.Good(i, w.st.back, w.confirmed())
			good, since = good && ok, max(since, at)
		}
		if good {
			w.st.ended, why.Since = since, when(since)
			w.end(fact.Safe, why)
			return
		}
	}
	if w.At >= w.st.rolled+watchFor {
		w.st.given = true
		w.end(fact.Unproven, fact.Why{Code: fact.WhyUnproven, Since: when(w.st.rolled)})
	}
}

// confirmed reports whether a sink has read back that no requests reach the version: then
// there may be no samples any more.
func (w *work) confirmed() bool {
	return slices.ContainsFunc(w.st.steps, func(s step) bool { return s.do == rules.DoRevert && s.is == done && s.by == "" })
}

// stopped is what the sink read back that keeps the fault from spreading.
func (w *work) stopped() string {
	for i := range w.st.steps {
		if s := &w.st.steps[i]; s.do == rules.DoPause && s.is == done {
			return s.kept
		}
	}
	return "" // unreachable: it is asked where there is one
}

func (w *work) end(to string, why fact.Why) {
	from := fact.Intended
	if w.st.back != 0 {
		from = fact.Done
	}
	w.whole(from, to, why)
}

// whole tells the manager something of the whole way back.
func (w *work) whole(from, to string, why fact.Why) {
	e := fact.Event{Kind: fact.EffectEvent, Subject: w.Plan.Name, From: from, To: to, Cause: rules.CauseManual, Why: why, Effect: &fact.Effect{Fault: w.Fault}}
	if at := Reached(w.Plan.Role(w.Plan.Manager)); at.Sink != "" {
		e.Tell = []string{at.Sink}
	}
	w.Emit(e)
}

// say brings a step to where it stands now, and says so.
func (w *work) say(i int, to life, why fact.Why) uint64 {
	from := w.st.steps[i].is
	e := w.event(&w.st.steps[i], from.String(), to.String(), why)
	s := w.step(i)
	s.is, s.at = to, w.At
	if to == intended {
		e.Notify = []string{s.sink} // whom it is not for may act on it
		e.Tell = e.Notify
	}
	return w.Emit(e)
}

func (w *work) event(s *step, from, to string, why fact.Why) fact.Event {
	e := fact.Event{
		Kind: fact.EffectEvent, Subject: s.rule + "/" + s.name, From: from, To: to, Cause: rules.CauseManual, Why: why, Because: w.because, Kept: s.kept,
		Effect: &fact.Effect{Rule: s.rule, Name: s.name, Do: s.do, Slow: s.slow, Fault: w.Fault},
	}
	if _, o := effect(w.Plan, s); o != nil {
		e.Effect.To, e.Effect.By, e.Effect.Command, e.Effect.Link = o.To.String(), o.By, o.Command, o.Link
		e.Effect.Version, e.Effect.Previous, e.Effect.Share = o.Version, o.Previous, o.Share
		if !o.Own() {
			e.Effect.Within = o.Ack.String()
		}
	}
	return e
}

// Follow takes over where an event of an older judging says that a step stands.
func (st State) Follow(e *fact.Event) State {
	at := e.At.Unix()
	switch e.To {
	case fact.Taken:
		st.back = at
		return st
	case fact.Safe, fact.Stopped:
		if st.ended = max(e.Why.Since.Unix(), 1); st.back == 0 {
			st.back = st.ended
		}
		return st
	case fact.Unproven:
		st.given = true
		return st
	case fact.Overridden:
		st.waived = at
		return st
	}
	if e.From == fact.Overridden {
		st.waived = 0
		return st
	}
	if e.Effect == nil || e.To == fact.Asked || e.To == fact.Ready || e.To == fact.Missing || e.To == fact.Unknown { // what is asked before it is needed is asked anew
		return st
	}
	w := &work{st: st}
	i := slices.IndexFunc(st.steps, func(s step) bool { return s.open() && s.rule == e.Effect.Rule && s.name == e.Effect.Name })
	if i < 0 {
		i = len(st.steps)
		w.st.steps, w.owned = append(slices.Clone(st.steps), step{rule: e.Effect.Rule, name: e.Effect.Name, do: e.Effect.Do, slow: e.Effect.Slow, due: at}), true
	}
	s := w.step(i)
	if e.To == fact.Escalated {
		s.told, s.tell = e.Why.N, at+longestSilence
		return w.st
	}
	s.is, s.at = life(max(slices.Index(lives[:], e.To), 0)), at
	if s.is == intended {
		s.event, s.tell = e.N, at+longestSilence
		s.sink, _, _ = strings.Cut(e.Effect.To, " ")
	}
	if !s.slow && w.st.rolled == 0 {
		w.st.rolled = at
	}
	return w.st
}

// waits reports whether others are told of a step until someone answers.
func (s *step) waits() bool {
	return s.is == intended || s.is == failed || s.is == planned && s.tell != 0
}

// Next is the earliest time from which on time alone may change something, next or before. At
// is now. Phase is the next that may begin, and opens when at the earliest; -1 where none may.
func (st *State) Next(plan *rules.Plan, at, next int64, phase int, opens int64) int64 {
	next = st.nextProof(plan, at, next, phase, opens)
	for i := range st.steps {
		switch s := &st.steps[i]; {
		case s.is == planned && s.tell == 0:
			next = min(next, s.due)
		case s.waits() && s.told < mostTold:
			next = min(next, s.tell)
		}
	}
	if st.Watches() {
		next = min(next, st.rolled+watchFor)
	}
	return next
}
