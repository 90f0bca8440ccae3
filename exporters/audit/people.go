package audit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// answer is what became of the signature of a role, up to a moment.
type answer struct {
	state string // of the newest event: asked, approved, rejected, void, expired
	event *wire.EventBody
	late  *wire.EventBody // the first approval after the moment
}

func (x *examiner) approvals() {
	signers := map[string]string{} // :: what is allowed and the person → role that was signed for
	x.each("approval", func(i int, e *wire.EventBody) {
		switch e.To {
		case "approved":
			x.signature(e, x.before(i), signers)
		case "overridden":
			by, why := x.author(e)
			x.exception("approval-overridden", e.At, "%s let %s go on without its signatures: %s", who(by), words.Allowed(e.Subject), cmp.Or(why, "no reason"))
			if why == "" {
				x.gap("override-without-reason", e.At, "%s let %s go on without its signatures and gave no reason", who(by), words.Allowed(e.Subject))
			}
		}
	})
	asked := false
	for i := range x.plan.Approvals {
		a := &x.plan.Approvals[i]
		asked = asked || a.Allows == rules.ApprovesStart
		x.row.Roles = append(x.row.Roles, a.Roles...)
		switch at := x.begins(a.Allows); {
		case a.Allows == rules.ApprovesOverride:
			x.each("command", func(i int, e *wire.EventBody) {
				if e.Subject == "override" && e.To == "applied" {
					x.signed(a, i)
				}
			})
		case at >= 0 && a.Allows != "":
			x.signed(a, at)
		}
	}
	slices.Sort(x.row.Roles)
	x.row.Roles = slices.Compact(x.row.Roles)
	if !asked && x.started >= 0 {
		x.gap("no-approval-asked", nil, "the plan asks for no approval of the start")
	}
}

// begins is the index of the event that begins what an approval allows: the start, which
// is that of the first phase, or a phase. It is negative where it has not begun.
func (x *examiner) begins(allows string) int {
	if allows == rules.ApprovesStart {
		return x.started
	}
	return slices.IndexFunc(x.Events, func(e wire.EventBody) bool { return e.Kind == "phase" && e.Subject == allows && e.To == "monitoring" })
}

// author is who gave the command behind an event, and why.
func (x *examiner) author(e *wire.EventBody) (by, why string) {
	if root := x.byID[e.Because]; root != nil && root.Kind == "command" {
		e = root
	}
	return e.By, strings.TrimSpace(e.Why)
}

// tokenOf is the token that proved who that was.
func (x *examiner) tokenOf(e *wire.EventBody) string {
	if root := x.byID[e.Because]; root != nil && root.Kind == "command" {
		return root.Principal
	}
	return e.Principal
}

// signature notes one that was given, and what is wrong with it.
func (x *examiner) signature(e *wire.EventBody, before bool, signers map[string]string) {
	by, _ := x.author(e)
	s := Signature{For: e.Subject, By: by, Token: x.tokenOf(e), At: e.At, Digest: x.Digests[e.N], Before: before}
	if sig := e.Signature; sig != nil {
		s.Role, s.By, s.Meaning = sig.Role, sig.Name, sig.Meaning
		if sig.Digest.SHA256 != nil {
			s.Digest = *sig.Digest.SHA256
		}
	}
	x.row.Approvals = append(x.row.Approvals, s)
	if strings.TrimSpace(s.By) == "" {
		x.gap("approval-without-name", e.At, "the approval of %s names no person", s.Role)
		return
	}
	if strings.TrimSpace(s.Meaning) == "" {
		x.gap("approval-without-meaning", e.At, "the approval of %s by %s does not say what it means", s.Role, s.By)
	}
	if x.sameAsAuthor(&s) {
		x.gap("self-approval", e.At, "%s began the run, or wrote its plan, and approved it as %s", s.By, s.Role)
	}
	person := s.For + "\n" + name(s.By)
	if other := signers[person]; other != "" && other != s.Role {
		x.gap("one-person-two-roles", e.At, "%s approved %s as %s and as %s", s.By, words.Allowed(s.For), other, s.Role)
	}
	signers[person] = s.Role
}

