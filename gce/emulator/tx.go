package emulator

import (
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// tx is a view of the store, and inside update also the changes so far.
type tx struct {
	s     *store
	puts  map[ref]obj // nil: deleted
	seq   uint64
	after []func() // see then
}

// get returns the document, which must not be changed, or nil.
func (t *tx) get(r ref) obj {
	if o, ok := t.puts[r]; ok {
		return o
	}
	return t.s.colls[r.collection()][r.name()]
}

// edit returns a copy of the document that is stored when the transaction
// ends, or nil if there is none.
func (t *tx) edit(r ref) obj {
	if o, ok := t.puts[r]; ok {
		return o
	}
	o := clone(t.get(r))
	if o != nil {
		t.puts[r] = o
	}
	return o
}

func (t *tx) put(r ref, o obj) { t.puts[r] = clone(o) }

func (t *tx) delete(r ref) { t.puts[r] = nil }

// list returns the documents of a collection, sorted by name.
func (t *tx) list(collection string) []obj {
	byName := t.s.colls[collection]
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	for r := range t.puts {
		if r.collection() == collection && byName[r.name()] == nil {
			names = append(names, r.name())
		}
	}
	slices.Sort(names)
	out := make([]obj, 0, len(names))
	for _, name := range names {
		if o := t.get(ref(collection + "/" + name)); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// all returns the documents of a kind in every scope of a project.
func (t *tx) all(project, kind string) []obj {
	var out []obj
	for _, scope := range scopes() {
		out = append(out, t.list("projects/"+project+"/"+scope+"/"+kind)...)
	}
	return out
}

// each calls f with the documents of a kind in every scope of every project
// (or of one), in no order: where all would sort for nothing.
func (t *tx) each(project, kind string, f func(obj)) {
	projects := []string{project}
	if project == "" {
		projects = t.projects()
	}
	for _, p := range projects {
		for _, scope := range scopes() {
			coll := "projects/" + p + "/" + scope + "/" + kind
			for name, o := range t.s.colls[coll] {
				if changed, ok := t.puts[ref(coll+"/"+name)]; ok {
					o = changed
				}
				if o != nil {
					f(o)
				}
			}
		}
	}
	for r, o := range t.puts {
		if o != nil && r.kind() == kind && r[0] != '~' && (project == "" || r.project() == project) && t.s.colls[r.collection()][r.name()] == nil {
			f(o)
		}
	}
}

// projects that have anything.
func (t *tx) projects() []string {
	seen := map[string]bool{}
	for c, docs := range t.s.colls {
		if strings.HasPrefix(c, "projects/") && len(docs) > 0 {
			seen[strings.Split(c, "/")[1]] = true
		}
	}
	for r := range t.puts {
		if strings.HasPrefix(string(r), "projects/") {
			seen[r.project()] = true
		}
	}
	return sortedKeys(seen)
}

// id returns a number nothing else has or had.
func (t *tx) id() string {
	t.seq++
	return strconv.FormatUint(t.seq, 10)
}

// turn returns a counter that grows by one at each call, kept under a name:
// where a search for something free starts.
func (t *tx) turn(name string) int64 {
	r := ref("~turn/" + strings.ReplaceAll(name, "/", ","))
	n := num(t.get(r), "n")
	t.put(r, obj{"n": n + 1})
	return n
}

// notes are the refs of a collection of the store's own.
func (t *tx) notes(collection string) (out []ref) {
	for name := range t.s.colls[collection] {
		if r := ref(collection + "/" + name); t.get(r) != nil {
			out = append(out, r)
		}
	}
	return out
}

// find turns the ref of an object named by its number into that by its name.
func (t *tx) find(r ref) ref {
	name := r.name()
	if name == "" || name[0] < '1' || name[0] > '9' {
		return r
	}
	for n, o := range t.s.colls[r.collection()] {
		if str(o, "id") == name {
			return ref(r.collection() + "/" + n)
		}
	}
	return r
}

// stored are the documents of all collections that begin with prefix, as they
// were before this transaction, in no order.
func (t *tx) stored(prefix string) iter.Seq2[ref, obj] {
	return func(yield func(ref, obj) bool) {
		for c, docs := range t.s.colls {
			if !strings.HasPrefix(c, prefix) {
				continue
			}
			for name, o := range docs {
				if !yield(ref(c+"/"+name), o) {
					return
				}
			}
		}
	}
}

// then calls f when the change has taken hold, before the next one begins, so
// that what is done there has the order of the changes.
func (t *tx) then(f func()) { t.after = append(t.after, f) }

// trial is a transaction on top of nothing but what is stored; what is done in
// it is not kept.
func (t *tx) trial() *tx { return &tx{s: t.s, puts: map[ref]obj{}, seq: t.seq} }

// before is the state before this transaction.
func (t *tx) before() *tx { return &tx{s: t.s} }

// frozen is a store that stays as this one is now; it can be read only.
func (s *store) frozen() *store {
	held := &store{colls: map[string]map[string]obj{}}
	s.view(func(t *tx) {
		for c, docs := range s.colls {
			held.colls[c] = maps.Clone(docs) // documents are never changed, but replaced
		}
	})
	return held
}

// amend changes a document in memory only: what is not worth a write to the
// disk, since the next process begins it again.
func (s *store) amend(r ref, f func(o obj)) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	o := clone(s.colls[r.collection()][r.name()])
	if o == nil {
		return
	}
	f(o)
	s.set(r, o)
}

// read returns one document, which must not be changed, or nil.
func (s *store) read(r ref) (o obj) {
	s.view(func(t *tx) { o = t.get(r) })
	return o
}

// close closes the file.
func (s *store) close() error { return s.db.Close() }
