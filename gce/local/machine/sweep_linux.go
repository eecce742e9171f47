package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ids are the machines of which something is left below dir.
func ids(dir string) []string {
	found := map[string]bool{}
	for _, parent := range []string{machinesDir(dir), runcDir(dir)} {
		entries, _ := os.ReadDir(parent) // absent means none
		for _, e := range entries {
			found[e.Name()] = true
		}
	}
	list := make([]string, 0, len(found))
	for id := range found {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

// Sweep ends every machine below dir and removes them and their disks. No
// daemon may be at work there; whether the one that was there ended well does
// not matter. It touches nothing outside of dir but the cgroups and loop
// devices of its machines. A directory that does not exist is no error.
func Sweep(ctx context.Context, dir string) error {
	dir, err := realPath(dir)
	if err != nil {
		return err
	}
	for _, id := range ids(dir) {
		if err := cleanRun(ctx, dir, id); err != nil {
			return fmt.Errorf("removing machine %s: %w", id, err)
		}
	}
	if err := unmountBelow(filepath.Join(dir, "run")); err != nil {
		return err
	}
	if err := detach(below(disksDir(dir))); err != nil {
		return err
	}
	for _, part := range []string{machinesDir(dir), runcDir(dir), disksDir(dir)} {
		// A file system still mounted there would be emptied.
		if left := mountsBelow(part); len(left) > 0 {
			return fmt.Errorf("removing %s: still mounted: %v", part, left)
		}
		if err := os.RemoveAll(part); err != nil && !errors.Is(err, unix.EBUSY) { // busy: somebody's mount point, and empty now
			return err
		}
	}
	return nil
}

// Mounts are the mount points below dir, as the kernel names them.
func Mounts(dir string) ([]string, error) {
	dir, err := realPath(dir)
	if err != nil {
		return nil, err
	}
	return mountsBelow(dir), nil
}

// Leftovers lists what machines of dir hold on this host: processes, cgroups,
// runtime state, mounts, loop devices. Empty after the last one was stopped.
func Leftovers(dir string) []string {
	dir, err := realPath(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var list []string
	for _, id := range ids(dir) {
		list = append(list, "machine "+id)
		for _, group := range cgroupDirs(id) {
			list = append(list, "cgroup "+group)
		}
	}
	for _, point := range mountsBelow(dir) {
		list = append(list, "mount "+point)
	}
	for name, file := range loops(below(disksDir(dir))) {
		list = append(list, "loop device "+name+" of "+file)
	}
	slices.Sort(list)
	return list
}

// realPath is dir as the kernel names it.
func realPath(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		return resolved, nil
	}
	return dir, nil // it does not exist: nothing lies below it
}

// below says whether a file lies in dir.
func below(dir string) func(string) bool {
	return func(file string) bool { return strings.HasPrefix(file, dir+"/") }
}
