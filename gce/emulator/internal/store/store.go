// Package store keeps documents: in memory for reading, in a file for good, and
// changed by one transaction at a time.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt" // a file that survives kill -9 at any instant, without a server
	bolterrors "go.etcd.io/bbolt/errors"

	"hakube/gce/emulator/internal/doc"
)

// Store holds every document, in memory for reading and in a bbolt file for
// good. A change is on disk before anyone sees it.
type Store struct {
	db      *bbolt.DB
	Applied func(changed []doc.Ref) // called after each change; must not change the store

	writing sync.Mutex // one transaction at a time

	mu    sync.RWMutex // guards what follows; held for moments only
	colls map[string]map[string]doc.Obj
	index *index // nil: none
	seq   uint64
}

var (
	bucketDocs = []byte("documents")
	sequence   = doc.Ref("~sequence/ids")
)

// idBase makes numbers of 19 digits.
const idBase = 4_000_000_000_000_000_000

// firstID leaves room below for what the catalog numbers.
const firstID = 100000

// ErrInUse is told when another process has the file open.
var ErrInUse = errors.New("another process has it open")

// Open opens a file, or makes it.
func Open(path string, noSync bool) (*Store, error) {
	options := &bbolt.Options{Timeout: time.Second, NoSync: noSync, FreelistType: bbolt.FreelistMapType}
	db, err := bbolt.Open(path, 0o600, options)
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = ErrInUse
	}
	if err == nil {
		db, err = compacted(db, path, options)
	}
	if err != nil {
		if db != nil {
			_ = db.Close() // what went wrong before is said
		}
		return nil, fmt.Errorf("opening objects of the embedded GCE in %s: %w", path, err)
	}
	s := &Store{db: db, colls: map[string]map[string]doc.Obj{}, seq: firstID, Applied: func([]doc.Ref) {}}
	if err := s.open(); err != nil {
		_ = db.Close() // what went wrong before is said
		return nil, fmt.Errorf("reading objects of the embedded GCE in %s: %w", path, err)
	}
	return s, nil
}

// Read reads a file that nobody has open, and changes nothing.
func Read(path string) (*Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("opening objects of the embedded GCE in %s: %w", path, err)
	}
	s := &Store{db: db, colls: map[string]map[string]doc.Obj{}}
	err = db.View(func(b *bbolt.Tx) error {
		if docs := b.Bucket(bucketDocs); docs != nil {
			return s.load(docs)
		}
		return nil // it was never used
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("reading objects of the embedded GCE in %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open() error {
	return s.db.Update(func(b *bbolt.Tx) error {
		docs, err := b.CreateBucketIfNotExists(bucketDocs)
		if err != nil {
			return err
		}
		return s.load(docs)
	})
}

func (s *Store) load(docs *bbolt.Bucket) error {
	return docs.ForEach(func(k, v []byte) error {
		var o doc.Obj
		if err := json.Unmarshal(v, &o); err != nil {
			return fmt.Errorf("document %s: %w", k, err)
		}
		if doc.Ref(k) == sequence {
			s.seq = uint64(doc.Num(o, "last"))
		}
		s.set(doc.Ref(k), o)
		return nil
	})
}

func (s *Store) set(r doc.Ref, o doc.Obj) {
	c := r.Collection()
	s.index.remove(r, s.colls[c][r.Name()])
	s.index.add(r, o)
	if o == nil {
		delete(s.colls[c], r.Name())
		return
	}
	if s.colls[c] == nil {
		s.colls[c] = map[string]doc.Obj{}
	}
	s.colls[c][r.Name()] = o
}

// View runs f over the present state, which does not change meanwhile.
func (s *Store) View(f func(t *Tx)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f(&Tx{s: s})
}

// Update runs f and makes what it changed the present state, on disk first;
// nothing of it if f returns an error.
func (s *Store) Update(f func(t *Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	t := &Tx{s: s, puts: map[doc.Ref]doc.Obj{}, seq: s.seq}
	if err := f(t); err != nil {
		return err
	}
	if len(t.puts) == 0 {
		return nil
	}
	if t.seq != s.seq {
		t.puts[sequence] = doc.Obj{"last": doc.Decimal(int64(t.seq))}
	}
	changed := make([]doc.Ref, 0, len(t.puts))
	for r, o := range t.puts {
		t.puts[r] = doc.Clone(o)
		changed = append(changed, r)
	}
	if err := s.commit(t.puts); err != nil {
		return fmt.Errorf("writing objects of the embedded GCE: %w", err)
	}
	s.mu.Lock()
	for r, o := range t.puts {
		s.set(r, o)
	}
	s.seq = t.seq
	s.mu.Unlock()
	s.Applied(changed)
	for _, f := range t.after {
		f()
	}
	return nil
}

func (s *Store) commit(puts map[doc.Ref]doc.Obj) error {
	return s.db.Update(func(b *bbolt.Tx) error {
		docs := b.Bucket(bucketDocs)
		for r, o := range puts {
			if o == nil {
				if err := docs.Delete([]byte(r)); err != nil {
					return err
				}
				continue
			}
			js, err := json.Marshal(o)
			if err != nil {
				return err
			}
			if err := docs.Put([]byte(r), js); err != nil {
				return err
			}
		}
		return nil
	})
}
