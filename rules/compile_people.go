package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const defaultRemind = 24 * time.Hour

func (c *compiler) communications() {
	for _, s := range c.spec.Communications {
		at := value(s.At)
		m := Communication{
			Name: s.Name, At: at.Duration, Phase: at.Phase, On: value(s.On), OnlyIf: value(s.OnlyIf), Grace: or(s.Grace, 0), Quiet: value(s.Quiet),
			To: ParseAddress(s.To), Channel: cmp.Or(s.Channel, s.To), Subject: s.Subject, Text: s.Text, Notify: s.Notify,
		}
		c.plan.Communications = append(c.plan.Communications, m)
	}
	slices.SortStableFunc(c.plan.Communications, func(a, b Communication) int { return cmp.Compare(a.At, b.At) })
}

func (c *compiler) people() {
	c.plan.Author = c.spec.Release.Author
	for _, s := range c.spec.People {
		r := Role{Name: s.Name, Sign: s.Sign, Tell: ParseAddress(s.Tell), Page: ParseAddress(s.Page)}
		switch {
		case s.Slack != "":
			r.Tell = Address{Sink: "slack", Target: s.Slack}
		case s.Email != "":
			r.Tell = Address{Sink: "email", Target: s.Email}
		}
		c.plan.Roles = append(c.plan.Roles, r)
	}
	for _, s := range c.spec.Approvals {
		a := Approval{
			Allows: s.Name, Roles: s.Roles, Need: len(s.Roles), ByAuthor: s.NotAuthor != nil && !*s.NotAuthor,
			ExpiresIn: or(s.Expires, 0), Meaning: cmp.Or(s.Meaning, MeansApproval),
		}
		if s.Need != nil {
			a.Need = *s.Need
		}
		c.plan.Approvals = append(c.plan.Approvals, a)
	}
}

// review fills in what the plan does not say of its review: the manager signs, and the
// criteria are those that something in the plan stands behind.
func (c *compiler) review() {
	s := c.spec.Review
	if c.plan.PassCriteria = s.PassCriteria; s.Archive == "" && len(s.Sign) == 0 {
		return
	}
	c.plan.Review = Review{Sign: s.Sign, Archive: s.Archive, Remind: or(s.Remind, defaultRemind)}
	if len(s.Sign) == 0 {
		c.plan.Review.Sign = []string{c.plan.Manager}
	}
	if s.PassCriteria != nil {
		return
	}
	c.plan.PassCriteria = []string{CriterionPhases, CriterionRollback}
	if len(c.plan.Approvals) > 0 {
		c.plan.PassCriteria = append(c.plan.PassCriteria, CriterionSigned)
	}
	c.plan.PassCriteria = append(c.plan.PassCriteria, CriterionReview)
}

func (c *compiler) lintPeople(top Checker) {
	for _, s := range c.spec.People {
		at := top.At("people", s.Name)
		given := 0
		for _, text := range []string{s.Slack, s.Email, s.Tell} {
			if text != "" {
				given++
			}
		}
		if given > 1 {
			at.Fail("conflict", "keep one of slack, email and tell", "a role is told in one place")
		}
		addresses := 0
		for i, who := range s.Sign {
			if strings.Contains(who, "@") {
				if addresses++; addresses == 2 {
					at.At("sign").Index(i).Fail("conflict", "make it a role of its own", "a role signs from one address: who signed could not be told otherwise")
				}
			}
			kind, name, tagged := strings.Cut(who, ":")
			if !strings.Contains(who, "@") && !(tagged && name != "" && (kind == "token" || kind == "oidc")) {
				at.At("sign").Index(i).Fail("bad-value", `write an e-mail address, "token:NAME" or "oidc:NAME"`, "%q does not say how a signer proves who they are", who)
			}
		}
	}
	allows := []string{ApprovesStart, ApprovesOverride}
	for _, p := range c.spec.Phases {
		allows = append(allows, p.Name)
	}
	phases := len(allows)
	if slices.Contains(allows[2:], ApprovesWayBack) {
		top.At("phases", ApprovesWayBack).Fail("conflict", "name the phase otherwise", "`relgate break-glass --for %s` means another thing: that the release goes on without a way back", ApprovesWayBack)
	}
	for _, r := range c.spec.Rollback {
		for _, e := range r.Effects {
			if e.Do != DoHold && e.Do != DoRollBack {
				allows = append(allows, r.Name+"/"+e.Name)
			}
		}
	}
	for _, s := range c.spec.Approvals {
		at := top.At("approvals", s.Name)
		if !at.OneOf("unknown-phase", "phase or step of a way back", s.Name, allows) {
			continue
		}
		if (s.Name == ApprovesStart || s.Name == ApprovesOverride) && slices.Contains(allows[2:phases], s.Name) {
			at.Fail("conflict", "name the phase otherwise", "a phase has this name too: it cannot be told which of the two is signed for")
		}
		at.Required("roles", len(s.Roles) == 0, `["CTO"]`)
		if s.Need != nil && (*s.Need < 1 || *s.Need > len(s.Roles)) {
			at.At("need").Fail("out-of-range", "", "%d of %d roles: want at least 1 and at most all", *s.Need, len(s.Roles))
		}
		at.Span("expires", s.Expires, time.Minute, year)
		if able, need := c.ableToOverride(s.Roles), cmp.Or(value(s.Need), len(s.Roles)); s.Name == ApprovesOverride && able < min(need, len(s.Roles)) {
			at.At("roles").Fail("conflict", `let the roles sign by a token: sign = "token:NAME"`,
				"%d of %d roles can sign for an override, and %d must: no link is sent for it, so a role that signs by e-mail alone cannot", able, len(s.Roles), need)
		}
		if s.Meaning != "" {
			at.At("meaning").OneOf("bad-value", "meaning", s.Meaning, Meanings())
		}
		for i, role := range s.Roles {
			if slices.Index(s.Roles, role) < i {
				at.At("roles").Index(i).Fail("duplicate", "name each role once", "%q is named twice", role)
			}
		}
		if c.plan.Version != "" && c.spec.Release.Author == "" && (s.NotAuthor == nil || *s.NotAuthor) {
			top.At("release", "author").Warn("no-author", `write author = "who wrote it", or begin runs with relgate start`, "missing: without it the author can approve their own release")
		}
	}
	c.lintReview(top.At("review"))
}

