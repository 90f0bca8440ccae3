package fact

import "time"

// Where an approval of a role, a message or a review stands.
const (
	Waiting    = "waiting"    // of a message: it is not due
	Due        = "due"        // of a message: it is to be sent
	Sent       = "sent"       // the receiver has it
	Skipped    = "skipped"    // it is not sent any more
	Failed     = "failed"     // it did not arrive
	Unasked    = "unasked"    // of a role: no one has been asked yet
	Asked      = "asked"      // it is asked for its signature
	Approved   = "approved"   //
	Rejected   = "rejected"   //
	Void       = "void"       // its signature counts no more: the plan was changed, or what it allowed was done
	Expired    = "expired"    // its signature counts no more
	Overridden = "overridden" // of an approval: a person went on without it
	Open       = "open"       // of a review: it is to be written and signed
	Complete   = "complete"   // every role has signed it
	Reminded   = "reminded"   // it is still to be signed
	Late       = "late"       // of a plan: its run cannot be complete when it is expected
	Edited     = "edited"     // something was written in it
	Archived   = "archived"   // it is in the archive
)

// People is the people's part of a Snapshot.
type People struct {
	Approvals []ApprovalView // of the plan, in order
	Messages  []MessageView  // of the plan, in order
	Review    ReviewView     // zero where the plan asks for none
	Criteria  []Criterion    // of the plan, in order
}

// ApprovalView is where an approval stands.
type ApprovalView struct {
	Allows  string   // start, override, or a phase
	Need    int      // signatures that it takes
	Have    int      // and that count
	Missing []string // roles that have not signed, while it takes more
	Waived  bool     // a person went on without it
	Roles   []RoleView
}

// Given reports whether what it allows may happen.
func (a *ApprovalView) Given() bool { return a.Waived || a.Have >= a.Need }

// RoleView is where the signature of a role stands.
type RoleView struct {
	Role  string
	State string
	By    string    // who signed or rejected; empty while no one has
	At    time.Time // when; zero while no one has
}

// MessageView is where a message stands.
type MessageView struct {
	Name  string
	State string
	Due   time.Time // zero where that is not known: it waits for something that happens
	At    time.Time // when it came to this state
	Kept  string    // the receiver's own name for it
}

// ReviewView is where the review of a run stands.
type ReviewView struct {
	State string // empty: not before the run is decided
	Roles []RoleView
	Kept  string // where it is archived
}

// Criterion is one of the plan's pass criteria.
type Criterion struct {
	Name  string // one of rules.Criteria, or a text for people
	State CriterionState
}

// CriterionState is where a criterion stands.
type CriterionState string

const (
	CriterionOpen   CriterionState = "open"
	CriterionMet    CriterionState = "met"
	CriterionNotMet CriterionState = "not_met"
)
