package fact

import "time"

// Drill is a rehearsal of the way back of a plan: each step was sent to what stands in for
// its receiver in an environment where nothing is at stake.
type Drill struct {
	ID          string      `json:"id"`
	Environment string      `json:"environment"`
	At          time.Time   `json:"at"` // when it was over
	By          string      `json:"by"`
	Why         string      `json:"why,omitempty"`
	Principal   string      `json:"principal,omitempty"` // the token that proved who; empty without tokens
	Steps       []DrillStep `json:"steps"`
}

// DrillStep is what became of one step in a drill.
type DrillStep struct {
	Rule   string `json:"rule"`
	Name   string `json:"name"`
	Do     string `json:"do"`
	To     string `json:"to,omitempty"`   // the receiver that was stood in for
	Mark   string `json:"mark,omitempty"` // see rules.Effect.Mark
	OK     bool   `json:"ok"`
	Answer string `json:"answer"` // what was answered, or why the step was not rehearsed
	Took   string `json:"took,omitempty"`
}

// Whole counts the steps that were rehearsed.
func (d *Drill) Whole() (ok int) {
	for _, s := range d.Steps {
		if s.OK {
			ok++
		}
	}
	return ok
}

// ProofView is what is known of a step before it is needed.
type ProofView struct {
	Rule  string
	Name  string
	Sink  string
	State string    // Asked while it is not known, Ready, Missing, or Unknown where only a drill could tell
	Says  string    // what the receiver would do, or why it could not
	At    time.Time // when it said so; zero before
	Event uint64    // that asked, by its number in the run; 0 once it is answered
}
