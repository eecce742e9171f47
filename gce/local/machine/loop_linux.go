package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// attachLoop puts file on a free loop device and returns the device's number.
// The device stays until detach, also when this process dies: a device that
// cleared itself could come to carry another file under a running machine.
func attachLoop(file string, readOnly bool) (major, minor int64, err error) {
	mode, flags := os.O_RDWR, uint32(0)
	if readOnly {
		mode, flags = os.O_RDONLY, unix.LO_FLAGS_READ_ONLY
	}
	backing, err := os.OpenFile(file, mode, 0)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = backing.Close() }() // the device keeps the file; nothing was written here
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("opening loop devices: %w", err)
	}
	defer func() { _ = control.Close() }() // the device keeps the file; nothing was written here
	// Another process may take the free device first: then there is another one.
	for range 64 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return 0, 0, fmt.Errorf("looking for a free loop device: %w", err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), mode, 0)
		if err != nil {
			return 0, 0, err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd())}
		config.Info.Flags = flags
		copy(config.Info.File_name[:len(config.Info.File_name)-1], file)
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		var st unix.Stat_t
		if err == nil {
			err = unix.Fstat(int(loop.Fd()), &st)
		}
		_ = loop.Close() // nothing was written
		if err == nil {
			return int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev)), nil
		}
		if !errors.Is(err, unix.EBUSY) {
			return 0, 0, fmt.Errorf("setting up loop device: %w", err)
		}
	}
	return 0, 0, errors.New("setting up loop device: every free one was taken by others")
}

// loops returns the loop devices and their files, for the files of which ours is true.
func loops(ours func(file string) bool) map[string]string {
	found := map[string]string{}
	names, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // detached meanwhile
		}
		file := strings.TrimSuffix(strings.TrimSpace(string(text)), " (deleted)")
		if ours(file) {
			found["/dev/"+filepath.Base(filepath.Dir(filepath.Dir(name)))] = file
		}
	}
	return found
}

// detach frees the loop devices of files for which ours is true, and returns
// when they are free: the kernel lets go of a device only after the mount
// namespace that used it is gone, a moment after the machine's last process.
func detach(ours func(file string) bool) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		left := loops(ours)
		if len(left) == 0 {
			return nil
		}
		for name := range left {
			loop, err := os.OpenFile(name, os.O_RDONLY, 0)
			if err != nil {
				continue // gone meanwhile, or seen again in the next round
			}
			err = unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_CLR_FD, 0)
			_ = loop.Close()
			if err != nil && !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.EBUSY) {
				return fmt.Errorf("detaching %s: %w", name, err)
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("detaching loop devices: still in use: %v", left)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
