package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock" // two processes may want the same image at once
)

// Family is the one image family there is.
const Family = "debian-12"

// Check says whether an image of this name can be booted here. Every name of
// the family, such as debian-12-bookworm-v20260101, means the same image.
func Check(name string) error {
	if name == Family || strings.HasPrefix(name, Family+"-") {
		return nil
	}
	return &Error{
		Err:  fmt.Errorf("image %q: the embedded GCE boots only images of the family %s", name, Family),
		hint: "set KUBE_GCE_MASTER_IMAGE and KUBE_GCE_NODE_IMAGE to nothing, or to an image of that family",
	}
}

// Options say where images are kept.
type Options struct {
	// Dir is the cache directory; images lie in its subdirectory image.
	Dir string
	// Progress, if not nil, is told in a few words what is being done. It is
	// not called when the image is cached.
	Progress func(string)
}

// Path is where the root file system of the image lies or would lie.
func Path(o Options) string { return filepath.Join(o.Dir, "image", thisHost().hash(), "rootfs") }

// Cached says whether Build would return at once.
func Cached(o Options) bool {
	_, err := os.Stat(Path(o))
	return err == nil
}

// Build returns the root file system of the image, made first if it is not in
// the cache: a minute and 270 MB. It is read-only for the caller. A build
// that was cut off leaves nothing that a later one would take for an image.
func Build(ctx context.Context, o Options) (rootfs string, err error) {
	if rootfs = Path(o); Cached(o) {
		return rootfs, nil
	}
	say := o.Progress
	if say == nil {
		say = func(string) {}
	}
	final := filepath.Dir(rootfs)
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return "", fmt.Errorf("making image cache: %w", err)
	}
	lock := flock.New(final + ".lock")
	if held, err := lock.TryLock(); err != nil {
		return "", fmt.Errorf("locking image cache: %w", err)
	} else if !held {
		say("waiting for another process that builds the image")
		if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
			return "", fmt.Errorf("waiting for image being built: %w", err)
		}
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if Cached(o) {
		return rootfs, nil
	}
	temp := final + ".part" // the lock is ours: whatever lies here was cut off
	if err := os.RemoveAll(temp); err != nil {
		return "", fmt.Errorf("removing unfinished image: %w", err)
	}
	if err := assemble(ctx, filepath.Join(temp, "rootfs"), say); err != nil {
		return "", errors.Join(fmt.Errorf("building image %s: %w", Family, err), os.RemoveAll(temp))
	}
	if err := os.Rename(temp, final); err != nil {
		return "", fmt.Errorf("finishing image: %w", err)
	}
	return rootfs, nil
}

// An Error knows what the user can do about it.
type Error struct {
	Err  error
	hint string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint is one line of advice.
func (e *Error) Hint() string { return e.hint }
