package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

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

// cgroupDirs are the directories of the machine's cgroup: one per hierarchy
// with cgroup v1, one with v2.
func cgroupDirs(id string) []string {
	one, _ := filepath.Glob("/sys/fs/cgroup/*/hakube/" + id)
	two, _ := filepath.Glob("/sys/fs/cgroup/hakube/" + id)
	return append(one, two...)
}

// removeCgroups ends what is left in the machine's cgroup and removes it with
// all that systemd and containerd made below. runc delete does the same, but
// not after a crash of its own.
func removeCgroups(ctx context.Context, id string) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		var last error
		for _, dir := range cgroupDirs(id) {
			if err := removeCgroup(dir); err != nil {
				last = err
			}
		}
		if last == nil {
			// The parent goes with the last machine; ENOTEMPTY is the normal case.
			for _, parent := range append(cgroupParents(), "/sys/fs/cgroup/hakube") {
				_ = unix.Rmdir(parent)
			}
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("removing cgroup: %w", last)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func cgroupParents() []string {
	parents, _ := filepath.Glob("/sys/fs/cgroup/*/hakube")
	return parents
}

func removeCgroup(dir string) error {
	for _, pid := range cgroupPIDs(dir) {
		_ = unix.Kill(pid, unix.SIGKILL) // gone already is what we want
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeCgroup(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// cgroupPIDs are the processes directly in a cgroup.
func cgroupPIDs(dir string) []int {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		var pid int
		// 0 stands for a process of another namespace; killing 0 would mean ourselves.
		if _, err := fmt.Sscan(field, &pid); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	return pids
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
