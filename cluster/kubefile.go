package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/plan"
)

// loadKubeconfig reads a kubeconfig file; one that is not there is empty.
func loadKubeconfig(path string) (*clientcmdapi.Config, error) {
	c, err := clientcmd.LoadFromFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return clientcmdapi.NewConfig(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %s: %w", path, err)
	}
	return c, nil
}

// lockLimit is how long another program may hold the file.
const lockLimit = 15 * time.Second

// editKubeconfig changes a kubeconfig file under the lock kubectl takes too
// (the file's name with .lock, made exclusively). The file is replaced in one
// go, is readable by its owner only, and is made if it is not there.
func editKubeconfig(ctx context.Context, path string, poll time.Duration, edit func(*clientcmdapi.Config)) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // keep the link, change what it leads to
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the directory of the kubeconfig: %w", err)
	}
	unlock, err := lockFile(ctx, path+".lock", poll)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	c, err := loadKubeconfig(path)
	if err != nil {
		return err
	}
	edit(c)
	text, err := clientcmd.Write(*c)
	if err != nil {
		return fmt.Errorf("encoding the kubeconfig: %w", err)
	}
	return replaceFile(path, text)
}

// lockFile makes the lock, and returns what removes it.
func lockFile(ctx context.Context, lock string, poll time.Duration) (unlock func() error, err error) {
	err = plan.Until(ctx, plan.Condition{
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

// Hint says what to do about a lock nobody holds.
func (e *LockError) Hint() string {
	return "if no kubectl or hakube is running, delete " + e.Path
}

// replaceFile writes a file beside path and renames it, so that nobody ever
// reads half of it.
func replaceFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing the kubeconfig: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
