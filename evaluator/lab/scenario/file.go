package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// File is a parsed scenario. Its times are offsets from the plan's start, T.
type File struct {
	Name    string // as given to Parse
	Comment string // what stands before the first section

	plan     section // plan.toml, plan.json or config
	from     *time.Duration
	until    *time.Duration
	down     []span
	past     *past
	series   []series
	faults   []fault
	commands []command
	ticks    []tick // exact ones; then readings, commands and run are empty
	events   expected
	verdicts []verdict
	alarms   []alarm // of the datapoints section
}

// Expects reports whether the file says what must come of it: an event, that
// there are none, a verdict, or the state of an alarm.
func (f *File) Expects() bool {
	e := &f.events
	return e.given && !(e.subset && len(e.events) == 0) || len(f.verdicts) > 0 || len(f.alarms) > 0
}

// section is one part of the archive.
type section struct {
	name string
	line int // of its first line of text
	text string
}

// span is a stretch of time, its end not included.
type span struct{ from, to time.Duration }

func (s span) has(t time.Duration) bool { return s.from <= t && t < s.to }

type command struct {
	line int
	at   time.Duration
	fact.Command
}

// Error is a mistake in a scenario, at a line.
type Error struct {
	File string
	Line int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// Parse reads a scenario. The error joins an [Error] for everything that is
// wrong, in the order of the file.
func Parse(name string, data []byte) (*File, error) {
	p := &parser{file: &File{Name: name}}
	comment, sections := split(data)
	p.file.Comment = comment
	seen := map[string]bool{}
	for _, s := range sections {
		if seen[s.name] {
			p.failf(s.line-1, "section %q is there twice", s.name)
			continue
		}
		seen[s.name] = true
		p.section(s)
	}
	if p.file.plan.name == "" && !(len(seen) == 1 && seen["datapoints"]) {
		p.failf(1, "there is no plan: want a section plan.toml, plan.json or config")
	}
	if len(p.file.ticks) > 0 && (seen["readings"] || seen["commands"] || seen["run"]) {
		p.failf(1, "ticks say everything: there can be no readings, commands or run beside them")
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return p.file, nil
}

// split takes a txtar archive apart, and keeps line numbers.
func split(data []byte) (comment string, sections []section) {
	var text strings.Builder
	var current *section
	end := func() {
		if current == nil {
			comment = text.String()
		} else {
			current.text = text.String()
			sections = append(sections, *current)
		}
		text.Reset()
	}
	n := 0
	for line := range strings.Lines(string(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))) {
		n++
		if name, ok := marker(line); ok {
			end()
			current = &section{name: name, line: n + 1}
			continue
		}
		text.WriteString(line)
	}
	end()
	return comment, sections
}

// marker reads a line "-- name --".
func marker(line string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "-- ")
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, " --"); !ok {
		return "", false
	}
	name = strings.TrimSpace(rest)
	return name, name != ""
}

// parser collects what a file says and what is wrong with it.
type parser struct {
	file *File
	errs []error
}

func (p *parser) failf(line int, format string, args ...any) {
	p.errs = append(p.errs, &Error{p.file.Name, max(line, 1), fmt.Sprintf(format, args...)})
}

func (p *parser) section(s section) {
	switch s.name {
	case "plan.toml", "plan.json", "config":
		if p.file.plan.name != "" {
			p.failf(s.line-1, "there is a plan already, in section %q", p.file.plan.name)
			return
		}
		p.file.plan = s
	case "run":
		p.lines(s, p.run)
	case "readings":
		p.readings(s)
	case "commands":
		p.lines(s, p.command)
	case "ticks":
		p.lines(s, p.tick)
	case "events":
		p.lines(s, p.event)
	case "verdicts":
		p.lines(s, p.verdict)
	case "datapoints":
		p.lines(s, p.alarm)
	default:
		p.failf(s.line-1, "unknown section %q: want plan.toml, plan.json, config, run, readings, commands, ticks, events, verdicts or datapoints", s.name)
	}
}

// lines gives every line of a section that says something, without its comment.
func (p *parser) lines(s section, each func(n int, line string)) {
	n := s.line - 1
	for line := range strings.Lines(s.text) {
		n++
		if line = uncommented(line); line != "" {
			each(n, line)
		}
	}
}

// uncommented cuts a comment off: a # at the beginning of the line or after a
// space, outside quotes.
func uncommented(line string) string {
	quoted, escaped := false, false
	for i, c := range line {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = quoted
		case c == '"':
			quoted = !quoted
		case c == '#' && !quoted && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return strings.TrimSpace(line[:i])
		}
	}
	return strings.TrimSpace(line)
}

// run reads "from T-5m", "until T+2h", "down T+5m..T+9m" and "past none".
func (p *parser) run(n int, line string) {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	var err error
	switch word {
	case "from", "until":
		var at time.Duration
		if at, err = parseTime(rest); err == nil && word == "from" {
			p.file.from = &at
		} else if err == nil {
			p.file.until = &at
		}
	case "down":
		var s span
		if s, err = parseSpan(rest); err == nil {
			p.file.down = append(p.file.down, s)
		}
	case "past":
		if p.file.past == nil {
			p.file.past = new(past)
		}
		err = p.file.past.add(rest)
	default:
		err = fmt.Errorf("%q: want from, until, down or past", word)
	}
	if err != nil {
		p.failf(n, "%v", err)
	}
}

// command reads "T+5m hold by=ops why=\"looking into it\"".
func (p *parser) command(n int, line string) {
	at, rest, _ := strings.Cut(line, " ")
	t, err := parseTime(at)
	if err != nil {
		p.failf(n, "%v", err)
		return
	}
	c, err := parseCommand(strings.TrimSpace(rest))
	if err != nil {
		p.failf(n, "%v", err)
		return
	}
	p.file.commands = append(p.file.commands, command{n, t, c})
}
