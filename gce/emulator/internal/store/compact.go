package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// compactFrom is the size from which a file is worth to be written anew. A bbolt file
// uses pages again that became free, and never gives one back: without this it would
// stay as large as it ever was.
var compactFrom int64 = 16 << 20

// compacted writes the file anew when more than half of it is free, and gives the one
// to go on with. The old file stays until the new one is whole; what a kill leaves is
// a file beside it, which the next one does not read.
func compacted(db *bbolt.DB, path string, options *bbolt.Options) (*bbolt.DB, error) {
	info, err := os.Stat(path)
	if err != nil || info.Size() < compactFrom {
		return db, err
	}
	if used, err := usedBytes(db); err != nil || used > info.Size()/2 {
		return db, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return db, err
	}
	next := f.Name()
	err = f.Close()
	if err == nil {
		err = copied(db, next)
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return db, errors.Join(err, os.Remove(next))
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return bbolt.Open(path, 0o600, options)
}

// usedBytes is what documents take. Free pages are counted at the end of a
// transaction that could write, so there is one.
func usedBytes(db *bbolt.DB) (used int64, err error) {
	err = db.Update(func(t *bbolt.Tx) error { used = t.Size(); return nil })
	s := db.Stats()
	return used - int64(s.FreePageN+s.PendingPageN)*int64(db.Info().PageSize), err
}

func copied(from *bbolt.DB, path string) error {
	to, err := bbolt.Open(path, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	if err := bbolt.Compact(to, from, 1<<20); err != nil {
		return errors.Join(fmt.Errorf("writing it anew: %w", err), to.Close())
	}
	return to.Close()
}
