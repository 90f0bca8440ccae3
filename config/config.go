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
	Plans         []*rules.Plan      // that have no errors: the main file's first, then the included ones by name
	Broken        []BrokenPlan       // the other files, in the same order
	Sources       []SourceSpec       // in file order
	Webhooks      []WebhookSpec      // in file order
	Alertmanagers []AlertmanagerSpec // in file order
	GitHubs       []GitHubSpec       // in file order
	Sinks         []SinkSpec         // in file order
	Environments  []EnvironmentSpec  // in file order
	Grafana       *GrafanaSpec       // nil: there is none
	OTLP          *OTLPSpec          // nil: there is none
	Daemon        DaemonSpec
	Files         []File   // what was read, or could not be: the main file, included files, SQL
	Patterns      []string // what include said, below the main file's folder: a file that comes to match changes the config

	main    *file
	origins map[*rules.Plan]*file
}

// BrokenPlan is a file whose plan cannot be used.
type BrokenPlan struct {
	File     string
	Plan     string    // its name, empty where that cannot be read
	Problems []Problem // the errors, in file order: those of its file, and those of signals of the main file that it uses
}

// File is one file that a config was read from.
type File struct {
	Path string
	Hash [sha256.Size]byte // of its content; zero if it could not be read
}

// Reader reads configs whose sources are of some kinds, and whose webhooks have some
// formats.
type Reader struct {
	Kinds   rules.Kinds
	Formats []rules.WebhookFormat // the first is the default
}

// Load reads the config at path and everything it names. All problems are
// reported, in file order.
//
// The config is nil only if the main file cannot be used: it cannot be read, is
// not TOML, or has an error outside of its plan. A plan with an error is not among
// the config's Plans but in its Broken, and keeps no other plan from running; nor
// does an included file that cannot be read, or a pattern that matches none. So a
// config may have no plans at all. Callers that need all of them ask [Errors].
func (r Reader) Load(path string) (*Config, []Problem) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, []Problem{unreadable(path, "", err)}
	}
	return r.Decode(path, data, readFile)
}

const maxFile = 16 << 20 // bytes of a file that a config names

// readFile reads a file that a config names. A pipe or a device is an error: waiting for
// one that is never written to would end all reloading, and with it the revoking of tokens.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &os.PathError{Op: "reading", Path: path, Err: errors.New("it is not a regular file")}
	case info.Size() > maxFile:
		return nil, &os.PathError{Op: "reading", Path: path, Err: errors.New("it is larger than 16 MiB")}
	}
	return os.ReadFile(path)
}

// Decode is Load for a text that is already there: name is its path, which other
// files' names are relative to, and readFile gives those. Include's patterns are
// matched against the file system.
func (r Reader) Decode(name string, data []byte, readFile func(string) ([]byte, error)) (*Config, []Problem) {
	l := &loader{kinds: r.Kinds, formats: r.Formats, readFile: readFile, order: map[string]int{}, plans: map[string]string{}}
	l.config.Files = append(l.config.Files, File{name, sha256.Sum256(data)})
	main := l.parse(name, data)
	l.files = []*file{main}
	l.config.main, l.config.origins = main, map[*rules.Plan]*file{}
	for _, path := range l.included(main) {
		l.files = append(l.files, l.include(path))
	}
	l.daemon(main)
	for _, f := range l.files {
		l.plan(f, main)
	}
	l.scopes(main)
	l.separate()
	l.budgets(main)
	problems := sortProblems(withoutUnused(l.problems), l.order)
	if slices.ContainsFunc(problems, main.unusable) {
		return nil, problems
	}
	return &l.config, problems
}

// include reads a file that the main file includes.
func (l *loader) include(path string) *file {
	data, err := l.readFile(filepath.ToSlash(path))
	l.noteFile(path, data, err)
	if err == nil {
		return l.parse(path, data)
	}
	l.order[path] = len(l.order)
	l.problems = append(l.problems, unreadable(path, "", err))
	return &file{name: path, broken: true, locator: locator{root: new(node)}}
}

// planTables are the tables of a file that make a plan. All others are the main
// file's own.
var planTables = []string{"release", "parameters", "phases", "success", "rollback", "signals", "communications", "rehearsal", "people", "approvals", "review"}

// unusable reports whether a problem keeps the whole config from being used: an
// error of the main file outside of its plan. A missing plan file does not.
func (f *file) unusable(p Problem) bool {
	key := p.Path
	for parent(key) != "" {
		key = parent(key)
	}
	return p.File == f.name && p.Severity == rules.SeverityError && p.ID != "unknown-plan" && p.ID != "include-empty" &&
		(p.ID == "syntax" || !slices.Contains(planTables, key))
}

