package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Write makes a scenario of what a journal kept of a run: the plan, every tick
// to the letter, and the events that came of them. Run on the same evaluator it
// holds; run on a changed one it says what the change would have done. The
// ticks must be a run's first ones, in order, under one plan.
func Write(plan *rules.Plan, ticks []fact.Tick, events []fact.Event) ([]byte, error) {
	document, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding plan %q: %w", plan.Name, err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Plan %s: %d ticks and %d events, as a journal kept them.\n", oneLine(plan.Name), len(ticks), len(events))
	fmt.Fprintf(&b, "-- plan.json --\n%s\n-- ticks --\n", document)
	start := plan.Start.Unix()
	for i := range ticks {
		if err := writeTick(&b, plan, &ticks[i], start); err != nil {
			return nil, err
		}
	}
	b.WriteString("-- events --\n")
	for i := range events {
		b.WriteString(formatEvent(&events[i], plan.Start) + "\n")
	}
	return b.Bytes(), nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func writeTick(b *bytes.Buffer, plan *rules.Plan, t *fact.Tick, start int64) error {
	fmt.Fprintf(b, "at %s\n%s%s", formatStamp(t.At.Unix(), start), formatBegin(t.Begin), formatPast(t.Past, start))
	for i := range t.Readings {
		rd := &t.Readings[i]
		if rd.Signal < 0 || rd.Signal >= len(plan.Signals) {
			continue // no evaluator looks at it
		}
		b.WriteString(formatRead(rd, plan.Signals[rd.Signal].Name, start) + "\n")
	}
	for _, c := range t.Commands {
		if c.Kind == "" {
			return fmt.Errorf("writing tick %v: a command without a kind", t.At)
		}
		b.WriteString("command " + formatCommand(c) + "\n")
	}
	for _, r := range t.Results {
		b.WriteString(formatResult(r) + "\n")
	}
	return nil
}

// Update gives the text of a scenario with its events, verdicts and alarm states
// as they came, for -update. What the file says of the reasons stays where it is still true;
// comments at the head of a section stay.
func Update(data []byte, r Result) ([]byte, error) {
	f, err := Parse(r.File, data)
	if err != nil {
		return nil, err
	}
	comment, sections := split(data)
	var b bytes.Buffer
	b.WriteString(comment)
	for _, s := range sections {
		fmt.Fprintf(&b, "-- %s --\n", s.name)
		switch s.name {
		case "events":
			b.WriteString(head(s.text) + f.eventLines(&r))
		case "verdicts":
			b.WriteString(head(s.text))
			for i := range r.answers {
				b.WriteString(r.answers[i].String() + "\n")
			}
		case "datapoints":
			b.WriteString(updateAlarms(f, s))
		default:
			b.WriteString(s.text)
		}
	}
	return b.Bytes(), nil
}

// head is the lines of a section before the first that an update rewrites.
func head(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		s := uncommented(line)
		if s != "" && s != "subset" && !strings.HasPrefix(s, "only ") {
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

func (f *File) eventLines(r *Result) string {
	var b strings.Builder
	want := f.events.events
	for i := range r.Events {
		g := &r.Events[i]
		k := -1
		for j := range want {
			if want[j].matches(g, r) {
				k = j
				break
			}
		}
		switch {
		case k >= 0:
			b.WriteString(want[k].String() + "\n")
			want = want[k+1:]
		case !f.events.subset && (len(f.events.kinds) == 0 || f.compares(g.Kind)):
			b.WriteString(formatEvent(g, r.Plan.Start) + "\n")
		}
	}
	return b.String()
}

func (f *File) compares(k fact.EventKind) bool {
	for _, c := range f.events.kinds {
		if c == k {
			return true
		}
	}
	return false
}
