package rules

import "time"

// Rehearsal says how the way back is known to exist before it is needed.
type Rehearsal struct {
	Date        string `json:"date,omitempty"` // a note, as the plan's author wrote it: it proves nothing
	Environment string `json:"environment,omitempty"`
	Note        string `json:"note,omitempty"`

	MaxAge   time.Duration `json:"max_age,omitempty"`  // a drill of the steps must be no older when a phase begins; zero: none is asked for
	Obstacle bool          `json:"obstacle,omitempty"` // no phase begins while the way back is not known to exist; else it is only told
}

// What follows where the way back is not known to exist.
const (
	unprovenObstacle = "obstacle"
	unprovenWarning  = "warning"
)

// Sent reports whether a step goes to a sink or a webhook, which can be asked about it before
// it is needed.
func (e *Effect) Sent() bool { return !e.Own() && e.To.Sink != "" }

func (c *compiler) rehearsal() {
	s := c.spec.Rehearsal
	r := Rehearsal{Date: s.Date.Text, Environment: s.Environment, Note: s.Note, MaxAge: or(s.MaxAge, 0)}
	r.Obstacle = s.Unproven == unprovenObstacle || s.Unproven == "" && r.MaxAge > 0
	c.plan.Rehearsal = r
	if r.MaxAge == 0 {
		return
	}
	for i := range c.plan.Rules {
		for k := range c.plan.Rules[i].Effects {
			e := &c.plan.Rules[i].Effects[k]
			e.Mark = e.Do + " | " + e.To.String() + " | " + e.Command
			if e.Version != "" { // of a sink that acts the versions are what a command is to others
				e.Mark += " | " + e.Version + " | " + e.Previous
			}
			if e.Share > 0 {
				e.Mark += " | " + Percent.Short(e.Share)
			}
		}
	}
}

func (c *compiler) lintRehearsal(at Checker) {
	s := c.spec.Rehearsal
	at.Span("max_age", s.MaxAge, time.Hour, year)
	if s.Unproven != "" {
		at.At("unproven").OneOf("bad-value", "value of unproven", s.Unproven, []string{unprovenObstacle, unprovenWarning})
	}
	if s.MaxAge == nil && s.Unproven == "" {
		return
	}
	for i := range c.plan.Rules {
		for k := range c.plan.Rules[i].Effects {
			if c.plan.Rules[i].Effects[k].Sent() {
				return
			}
		}
	}
	at.Warn("nothing-to-rehearse", `write the way back as [rollback.NAME.effects], with to = "NAME of a sink or webhook"`, "no rollback rule sends a step to a sink or webhook: nothing can be rehearsed or proven")
}
