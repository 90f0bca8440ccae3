package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/relgate/relgate/evaluator/datapoints"
)

// alarm is one line of the datapoints section: what CloudWatch's rule is to say
// of a series of periods. It needs no plan.
type alarm struct {
	line     int
	spec     datapoints.Spec
	missing  datapoints.Mode
	was      datapoints.State
	wasGiven bool
	sliding  bool // one state for each period, else one for the whole range
	slots    []datapoints.Slot
	states   []datapoints.State
	filled   *int // nil is not compared
}

const alarmForm = `want "3 of 3, missing=ignore, was ALARM: 0 - X - X => OK", with "sliding" a state for each period`

// alarm reads "3 of 3, missing=ignore, was ALARM: 0 - X - X => OK, 0 filled".
func (p *parser) alarm(n int, line string) {
	a, err := parseAlarm(line)
	if err != nil {
		p.failf(n, "%v", err)
		return
	}
	a.line = n
	p.file.alarms = append(p.file.alarms, a)
}

func parseAlarm(line string) (alarm, error) {
	var a alarm
	rule, rest, ok := strings.Cut(line, ":")
	data, want, ok2 := strings.Cut(rest, "=>")
	if !ok || !ok2 {
		return a, fmt.Errorf("%q: %s", line, alarmForm)
	}
	if err := a.rule(rule); err != nil {
		return a, err
	}
	for _, sign := range strings.Fields(data) {
		var s datapoints.Slot
		if err := s.UnmarshalText([]byte(sign)); err != nil {
			return a, err
		}
		a.slots = append(a.slots, s)
	}
	if err := a.want(want); err != nil {
		return a, err
	}
	switch {
	case len(a.slots) == 0:
		return a, fmt.Errorf("%q has no periods: %s", line, alarmForm)
	case !a.sliding && len(a.states) != 1:
		return a, fmt.Errorf("%q has %d states, want one", line, len(a.states))
	case a.sliding && len(a.states) != len(a.slots):
		return a, fmt.Errorf("%q has %d states for %d periods", line, len(a.states), len(a.slots))
	case a.sliding && a.filled != nil:
		return a, fmt.Errorf("%q: how many are filled is not said of a sliding range", line)
	}
	return a, nil
}

// rule reads what stands before the colon.
func (a *alarm) rule(text string) error {
	parts := strings.Split(text, ",")
	var err error
	if a.spec, err = datapoints.ParseSpec(parts[0]); err != nil {
		return err
	}
	treated := false
	for _, part := range parts[1:] {
		part = strings.TrimSpace(part)
		mode, isMode := strings.CutPrefix(part, "missing=")
		state, isState := strings.CutPrefix(part, "was ")
		switch {
		case isMode && !treated:
			treated, err = true, a.missing.UnmarshalText([]byte(mode))
		case isState && !a.wasGiven:
			a.wasGiven, err = true, a.was.UnmarshalText([]byte(strings.TrimSpace(state)))
		case part == "sliding" && !a.sliding:
			a.sliding = true
		default:
			err = fmt.Errorf("%q: want missing=, was STATE or sliding, each once", part)
		}
		if err != nil {
			return err
		}
	}
	if !treated {
		return fmt.Errorf("%q does not say how missing periods are treated: want missing= and one of %s", text, modes())
	}
	return nil
}

// want reads what stands behind the arrow.
func (a *alarm) want(text string) error {
	text, filled, counted := strings.Cut(text, ",")
	for _, word := range strings.Fields(text) {
		var s datapoints.State
		if err := s.UnmarshalText([]byte(word)); err != nil {
			return err
		}
		a.states = append(a.states, s)
	}
	if !counted {
		return nil
	}
	words := strings.Fields(filled)
	n := 0
	var err error
	if len(words) == 2 {
		n, err = strconv.Atoi(words[0])
	}
	if len(words) != 2 || err != nil || n < 0 || words[1] != "filled" {
		return fmt.Errorf("%q: want how many gaps are filled, such as \"2 filled\"", strings.TrimSpace(filled))
	}
	a.filled = &n
	return nil
}

// came is the line with what the rule says.
func (a alarm) came() alarm {
	if a.sliding {
		a.states = nil
		for _, r := range datapoints.Slide(nil, a.slots, a.spec, a.missing, a.was) {
			a.states = append(a.states, r.State)
		}
		return a
	}
	r := datapoints.Evaluate(a.slots, a.spec, a.missing, a.was)
	a.states = []datapoints.State{r.State}
	if a.filled != nil {
		a.filled = &r.Filled
	}
	return a
}

func (a *alarm) same(b *alarm) bool {
	return slices.Equal(a.states, b.states) && (a.filled == nil || *a.filled == *b.filled)
}

func (a *alarm) String() string {
	s := fmt.Sprintf("%v, missing=%v", a.spec, a.missing)
	if a.wasGiven {
		s += fmt.Sprintf(", was %v", a.was)
	}
	if a.sliding {
		s += ", sliding"
	}
	s += ":" + spaced(a.slots) + " =>" + spaced(a.states)
	if a.filled != nil {
		s += fmt.Sprintf(", %d filled", *a.filled)
	}
	return s
}

// spaced writes each value with a space before it.
func spaced[T fmt.Stringer](values []T) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(" " + v.String())
	}
	return b.String()
}

// compareAlarms adds what differs in the datapoints section.
func (r *Result) compareAlarms(f *File) {
	for i := range f.alarms {
		want := &f.alarms[i]
		if got := want.came(); !want.same(&got) {
			r.Differences = append(r.Differences, Difference{File: f.Name, Line: want.line, Want: want.String(), Got: got.String()})
		}
	}
}

// updateAlarms gives the text of the datapoints section, which begins at a line,
// with the states as they come. Lines that hold stay to the letter, and comments
// stay.
func updateAlarms(f *File, s section) string {
	wrong := map[int]alarm{} // by line
	for i := range f.alarms {
		want := &f.alarms[i]
		if got := want.came(); !want.same(&got) {
			wrong[want.line] = got
		}
	}
	var b strings.Builder
	n := s.line - 1
	for line := range strings.Lines(s.text) {
		n++
		a, differs := wrong[n]
		if !differs {
			b.WriteString(line)
			continue
		}
		b.WriteString(a.String())
		if i := strings.Index(line, uncommented(line)); i >= 0 {
			b.WriteString(strings.TrimRight(line[i+len(uncommented(line)):], "\n"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// modes lists how missing periods may be treated.
func modes() string {
	var names []string
	for _, m := range datapoints.Modes() {
		names = append(names, m.String())
	}
	return strings.Join(names, ", ")
}
