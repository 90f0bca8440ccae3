package people

import (
	"cmp"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/effects"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Scene is what a step sees of the run.
type Scene struct {
	Plan  *rules.Plan
	At    int64 // Unix seconds
	Start int64 // T

	Run     rules.State
	Verdict rules.Verdict
	Over    bool                      // the run is decided
	Phases  []Phase                   // of the plan, in order
	Since   []fact.Event              // of this tick so far
	End     func() int64              // when the last window ends at the earliest
	Look    func() fact.Snapshot      // the run as it stands, of which messages tell
	Emit    func(e fact.Event) uint64 // makes an event, and gives its ordinal
	Way     effects.Scene             // what the way back sees beside that
}

// Phase is what a step sees of a phase.
type Phase struct {
	State   rules.State
	Started int64 // 0 before it began
	Clear   bool  // nothing keeps it from beginning but signatures and its time
}

// work is a step under way. The state is copied before its first change.
type work struct {
	*Scene
	st      State
	owned   bool
	because string // id of the event whose result is taken in
}

func (w *work) own() *State {
	if !w.owned {
		w.st, w.owned = w.st.clone(), true
	}
	return &w.st
}

// None reports whether a plan has no part for people: nothing has to be done then.
func None(plan *rules.Plan) bool {
	return len(plan.Approvals)+len(plan.Communications)+len(plan.PassCriteria) == 0 && plan.Review.IsZero() && !plan.Promised && effects.None(plan)
}

// Begun notes who began the run.
func (st State) Begun(plan *rules.Plan, b *fact.Begun) State {
	st.author = author{b.Principal, b.By}
	if b.By == "" {
		st.author.name = plan.Author
	}
	return st
}

// Edited makes every signature void, and every leave to go on without: it was of another plan.
// Who has not answered was asked about that one too, and is asked anew.
func (st State) Edited(sc *Scene) State {
	w := &work{Scene: sc, st: st}
	for i := range w.st.approvals {
		w.voidAll(i, fact.WhyVoid)
		for k := range w.st.approvals[i].roles {
			if w.st.approvals[i].roles[k].is == asked {
				w.move(i, k, asked, fact.Why{Code: fact.WhyAsked}, "")
			}
		}
	}
	w.st.effects = w.st.effects.Edited(sc.way())
	return w.st
}

// Used makes the signatures for what was done void: they allowed it once.
func (st State) Used(sc *Scene, allows string) State {
	w := &work{Scene: sc, st: st}
	if i := w.approvalOf(allows); i >= 0 {
		w.voidAll(i, fact.WhyUsed)
	}
	return w.st
}

func (w *work) voidAll(i int, code fact.Code) {
	for k := range w.st.approvals[i].roles {
		if is := w.st.approvals[i].roles[k].is; is == approved || is == rejected {
			w.move(i, k, void, fact.Why{Code: code}, "")
		}
	}
	if a := &w.Plan.Approvals[i]; w.st.approvals[i].waived != 0 {
		w.own().approvals[i].waived = 0
		w.Emit(fact.Event{
			Kind: fact.ApprovalEvent, Subject: a.Allows, From: fact.Overridden, To: fact.Void, Cause: rules.CauseApproval,
			Why: fact.Why{Code: code}, Tell: tell(w.Plan, false, a.Roles...),
		})
	}
}

// move brings the signature of a role to where it stands now.
func (w *work) move(i, k int, to stand, why fact.Why, by string) {
	a := &w.Plan.Approvals[i]
	m := &w.own().approvals[i].roles[k]
	from := m.is
	m.is, m.at = to, w.At
	why.State = a.Roles[k]
	e := fact.Event{
		Kind: fact.ApprovalEvent, Subject: a.Allows, From: from.String(), To: to.String(), Cause: rules.CauseApproval, Why: why,
		Signature: &fact.Signature{Role: a.Roles[k], Name: by, Meaning: a.Meaning},
	}
	if phaseOf(w.Plan, a.Allows) >= 0 {
		e.Phase = a.Allows
	}
	if to == asked || to == void || to == expired {
		e.Tell = tell(w.Plan, to == asked, a.Roles[k])
	}
	w.Emit(e)
}

func (w *work) approvalOf(allows string) int { return approvalOf(w.Plan, allows) }

func approvalOf(plan *rules.Plan, allows string) int {
	return slices.IndexFunc(plan.Approvals, func(a rules.Approval) bool { return a.Allows == allows && allows != "" })
}

// tell lists the sinks by which roles are reached. Who signs by e-mail gets the link there.
func tell(plan *rules.Plan, sign bool, roles ...string) []string {
	var sinks []string
	add := func(sink string) {
		if sink != "" && !slices.Contains(sinks, sink) {
			sinks = append(sinks, sink)
		}
	}
	for _, name := range roles {
		r := plan.Role(name)
		if r == nil {
			continue
		}
		add(r.Tell.Sink)
		if sign && slices.ContainsFunc(r.Sign, func(who string) bool { return strings.Contains(who, "@") }) {
			add(EmailSink)
		}
	}
	return sinks
}

// EmailSink is the name of the sink that brings links to sign by.
const EmailSink = "email"

// until is the time up to which signatures must last: once what they allow has begun, they
// do not expire any more, and that is never.
func until(plan *rules.Plan, allows string, at int64, phases []Phase) int64 {
	for k := range phases {
		if phases[k].Started != 0 && (allows == rules.ApprovesStart || allows == plan.Phases[k].Name) {
			return 0
		}
	}
	return at
}

func (w *work) until(i int) int64 { return until(w.Plan, w.Plan.Approvals[i].Allows, w.At, w.Phases) }

// counts reports whether a signature stands for something at a time.
func (m *mark) counts(a *rules.Approval, at int64) bool {
	return m.is == approved && (a.ExpiresIn == 0 || at < m.at+secs(a.ExpiresIn))
}

// Unsigned says what is missing of what something wants signed, nil where nothing is.
func (st *State) Unsigned(plan *rules.Plan, allows string, at int64, phases []Phase) *fact.Why {
	i := approvalOf(plan, allows)
	if i < 0 || st.approvals[i].waived != 0 {
		return nil
	}
	at = until(plan, allows, at, phases)
	a, have := &plan.Approvals[i], 0
	var missing []string
	why := fact.Why{Code: fact.WhyUnsigned, Phase: allows, Of: a.Need, Cause: rules.CauseApproval}
	for k := range st.approvals[i].roles {
		switch m := &st.approvals[i].roles[k]; {
		case m.counts(a, at):
			have++
		default:
			missing = append(missing, a.Roles[k])
			if m.is == rejected {
				why.Code, why.State, why.By = fact.WhyRejected, a.Roles[k], m.name
			}
		}
	}
	if have >= a.Need {
		return nil
	}
	why.N, why.Text = have, strings.Join(missing, ", ")
	return &why
}

// Keeps says which signatures, or what of the way back, keep a phase from beginning, nil
// where none do.
func (st *State) Keeps(plan *rules.Plan, phase int, at int64, phases []Phase) *fact.Why {
	if why := st.Unsigned(plan, rules.ApprovesStart, at, phases); why != nil {
		return why
	}
	return cmp.Or(st.Unsigned(plan, plan.Phases[phase].Name, at, phases), st.effects.Keeps(plan, phase, at))
}

// Allowed is when the newest signature came that a phase needed to begin, or a person went
// on without; 0 for a phase that needs none. It did not begin before.
func (st *State) Allowed(plan *rules.Plan, phase string) int64 {
	return max(st.given(plan, rules.ApprovesStart), st.given(plan, phase))
}

// given is when there were as many signatures for something as it needs, or a person went on
// without; 0 where neither is so.
func (st *State) given(plan *rules.Plan, allows string) int64 {
	i := approvalOf(plan, allows)
	if i < 0 {
		return 0
	}
	var times []int64
	for _, m := range st.approvals[i].roles {
		if m.is == approved {
			times = append(times, m.at)
		}
	}
	if need := plan.Approvals[i].Need; st.approvals[i].waived == 0 && need > 0 && len(times) >= need {
		slices.Sort(times)
		return times[need-1]
	}
	return st.approvals[i].waived
}

// Tick does what the time asks for, and what happened in this tick.
func (st State) Tick(sc *Scene) State {
	w := &work{Scene: sc, st: st.Remember(sc.Plan, sc.Since)}
	if !effects.None(w.Plan) {
		way := sc.way()
		way.Unsigned, way.Anew = w.unsignedStep, w.anew
		w.st.effects = w.st.effects.Tick(way)
	}
	w.expire()
	w.ask()
	for i := range w.Plan.Communications {
		w.tickMessage(i)
	}
	w.tickReview()
	w.tickPromise()
	return w.st
}

// Remember notes what happened in a tick that a person may undo, and that the criteria of
// the plan are about all the same.
func (st State) Remember(plan *rules.Plan, events []fact.Event) State {
	if None(plan) {
		return st
	}
	for i := range events {
		switch e := &events[i]; {
		case e.Kind == fact.RunEvent && e.To == rules.RolledBack.String():
			st.past |= rolledBack
		case e.Kind == fact.CommandEvent && e.Subject == string(fact.Override) && e.To == "applied" && e.Why.Verdict == rules.Pass:
			st.past |= overridden
		}
	}
	return st
}

func (w *work) expire() {
	for i := range w.st.approvals {
		for k := range w.st.approvals[i].roles {
			w.expireMark(i, k)
		}
	}
}

func (w *work) expireMark(i, k int) {
	if m := &w.st.approvals[i].roles[k]; m.is == approved && !m.counts(&w.Plan.Approvals[i], w.until(i)) {
		w.move(i, k, expired, fact.Why{Code: fact.WhyExpired, Since: when(m.at)}, "")
	}
}

// ask asks for what nothing else stands in the way of: for the start as soon as the run
// has begun, for a phase when only signatures keep it. An override is asked for by whoever
// wants it. A signature that counts no more is asked for again.
func (w *work) ask() {
	for i := range w.st.approvals {
		a := &w.Plan.Approvals[i]
		k := phaseOf(w.Plan, a.Allows)
		if w.st.effects.Awaits(a.Allows) {
			w.askAll(i)
			continue
		}
		if w.Over {
			continue
		} else if a.Allows == rules.ApprovesStart {
			k = slices.IndexFunc(w.Phases, func(p Phase) bool { return p.State == rules.Waiting })
		} else if k < 0 || !w.Phases[k].Clear {
			continue
		}
		if k < 0 || w.Phases[k].State != rules.Waiting || w.st.Unsigned(w.Plan, a.Allows, w.At, w.Phases) == nil {
			continue
		}
		w.askAll(i)
	}
}

// askAll asks the roles of an approval that were not asked, or whose signatures count no more.
func (w *work) askAll(i int) {
	for r := range w.st.approvals[i].roles {
		if is := w.st.approvals[i].roles[r].is; is == unasked || is == void || is == expired {
			w.move(i, r, asked, fact.Why{Code: fact.WhyAsked}, "")
		}
	}
}

// tickReview opens the review of a run that is decided, and reminds those who are to sign.
func (w *work) tickReview() {
	if w.Plan.Review.IsZero() || w.Run == rules.Superseded {
		return
	}
	if w.st.review.is != notOpen && (!w.Over || w.ended()) { // it is of another end
		from, why := w.st.review.is.String(), fact.Why{Code: fact.WhyResumed}
		if w.Over {
			why = fact.Why{Code: fact.WhyRunIs, State: w.Run.String()}
		}
		r := &w.own().review
		*r = review{roles: make([]mark, len(r.roles))}
		w.sayReview(from, fact.Void, why, false)
	}
	switch r := &w.st.review; {
	case r.is == notOpen && w.Over && !w.st.effects.Watches(): // whether users are safe belongs in it
		r = &w.own().review
		r.is, r.reminded, r.times = open, w.At, 0
		w.sayReview("", fact.Open, fact.Why{Code: fact.WhyReviewDue, State: w.Run.String()}, true)
	case r.is == open && w.At >= r.reminded+secs(w.Plan.Review.Remind) && w.Plan.Review.Remind > 0 && r.times < mostReminders:
		r = &w.own().review
		r.reminded, r.times = w.At, r.times+1
		w.sayReview(fact.Open, fact.Reminded, fact.Why{Code: fact.WhyReminder, N: r.times}, true)
	}
}

// ended reports whether the run came to its end in this tick: to its first, or to another
// than the one that it had.
func (w *work) ended() bool {
	return slices.ContainsFunc(w.Since, func(e fact.Event) bool {
		return e.Kind == fact.RunEvent && e.From != e.To && e.To == w.Run.String()
	})
}

// mostReminders is how often people are reminded of a review: after that the run gets no
// more ticks for it. It can still be signed.
const mostReminders = 30

func (w *work) sayReview(from, to string, why fact.Why, ask bool) uint64 {
	e := fact.Event{Kind: fact.ReviewEvent, Subject: w.Plan.Name, From: from, To: to, Cause: rules.CauseApproval, Why: why, Because: w.because}
	if ask {
		var roles []string
		for k, m := range w.st.review.roles {
			if m.is != approved {
				roles = append(roles, w.Plan.Review.Sign[k])
			}
		}
		e.Tell = tell(w.Plan, true, roles...)
		e.Why.Text = strings.Join(roles, ", ")
	}
	return w.Emit(e)
}

// Next is the earliest time from which on time alone may change something.
func (st *State) Next(plan *rules.Plan, at, start, end int64, over bool, phases []Phase) int64 {
	next := st.slips(plan, at, start, end, over, phases)
	for i := range plan.Communications {
		c := &plan.Communications[i]
		if !st.messages[i].waits(over) || !c.On.IsZero() {
			continue
		}
		if t, known := dueAt(plan, i, start, phases); known {
			next = min(next, max(t, at))
		}
	}
	for i := range st.approvals {
		a := &plan.Approvals[i]
		for k := range st.approvals[i].roles {
			if m := &st.approvals[i].roles[k]; m.is == approved && a.ExpiresIn > 0 && until(plan, a.Allows, at, phases) != 0 {
				next = min(next, m.at+secs(a.ExpiresIn))
			}
		}
	}
	if r := &st.review; over && r.is == open && plan.Review.Remind > 0 && r.times < mostReminders {
		next = min(next, r.reminded+secs(plan.Review.Remind))
	}
	phase := -1
	opening := int64(0)
	if !over {
		phase, opening = opens(plan, start, phases)
	}
	return st.effects.Next(plan, at, next, phase, opening)
}

// Follow takes over where an event of an older judging says that something stands.
func (st State) Follow(plan *rules.Plan, e *fact.Event) State {
	w := &work{Scene: &Scene{Plan: plan}, st: st}
	at := e.At.Unix()
	switch e.Kind {
	case fact.CommunicationEvent:
		i := slices.IndexFunc(plan.Communications, func(c rules.Communication) bool { return c.Name == e.Subject })
		to := slices.Index(courses[:], e.To)
		if e.Why.Code == fact.WhyMessageNever {
			to = int(never)
		}
		if i >= 0 && to >= 0 {
			m := &w.own().messages[i]
			if course(to) == due {
				m.again()
			}
			if m.is, m.at = course(to), at; m.is == due {
				m.event, m.sink = e.N, plan.Communications[i].To.Sink
			}
		}
	case fact.ApprovalEvent:
		i, to := w.approvalOf(e.Subject), slices.Index(stands[:], e.To)
		if i >= 0 && to >= 0 && e.Signature != nil {
			if k := slices.Index(plan.Approvals[i].Roles, e.Signature.Role); k >= 0 {
				m := &w.own().approvals[i].roles[k]
				m.is, m.at = stand(to), at
			}
		}
	case fact.EffectEvent:
		w.st.effects = st.effects.Follow(e)
	case fact.PlanEvent:
		if e.To == fact.Late {
			w.own().past |= overdue
		}
	case fact.ReviewEvent:
		r := &w.own().review
		switch e.To {
		case fact.Open:
			r.is, r.reminded = open, at
		case fact.Reminded:
			r.reminded, r.times = at, e.Why.N
		case fact.Void:
			*r = review{roles: make([]mark, len(r.roles))}
		}
	}
	return w.st
}

// Result takes in what became of something that was sent.
func (st State) Result(sc *Scene, r *fact.Result) State {
	w := &work{Scene: sc, st: st}
	n := fact.Ordinal(r.Event)
	if r.Drill != nil {
		w.st.effects = st.effects.Result(sc.way(), 0, r)
		return w.st
	}
	if b := &w.Plan.Binding; b.Run != "" && !strings.HasPrefix(r.Event, b.Run+"."+b.UID+"/") {
		return st // of another run that had this id
	}
	w.st.effects = st.effects.Result(sc.way(), n, r)
	for i := range w.st.messages {
		m := &w.st.messages[i]
		if k := slices.IndexFunc(m.earlier, func(s sending) bool { return n != 0 && s.event == n && s.sink == r.Sink }); k >= 0 {
			w.answered(i, k, r)
			return w.st
		}
		if n == 0 || m.event != n || m.sink != r.Sink || m.is != due && m.is != failed {
			continue
		}
		if !r.OK {
			if w.because = r.Event; m.is == due {
				w.say(i, failed, fact.Why{Code: fact.WhyMessageFailed, Text: r.Reason})
			}
			return w.st
		}
		w.own().messages[i].kept = r.Kept
		w.because = r.Event
		w.say(i, sent, fact.Why{Code: fact.WhyMessageSent})
		return w.st
	}
	if v := &w.st.review; n != 0 && v.event == n && v.is == complete && w.Plan.Review.Archive == r.Sink {
		if w.because = r.Event; !r.OK {
			w.sayReview(fact.Complete, fact.Failed, fact.Why{Code: fact.WhyNotKept, Text: r.Reason}, false)
			return w.st
		}
		v = &w.own().review
		v.is, v.kept = archived, r.Kept
		w.Emit(fact.Event{
			Kind: fact.ReviewEvent, Subject: w.Plan.Name, From: fact.Complete, To: fact.Archived, Cause: rules.CauseApproval,
			Why: fact.Why{Code: fact.WhyArchived}, Kept: r.Kept, Because: r.Event,
		})
	}
	return w.st
}
