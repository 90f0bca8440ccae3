package fact

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// Code names the ground of a state, of a refusal, or of an event. Package words
// has the text for each.
type Code string

// Of a run and its phases.
const (
	WhyNotBegun           Code = "not_begun"           // it begins at Until
	WhyUnderWay           Code = "under_way"           // N of Of phases have passed, Phase is State
	WhyNoPhase            Code = "no_phase"            // T has come, no phase has begun
	WhyWatchedOn          Code = "watched_on"          // all Of phases have passed; their rollback rules are watched until Until
	WhyAllPassed          Code = "all_passed"          // all Of phases have passed
	WhyPhaseFailed        Code = "phase_failed"        // Phase has failed
	WhyPhaseUnknown       Code = "phase_unknown"       // Phase could not be judged in time, for Cause
	WhyHeldByRule         Code = "held_by_rule"        // Rule holds the run, for Cause
	WhyHeldByMismatch     Code = "held_by_mismatch"    // Phase has been seen to have Observed of the traffic since Since, Planned were planned: that holds the run
	WhyHeld               Code = "held"                // By holds the run
	WhyRuleFired          Code = "rule_fired"          // Rule rolls the run back
	WhyAborted            Code = "aborted"             // By rolled the run back
	WhyOverridden         Code = "overridden"          // By decided Phase with Verdict
	WhyRollbackOverridden Code = "rollback_overridden" // By let the run go on after a rollback
	WhyRollbackDone       Code = "rollback_done"       // By says that the rollback has been carried out
	WhyRollbackTaken      Code = "rollback_taken"      // every step of the way back is done
	WhySuperseded         Code = "superseded"          // By ended the run; Run takes its place
	WhyResumed            Code = "resumed"             // By let a held run go on
	WhyResumedItself      Code = "resumed_itself"      // the hold of Rule has ended: the data has been good since Since
	WhyWatchEnded         Code = "watch_ended"         // of a run that has failed: no rollback rule speaks against it any more; or, at Until, they were watched for long enough
	WhyBegins             Code = "begins"              // the phase begins at Until
	WhyNextTick           Code = "next_tick"           // the next tick decides
	WhyAwaitsCommand      Code = "awaits_command"      // a command starts the phase
	WhyAwaitsPass         Code = "awaits_pass"         // the phase begins when Phase passes
	WhyAwaitsShare        Code = "awaits_share"        // the phase begins when it is seen to have Planned of the traffic: it has Observed, which is not known where there is a Cause
	WhyOnSchedule         Code = "on_schedule"         // it was started by the plan's clock; watched until Until
	WhyStartedBy          Code = "started_by"          // By started it; watched until Until
	WhyStartedByShare     Code = "started_by_share"    // it was seen to have Observed of the traffic, Planned were planned; watched until Until
	WhyStartedAfter       Code = "started_after"       // it was started by the pass of Phase; watched until Until
	WhyWatched            Code = "watched"             // watched until Until
	WhyByRule             Code = "by_rule"             // success rule Rule decides, or is still undecided
	WhyRulesHold          Code = "rules_hold"          // passed: its success rules hold, N of its Of rollback rules are clear, those in Warn warn
	WhyNothingJudged      Code = "nothing_judged"      // none of its rules could be judged
	WhyRuleHolds          Code = "rule_holds"          // rollback rule Rule is holding
	WhyRuleBreaches       Code = "rule_breaches"       // rollback rule Rule is breaching
	WhyRuleSilent         Code = "rule_silent"         // rollback rule Rule cannot be judged, for Cause
	WhyRuleThin           Code = "rule_thin"           // rollback rule Rule has seen N of Of points of the window
	WhyEndUnknown         Code = "end_unknown"         // the signal of rollback rule Rule was silent at the end of the window, of which it has seen N of Of points
	WhyRuleLate           Code = "rule_late"           // rollback rule Rule has seen N of Of points of the window in time: a period that ended at Since came at Until, after it had settled, and so do most
	WhyRuleUnsettled      Code = "rule_unsettled"      // the data of rollback rule Rule have not settled
	WhyOngoing            Code = "ongoing"             // rule Rule warns, and N of Of were bad from Since until Until: the phase waits until that is over while Verdict is pending
	WhyPolicy             Code = "policy"              // Rule could not be judged from Since until Until, for Cause, when its policy for that, Policy, acted
)

// Of a rule. Its state and its evidence say the rest.
const (
	WhyNotWatched   Code = "not_watched"   // no phase that names it has begun
	WhyNoDataYet    Code = "no_data_yet"   // no complete period yet
	WhyMeasured     Code = "measured"      // its evidence decides; State where it would hold the run, and that has ended
	WhySoFar        Code = "so_far"        // its window has not ended; Cause where its signal is silent
	WhyCutShort     Code = "cut_short"     // its phase was decided before its window ended
	WhyCannotJudge  Code = "cannot_judge"  // for Cause
	WhyUnsettled    Code = "unsettled"     // its data have not settled up to the end of its window
	WhyNeverSeen    Code = "never_seen"    // zeros stand for its signal's values, and the name was never seen: they prove nothing
	WhyNotSeenYet   Code = "not_seen_yet"  // the same, while the source has not looked for the name yet
	WhyAlarmFired   Code = "alarm_fired"   // the alarm that it names went off in the window
	WhyAlarmUnknown Code = "alarm_unknown" // the alarm that it names is not known for the whole window, for Cause; of a phase: rollback rule Rule is silent, and its alarm is not known now
	WhyAlarmBefore  Code = "alarm_before"  // the alarm was on before its window began, and has not been OK since; of a phase: so it is with silent rollback rule Rule
)

