package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt" // a file that survives kill -9 at any instant, without a server
	bolterrors "go.etcd.io/bbolt/errors"
)

// store holds every document, in memory for reading and in a bbolt file for
// good. A change is on disk before anyone sees it.
type store struct {
	db      *bbolt.DB
	applied func(changed []ref) // called after each change; must not change the store

	writing sync.Mutex // one transaction at a time

	mu    sync.RWMutex // guards what follows; held for moments only
	colls map[string]map[string]obj
	seq   uint64
}

var (
	bucketDocs = []byte("documents")
	sequence   = ref("~sequence/ids")
)

// firstID leaves room below for what the catalog numbers.
const firstID = 100000

var errInUse = errors.New("another process has it open")

func openStore(path string, noSync bool) (*store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoSync: noSync, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = errInUse
	}
	if err != nil {
		return nil, fmt.Errorf("opening objects of the embedded GCE in %s: %w", path, err)
	}
	s := &store{db: db, colls: map[string]map[string]obj{}, seq: firstID, applied: func([]ref) {}}
	if err := s.open(); err != nil {
		_ = db.Close() // what went wrong before is said
		return nil, fmt.Errorf("reading objects of the embedded GCE in %s: %w", path, err)
	}
	return s, nil
}

// readStore reads a file that nobody has open, and changes nothing.
func readStore(path string) (*store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = errInUse
	}
	if err != nil {
		return nil, fmt.Errorf("opening objects of the embedded GCE in %s: %w", path, err)
	}
	s := &store{db: db, colls: map[string]map[string]obj{}}
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

func (s *store) open() error {
	return s.db.Update(func(b *bbolt.Tx) error {
		docs, err := b.CreateBucketIfNotExists(bucketDocs)
		if err != nil {
			return err
		}
		return s.load(docs)
	})
}

func (s *store) load(docs *bbolt.Bucket) error {
	return docs.ForEach(func(k, v []byte) error {
		var o obj
		if err := json.Unmarshal(v, &o); err != nil {
			return fmt.Errorf("document %s: %w", k, err)
		}
		if ref(k) == sequence {
			s.seq = uint64(num(o, "last"))
		}
		s.set(ref(k), o)
		return nil
	})
}

func (s *store) set(r ref, o obj) {
	c := r.collection()
	if o == nil {
		delete(s.colls[c], r.name())
		return
	}
	if s.colls[c] == nil {
		s.colls[c] = map[string]obj{}
	}
	s.colls[c][r.name()] = o
}

// view runs f over the present state, which does not change meanwhile.
func (s *store) view(f func(t *tx)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f(&tx{s: s})
}

// update runs f and makes what it changed the present state, on disk first;
// nothing of it if f returns an error.
func (s *store) update(f func(t *tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	t := &tx{s: s, puts: map[ref]obj{}, seq: s.seq}
	if err := f(t); err != nil {
		return err
	}
	if len(t.puts) == 0 {
		return nil
	}
	if t.seq != s.seq {
		t.puts[sequence] = obj{"last": decimal(int64(t.seq))}
	}
	changed := make([]ref, 0, len(t.puts))
	for r, o := range t.puts {
		t.puts[r] = clone(o)
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
	s.applied(changed)
	for _, f := range t.after {
		f()
	}
	return nil
}

func (s *store) commit(puts map[ref]obj) error {
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
