package fact

import "time"

// Where a step of the way back stands, beside [Done], [Failed] and [Skipped].
const (
	Planned      = "planned"      // it is due later, if the rule still stands
	Intended     = "intended"     // it was sent to whoever does it
	Acknowledged = "acknowledged" // they have it
	Done         = "done"         // they have done it
	Dropped      = "dropped"      // it is not needed any more: the rule is good again
	Verified     = "verified"     // it was done, and the signals are good again
	Escalated    = "escalated"    // no one has acknowledged it: others are told
	Taken        = "taken"        // of the way back: every step is done, and none of them only stops the version
	Safe         = "safe"         // of the way back: the signals are good again
	Stopped      = "stopped"      // of the way back: no new user gets the version
	Unproven     = "unproven"     // of the way back: it was watched for a day, and the signals were not good
	Ready        = "ready"        // before it is needed: its receiver says that it could be done
	Missing      = "missing"      // before it is needed: it could not be done; of the way back: it was not rehearsed
	Rehearsed    = "rehearsed"    // of the way back: it was, in a drill
	Unknown      = "unknown"      // before it is needed: its receiver cannot be asked without doing it
)

// Effect is what an event asks for, or tells of.
type Effect struct {
	Rule    string `json:"rule"`
	Name    string `json:"name"`
	Do      string `json:"do"`
	To      string `json:"to,omitempty"` // sink or webhook, and whom there
	By      string `json:"by,omitempty"` // role of the person who does it
	Command string `json:"command,omitempty"`
	Link    string `json:"link,omitempty"`

	Version  string `json:"version,omitempty"`  // of a sink that acts: the version that is released, as the receiver calls it
	Previous string `json:"previous,omitempty"` // and the one before

	Share float64 `json:"share,omitempty"` // of a sink that lowers a weight: the most that the released version keeps, 0..1

	Slow   bool      `json:"slow,omitempty"`   // it comes before the rollback, and only slows the fault down
	Within string    `json:"within,omitempty"` // it is to be acknowledged: "5m0s"
	Fault  time.Time `json:"fault,omitzero"`   // when the fault began, as far as is known
}

// Effects is the way back in a [Snapshot].
type Effects struct {
	Rolled  time.Time // since when the run is rolled back; zero while it is not
	Back    time.Time // since when the way back is taken
	Ended   time.Time // since when users are safe, or it has only stopped
	Stopped bool      // something was done that cannot be undone
	Steps   []EffectView

	Proofs []ProofView // what is known of the steps before they are needed
	Drill  *Drill      // the newest that the run knows of; nil: none
	Waived time.Time   // since when a person goes on though the way back is not known to exist
}

// Waits reports whether something is still expected of a step: it is not done, and neither a
// person nor the run has given it up.
func (v *EffectView) Waits() bool {
	switch v.State {
	case Planned, Intended, Acknowledged, Failed:
		return true
	}
	return false
}

// EffectView is where a step of the way back stands.
type EffectView struct {
	Rule    string
	Name    string
	Do      string
	Slow    bool // it comes before the rollback, and only slows the fault down
	State   string
	At      time.Time // since when
	Due     time.Time // planned: when it is intended; later: when it was
	Sink    string    // that it was sent to
	Role    string    // of the person who does it
	By      string    // who acknowledged it, or said what became of it
	Kept    string    // the receiver's own name for it, or what it read back
	Told    int       // how often others were told that no one has acknowledged it
	Event   uint64    // that intended it, by its number in the run; 0 for none
	Command string
	Link    string
}