// Of a command: applied, or why it was refused. The obstacles are also why a
// phase does not begin.
const (
	WhyCommanded      Code = "commanded"        // it was applied, to Phase where it is about one
	WhyNoAuthor       Code = "no_author"        // By is empty
	WhyNoReason       Code = "no_reason"        // Why is empty
	WhyUnknownCommand Code = "unknown_command"  // its kind, Text, is none
	WhyRunDone        Code = "run_done"         // the rollback has been carried out: nothing can change the run
	WhyRunIs          Code = "run_is"           // the run is State
	WhyAnotherRun     Code = "another_run"      // Run is under way: this one has ended and stays as it is
	WhyRunHeld        Code = "run_held"         // nothing begins while the run is held
	WhyHeldAlready    Code = "held_already"     //
	WhyNotHeld        Code = "not_held"         //
	WhyEvidenceHolds  Code = "evidence_holds"   // Rule holds the run, and the token may end a person's hold only
	WhyMismatchHolds  Code = "mismatch_holds"   // the traffic of Phase holds the run, and the token may end a person's hold only
	WhyPersonHolds    Code = "person_holds"     // a person holds the run, and the token may end a hold of evidence only
	WhyNotRolledBack  Code = "not_rolled_back"  //
	WhyNoSuchPhase    Code = "no_such_phase"    // the plan has no Phase
	WhyNoPhaseWaits   Code = "no_phase_waits"   // every phase has begun
	WhyPhaseIs        Code = "phase_is"         // Phase is State
	WhyPhaseNotBegun  Code = "phase_not_begun"  // an earlier Phase has not begun
	WhyPhaseWatched   Code = "phase_watched"    // Phase, which must pass before, is watched until Until
	WhyPhaseNotPassed Code = "phase_not_passed" // the window of an earlier Phase has ended and it has not passed
	WhyPhaseHasFailed Code = "phase_has_failed" // an earlier Phase has failed
	WhyOverrideRun    Code = "override_run"     // a run that is rolled back is overridden as a whole
	WhyOnlyPass       Code = "only_pass"        // and with pass only
	WhyPassOrFail     Code = "pass_or_fail"     // a phase is overridden with pass or fail, not with Verdict
	WhyAppliedEarlier Code = "applied_earlier"  // a command with this id was applied before

	WhyUnsigned        Code = "unsigned"         // N of Of signatures for Phase (start, a phase, override) are there; Text names the roles that are missing
	WhyRejected        Code = "rejected"         // the same, and By has rejected it
	WhyNotAsked        Code = "not_asked"        // the plan asks State for no signature
	WhyNotSigner       Code = "not_signer"       // the token is none of those who sign for State
	WhyAuthorSigns     Code = "author_signs"     // By began the run
	WhySignedAlready   Code = "signed_already"   // State has signed
	WhyRejectedAlready Code = "rejected_already" // State has rejected it
	WhySignedTwice     Code = "signed_twice"     // the same person has signed for State
	WhyOtherPlan       Code = "other_plan"       // the plan is another than the one that was read
	WhyNothingToSkip   Code = "nothing_to_skip"  // no signature is missing for State
	WhyNoSuchMessage   Code = "no_such_message"  // the plan has no message State
	WhyMessageIs       Code = "message_is"       // message Phase is State
	WhyNoSuchEffect    Code = "no_such_effect"   // the way back has no step State
	WhyEffectIs        Code = "effect_is"        // step Phase of the way back is State
	WhyNoReview        Code = "no_review"        // the plan asks for no review
	WhyReviewIs        Code = "review_is"        // the review is State
)

