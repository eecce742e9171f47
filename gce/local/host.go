package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"hakube/gce/local/vpc"
	"hakube/scripts/cure"
)

// hostLockFile is held by the one daemon with real machines on this host: their
// network's names in the kernel are the same for all of them. It holds the
// state directory whose machines are there.
const hostLockFile = "/run/hakube.lock"

// A busyError is a host that has the machines of another state directory.
type busyError struct{ dir, why string }

func (e *busyError) Error() string {
	return fmt.Sprintf("starting real machines: those of the embedded GCE in %s %s, and only one can have them on this host", e.dir, e.why)
}

// Hint says how to end the other.
func (e *busyError) Hint() string {
	return cure.Hints(cure.Hint("end it, and keep what it has", cure.LocalStop(e.dir)), cure.Hint("or delete all of it", cure.LocalReset(e.dir)))
}

// hostLock is the right to have real machines on this host.
type hostLock struct{ *flock.Flock }

// lockHost takes it for dir, or says who has it. Machines that a killed daemon
// of another directory left keep it from us too.
func lockHost(dir string) (*hostLock, error) {
	return lockHostFile(hostLockFile, dir, func(of string) ([]string, error) { return vpc.Leftovers(networkOf(of)) })
}

func lockHostFile(file, dir string, leftovers func(of string) ([]string, error)) (*hostLock, error) {
	l := &hostLock{flock.New(file)}
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", file, err)
	}
	owner, err := hostOwner(file)
	if !ok {
		return nil, errors.Join(&busyError{owner, "run"}, err)
	}
	if err == nil && owner != "" && owner != filepath.Clean(dir) {
		var left []string
		if left, err = leftovers(owner); err == nil && len(left) > 0 {
			err = &busyError{owner, "were left by a daemon that was killed"}
		}
	}
	if err == nil {
		err = os.WriteFile(file, []byte(filepath.Clean(dir)+"\n"), 0o600) // who may open it may hold it
	}
	if err != nil {
		return nil, errors.Join(err, l.Unlock())
	}
	return l, nil
}

// hostOwner is the directory whose machines are or were last on this host.
func hostOwner(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading %s: %w", file, err)
	}
	return strings.TrimSpace(string(b)), nil
}
