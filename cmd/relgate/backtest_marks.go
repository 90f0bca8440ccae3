package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/relgate/relgate/evaluator/backtest"
	"github.com/relgate/relgate/rules"
)

// readMarks reads every --bad: periods, and files of them.
func (t *trial) readMarks() error {
	var errs []error
	for _, text := range t.Bad {
		marks, err := t.marksOf(text)
		if err != nil {
			errs = append(errs, err)
		}
		t.marks = append(t.marks, marks...)
	}
	for i := range t.marks {
		errs = append(errs, t.knownRules(&t.marks[i]))
	}
	return errors.Join(errs...)
}

// marksOf reads one --bad: a period when both halves are times, else a file.
func (t *trial) marksOf(text string) ([]backtest.Mark, error) {
	if from, to, ok := strings.Cut(text, "/"); ok {
		f, errFrom := t.time(from)
		u, errTo := t.time(to)
		if errFrom == nil && errTo == nil {
			m := backtest.Mark{From: f, To: u}
			if err := m.Check(nil); err != nil {
				return nil, fmt.Errorf("--bad %s: %w", text, err)
			}
			return []backtest.Mark{m}, nil
		}
	}
	data, err := os.ReadFile(text)
	if err != nil {
		return nil, fmt.Errorf("--bad %s: neither a period FROM/TO nor a file: %w", text, err)
	}
	if filepath.Ext(text) == ".toml" {
		return tomlMarks(text, string(data))
	}
	return backtest.ParseMarks(text, string(data))
}

// tomlMarks reads marks as tables [[bad]].
func tomlMarks(name, text string) ([]backtest.Mark, error) {
	var file struct {
		Bad []backtest.Mark `toml:"bad"`
	}
	meta, err := toml.Decode(text, &file)
	if err != nil {
		if pe, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, fmt.Errorf("%s:%d: %s", name, pe.Position.Line, pe.Message)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var errs []error
	for _, key := range meta.Undecoded() {
		errs = append(errs, fmt.Errorf("%s: unknown key %q", name, key))
	}
	lines := tables(text)
	for i := range file.Bad {
		m := &file.Bad[i]
		m.From, m.To = m.From.UTC(), m.To.UTC()
		if err := m.Check(nil); err != nil {
			line := 0
			if i < len(lines) {
				line = lines[i]
			}
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, line, err))
		}
	}
	return file.Bad, errors.Join(errs...)
}

// tables lists the lines on which the tables [[bad]] begin.
func tables(text string) []int {
	var at []int
	n := 0
	for line := range strings.Lines(text) {
		n++
		if strings.HasPrefix(strings.ReplaceAll(line, " ", ""), "[[bad]]") {
			at = append(at, n)
		}
	}
	return at
}

// knownRules refuses a name that no plan has.
func (t *trial) knownRules(m *backtest.Mark) error {
	for _, name := range m.Rules {
		if !slices.ContainsFunc(t.plans, func(p *rules.Plan) bool { return hasRule(p, name) }) {
			return fmt.Errorf("bad period from %s: unknown rule %q", m.From.Format("2006-01-02T15:04:05Z"), name)
		}
	}
	return nil
}

func hasRule(p *rules.Plan, name string) bool {
	return slices.ContainsFunc(p.Rules, func(r rules.Rule) bool { return r.Name == name })
}

// marksFor is the marks with the rules that a plan has: one that names rules of
// the other plan only is none of this one's.
func (t *trial) marksFor(plan *rules.Plan) []backtest.Mark {
	var list []backtest.Mark
	for _, m := range t.marks {
		if len(m.Rules) > 0 {
			m.Rules = slices.DeleteFunc(slices.Clone(m.Rules), func(name string) bool { return !hasRule(plan, name) })
			if len(m.Rules) == 0 {
				continue
			}
		}
		list = append(list, m)
	}
	return list
}
