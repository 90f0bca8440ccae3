package effects

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// proof is what is known of a step before it is needed. The same step of two rules at the
// same receiver has one.
type proof struct {
	what       string // see rules.Effect.What: an edit of the step asks anew
	rule, name string // of the first that it is a step of
	sink       string // that was asked
	is         sight
	asked      int64  // when it was asked last
	event      uint64 // that asked, by its ordinal; 0 once it is answered
	at         int64  // when it answered last; 0 before
	bad        int    // answers in a row that it could not be done
	says       string
}

// sight is what the receiver of a step has said of it.
type sight byte

const (
	unseen  sight = iota
	ready         // it could be done
	missing       // it could not
	unknown       // only doing it would tell
)

var sights = [...]string{fact.Asked, fact.Ready, fact.Missing, fact.Unknown}

// before is how an event says where it comes from.
func (s sight) before() string {
	if s == unseen {
		return ""
	}
	return sights[s]
}

// How often receivers are asked, in seconds.
const (
	lead        = 10 * 60   // before a phase may begin
	again       = 30 * 60   // after a good answer
	soonest     = int64(60) // after a bad one; the distance doubles from time to time
	latest      = 15 * 60
	unanswered  = 15 * 60 // after a question that no answer came to
	answerLasts = 35 * 60 // an answer counts for so long
	ahead       = 60      // a drill may seem to come so much later than now: clocks differ
)

// due is when the receiver is to be asked again.
func (p *proof) due() int64 {
	switch {
	case p.event != 0:
		return p.asked + unanswered
	case p.is == missing:
		return p.at + min(soonest<<min(max(p.bad-1, 0), 10), int64(latest))
	}
	return p.at + again
}

// needs calls visit with the steps that are sent to someone, of the rules that are watched
// once a phase has begun, each once.
func needs(plan *rules.Plan, phase int, visit func(r *rules.Rule, e *rules.Effect)) {
	var seen []string
	for i := range plan.Rules {
		r := &plan.Rules[i]
		if r.Kind != rules.RollbackRule || r.Shadow || !slices.ContainsFunc(plan.Phases[:phase+1], func(p rules.Phase) bool { return slices.Contains(p.Rollback, i) }) {
			continue
		}
		for k := range r.Effects {
			if e := &r.Effects[k]; e.Sent() && !slices.Contains(seen, e.What()) {
				seen = append(seen, e.What())
				visit(r, e)
			}
		}
	}
}

func (st *State) proofOf(e *rules.Effect) int {
	what := e.What()
	return slices.IndexFunc(st.proofs, func(p proof) bool { return p.what == what })
}

// prove asks, before a phase begins, whether the way back exists, and says where it was not
// rehearsed.
func (w *work) prove() {
	if w.Phase < 0 || w.At < w.Opens-lead || w.st.rolled != 0 {
		return
	}
	why := w.st.unrehearsed(w.Plan, w.Phase, w.At)
	if is := why != nil; is != w.st.lacks {
		if w.st.lacks = is; is {
			e := fact.Event{Kind: fact.EffectEvent, Subject: w.Plan.Name, To: fact.Missing, Cause: rules.CauseManual, Why: *why, Phase: w.Plan.Phases[w.Phase].Name}
			e.Tell = w.tell(w.Plan.Manager, w.Plan.Phases[w.Phase].Owner)
			w.Emit(e)
		}
	}
	needs(w.Plan, w.Phase, func(r *rules.Rule, e *rules.Effect) {
		i := w.st.proofOf(e)
		if i >= 0 && w.At < w.st.proofs[i].due() {
			return
		}
		proofs := slices.Clone(w.st.proofs)
		if i < 0 {
			i, proofs = len(proofs), append(proofs, proof{what: e.What()})
		}
		p := &proofs[i]
		p.rule, p.name, p.sink, p.asked = r.Name, e.Name, e.To.Sink, w.At
		w.st.proofs = proofs
		ev := w.proofEvent(p, p.is.before(), fact.Asked, fact.Why{Code: fact.WhyWayAsked, State: r.Name + "/" + e.Name, Phase: w.Plan.Phases[w.Phase].Name})
		ev.Notify, ev.Tell = []string{p.sink}, []string{p.sink}
		p.event = w.Emit(ev)
	})
}

