package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Effect is one thing that is to happen when a rollback rule fires: a step of the way back.
type Effect struct {
	Name    string        `json:"name"`
	Do      string        `json:"do"`                // what is to be done: DoHold, DoRollBack, what a sink can do, or words for whoever does it
	To      Address       `json:"to,omitzero"`       // the sink or webhook that it is sent to
	By      string        `json:"by,omitempty"`      // the role of the person who does it
	After   time.Duration `json:"after,omitempty"`   // how long after the effect before it, and only if the rule still stands
	Ack     time.Duration `json:"ack,omitempty"`     // it is to be acknowledged within
	Command string        `json:"command,omitempty"` // the command that was rehearsed
	Link    string        `json:"link,omitempty"`    // where it is described

	Version  string `json:"version,omitempty"`  // of a sink that acts: the version that is released, as the receiver calls it
	Previous string `json:"previous,omitempty"` // and the one before

	Share float64 `json:"share,omitempty"` // of the requests, 0..1, that the released version keeps; of DoWeigh alone

	// Mark is what is done where, with the placeholders of the command and of the versions:
	// what a drill has rehearsed for another version. Empty where the plan asks for no drill.
	Mark string `json:"mark,omitempty"`
}

// What an effect may be that relgate does itself.
const (
	DoHold     = "hold"      // the run is held: nothing passes
	DoRollBack = "roll back" // the run is rolled back; what stands before it only slows the fault down
)

// What an effect may be at the sinks that can act.
const (
	DoRevert = "revert" // a Lambda alias: all requests go to the version before
	DoWeigh  = "weigh"  // a Lambda alias: the released version keeps at most a share of the requests
	DoPause  = "pause"  // a phased release: no new user gets the version
)

// DefaultAck is how long an effect may go unacknowledged before others are told.
const DefaultAck = 5 * time.Minute

// Own reports whether relgate does it itself, without telling anyone.
func (e *Effect) Own() bool { return e.Do == DoHold || e.Do == DoRollBack }

// Confirmed reports whether the sink that it is sent to does it itself and reads back what it
// has done, so that its answer says that it is done.
func (e *Effect) Confirmed() bool { return slices.Contains([]string{DoRevert, DoWeigh, DoPause}, e.Do) }

// What tells steps apart by what they do and where: two that have it in common are one.
func (e *Effect) What() string {
	return strings.Join([]string{e.Do, e.To.String(), e.Version, e.Previous, e.Command, Percent.Short(e.Share)}, "\n")
}

// Rung is the place of the effect that rolls the run back; -1 where that happens at once.
func (r *Rule) Rung() int {
	return slices.IndexFunc(r.Effects, func(e Effect) bool { return e.Do == DoRollBack })
}

// Slow is how long a rule that fires only slows the fault down before it rolls back; zero
// where it rolls back at once.
func (r *Rule) Slow() time.Duration {
	var sum time.Duration
	for i := range r.Rung() + 1 {
		sum += r.Effects[i].After
	}
	return sum
}

func effects(specs []EffectSpec) (list []Effect) {
	for _, s := range specs {
		e := Effect{
			Name: s.Name, Do: s.Do, To: ParseAddress(s.To), By: s.By, After: or(s.After, 0), Ack: or(s.Ack, DefaultAck), Command: s.Command, Link: s.Link,
			Version: s.Version, Previous: s.Previous, Share: value(s.Share).Value,
		}
		if e.Confirmed() {
			e.Version = cmp.Or(e.Version, "{version}")
		}
		if e.Do == DoRevert || e.Do == DoWeigh {
			e.Previous = cmp.Or(e.Previous, "{previous}")
		}
		list = append(list, e)
	}
	return list
}

