package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestFileShrinks: what was deleted does not stay in the file for good, and what was
// not is there when it was written anew, with nothing beside it.
func TestFileShrinks(t *testing.T) {
	defer func(was int64) { compactFrom = was }(compactFrom)
	compactFrom = 1 << 20
	dir := t.TempDir()
	path := filepath.Join(dir, "gce.db")
	change := func(f func(*Tx, doc.Ref, int)) {
		t.Helper()
		s, err := Open(path, true)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Update(func(x *Tx) error {
			for i := range 400 {
				f(x, doc.RefIn("p", "global", "networks", fmt.Sprintf("n%d", i)), i)
			}
			return nil
		})
		if err = errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		i, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return i.Size()
	}
	change(func(x *Tx, r doc.Ref, _ int) {
		x.Put(r, doc.Obj{"name": r.Name(), "description": strings.Repeat("x", 10_000)})
	})
	full := size()
	change(func(x *Tx, r doc.Ref, i int) {
		if i > 10 {
			x.Delete(r)
		}
	})
	change(func(*Tx, doc.Ref, int) {})
	if got := size(); got > full/4 {
		t.Errorf("the file has %d bytes, and had %d when it was full", got, full)
	}
	s, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 400 {
		if o := s.Read(doc.RefIn("p", "global", "networks", fmt.Sprintf("n%d", i))); (o != nil) != (i <= 10) {
			t.Errorf("document %d: %v", i, o)
		}
	}
	if beside, err := os.ReadDir(dir); err != nil || len(beside) != 1 {
		t.Errorf("beside the file: %v, %v", beside, err)
	}
}

// TestIndex: documents are found by their keys as they are now, in a transaction by
// what it changed, and after it failed as before.
func TestIndex(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "gce.db"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, b := doc.RefIn("p", "global", "networks", "a"), doc.RefIn("p", "global", "networks", "b")
	put := func(r doc.Ref, key string) func(*Tx) error {
		return func(x *Tx) error { x.Put(r, doc.Obj{"description": key}); return nil }
	}
	if err := s.Update(put(a, "red")); err != nil {
		t.Fatal(err)
	}
	s.Index(func(_ doc.Ref, o doc.Obj) []string { return []string{doc.Str(o, "description")} })
	has := func(x *Tx, want ...string) {
		t.Helper()
		for _, key := range []string{"red", "blue"} {
			n := 0
			for range x.Found(key) {
				n++
			}
			if got, should := fmt.Sprintf("%s %d", key, n), fmt.Sprintf("%s %d", key, strings.Count(strings.Join(want, " "), key)); got != should {
				t.Errorf("found %s, want %s", got, should)
			}
		}
	}
	failed := errors.New("failed")
	err = s.Update(func(x *Tx) error {
		has(x, "red")
		x.Edit(a)["description"] = "blue"
		has(x, "blue")
		x.Delete(a)
		has(x)
		x.Put(b, doc.Obj{"description": "red"})
		has(x, "red")
		has(x.Before(), "red")
		return failed
	})
	s.View(func(x *Tx) { has(x, "red") })
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	if err := errors.Join(s.Update(put(b, "red")), s.Update(put(a, "blue"))); err != nil {
		t.Fatal(err)
	}
	s.View(func(x *Tx) { has(x, "red", "blue") })
	if err := s.Update(func(x *Tx) error { x.Delete(b); return nil }); err != nil {
		t.Fatal(err)
	}
	s.View(func(x *Tx) { has(x, "blue") })
}
