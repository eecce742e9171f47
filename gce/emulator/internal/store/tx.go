package store

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"hakube/gce/emulator/internal/doc"
)

// Tx is a view of the store, and inside update also the changes so far.
type Tx struct {
	s     *Store
	puts  map[doc.Ref]doc.Obj // nil: deleted
	seq   uint64
	after []func() // see then
}

// Get returns the document, which must not be changed, or nil.
func (t *Tx) Get(r doc.Ref) doc.Obj {
	if o, ok := t.puts[r]; ok {
		return o
	}
	return t.s.colls[r.Collection()][r.Name()]
}

// Edit returns a copy of the document that is stored when the transaction
// ends, or nil if there is none.
func (t *Tx) Edit(r doc.Ref) doc.Obj {
	if o, ok := t.puts[r]; ok {
		return o
	}
	o := doc.Clone(t.Get(r))
	if o != nil {
		t.puts[r] = o
	}
	return o
}

// Put stores a copy of a document when the transaction ends.
func (t *Tx) Put(r doc.Ref, o doc.Obj) { t.puts[r] = doc.Clone(o) }

// Delete removes a document.
func (t *Tx) Delete(r doc.Ref) { t.puts[r] = nil }

// List returns the documents of a collection, sorted by name.
func (t *Tx) List(collection string) []doc.Obj {
	byName := t.s.colls[collection]
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	for r := range t.puts {
		if r.Collection() == collection && byName[r.Name()] == nil {
			names = append(names, r.Name())
		}
	}
	slices.Sort(names)
	out := make([]doc.Obj, 0, len(names))
	for _, name := range names {
		if o := t.Get(doc.Ref(collection + "/" + name)); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// All returns the documents of a kind in every scope of a project.
func (t *Tx) All(project, kind string) []doc.Obj {
	var out []doc.Obj
	for _, scope := range doc.Scopes() {
		out = append(out, t.List("projects/"+project+"/"+scope+"/"+kind)...)
	}
	return out
}

// Each calls f with the documents of a kind in every scope of every project
// (or of one), in no order: where all would sort for nothing.
func (t *Tx) Each(project, kind string, f func(doc.Obj)) {
	projects := []string{project}
	if project == "" {
		projects = t.Projects()
	}
	for _, p := range projects {
		for _, scope := range doc.Scopes() {
			coll := "projects/" + p + "/" + scope + "/" + kind
			for name, o := range t.s.colls[coll] {
				if changed, ok := t.puts[doc.Ref(coll+"/"+name)]; ok {
					o = changed
				}
				if o != nil {
					f(o)
				}
			}
		}
	}
	for r, o := range t.puts {
		if o != nil && r.Kind() == kind && r[0] != '~' && (project == "" || r.Project() == project) && t.s.colls[r.Collection()][r.Name()] == nil {
			f(o)
		}
	}
}

// Projects that have anything.
func (t *Tx) Projects() []string {
	seen := map[string]bool{}
	for c, docs := range t.s.colls {
		if strings.HasPrefix(c, "projects/") && len(docs) > 0 {
			seen[strings.Split(c, "/")[1]] = true
		}
	}
	for r := range t.puts {
		if strings.HasPrefix(string(r), "projects/") {
			seen[r.Project()] = true
		}
	}
	return doc.SortedKeys(seen)
}

// ID returns a number nothing else has or had, as long as Google's are: who reads it
// as a JSON number has it rounded.
func (t *Tx) ID() string {
	t.seq++
	return strconv.FormatUint(idBase+t.seq, 10)
}

// Turn returns a counter that grows by one at each call, kept under a name:
// where a search for something free starts.
func (t *Tx) Turn(name string) int64 {
	r := doc.Ref("~turn/" + strings.ReplaceAll(name, "/", ","))
	n := doc.Num(t.Get(r), "n")
	t.Put(r, doc.Obj{"n": n + 1})
	return n
}

// Notes are the refs of a collection of the store's own.
func (t *Tx) Notes(collection string) (out []doc.Ref) {
	for name := range t.s.colls[collection] {
		if r := doc.Ref(collection + "/" + name); t.Get(r) != nil {
			out = append(out, r)
		}
	}
	return out
}

// Find turns the ref of an object named by its number into that by its name.
func (t *Tx) Find(r doc.Ref) doc.Ref {
	name := r.Name()
	if name == "" || name[0] < '1' || name[0] > '9' {
		return r
	}
	for n, o := range t.s.colls[r.Collection()] {
		if doc.Str(o, "id") == name {
			return doc.Ref(r.Collection() + "/" + n)
		}
	}
	return r
}

// Stored are the documents of all collections that begin with prefix, as they
// were before this transaction, in no order.
func (t *Tx) Stored(prefix string) iter.Seq2[doc.Ref, doc.Obj] {
	return func(yield func(doc.Ref, doc.Obj) bool) {
		for c, docs := range t.s.colls {
			if !strings.HasPrefix(c, prefix) {
				continue
			}
			for name, o := range docs {
				if !yield(doc.Ref(c+"/"+name), o) {
					return
				}
			}
		}
	}
}

// Changed are the objects that were there before and this transaction changes.
func (t *Tx) Changed() (out []doc.Ref) {
	for r := range t.puts {
		if r[0] != '~' && t.Before().Get(r) != nil {
			out = append(out, r)
		}
	}
	return out
}

// Then calls f when the change has taken hold, before the next one begins, so
// that what is done there has the order of the changes.
func (t *Tx) Then(f func()) { t.after = append(t.after, f) }

// Trial is a transaction on top of nothing but what is stored; what is done in
// it is not kept.
func (t *Tx) Trial() *Tx { return &Tx{s: t.s, puts: map[doc.Ref]doc.Obj{}, seq: t.seq} }

// Before is the state before this transaction.
func (t *Tx) Before() *Tx { return &Tx{s: t.s} }
