package store

import (
	"maps"

	"go.etcd.io/bbolt"

	"hakube/gce/emulator/internal/doc"
)

// Frozen is a store that stays as this one is now; it can be read only.
func (s *Store) Frozen() *Store {
	held := &Store{colls: map[string]map[string]doc.Obj{}}
	s.View(func(t *Tx) {
		for c, docs := range s.colls {
			held.colls[c] = maps.Clone(docs) // documents are never changed, but replaced
		}
	})
	return held
}

// Amend changes a document in memory only: what is not worth a write to the
// disk, since the next process begins it again.
func (s *Store) Amend(r doc.Ref, f func(o doc.Obj)) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	o := doc.Clone(s.colls[r.Collection()][r.Name()])
	if o == nil {
		return
	}
	f(o)
	s.set(r, o)
}

// Read returns one document, which must not be changed, or nil.
func (s *Store) Read(r doc.Ref) (o doc.Obj) {
	s.View(func(t *Tx) { o = t.Get(r) })
	return o
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Copy writes what is on the disk to another file, as a kill at this instant
// would leave it. For tests.
func (s *Store) Copy(path string) error {
	return s.db.View(func(b *bbolt.Tx) error { return b.CopyFile(path, 0o600) })
}
