package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

// Step is a step of the way back, with its times.
type Step struct {
	Rule         string     `json:"rule"`
	Name         string     `json:"name"`
	Do           string     `json:"do"`
	By           string     `json:"by"`    // the sink, the webhook or the role that does it; empty where relgate does it itself
	State        string     `json:"state"` // planned, intended, acknowledged, done, failed, skipped, dropped, verified
	Asked        *time.Time `json:"asked"` // null: it was not
	Acknowledged *time.Time `json:"acknowledged"`
	Done         *time.Time `json:"done"`
	Answer       string     `json:"answer"`            // what the receiver read back, or what was said of it
	Told         int        `json:"told" unit:"count"` // how often others were told that no one has acknowledged it
}

// settled reports whether nothing is expected of a step any more.
func (s *Step) settled() bool {
	return s.State == "done" || s.State == "skipped" || s.State == "dropped"
}

// heard takes in what became of a step.
func heard(list []Step, e *wire.EventBody) []Step {
	f := e.Effect
	i := len(list) - 1
	for i >= 0 && (list[i].Rule != f.Rule || list[i].Name != f.Name) {
		i--
	}
	if i < 0 || e.From == "planned" && list[i].settled() {
		i, list = len(list), append(list, Step{Rule: f.Rule, Name: f.Name, Do: f.Do, By: cmp.Or(f.To, f.By)})
	}
	s := &list[i]
	switch e.To {
	case "escalated":
		s.Told++
		return list
	case "intended":
		s.Asked = e.At
	case "acknowledged":
		s.Acknowledged = e.At
	case "done":
		s.Done = e.At
	}
	if s.State = e.To; e.To != "intended" {
		s.Answer = cmp.Or(e.Kept, e.Sentence)
	}
	return list
}

// slowing are the steps that slowed the fault down of which a rule has rolled back: of all
// those before the order.
func slowing(before []Step, rule string) []Step {
	list := []Step{}
	for _, s := range before {
		if s.Rule == rule && s.State != "dropped" {
			list = append(list, s)
		}
	}
	return list
}

// ended adds to the rollback that stands what is known of users since.
func (m *maker) ended(list []Rollback) {
	e := &m.Run.Effects
	if len(list) == 0 || list[len(list)-1].Undone != nil {
		return
	}
	r := &list[len(list)-1]
	r.WayTaken, r.SafeSince, r.StoppedSince = cmp.Or(e.WayTakenAt, r.WayTaken), e.SafeSince, e.StoppedSince
	r.ToTake, r.ToSafe = elapsed(r.Ordered, r.WayTaken), elapsed(r.FaultBegan, r.SafeSince)
	for i := range r.Steps {
		if r.SafeSince != nil && r.Steps[i].State == "done" {
			r.Steps[i].State = "verified"
		}
	}
}

// wayFacts are those of the way back.
func (b *Rollback) wayFacts() [][3]string {
	var list [][3]string
	if b.WayTaken != nil {
		list = append(list, [3]string{"Way back taken", stamp(b.WayTaken) + after(b.ToTake, "after the order"), ""})
	}
	switch {
	case b.SafeSince != nil:
		list = append(list, [3]string{"Users safe since", stamp(b.SafeSince) + after(b.ToSafe, "after the fault began"), ""})
	case b.StoppedSince != nil:
		list = append(list, [3]string{"Stopped spreading since", stamp(b.StoppedSince) + ": who has the version keeps it", ""})
	case len(b.Steps) > 0 && b.Undone == nil:
		list = append(list, [3]string{"Users safe since", "not known", ""})
	}
	return list
}

// mdSteps are the steps as a table.
func (b *Rollback) mdSteps(p *page) {
	if len(b.Steps) == 0 {
		return
	}
	p.line("")
	var rows [][]string
	for _, s := range b.Steps {
		state := s.State
		if s.Told > 0 {
			state += fmt.Sprintf(", others told: %d", s.Told)
		}
		rows = append(rows, []string{md(s.Do), md(cmp.Or(s.By, "relgate")), md(state), stamp(s.Asked), stamp(s.Acknowledged), stamp(s.Done), blank(md(s.Answer))})
	}
	p.table("", []string{"Step", "By", "State", "Asked", "Acknowledged", "Done", "Answer"}, rows)
}
