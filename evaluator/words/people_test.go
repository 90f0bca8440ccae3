package words

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

func TestWordsOfPeople(t *testing.T) {
	plan, at := launch(), T.Add(71*time.Minute)
	plan.Communications[0].Text = "live to {traffic}: {headline} {value.window} {value.high} {phase} {state} {verdict} {link} {nothing} {value.none} {sentence}"
	command := fact.Event{ID: "shop/9", Kind: fact.CommandEvent, Subject: "approve", To: "applied", By: "kim", Why: fact.Why{Text: "read it"}}
	signature := &fact.Signature{Role: "CTO", Name: "Kim Lee", Meaning: "approval", Digest: "abc"}
	approval := func(to string, w fact.Why) fact.Event {
		w.State = "CTO"
		return fact.Event{At: at, Kind: fact.ApprovalEvent, Subject: "start", To: to, Why: w, Signature: signature}
	}
	review := func(subject, to string, w fact.Why) fact.Event {
		return fact.Event{At: at, Kind: fact.ReviewEvent, Subject: subject, To: to, Why: w, Signature: signature, Kept: "/review.md"}
	}
	message := func(to string, w fact.Why) fact.Event {
		return fact.Event{At: at, Kind: fact.CommunicationEvent, Subject: "live", To: to, Why: w}
	}
	told := message("due", fact.Why{Code: fact.WhyMessageDue})
	told.Told = &fact.Told{
		Phase: "ten", Traffic: .1, State: rules.Held, Verdict: rules.Pending, Why: fact.Why{Code: fact.WhyHeld, By: "ada", Text: "lunch"},
		Values: []fact.Measure{{Rule: "window", Known: true, Value: .0123, Unit: rules.Percent}, {Rule: "high"}},
	}
	for _, tt := range []struct {
		name       string
		e          fact.Event
		root       *fact.Event
		want, says string
	}{
		{"asked", approval("asked", fact.Why{Code: fact.WhyAsked}), nil, "SIGN: CTO: the start of the release", "CTO is asked to sign for the start of the release."},
		{"signed", approval("approved", fact.Why{Code: fact.WhySigned}), &command, "SIGNED: the start of the release by Kim Lee (CTO)", "Kim Lee has signed for the start of the release as CTO: read it."},
		{"rejected", approval("rejected", fact.Why{Code: fact.WhyRejected}), &command, "REJECTED: the start of the release by Kim Lee (CTO)", "Kim Lee has rejected the start of the release as CTO: read it."},
		{"void", approval("void", fact.Why{Code: fact.WhyVoid}), nil, "VOID: the signature of CTO counts no more: what was signed has changed", "The signature of CTO counts no more"},
		{"expired", approval("expired", fact.Why{Code: fact.WhyExpired, Since: T}), nil, "VOID: the signature of CTO counts no more: it was given at 02:00 UTC", "it was given at 02:00 UTC."},
		{"break-glass", fact.Event{At: at, Kind: fact.ApprovalEvent, Subject: "override", To: "overridden", Why: fact.Why{Code: fact.WhyWaived, State: "CTO, Legal"}}, &command,
			"BREAK-GLASS: an override without the signatures of CTO, Legal", "Kim goes on without the signatures of CTO, Legal for an override: read it."},
		{"break-glass of another plan", fact.Event{At: at, Kind: fact.ApprovalEvent, Subject: "start", From: "overridden", To: "void", Why: fact.Why{Code: fact.WhyVoid}}, nil,
			"VOID: break-glass counts no more: the plan has changed", "Break-glass counts no more: the plan has changed."},
		{"break-glass that was used", fact.Event{At: at, Kind: fact.ApprovalEvent, Subject: "override", From: "overridden", To: "void", Why: fact.Why{Code: fact.WhyUsed}}, nil,
			"VOID: break-glass counts no more: what it allowed was done", "Break-glass counts no more: what it allowed was done."},
		{"a phase", fact.Event{At: at, Kind: fact.ApprovalEvent, Subject: "ten", To: "approved", Signature: &fact.Signature{Role: "CTO"}}, nil, "SIGNED: phase ten by a person (CTO)", "A person has signed for phase ten as CTO."},
		{"a review that is due", review("shop", "open", fact.Why{Code: fact.WhyReviewDue, State: "passed", Text: "CTO"}), nil, "REVIEW: the run is passed: its review is to be written and signed by CTO", ""},
		{"a review that is signed", review("CTO", "approved", fact.Why{Code: fact.WhySigned}), &command, "REVIEW: Kim Lee has signed the review as CTO: read it", ""},
		{"a review that is edited", review("lessons", "edited", fact.Why{}), &command, "REVIEW: kim has written in the review: lessons", ""},
		{"a review that is not due", review("shop", "void", fact.Why{Code: fact.WhyResumed}), nil, "REVIEW: the run goes on, so its review is not due yet", ""},
		{"a review of another end", review("shop", "void", fact.Why{Code: fact.WhyRunIs, State: "passed"}), nil, "REVIEW: the run is passed now: signatures for another outcome count no more", ""},
		{"a review that is archived", review("shop", "archived", fact.Why{Code: fact.WhyArchived}), nil, "REVIEW: the review is in the archive", ""},
		{"a message that arrived", message("sent", fact.Why{Code: fact.WhyMessageSent}), nil, "SENT: StatusPage: message live", "message live was sent to StatusPage."},
		{"a message that did not", message("failed", fact.Why{Code: fact.WhyMessageFailed, Text: "channel_not_found"}), nil, "NOT SENT: StatusPage: message live channel_not_found", "message live did not arrive at StatusPage. channel_not_found."},
		{"a message that no one wants", message("skipped", fact.Why{Code: fact.WhyMessageSkippedBy}), &command, "NOT SENT: StatusPage: kim does not want it sent: read it", ""},
		{"a message whose time does not come", message("skipped", fact.Why{Code: fact.WhyMessageUnmet, Since: T, Text: "ten monitoring"}), nil, `NOT SENT: StatusPage: "ten monitoring" was not so from 02:00 UTC on`, ""},
		{"a message that tells", told, nil, "DUE: StatusPage: live to 10 %: HOLD: held by ada: lunch 1.23 % not known ten …", "ten held pending {nothing} {value.none} Held by ada: lunch."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Event(plan, &tt.e, tt.root)
			if got.Headline != tt.want || !strings.Contains(got.Sentence, tt.says) {
				t.Errorf("got\n%q\n%q, want\n%q\n%q", got.Headline, got.Sentence, tt.want, tt.says)
			}
		})
	}
	if got := MessageText(plan, &told, "{link} {chain}", "https://x", "c0ffee"); got != "https://x c0ffee" {
		t.Errorf("got %q", got)
	}
}

