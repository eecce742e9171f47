package cluster

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hakube/gce/gcetest/knot"
)

// What the house is measured by. A number may fall, and the line is lowered with it;
// one that grows is a step back, whatever it is grown for. Above eight files, five kinds
// of step, three places nobody can tell what a line may touch.
const (
	mostInCircle = 8 // files of one package that reach each other in a circle
	mostEmbedded = 5 // kinds of step that one struct is embedded in
	mostModes    = 3 // places where a mode is compared
	mostCarried  = 1 // values that cluster puts into a context: the engine's tracking, where Note finds its step
	mostHeld     = 2 // fields and closures of steps that see all of a task: the last look of a removal looks as its command did
	mostWritten  = 0 // places that write into a spec: who learns more makes another one
)

// TestHouse measures them.
func TestHouse(t *testing.T) {
	besideOthers(t)
	packages, err := knot.Load(".", "./...")
	if err != nil {
		t.Fatal(err)
	}
	circle, where := 0, ""
	for _, p := range packages {
		if n := len(p.Circle()); n > circle {
			circle, where = n, p.Path
		}
	}
	embedded, modes, carried, written, held := map[string]int{}, 0, 0, 0, 0
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), path, source, 0)
		if err != nil {
			return err
		}
		if slices.Contains(ofSteps, filepath.Dir(path)) {
			held += heldTasks(file)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.StructType:
				for _, f := range x.Fields.List {
					if len(f.Names) == 0 {
						embedded[nameOf(f.Type)]++
					}
				}
			case *ast.BinaryExpr:
				if (x.Op == gotoken.EQL || x.Op == gotoken.NEQ) && (ofMode(x.X) || ofMode(x.Y)) {
					modes++
				}
			case *ast.CallExpr:
				if nameOf(x.Fun) == "WithValue" {
					carried++
				}
			case *ast.AssignStmt:
				for _, to := range x.Lhs {
					if ofSpec(to) {
						written++
					}
				}
			case *ast.SwitchStmt:
				if x.Tag != nil && ofMode(x.Tag) {
					modes++
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	most := ""
	for _, name := range slices.Sorted(maps.Keys(embedded)) {
		if embedded[name] > embedded[most] {
			most = name
		}
	}
	fmt.Printf("REPORT TestHouse: largest circle %d files (%s), most embedded %s in %d structs, a mode is compared at %d places, %d values in contexts (%d in the whole tree), a spec is written into at %d places, %d steps hold a task\n", circle, where, most, embedded[most], modes, carried, valuesInContexts(t), written, held)
	for _, x := range []struct {
		what     string
		is, most int
	}{{"files in a circle", circle, mostInCircle}, {"structs that embed " + most, embedded[most], mostEmbedded}, {"places that compare a mode", modes, mostModes},
		{"values in contexts", carried, mostCarried}, {"places that write into a spec", written, mostWritten}, {"fields and closures of steps that have all of a task", held, mostHeld}} {
		if x.is > x.most {
			t.Errorf("%d %s, there may be %d", x.is, x.what, x.most)
		}
	}
}

// nameOf is a type's name, without its package and its star.
func nameOf(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.StarExpr:
		return nameOf(x.X)
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.IndexExpr:
		return nameOf(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// ofMode tells whether an expression is a mode.
func ofMode(e ast.Expr) bool {
	name := nameOf(e)
	return name == "mode" || name == "Mode"
}

// ofSpec tells whether an expression is a part of what a run wants: Want.Settings.X.
func ofSpec(e ast.Expr) bool {
	for {
		x, ok := e.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		if e = x.X; nameOf(e) == "Want" {
			return true
		}
	}
}
