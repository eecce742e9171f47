package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	runc "github.com/containerd/go-runc"
	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
)

// clean removes all that a machine has on this host while it runs: container,
// cgroup, mounts, loop devices. It ends the machine if it still runs. Its
// disks stay. The machine's lock is held.
func (h *Host) clean(ctx context.Context, m emulator.Machine) error {
	disks := map[string]bool{}
	for _, known := range []func() (emulator.Machine, error){
		func() (emulator.Machine, error) { return m, nil },
		// As it was started: a disk may have been detached since.
		func() (emulator.Machine, error) { return readMachine(h.Dir, machineID(m.ID)) },
	} {
		if k, err := known(); err == nil {
			for _, a := range k.Disks {
				disks[h.dataPath(a.Disk)] = true
			}
		}
	}
	if err := cleanRun(ctx, h.Dir, machineID(m.ID)); err != nil {
		return err
	}
	if err := detach(func(file string) bool { return disks[file] }); err != nil {
		return err
	}
	return os.RemoveAll(h.bundle(machineID(m.ID)))
}

// cleanRun removes a container, its cgroup and its mounts.
func cleanRun(ctx context.Context, dir, id string) error {
	state := filepath.Join(runcDir(dir), id)
	if exists(state) {
		// Force kills what still runs. A state that runc cannot read, written
		// half before a crash, is removed by hand: the cgroup below ends the rest.
		if err := newRunc(dir).Delete(ctx, id, &runc.DeleteOpts{Force: true}); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := os.RemoveAll(state); err != nil {
			return err
		}
	}
	if err := removeCgroups(ctx, id); err != nil {
		return err
	}
	return unmountBelow(filepath.Join(machinesDir(dir), id))
}

// mountsBelow lists mount points in dir, the innermost last.
func mountsBelow(dir string) []string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var found []string
	// The kernel writes blanks in paths as octal numbers (proc(5)).
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 {
			if path := unescape.Replace(f[4]); strings.HasPrefix(path, dir+"/") {
				found = append(found, path)
			}
		}
	}
	return found
}

// unmountBelow unmounts what is mounted in dir. What something outside of us
// still uses is taken off the tree all the same.
func unmountBelow(dir string) error {
	points := mountsBelow(dir)
	for i := len(points) - 1; i >= 0; i-- {
		err := unix.Unmount(points[i], unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EBUSY) {
			err = unix.Unmount(points[i], unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmounting %s: %w", points[i], err)
		}
	}
	return nil
}
