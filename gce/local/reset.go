package local

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// HasObjects tells whether something was made in dir.
func HasObjects(dir string) bool {
	_, err := os.Stat(storeFile(dir))
	return err == nil
}

// Reset stops the daemon of dir if there is one and deletes everything in it:
// machines, also of a daemon that was killed, disks, objects.
func Reset(ctx context.Context, dir string) error {
	if _, err := Stop(ctx, dir); err != nil {
		return err
	}
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		return nil
	}
	if _, saved, err := Saved(dir); err != nil || !saved {
		// A wrong HAKUBE_LOCAL_DIR must not cost anybody a directory.
		return errors.Join(err, fmt.Errorf("resetting the embedded GCE: %s is not a state directory of one", dir))
	}
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	o, _, err := Saved(dir)
	if err == nil && o.Machines == Real {
		err = sweep(ctx, dir)
	}
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err = errors.Join(err, lock.Unlock()); err != nil {
		return fmt.Errorf("resetting the embedded GCE in %s: %w", dir, err)
	}
	return nil
}
