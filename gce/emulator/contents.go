package emulator

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ObjectsIn counts what is in the file of an embedded GCE that does not run, by
// project and collection. It changes nothing.
func ObjectsIn(path string) (map[string]map[string]int, error) {
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
	return s.objects(), nil
}

// objects counts what users made, by project and collection. What comes and goes
// with something else is not counted: routes of a network, the instance group of
// a managed one, project metadata.
func (s *store) objects() map[string]map[string]int {
	n := map[string]map[string]int{}
	s.view(func(t *tx) {
		for c, docs := range s.colls {
			if !strings.HasPrefix(c, "projects/") {
				continue
			}
			kind := c[strings.LastIndexByte(c, '/')+1:]
			for name := range docs {
				r := ref(c + "/" + name)
				if kind == "operations" || kind == "routes" && t.get(r.note("routeOf")) != nil || kind == "instanceGroups" && managed(t, r) {
					continue
				}
				if n[r.project()] == nil {
					n[r.project()] = map[string]int{}
				}
				n[r.project()][kind]++
			}
		}
	})
	return n
}