// ableToOverride counts the roles that can sign without a link.
func (c *compiler) ableToOverride(roles []string) (able int) {
	for _, name := range roles {
		k := slices.IndexFunc(c.spec.People, func(s PersonSpec) bool { return s.Name == name })
		if k < 0 || len(c.spec.People[k].Sign) == 0 || slices.ContainsFunc(c.spec.People[k].Sign, func(who string) bool { return !strings.Contains(who, "@") }) {
			able++
		}
	}
	return able
}

func (c *compiler) lintReview(at Checker) {
	s := c.spec.Review
	at.Span("remind", s.Remind, time.Hour, year)
	for i, role := range s.Sign {
		if slices.Index(s.Sign, role) < i {
			at.At("sign").Index(i).Fail("duplicate", "name each role once", "%q is named twice", role)
		}
	}
	if s.PassCriteria == nil {
		return
	}
	for i, text := range s.PassCriteria {
		at := at.At("pass_criteria").Index(i)
		switch {
		case text == CriterionReview && c.plan.Review.IsZero():
			at.Fail("conflict", `write archive = "NAME of a sink"`, "no review is asked for")
		case text == CriterionSigned && len(c.plan.Approvals) == 0:
			at.Fail("conflict", `write [approvals] start = ["CTO"]`, "no approval is asked for")
		case !slices.Contains(Criteria(), text) && !strings.Contains(text, " "):
			at.OneOf("unknown-criterion", "criterion", text, Criteria())
		}
	}
}

func (c *compiler) lintCommunications(at Checker) {
	for _, m := range c.spec.Communications {
		at := at.At(m.Name)
		at.Required("at", m.At == nil && m.On == nil, `"T-2h"`)
		at.Required("channel", m.Channel == "" && m.To == "", `"Slack #ops"`)
		at.Required("text", m.Text == "", `"what it says"`)
		if m.At != nil && m.On != nil {
			at.At("on").Fail("conflict", "keep one of them", "at is given as well")
		}
		if m.At != nil {
			c.lintPhaseNamed(at.At("at"), m.At.Phase)
			offset(at.At("at"), m.At.Offset)
		}
		c.lintPhaseNamed(at.At("on"), value(m.On).Phase)
		c.lintPhaseNamed(at.At("only_if"), value(m.OnlyIf).Phase)
		if m.On != nil && m.On.Phase == "" && slices.Contains(m.On.States, Waiting) {
			at.At("on").Fail("bad-value", `write at = "T-2h"`, "a run begins by waiting, and never comes to it")
		}
		if m.On != nil && m.On.Not {
			at.At("on").Fail("bad-value", `write the state that it comes to: "run rolled_back"`, `"not" can stand in only_if alone`)
		}
		at.Span("grace", m.Grace, 0, year)
		c.lintClaim(at, &m)
	}
}

func (c *compiler) lintPhaseNamed(at Checker, name string) {
	if name == "" {
		return
	}
	var names []string
	for _, p := range c.spec.Phases {
		names = append(names, p.Name)
	}
	at.OneOf("unknown-phase", "phase", name, names)
}
