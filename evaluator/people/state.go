package people

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/relgate/relgate/evaluator/effects"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// State is where the people's part of a run stands between two ticks. No one changes it:
// its methods give another.
type State struct {
	author    author
	approvals []approval // as Plan.Approvals
	messages  []message  // as Plan.Communications
	gone      []gone     // messages that an edit took out of the plan
	review    review
	past      past
	effects   effects.State
}

// past is what has happened in the run and is to be remembered: what a person undid, so
// that what the run comes to is no longer by the rules alone, and what is said once.
type past byte

const (
	rolledBack past = 1 << iota // it was rolled back
	overridden                  // a person decided a phase, or let the run go on
	unsigned                    // a person went on without signatures
	overdue                     // it was said that it cannot be complete when it is expected
	pastEnd
)

// author is who began the run.
type author struct{ principal, name string }

type approval struct {
	waived int64  // since when a person has gone on without it; 0: no one has
	roles  []mark // as Approval.Roles
}

// mark is where the signature of a role stands.
type mark struct {
	is        stand
	at        int64  // since when
	principal string // what proved who signed or rejected; empty without tokens
	name      string // and the printed name
}

// stand is where a mark stands.
type stand byte

const (
	unasked stand = iota
	asked
	approved
	rejected
	void
	expired
)

var stands = [...]string{fact.Unasked, fact.Asked, fact.Approved, fact.Rejected, fact.Void, fact.Expired}

func (s stand) String() string { return stands[s] }

type message struct {
	is    course
	at    int64  // since when
	event uint64 // that said that it is due, by its ordinal; 0 for none
	sink  string // that the event went to: an edit may name another
	kept  string // the receiver's own name for it

	earlier []sending // of one that fell due again: what is not known to have arrived before
}

// sending is that a message was sent.
type sending struct {
	event uint64 // that said that it is due, by its ordinal
	sink  string
	lost  bool // it did not arrive
}

// lost reports whether a message did not arrive, this time or before.
func (m *message) lost() bool {
	return m.is == failed || slices.ContainsFunc(m.earlier, func(s sending) bool { return s.lost })
}

// shown is where a message stands for people. One that was lost before stays so, also where
// it has arrived since: that told of something else.
func (m *message) shown(over bool) course {
	switch {
	case m.is == sent && m.lost():
		return failed
	case m.waits(over):
		return waiting
	}
	return m.is
}

// waits reports whether a message waits for its time, in a run that is over or is not.
func (m *message) waits(over bool) bool { return m.is == waiting || m.is == never && !over }

// gone is a message that is not in the plan any more. An edit that brings it back does not
// send it once more.
type gone struct {
	name string
	message
}

// course is where a message stands.
type course byte

const (
	waiting course = iota
	due
	skipped
	late // skipped because it was too late
	sent
	failed
	never // skipped because the run was over before its time; where a person lets the run go on, it waits
)

var courses = [...]string{fact.Waiting, fact.Due, fact.Skipped, fact.Skipped, fact.Sent, fact.Failed, fact.Skipped}

func (c course) String() string { return courses[c] }

type review struct {
	is       progress
	roles    []mark // as Review.Sign
	reminded int64  // when those who have not signed were told last
	times    int    // how often
	event    uint64 // that sent it to the archive, by its ordinal; 0 for none
	kept     string // where it is archived
}

// progress is where a review stands.
type progress byte

const (
	notOpen progress = iota
	open
	complete
	archived
)

var progresses = [...]string{"", fact.Open, fact.Complete, fact.Archived}

func (p progress) String() string { return progresses[p] }

// Begin is the state of a run before its first tick.
func Begin(plan *rules.Plan) State {
	st := State{messages: make([]message, len(plan.Communications)), review: review{roles: make([]mark, len(plan.Review.Sign))}}
	for _, a := range plan.Approvals {
		st.approvals = append(st.approvals, approval{roles: make([]mark, len(a.Roles))})
	}
	return st
}

// Fits reports whether the state has the plan's parts.
func (st *State) Fits(plan *rules.Plan) bool {
	if len(st.approvals) != len(plan.Approvals) || len(st.messages) != len(plan.Communications) || len(st.review.roles) != len(plan.Review.Sign) {
		return false
	}
	for i := range st.approvals {
		if len(st.approvals[i].roles) != len(plan.Approvals[i].Roles) {
			return false
		}
	}
	return true
}

// Fitted is the state with the plan's parts: those that it lacks have not begun.
func (st *State) Fitted(plan *rules.Plan) State {
	if st.Fits(plan) {
		return *st
	}
	c := Begin(plan)
	c.author, c.past, c.gone, c.effects = st.author, st.past, st.gone, st.effects
	for i := range min(len(c.approvals), len(st.approvals)) {
		c.approvals[i].waived = st.approvals[i].waived
		copy(c.approvals[i].roles, st.approvals[i].roles)
	}
	copy(c.messages, st.messages)
	own := c.review.roles
	c.review = st.review
	copy(own, st.review.roles)
	c.review.roles = own
	return c
}

