package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	// gofrs/flock: file locks on every operating system; the kernel drops them with the process.
	"github.com/gofrs/flock"
)

// lockDir makes this process the daemon of dir, or says that there is one.
func lockDir(dir string) (*flock.Flock, error) {
	if err := ownDir(dir); err != nil {
		return nil, err
	}
	l := flock.New(lockFile(dir))
	// Somebody who asks whether we run holds the lock for an instant (lockHeld).
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	ok, err := l.TryLockContext(ctx, 50*time.Millisecond)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("locking %s: an embedded GCE runs there already", dir)
	}
	return l, nil
}

// lockHeld tells whether a daemon of dir lives.
func lockHeld(dir string) (bool, error) {
	if _, err := os.Stat(filepath.Dir(lockFile(dir))); os.IsNotExist(err) {
		return false, nil
	}
	l := flock.New(lockFile(dir))
	ok, err := l.TryLock()
	if err != nil {
		return false, fmt.Errorf("looking at the lock of %s: %w", dir, err)
	}
	if ok {
		return false, l.Unlock()
	}
	return true, nil
}
