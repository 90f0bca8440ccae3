package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

// Rollback is a rollback of the run, with its times.
type Rollback struct {
	Rule         string     `json:"rule"`       // that ordered it; empty where a person did
	Alarm        string     `json:"alarm"`      // signal of the alarm that fired the rule; empty where its own numbers did
	By           string     `json:"by"`         // the person who ordered it; empty where a rule did
	FaultBegan   *time.Time `json:"faultBegan"` // an estimate: the start of the stretch that the rule judged, or since when its alarm was on; null where a person ordered it
	Found        *time.Time `json:"found"`      // the rule's first warning, hold or breach that led to it; null where a person ordered it
	Ordered      *time.Time `json:"ordered"`
	Acknowledged *time.Time `json:"acknowledged"` // when it was reported as carried out; null: it was not
	AckBy        string     `json:"acknowledgedBy"`
	Undone       *time.Time `json:"undone"` // a person let the run go on; null: it did not
	Text         string     `json:"text"`
	Action       string     `json:"action"`
	Command      string     `json:"command"`
	Owner        string     `json:"owner"`
	ToFind       *float64   `json:"toFindSeconds"`        // from FaultBegan to Found
	ToOrder      *float64   `json:"toOrderSeconds"`       // from FaultBegan to Ordered
	ToAck        *float64   `json:"toAcknowledgeSeconds"` // from Ordered to Acknowledged

	WayTaken     *time.Time `json:"wayTaken"`      // every step of the way back was done; null: not all are
	SafeSince    *time.Time `json:"safeSince"`     // the signals are good again, so users are safe; null: that is not known
	StoppedSince *time.Time `json:"stoppedSince"`  // it spreads no further, and who has the version keeps it
	ToTake       *float64   `json:"toTakeSeconds"` // from Ordered to WayTaken
	ToSafe       *float64   `json:"toSafeSeconds"` // from FaultBegan to SafeSince
	Steps        []Step     `json:"steps"`         // of the way back, and before them what slowed the fault down
}

// Rollbacks are those of a run with these events, in order, each with its own times.
func Rollbacks(events []wire.EventBody) []Rollback {
	return newMaker(&Source{Run: wire.RunBody{Events: events}}).rollbacks()
}

// foreseen reports whether an event says of a step what is known before it is needed.
func foreseen(e *wire.EventBody) bool { return e.To == "asked" || e.From == "asked" }

// rollbacks are all of the run, also one that a person undid.
func (m *maker) rollbacks() []Rollback {
	list, before := []Rollback{}, []Step{}
	for i := range m.events {
		e := &m.events[i]
		if e.Kind == "effect" && e.Effect != nil && e.Effect.Rule != "" && !foreseen(e) {
			if n := len(list); n > 0 && list[n-1].Undone == nil {
				list[n-1].Steps = heard(list[n-1].Steps, e)
			} else {
				before = heard(before, e)
			}
			continue
		}
		if n := len(list); e.Kind == "effect" && (e.To == "taken" || e.To == "stopped") && n > 0 {
			list[n-1].WayTaken = cmp.Or(list[n-1].WayTaken, e.At)
		}
		if e.Kind != "run" {
			if n := len(list); n > 0 && e.Kind == "command" && e.Subject == "rollback_done" && e.To == "applied" && list[n-1].Acknowledged == nil {
				r := &list[n-1]
				r.Acknowledged, r.AckBy, r.ToAck = e.At, e.By, elapsed(r.Ordered, e.At)
			}
			continue
		}
		switch {
		case e.To == "rolled_back" && e.From != "rolled_back":
			r := m.rollback(i)
			r.Steps, before = slowing(before, r.Rule), nil
			list = append(list, r)
		case e.From == "rolled_back" && len(list) > 0:
			list[len(list)-1].Undone = e.At
		}
	}
	m.ended(list)
	return list
}

// rollback is the one that the i-th event orders.
func (m *maker) rollback(i int) Rollback {
	e := &m.events[i]
	r := Rollback{Ordered: e.At, Text: e.Sentence, Action: e.Action, Command: e.Command, Owner: e.Owner}
	root := m.byID[e.Because]
	switch {
	case root == nil:
		return r
	case root.Kind == "command":
		r.By = root.By
		return r
	case root.Kind != "rule":
		return r
	}
	r.Rule, r.Action, r.Command = root.Subject, cmp.Or(r.Action, root.Action), cmp.Or(r.Command, root.Command)
	if root.Evidence != nil {
		r.FaultBegan = root.Evidence.Window.Start
		if a := root.Evidence.Alarm; a != nil && a.Fired {
			r.Alarm, r.FaultBegan = a.Signal, a.Since
		}
	}
	for k := range m.events[:i] {
		x := &m.events[k]
		if x.Kind != "rule" || x.Subject != root.Subject {
			continue
		}
		switch x.To {
		case "clear", "idle", "silent":
			r.Found = nil // what was before it has ended
		case "warning", "holding", "breaching", "fired":
			if r.Found == nil {
				r.Found = x.At
			}
		}
	}
	r.ToFind, r.ToOrder = elapsed(r.FaultBegan, r.Found), elapsed(r.FaultBegan, r.Ordered)
	return r
}

