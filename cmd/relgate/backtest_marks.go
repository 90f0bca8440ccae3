package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/lab/backtest"
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
		return t.tomlMarks(text, string(data))
	}
	return backtest.ParseMarks(text, string(data))
}

// markTable is a table [[bad]].
type markTable struct {
	From  stamp    `toml:"from"`
	To    stamp    `toml:"to"`
	Note  string   `toml:"note"`
	Rules []string `toml:"rules"`
}

// stamp is a time in a file, with its zone: without one it would mean another on
// another machine. What is wrong with it is kept, so that the rest is read too.
type stamp struct {
	time.Time
	err error
}

// UnmarshalTOML reads a time, or text that is one.
func (s *stamp) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case time.Time:
		if !strings.HasSuffix(v.Location().String(), "-local") {
			s.Time = v.UTC()
			return nil
		}
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			s.Time = at.UTC()
			return nil
		}
	}
	s.err = errors.New("want a time in RFC 3339 with its zone, such as 2025-06-01T10:00:00Z")
	return nil
}

// tomlMarks reads marks as tables [[bad]].
func (t *trial) tomlMarks(name, text string) ([]backtest.Mark, error) {
	var file struct {
		Bad []markTable `toml:"bad"`
	}
	meta, err := toml.Decode(text, &file)
	if err != nil {
		return nil, notDecoded(name, err)
	}
	f := findings{name: name, lines: config.Lines([]byte(text))}
	f.unknownKeys(meta.Undecoded())
	var marks []backtest.Mark
	for i, b := range file.Bad {
		m, path := backtest.Mark{From: b.From.Time, To: b.To.Time, Note: b.Note, Rules: b.Rules}, fmt.Sprintf("bad[%d]", i)
		switch errFrom, errTo := b.From.err, b.To.err; {
		case errFrom != nil || errTo != nil:
			f.add(path+".from", errFrom)
			f.add(path+".to", errTo)
		default:
			f.add(path, m.Check(nil))
		}
		for j, rule := range m.Rules {
			f.add(fmt.Sprintf("%s.rules[%d]", path, j), t.knownRule(rule))
		}
		marks = append(marks, m)
	}
	return marks, f.err()
}

// notDecoded begins an error of the decoder with the file and the line, as all
// others do.
func notDecoded(name string, err error) error {
	if pe, ok := errors.AsType[toml.ParseError](err); ok {
		return fmt.Errorf("%s:%d: %s", name, pe.Position.Line, pe.Message)
	}
	if m := mismatch.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s:%s: %s: %s", name, m[1], m[2], m[3])
	}
	return fmt.Errorf("%s: %w", name, err)
}

// mismatch is how the decoder says that a value has the wrong type.
var mismatch = regexp.MustCompile(`^toml: line ([0-9]+) \(last key "(.*)"\): (.*)$`)

// findings is what is wrong with a TOML file.
type findings struct {
	name  string
	lines map[string]int // :: key path → line
	list  []finding
}

type finding struct {
	line int
	err  error
}

// add notes what is wrong with a key or a table, if anything is.
func (f *findings) add(path string, err error) {
	if err != nil {
		f.list = append(f.list, finding{f.lines[path], err})
	}
}

// err is all of it, sorted as the file is.
func (f *findings) err() error {
	slices.SortStableFunc(f.list, func(a, b finding) int { return a.line - b.line })
	var errs []error
	for _, x := range f.list {
		errs = append(errs, fmt.Errorf("%s:%d: %w", f.name, x.line, x.err))
	}
	return errors.Join(errs...)
}

// unknownKeys notes keys that mean nothing wherever they are written: the decoder
// knows their names, not their places. What is in an unknown table goes with it.
func (f *findings) unknownKeys(keys []toml.Key) {
	unknown := map[string]toml.Key{}
	for _, key := range keys {
		unknown[rules.Path(key...)] = key
	}
	for path := range f.lines {
		key, ok := unknown[indexes.ReplaceAllString(path, "")]
		if !ok || strings.HasSuffix(path, "]") || unknown[rules.Path(key[:len(key)-1]...)] != nil {
			continue
		}
		known := []string{"bad"}
		if len(key) > 1 {
			known = []string{"from", "to", "note", "rules"}
		}
		f.add(path, fmt.Errorf("unknown key %s: %s", rules.Path(key...), either(rules.DidYouMean(key[len(key)-1], known), fmt.Sprintf("want %q", known))))
	}
}

// indexes are those of arrays in a key path.
var indexes = regexp.MustCompile(`\[[0-9]+\]`)

// knownRule refuses a name that no plan has.
func (t *trial) knownRule(name string) error {
	var known []string
	for _, p := range t.plans {
		for _, r := range p.Rules {
			known = append(known, r.Name)
		}
	}
	if slices.Contains(known, name) {
		return nil
	}
	return fmt.Errorf("unknown rule %q: %s", name, either(rules.DidYouMean(name, known), fmt.Sprintf("want one of %q", known)))
}

func hasRule(p *rules.Plan, name string) bool {
	return slices.ContainsFunc(p.Rules, func(r rules.Rule) bool { return r.Name == name })
}

// marksFor is the marks for the rules that a plan has. A mark that names rules of
// the other plan only is left out.
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
