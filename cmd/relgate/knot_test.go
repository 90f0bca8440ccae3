package main

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The core stays small enough to be read, and its files do not depend on each other in a
// circle that has to be read as one.
func TestTheCoreIsNoKnot(t *testing.T) {
	const mostLines, mostInCircle = 3500, 8
	lines := 0
	for _, name := range codeFiles(t, filepath.Join(root, "evaluator")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines += bytes.Count(text, []byte("\n"))
	}
	if lines > mostLines {
		t.Errorf("evaluator/ has %d lines without its tests and the packages below it, more than %d: what is new belongs into a package", lines, mostLines)
	}
	for _, dir := range []string{"evaluator", "evaluator/judge", "evaluator/series", "evaluator/fact", "evaluator/words"} {
		if circle := largestCircle(t, filepath.Join(root, dir)); len(circle) > mostInCircle {
			t.Errorf("%s: %d files depend on each other in a circle, more than %d: %s", dir, len(circle), mostInCircle, strings.Join(circle, " "))
		}
	}
	if len(largestCircle(t, filepath.Join(root, "rules"))) < 2 {
		t.Error("no circle is found in rules, where there is one: does the search work?")
	}
}

// codeFiles lists the Go files of a directory, without its tests.
func codeFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, "_test.go") })
}

// noImports is an importer that knows nothing: only a package's own names matter here.
type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not looked at") }

// largestCircle lists the most files of a package that use each other's functions, methods,
// types, constants or variables in a circle.
func largestCircle(t *testing.T, dir string) []string {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range codeFiles(t, dir) {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	pkg, _ := conf.Check("p", fset, files, info) // what it imports stays unknown
	uses := map[string]map[string]bool{}
	for id, o := range info.Uses {
		_, method := o.(*types.Func)
		if o.Pkg() != pkg || !method && o.Parent() != pkg.Scope() {
			continue
		}
		from, to := filepath.Base(fset.Position(id.Pos()).Filename), filepath.Base(fset.Position(o.Pos()).Filename)
		if uses[from] == nil {
			uses[from] = map[string]bool{}
		}
		uses[from][to] = true
	}
	var largest []string
	for file := range uses {
		circle := []string{}
		for other := range uses {
			if reaches(uses, file, other) && reaches(uses, other, file) {
				circle = append(circle, other)
			}
		}
		if len(circle) > len(largest) {
			largest = circle
		}
	}
	slices.Sort(largest)
	return largest
}

// reaches reports whether one leads to another, over any number of steps.
func reaches(uses map[string]map[string]bool, from, to string) bool {
	seen, next := map[string]bool{}, []string{from}
	for len(next) > 0 {
		at := next[0]
		next = next[1:]
		if at == to {
			return true
		}
		if seen[at] {
			continue
		}
		seen[at] = true
		for n := range uses[at] {
			next = append(next, n)
		}
	}
	return false
}
