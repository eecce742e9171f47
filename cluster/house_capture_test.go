package cluster

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contextValues are all files that put something into a context, and what. Behaviour is
// in a type, where a reader of a signature sees it: the gate, the clock and the budget of
// retries are fields of what a run works with.
var contextValues = map[string]string{
	"cluster/plan/event.go":               "the engine's own tracking: the step that a Note is about",
	"gce/emulator/internal/api/caller.go": "of one request, the embedded GCE's: who makes it",
	"replicate/etcdtest/api.go":           "of one connection, the model's: to whose API server it was made",
}

// valuesInContexts counts, in the whole tree and without tests, the calls that put a value
// into a context, and holds them to the list.
func valuesInContexts(t *testing.T) (all int) {
	t.Helper()
	found := map[string]int{}
	eachGoFile(t, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if x, is := n.(*ast.CallExpr); is && nameOf(x.Fun) == "WithValue" {
				found[filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))]++
				all++
			}
			return true
		})
	})
	for file, n := range found {
		if contextValues[file] == "" || n > 1 {
			t.Errorf("%s puts %d values into contexts: behaviour is a field of what a run works with (env.Deps), data an argument", file, n)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(contextValues)) {
		if found[file] == 0 {
			t.Errorf("%s puts nothing into a context any more: take it off the list", file)
		}
	}
	return all
}

// ofSteps are the packages that make steps.
var ofSteps = []string{"step", "member", "live", "removal"}

// heldTasks counts in a file what would let a step touch all that a command has: fields
// that are a *task.Task, and closures that see one from outside of them.
func heldTasks(file *ast.File) (held int) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.StructType:
			for _, f := range x.Fields.List {
				if isTask(f.Type) {
					held++
				}
			}
		case *ast.FuncDecl:
			held += seesTask(x)
		}
		return true
	})
	return held
}

// seesTask counts the closures of a function that mention a task of its parameters in any
// way but as what they read a value out of before they are made.
func seesTask(f *ast.FuncDecl) (seen int) {
	var tasks []string
	for _, p := range f.Type.Params.List {
		for _, name := range p.Names {
			if isTask(p.Type) {
				tasks = append(tasks, name.Name)
			}
		}
	}
	if len(tasks) == 0 || f.Body == nil {
		return 0
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		closure, is := n.(*ast.FuncLit)
		if !is {
			return true
		}
		mentions := false
		ast.Inspect(closure.Body, func(n ast.Node) bool {
			name, is := n.(*ast.Ident)
			mentions = mentions || is && slices.Contains(tasks, name.Name)
			return true
		})
		if mentions {
			seen++
		}
		return false // one inside of another is the same one
	})
	return seen
}

// isTask tells whether a type is *task.Task.
func isTask(e ast.Expr) bool {
	star, is := e.(*ast.StarExpr)
	return is && nameOf(star.X) == "Task"
}

// eachGoFile parses each file of the whole tree that is no test.
func eachGoFile(t *testing.T, do func(path string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && len(name) > 2 && strings.HasPrefix(name, "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		do(path, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
