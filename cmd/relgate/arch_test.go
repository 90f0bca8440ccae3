package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/relgate/relgate"
	root   = "../.."
)

// arrows reads the imports block of ARCHITECTURE.md: package → packages that it
// may import.
func arrows(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```imports\n")
	if !found {
		t.Fatal("ARCHITECTURE.md has no ```imports block")
	}
	block, _, _ := strings.Cut(rest, "```")
	allowed := map[string][]string{}
	for line := range strings.Lines(block) {
		from, to, ok := strings.Cut(line, "->")
		if !ok {
			t.Fatalf("ARCHITECTURE.md: %q is no arrow", line)
		}
		allowed[strings.TrimSpace(from)] = strings.Fields(to)
	}
	return allowed
}

// mayImport lists what a package may import: what its own line says, or else a line with
// an X in place of one of its names. In such a line X is that name throughout, and on the
// right of any other it is any name.
func mayImport(allowed map[string][]string, dir string) (may []string, known bool) {
	if may, known = allowed[dir]; known {
		return may, true
	}
	for from, to := range allowed {
		pattern := strings.Split(from, "/")
		names := strings.Split(dir, "/")
		x := slices.Index(pattern, "X")
		if x < 0 || len(names) != len(pattern) {
			continue
		}
		if pattern[x] = names[x]; slices.Equal(pattern, names) {
			for _, t := range to {
				may = append(may, strings.ReplaceAll(t, "/X", "/"+names[x]))
			}
			return may, true
		}
	}
	return nil, false
}

// sourceFiles calls visit with every Go file of the project and its package's
// directory.
func sourceFiles(t *testing.T, visit func(dir, file string, f *ast.File, fset *token.FileSet)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "bench" || (strings.HasPrefix(d.Name(), ".") && p != root)) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(dir), p, f, fset)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsRunDownwards(t *testing.T) {
	allowed := arrows(t)
	files := 0
	sourceFiles(t, func(dir, file string, f *ast.File, fset *token.FileSet) {
		files++
		may, known := mayImport(allowed, dir)
		if !known {
			t.Errorf("%s: package %q has no line in ARCHITECTURE.md", file, dir)
			return
		}
		for _, imp := range f.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			if !strings.HasPrefix(p, module) {
				continue
			}
			to := strings.TrimPrefix(strings.TrimPrefix(p, module), "/")
			if to == "" {
				to = "."
			}
			ofTest := strings.HasSuffix(file, "_test.go") && (to == dir || to == "sources/simulator" || to == "sources/kinds" || to == "exporters/webhook/format" || path.Base(to) == "kind" || strings.HasSuffix(path.Base(to), "test"))
			ok := slices.ContainsFunc(may, func(m string) bool {
				match, _ := path.Match(strings.ReplaceAll(m, "X", "*"), to)
				return m == "*" || match
			})
			if !ofTest && !ok {
				t.Errorf("%s: %s may not import %s (ARCHITECTURE.md)", fset.Position(imp.Pos()), dir, to)
			}
		}
	})
	if files < 50 {
		t.Errorf("looked at %d files only: is the walk broken?", files)
	}
}

// pure lists the standard packages that rules and evaluator may use: none of
// them has a clock, a file, a network or randomness. Of package time only the
// types and arithmetic are used, which TestPurePackagesHaveNoClock checks. With
// sync/atomic states that never change share memory (series.extend).
var pure = []string{
	"bytes", "cmp", "encoding", "encoding/binary", "encoding/json", "errors", "fmt", "hash/crc32", "hash/fnv",
	"iter", "maps", "math", "math/bits", "net/url", "reflect", "regexp", "regexp/syntax", "slices", "sort", "strconv", "strings", "sync/atomic", "time", "unicode", "unicode/utf8",
}

// pureToo are the packages of the project's own that are held to the same.
var pureToo = []string{module + "/rules", module + "/evaluator/evidence", module + "/evaluator/datapoints", module + "/evaluator/stored", module + "/evaluator/fact", module + "/evaluator/series", module + "/evaluator/judge", module + "/evaluator/people", module + "/evaluator/effects", module + "/evaluator/rollout", module + "/evaluator"}