// Of everything else.
const (
	WhyShareDiffers     Code = "share_differs"      // Phase has been seen to have Observed of the traffic since Since, Planned were planned
	WhyShareMatches     Code = "share_matches"      // it has been seen to have what was planned since then
	WhyShareUnwatched   Code = "share_unwatched"    // it is not looked at any more: a later phase has begun, or the run is decided
	WhyRunBegun         Code = "run_begun"          // the run begins; By began it, the config where By is empty
	WhyPlanEdited       Code = "plan_edited"        // the plan was changed under way
	WhyJudgedAnew       Code = "judged_anew"        // relgate judges by its judging N from now on; until now it was Of
	WhyLate             Code = "late"               // the run is expected to be complete at Since, and cannot be before Until: Phase is late, and is State
	WhySignalFault      Code = "signal_fault"       // a source gave a fault; Text is what it said
	WhySignalBack       Code = "signal_back"        // a source answers again
	WhyMessageDue       Code = "message_due"        //
	WhyMessageSkipped   Code = "message_skipped"    // not sent: the run's verdict is Verdict
	WhyMessageTooLate   Code = "message_too_late"   // not sent: it was due at Since
	WhyMessageNever     Code = "message_never"      // not sent: the run is State, and Phase, from which its time counts, did not begin
	WhyMessageUnmet     Code = "message_unmet"      // not sent: what it is sent for, Text, was not so from Since on
	WhyMessageSent      Code = "message_sent"       // the receiver has it
	WhyMessageFailed    Code = "message_failed"     // it did not arrive; Text says why
	WhyMessageSkippedBy Code = "message_skipped_by" // By does not want it sent

	WhyEffectDue        Code = "effect_due"        // a step of the way back is asked for: Rule fires
	WhyEffectOwn        Code = "effect_own"        // relgate does it itself
	WhyEffectTaken      Code = "effect_taken"      // the receiver has it
	WhyEffectDone       Code = "effect_done"       // the sink has done it, and read back that it is so
	WhyEffectFailed     Code = "effect_failed"     // it did not arrive, or could not be done; Text says why
	WhyEffectReported   Code = "effect_reported"   // By says so
	WhyEffectDropped    Code = "effect_dropped"    // it is not needed any more
	WhyEffectGone       Code = "effect_gone"       // the plan was changed, and has it no more
	WhyEffectUnanswered Code = "effect_unanswered" // no one has acknowledged it since Since; others were told N times
	WhySafe             Code = "safe"              // the signals have been good since Since
	WhyStopped          Code = "stopped"           // it spreads no further since Since; Text is what was read back
	WhyEffectUnsigned   Code = "effect_unsigned"   // it is due since Since and wants signatures first; Text names the roles that are missing
	WhyEffectRejected   Code = "effect_rejected"   // By, as State, does not want it done
	WhyWayAsked         Code = "way_asked"         // before Phase begins, it is asked whether step State of the way back could be done
	WhyWayReady         Code = "way_ready"         // it could; Text says how
	WhyWayMissing       Code = "way_missing"       // step State of the way back could not be done; Text says why
	WhyNotRehearsed     Code = "not_rehearsed"     // the way back was not rehearsed: never, or last at Since, or Text says which step was not
	WhyRehearsed        Code = "rehearsed"         // By has rehearsed the way back in State at Since: N of Of steps
	WhyWayWaived        Code = "way_waived"        // By goes on though the way back is not known to exist
	WhyWayVoid          Code = "way_void"          // the plan was changed, and that counts no more
	WhyUnproven         Code = "unproven"          // the run was rolled back at Since, and the signals were not good for as long as they were watched

	WhyAsked     Code = "asked"      // a role is asked for its signature
	WhySigned    Code = "signed"     // it has signed
	WhyVoid      Code = "void"       // its signature counts no more: the plan was changed; without State it is a person's leave to go on without that counts no more
	WhyExpired   Code = "expired"    // its signature counts no more: it was given at Since
	WhyUsed      Code = "used"       // the same: what it allowed was done
	WhyWaived    Code = "waived"     // By goes on without the signatures of Text
	WhyReviewDue Code = "review_due" // the run is State: its review is to be written and signed
	WhyReminder  Code = "reminder"   // the review is still to be signed, N times said
	WhyComplete  Code = "complete"   // every role has signed the review
	WhyArchived  Code = "archived"   // the review is in the archive
	WhyNotKept   Code = "not_kept"   // the archive did not take it; Text says why
)

// Why is the ground of a state in facts. Code says which of the other fields
// mean something. It is comparable; its zero value says nothing.
type Why struct {
	Code    Code          `json:"code,omitempty"`
	Rule    string        `json:"rule,omitempty"`
	Phase   string        `json:"phase,omitempty"`
	State   string        `json:"state,omitempty"` // of a phase or a run
	Verdict rules.Verdict `json:"verdict,omitempty"`
	Cause   rules.Cause   `json:"cause,omitempty"`
	Policy  rules.Policy  `json:"policy,omitempty"`
	Since   time.Time     `json:"since,omitzero"`
	Until   time.Time     `json:"until,omitzero"`
	N       int           `json:"n,omitempty"`
	Of      int           `json:"of,omitempty"`
	By      string        `json:"by,omitempty"` // a person
	// Principal is the token that proved By, in what a state keeps; an event names it
	// itself.
	Principal string `json:"principal,omitempty"`
	Text      string `json:"text,omitempty"` // the person's reason, or what a source said
	Run       string `json:"run,omitempty"`  // id of another run
	Warn      string `json:"warn,omitempty"` // rollback rules that warn, a space between two

	Observed float64 `json:"observed,omitempty"` // share of the traffic that the release is seen to have, 0..1
	Planned  float64 `json:"planned,omitempty"`  // and that Phase was planned to have
}
