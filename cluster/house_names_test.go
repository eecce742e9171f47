package cluster

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestOneNameOnce: in no package a type and a method have the same name, since a reader of
// "x.pool" could not tell which of the two is meant. What is exported is left out: of
// client.Instances() and the type Instances that it returns the package's name tells.
func TestOneNameOnce(t *testing.T) {
	types, methods := map[string]map[string]bool{}, map[string]map[string]string{}
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
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
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
