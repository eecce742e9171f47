package gcetest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestContract has the suite use every verb of package gce once, and all that
// goes over the wire fit Google's description: what gce can say, it says as
// Google wants it.
func TestContract(t *testing.T) {
	w := Start(t)
	Suite(t, w.Client)
	seen, used := w.Seen.Methods(), methodsOf(t, "..")
	checked := 0
	for _, m := range used {
		if slices.Contains(seen, m) {
			checked++
		} else {
			t.Errorf("package gce calls %s, and the suite never does: nothing holds its requests to Google's description", m)
		}
	}
	for _, m := range seen {
		if !slices.Contains(used, m) {
			t.Errorf("%s was called, and this test does not see where in package gce", m)
		}
	}
	requests, answers, ofRequests, ofAnswers := w.Seen.Unseen()
	fmt.Printf("REPORT TestContract: %d of the %d methods hakube uses are held to Google's description; of their %d fields in requests %d are never sent, of the %d in answers %d never seen\n",
		checked, len(used), ofRequests, len(requests), ofAnswers, len(answers))
	if t.Failed() {
		return // that list is long
	}
	t.Logf("never sent: %s\nnever seen: %s", strings.Join(requests, " "), strings.Join(answers, " "))
}

// methodsOf are the methods of Compute Engine that the package in dir calls,
// as the discovery document names them: from rest.Insert in a function of type
// func(…, rest *compute.InstancesClient, …) comes instances.insert.
func methodsOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source in %s: %v", dir, err)
	}
	found := map[string]bool{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				callsOf(n, found)
			case *ast.FuncDecl:
				if of, ok := byHand[receiver(n)]; ok && n.Name.IsExported() {
					found[of+"."+lowerFirst(n.Name.Name)] = true
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// byHand are collections that Google's client has not, and gce asks for itself.
var byHand = map[string]string{"HTTPHealthChecks": "httpHealthChecks"}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	return fmt.Sprint(f.Recv.List[0].Type)
}

// callsOf adds what a function calls on those of its parameters that are REST clients.
func callsOf(f *ast.FuncLit, found map[string]bool) {
	resources := map[string]string{}
	for _, p := range f.Type.Params.List {
		star, ok := p.Type.(*ast.StarExpr)
		if !ok {
			continue
		}
		sel, ok := star.X.(*ast.SelectorExpr)
		if !ok || !strings.HasSuffix(sel.Sel.Name, "Client") || fmt.Sprint(sel.X) != "compute" {
			continue
		}
		for _, name := range p.Names {
			resources[name.Name] = lowerFirst(strings.TrimSuffix(sel.Sel.Name, "Client"))
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if of, ok := sel.X.(*ast.Ident); ok && resources[of.Name] != "" {
			found[resources[of.Name]+"."+lowerFirst(sel.Sel.Name)] = true
		}
		return true
	})
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