// proofEvent tells of a step before it is needed.
func (w *work) proofEvent(p *proof, from, to string, why fact.Why) fact.Event {
	e := w.event(&step{rule: p.rule, name: p.name}, from, to, why)
	e.Effect.Within, e.Effect.Fault = "", w.Fault
	if _, o := effect(w.Plan, &step{rule: p.rule, name: p.name}); o != nil {
		e.Effect.Do = o.Do
	}
	return e
}

// answered takes in what the receiver of a step says of it.
func (w *work) answered(i int, r *fact.Result) {
	w.st.proofs = slices.Clone(w.st.proofs)
	p := &w.st.proofs[i]
	was := p.is
	p.event, p.at, p.says = 0, w.At, cmp.Or(r.Kept, r.Reason)
	switch {
	case !r.OK:
		p.is = missing
		p.bad++
	case r.Done:
		p.is, p.bad = ready, 0
	default:
		p.is, p.bad = unknown, 0
	}
	w.because = r.Event
	e := w.proofEvent(p, fact.Asked, sights[p.is], fact.Why{Code: fact.WhyWayReady, State: p.rule + "/" + p.name, Text: p.says})
	if p.is == missing {
		e.Why.Code = fact.WhyWayMissing
	}
	switch {
	case p.is == was: // no one hears the same again
		e.Notify = []string{p.sink}
	case p.is == missing:
		owner := ""
		if rule, _ := effect(w.Plan, &step{rule: p.rule, name: p.name}); rule != nil {
			owner = rule.Owner
		}
		e.Tell = w.tell(owner, w.Plan.Manager)
	}
	w.Emit(e)
}

// tell lists where roles are reached, each place once.
func (w *work) tell(roles ...string) (sinks []string) {
	for _, role := range roles {
		if at := Reached(w.Plan.Role(role)); at.Sink != "" && !slices.Contains(sinks, at.Sink) {
			sinks = append(sinks, at.Sink)
		}
	}
	return sinks
}

// drilled takes in that the way back was rehearsed. A drill that is older than the known one
// says nothing new, unless the time of that one has not come: a clock was wrong then.
func (w *work) drilled(d *fact.Drill) {
	if known := w.st.drill; known != nil && (known.ID == d.ID || d.At.Before(known.At) && known.At.Unix() <= w.At+ahead) {
		return
	}
	own := *d
	own.Steps = slices.Clone(d.Steps)
	w.st.drill, w.st.lacks = &own, false
	w.Emit(fact.Event{
		Kind: fact.EffectEvent, Subject: w.Plan.Name, To: fact.Rehearsed, Cause: rules.CauseManual, By: d.By, Principal: d.Principal, Drill: &own,
		Why: fact.Why{Code: fact.WhyRehearsed, State: d.Environment, Since: d.At, N: own.Whole(), Of: len(d.Steps), By: d.By, Text: d.Why},
	})
}

// unrehearsed says why the way back of a phase does not count as rehearsed, nil where it does
// or the plan asks for no drill.
func (st *State) unrehearsed(plan *rules.Plan, phase int, at int64) (why *fact.Why) {
	most := secs(plan.Rehearsal.MaxAge)
	if most == 0 {
		return nil
	}
	needs(plan, phase, func(r *rules.Rule, e *rules.Effect) {
		if why != nil {
			return
		}
		w := fact.Why{Code: fact.WhyNotRehearsed, Phase: plan.Phases[phase].Name, State: plan.Name}
		if d := st.drill; d != nil {
			w.Since = d.At
			i := slices.IndexFunc(d.Steps, func(s fact.DrillStep) bool { return s.Mark == e.Mark && (s.OK || s.Rule == r.Name && s.Name == e.Name) })
			switch {
			case i < 0:
				w.Text = fmt.Sprintf("step %s/%s is not part of it", r.Name, e.Name)
			case !d.Steps[i].OK:
				w.Text = fmt.Sprintf("step %s/%s failed in it: %s", r.Name, e.Name, d.Steps[i].Answer)
			case d.At.Unix() > at+ahead:
				w.Text = "by its time it is yet to come: a clock was wrong, so how old it is is not known"
			case at <= d.At.Unix()+most:
				return
			}
		}
		why = &w
	})
	return why
}

