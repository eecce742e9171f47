package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
	if err := s.read(); err != nil {
		db.Close()
		return nil, fmt.Errorf("reading objects of the embedded GCE in %s: %w", path, err)
	}
	return s, nil
}

func (s *store) read() error {
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

// tx is a view of the store, and inside update also the changes so far.
type tx struct {
	s    *store
	puts map[ref]obj // nil: deleted
	seq  uint64
	// after is called when the change has taken hold, before the next one
	// begins, so that what is done there has the order of the changes.
	after []func()
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
