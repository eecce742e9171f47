package emulator

import (
	"cmp"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strconv"
	"testing"

	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/gcetest/knot"
)

// own are the keys that are no property of the API's, each with its reason.
var own = map[string]string{
	"last": "the store's note of the last number given out", "n": "the note of where a search for something free goes on",
	"method": "of a job", "args": "of a job", "passed": "of a job", "started": "of a job",
	"fault": "what a job was told to fail with", "snapshot": "what a job is to make", "nic": "what a job is to change", "config": "what a job is to change",
	"made": "what a job made already, and that a member was made anew", "operation": "of a request id, and under way for a member",
	"until": "when a member has drained, and until when a schedule was followed", "attributes": "what a guest wrote",
	"template": "a member's", "repair": "that a member is made as it was before", "nic0": "of a map by the names of interfaces", "failed": "when a member's last attempt failed", "removed": "that a member is gone before it is made anew",
	"attachment": "in the details of an operation's error, a map without description", "vmType": "as attachment", "zonesAvailable": "as attachment",
	"instance-template": "a key of machines' metadata, which a managed group writes",
	"locationType":      "of the front end's answer, which all of Google's services share",
}

// unspelt are the functions whose keys are not in the source, each with why.
var unspelt = map[string]string{
	"machine.PutGuestAttribute":    "the guest's own words",
	"machine.DeleteGuestAttribute": "the guest's own words",
	"machine.guestAttributes":      "the guest's own words",
	"groups.GroupView":             "it counts the actions it lists",
}

// TestKeys: a document is read by key, and a key that is misspelt would read as
// nothing, for ever and without a word. So each key that the source spells is a
// property of Google's description, or one of the few of our own.
func TestKeys(t *testing.T) {
	sources, err := knot.Read(".", "./internal/...", ".")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, s := range discovery.Load().Schemas {
		properties(s, known)
	}
	spelt, used := 0, map[string]bool{}
	for _, s := range sources {
		if name := s.Types.Name(); name == "main" || slices.Contains([]string{"discovery", "doc", "filter"}, name) {
			continue // no key is theirs: they read what they are told
		}
		r := &keyReader{Source: s, spelt: map[types.Object][]ast.Expr{}, present: map[types.Object]bool{}, found: func(key string, at token.Pos) {
			spelt++
			used[key] = true
			if !known[key] && own[key] == "" {
				t.Errorf("%s: %q is no property of the API's and not in the list of our own keys", s.Set.Position(at), key)
			}
		}}
		for _, f := range s.Files {
			ast.Inspect(f, r.loops)
		}
		for _, f := range s.Files {
			for _, d := range f.Decls {
				r.inside = d
				ast.Inspect(d, r.visit)
			}
		}
		for _, at := range r.unknown {
			t.Errorf("%s: which keys are these? Spell them where the test can read them", s.Set.Position(at))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(own)) {
		if !used[key] {
			t.Errorf("%q is in the list of our own keys, and nobody uses it", key)
		}
		if known[key] {
			t.Errorf("%q is in the list of our own keys, and a property of the API's", key)
		}
	}
	t.Logf("%d keys are spelt, %d different ones", spelt, len(used))
	if spelt < 1000 {
		t.Errorf("only %d keys were found: the test has lost sight of them", spelt)
	}
}

// properties are the names of all properties below a schema.
func properties(s *discovery.Schema, into map[string]bool) {
	if s == nil {
		return
	}
	for name, p := range s.Properties {
		into[name] = true
		properties(p, into)
	}
	properties(s.Items, into)
	properties(s.Additional, into)
}

// A keyReader finds the keys of documents in a package's source.
type keyReader struct {
	knot.Source
	found   func(key string, at token.Pos)
	unknown []token.Pos // calls of accessors with a key that nobody spells

	inside  ast.Decl
	spelt   map[types.Object][]ast.Expr // variables of loops over literals, with these
	present map[types.Object]bool       // variables that hold keys of a document, or were checked elsewhere
}

// loops finds out what variables stand for: those of loops, and the parameters
// of accessors, whose callers are looked at.
func (r *keyReader) loops(n ast.Node) bool {
	variable := func(e ast.Expr) types.Object {
		id, _ := e.(*ast.Ident)
		return cmp.Or(r.Info.Defs[id], r.Info.Uses[id])
	}
	accessor := func(name *ast.Ident, f *ast.FuncType) {
		if _, ok := accessors[r.Types.Name()+"."+name.Name]; ok {
			for _, p := range f.Params.List {
				for _, id := range p.Names {
					r.present[r.Info.Defs[id]] = true
				}
			}
		}
	}
	switch n := n.(type) {
	case *ast.FuncDecl:
		accessor(n.Name, n.Type)
	case *ast.AssignStmt:
		if f, ok := n.Rhs[0].(*ast.FuncLit); ok {
			if id, ok := n.Lhs[0].(*ast.Ident); ok {
				accessor(id, f.Type)
			}
		}
	}
	loop, ok := n.(*ast.RangeStmt)
	if !ok {
		return true
	}
	if r.document(loop.X) {
		r.present[variable(loop.Key)] = true
	}
	if id, ok := loop.X.(*ast.Ident); ok && r.present[variable(id)] {
		r.present[variable(loop.Value)] = true
	}
	if literal, ok := loop.X.(*ast.CompositeLit); ok {
		for _, e := range literal.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				r.spelt[variable(loop.Key)] = append(r.spelt[variable(loop.Key)], pair.Key)
				e = pair.Value
			}
			r.spelt[variable(loop.Value)] = append(r.spelt[variable(loop.Value)], e)
		}
	}
	return true
}

