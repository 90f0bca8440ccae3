package rules

// Verdict is the answer of a rule, a phase or a whole plan. The zero value is
// Unknown, the safe answer: what is not known is never a pass.
type Verdict uint8

const (
	Unknown  Verdict = iota // the data is silent, late, broken or too thin
	Pending                 // it is too early to say
	Pass                    // known to be good, on settled data
	Fail                    // known to be bad; the rollout must not go on
	Rollback                // known to be bad; the rollout must be rolled back
)

// Cause says what a verdict rests on.
type Cause uint8

const (
	CauseNone                Cause = iota // nothing has been judged yet
	CauseThreshold                        // a value was compared with its threshold
	CauseWindow                           // the monitoring window has not ended
	CauseNoData                           // the source answered and had nothing
	CauseStale                            // the newest data is too old
	CauseSourceError                      // the source could not be asked, or refused
	CauseInsufficientSamples              // fewer samples or periods than the rule demands
	CauseApproval                         // an approval or a signal from CI is awaited
	CauseManual                           // a person decided
	CauseConfig                           // the plan itself is at fault
	CauseEvidence                         // the counts were weighed, and they are enough to decide
	CauseBaseline                         // held: what runs beside the release is as bad, rolling back would not help; a warning: that, or earlier releases, are better
	CauseUnsettled                        // the data may still change
)

// State is where a phase, or a whole run, stands.
type State uint8

const (
	Waiting    State = iota // not begun
	Monitoring              // begun and watched
	Held                    // a person stopped it from going on
	Passed                  // decided: good
	Failed                  // decided: bad
	RolledBack              // decided: to be rolled back
	Superseded              // ended by a person: another version takes its place
)