// separate tells the plans with errors from those without.
func (l *loader) separate() {
	main, good := l.config.main, map[*file]*rules.Plan{}
	for plan, f := range l.config.origins {
		good[f] = plan
	}
	l.config.Plans = nil
	for _, f := range l.files {
		if f == main && l.sharesOnly(f) {
			continue
		}
		errs := slices.DeleteFunc(slices.Clone(l.problems), func(p Problem) bool {
			return p.Severity != rules.SeverityError || main.unusable(p) || !f.concerns(main, p)
		})
		if plan := good[f]; plan != nil && len(errs) == 0 {
			l.config.Plans = append(l.config.Plans, plan)
			continue
		}
		delete(l.config.origins, good[f])
		l.config.Broken = append(l.config.Broken, BrokenPlan{File: f.name, Plan: f.planName(), Problems: sortProblems(errs, l.order)})
	}
}

// concerns reports whether a problem is one of the file's plan: it lies in the
// file, or in a signal of the main file that the plan uses.
func (f *file) concerns(main *file, p Problem) bool {
	if p.File == f.name {
		return p.ID != "unknown-plan" && p.ID != "include-empty"
	}
	name, ok := under("signals", p.Path)
	return ok && p.File == main.name && uses(f, name) && !declares(f, name)
}

// planName is the name of the file's plan as far as the file could be read, empty
// if it has none.
func (f *file) planName() string {
	if release := f.root.child([]byte("release")); release != nil {
		if plan := release.child([]byte("plan")); plan != nil {
			name, _ := plan.scalar.(string)
			return name
		}
	}
	return ""
}

// FileOf is the path of the file that has a plan of this config, empty if the
// config does not have the plan.
func (c *Config) FileOf(plan *rules.Plan) string {
	if f := c.origins[plan]; f != nil {
		return f.name
	}
	return ""
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
func (r Reader) DecodePlan(name string, data []byte, readFile func(string) ([]byte, error)) (*rules.Plan, []Problem) {
	l := &loader{kinds: r.Kinds, formats: r.Formats, readFile: readFile, order: map[string]int{}}
	f := l.parse(name, data)
	var plan *rules.Plan
	if !f.broken {
		l.queries(f, f)
		f.doc.Bare = true
		var found rules.Problems
		plan, found = rules.Compile(f.doc.Spec, l.kinds...)
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
	kinds    rules.Kinds
	formats  []rules.WebhookFormat
	readFile func(string) ([]byte, error)
	config   Config
	problems []Problem
	files    []*file           // the main file first
	order    map[string]int    // :: file name → its rank among the files
	plans    map[string]string // :: plan name → the file that has it
}

// file is one TOML file.
type file struct {
	name string
	doc  document
	locator
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
	root, twice, err := plant(data)
	f := &file{name: name, bad: map[string]bool{}, locator: locator{data: data, root: root}}
	for _, d := range twice {
		l.twice(f, d)
		f.bad[d.path] = true
	}
	if err != nil {
		f.broken = true
		l.problems = append(l.problems, syntax(name, data, twice, err))
		return f
	}
	d := &decoder{kinds: l.kinds, formats: l.formats, fields: map[reflect.Type]map[string][]int{}, names: map[reflect.Type][]int{}}
	d.decode(root, reflect.ValueOf(&f.doc).Elem())
	d.texts(root)
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
	at := f.at(d.at)
	l.problems = append(l.problems, Problem{
		File: f.name, Line: at.line, Col: at.col, Path: d.path, ID: "duplicate",
		Message: fmt.Sprintf("written in line %d already", f.at(d.first).line), Fix: "leave one out or rename it",
	})
}

// syntax says why a file is not TOML. The words and the place are BurntSushi's,
// who reads the text without what has been reported already; err is what is known
// if it finds no fault.
func syntax(name string, data []byte, twice []duplicate, err error) Problem {
	data = bytes.Clone(data)
	for _, d := range twice {
		d.blank(data)
	}
	var table map[string]any
	if _, found := toml.Decode(string(data), &table); found != nil {
		err = found
	}
	p := Problem{File: name, Line: 1, Col: 1, ID: "syntax", Message: err.Error()}
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		p.Line, p.Col = max(parse.Position.Line, 1), max(parse.Position.Col, 1)
		p.Message, p.Path = parse.Message, parse.LastKey
	}
	return p
}

// add reports a problem of a file with its place.
func (l *loader) add(f *file, p rules.Problem) {
	l.problems = append(l.problems, f.problem(p))
}

// judge reports what a check found, without what only follows from a value that
// could not be read.
func (l *loader) judge(f *file, found []rules.Problem) {
	for _, p := range found {
		known := p.ID == "excess-key" && (f.bad["release.evidence"] || f.bad[join(parent(p.Path), "evidence")]) ||
			p.Path == "release.expected_completion" && f.bad["release.start"]
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
	l.noteFile(path, data, err)
	if err != nil {
		p := unreadable(path, key, err)
		l.add(f, rules.Problem{Path: key, ID: p.ID, Message: "reading " + path + ": " + strings.TrimPrefix(p.Message, "reading the file: ")})
		return nil, false
	}
	return data, true
}

// noteFile notes a file as one to watch.
func (l *loader) noteFile(path string, data []byte, err error) {
	f := File{Path: path}
	if err == nil {
		f.Hash = sha256.Sum256(data)
	}
	l.config.Files = append(l.config.Files, f)
}

// beside is a path that a config names, relative to the config's own file.
func (f *file) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.name), path)
}

