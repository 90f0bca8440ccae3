package report

import (
	"cmp"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/chart"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// APIVersion stands in every report; it changes when a field changes its meaning.
const APIVersion = "report/v1"

// Report is what became of a run. Times that are not known are null.
type Report struct {
	APIVersion string            `json:"apiVersion"`
	Run        string            `json:"run"` // id
	Plan       string            `json:"plan"`
	Title      string            `json:"title"`
	Version    string            `json:"version"`
	Try        int               `json:"try" unit:"ordinal"`
	Manager    string            `json:"manager"`
	Digest     string            `json:"digest"` // of the plan in force, hex SHA-256; empty: not known
	Chain      *wire.Chain       `json:"chain"`  // of the run, up to then; null: not known
	AsOf       *time.Time        `json:"asOf"`   // the newest tick: nothing later is in the report
	State      string            `json:"state"`
	Verdict    string            `json:"verdict"`
	Over       bool              `json:"over"` // nothing more happens in it unless a command comes
	Headline   string            `json:"headline"`
	Sentence   string            `json:"sentence"`
	Detail     []string          `json:"detail"`
	Start      *time.Time        `json:"start"` // T
	Began      Moment            `json:"began"` // who began it, and why
	Parameters map[string]string `json:"parameters"`
	Previous   string            `json:"previous"` // version of the release before; empty: not known
	Phases     []Phase           `json:"phases"`
	Criteria   []Criterion       `json:"criteria"`
	Metrics    []Metric          `json:"metrics"`
	Triggers   []Trigger         `json:"triggers"`
	Rollbacks  []Rollback        `json:"rollbacks"`
	Approvals  []Approval        `json:"approvals"`
	Overrides  []Moment          `json:"overrides"`  // decisions against the rules, by people: overrides, aborts, resumes, approvals that were overridden
	Amendments []Amendment       `json:"amendments"` // edits of the plan after the run began
	Messages   []Message         `json:"messages"`
	Deliveries []Delivery        `json:"deliveries"`
	Shadow     []Shadow          `json:"shadow"`
	Forecasts  []Compared        `json:"forecasts"`
	Review     Review            `json:"review"`
	Timeline   []Moment          `json:"timeline"`   // changes of state and commands
	Everything []Moment          `json:"everything"` // every event
	Notes      []string          `json:"notes"`      // what the report rests on, and what it does not know

	charts []figure
}

// Moment is an event on the run's clock.
type Moment struct {
	At        *time.Time `json:"at"`
	Offset    string     `json:"offset"` // from T: "T+20m"; empty where T is not known
	N         uint64     `json:"n" unit:"ordinal"`
	Kind      string     `json:"kind"`
	Subject   string     `json:"subject"`
	Phase     string     `json:"phase"`
	From      string     `json:"from"`
	To        string     `json:"to"`
	Text      string     `json:"text"`
	By        string     `json:"by"`        // in the sender's words
	Principal string     `json:"principal"` // name of the token that proved it; empty without tokens
	Why       string     `json:"why"`
	Digest    string     `json:"digest"` // of the plan in force then; empty: not known
}

// Phase is one phase of the rollout.
type Phase struct {
	Phase          string     `json:"phase"`
	Title          string     `json:"title"`
	TrafficPercent *float64   `json:"trafficPercent"` // planned
	State          string     `json:"state"`
	Verdict        string     `json:"verdict"`
	Start          *time.Time `json:"start"` // null: it has not begun
	End            *time.Time `json:"end"`   // of its window
	Decided        *time.Time `json:"decided"`
	Text           string     `json:"text"`
	OverriddenBy   string     `json:"overriddenBy"` // empty where its rules decided
}

// Amendment is an edit of the plan after the run began.
type Amendment struct {
	Moment
	Changes []wire.Change `json:"changes"`
}

// maker makes one report.
type maker struct {
	*Source
	events []wire.EventBody
	byID   map[string]*wire.EventBody
}

func newMaker(s *Source) *maker {
	m := &maker{Source: s, events: s.Run.Events, byID: map[string]*wire.EventBody{}}
	for i := range m.events {
		m.byID[m.events[i].ID] = &m.events[i]
	}
	return m
}

// Make is the report of a run. The Source is not changed.
func Make(s *Source) *Report {
	m := newMaker(s)
	run := &s.Run
	r := &Report{
		APIVersion: APIVersion, Run: run.Run.ID, Plan: run.Plan, Title: run.Title, Version: run.Version, Try: run.Run.Try, Manager: run.Manager,
		Digest: s.Digest, Chain: s.Chain, AsOf: run.EvaluatedAt, State: run.Run.State, Verdict: run.Run.Verdict, Over: run.Run.Over,
		Headline: run.Headline, Sentence: run.Sentence, Detail: append([]string{}, run.Detail...), Start: run.Run.Start,
		Parameters: run.Parameters, Previous: run.Previous.Version, Deliveries: append([]Delivery{}, s.Deliveries...),
	}
	if r.Parameters == nil {
		r.Parameters = map[string]string{}
	}
	for i := range m.events {
		if e := &m.events[i]; e.Begun != nil {
			r.Began = m.moment(e)
			break
		}
	}
	r.Phases = m.phases()
	r.Metrics, r.Triggers = m.metrics(), m.triggers()
	r.Rollbacks = m.rollbacks()
	r.Approvals, r.Messages, r.Review = m.approvals(), m.messages(), m.review()
	r.Overrides, r.Amendments = m.overrides(), m.amendments()
	r.Shadow, r.Forecasts = m.shadow(), m.forecasts()
	r.Timeline, r.Everything = m.timeline(), m.everything()
	r.Criteria = m.criteria(r)
	r.Notes = m.notes(r)
	r.charts = m.charts()
	return r
}

// moment is an event as the report shows it.
func (m *maker) moment(e *wire.EventBody) Moment {
	text := e.Headline
	if e.Kind == "plan" || e.Kind == "signal" {
		text = e.Sentence // a headline has no room for what was and what is
	}
	x := Moment{
		At: e.At, Offset: m.offset(e.At), N: e.N, Kind: e.Kind, Subject: e.Subject, Phase: e.Phase, From: e.From, To: e.To,
		Text: cmp.Or(text, e.Sentence), By: e.By, Principal: e.Principal, Why: e.Why, Digest: m.Digests[e.N],
	}
	if root := m.byID[e.Because]; x.By == "" && root != nil && root.Kind == "command" {
		x.By, x.Principal, x.Why = root.By, root.Principal, root.Why
	}
	return x
}

// offset writes a time on the run's clock.
func (m *maker) offset(at *time.Time) string {
	if at == nil || m.Run.Run.Start == nil {
		return ""
	}
	return rules.Offset{Duration: at.Sub(*m.Run.Run.Start).Round(time.Second)}.String()
}

func (m *maker) phases() []Phase {
	list := []Phase{}
	for i := range m.Run.Phases {
		b := &m.Run.Phases[i]
		p := Phase{
			Phase: b.Phase, Title: b.Title, TrafficPercent: b.Traffic.TargetPercent, State: b.State, Verdict: b.Verdict,
			Start: b.Window.Start, End: b.Window.End, Text: b.Sentence,
		}
		if b.Override != nil {
			p.OverriddenBy = b.Override.By
		}
		for k := range m.events {
			if e := &m.events[k]; e.Kind == "phase" && e.Subject == b.Phase && e.To == b.State && decided(b.State) {
				p.Decided, p.Text = e.At, e.Sentence
			}
		}
		list = append(list, p)
	}
	return list
}

// decided reports whether a phase or a run has come to an end.
func decided(state string) bool {
	var s rules.State
	return s.UnmarshalText([]byte(state)) == nil && wire.Decided(s)
}

// timeline is what a reader of the review wants to know: changes of state, commands and
// what people did. What an event only repeats of its root is left out.
func (m *maker) timeline() []Moment {
	list := []Moment{}
	known := map[string]string{} // step of the way back → what was said of it before it is needed
	for i := range m.events {
		e := &m.events[i]
		if !curated(e) {
			continue
		}
		if foreseen(e) {
			if known[e.Subject] == e.To {
				continue // it was asked again, and says the same
			}
			known[e.Subject] = e.To
		}
		if root := m.byID[e.Because]; root != nil && root.Headline == e.Headline && curated(root) {
			continue
		}
		list = append(list, m.moment(e))
	}
	return list
}

func curated(e *wire.EventBody) bool {
	switch e.Kind {
	case "run", "phase", "plan", "communication", "approval", "rollout":
		return true
	case "effect":
		return e.To != "escalated" && e.To != "asked" // a step without an answer says how often
	case "review":
		return e.To != "reminded"
	case "command": // of people's part the event that it makes says all
		return e.To != "applied" || !peoples[e.Subject]
	case "rule":
		return e.To == "fired" || e.To == "holding" || e.From == "holding"
	}
	return false
}

// peoples are the commands that are answered by an event of a signature, a message, the
// review or a step of the way back.
var peoples = map[string]bool{
	"approve": true, "reject": true, "break_glass": true, "send_message": true, "skip_message": true, "edit_review": true, "sign_review": true,
	"ack_effect": true, "effect_done": true, "effect_failed": true, "skip_effect": true,
}

func (m *maker) everything() []Moment {
	list := []Moment{}
	for i := range m.events {
		list = append(list, m.moment(&m.events[i]))
	}
	return list
}

// notes say what the report rests on, and what it does not know.
func (m *maker) notes(r *Report) []string {
	list := []string{"Names of people are what the sender gave; the token beside a name is what proved it."}
	if !r.Over {
		list = append(list, "The run is not over: this is how it stood at "+stamp(r.AsOf)+".")
	}
	if m.Run.More {
		list = append(list, "There are later events that this report does not have.")
	}
	for i := range m.events {
		if e := &m.events[i]; e.N != uint64(i)+1 {
			list = append(list, "Events are missing in the journal: their numbers have a gap.")
			break
		}
	}
	if len(m.Readings) == 0 {
		list = append(list, "No readings are at hand, so nothing is drawn.")
	}
	return append(list,
		"The journal keeps that an endpoint is done with an event, not when: an event that it had not asked for counts as done.",
		m.trafficNote())
}

// trafficNote says what is known of how many users had the release.
func (m *maker) trafficNote() string {
	for i := range m.Plan.Phases {
		if m.Plan.Phases[i].Observe != "" {
			return "The traffic of a phase is what the plan says. Where it was seen to be another, the timeline says so."
		}
	}
	return "relgate does not know how many users had the release; traffic is what the plan says."
}

// stamp writes a time for people.
func stamp(t *time.Time) string {
	if t == nil {
		return "–"
	}
	if t.Second() != 0 {
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// spoken writes a word of the API as people say it: "rolled back".
func spoken(s string) string { return strings.ReplaceAll(s, "_", " ") }

// figure is a drawn signal with the words for who cannot see it.
type figure struct {
	chart.Signal
	Rules string // the rules that judge it
	Says  string // what it shows, in words
}
