package main

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What relgate knows of an upstream lies in the folder of its source: no other code has
// its name, in an identifier or in a text. The simulator's commands have one each.
func TestTheCoreKnowsNoVendor(t *testing.T) {
	simulated := []string{"cmd/relgate/simulate.go", "cmd/relgate/world.go"}
	looked := 0
	sourceFiles(t, func(dir, file string, f *ast.File, fset *token.FileSet) {
		core := dir == "sources" || dir == "cmd/relgate" || slices.ContainsFunc([]string{"rules", "config", "evaluator", "exporters"}, func(top string) bool {
			return dir == top || strings.HasPrefix(dir, top+"/")
		})
		core = core && !strings.HasPrefix(dir, "exporters/actuator/") // a client of a vendor's own, as sources/X is
		if !core || strings.HasSuffix(file, "_test.go") || slices.Contains(simulated, dir+"/"+filepath.Base(file)) {
			return
		}
		looked++
		ast.Inspect(f, func(n ast.Node) bool {
			text := ""
			switch n := n.(type) {
			case *ast.Ident:
				text = n.Name
			case *ast.BasicLit:
				text = n.Value
			default:
				return true
			}
			for _, vendor := range upstreamKinds().Names() {
				if vendor == "inbox" { // no vendor: the daemon's own door, which serves, stores and counts
					continue
				}
				if strings.Contains(strings.ToLower(strings.ReplaceAll(text, " ", "")), vendor) {
					t.Errorf("%s: %s names %s", fset.Position(n.Pos()), text, vendor)
				}
			}
			return true
		})
	})
	if looked < 100 {
		t.Errorf("looked at %d files only: is the walk broken?", looked)
	}
}