// included lists the files that match the include patterns, each once, by name.
// A pattern without a match is an error: its files may be away, and nothing else
// would say so. The main file itself is no match.
func (l *loader) included(main *file) []string {
	var paths []string
	for i, written := range main.doc.Include {
		pattern := main.pattern(written)
		l.config.Patterns = append(l.config.Patterns, pattern)
		found, err := matches(pattern)
		others := slices.DeleteFunc(slices.Clone(found), func(p string) bool { return filepath.Clean(p) == filepath.Clean(main.name) })
		key := "include" + index(i)
		switch fix := "bring the files back, or put the pattern right"; {
		case err != nil:
			l.add(main, rules.Problem{Path: key, ID: "bad-value", Message: "pattern: " + err.Error()})
		case strings.Contains(written, "**"): // it matches one folder as "*" does, and would leave the others out in silence
			l.add(main, rules.Problem{Path: key, ID: "bad-value", Message: `"**" is not for folders of any depth here`, Fix: `write a pattern for each depth: "plans/*.toml", "plans/*/*.toml"`})
		case len(found) == 0:
			l.add(main, rules.Problem{Path: key, ID: "include-empty", Message: "no file matches", Fix: fix})
		case len(others) == 0:
			l.add(main, rules.Problem{Path: key, ID: "include-empty", Message: "no file matches but this one itself", Fix: fix})
		}
		paths = append(paths, others...)
	}
	sort.Strings(paths)
	return slices.Compact(paths)
}

// plan compiles a file's plan. A main file that includes others may go without
// one and hold what they share.
func (l *loader) plan(f, main *file) {
	if f.broken {
		return
	}
	l.queries(f, main)
	var found rules.Problems
	spec := f.doc.Spec
	if f == main && l.sharesOnly(f) {
		found = rules.CheckSignals(spec.Signals, l.kinds...)
	} else {
		if f != main {
			spec.Shared = main.doc.Signals
			l.mainOnly(f)
		}
		var plan *rules.Plan
		if plan, found = rules.Compile(spec, l.kinds...); plan != nil {
			l.config.origins[plan] = f
		}
		found = l.ownProblems(f, main, found)
		l.planName(f, &found)
	}
	l.references(f, main, &found)
	l.judge(f, found)
}

// sharesOnly reports whether the main file has no plan of its own, but what others
// share.
func (l *loader) sharesOnly(main *file) bool { return !main.hasPlan() && len(main.doc.Include) > 0 }

// hasPlan reports whether the file says anything of a plan but signals.
func (f *file) hasPlan() bool {
	return slices.ContainsFunc([]string{"release", "phases", "success", "rollback"}, func(key string) bool {
		return f.root.child([]byte(key)) != nil
	})
}

// mainOnly reports what an included file must not have.
func (l *loader) mainOnly(f *file) {
	for _, key := range []string{"include", "sources", "webhooks", "alertmanager", "grafana", "sinks", "otlp", "github", "environments", "daemon"} {
		if f.root.child([]byte(key)) != nil {
			l.add(f, rules.Problem{Path: key, ID: "main-file-only", Message: "an included file has a plan only", Fix: "move it to the main file"})
		}
	}
}

// queries reads the files that signals' queries name, and tells those that depend on it
// of their account.
func (l *loader) queries(f, main *file) {
	for i := range f.doc.Signals {
		s := &f.doc.Signals[i]
		for _, ask := range queriesOf(s) {
			if q, ok := ask.(rules.AccountQuery); ok {
				for k := range main.doc.Sources {
					if account := &main.doc.Sources[k]; account.Name == s.Source {
						q.SetAccount(account.Text)
					}
				}
			}
			q, ok := ask.(rules.FileQuery)
			if !ok {
				continue
			}
			name, _ := q.FileText()
			if name == "" {
				continue
			}
			if data, ok := l.read(f, rules.Path("signals", s.Name, ask.Source(), "file"), f.beside(name)); ok {
				q.SetText(string(data))
			}
		}
	}
}
