package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
)

var _ emulator.Snapshotter = (*Host)(nil)

func (h *Host) snapshotPath(id uint64) string {
	return filepath.Join(disksDir(h.Dir), "snapshot-"+machineID(id)+".img")
}

// CreateSnapshot copies a data disk. What its machine has handed to the disk
// is in the copy, what it still holds in memory is not, as after a power cut.
// A boot disk is layers over the image, and is not copied.
func (h *Host) CreateSnapshot(ctx context.Context, s emulator.Snapshot, d emulator.Disk) error {
	if d.Image != "" {
		return &Error{fmt.Errorf("making snapshot %s of boot disk %s: boot disks of real machines cannot be copied", s.Name, d.Name),
			"keep on a data disk what should be in a snapshot"}
	}
	unix.Sync() // from the loop device to its file
	if err := copySparse(ctx, h.snapshotPath(s.ID), h.dataPath(d)); err != nil {
		return fmt.Errorf("making snapshot %s of disk %s: %w", s.Name, d.Name, err)
	}
	return nil
}

// DeleteSnapshot removes the copy.
func (h *Host) DeleteSnapshot(_ context.Context, s emulator.Snapshot) error {
	path := h.snapshotPath(s.ID)
	if err := errors.Join(os.RemoveAll(path), os.RemoveAll(path+".part")); err != nil {
		return fmt.Errorf("deleting snapshot %s: %w", s.Name, err)
	}
	return nil
}

// copySparse makes to the same as from, unless it is there, and takes no room
// for what was never written.
func copySparse(ctx context.Context, to, from string) error {
	if exists(to) {
		return nil
	}
	part := to + ".part"
	if out, err := exec.CommandContext(ctx, "cp", "--sparse=always", "--reflink=auto", "--", from, part).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return os.Rename(part, to)
}
