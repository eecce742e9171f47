// Package knot measures how a package's files hang together: which file uses
// what another one declares, and which files reach each other in a circle. Files
// that do are one subject however many they are: none of them can be read,
// changed or moved without the rest. A test that keeps the largest such set small
// keeps the walls between packages where they are.
package knot

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Package is one package as its files see each other. Tests are not looked at.
type Package struct {
	Path  string
	Files []string
	// Uses says for each file which names of which other files it uses:
	// Uses["a.go"]["b.go"] is sorted. A name is one declared for the whole
	// package, a method, or a field.
	Uses map[string]map[string][]string
}

// A Source is a package's source with its types. Tests are not in it.
type Source struct {
	Path  string
	Types *types.Package
	Info  *types.Info
	Set   *token.FileSet
	Files map[string]*ast.File // by name
}

// Load measures the packages that go list finds by the patterns, seen from dir.
func Load(dir string, patterns ...string) ([]Package, error) {
	sources, err := Read(dir, patterns...)
	if err != nil {
		return nil, err
	}
	all := make([]Package, len(sources))
	for i, s := range sources {
		all[i] = s.measure()
	}
	return all, nil
}

// Read reads the packages that go list finds by the patterns, seen from dir.
func Read(dir string, patterns ...string) ([]Source, error) {
	args := append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export,DepOnly,Error"}, patterns...)
	list := exec.Command("go", args...)
	list.Dir = dir
	list.Stderr = new(strings.Builder)
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, list.Stderr)
	}
	var wanted []listed
	exports := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading what go list says: %w", err)
		}
		if p.Error != nil {
			return nil, fmt.Errorf("package %s: %s", p.ImportPath, p.Error.Err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly && len(p.GoFiles) > 0 {
			wanted = append(wanted, p)
		}
	}
	all := make([]Source, 0, len(wanted))
	for _, p := range wanted {
		pkg, err := read(p, exports)
		if err != nil {
			return nil, fmt.Errorf("package %s: %w", p.ImportPath, err)
		}
		all = append(all, pkg)
	}
	return all, nil
}

// A listed is a package as go list tells of it.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly                 bool
	Error                   *struct{ Err string }
}

// read checks the types of one package, whose imports are compiled already.
func read(p listed, exports map[string]string) (Source, error) {
	s := Source{Path: p.ImportPath, Set: token.NewFileSet(), Files: map[string]*ast.File{}}
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(s.Set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return s, err
		}
		files, s.Files[name] = append(files, f), f
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	s.Info = &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
	conf := types.Config{Importer: importer.ForCompiler(s.Set, "gc", open)}
	var err error
	s.Types, err = conf.Check(p.ImportPath, s.Set, files, s.Info)
	return s, err
}

// measure finds which file uses what of which.
func (s Source) measure() Package {
	p := Package{Path: s.Path, Files: slices.Sorted(maps.Keys(s.Files)), Uses: map[string]map[string][]string{}}
	for id, o := range s.Info.Uses {
		if o.Pkg() != s.Types || !shared(o) {
			continue
		}
		from, to := filepath.Base(s.Set.Position(id.Pos()).Filename), filepath.Base(s.Set.Position(o.Pos()).Filename)
		if from == to {
			continue
		}
		if p.Uses[from] == nil {
			p.Uses[from] = map[string][]string{}
		}
		if at, found := slices.BinarySearch(p.Uses[from][to], o.Name()); !found {
			p.Uses[from][to] = slices.Insert(p.Uses[from][to], at, o.Name())
		}
	}
	return p
}

// shared tells the names that another file can see: those of the package, methods and fields.
func shared(o types.Object) bool {
	switch o := o.(type) {
	case *types.Var:
		return o.IsField() || o.Parent() == o.Pkg().Scope()
	case *types.Func:
		return true
	case *types.PkgName, *types.Label:
		return false
	}
	return o.Parent() == o.Pkg().Scope()
}

// Circle is the largest set of files that all reach each other, sorted; nothing
// if no two do.
func (p Package) Circle() []string {
	var largest []string
	for _, f := range p.Files {
		ahead := p.reached(f)
		var circle []string
		for g := range ahead {
			if p.reached(g)[f] {
				circle = append(circle, g)
			}
		}
		if len(circle) > len(largest) {
			largest = circle
		}
	}
	slices.Sort(largest)
	return largest
}

// reached are the files that one uses, also through others: with itself if it
// comes back to it.
func (p Package) reached(file string) map[string]bool {
	seen := map[string]bool{}
	for next := []string{file}; len(next) > 0; {
		f := next[0]
		next = next[1:]
		for to := range p.Uses[f] {
			if !seen[to] {
				seen[to] = true
				next = append(next, to)
			}
		}
	}
	return seen
}

// String is the package in one line and, when files are in a circle, what each
// of them uses of the others: what would have to go to break it.
func (p Package) String() string {
	circle := p.Circle()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d files, %d of them in a circle", p.Path, len(p.Files), len(circle))
	for _, from := range circle {
		for _, to := range slices.Sorted(maps.Keys(p.Uses[from])) {
			if slices.Contains(circle, to) {
				fmt.Fprintf(&b, "\n\t%s → %s: %s", from, to, strings.Join(p.Uses[from][to], " "))
			}
		}
	}
	return b.String()
}