// arithmetic lists what evaluator/evidence may use beside the standard library.
var arithmetic = []string{"gonum.org/v1/gonum/mathext"}

// isPure reports whether a package's files are held to have no effects.
func isPure(dir string) bool {
	return slices.Contains([]string{"rules", "evaluator", "evaluator/judge", "evaluator/people", "evaluator/effects", "evaluator/rollout", "evaluator/series", "evaluator/fact", "evaluator/stored", "evaluator/evidence", "evaluator/datapoints", "evaluator/words"}, dir) ||
		strings.HasPrefix(dir, "sources/") && path.Base(dir) == "kind"
}

func TestPurePackagesImportNoEffects(t *testing.T) {
	sourceFiles(t, func(dir, file string, f *ast.File, fset *token.FileSet) {
		if !isPure(dir) || strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, imp := range f.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			if dir == "evaluator/evidence" && slices.Contains(arithmetic, p) {
				continue
			}
			if !slices.Contains(pure, p) && !slices.Contains(pureToo, p) {
				t.Errorf("%s: %s imports %s; it may use only pure packages", fset.Position(imp.Pos()), dir, p)
			}
		}
	})
}

func TestPurePackagesHaveNoClock(t *testing.T) {
	clocks := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"}
	sourceFiles(t, func(dir, file string, f *ast.File, fset *token.FileSet) {
		if !isPure(dir) || strings.HasSuffix(file, "_test.go") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" && slices.Contains(clocks, sel.Sel.Name) {
				t.Errorf("%s: %s uses time.%s; time comes in with the tick", fset.Position(sel.Pos()), dir, sel.Sel.Name)
			}
			return true
		})
	})
}

// sizeLimits keep files and functions small enough to read in one go.
func TestFilesAndFunctionsStaySmall(t *testing.T) {
	const maxFile, maxFunc = 500, 90
	sourceFiles(t, func(_, file string, f *ast.File, fset *token.FileSet) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		if n := fset.Position(f.End()).Line; n > maxFile {
			t.Errorf("%s has %d lines, more than %d", file, n, maxFile)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; n > maxFunc {
					t.Errorf("%s: %s has %d lines, more than %d", fset.Position(fn.Pos()), fn.Name.Name, n, maxFunc)
				}
			}
		}
	})
}

// goStatements lists who may start goroutines: each joins them before it returns.
func TestFewPlacesStartGoroutines(t *testing.T) {
	const most = 12
	n := 0
	sourceFiles(t, func(dir, file string, f *ast.File, fset *token.FileSet) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		ast.Inspect(f, func(node ast.Node) bool {
			if g, ok := node.(*ast.GoStmt); ok {
				n++
				t.Logf("%s: go statement in %s", fset.Position(g.Pos()), dir)
				if dir == "rules" || dir == "evaluator" {
					t.Errorf("%s: a pure package starts a goroutine", fset.Position(g.Pos()))
				}
			}
			return true
		})
	})
	if n > most {
		t.Errorf("%d go statements, more than %d", n, most)
	}
}

// The tests that ARCHITECTURE.md names beside the laws exist, and law 8 names some.
func TestTheLawsNameTestsThatThereAre(t *testing.T) {
	t.Parallel()
	text := readText(t, filepath.Join(root, "ARCHITECTURE.md"))
	_, laws, _ := strings.Cut(text, "\n## Laws\n")
	laws, _, _ = strings.Cut(laws, "\n## ")
	there := map[string]bool{}
	sourceFiles(t, func(_, file string, f *ast.File, _ *token.FileSet) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasSuffix(file, "_test.go") {
				there[fn.Name.Name] = true
			}
		}
	})
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	for _, m := range name.FindAllStringSubmatch(laws, -1) {
		if !there[m[1]] {
			t.Errorf("ARCHITECTURE.md names %s, and there is no such test", m[1])
		}
	}
	_, eighth, _ := strings.Cut(laws, "\n8. ")
	eighth, _, _ = strings.Cut(eighth, "\n9. ")
	if !name.MatchString(eighth) {
		t.Error("law 8 names no test")
	}
}