// Keeps says why a phase does not begin although nothing else keeps it: it is not known that
// the way back exists, and the plan wants that. It is nil where it may begin.
func (st *State) Keeps(plan *rules.Plan, phase int, at int64) (why *fact.Why) {
	if None(plan) || !plan.Rehearsal.Obstacle || st.waived != 0 {
		return nil
	}
	if why = st.unrehearsed(plan, phase, at); why != nil {
		return why
	}
	needs(plan, phase, func(r *rules.Rule, e *rules.Effect) {
		i := st.proofOf(e)
		asked := fact.Why{Code: fact.WhyWayAsked, State: r.Name + "/" + e.Name, Phase: plan.Phases[phase].Name}
		switch {
		case why != nil && why.Code == fact.WhyWayMissing:
		case i < 0 || st.proofs[i].is == unseen || at > st.proofs[i].at+answerLasts:
			why = &asked
		case st.proofs[i].is == missing:
			why = &fact.Why{Code: fact.WhyWayMissing, State: asked.State, Phase: asked.Phase, Since: when(st.proofs[i].at), Text: st.proofs[i].says}
		}
	})
	return why
}

// Waive lets phases begin though the way back is not known to exist. It gives why it cannot.
func (st State) Waive(plan *rules.Plan) (do func(sc *Scene) State, refusal *fact.Why) {
	if None(plan) || !plan.Rehearsal.Obstacle || st.waived != 0 {
		return nil, &fact.Why{Code: fact.WhyNothingToSkip, State: rules.ApprovesWayBack}
	}
	return func(sc *Scene) State {
		w := &work{Scene: sc, st: st}
		w.st.waived = sc.At
		w.Emit(fact.Event{
			Kind: fact.EffectEvent, Subject: sc.Plan.Name, From: fact.Missing, To: fact.Overridden, Cause: rules.CauseManual,
			Why: fact.Why{Code: fact.WhyWayWaived}, Tell: w.tell(sc.Plan.Manager),
		})
		return w.st
	}, nil
}

// Edited has a person's leave to go on without a way back count no more: it was of another plan.
func (st State) Edited(sc *Scene) State {
	if st.waived == 0 {
		return st
	}
	w := &work{Scene: sc, st: st}
	w.st.waived = 0
	w.Emit(fact.Event{
		Kind: fact.EffectEvent, Subject: sc.Plan.Name, From: fact.Overridden, To: fact.Missing, Cause: rules.CauseManual,
		Why: fact.Why{Code: fact.WhyWayVoid}, Tell: w.tell(sc.Plan.Manager),
	})
	return w.st
}

// nextProof is the earliest time from which on time alone may change what is known of the way
// back before it is needed.
func (st *State) nextProof(plan *rules.Plan, at, next int64, phase int, opens int64) int64 {
	if None(plan) || phase < 0 || st.rolled != 0 {
		return next
	}
	from := opens - lead
	needs(plan, phase, func(_ *rules.Rule, e *rules.Effect) {
		due := from
		if i := st.proofOf(e); i >= 0 {
			due = max(from, st.proofs[i].due())
		}
		next = min(next, due)
	})
	most := secs(plan.Rehearsal.MaxAge)
	switch d := st.drill; {
	case most != 0 && d != nil && d.At.Unix() > at+ahead:
		next = min(next, max(from, d.At.Unix()-ahead))
	case most == 0 || st.lacks:
	case d == nil:
		next = min(next, from)
	default:
		next = min(next, max(from, d.At.Unix()+most+1))
	}
	return next
}

func (st *State) proofViews() (list []fact.ProofView) {
	for i := range st.proofs {
		p := &st.proofs[i]
		list = append(list, fact.ProofView{Rule: p.rule, Name: p.name, Sink: p.sink, State: sights[p.is], Says: p.says, At: when(p.at), Event: p.event})
	}
	return list
}

func writeProof(w *stored.Writer, p *proof) {
	for _, text := range []string{p.what, p.rule, p.name, p.sink, p.says} {
		w.String(text)
	}
	w.Byte(byte(p.is))
	w.Int(p.asked)
	w.Uint(p.event)
	w.Int(p.at)
	w.Int(int64(p.bad))
}

func readProof(r *stored.Reader, p *proof) {
	*p = proof{what: r.String(), rule: r.String(), name: r.String(), sink: r.String(), says: r.String()}
	p.is, p.asked, p.event, p.at, p.bad = sight(r.Enum(len(sights))), r.Time(), r.Uint(), r.Time(), int(r.Int32())
	r.Check(p.bad >= 0, "answers that were given less than never")
}
