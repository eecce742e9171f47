package cluster

import (
	"go/ast"
	"path/filepath"
	"testing"
)

// TestOneNameOnce: in no package a type and a method have the same name, since a reader of
// "x.pool" could not tell which of the two is meant. What is exported is left out: of
// client.Instances() and the type Instances that it returns the package's name tells.
func TestOneNameOnce(t *testing.T) {
	types, methods := map[string]map[string]bool{}, map[string]map[string]string{}
	eachGoFile(t, func(path string, file *ast.File) {
		dir := filepath.Dir(path)
		if types[dir] == nil {
			types[dir], methods[dir] = map[string]bool{}, map[string]string{}
		}
		for _, d := range file.Decls {
			switch x := d.(type) {
			case *ast.FuncDecl:
				if x.Recv != nil && !x.Name.IsExported() {
					methods[dir][x.Name.Name] = path
				}
			case *ast.GenDecl:
				for _, s := range x.Specs {
					if spec, is := s.(*ast.TypeSpec); is {
						types[dir][spec.Name.Name] = true
					}
				}
			}
		}
	})
	for dir, names := range methods {
		for name, path := range names {
			if types[dir][name] {
				t.Errorf("%s: %s is a method, and a type of the package too", path, name)
			}
		}
	}
	if len(types) < 40 {
		t.Errorf("%d packages were read", len(types))
	}
}
