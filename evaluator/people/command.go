package people

import (
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/effects"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Kinds are the commands that this package carries out.
var kinds = []fact.CommandKind{fact.Approve, fact.Reject, fact.BreakGlass, fact.SendMessage, fact.SkipMessage, fact.EditReview, fact.SignReview}

// Takes reports whether a command is for people's part of the run.
func Takes(kind fact.CommandKind) bool { return slices.Contains(kinds, kind) || effects.Takes(kind) }

// Command gives what a command will do to the state, or why it cannot. do is called with a
// scene whose events have the command's as their root.
func (st State) Command(sc *Scene, c *fact.Command) (do func(sc *Scene) State, refusal *fact.Why) {
	w := &work{Scene: sc, st: st}
	if effects.Takes(c.Kind) {
		act, refusal := st.effects.Command(sc.Plan, c)
		if refusal != nil {
			return nil, refusal
		}
		return func(sc *Scene) State {
			w.st.effects = act(sc.way())
			return w.st
		}, nil
	}
	var act func()
	switch c.Kind {
	case fact.Approve, fact.Reject:
		act, refusal = w.sign(c)
	case fact.BreakGlass:
		act, refusal = w.breakGlass(c)
	case fact.SendMessage, fact.SkipMessage:
		act, refusal = w.message(c)
	case fact.EditReview:
		act, refusal = w.edit(c)
	default:
		act, refusal = w.signReview(c)
	}
	if refusal != nil {
		return nil, refusal
	}
	return func(sc *Scene) State {
		w.Scene = sc
		act()
		return w.st
	}, nil
}

// asksFor finds the approval that a role signs: the one that is named, else the first that
// the role was asked for and its signature is missing of, else the first that names it. So a
// command that is sent twice signs nothing that comes later.
func (w *work) asksFor(allows, role string) (i, k int) {
	found, place := -1, -1
	for i, a := range w.Plan.Approvals {
		k := slices.Index(a.Roles, role)
		if k < 0 || a.Allows == "" || allows != "" && a.Allows != allows {
			continue
		}
		if m := &w.st.approvals[i].roles[k]; m.is != unasked && !m.counts(&w.Plan.Approvals[i], w.until(i)) {
			return i, k
		}
		if found < 0 {
			found, place = i, k
		}
	}
	return found, place
}

// mayNot says why a person may not sign for a role, nil where they may.
func (w *work) mayNot(role string, c *fact.Command) *fact.Why {
	r := w.Plan.Role(role)
	if r == nil || len(r.Sign) == 0 {
		return nil
	}
	for _, who := range r.Sign {
		if Proves(c.Principal, who) {
			return nil
		}
	}
	return &fact.Why{Code: fact.WhyNotSigner, State: role}
}

// Proves reports whether a principal is the one that a plan names as a signer: the
// principal of a signed link is "mail:" and the address, that of a job "oidc:" and the
// name of the CI system, and perhaps more after a blank.
func Proves(principal, who string) bool {
	if name, ok := strings.CutPrefix(who, "token:"); ok {
		return principal == name
	}
	if strings.HasPrefix(who, "oidc:") {
		return principal == who || strings.HasPrefix(principal, who+" ")
	}
	return principal == MailPrincipal+who
}

// MailPrincipal begins the principal of whoever signs by a link that an e-mail brought.
const MailPrincipal = "mail:"

func (w *work) sign(c *fact.Command) (func(), *fact.Why) {
	i, k := w.asksFor(c.Subject, c.Role)
	switch {
	case i < 0:
		return nil, &fact.Why{Code: fact.WhyNotAsked, State: c.Role}
	case w.Over && (w.Plan.Approvals[i].Allows != rules.ApprovesOverride && !w.st.effects.Awaits(w.Plan.Approvals[i].Allows) || w.Run == rules.Superseded): // a run that is decided is what an override is for
		return nil, &fact.Why{Code: fact.WhyRunIs, State: w.Run.String()}
	case c.Read != "" && c.Read != c.Digest:
		return nil, &fact.Why{Code: fact.WhyOtherPlan}
	}
	if why := w.mayNot(c.Role, c); why != nil {
		return nil, why
	}
	a, person := &w.Plan.Approvals[i], author{c.Principal, c.By}
	to, code := rejected, fact.WhyRejected
	if c.Kind == fact.Reject && w.st.approvals[i].roles[k].is == rejected {
		return nil, &fact.Why{Code: fact.WhyRejectedAlready, State: c.Role}
	}
	if c.Kind == fact.Approve {
		to, code = approved, fact.WhySigned
		if !a.ByAuthor && (person.same(w.st.author) || person.same(author{name: w.Plan.Author})) {
			return nil, &fact.Why{Code: fact.WhyAuthorSigns}
		}
		for o := range w.st.approvals[i].roles {
			m := &w.st.approvals[i].roles[o]
			if !m.counts(a, w.until(i)) {
				continue
			}
			if o == k {
				return nil, &fact.Why{Code: fact.WhySignedAlready, State: c.Role}
			}
			if person.same(m.person()) {
				return nil, &fact.Why{Code: fact.WhySignedTwice, State: a.Roles[o]}
			}
		}
	}
	return func() {
		w.expireMark(i, k) // it may expire in this very tick
		m := &w.own().approvals[i].roles[k]
		from := m.is
		*m = mark{to, w.At, c.Principal, c.By}
		w.signed(fact.Event{Kind: fact.ApprovalEvent, Subject: a.Allows, From: from.String(), To: to.String(), Why: fact.Why{Code: code, State: c.Role}}, c, a.Meaning)
	}, nil
}

// signed makes the event of a signature.
func (w *work) signed(e fact.Event, c *fact.Command, meaning string) {
	if c.Meaning != "" {
		meaning = c.Meaning
	}
	e.Cause = rules.CauseApproval
	e.Signature = &fact.Signature{Role: c.Role, Name: c.By, Meaning: meaning, Digest: c.Digest}
	if phaseOf(w.Plan, e.Subject) >= 0 {
		e.Phase = e.Subject
	}
	w.Emit(e)
}

// breakGlass goes on without the signatures that are missing. Everybody is told.
func (w *work) breakGlass(c *fact.Command) (func(), *fact.Why) {
	allows := c.Subject
	if allows == "" {
		allows = rules.ApprovesStart
	}
	why := w.st.Unsigned(w.Plan, allows, w.At, w.Phases)
	switch {
	case allows == rules.ApprovesWayBack && w.Over:
		return nil, &fact.Why{Code: fact.WhyRunIs, State: w.Run.String()}
	case allows == rules.ApprovesWayBack:
		do, refusal := w.st.effects.Waive(w.Plan)
		return func() { w.st.effects = do(w.way()) }, refusal
	case why == nil:
		return nil, &fact.Why{Code: fact.WhyNothingToSkip, State: allows}
	case w.Over && !w.st.effects.Awaits(allows) && allows != rules.ApprovesOverride && w.Run != rules.Failed: // one that has failed may be let go on by an override, which this allows
		return nil, &fact.Why{Code: fact.WhyRunIs, State: w.Run.String()}
	}
	return func() {
		i := w.approvalOf(allows)
		st := w.own()
		st.approvals[i].waived, st.past = w.At, st.past|unsigned
		var roles []string
		for _, r := range w.Plan.Roles {
			roles = append(roles, r.Name)
		}
		w.Emit(fact.Event{
			Kind: fact.ApprovalEvent, Subject: allows, From: fact.Asked, To: fact.Overridden, Cause: rules.CauseManual,
			Why: fact.Why{Code: fact.WhyWaived, State: why.Text}, Tell: tell(w.Plan, false, roles...),
		})
	}, nil
}

func (w *work) message(c *fact.Command) (func(), *fact.Why) {
	i := slices.IndexFunc(w.Plan.Communications, func(m rules.Communication) bool { return m.Name == c.Subject })
	if i < 0 {
		return nil, &fact.Why{Code: fact.WhyNoSuchMessage, State: c.Subject}
	}
	// What is due at a sink that the plan no longer names may never be answered.
	is, moved := w.st.messages[i].shown(w.Over), w.st.messages[i].sink != w.Plan.Communications[i].To.Sink
	if is == sent || is == due && !moved || c.Kind == fact.SkipMessage && is != waiting && is != failed {
		return nil, &fact.Why{Code: fact.WhyMessageIs, Phase: c.Subject, State: is.String()}
	}
	return func() {
		w.own().messages[i].earlier = nil // whoever sends or skips it knows what was lost
		if c.Kind == fact.SkipMessage {
			w.say(i, skipped, fact.Why{Code: fact.WhyMessageSkippedBy})
			return
		}
		w.send(i, fact.Why{Code: fact.WhyMessageDue})
	}, nil
}

// reviewRefusal says why nothing can be done to the review now, nil where it can.
func (w *work) reviewRefusal() *fact.Why {
	switch {
	case w.Plan.Review.IsZero():
		return &fact.Why{Code: fact.WhyNoReview}
	case w.st.review.is == complete || w.st.review.is == archived:
		return &fact.Why{Code: fact.WhyReviewIs, State: w.st.review.is.String()}
	}
	return nil
}

// edit writes in a field of the review. Who has signed it has signed something else then.
func (w *work) edit(c *fact.Command) (func(), *fact.Why) {
	if why := w.reviewRefusal(); why != nil {
		return nil, why
	}
	return func() {
		w.Emit(fact.Event{Kind: fact.ReviewEvent, Subject: c.Subject, From: w.st.review.is.String(), To: fact.Edited, Cause: rules.CauseManual, Why: fact.Why{Code: fact.WhyCommanded}})
		for k := range w.st.review.roles {
			if w.st.review.roles[k].is == approved {
				w.own().review.roles[k] = mark{is: void, at: w.At}
				w.Emit(fact.Event{
					Kind: fact.ReviewEvent, Subject: w.Plan.Review.Sign[k], From: fact.Approved, To: fact.Void, Cause: rules.CauseApproval,
					Why: fact.Why{Code: fact.WhyVoid, State: w.Plan.Review.Sign[k]}, Tell: tell(w.Plan, true, w.Plan.Review.Sign[k]),
				})
			}
		}
	}, nil
}

func (w *work) signReview(c *fact.Command) (func(), *fact.Why) {
	if why := w.reviewRefusal(); why != nil {
		return nil, why
	}
	k := slices.Index(w.Plan.Review.Sign, c.Role)
	switch {
	case k < 0:
		return nil, &fact.Why{Code: fact.WhyNotAsked, State: c.Role}
	case w.st.review.is == notOpen:
		return nil, &fact.Why{Code: fact.WhyRunIs, State: w.Run.String()}
	case w.st.review.roles[k].is == approved:
		return nil, &fact.Why{Code: fact.WhySignedAlready, State: c.Role}
	case c.Read != "" && c.Read != c.Digest:
		return nil, &fact.Why{Code: fact.WhyOtherPlan}
	}
	if why := w.mayNot(c.Role, c); why != nil {
		return nil, why
	}
	for o, m := range w.st.review.roles {
		if m.is == approved && m.person().same(author{c.Principal, c.By}) {
			return nil, &fact.Why{Code: fact.WhySignedTwice, State: w.Plan.Review.Sign[o]}
		}
	}
	return func() {
		m := &w.own().review.roles[k]
		from := m.is
		*m = mark{approved, w.At, c.Principal, c.By}
		w.signed(fact.Event{Kind: fact.ReviewEvent, Subject: c.Role, From: from.String(), To: fact.Approved, Why: fact.Why{Code: fact.WhySigned, State: c.Role}}, c, rules.MeansReview)
		if slices.ContainsFunc(w.st.review.roles, func(m mark) bool { return m.is != approved }) {
			return
		}
		w.st.review.is = complete
		e := fact.Event{Kind: fact.ReviewEvent, Subject: w.Plan.Name, From: fact.Open, To: fact.Complete, Cause: rules.CauseApproval, Why: fact.Why{Code: fact.WhyComplete}}
		if archive := w.Plan.Review.Archive; archive != "" {
			e.Tell = []string{archive}
		}
		w.st.review.event = w.Emit(e)
	}, nil
}
