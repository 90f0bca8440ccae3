package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/relgate/relgate/rules"
)

// Config is everything that a daemon is told: plans, compiled, and the rest as
// it is written, with defaults filled in and file names made paths.
type Config struct {
	Plans    []*rules.Plan // the main file's first, then the included ones by name
	Sources  []SourceSpec  // in file order
	Webhooks []WebhookSpec // in file order
	Daemon   DaemonSpec
	Files    []File   // what was read: the main file, included files, SQL
	Patterns []string // what include said, as paths: a file that comes to match changes the config

	main    *file
	origins map[*rules.Plan]*file
}

// File is one file that a config was read from.
type File struct {
	Path string
	Hash [sha256.Size]byte // of its content
}

// Load reads the config at path and everything it names. All problems are
// reported, in file order; the config is nil if one of them is an error.
func Load(path string) (*Config, []Problem) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, []Problem{unreadable(path, "", err)}
	}
	return Decode(path, data, os.ReadFile)
}

// Decode is Load for a text that is already there: name is its path, which other
// files' names are relative to, and readFile gives those. Include's patterns are
// matched against the file system.
func Decode(name string, data []byte, readFile func(string) ([]byte, error)) (*Config, []Problem) {
	l := &loader{readFile: readFile, order: map[string]int{}, plans: map[string]string{}}
	l.config.Files = append(l.config.Files, File{name, sha256.Sum256(data)})
	main := l.parse(name, data)
	l.files = []*file{main}
	l.config.main, l.config.origins = main, map[*rules.Plan]*file{}
	for _, path := range l.included(main) {
		data, ok := l.read(main, "include", path)
		if ok {
			l.files = append(l.files, l.parse(path, data))
		}
	}
	l.daemon(main)
	for _, f := range l.files {
		l.plan(f, main)
	}
	l.scopes(main)
	l.budgets(main)
	problems := sortProblems(withoutUnused(l.problems), l.order)
	if Errors(problems) > 0 {
		return nil, problems
	}
	return &l.config, problems
}

// withoutUnused drops the warnings of things that are not named or needed when a
// name, or a place where one would stand, is wrong: then that is what has to be
// put right.
func withoutUnused(problems []Problem) []Problem {
	if !slices.ContainsFunc(problems, func(p Problem) bool {
		return slices.Contains([]string{"syntax", "missing", "bad-value"}, p.ID) ||
			strings.HasPrefix(p.ID, "unknown-") || strings.HasPrefix(p.ID, "wrong-")
	}) {
		return problems
	}
	return slices.DeleteFunc(problems, func(p Problem) bool {
		return strings.HasPrefix(p.ID, "unused-") || p.ID == "no-effect"
	})
}

// DecodePlan reads a plan alone, as a scenario holds it: it gives the readings
// itself, so that signals need no source and no query. Sources and webhooks that
// the plan names are not looked for.
func DecodePlan(name string, data []byte, readFile func(string) ([]byte, error)) (*rules.Plan, []Problem) {
	l := &loader{readFile: readFile, order: map[string]int{}}
	f := l.parse(name, data)
	var plan *rules.Plan
	if !f.broken {
		l.queries(f)
		f.doc.Bare = true
		var found rules.Problems
		plan, found = rules.Compile(f.doc.Spec)
		l.judge(f, found)
	}
	problems := sortProblems(withoutUnused(l.problems), l.order)
	if Errors(problems) > 0 {
		return nil, problems
	}
	return plan, problems
}

// loader is one run of Decode.
type loader struct {
	readFile func(string) ([]byte, error)
	config   Config
	problems []Problem
	files    []*file           // the main file first
	order    map[string]int    // :: file name → its rank among the files
	plans    map[string]string // :: plan name → the file that has it
}

// file is one TOML file.
type file struct {
	name   string
	doc    document
	places map[string]place
	bad    map[string]bool // :: key path → whether its value could not be read
	broken bool            // it is not TOML
}

func unreadable(path, key string, err error) Problem {
	var of *os.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return Problem{File: path, Line: 1, Col: 1, Path: key, ID: "unreadable", Message: "reading the file: " + err.Error()}
}

// parse reads one file's TOML into a document, as far as it goes.
func (l *loader) parse(name string, data []byte) *file {
	l.order[name] = len(l.order)
	places, twice := positions(data)
	f := &file{name: name, bad: map[string]bool{}, places: places}
	data = bytes.Clone(data)
	for _, d := range twice {
		l.twice(f, d)
		f.bad[d.path] = true
		d.blank(data)
	}
	var table map[string]any
	if _, err := toml.Decode(string(data), &table); err != nil {
		f.broken = true
		l.problems = append(l.problems, syntax(name, err))
		return f
	}
	d := &decoder{places: f.places, fields: map[reflect.Type]map[string][]int{}}
	d.decode("", table, reflect.ValueOf(&f.doc).Elem())
	for _, p := range d.problems {
		f.bad[p.Path] = true
		l.add(f, p)
	}
	for _, path := range d.meant {
		f.bad[path] = true
	}
	return f
}

