package report

import (
	"fmt"
	"strings"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Status is how a criterion or a metric stands. Its zero value is the safe one.
type Status string

const (
	Open   Status = "open"    // it may still come to something, or only people can say
	Met    Status = "met"     //
	NotMet Status = "not_met" // breached, or over without having been shown
)

// Criterion is one of the plan's pass criteria.
type Criterion struct {
	Name   string `json:"name"` // its code, or the plan's own words
	Text   string `json:"text"`
	Status Status `json:"status"`
	Reason string `json:"reason"`
}

// criteria are judged by the core. The report knows more of some, and says what speaks
// against one: it is never better than either.
func (m *maker) criteria(r *Report) []Criterion {
	list := []Criterion{}
	for _, c := range m.Run.People.Criteria {
		status, reason := m.criterion(r, c.Name)
		core := Status(c.State)
		if core != Met && core != NotMet {
			core = Open
		}
		if core == NotMet || status == Met {
			status = core
		}
		list = append(list, Criterion{Name: c.Name, Text: c.Text, Status: status, Reason: reason})
	}
	return list
}

// criterion is what the report finds of a criterion. A text of the plan's own is judged by
// those who sign the review.
func (m *maker) criterion(r *Report, name string) (Status, string) {
	switch name {
	case rules.CriterionPhases:
		status, reason := m.phasesPassed(r)
		within, more := m.metricsWithin(r)
		if within == NotMet || status == Met {
			status = within
		}
		return status, reason + "; " + more
	case rules.CriterionRollback:
		switch {
		case len(r.Rollbacks) > 0:
			return NotMet, "a rollback was ordered at " + stamp(r.Rollbacks[0].Ordered)
		case !r.Over:
			return Open, "no rollback so far, and the run is not over"
		}
		return Met, "no rollback was ordered"
	case rules.CriterionSigned:
		return m.allSigned()
	case rules.CriterionMessages:
		return Met, notSent(r)
	case rules.CriterionReview:
		switch {
		case r.Review.Archived != nil:
			return Met, "the review was archived at " + stamp(r.Review.Archived.At)
		case r.Review.Completed != nil && m.Plan.Review.Archive == "":
			return Met, "the review was signed at " + stamp(r.Review.Completed.At) + "; the plan names no archive"
		case r.Review.Completed != nil && m.Archive != "":
			return Open, "copy for the archive " + m.Archive + ", before its answer"
		case r.Review.Completed != nil:
			return Open, "the review is signed and not archived" + m.archiveSays()
		}
		return Open, "the review is not signed"
	}
	if r.Review.Completed == nil {
		return Open, "people decide it when they sign the review"
	}
	return Met, "those who signed the review say so"
}

// archiveSays is why the archive of the plan does not have the review; empty where it has not
// said so.
func (m *maker) archiveSays() string {
	for i := range m.Deliveries {
		d := &m.Deliveries[i]
		switch n := len(d.GivenUp); {
		case d.Endpoint != m.Plan.Review.Archive:
		case d.LastError != "":
			return ": " + d.LastError
		case n > 0:
			return ": " + d.GivenUp[n-1].Reason
		}
	}
	return ""
}

func (m *maker) allSigned() (Status, string) {
	var missing []string
	for _, a := range m.Run.People.Approvals {
		switch {
		case a.Waived:
			return NotMet, "a person went on without signatures for " + a.Allows
		case !a.Given && a.Allows != rules.ApprovesOverride:
			missing = append(missing, fmt.Sprintf("%s: %d of %d, missing %s", a.Allows, a.Have, a.Need, strings.Join(a.Missing, ", ")))
		}
	}
	switch {
	case len(m.Run.People.Approvals) == 0:
		return Met, "the plan asks for no signature"
	case len(missing) > 0:
		return Open, strings.Join(missing, "; ")
	}
	return Met, "every signature is there"
}

// notSent lists the messages that were not sent. Which of them count the core says: one
// may have been skipped as planned.
func notSent(r *Report) string {
	var list []string
	for _, x := range r.Messages {
		if x.State != "sent" {
			list = append(list, x.Name+" "+x.State)
		}
	}
	if len(list) == 0 {
		return "every message was sent"
	}
	return strings.Join(list, ", ")
}

func (m *maker) phasesPassed(r *Report) (Status, string) {
	var not, open, by []string
	for _, p := range r.Phases {
		switch {
		case p.State == "passed" && p.OverriddenBy != "":
			by = append(by, fmt.Sprintf("%s by an override of %s", p.Phase, p.OverriddenBy))
		case p.State == "passed":
		case decided(p.State), r.Over, decided(r.State):
			not = append(not, p.Phase+" "+spoken(p.State))
		default:
			open = append(open, p.Phase+" "+spoken(p.State))
		}
	}
	switch {
	case len(r.Phases) == 0:
		return Open, "the plan has no phases"
	case len(not) > 0:
		return NotMet, "phases: " + strings.Join(append(not, open...), ", ")
	case len(open) > 0:
		return Open, "phases: " + strings.Join(open, ", ")
	case len(by) > 0:
		return Met, "all phases have passed, " + strings.Join(by, ", ")
	}
	return Met, "all phases have passed"
}

// metricsWithin looks at the rules that the plan requires. One that may only veto does not
// have to be shown, and one in shadow or for advice decides nothing.
func (m *maker) metricsWithin(r *Report) (Status, string) {
	var breached, unknown, open, spared []string
	n := 0
	for _, x := range r.Metrics {
		for _, p := range x.Phases {
			said := x.Metric + " in " + p.Phase
			switch {
			case x.Decides == "no":
				continue
			case p.Status == Met:
			case p.Status == NotMet && p.Result == "fail":
				breached = append(breached, said)
			case x.Decides == "veto":
				spared = append(spared, said)
			case p.Status == NotMet:
				unknown = append(unknown, said)
			default:
				open = append(open, said)
			}
			n++
		}
	}
	switch {
	case n == 0:
		return Open, "the plan requires no metric"
	case len(breached) > 0:
		return NotMet, "breached: " + strings.Join(breached, ", ")
	case len(unknown) > 0:
		return NotMet, "not shown: " + strings.Join(unknown, ", ")
	case len(open) > 0:
		return Open, "not decided: " + strings.Join(open, ", ")
	case len(spared) > 0:
		return Met, "every required metric met its target; not judged, and only able to veto: " + strings.Join(spared, ", ")
	}
	return Met, "every required metric met its target"
}

// Metric is one success metric of the plan, over the phases that name it.
type Metric struct {
	Metric  string        `json:"metric"` // name of the rule
	Title   string        `json:"title"`
	Owner   string        `json:"owner"`
	Target  string        `json:"target"`  // "< 1 %"
	Decides string        `json:"decides"` // required; veto: it can only fail a phase; no: it is shown and decides nothing
	Status  Status        `json:"status"`
	Phases  []MetricPhase `json:"phases"`
}

// MetricPhase is a metric in one phase.
type MetricPhase struct {
	Phase   string   `json:"phase"`
	Status  Status   `json:"status"`
	Result  string   `json:"result"` // as the gate has it: pass, fail, pending, no_data …
	Value   *float64 `json:"value" unit:"beside"`
	Target  *float64 `json:"target" unit:"beside"`
	Unit    string   `json:"unit"`
	Samples *float64 `json:"samples" unit:"count"`
	Shown   string   `json:"shown"`  // the value as people read it
	Counted string   `json:"counts"` // what it rests on: "12 of 14,904"
	Text    string   `json:"text"`
}

func (m *maker) metrics() []Metric {
	list := []Metric{}
	at := map[string]int{} // :: rule → index in list
	for k := range m.Run.Phases {
		p := &m.Run.Phases[k]
		for i := range p.Rules {
			rule := &p.Rules[i]
			if rule.Kind != "success" {
				continue
			}
			j, known := at[rule.ID]
			if !known {
				j = len(list)
				at[rule.ID] = j
				list = append(list, Metric{
					Metric: rule.ID, Title: rule.Title, Owner: rule.Owner, Target: rule.Condition(), Decides: m.decides(rule), Status: Met, Phases: []MetricPhase{},
				})
			}
			x := &list[j]
			got := m.metricPhase(p, rule)
			x.Phases = append(x.Phases, got)
			if got.Status == NotMet || x.Status == Met {
				x.Status = got.Status
			}
		}
	}
	return list
}

func (m *maker) metricPhase(p *wire.Body, rule *wire.Rule) MetricPhase {
	got := MetricPhase{
		Phase: p.Phase, Status: Open, Result: rule.Result, Value: rule.Value, Target: rule.Threshold, Unit: rule.Unit, Samples: rule.Samples,
		Shown: rule.Measured(), Counted: rule.Counts(), Text: rule.Reason,
	}
	if q := rule.Quantile; q != nil {
		got.Value, got.Target, got.Unit = q.Value, q.Threshold, q.Unit
	}
	if p.Window.Start == nil {
		got.Text = "The phase has not begun."
	}
	switch {
	case rule.Result == "pass" && decided(p.State):
		got.Status = Met
	case rule.Result == "pass":
		got.Status = Open // its phase is not decided: it may still change
	case rule.Result == "fail", decided(p.State), m.Run.Run.Over:
		got.Status = NotMet
	}
	return got
}

// decides says what a success rule may do to a phase.
func (m *maker) decides(rule *wire.Rule) string {
	for i := range m.Plan.Rules {
		p := &m.Plan.Rules[i]
		if p.Name != rule.ID || p.Kind.String() != rule.Kind {
			continue
		}
		switch {
		case p.Shadow || p.Gate.String() == "advisory":
			return "no"
		case p.Gate.String() == "veto":
			return "veto"
		}
	}
	return "required"
}

// Trigger is a rollback trigger of the plan.
type Trigger struct {
	Trigger  string   `json:"trigger"` // name of the rule
	Title    string   `json:"title"`
	Owner    string   `json:"owner"`
	When     string   `json:"when"`  // "> 3 %"
	State    string   `json:"state"` // not_triggered, triggered, warning, holding …
	Fired    bool     `json:"fired"`
	Shadow   bool     `json:"shadow"`
	Value    *float64 `json:"value" unit:"beside"`
	Unit     string   `json:"unit"`
	Samples  *float64 `json:"samples" unit:"count"`
	Shown    string   `json:"shown"`
	Counted  string   `json:"counts"`
	Text     string   `json:"text"`
	Action   string   `json:"action"`
	Command  string   `json:"command"`
	Warnings int      `json:"warnings" unit:"count"` // how often it began to warn or to hold
}

func (m *maker) triggers() []Trigger {
	list := []Trigger{}
	for i := range m.Run.Rollback {
		rule := &m.Run.Rollback[i]
		t := Trigger{
			Trigger: rule.ID, Title: rule.Title, Owner: rule.Owner, When: rule.Condition(), State: rule.Result, Shadow: rule.Mode == "shadow",
			Value: rule.Value, Unit: rule.Unit, Samples: rule.Samples, Shown: rule.Measured(), Counted: rule.Counts(), Text: rule.Reason,
			Action: rule.Action, Command: rule.Command,
		}
		if q := rule.Quantile; q != nil {
			t.Value, t.Unit = q.Value, q.Unit
		}
		for k := range m.events {
			if e := &m.events[k]; e.Kind == "rule" && e.Subject == rule.ID {
				t.Fired = t.Fired || e.To == "fired"
				if e.To == "warning" && e.From != "holding" || e.To == "holding" && e.From != "warning" {
					t.Warnings++
				}
			}
		}
		list = append(list, t)
	}
	return list
}
