package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
)

// AttachDisk gives a machine that runs another disk: its guest finds it in
// /dev/disk/by-id. A machine that ended meanwhile gets it at its next start.
func (h *Host) AttachDisk(ctx context.Context, m emulator.Machine, a emulator.Attachment) error {
	err := h.changing(ctx, m, func(r *run) error {
		// Noted first, so that whoever cleans up after the machine knows all of its disks.
		if err := h.note(r, m); err != nil {
			return err
		}
		d, err := h.attachOne(a)
		if err != nil {
			return err
		}
		if err := h.fenceDisks(m); err != nil {
			return err
		}
		return h.makeNode(ctx, m, d)
	})
	if err != nil {
		return fmt.Errorf("attaching disk %s to machine %s: %w", a.Name, m.Name, err)
	}
	return nil
}

// DetachDisk takes a disk from a machine that runs. What the guest has mounted, or
// a program of it has open, stays where it is, and the error says so: no disk of a
// real machine can be pulled out under a mount of the host's kernel.
func (h *Host) DetachDisk(ctx context.Context, m emulator.Machine, a emulator.Attachment) error {
	file := h.dataPath(a.Disk)
	err := h.changing(ctx, m, func(r *run) error {
		for name := range loops(func(f string) bool { return f == file }) {
			err := letGo(name)
			if errors.Is(err, unix.EBUSY) {
				return emulator.InUseError{Device: a.Device}
			} else if err != nil {
				return err
			}
		}
		if _, err := h.Exec(ctx, m.ID, "/bin/sh", "-ec", dropNode, "sh", a.Device); err != nil {
			return err
		}
		if err := h.fenceDisks(m); err != nil {
			return err
		}
		return h.note(r, m)
	})
	if err != nil {
		return fmt.Errorf("detaching disk %s from machine %s: %w", a.Name, m.Name, err)
	}
	return nil
}

// GrowDisk makes a data disk larger. A guest that has it sees that at once, and its
// file system grows when the guest says so. Boot disks are directories: they have no
// size but the one that is shown.
func (h *Host) GrowDisk(_ context.Context, d emulator.Disk) error {
	if d.Image != "" {
		return nil
	}
	file := h.dataPath(d)
	if err := grow(file, d.SizeGB); err != nil {
		return fmt.Errorf("growing disk %s: %w", d.Name, err)
	}
	for name := range loops(func(f string) bool { return f == file }) {
		loop, err := os.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			return fmt.Errorf("growing disk %s: %w", d.Name, err)
		}
		err = unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_SET_CAPACITY, 0)
		if err = errors.Join(err, loop.Close()); err != nil {
			return fmt.Errorf("growing disk %s on %s: %w", d.Name, name, err)
		}
	}
	return nil
}

// grow makes a file as large as its disk. It never takes anything away.
func grow(file string, sizeGB int64) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if size := sizeGB << 30; info.Size() < size {
		return os.Truncate(file, size)
	}
	return nil
}

// changing changes a machine that runs and is not on its way out.
func (h *Host) changing(ctx context.Context, m emulator.Machine, change func(*run) error) error {
	defer h.lock(m.ID)()
	r, err := h.find(ctx, m.ID)
	if err != nil || r == nil || r.ending.Load() {
		return err
	}
	return change(r)
}

// note keeps the machine as it is from now on.
func (h *Host) note(r *run, m emulator.Machine) error {
	r.update(m)
	return writeMachine(h.Dir, m)
}

// fenceDisks lets the machine use its disks and no others.
func (h *Host) fenceDisks(m emulator.Machine) error {
	var own []device
	for _, a := range m.Disks[min(1, len(m.Disks)):] {
		file := h.dataPath(a.Disk)
		for name := range loops(func(f string) bool { return f == file }) {
			var st unix.Stat_t
			if err := unix.Stat(name, &st); err != nil {
				return err
			}
			own = append(own, device{name: a.Device, major: int64(unix.Major(st.Rdev)), minor: int64(unix.Minor(st.Rdev))})
		}
	}
	return enclose(machineID(m.ID), own)
}

// A guest finds a disk as on Google: a device named by the order of attaching, after
// the boot disk's sda, and links to it that have the disk's name, as the image's udev
// rules make them there. Kubernetes' driver of disks goes by all of it.
const (
	makeNode = `mkdir -p /dev/disk/by-id
for i in '' a b c d; do
	for j in a b c d e f g h i j k l m n o p q r s t u v w x y z; do
		[ $i$j != a ] && [ ! -e /dev/sd$i$j ] || continue
		mknod -m 660 /dev/sd$i$j b "$2" "$3"
		ln -sfn ../../sd$i$j "/dev/disk/by-id/google-$1"
		ln -sfn ../../sd$i$j "/dev/disk/by-id/scsi-0Google_PersistentDisk_$1"
		break 2
	done
done
[ -e "/dev/disk/by-id/google-$1" ]`
	dropNode = `rm -f "$(readlink -f "/dev/disk/by-id/google-$1")" "/dev/disk/by-id/google-$1" "/dev/disk/by-id/scsi-0Google_PersistentDisk_$1"`
)

func (h *Host) makeNode(ctx context.Context, m emulator.Machine, d device) error {
	_, err := h.Exec(ctx, m.ID, "/bin/sh", "-ec", dropNode+"\n"+makeNode, "sh", d.name, fmt.Sprint(d.major), fmt.Sprint(d.minor))
	return err
}

// letGo frees a loop device that nobody uses: EBUSY says that it is mounted, or was
// open for longer than a moment, and it is as it was. The machine's mounts count, being
// this kernel's. A device that is only open is freed when it is closed; so it is
// waited for, and told to stay when it is not.
func letGo(name string) (err error) {
	deadline := time.Now().Add(2 * time.Second)
	var loop *os.File
	for loop == nil {
		if loop, err = os.OpenFile(name, os.O_RDONLY|unix.O_EXCL, 0); err == nil {
			break
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	defer func() { err = errors.Join(err, loop.Close()) }()
	for {
		if err := unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_CLR_FD, 0); errors.Is(err, unix.ENXIO) {
			return nil
		} else if err != nil {
			return err
		}
		info, err := unix.IoctlLoopGetStatus64(int(loop.Fd()))
		if errors.Is(err, unix.ENXIO) {
			return nil // free
		} else if err != nil {
			return err
		}
		if time.Now().After(deadline) {
			info.Flags &^= unix.LO_FLAGS_AUTOCLEAR
			return errors.Join(unix.EBUSY, unix.IoctlLoopSetStatus64(int(loop.Fd()), info))
		}
		time.Sleep(50 * time.Millisecond)
	}
}
