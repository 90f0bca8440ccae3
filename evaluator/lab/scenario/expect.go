package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// expected is the events section.
type expected struct {
	given  bool
	line   int
	subset bool             // others may come in between
	kinds  []fact.EventKind // only these are compared; empty means all
	events []event
}

// event is one expected event.
type event struct {
	line           int
	at             time.Duration
	kind           fact.EventKind
	subject, phase string // an empty phase is not compared
	from, to       string
	cause          *rules.Cause // nil is not compared
	reason         string       // a part of what is said of it; empty is not compared
}

var kinds = fact.EventKinds()

// event reads "T+10m phase lambda-10: monitoring => passed (threshold): 0.2 %",
// or one of the lines "subset" and "only run phase".
func (p *parser) event(n int, line string) {
	e := &p.file.events
	e.given = true
	fields := strings.Fields(line)
	switch {
	case line == "subset":
		e.subset = true
		return
	case fields[0] == "only":
		for _, k := range fields[1:] {
			if !slices.Contains(kinds, fact.EventKind(k)) {
				p.failf(n, "unknown kind of event %q: want one of %q", k, kinds)
			}
			e.kinds = append(e.kinds, fact.EventKind(k))
		}
		return
	}
	ev, err := parseEvent(line)
	if err != nil {
		p.failf(n, "%v", err)
		return
	}
	ev.line = n
	if last := len(e.events) - 1; last >= 0 && ev.at < e.events[last].at {
		p.failf(n, "%s comes before the line above", formatTime(ev.at))
	}
	if len(e.kinds) > 0 && !slices.Contains(e.kinds, ev.kind) {
		p.failf(n, "events of kind %q are not compared: the section says only %q", ev.kind, e.kinds)
	}
	e.events = append(e.events, ev)
}

const eventForm = `want "T+10m phase NAME: from => to", then perhaps " (cause)" and ": a part of the reason"`

func parseEvent(line string) (event, error) {
	var e event
	at, rest, _ := strings.Cut(line, " ")
	kind, rest, ok := strings.Cut(strings.TrimSpace(rest), " ")
	subject, change, ok2 := strings.Cut(rest, ": ")
	from, to, ok3 := strings.Cut(change, "=> ")
	if !ok || !ok2 || !ok3 {
		return e, fmt.Errorf("%q: %s", line, eventForm)
	}
	var err error
	if e.at, err = parseTime(at); err != nil {
		return e, err
	}
	if e.kind = fact.EventKind(kind); !slices.Contains(kinds, e.kind) {
		return e, fmt.Errorf("unknown kind of event %q: want one of %q", kind, kinds)
	}
	e.subject, e.phase, _ = strings.Cut(strings.TrimSpace(subject), " in ")
	e.from = strings.TrimSpace(from)
	to, e.reason, _ = strings.Cut(to, ": ")
	to, cause, caused := strings.Cut(strings.TrimSpace(to), " (")
	e.to, e.reason = to, strings.TrimSpace(e.reason)
	if caused {
		e.cause = new(rules.Cause)
		if err := e.cause.UnmarshalText([]byte(strings.TrimSuffix(cause, ")"))); err != nil {
			return e, err
		}
	}
	return e, nil
}

// matches reports whether an event of a run is the one that was expected.
func (e *event) matches(got *fact.Event, r *Result) bool {
	return got.At.Equal(r.Plan.Start.Add(e.at)) && got.Kind == e.kind && got.Subject == e.subject &&
		(e.phase == "" || got.Phase == e.phase) && got.From == e.from && got.To == e.to &&
		(e.cause == nil || *e.cause == got.Cause) && (e.reason == "" || saidIn(r.told(got), e.reason))
}

// saidIn reports whether a text says something, at any length.
func saidIn(t words.Text, part string) bool {
	return strings.Contains(t.Sentence, part) || slices.ContainsFunc(t.Detail, func(line string) bool { return strings.Contains(line, part) })
}

// told is what is said of an event of the run.
func (r *Result) told(e *fact.Event) words.Text {
	i := slices.IndexFunc(r.Events, func(o fact.Event) bool { return o.ID == e.Because })
	if i < 0 {
		return words.Event(r.Plan, e, nil)
	}
	return words.Event(r.Plan, e, &r.Events[i])
}

func (e *event) String() string {
	s := eventHead(e.at, e.kind, e.subject, e.phase, e.from, e.to)
	if e.cause != nil {
		s += " (" + e.cause.String() + ")"
	}
	if e.reason != "" {
		s += ": " + e.reason
	}
	return s
}

func eventHead(at time.Duration, kind fact.EventKind, subject, phase, from, to string) string {
	if phase != "" {
		subject += " in " + phase
	}
	if from != "" {
		from += " "
	}
	return fmt.Sprintf("%s %s %s: %s=> %s", formatTime(at), kind, subject, from, to)
}

// formatEvent writes an event as it would be expected. A phase is named only
// where it says more than the subject.
func formatEvent(e *fact.Event, start time.Time) string {
	phase := e.Phase
	if phase == e.Subject || e.Kind == fact.RunEvent || e.Kind == fact.CommandEvent {
		phase = ""
	}
	return eventHead(e.At.Sub(start), e.Kind, e.Subject, phase, e.From, e.To)
}

// explainEvent is formatEvent with the cause and what is said of it.
func (r *Result) explainEvent(e *fact.Event) string {
	s := formatEvent(e, r.Plan.Start)
	if e.Cause != rules.CauseNone {
		s += " (" + e.Cause.String() + ")"
	}
	return s + ": " + allOf(r.told(e))
}

// allOf is all that a text says, on one line.
func allOf(t words.Text) string {
	return strings.Join(append([]string{t.Sentence}, t.Detail...), " | ")
}
