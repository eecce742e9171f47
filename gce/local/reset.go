package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hakube/gce/emulator"
	"hakube/gce/local/machine"
)

// HasObjects tells whether something was made in dir.
func HasObjects(dir string) bool {
	_, err := os.Stat(storeFile(dir))
	return err == nil
}

// Contents counts what users made in dir, by project and collection, whether a
// daemon runs there or not.
func Contents(ctx context.Context, dir string) (map[string]map[string]int, error) {
	s, err := Ask(ctx, dir)
	if err != nil || s.Running {
		return s.Projects, err
	}
	if !HasObjects(dir) {
		return nil, nil
	}
	return emulator.ObjectsIn(storeFile(dir))
}

// Reset stops the daemon of dir if there is one and deletes everything of it:
// machines, also of a daemon that was killed, disks, objects; then the directory
// if nothing else is in it. It returns the names of what is not the embedded
// GCE's and stays. A directory that is none of an embedded GCE must not cost
// anybody anything: it is refused.
func Reset(ctx context.Context, dir string) (stays []string, err error) {
	if err := Usable(dir); err != nil {
		return nil, err
	}
	if is, err := judgeDir(dir); err != nil || is != isState {
		return nil, err // there is nothing
	}
	if _, err := Stop(ctx, dir); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	o, _, err := Saved(dir)
	if err == nil && o.Machines == Real {
		err = sweep(ctx, dir)
	}
	if err == nil {
		stays, err = removeKnown(dir)
	}
	if err = errors.Join(err, lock.Unlock()); err != nil {
		return stays, fmt.Errorf("resetting the embedded GCE in %s: %w", dir, err)
	}
	return stays, nil
}

// removeKnown removes what is known, the proof last so that a cut can be
// finished, and the directory if nothing is left in it. A mount point stays, and
// so does what a link leads to.
func removeKnown(dir string) (stays []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	order := map[string]int{}
	for i, name := range known {
		order[name] = i + 1
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return order[a.Name()] - order[b.Name()] })
	mounts, err := machine.Mounts(dir)
	if err != nil {
		return nil, err
	}
	real := RealDir(dir)
	for _, e := range entries {
		path := filepath.Join(real, e.Name())
		if !isKnown(e.Name()) {
			if !slices.Contains(ofFileSystem, e.Name()) {
				stays = append(stays, e.Name())
			}
			continue
		}
		for _, m := range mounts { // what is mounted in there would be emptied
			if strings.HasPrefix(m, path+"/") {
				return stays, fmt.Errorf("removing %s: %s is mounted there; unmount it", path, m)
			}
		}
		switch err := os.RemoveAll(path); {
		case errors.Is(err, syscall.EBUSY) && slices.Contains(mounts, path):
			stays = append(stays, e.Name()) // a mount point, empty now
		case err != nil:
			return stays, err
		}
	}
	slices.Sort(stays)
	if info, err := os.Lstat(dir); err != nil || info.Mode()&os.ModeSymlink != 0 {
		return stays, err
	}
	if err := os.Remove(real); err != nil && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.ENOTEMPTY) {
		return stays, err
	}
	return stays, nil
}
