package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/plan"
)

// lockLimit is how long another program may hold a file.
const lockLimit = 15 * time.Second

// Edit changes the kubeconfig under the locks that kubectl takes too. A file is
// replaced in one go, and is made if it is not there.
func (f Files) Edit(ctx context.Context, clock plan.Clock, poll time.Duration, change func(*clientcmdapi.Config) error) (err error) {
	expected, err := f.changes(change)
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(expected)) { // in one order, as kubectl, or two would wait for each other
		unlock, lockErr := lockKubeconfig(ctx, clock, path, poll)
		if lockErr != nil {
			return lockErr
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	now, err := f.changes(change)
	if err != nil {
		return err
	}
	for path, c := range now {
		if expected[path] == nil {
			return fmt.Errorf("writing kubeconfig %s: another program changed the files of KUBECONFIG at the same moment", path)
		}
		text, err := clientcmd.Write(*c)
		if err != nil {
			return fmt.Errorf("encoding the kubeconfig: %w", err)
		}
		if err := writeKubeconfig(path, text); err != nil {
			return err
		}
	}
	return nil
}

// changes are the files that a change of the whole alters, as they are to be.
func (f Files) changes(change func(*clientcmdapi.Config) error) (map[string]*clientcmdapi.Config, error) {
	files, err := f.read()
	if err != nil {
		return nil, err
	}
	was, is := f.merge(files), f.merge(files)
	if err := change(is); err != nil {
		return nil, err
	}
	changed := map[string]*clientcmdapi.Config{}
	file := func(path string) *clientcmdapi.Config {
		changed[path] = files[path]
		return files[path]
	}
	fresh := f.target()
	differ(was.Clusters, is.Clusters, func(x *clientcmdapi.Cluster) string { return cmp.Or(x.LocationOfOrigin, fresh) }, func(p string) map[string]*clientcmdapi.Cluster { return file(p).Clusters })
	differ(was.AuthInfos, is.AuthInfos, func(x *clientcmdapi.AuthInfo) string { return cmp.Or(x.LocationOfOrigin, fresh) }, func(p string) map[string]*clientcmdapi.AuthInfo { return file(p).AuthInfos })
	differ(was.Contexts, is.Contexts, func(x *clientcmdapi.Context) string { return cmp.Or(x.LocationOfOrigin, fresh) }, func(p string) map[string]*clientcmdapi.Context { return file(p).Contexts })
	switch {
	case was.CurrentContext == is.CurrentContext:
	case is.CurrentContext != "":
		file(fresh).CurrentContext = is.CurrentContext
	default: // wherever it is named
		for _, path := range f {
			if files[path].CurrentContext == was.CurrentContext {
				file(path).CurrentContext = ""
			}
		}
	}
	return changed, nil
}

// differ carries what differs between two maps into the map of its file.
func differ[V any](was, is map[string]*V, from func(*V) string, in func(path string) map[string]*V) {
	for name, x := range is {
		old := was[name]
		switch {
		case old == nil:
			in(from(x))[name] = x
		case !reflect.DeepEqual(old, x):
			in(from(old))[name] = x
		}
	}
	for name, old := range was {
		if is[name] == nil {
			delete(in(from(old)), name)
		}
	}
}

// lockKubeconfig makes the locks of a file: its name with .lock, made
// exclusively. kubectl makes it beside the path as it was given, another
// program may know the file by what a link leads to.
func lockKubeconfig(ctx context.Context, clock plan.Clock, path string, poll time.Duration) (unlock func() error, err error) {
	real, err := linked(path)
	if err != nil {
		return nil, fmt.Errorf("locking kubeconfig %s: %w", path, err)
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(real)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the directory of the kubeconfig: %w", err)
		}
	}
	first, err := lockFile(ctx, clock, path+".lock", poll)
	if err != nil || real == path || cannotWrite(filepath.Dir(real)) != nil {
		return first, err
	}
	second, err := lockFile(ctx, clock, real+".lock", poll)
	if err != nil {
		return nil, errors.Join(err, first())
	}
	return func() error { return errors.Join(second(), first()) }, nil
}

// lockFile makes the lock, and returns what removes it.
func lockFile(ctx context.Context, clock plan.Clock, lock string, poll time.Duration) (unlock func() error, err error) {
	err = clock.Until(ctx, plan.Condition{
		For: "the lock of the kubeconfig", Every: min(poll, 200*time.Millisecond), Limit: lockLimit,
		Check: func(context.Context) (bool, string, error) {
			f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0)
			if errors.Is(err, fs.ErrExist) {
				return false, lock + " is there", nil
			}
			if err != nil {
				return false, "", plan.Permanent(err)
			}
			return true, "", f.Close()
		},
	})
	if err != nil {
		return nil, &LockError{Path: lock, Err: err}
	}
	return func() error { return os.Remove(lock) }, nil
}

// A LockError is a kubeconfig that cannot be locked.
type LockError struct {
	Path string
	Err  error
}

func (e *LockError) Error() string { return e.Err.Error() }
func (e *LockError) Unwrap() error { return e.Err }

// Hint says what to do about a lock nobody holds, or one that cannot be made.
func (e *LockError) Hint() string {
	if _, err := os.Lstat(e.Path); err != nil {
		return "choose another file with KUBECONFIG, or let the lock be made in " + filepath.Dir(e.Path)
	}
	return "if no kubectl or hakube is running: rm " + e.Path
}

// writeKubeconfig replaces a file by one that is written beside it, so that
// nobody ever reads half of it. What has to stay the file it is, is written in
// place, as kubectl does, under the lock.
func writeKubeconfig(path string, text []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing kubeconfig %s: %w", path, err)
		}
	}()
	real, err := linked(path)
	if err != nil {
		return err
	}
	old, err := os.Stat(real)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old != nil {
		if err := mayReplace(real, old); err != nil {
			return err
		}
		if cannotWrite(filepath.Dir(real)) != nil || staysTheFile(old) {
			return writeInPlace(real, text)
		}
	}
	f, err := os.CreateTemp(filepath.Dir(real), filepath.Base(real)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if old != nil && err == nil {
		err = f.Chown(ownerOf(old)) // of root's hakube on a user's file: it stays the user's
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), real)
	}
	if err == nil {
		return nil
	}
	if old != nil && (errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EPERM)) { // a mount point of its own; another's
		err = writeInPlace(real, text)
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// writeInPlace writes over a file. What it held comes back if that fails.
func writeInPlace(path string, text []byte) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if info, statErr := f.Stat(); statErr == nil && info.Mode().Perm()&0o077 != 0 {
		if uid, _ := ownerOf(info); uid == os.Geteuid() {
			err = f.Chmod(0o600) // a key is in it from now on
		}
	}
	if err == nil {
		err = overwrite(f, text)
	}
	if err != nil {
		err = errors.Join(err, overwrite(f, old))
	}
	return errors.Join(err, f.Close())
}

func overwrite(f *os.File, text []byte) error {
	_, err := f.WriteAt(text, 0)
	if err == nil {
		err = f.Truncate(int64(len(text)))
	}
	return errors.Join(err, f.Sync())
}

// staysTheFile tells of a file with a second name, which would keep the old text.
func staysTheFile(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Nlink > 1
}

func ownerOf(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return -1, -1 // as it is
}
