package model

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"hakube/gce/emulator"
)

var _ emulator.Snapshotter = (*Machines)(nil)

// snapshot is the file of a snapshot.
func (m *Machines) snapshot(id uint64) string {
	return filepath.Join(m.dir, "snapshot-"+strconv.FormatUint(id, 36)+".json")
}

// CreateSnapshot implements [emulator.Snapshotter]. Guests replace their disks'
// files as a whole, so that one which runs is copied at one moment.
func (m *Machines) CreateSnapshot(_ context.Context, s emulator.Snapshot, d emulator.Disk) error {
	return copyFile(m.snapshot(s.ID), m.disk(d))
}

// DeleteSnapshot implements [emulator.Snapshotter].
func (m *Machines) DeleteSnapshot(_ context.Context, s emulator.Snapshot) error {
	if err := os.Remove(m.snapshot(s.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting snapshot %s: %w", s.Name, err)
	}
	return nil
}

// copyFile makes to the same as from, unless it is there.
func copyFile(to, from string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copying model disk: %w", err)
	}
	part := to + ".part"
	if err := os.WriteFile(part, b, 0o600); err != nil {
		return fmt.Errorf("copying model disk: %w", err)
	}
	if err := os.Rename(part, to); err != nil {
		return fmt.Errorf("copying model disk: %w", err)
	}
	return nil
}
