package rules

import (
	"fmt"
	"strings"
	"time"
)

// Role is a part that a person has in a release.
type Role struct {
	Name string   `json:"name"`
	Sign []string `json:"sign,omitempty"` // who may sign for it: e-mail addresses, "token:NAME", "oidc:NAME"; empty: whoever has the scope for it
	Tell Address  `json:"tell,omitzero"`  // where it is told what it has to do
	Page Address  `json:"page,omitzero"`  // where it is woken
}

// Address is a sink, and whom it is to reach there.
type Address struct {
	Sink   string `json:"sink"`
	Target string `json:"target,omitempty"` // a channel, an address, components; empty: the sink's own
}

// ParseAddress reads "slack #ops": the name of a sink, and what is left is the target.
func ParseAddress(text string) Address {
	sink, target, _ := strings.Cut(strings.TrimSpace(text), " ")
	return Address{Sink: sink, Target: strings.TrimSpace(target)}
}

// String is the form that ParseAddress reads back.
func (a Address) String() string { return strings.TrimSpace(a.Sink + " " + a.Target) }

// What an approval may allow beside the start of a phase, which has the phase's name.
const (
	ApprovesStart    = "start"    // that the release begins: any of its phases
	ApprovesOverride = "override" // that a person decides in place of the rules
	ApprovesWayBack  = "way_back" // that phases begin though the way back is not known to exist: by a person's command alone, never by a signature
)

// The meanings of a signature, as 21 CFR 11.50 names them.
const (
	MeansReview         = "review"
	MeansApproval       = "approval"
	MeansResponsibility = "responsibility"
)

// Meanings lists the meanings of a signature.
func Meanings() []string { return []string{MeansReview, MeansApproval, MeansResponsibility} }

// Approval is what must be signed before something may happen.
type Approval struct {
	Allows    string        `json:"allows,omitempty"`     // start, override, or the name of a phase; empty in a plan of before approvals were asked for, which asks for nothing
	Roles     []string      `json:"roles,omitempty"`      // who is asked
	Need      int           `json:"need,omitempty"`       // how many of them must sign
	ByAuthor  bool          `json:"by_author,omitempty"`  // whether it may be signed by whoever began the run
	ExpiresIn time.Duration `json:"expires_in,omitempty"` // how long a signature counts; zero: until the plan changes
	Meaning   string        `json:"meaning,omitempty"`    // of a signature that names none
}

// Wanted is a run or a phase, and the states that it should be in.
type Wanted struct {
	Phase  string  `json:"phase,omitempty"` // empty: the run
	Not    bool    `json:"not,omitempty"`
	States []State `json:"states,omitempty"` // none: nothing is wanted
}

// IsZero reports whether nothing is wanted.
func (w Wanted) IsZero() bool { return len(w.States) == 0 }

// Holds reports whether a state is one of those wanted.
func (w Wanted) Holds(s State) bool {
	for _, o := range w.States {
		if o == s {
			return !w.Not
		}
	}
	return w.Not
}

// UnmarshalText reads "mobile-10 monitoring", "run not failed" or "run passed or
// failed". The states are those of runs and phases.
func (w *Wanted) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return wantedError(text)
	}
	out := Wanted{Phase: words[0]}
	if out.Phase == "run" {
		out.Phase = ""
	}
	words = words[1:]
	if words[0] == "not" {
		out.Not, words = true, words[1:]
	}
	for i, word := range words {
		if i%2 == 1 {
			if word != "or" || i == len(words)-1 {
				return wantedError(text)
			}
			continue
		}
		var s State
		if err := s.UnmarshalText([]byte(word)); err != nil {
			return err
		}
		out.States = append(out.States, s)
	}
	if len(out.States) == 0 {
		return wantedError(text)
	}
	*w = out
	return nil
}

func wantedError(text []byte) error {
	return fmt.Errorf(`condition %q: want "run" or a phase's name, and a state: "mobile-10 monitoring", "run not failed"`, text)
}

// String is the form that UnmarshalText reads back.
func (w Wanted) String() string {
	if w.IsZero() {
		return ""
	}
	text := "run"
	if w.Phase != "" {
		text = w.Phase
	}
	if w.Not {
		text += " not"
	}
	for i, s := range w.States {
		if i > 0 {
			text += " or"
		}
		text += " " + s.String()
	}
	return text
}

// MarshalText is String.
func (w Wanted) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// Moment is a time on the plan's clock, or one that counts from the start of a phase.
type Moment struct {
	Phase string // empty: counts from T
	Offset
}

// UnmarshalText reads "T-2h", "mobile-10" or "mobile-10+30m".
func (m *Moment) UnmarshalText(text []byte) error {
	if o, err := ParseOffset(string(text)); err == nil {
		*m = Moment{Offset: o}
		return nil
	}
	phase, after, later := strings.Cut(strings.TrimSpace(string(text)), "+")
	if !plainName(phase) {
		return offsetError(string(text))
	}
	out := Moment{Phase: phase}
	if later {
		d, err := parseSpan(strings.TrimSpace(after))
		if err != nil {
			return offsetError(string(text))
		}
		out.Duration = d
	}
	*m = out
	return nil
}

