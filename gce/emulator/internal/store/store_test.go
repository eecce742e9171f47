package store

import (
	"errors"
	"path/filepath"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestTransactions: what fails or is only tried leaves nothing, a frozen store
// stays as it was, and what was done is there when the file is opened again.
func TestTransactions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gce.db")
	s, err := Open(path, true)
	if err != nil {
		t.Fatal(err)
	}
	r := doc.RefIn("p", "global", "networks", "n")
	put := func(name string) func(*Tx) error {
		return func(t *Tx) error { t.Put(r, doc.Obj{"name": name}); return nil }
	}
	name := func(s *Store) string { return doc.Str(s.Read(r), "name") }
	if err := s.Update(put("first")); err != nil {
		t.Fatal(err)
	}
	frozen := s.Frozen()
	failed := errors.New("refused")
	err = s.Update(func(x *Tx) error {
		if err := put("tried")(x.Trial()); err != nil {
			return err
		}
		if got := doc.Str(x.Get(r), "name"); got != "first" {
			t.Errorf("a trial shows: %q", got)
		}
		if err := put("second")(x); err != nil {
			return err
		}
		if got := doc.Str(x.Get(r), "name") + " " + doc.Str(x.Before().Get(r), "name"); got != "second first" {
			t.Errorf("now and before are %q, want second and first", got)
		}
		return failed
	})
	if !errors.Is(err, failed) || name(s) != "first" {
		t.Errorf("a change that failed: %v, and the name is %q", err, name(s))
	}
	if err := s.Update(put("third")); err != nil {
		t.Fatal(err)
	}
	s.Amend(r, func(o doc.Obj) { o["name"] = "in memory" })
	if name(s) != "in memory" || name(frozen) != "first" {
		t.Errorf("the names are %q and %q, want that in memory and the first", name(s), name(frozen))
	}
	if _, err := Open(path, true); !errors.Is(err, ErrInUse) {
		t.Errorf("a second store on one file: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Read(path); err != nil || name(s) != "third" {
		t.Errorf("read again: %v, and the name is %q, want the third", err, name(s))
	}
}

// TestNumbersAreNew: an id is given out once, also after the file was closed.
func TestNumbersAreNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gce.db")
	seen := map[string]bool{}
	for range 3 {
		s, err := Open(path, true)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Update(func(x *Tx) error {
			id := x.ID()
			if seen[id] {
				t.Errorf("id %s again", id)
			}
			seen[id] = true
			x.Put(doc.RefIn("p", "global", "networks", "n"+id), doc.Obj{"id": id})
			return nil
		})
		if err = errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkDurableChange(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "gce.db"), false)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		if err := s.Update(func(t *Tx) error { t.Turn("x"); return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
