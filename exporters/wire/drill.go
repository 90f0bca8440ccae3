package wire

import (
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// ProofLine is what is known of a step of the way back before it is needed.
type ProofLine struct {
	Rule  string     `json:"rule"`
	Name  string     `json:"name"`
	Sink  string     `json:"sink"`  // that was asked
	State string     `json:"state"` // asked, ready, missing, unknown
	Says  string     `json:"says"`  // what it would do, or why it could not
	At    *time.Time `json:"at"`    // when it said so
}

// Drill is a rehearsal of the way back of a plan.
type Drill struct {
	ID          string      `json:"id"`
	Plan        string      `json:"plan"`
	Environment string      `json:"environment"`
	At          *time.Time  `json:"at"` // when it was over
	By          string      `json:"by"`
	Why         string      `json:"why"`
	Principal   string      `json:"principal"` // name of the token that proved who; empty without tokens
	Steps       []DrillStep `json:"steps"`
}

// DrillStep is what became of one step in a drill.
type DrillStep struct {
	Rule        string   `json:"rule"`
	Name        string   `json:"name"`
	Do          string   `json:"do"`
	To          string   `json:"to"` // the receiver that was stood in for
	OK          bool     `json:"ok"`
	Answer      string   `json:"answer"`      // what was answered, or why it was not rehearsed
	TookSeconds *float64 `json:"tookSeconds"` // null where nothing was sent
}

func proofs(list []fact.ProofView) []ProofLine {
	out := []ProofLine{}
	for i := range list {
		p := &list[i]
		out = append(out, ProofLine{Rule: p.Rule, Name: p.Name, Sink: p.Sink, State: p.State, Says: p.Says, At: at(p.At)})
	}
	return out
}

// DrillOf is a drill of a plan as it leaves the house.
func DrillOf(plan string, d *fact.Drill) Drill {
	out := Drill{ID: d.ID, Plan: plan, Environment: d.Environment, At: at(d.At), By: d.By, Why: d.Why, Principal: d.Principal, Steps: []DrillStep{}}
	for _, s := range d.Steps {
		step := DrillStep{Rule: s.Rule, Name: s.Name, Do: s.Do, To: s.To, OK: s.OK, Answer: s.Answer}
		if took, err := time.ParseDuration(s.Took); err == nil {
			step.TookSeconds = new(took.Seconds())
		}
		out.Steps = append(out.Steps, step)
	}
	return out
}
