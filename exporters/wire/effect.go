package wire

import (
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/rules"
)

// Effect is the step of the way back that an event asks for, or tells of.
type Effect struct {
	Rule          string     `json:"rule"` // that fires; empty where the event is of the whole way back
	Name          string     `json:"name"`
	Do            string     `json:"do"` // revert, pause, hold, roll back, or words for whoever does it
	To            string     `json:"to"` // sink or webhook, and whom there
	By            string     `json:"by"` // role of the person who does it
	Command       string     `json:"command"`
	Link          string     `json:"link"`
	Slow          bool       `json:"slow"`          // it comes before the rollback, and only slows the fault down
	WithinSeconds *float64   `json:"withinSeconds"` // it is to be acknowledged; null where it need not be
	FaultAt       *time.Time `json:"faultAt"`       // when the fault began, as far as is known
	Version       string     `json:"version"`       // of revert and pause: the version that is released, as the receiver calls it
	Previous      string     `json:"previous"`      // of revert: the one before
	SharePercent  *float64   `json:"sharePercent"`  // of weigh: the most that the released version keeps of the requests; null otherwise
	Drill         string     `json:"drill"`         // environment of the drill that this is a step of; empty where it is meant
}

// Effects is the way back of a run.
type Effects struct {
	RolledBackAt *time.Time   `json:"rolledBackAt"` // since when the run is rolled back
	WayTakenAt   *time.Time   `json:"wayTakenAt"`   // since when every step is done
	SafeSince    *time.Time   `json:"safeSince"`    // since when the signals are good again: users are safe
	StoppedSince *time.Time   `json:"stoppedSince"` // since when it spreads no further, where a step cannot give users the old version back
	Steps        []EffectLine `json:"steps"`        // what was asked for, in order
	Proofs       []ProofLine  `json:"proofs"`       // what is known of the steps before they are needed
	Drill        *Drill       `json:"drill"`        // the newest rehearsal that the run knows of
	WaivedAt     *time.Time   `json:"waivedAt"`     // since when a person goes on though the way back is not known to exist
}

// EffectLine is where a step of the way back stands.
type EffectLine struct {
	Rule    string     `json:"rule"`
	Name    string     `json:"name"`
	Do      string     `json:"do"`
	Slow    bool       `json:"slow"`              // it comes before the rollback, and only slows the fault down
	State   string     `json:"state"`             // planned, intended, acknowledged, done, failed, skipped, dropped, verified
	At      *time.Time `json:"at"`                // since when
	Due     *time.Time `json:"due"`               // planned: when it is asked for; later: when it was
	Sink    string     `json:"sink"`              // that it was sent to
	Role    string     `json:"role"`              // of the person who does it
	By      string     `json:"by"`                // who acknowledged it, or said what became of it
	Kept    string     `json:"kept"`              // the receiver's own name for it, or what it read back
	Told    int        `json:"told" unit:"count"` // how often others were told that no one has acknowledged it
	Command string     `json:"command"`
	Link    string     `json:"link"`
}

func effectOf(e *fact.Effect) *Effect {
	if e == nil {
		return nil
	}
	out := &Effect{Rule: e.Rule, Name: e.Name, Do: e.Do, To: e.To, By: e.By, Command: e.Command, Link: e.Link, Slow: e.Slow, FaultAt: at(e.Fault), Version: e.Version, Previous: e.Previous}
	if e.Share > 0 {
		out.SharePercent = new(100 * e.Share)
	}
	if within, err := time.ParseDuration(e.Within); err == nil {
		out.WithinSeconds = new(within.Seconds())
	}
	return out
}

// Share is the part of the requests, 0 to 1, that the released version keeps at most; 0 where
// the step does not say.
func (e *Effect) Share() float64 {
	if e.SharePercent == nil {
		return 0
	}
	return *e.SharePercent / 100
}

// EffectsOf is where the way back of a run stands.
func EffectsOf(s *fact.Snapshot) Effects {
	from := &s.Effects
	out := Effects{RolledBackAt: at(from.Rolled), WayTakenAt: at(from.Back), Steps: []EffectLine{}, Proofs: proofs(from.Proofs), WaivedAt: at(from.Waived)}
	if from.Drill != nil {
		out.Drill = new(DrillOf(s.Plan, from.Drill))
	}
	if from.Stopped {
		out.StoppedSince = at(from.Ended)
	} else {
		out.SafeSince = at(from.Ended)
	}
	for i := range from.Steps {
		v := &from.Steps[i]
		out.Steps = append(out.Steps, EffectLine{
			Rule: v.Rule, Name: v.Name, Do: v.Do, Slow: v.Slow, State: v.State, At: at(v.At), Due: at(v.Due), Sink: v.Sink, Role: v.Role, By: v.By,
			Kept: v.Kept, Told: v.Told, Command: v.Command, Link: v.Link,
		})
	}
	return out
}

// effectTarget is whom a sink reaches with an event of the way back: whom the step names
// there, the role that does it where it is asked, and those who are told of it otherwise.
func effectTarget(plan *rules.Plan, e *fact.Event, sink string) string {
	var f fact.Effect
	if e.Effect != nil {
		f = *e.Effect
	}
	if to := rules.ParseAddress(f.To); e.To == fact.Intended && to.Sink == sink {
		return to.Target
	}
	roles := []string{f.By}
	if e.To != fact.Intended {
		for i := range plan.Rules {
			if r := &plan.Rules[i]; r.Kind == rules.RollbackRule && r.Name == f.Rule {
				roles = append([]string{r.Owner, plan.Manager}, roles...)
			}
		}
		if f.Rule == "" {
			roles = []string{plan.Manager}
		}
	}
	var targets []string
	for _, name := range roles {
		if r := plan.Role(name); r != nil {
			if a := people.Address(r, e); a.Sink == sink && a.Target != "" {
				targets = append(targets, a.Target)
			}
		}
	}
	return together(targets)
}
