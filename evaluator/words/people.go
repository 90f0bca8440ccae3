package words

import (
	"cmp"
	"fmt"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Words of headlines of people's part.
const (
	sign     = "SIGN"     // a signature is asked for
	signed   = "SIGNED"   // it was given
	rejected = "REJECTED" //
	void     = "VOID"     // it counts no more
	skipped  = "BREAK-GLASS"
	reviewed = "REVIEW"
	sent     = "SENT"
)

// approvalEvent says what was signed, or is to be.
func approvalEvent(e *fact.Event, w fact.Why) Text {
	s := e.Signature
	if s == nil {
		s = new(fact.Signature)
	}
	said := peopleGround(&w, e.At) + " for " + allowed(e.Subject)
	t := Text{Who: s.Role}
	switch e.To {
	case fact.Asked:
		t.Headline = headline(sign, w.State+": "+allowed(e.Subject))
		t.Do = "read the plan, then approve or reject it"
	case fact.Approved:
		said = fmt.Sprintf("%s has signed for %s as %s%s", signer(s), allowed(e.Subject), s.Role, by("", w.Text))
		t.Headline = headline(signed, fmt.Sprintf("%s by %s (%s)", allowed(e.Subject), signer(s), s.Role))
		t.Detail = append(t.Detail, "It means "+s.Meaning)
		if s.Digest != "" {
			t.Detail = append(t.Detail, "Signed plan: sha256 "+s.Digest)
		}
	case fact.Rejected:
		said = fmt.Sprintf("%s has rejected %s as %s%s", signer(s), allowed(e.Subject), s.Role, by("", w.Text))
		t.Headline = headline(rejected, fmt.Sprintf("%s by %s (%s)", allowed(e.Subject), signer(s), s.Role))
		t.Do = "mend what was rejected, then ask again"
	case fact.Overridden:
		said = peopleGround(&w, e.At) + " for " + allowed(e.Subject) + by("", w.Text)
		t.Headline = headline(skipped, allowed(e.Subject)+" without the signatures of "+w.State)
		t.Who = w.By
	default:
		said = peopleGround(&w, e.At)
		t.Headline = headline(void, said)
		t.Do = "sign again"
	}
	t.Sentence = sentence(capital(said))
	return t
}

// signer is the printed name of who signed.
func signer(s *fact.Signature) string {
	if s.Name == "" {
		return "a person"
	}
	return s.Name
}

// reviewEvent says where the review stands.
func reviewEvent(plan *rules.Plan, e *fact.Event, w fact.Why) Text {
	said := peopleGround(&w, e.At)
	t := Text{Who: plan.Manager}
	switch e.To {
	case fact.Open, fact.Reminded:
		t.Do = "write the review with `relgate review edit`, and sign it"
	case fact.Approved:
		if s := e.Signature; s != nil {
			said = fmt.Sprintf("%s has signed the review as %s%s", signer(s), s.Role, by("", w.Text))
		}
	case fact.Edited:
		said = fmt.Sprintf("%s has written in the review: %s", cmp.Or(w.By, "a person"), e.Subject)
		if w.Text != "" {
			t.Detail = append(t.Detail, w.Text)
		}
	case fact.Void:
		if w.Code == fact.WhyResumed {
			said = "the run goes on, so its review is not due yet"
		}
		if w.Code == fact.WhyRunIs {
			said = "the run is " + stateText(w.State) + " now: signatures for another outcome count no more"
		}
	case fact.Archived:
		if e.Kept != "" {
			t.Detail = append(t.Detail, e.Kept)
		}
	}
	t.Headline, t.Sentence = headline(reviewed, said), sentence(capital(said))
	return t
}