// sameAsAuthor goes by the name and by the token: one of the two is enough.
func (x *examiner) sameAsAuthor(s *Signature) bool {
	named := func(author string) bool { return author != "" && name(author) == name(s.By) }
	return named(x.by) || named(x.plan.Author) || x.token != "" && x.token == s.Token
}

// name is a person's name as it is compared.
func name(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// signed names what was missing of an approval as the i-th event happened, which needs it.
func (x *examiner) signed(a *rules.Approval, i int) {
	roles, waived, have := map[string]*answer{}, false, 0
	x.each("approval", func(k int, e *wire.EventBody) {
		if e.Subject != a.Allows {
			return
		}
		if e.To == "overridden" || e.From == "overridden" { // the plan was changed since
			if k < i {
				waived = e.To == "overridden"
			}
			return
		}
		role := ""
		if e.Signature != nil {
			role = e.Signature.Role
		}
		if roles[role] == nil {
			roles[role] = new(answer)
		}
		switch r := roles[role]; {
		case k < i:
			r.state, r.event = e.To, e
		case e.To == "approved" && r.late == nil:
			r.late = e
		}
	})
	if waived {
		return // an exception, and named as one
	}
	then := &x.Events[i]
	var missing []string
	for _, role := range a.Roles {
		if r := roles[role]; r == nil || r.state != "approved" {
			missing = append(missing, role)
			continue
		}
		have++
		e := roles[role].event
		digest := x.Digests[e.N]
		if e.Signature != nil && e.Signature.Digest.SHA256 != nil {
			digest = *e.Signature.Digest.SHA256
		}
		if in := x.Digests[then.N]; digest != in {
			x.gap("approval-of-another-plan", e.At, "%s approved plan %.12s for %s, and plan %.12s was in force", role, digest, words.Allowed(a.Allows), in)
		}
	}
	if have >= a.Need {
		return
	}
	for _, role := range missing {
		x.missing(role, words.Allowed(a.Allows), roles[role], then)
	}
}

// missing names why the signature of a role did not count.
func (x *examiner) missing(role, what string, r *answer, then *wire.EventBody) {
	switch {
	case r == nil:
		x.gap("approval-missing", nil, "no approval of %s for %s", role, what)
	case r.state == "void":
		x.gap("approval-void", r.event.At, "the approval of %s for %s was void then", role, what)
	case r.state == "rejected":
		x.gap("approval-rejected", r.event.At, "%s had rejected %s, and it went on", role, what)
	case r.state == "expired":
		x.gap("approval-expired", r.event.At, "the approval of %s for %s had expired", role, what)
	case r.late != nil:
		x.gap("approval-after-start", r.late.At, "%s approved %s after it went on at %s", role, what, stamp(then.At))
	default:
		x.gap("approval-missing", nil, "no approval of %s for %s: it was asked and not given", role, what)
	}
}

// review goes by the plan: one that wants no review lacks none.
func (x *examiner) review() {
	x.each("review", func(_ int, e *wire.EventBody) {
		switch {
		case e.To == "open", e.To == "complete", e.To == "archived":
			x.row.Review = e.To
		case e.To == "void" && e.From != "approved": // the run goes on
			x.row.Review = "none"
		}
	})
	if x.plan.Review.IsZero() || !x.Record.Over || x.Record.State == "superseded" {
		return
	}
	switch {
	case x.row.Review == "archived", x.row.Review == "complete" && x.plan.Review.Archive == "":
	case x.row.Review == "complete":
		x.gap("review-not-archived", nil, "the review is signed and not archived")
	default:
		x.gap("review-unsigned", nil, "the run is over and its review is not signed")
	}
}