func (c *compiler) lintEffects(at Checker, specs []EffectSpec) {
	rolls := ""
	for _, s := range specs {
		at := at.At("effects", s.Name)
		at.Name(s.Name)
		at.Required("do", s.Do == "", `"revert"`)
		at.Span("after", s.After, 0, 7*24*time.Hour)
		at.Span("ack", s.Ack, time.Minute, 24*time.Hour)
		own, acts := s.Do == DoHold || s.Do == DoRollBack, (&Effect{Do: s.Do}).Confirmed()
		at.Excess("version", s.Version != "" && !acts, "only a sink that acts needs it")
		at.Excess("previous", s.Previous != "" && s.Do != DoRevert && s.Do != DoWeigh, "only what gives requests to the version before needs it")
		at.Required("share", s.Share == nil && s.Do == DoWeigh, `"5 %"`)
		at.Excess("share", s.Share != nil && s.Do != DoWeigh, "only what weighs needs it")
		if s.Share != nil && (s.Share.Value <= 0 || s.Share.Value >= 1) {
			at.At("share").Fail("out-of-range", `write do = "revert" to leave the version nothing`, "%s: want more than 0 %% and less than 100 %%", Percent.Short(s.Share.Value))
		}
		switch {
		case own:
			for key, text := range map[string]string{"to": s.To, "by": s.By, "command": s.Command} {
				at.Excess(key, text != "", "relgate does it itself")
			}
		case s.To == "" && s.By == "":
			at.Fail("no-receiver", `write to = "NAME of a sink or webhook", or by = "ROLE"`, "it reaches no one")
		case s.To != "" && s.By != "":
			at.At("by").Fail("conflict", "keep one of them", "to is given as well")
		}
		if s.By != "" {
			c.lintDoer(at.At("by"), s.By)
		}
		switch {
		case s.Do == DoRollBack && rolls != "":
			at.At("do").Fail("duplicate", "keep one", "effect %q rolls back already", rolls)
		case s.Do == DoRollBack:
			rolls = s.Name
			if s.After == nil && s.Name == specs[0].Name {
				at.At("do").Note("rolls-back-at-once", "leave it out, or write what comes before it", "a rollback rule rolls back at once where nothing says otherwise")
			}
		case s.Do == DoWeigh && (rolls != "" || !hasRung(specs)):
			at.At("do").Fail("order", `write do = "revert", or move it before a step that rolls back`, "the run is rolled back by then, and the version is to get no requests at all")
		case s.Do == DoHold && rolls != "":
			at.At("do").Fail("order", "move it before "+rolls, "the run is rolled back by then: there is nothing to hold")
		}
	}
	if rolls != "" {
		c.lintLadder(at.At("effects", rolls), specs, rolls)
	}
}

// hasRung reports whether one of the steps rolls the run back.
func hasRung(specs []EffectSpec) bool {
	return slices.ContainsFunc(specs, func(s EffectSpec) bool { return s.Do == DoRollBack })
}

// lintLadder warns of what only slows and takes no time.
func (c *compiler) lintLadder(at Checker, specs []EffectSpec, rolls string) {
	var before time.Duration
	for _, s := range specs {
		before += or(s.After, 0)
		if s.Name == rolls {
			break
		}
	}
	if before == 0 && specs[0].Name != rolls {
		at.Warn("no-time", `write after = "10m"`, "it is due at once: what stands before it has no time to help")
	}
}

// lintDoer checks that the person who does something can be reached.
func (c *compiler) lintDoer(at Checker, role string) {
	var names []string
	for _, p := range c.spec.People {
		if names = append(names, p.Name); p.Name == role && cmp.Or(p.Slack, p.Email, p.Tell, p.Page) == "" {
			at.Fail("no-receiver", `write page = "NAME of a sink" for the role in [people]`, "relgate cannot reach %q", role)
		}
	}
	at.OneOf("unknown-role", "role of [people]", role, names)
}

// String is an effect in a line.
func (e *Effect) String() string {
	said := e.Do
	if to := e.To.String(); to != "" {
		said += " at " + to
	}
	if e.By != "" {
		said += " by " + e.By
	}
	if e.After > 0 {
		said += " after " + Duration{e.After}.String()
	}
	if e.Ack != DefaultAck && !e.Own() {
		said += ", acknowledged within " + Duration{e.Ack}.String()
	}
	if e.Share > 0 {
		said += ", " + Percent.Short(e.Share)
	}
	if e.Version != "" {
		said += ", of " + e.Version
	}
	if e.Previous != "" {
		said += " to " + e.Previous
	}
	for _, text := range []string{e.Command, e.Link} {
		if text != "" {
			said += ", " + text
		}
	}
	return said
}
