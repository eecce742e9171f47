package store

import (
	"iter"

	"hakube/gce/emulator/internal/doc"
)

// An index answers by key what would take a look at all documents: whoever makes a
// machine asks whether somebody has an address, and the more machines there are the
// longer all of them would take. It is of what is stored; a transaction's own changes
// are few, and looked at one by one.
type index struct {
	keys func(doc.Ref, doc.Obj) []string
	at   map[string]map[doc.Ref]bool
}

// Index has documents found from now on by the keys that a function gives them.
func (s *Store) Index(keys func(doc.Ref, doc.Obj) []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index = &index{keys, map[string]map[doc.Ref]bool{}}
	for c, docs := range s.colls {
		for name, o := range docs {
			s.index.add(doc.Ref(c+"/"+name), o)
		}
	}
}

func (x *index) add(r doc.Ref, o doc.Obj) {
	if x == nil || o == nil {
		return
	}
	for _, k := range x.keys(r, o) {
		if x.at[k] == nil {
			x.at[k] = map[doc.Ref]bool{}
		}
		x.at[k][r] = true
	}
}

func (x *index) remove(r doc.Ref, o doc.Obj) {
	if x == nil || o == nil {
		return
	}
	for _, k := range x.keys(r, o) {
		if delete(x.at[k], r); len(x.at[k]) == 0 {
			delete(x.at, k)
		}
	}
}

// Found are the documents that have one of the index's keys, in no order.
func (t *Tx) Found(key string) iter.Seq2[doc.Ref, doc.Obj] {
	return func(yield func(doc.Ref, doc.Obj) bool) {
		if t.s.index == nil {
			return
		}
		for r := range t.s.index.at[key] {
			if _, changed := t.puts[r]; !changed && !yield(r, t.Get(r)) {
				return
			}
		}
		for r, o := range t.puts {
			if o == nil {
				continue
			}
			for _, k := range t.s.index.keys(r, o) {
				if k == key && !yield(r, o) {
					return
				}
			}
		}
	}
}

// Has reports whether a document has one of the index's keys.
func (t *Tx) Has(key string) bool {
	for range t.Found(key) {
		return true
	}
	return false
}
