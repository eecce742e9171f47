package kube

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
)

// Unreadable is why files cannot be read, each with the way out.
func (f Files) Unreadable() (all refusal.Blockers) {
	for _, path := range f {
		if _, err := LoadFile(path); err != nil {
			all = append(all, &refusal.Refused{Why: err.Error(), Cure: "mend it or move it away, or choose another file: " + another(path)})
		}
	}
	return all
}

// Unwritable is why the files cannot take a change: one that cannot be locked or
// written. It writes nothing. A lock that somebody has is waited for as long as patience.
func (f Files) Unwritable(ctx context.Context, clock plan.Clock, poll, patience time.Duration, change func(*clientcmdapi.Config) error) (all refusal.Blockers, err error) {
	changed, err := f.changes(change)
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(changed)) {
		if err := cannotEdit(ctx, clock, path, poll, patience); err != nil {
			all = append(all, &refusal.Refused{Why: fmt.Sprintf("kubeconfig %s cannot be written: %v", path, err), Cure: curing(err, path)})
		}
	}
	return all, nil
}

// cannotEdit says why a file cannot be locked and written.
func cannotEdit(ctx context.Context, clock plan.Clock, path string, poll, patience time.Duration) error {
	real, err := linked(path)
	if err != nil {
		return err
	}
	if err := cannotWrite(filepath.Dir(path)); err != nil { // the lock
		return err
	}
	switch info, err := os.Stat(real); {
	case err == nil:
		if err := mayReplace(real, info); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	default:
		if err := cannotWrite(filepath.Dir(real)); err != nil {
			return err
		}
	}
	if err := noRoom(filepath.Dir(real)); err != nil {
		return err
	}
	for _, lock := range []string{path + ".lock", real + ".lock"} {
		if err := lockedLong(ctx, clock, lock, poll, patience); err != nil {
			return err
		}
	}
	return nil
}

// lockedLong waits for a lock that somebody holds for an instant.
func lockedLong(ctx context.Context, clock plan.Clock, lock string, poll, patience time.Duration) error {
	err := clock.Until(ctx, plan.Condition{
		For: "the lock of the kubeconfig", Every: min(poll, 200*time.Millisecond), Limit: patience,
		Check: func(context.Context) (bool, string, error) {
			_, err := os.Lstat(lock)
			return errors.Is(err, fs.ErrNotExist), lock + " is there", nil
		},
	})
	if err != nil {
		return &LockError{Path: lock, Err: err}
	}
	return nil
}

// mayReplace refuses what is no file, and a file that is to stay as it is: its
// owner took the right to write, which a rename would pass over.
func mayReplace(path string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return errors.New(notAFile(info))
	case info.Mode().Perm()&0o222 == 0:
		return readOnly(path)
	}
	return cannotWrite(path)
}

// A readOnly path is a file that nobody may write, root neither.
type readOnly string

func (readOnly) Error() string { return "it is read-only" }

// cannotWrite says why a path cannot be written, or what would be made on the
// way to it.
func cannotWrite(path string) error {
	for {
		err := syscall.Access(path, 2) // W_OK; asks nothing more of the file
		if !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return &fs.PathError{Op: "writing", Path: path, Err: err}
			}
			return nil
		}
		up := filepath.Dir(path)
		if up == path {
			return nil
		}
		path = up
	}
}

// entryRoom is what has to be free where the kubeconfig is: it is written beside
// itself before it is replaced, with some KB of certificates more.
const entryRoom = 256 << 10

// noRoom says that the disk of a directory, or of the first above it that is
// there, is as good as full.
func noRoom(dir string) error {
	for {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		if up := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && up != dir {
			dir = up
			continue
		}
		if free := st.Bavail * uint64(st.Bsize); err == nil && st.Blocks > 0 && free < entryRoom {
			return fullDisk{dir, free}
		}
		return nil // the write itself will say more
	}
}

// A fullDisk has as good as no room for a directory's files.
type fullDisk struct {
	dir  string
	free uint64
}

func (f fullDisk) Error() string {
	return fmt.Sprintf("the disk of %s is full: %d KB are free, and it takes %d KB", f.dir, f.free>>10, entryRoom>>10)
}

// curing is the way out of a file that cannot be written.
func curing(err error, path string) string {
	var lock *LockError
	var ro readOnly
	var full fullDisk
	switch {
	case errors.As(err, &lock):
		return lock.Hint()
	case errors.As(err, &full):
		return fmt.Sprintf("make room in %s, or choose another file: %s", shellWord(full.dir), another(path))
	case errors.As(err, &ro):
		return fmt.Sprintf("let it be written: chmod u+w %s, or choose another file: %s", shellWord(string(ro)), another(path))
	}
	return "choose another file: " + another(path)
}

// another is the command that chooses a file beside one that will not do.
func another(path string) string {
	return "export KUBECONFIG=" + shellWord(filepath.Join(os.TempDir(), "kubeconfig-"+filepath.Base(path)))
}

// shellWord makes one word for a shell of any text.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,@%+=", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
