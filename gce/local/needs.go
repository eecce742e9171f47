package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"hakube/gce/local/image"
	"hakube/gce/local/mirror"
	"hakube/scripts/cure"
)

// buildRoom is what the image and all that machines fetch take on disk, with
// what lies around while they are made.
const buildRoom = 3 << 30

// aHost is what [lacking] asks of this machine.
type aHost struct {
	look func(program string) (string, error)
	free func(dir string) (uint64, error)
}

var thisHost = aHost{exec.LookPath, freeRoom}

// lacking is all that real machines need of the host and that is not there, at
// once: some of it would show only after the minutes that the first build takes.
func lacking(cache string, h aHost) error {
	var all []error
	made := image.Cached(image.Options{Dir: cache}) && mirror.Begun(mirror.Options{Dir: cache})
	tools := [][2]string{{"runc", "runc"}, {"nft", "nftables"}}
	if !image.Cached(image.Options{Dir: cache}) {
		tools = append(tools, [2]string{"mmdebstrap", "mmdebstrap debian-archive-keyring"})
	}
	for _, t := range tools {
		if _, err := h.look(t[0]); err != nil {
			all = append(all, &lackError{fmt.Errorf("real machines need %s: %w", t[0], err), "apt-get install " + t[1]})
		}
	}
	if free, err := h.free(cache); err == nil && !made && free < buildRoom {
		all = append(all, &lackError{
			fmt.Errorf("what machines boot and run takes %d GB in %s once it is made, and %d MB are free there", buildRoom>>30, cache, free>>20),
			cure.Hint("make room, or choose another directory with HAKUBE_CACHE_DIR; model machines take none", cure.LocalModel())})
	}
	return errors.Join(all...)
}

// freeRoom is how much may be written below a directory that is still to be made.
func freeRoom(dir string) (uint64, error) {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if up := filepath.Dir(dir); os.IsNotExist(err) && up != dir {
			dir = up
			continue
		}
		return st.Bavail * uint64(st.Bsize), err
	}
}

// A lackError is one thing that is missing, with what brings it.
type lackError struct {
	error
	hint string
}

func (e *lackError) Unwrap() error { return e.error }
func (e *lackError) Hint() string  { return e.hint }