// elapsed is the seconds from one time to another; null where one is not known.
func elapsed(from, to *time.Time) *float64 {
	if from == nil || to == nil {
		return nil
	}
	return new(to.Sub(*from).Seconds())
}

// Shadow is what a rule in shadow would have done.
type Shadow struct {
	Rule      string   `json:"rule"`
	Title     string   `json:"title"`
	Kind      string   `json:"kind"` // success, rollback
	WouldHave int      `json:"wouldHave" unit:"count"`
	Text      string   `json:"text"`
	Moments   []Moment `json:"moments"`
}

func (m *maker) shadow() []Shadow {
	list := []Shadow{}
	for i := range m.Plan.Rules {
		p := &m.Plan.Rules[i]
		if !p.Shadow {
			continue
		}
		s := Shadow{Rule: p.Name, Title: p.Title, Kind: p.Kind.String(), Moments: []Moment{}}
		if rule := m.ruleOf(p.Name, p.Kind.String()); rule != nil {
			s.WouldHave, s.Text = rule.WouldHave, rule.Reason
		}
		for k := range m.events {
			e := &m.events[k]
			if e.Kind == "rule" && e.Subject == p.Name && (e.To == "would_fire" || e.To == "would_hold" || e.To == "fail") && m.sameKind(e, p.Kind.String()) {
				s.Moments = append(s.Moments, m.moment(e))
			}
		}
		list = append(list, s)
	}
	return list
}

// sameKind tells the event of a success rule from that of a rollback rule: only the
// former's states are verdicts.
func (m *maker) sameKind(e *wire.EventBody, kind string) bool {
	return (e.To == "fail") == (kind == "success")
}

// ruleOf is where a rule stands: of a success rule in the last phase that names it.
func (m *maker) ruleOf(name, kind string) (found *wire.Rule) {
	for k := range m.Run.Rollback {
		if r := &m.Run.Rollback[k]; r.ID == name && r.Kind == kind {
			return r
		}
	}
	for k := range m.Run.Phases {
		for i := range m.Run.Phases[k].Rules {
			if r := &m.Run.Phases[k].Rules[i]; r.ID == name && r.Kind == kind {
				found = r
			}
		}
	}
	return found
}

// Compared is what check says of a rule in a phase, by the plan as the run began, beside what
// came.
type Compared struct {
	Phase           string   `json:"phase"`
	Rule            string   `json:"rule"`
	Kind            string   `json:"kind"`                         // success, rollback
	Said            string   `json:"said"`                         // in check's own words
	ForecastMinutes *float64 `json:"forecastMinutes" unit:"count"` // to the proof, or to find a fault at the trigger; null where none was given
	RealMinutes     *float64 `json:"realMinutes" unit:"count"`     // from the phase's start to the rule's verdict, or from the fault to the order; null where it did not come to that
	ForecastSamples *float64 `json:"forecastSamples" unit:"count"` // in the phase's window
	RealSamples     *float64 `json:"realSamples" unit:"count"`     // that the verdict rests on
	Real            string   `json:"real"`
}

func (m *maker) forecasts() []Compared {
	list := []Compared{}
	for i := range m.Forecast {
		f := &m.Forecast[i]
		c := Compared{Phase: f.Phase, Rule: f.Rule, Kind: f.Kind.String(), Said: f.Said}
		if f.Minutes > 0 {
			c.ForecastMinutes = new(f.Minutes)
		}
		if f.Samples > 0 {
			c.ForecastSamples = new(f.Samples)
		}
		if c.Kind == "success" {
			m.realVerdict(&c)
		} else {
			m.realFiring(&c)
		}
		list = append(list, c)
	}
	return list
}

// realVerdict is when a success rule came to its verdict in a phase.
func (m *maker) realVerdict(c *Compared) {
	c.Real = "not decided"
	for k := range m.Run.Phases {
		p := &m.Run.Phases[k]
		if p.Phase != c.Phase {
			continue
		}
		if p.Window.Start == nil {
			c.Real = "the phase has not begun"
		}
		for i := range m.events {
			e := &m.events[i]
			if e.Kind != "rule" || e.Subject != c.Rule || e.Phase != c.Phase || e.To != "pass" && e.To != "fail" {
				continue
			}
			c.Real = e.To
			if seconds := elapsed(p.Window.Start, e.At); seconds != nil {
				c.RealMinutes = new(*seconds / 60)
			}
			if e.Evidence != nil {
				c.RealSamples = e.Evidence.Samples
			}
		}
	}
}

// realFiring is whether a rollback rule fired in a phase, and how long after the fault
// began.
func (m *maker) realFiring(c *Compared) {
	c.Real = "did not fire"
	for i := range m.events {
		e := &m.events[i]
		if e.Kind != "rule" || e.Subject != c.Rule || e.Phase != c.Phase || e.To != "fired" && e.To != "would_fire" {
			continue
		}
		c.Real = spoken(e.To)
		if e.Evidence == nil {
			continue
		}
		c.RealSamples = e.Evidence.Samples
		if seconds := elapsed(e.Evidence.Window.Start, e.At); seconds != nil {
			c.RealMinutes = new(*seconds / 60)
			c.Real = fmt.Sprintf("%s at %s", spoken(e.To), stamp(e.At))
		}
	}
}
