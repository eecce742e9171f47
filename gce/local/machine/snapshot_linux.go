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

// CreateSnapshot copies a disk. What its machine has handed to the disk is in the
// copy, what it still holds in memory is not, as after a power cut.
func (h *Host) CreateSnapshot(ctx context.Context, s emulator.Snapshot, d emulator.Disk) error {
	copyDisk := func() error {
		unix.Sync() // from the loop device to its file
		return copySparse(ctx, h.snapshotPath(s.ID), h.dataPath(d))
	}
	if d.Image != "" {
		copyDisk = func() error {
			return h.standing(ctx, d, func() error { return copyBoot(ctx, h.bootCopy(s.ID), h.bootPath(d)) })
		}
	}
	if err := copyDisk(); err != nil {
		return fmt.Errorf("making snapshot %s of disk %s: %w", s.Name, d.Name, err)
	}
	return nil
}

// bootCopy is the directory of a copy of a boot disk.
func (h *Host) bootCopy(id uint64) string {
	return filepath.Join(disksDir(h.Dir), "snapshot-"+machineID(id))
}

// standing does something while the machine that a boot disk is of stands still: a
// tree that changes cannot be copied as it was at one moment.
func (h *Host) standing(ctx context.Context, d emulator.Disk, do func() error) error {
	h.mu.Lock()
	var of *run
	for _, r := range h.runs {
		if m := r.current(); len(m.Disks) > 0 && m.Disks[0].ID == d.ID {
			of = r
		}
	}
	h.mu.Unlock()
	if of == nil {
		return do()
	}
	id := of.current().ID
	defer h.lock(id)()
	still, err := h.still(ctx, id)
	if err != nil || still || of.ending.Load() {
		if err == nil {
			err = do()
		}
		return err
	}
	if err := h.runc.Pause(ctx, of.id); err != nil {
		return err
	}
	return errors.Join(do(), h.runc.Resume(context.WithoutCancel(ctx), of.id))
}

// copyBoot makes to a boot disk with what is on from, unless it is there: its layer over
// the image and the directories that lie beside it. Its serial port begins anew.
func copyBoot(ctx context.Context, to, from string) error {
	if exists(to) {
		return nil
	}
	part := to + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(part, "work"), 0o755); err != nil {
		return err
	}
	args := []string{"-a", "--reflink=auto", "--sparse=always", "--"}
	for _, name := range append([]string{"upper", "image"}, plainDirs...) {
		args = append(args, filepath.Join(from, name))
	}
	if out, err := exec.CommandContext(ctx, "cp", append(args, part)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(part, "serial"), nil, 0o644); err != nil {
		return err
	}
	return os.Rename(part, to)
}

// DeleteSnapshot removes the copy.
func (h *Host) DeleteSnapshot(_ context.Context, s emulator.Snapshot) error {
	for _, path := range []string{h.snapshotPath(s.ID), h.bootCopy(s.ID)} {
		if err := errors.Join(os.RemoveAll(path), os.RemoveAll(path+".part")); err != nil {
			return fmt.Errorf("deleting snapshot %s: %w", s.Name, err)
		}
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