// twice reports what is written a second time. It is a problem of its own, not
// one of TOML's, so that it hides no others.
func (l *loader) twice(f *file, d duplicate) {
	l.problems = append(l.problems, Problem{
		File: f.name, Line: d.at.line, Col: d.at.col, Path: d.path, ID: "duplicate",
		Message: fmt.Sprintf("written in line %d already", d.first), Fix: "leave one out or rename it",
	})
}

func syntax(name string, err error) Problem {
	p := Problem{File: name, Line: 1, Col: 1, ID: "syntax", Message: err.Error()}
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		p.Line, p.Col = max(parse.Position.Line, 1), max(parse.Position.Col, 1)
		p.Message, p.Path = parse.Message, parse.LastKey
	}
	return p
}

// add reports a problem, unless its value could not be read and has been
// reported for that.
func (l *loader) add(f *file, p rules.Problem) {
	l.problems = append(l.problems, f.problem(p))
}

// judge reports what a check found, without what only follows from a value that
// could not be read.
func (l *loader) judge(f *file, found []rules.Problem) {
	for _, p := range found {
		known := p.ID == "excess-key" && (f.bad["release.evidence"] || f.bad[join(parent(p.Path), "evidence")])
		for path := p.Path; path != ""; path = parent(path) {
			known = known || f.bad[path]
		}
		if !known {
			l.add(f, p)
		}
	}
}

// read reads a file that a config names, and notes it as one to watch.
func (l *loader) read(f *file, key, path string) ([]byte, bool) {
	data, err := l.readFile(filepath.ToSlash(path))
	if err != nil {
		p := unreadable(path, key, err)
		l.add(f, rules.Problem{Path: key, ID: p.ID, Message: "reading " + path + ": " + strings.TrimPrefix(p.Message, "reading the file: ")})
		return nil, false
	}
	l.config.Files = append(l.config.Files, File{path, sha256.Sum256(data)})
	return data, true
}

// beside is a path that a config names, relative to the config's own file.
func (f *file) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.name), path)
}

// included lists the files that match the include patterns, each once, by name.
func (l *loader) included(main *file) []string {
	var paths []string
	for i, pattern := range main.doc.Include {
		l.config.Patterns = append(l.config.Patterns, main.beside(pattern))
		found, err := filepath.Glob(main.beside(pattern))
		key := "include" + index(i)
		switch {
		case err != nil:
			l.add(main, rules.Problem{Path: key, ID: "bad-value", Message: "pattern: " + err.Error()})
		case len(found) == 0:
			l.add(main, rules.Problem{Path: key, ID: "include-empty", Severity: rules.SeverityWarning, Message: "no file matches"})
		}
		paths = append(paths, found...)
	}
	sort.Strings(paths)
	paths = slices.Compact(paths)
	return slices.DeleteFunc(paths, func(p string) bool { return filepath.Clean(p) == filepath.Clean(main.name) })
}

// plan compiles a file's plan. A main file that includes others may go without
// one and hold what they share.
func (l *loader) plan(f, main *file) {
	if f.broken {
		return
	}
	l.queries(f)
	var found rules.Problems
	spec := f.doc.Spec
	if f == main && !f.hasPlan() && len(f.doc.Include) > 0 {
		found = rules.CheckSignals(spec.Signals)
	} else {
		if f != main {
			spec.Shared = main.doc.Signals
			l.mainOnly(f)
		}
		var plan *rules.Plan
		if plan, found = rules.Compile(spec); plan != nil {
			l.config.Plans = append(l.config.Plans, plan)
			l.config.origins[plan] = f
		}
		found = l.ownProblems(f, main, found)
		l.planName(f, &found)
	}
	l.references(f, main, &found)
	l.judge(f, found)
}

// hasPlan reports whether the file says anything of a plan but signals.
func (f *file) hasPlan() bool {
	return slices.ContainsFunc([]string{"release", "phases", "success", "rollback"}, func(key string) bool {
		_, ok := f.places[key]
		return ok
	})
}

// mainOnly reports what an included file must not have.
func (l *loader) mainOnly(f *file) {
	for _, key := range []string{"include", "sources", "webhooks", "daemon"} {
		if _, ok := f.places[key]; ok {
			l.add(f, rules.Problem{Path: key, ID: "main-file-only", Message: "an included file has a plan only", Fix: "move it to the main file"})
		}
	}
}

// queries reads the SQL of a file's Athena signals.
func (l *loader) queries(f *file) {
	for i := range f.doc.Signals {
		q := f.doc.Signals[i].Athena
		if q == nil || q.File == "" {
			continue
		}
		key := rules.Path("signals", f.doc.Signals[i].Name, "athena", "file")
		if data, ok := l.read(f, key, f.beside(q.File)); ok {
			q.SQL = string(data)
		}
	}
}