// accessors take a document and a key, or keys from there on.
var accessors = map[string]int{
	"doc.Str": 1, "doc.Bool": 1, "doc.List": 1, "doc.Sub": 1, "doc.Num": 1, "doc.Has": 1, "doc.Objects": 1, "doc.Strings": 1, "doc.StringMap": 1,
	"api.Immutable": 2, "balancers.namesIn": 1, "balancers.leavePool": 1, "balancers.seconds": 0,
}

func (r *keyReader) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		if at, ok := accessors[r.name(n.Fun)]; ok {
			for _, key := range n.Args[at:] {
				r.key(key, true)
			}
		}
		if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "delete" && r.document(n.Args[0]) {
			r.key(n.Args[1], false)
		}
	case *ast.IndexExpr:
		if r.document(n.X) {
			r.key(n.Index, false)
		}
	case *ast.SwitchStmt:
		if id, ok := n.Tag.(*ast.Ident); ok && r.present[r.Info.Uses[id]] {
			for _, c := range n.Body.List {
				for _, key := range c.(*ast.CaseClause).List {
					r.key(key, true)
				}
			}
		}
	case *ast.BinaryExpr:
		if id, ok := n.X.(*ast.Ident); ok && r.present[r.Info.Uses[id]] {
			r.key(n.Y, false)
		}
	case *ast.CompositeLit:
		if r.document(n) {
			for _, e := range n.Elts {
				r.key(e.(*ast.KeyValueExpr).Key, false)
			}
		}
		if s, ok := r.Info.TypeOf(n).Underlying().(*types.Struct); ok {
			for i := range min(s.NumFields(), len(n.Elts)) {
				if s.Field(i).Name() == keyField {
					r.key(n.Elts[i], true)
				}
			}
		}
	}
	return true
}

// name is a function's with its package's.
func (r *keyReader) name(f ast.Expr) string {
	id, ok := f.(*ast.Ident)
	if s, is := f.(*ast.SelectorExpr); is {
		id, ok = s.Sel, true
	}
	if !ok || r.Info.Uses[id] == nil || r.Info.Uses[id].Pkg() == nil {
		return ""
	}
	return r.Info.Uses[id].Pkg().Name() + "." + id.Name
}

// document reports whether an expression is a map[string]any.
func (r *keyReader) document(e ast.Expr) bool {
	m, ok := r.Info.TypeOf(e).Underlying().(*types.Map)
	return ok && types.Identical(m.Key(), types.Typ[types.String]) && types.Identical(m.Elem(), types.NewInterfaceType(nil, nil))
}

// keyField is what a field is called in a table of keys.
const keyField = "field"

// key is told of an expression in the place of a key.
func (r *keyReader) key(e ast.Expr, must bool) {
	id, _ := e.(*ast.Ident)
	variable := r.Info.Uses[id]
	switch v := r.Info.Types[e].Value; {
	case v != nil:
		s, _ := strconv.Unquote(v.ExactString())
		r.found(s, e.Pos())
	case variable != nil && r.spelt[variable] != nil:
		for _, literal := range r.spelt[variable] {
			r.key(literal, must)
		}
	case variable != nil && r.present[variable]:
	case must:
		if s, ok := e.(*ast.SelectorExpr); ok && s.Sel.Name == keyField {
			return
		}
		if f, ok := r.inside.(*ast.FuncDecl); !ok || unspelt[r.Types.Name()+"."+f.Name.Name] == "" {
			r.unknown = append(r.unknown, e.Pos())
		}
	}
}