func TestTheStartOfAReleaseSaysWhoMustSign(t *testing.T) {
	plan := launch()
	s := &fact.Snapshot{At: T.Add(-time.Hour), State: rules.Waiting, Verdict: rules.Pending, Why: fact.Why{Code: fact.WhyNotBegun, Until: T}}
	s.People.Approvals = []fact.ApprovalView{{Allows: "start", Need: 2, Have: 1, Missing: []string{"CTO"}}}
	if got := Run(plan, s); got.Headline != "WAIT: the release begins at 02:00 UTC; 1 of 2 signatures are there, missing: CTO" || got.Do == "" {
		t.Errorf("got %q, do %q", got.Headline, got.Do)
	}
	s.At, s.Why = T, fact.Why{Code: fact.WhyUnsigned, Phase: "start", N: 1, Of: 2, Text: "CTO"}
	if got := Run(plan, s).Headline; got != "WAIT: 1 of 2 signatures for the start of the release are there, missing: CTO" {
		t.Errorf("got %q", got)
	}
	s.Why = fact.Why{Code: fact.WhyUnsigned, Phase: "ten", Of: 1, Text: "CTO"}
	if got := Run(plan, s).Headline; got != "WAIT: phase ten is not signed, missing: CTO" {
		t.Errorf("got %q", got)
	}
	s.People.Approvals[0].Have = 2
	s.Why = fact.Why{Code: fact.WhyNotBegun, Until: T}
	if got := Run(plan, s).Headline; got != "WAIT: the release begins at 02:00 UTC" {
		t.Errorf("got %q", got)
	}
}
