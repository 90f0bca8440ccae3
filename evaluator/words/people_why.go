package words

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// allowed names what an approval allows.
func allowed(allows string) string {
	switch allows {
	case rules.ApprovesStart:
		return "the start of the release"
	case rules.ApprovesOverride:
		return "an override"
	}
	return "phase " + allows
}

// Allowed is what an approval allows, in words.
func Allowed(allows string) string { return allowed(allows) }

// unsigned says which signatures are missing.
func unsigned(w *fact.Why) string {
	said := fmt.Sprintf("%d of %d signatures for %s are there, missing: %s", w.N, w.Of, allowed(w.Phase), w.Text)
	if w.Of == 1 {
		said = fmt.Sprintf("%s is not signed, missing: %s", allowed(w.Phase), w.Text)
	}
	return said
}

// toSign says which signatures the start of the release lacks, empty where none.
func toSign(s *fact.Snapshot) string {
	for i := range s.People.Approvals {
		if a := &s.People.Approvals[i]; a.Allows == rules.ApprovesStart && !a.Given() {
			return fmt.Sprintf("%d of %d signatures are there, missing: %s", a.Have, a.Need, strings.Join(a.Missing, ", "))
		}
	}
	return ""
}

// Unsigned says which signatures an approval lacks.
func Unsigned(a *fact.ApprovalView) string {
	return unsigned(&fact.Why{Phase: a.Allows, N: a.Have, Of: a.Need, Text: strings.Join(a.Missing, ", ")})
}

// Criterion is a pass criterion in words: those that relgate judges have codes.
func Criterion(name string) string {
	switch name {
	case rules.CriterionPhases:
		return "all phases executed and metrics within thresholds"
	case rules.CriterionRollback:
		return "no rollback triggered"
	case rules.CriterionSigned:
		return "all approvals signed before what they allow"
	case rules.CriterionMessages:
		return "all messages sent"
	case rules.CriterionReview:
		return "review completed and archived"
	}
	return name
}

// peopleGround says why something of people's part is as it is, empty for any other ground.
func peopleGround(w *fact.Why, at time.Time) string {
	switch w.Code {
	case fact.WhyUnsigned:
		return unsigned(w)
	case fact.WhyRejected:
		return fmt.Sprintf("%s was rejected for %s%s; missing: %s", allowed(w.Phase), w.State, by(w.By, ""), w.Text)
	case fact.WhyNotAsked:
		return fmt.Sprintf("the plan asks %s for no signature", w.State)
	case fact.WhyNotSigner:
		return fmt.Sprintf("the plan does not let this token sign for %s", w.State)
	case fact.WhyAuthorSigns:
		return "whoever began the run may not approve it: another person must sign"
	case fact.WhySignedAlready:
		return fmt.Sprintf("%s has signed already", w.State)
	case fact.WhyRejectedAlready:
		return fmt.Sprintf("%s has rejected it already", w.State)
	case fact.WhySignedTwice:
		return fmt.Sprintf("the same person has signed for %s: each signature needs a person of its own", w.State)
	case fact.WhyOtherPlan:
		return "the plan has changed since it was read: read it again, then sign"
	case fact.WhyNothingToSkip:
		return fmt.Sprintf("no signature is missing for %s", allowed(w.State))
	case fact.WhyNoSuchMessage:
		return fmt.Sprintf("the plan has no message %q", w.State)
	case fact.WhyMessageIs:
		return fmt.Sprintf("message %s is %s", w.Phase, w.State)
	case fact.WhyNoReview:
		return "the plan asks for no review"
	case fact.WhyReviewIs:
		return "the review is " + w.State + ": it stays as it is"
	case fact.WhyMessageUnmet:
		return fmt.Sprintf("%q was not so from %s on", w.Text, clock(w.Since, at))
	case fact.WhyMessageSent:
		return "the receiver has it"
	case fact.WhyMessageFailed:
		return "it did not arrive: " + w.Text
	case fact.WhyMessageSkippedBy:
		return cmp.Or(w.By, "a person") + " does not want it sent"
	case fact.WhyAsked:
		return w.State + " is asked to sign"
	case fact.WhySigned:
		return w.State + " has signed"
	case fact.WhyVoid:
		if w.State == "" {
			return "break-glass counts no more: the plan has changed"
		}
		return fmt.Sprintf("the signature of %s counts no more: what was signed has changed", w.State)
	case fact.WhyExpired:
		return fmt.Sprintf("the signature of %s counts no more: it was given at %s", w.State, clock(w.Since, at))
	case fact.WhyUsed:
		if w.State == "" {
			return "break-glass counts no more: what it allowed was done"
		}
		return fmt.Sprintf("the signature of %s counts no more: what it allowed was done", w.State)
	case fact.WhyWaived:
		return cmp.Or(w.By, "a person") + " goes on without the signatures of " + w.State
	case fact.WhyReviewDue:
		return fmt.Sprintf("the run is %s: its review is to be written and signed by %s", stateText(w.State), w.Text)
	case fact.WhyReminder:
		return fmt.Sprintf("the review is still to be signed by %s (reminder %d)", w.Text, w.N)
	case fact.WhyComplete:
		return "every role has signed the review"
	case fact.WhyArchived:
		return "the review is in the archive"
	case fact.WhyNotKept:
		return "the archive did not take the review: " + w.Text
	}
	return ""
}
