package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/relgate/relgate/rules"
)

// Problem is one thing that is wrong with a config, and where.
type Problem struct {
	File     string         `json:"file"`
	Line     int            `json:"line"` // from 1
	Col      int            `json:"col"`  // from 1, in bytes
	Path     string         `json:"path"` // key path, empty where the file as a whole is meant
	ID       string         `json:"id"`   // which lint
	Severity rules.Severity `json:"severity"`
	Message  string         `json:"message"`
	Fix      string         `json:"fix,omitempty"`
}

// String is "config.toml:41:9: rollback.api-5xx-high.when: …", in one line.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Col)
	if p.Severity != rules.SeverityError {
		b.WriteString(p.Severity.String() + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Fix != "" {
		b.WriteString(": " + p.Fix)
	}
	return b.String() + " [" + p.ID + "]"
}

// Errors counts the problems that keep a config from being used.
func Errors(problems []Problem) int {
	n := 0
	for _, p := range problems {
		if p.Severity == rules.SeverityError {
			n++
		}
	}
	return n
}

// locate finds where a key path is written; a path that is not written has the
// place of the nearest table around it.
func (f *file) locate(path string) position {
	if p, ok := f.place(path); ok {
		return p.value
	}
	for path = parent(path); path != ""; path = parent(path) {
		if p, ok := f.place(path); ok {
			return p.key
		}
	}
	return position{line: 1, col: 1}
}

// parent drops the last key or index of a path.
func parent(path string) string {
	quoted := false
	for i := len(path) - 1; i >= 0; i-- {
		switch c := path[i]; {
		case c == '"' && !escaped(path, i):
			quoted = !quoted
		case (c == '.' || c == '[') && !quoted:
			return path[:i]
		}
	}
	return ""
}

// escaped reports whether an odd number of backslashes precedes path[i].
func escaped(path string, i int) bool {
	n := 0
	for i--; i >= 0 && path[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// problem gives a plan's problem its place in the file. Unknown keys are shown
// at the key, other problems at the value.
func (f *file) problem(p rules.Problem) Problem {
	at := f.locate(p.Path)
	if here, ok := f.place(p.Path); ok && p.ID == "unknown-key" {
		at = here.key
	}
	return Problem{
		File: f.name, Line: at.line, Col: at.col, Path: p.Path, ID: p.ID,
		Severity: p.Severity, Message: p.Message, Fix: p.Fix,
	}
}

// Locate adds to problems what was found in one of the config's plans, with its
// places in the files, and puts all in the files' order. What concerns a signal that
// the main file declares for an included plan is shown there. A plan of nil stands for
// what the main file has besides one.
func (c *Config) Locate(problems []Problem, plan *rules.Plan, found rules.Problems) []Problem {
	f, ok := c.origins[plan]
	if plan == nil {
		f, ok = c.main, true
	}
	if !ok {
		return problems
	}
	all := slices.Clone(problems)
	for _, p := range found {
		at := f
		if name, ok := under("signals", p.Path); ok && !declares(f, name) && declares(c.main, name) {
			at = c.main
		}
		all = append(all, at.problem(p))
	}
	order := map[string]int{}
	for i, file := range c.Files {
		order[file.Path] = i
	}
	return sortProblems(all, order)
}

// sortProblems puts problems in the order of the files, and each once.
func sortProblems(problems []Problem, order map[string]int) []Problem {
	sort.SliceStable(problems, func(i, j int) bool {
		a, b := problems[i], problems[j]
		if a.File != b.File {
			return order[a.File] < order[b.File]
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		if a.Col != b.Col {
			return a.Col < b.Col
		}
		return a.Path < b.Path
	})
	var once []Problem
	seen := map[Problem]bool{}
	for _, p := range problems {
		if !seen[p] {
			seen[p] = true
			once = append(once, p)
		}
	}
	return once
}