// String is the form that UnmarshalText reads back.
func (m Moment) String() string {
	if m.Phase == "" {
		return m.Offset.String()
	}
	return m.Phase + strings.TrimPrefix(m.Offset.String(), "T")
}

// Quiet is the hours of each day in which no one is told what can wait. The zero
// value has none.
type Quiet struct {
	From time.Duration `json:"from,omitempty"` // since midnight, UTC
	Till time.Duration `json:"till,omitempty"` // before From where the hours pass midnight
}

// UnmarshalText reads "22:00-07:00", in UTC, or "22:00-07:00 +02:00" with the offset of
// the clock from UTC.
func (q *Quiet) UnmarshalText(text []byte) error {
	bad := fmt.Errorf(`quiet hours %q: want "22:00-07:00", or "22:00-07:00 +02:00" with the clock's offset from UTC`, text)
	hours, zone, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	from, till, ok := strings.Cut(hours, "-")
	if zone = strings.TrimSpace(zone); zone == "" {
		zone = "+00:00"
	}
	off, err := time.Parse("-07:00", zone)
	if !ok || err != nil {
		return bad
	}
	_, shift := off.Zone()
	ends := [2]time.Duration{}
	for i, clock := range []string{from, till} {
		t, err := time.Parse("15:04", clock)
		if err != nil {
			return bad
		}
		at := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute - time.Duration(shift)*time.Second
		ends[i] = (at + day) % day
	}
	if ends[0] == ends[1] {
		return bad
	}
	*q = Quiet{From: ends[0], Till: ends[1]}
	return nil
}

// IsZero reports whether there are no quiet hours.
func (q Quiet) IsZero() bool { return q == Quiet{} }

// String is the form that UnmarshalText reads back, in UTC.
func (q Quiet) String() string {
	if q.IsZero() {
		return ""
	}
	clock := func(d time.Duration) string { return time.Time{}.Add(d).Format("15:04") }
	return clock(q.From) + "-" + clock(q.Till)
}

// MarshalText is String.
func (q Quiet) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// Over gives when quiet hours that hold a time are over, the time itself where none
// does. Times are Unix seconds.
func (q Quiet) Over(at int64) int64 {
	if q.IsZero() {
		return at
	}
	whole, from, till := int64(day/time.Second), int64(q.From/time.Second), int64(q.Till/time.Second)
	in := ((at-from)%whole + whole) % whole
	length := ((till-from)%whole + whole) % whole
	if in >= length {
		return at
	}
	return at + length - in
}

// Review is what follows a release.
type Review struct {
	Sign    []string      `json:"sign,omitempty"`    // the roles that sign it, each of them
	Archive string        `json:"archive,omitempty"` // name of the sink that keeps it
	Remind  time.Duration `json:"remind,omitempty"`  // how often those who have not signed are reminded
}

// IsZero reports whether the plan asks for no review.
func (r Review) IsZero() bool { return len(r.Sign) == 0 && r.Archive == "" }

// The criteria that relgate judges by itself. Any other is a text for people, who judge
// it when they sign the review.
const (
	CriterionPhases   = "phases_passed"
	CriterionRollback = "no_rollback"
	CriterionSigned   = "approvals_signed"
	CriterionMessages = "messages_sent"
	CriterionReview   = "review_archived"
)

// Criteria lists the criteria that relgate judges.
func Criteria() []string {
	return []string{CriterionPhases, CriterionRollback, CriterionSigned, CriterionMessages, CriterionReview}
}

// Role gives what the plan says of a role, nil where it says nothing.
func (p *Plan) Role(name string) *Role {
	for i := range p.Roles {
		if p.Roles[i].Name == name {
			return &p.Roles[i]
		}
	}
	return nil
}

// messageFields are what a message may tell of its run, beside what the plan's other
// texts may: they are filled in when it falls due.
var messageFields = []string{"phase", "traffic", "observed", "state", "verdict", "headline", "sentence", "link", "chain"}

// valueField begins the name of a field that stands for the value of a rule.
const valueField = "value."

// MessageField reports whether a placeholder of a message is filled in when it falls due,
// and of which rule it is the value, if of any.
func (p *Plan) MessageField(name string) (rule string, ok bool) {
	if rule, ok = strings.CutPrefix(name, valueField); ok {
		for i := range p.Rules {
			if p.Rules[i].Name == rule {
				return rule, true
			}
		}
		return "", false
	}
	for _, f := range messageFields {
		if f == name {
			return "", p.parameter(name) == nil
		}
	}
	return "", false
}

// FillMessage fills in what a message tells of its run. field gives the text of a field;
// what it does not know stays as it is written.
func FillMessage(text string, field func(name string) (string, bool)) string {
	return expand(text, func(name, _ string) string {
		if said, ok := field(name); ok {
			return said
		}
		return "{" + name + "}"
	})
}

// MessageFields lists the fields of a text that are filled in when it falls due.
func (p *Plan) MessageFields(text string) []string {
	var fields []string
	for _, name := range placeholderNames(text) {
		if _, ok := p.MessageField(name); ok {
			fields = append(fields, name)
		}
	}
	return fields
}