// Adopt carries the state over to a changed plan, by the names of its parts. What was sent
// stays sent. Signatures come along too: it is [State.Edited] that makes them void, and
// says so.
func (st *State) Adopt(old, changed *rules.Plan) State {
	c := Begin(changed)
	c.author, c.past, c.effects = st.author, st.past, st.effects
	if !changed.Completion.Equal(old.Completion) {
		c.past &^= overdue // another time is expected
	}
	for i, a := range changed.Approvals {
		k := slices.IndexFunc(old.Approvals, func(o rules.Approval) bool { return o.Allows == a.Allows })
		if k < 0 {
			continue
		}
		c.approvals[i].waived = st.approvals[k].waived
		carry(c.approvals[i].roles, a.Roles, st.approvals[k].roles, old.Approvals[k].Roles)
	}
	for i, m := range changed.Communications {
		k := slices.IndexFunc(old.Communications, func(o rules.Communication) bool { return o.Name == m.Name })
		if k >= 0 {
			c.messages[i] = st.messages[k]
		} else if k := slices.IndexFunc(st.gone, func(g gone) bool { return g.name == m.Name }); k >= 0 {
			c.messages[i] = st.gone[k].message
		}
	}
	was := slices.Clone(st.gone)
	for i, m := range old.Communications {
		if st.messages[i].is != waiting {
			was = append(was, gone{m.Name, st.messages[i]})
		}
	}
	c.gone = slices.DeleteFunc(was, func(g gone) bool {
		return slices.ContainsFunc(changed.Communications, func(m rules.Communication) bool { return m.Name == g.name })
	})
	own := c.review.roles
	c.review = st.review
	c.review.roles = own
	carry(own, changed.Review.Sign, st.review.roles, old.Review.Sign)
	return c
}

func carry(to []mark, names []string, from []mark, old []string) {
	for i, name := range names {
		if k := slices.Index(old, name); k >= 0 {
			to[i] = from[k]
		}
	}
}

func phaseOf(plan *rules.Plan, name string) int {
	return slices.IndexFunc(plan.Phases, func(p rules.Phase) bool { return p.Name == name })
}

// clone shares nothing with st that a step changes.
func (st *State) clone() State {
	c := *st
	c.approvals, c.messages, c.review.roles = slices.Clone(st.approvals), slices.Clone(st.messages), slices.Clone(st.review.roles)
	for i := range c.approvals {
		c.approvals[i].roles = slices.Clone(c.approvals[i].roles)
	}
	return c
}

// Write writes the stored form.
func (st *State) Write(w *stored.Writer) {
	w.String(st.author.principal)
	w.String(st.author.name)
	stored.List(w, st.approvals, func(w *stored.Writer, a *approval) {
		w.Int(a.waived)
		stored.List(w, a.roles, writeMark)
	})
	stored.List(w, st.messages, writeMessage)
	stored.List(w, st.gone, func(w *stored.Writer, g *gone) {
		w.String(g.name)
		writeMessage(w, &g.message)
	})
	r := &st.review
	w.Byte(byte(r.is))
	stored.List(w, r.roles, writeMark)
	w.Int(r.reminded)
	w.Int(int64(r.times))
	w.Uint(r.event)
	w.String(r.kept)
	w.Byte(byte(st.past))
	st.effects.Write(w)
}

func writeMessage(w *stored.Writer, m *message) {
	w.Byte(byte(m.is))
	w.Int(m.at)
	w.Uint(m.event)
	w.String(m.sink)
	w.String(m.kept)
	stored.List(w, m.earlier, func(w *stored.Writer, s *sending) {
		w.Uint(s.event)
		w.String(s.sink)
		w.Bool(s.lost)
	})
}

func writeMark(w *stored.Writer, m *mark) {
	w.Byte(byte(m.is))
	w.Int(m.at)
	w.String(m.principal)
	w.String(m.name)
}

// The forms of the stored state from which on there is more than messages, and steps of a
// way back.
const (
	FormPeople  = 4
	FormEffects = 5
)

// Read reads what Write wrote. Before FormPeople there were only messages: waiting, due or
// skipped.
func Read(r *stored.Reader) (st State) {
	if r.Form < FormPeople {
		st.messages = stored.ReadList(r, 1, func(r *stored.Reader, m *message) { m.is = course(r.Enum(int(late))) })
		return st
	}
	st.author = author{r.String(), r.String()}
	st.approvals = stored.ReadList(r, 2, func(r *stored.Reader, a *approval) {
		a.waived = r.Time()
		a.roles = stored.ReadList(r, 4, readMark)
	})
	st.messages = stored.ReadList(r, 6, readMessage)
	st.gone = stored.ReadList(r, 7, func(r *stored.Reader, g *gone) {
		g.name = r.String()
		readMessage(r, &g.message)
	})
	v := &st.review
	v.is = progress(r.Enum(len(progresses)))
	v.roles = stored.ReadList(r, 4, readMark)
	v.reminded, v.times = r.Time(), int(r.Int32())
	v.event, v.kept = r.Uint(), r.String()
	st.past = past(r.Enum(int(pastEnd)))
	if r.Form >= FormEffects {
		st.effects = effects.Read(r)
	}
	return st
}

func readMessage(r *stored.Reader, m *message) {
	*m = message{is: course(r.Enum(len(courses))), at: r.Time(), event: r.Uint(), sink: r.String(), kept: r.String()}
	m.earlier = stored.ReadList(r, 3, func(r *stored.Reader, s *sending) { *s = sending{r.Uint(), r.String(), r.Bool()} })
}

func readMark(r *stored.Reader, m *mark) {
	*m = mark{is: stand(r.Enum(len(stands))), at: r.Time(), principal: r.String(), name: r.String()}
}

// same reports whether two people are one: what proved them is the same, or what they are
// called. A person may have several tokens, and several people may have one.
func (a author) same(b author) bool {
	return a.principal != "" && a.principal == b.principal || a.name != "" && folded(a.name) == folded(b.name)
}

// folded is a name as it is compared: case, spaces and punctuation make no other person.
func folded(name string) string {
	name = strings.ToLower(strings.Join(strings.Fields(name), " "))
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r) {
			return r
		}
		return -1
	}, name)
	return cmp.Or(letters, name)
}

func (m *mark) person() author { return author{m.principal, m.name} }

func when(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(at, 0).UTC()
}

func secs(d time.Duration) int64 { return int64(d / time.Second) }
