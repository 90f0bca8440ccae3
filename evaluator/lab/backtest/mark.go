package backtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/relgate/relgate/rules"
)

// Mark is a period in which, by the user's own word, the service was bad.
type Mark struct {
	From  time.Time `json:"from" toml:"from"`             // inclusive
	To    time.Time `json:"to" toml:"to"`                 // exclusive
	Note  string    `json:"note,omitempty" toml:"note"`   // for people
	Rules []string  `json:"rules,omitempty" toml:"rules"` // names of the rules that should have seen it; all when empty
}

// concerns reports whether a rule should have seen the period.
func (m *Mark) concerns(rule string) bool {
	return len(m.Rules) == 0 || slices.Contains(m.Rules, rule)
}

// ParseMarks reads marks as lines "FROM TO note", times in RFC 3339; empty lines
// and what follows a # at the start of a line or after a space count as nothing.
// The error joins one for each wrong line, which begins with name and the line's
// number.
func ParseMarks(name, text string) ([]Mark, error) {
	var marks []Mark
	var errs []error
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(" "+line, " #")
		from, rest := word(line)
		to, note := word(rest)
		if from == "" {
			continue
		}
		m, err := ParseMark(from, to)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, n, err))
			continue
		}
		m.Note = note
		marks = append(marks, m)
	}
	return marks, errors.Join(errs...)
}

// word cuts the first word off a text.
func word(text string) (first, rest string) {
	text = strings.TrimSpace(text)
	if i := strings.IndexFunc(text, unicode.IsSpace); i >= 0 {
		return text[:i], strings.TrimSpace(text[i:])
	}
	return text, ""
}

// ParseMark reads the two times of a mark.
func ParseMark(from, to string) (Mark, error) {
	if to == "" {
		return Mark{}, fmt.Errorf("%q: want two times, from and to, in RFC 3339: 2025-06-01T10:00:00Z 2025-06-01T10:40:00Z", from)
	}
	var m Mark
	for _, x := range []struct {
		text string
		into *time.Time
	}{{from, &m.From}, {to, &m.To}} {
		t, err := time.Parse(time.RFC3339, x.text)
		if err != nil {
			return Mark{}, fmt.Errorf("%q is not a time in RFC 3339, such as 2025-06-01T10:00:00Z", x.text)
		}
		*x.into = t.UTC()
	}
	return m, m.Check(nil)
}

// Check says what is wrong with a mark: a time that is missing, an empty period, or
// a rule that the plan does not have. A nil plan has every rule.
func (m *Mark) Check(plan *rules.Plan) error {
	switch {
	case m.From.IsZero():
		return errors.New("from is missing: when did the period begin?")
	case m.To.IsZero():
		return errors.New("to is missing: when did the period end?")
	case !m.From.Before(m.To):
		return fmt.Errorf("the period ends at %s, which is not after its start %s", m.To.UTC().Format(time.RFC3339), m.From.UTC().Format(time.RFC3339))
	}
	if plan == nil {
		return nil
	}
	for _, name := range m.Rules {
		if !slices.ContainsFunc(plan.Rules, func(r rules.Rule) bool { return r.Name == name }) {
			return fmt.Errorf("unknown rule %q", name)
		}
	}
	return nil
}

// Verdicts on a firing.
const (
	Right    = "right"    // within a marked period, or soon after it
	False    = "false"    // not
	Unmarked = "unmarked" // nothing was marked: it is not known
)

// marked is the marks of a run.
type marked struct {
	list      []Mark // by time
	tolerance int64
}

func newMarked(marks []Mark, tolerance time.Duration) marked {
	m := marked{list: slices.Clone(marks), tolerance: seconds(tolerance)}
	slices.SortStableFunc(m.list, func(a, b Mark) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To))
	})
	return m
}

// judge says whether a rule was right to fire at a time, and the mark that says
// so, -1 when there is none. Of several the one that began last counts.
func (m *marked) judge(rule string, at int64) (verdict string, mark int) {
	if len(m.list) == 0 {
		return Unmarked, -1
	}
	mark = -1
	for i := range m.list {
		x := &m.list[i]
		if x.concerns(rule) && x.From.Unix() <= at && at <= x.To.Unix()+m.tolerance {
			mark = i
		}
	}
	if mark < 0 {
		return False, -1
	}
	return Right, mark
}

// over gives the first mark that overlaps a stretch, -1 when none does.
func (m *marked) over(rule string, from, to int64) int {
	return slices.IndexFunc(m.list, func(x Mark) bool {
		return (rule == "" || x.concerns(rule)) && x.From.Unix() < to && x.To.Unix() > from
	})
}
