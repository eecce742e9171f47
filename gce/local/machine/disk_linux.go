package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/gce/local/image"
)

// plainDirs are the directories of /var/lib that cannot lie on an overlay.
var plainDirs = []string{"containerd", "kubelet"}

// bootPath is the directory of a boot disk, dataPath the file of a data disk.
func (h *Host) bootPath(d emulator.Disk) string {
	return filepath.Join(disksDir(h.Dir), machineID(d.ID))
}
func (h *Host) dataPath(d emulator.Disk) string { return h.bootPath(d) + ".img" }

func (h *Host) path(d emulator.Disk) string {
	if d.Image != "" {
		return h.bootPath(d)
	}
	return h.dataPath(d)
}

// CreateDisk makes the disk, unless it is there. The first boot disk of all
// builds the image, which takes a minute.
func (h *Host) CreateDisk(ctx context.Context, d emulator.Disk) error {
	if exists(h.path(d)) {
		return nil
	}
	create := h.createData
	if d.Image != "" {
		create = h.createBoot
	}
	if err := create(ctx, d); err != nil {
		return fmt.Errorf("creating disk %s: %w", d.Name, err)
	}
	return nil
}

func (h *Host) createData(ctx context.Context, d emulator.Disk) error {
	if d.Snapshot != 0 { // attach grows it to its size
		return copySparse(ctx, h.dataPath(d), h.snapshotPath(d.Snapshot))
	}
	temp := h.dataPath(d) + ".part"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(d.SizeGB<<30), f.Close()); err != nil {
		return err
	}
	return os.Rename(temp, h.dataPath(d))
}

func (h *Host) createBoot(ctx context.Context, d emulator.Disk) error {
	if d.Snapshot != 0 {
		return copyBoot(ctx, h.bootPath(d), h.bootCopy(d.Snapshot))
	}
	if err := image.Check(d.Image); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(disksDir(h.Dir), &st); err == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return &Error{fmt.Errorf("%s is on an overlay file system, which cannot carry another", h.Dir),
			"set HAKUBE_LOCAL_DIR to a directory on a plain file system, such as a volume"}
	}
	rootfs, err := image.Build(ctx, image.Options{Dir: h.Cache, Progress: h.Progress})
	if err != nil {
		return err
	}
	temp := h.bootPath(d) + ".part"
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	for _, name := range append([]string{"upper/etc", "work"}, plainDirs...) {
		if err := os.MkdirAll(filepath.Join(temp, name), 0o755); err != nil {
			return err
		}
	}
	// Of the disk, not of the machine: a machine re-created on it is the same to systemd.
	sum := sha256.Sum256(fmt.Appendf(nil, "machine-id %s/%s/%s %d", d.Project, d.Zone, d.Name, d.ID))
	if err := os.WriteFile(filepath.Join(temp, "upper/etc/machine-id"), []byte(hex.EncodeToString(sum[:16])+"\n"), 0o444); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(temp, "serial"), nil, 0o644); err != nil {
		return err
	}
	if err := os.Symlink(rootfs, filepath.Join(temp, "image")); err != nil {
		return err
	}
	return os.Rename(temp, h.bootPath(d))
}

// DeleteDisk removes the disk and what is on it. The machine it was on has
// been stopped.
func (h *Host) DeleteDisk(_ context.Context, d emulator.Disk) error {
	if err := detach(func(file string) bool { return file == h.dataPath(d) }); err != nil {
		return fmt.Errorf("deleting disk %s: %w", d.Name, err)
	}
	for _, path := range []string{h.dataPath(d), h.dataPath(d) + ".part", h.bootPath(d) + ".part", h.bootPath(d)} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("deleting disk %s: %w", d.Name, err)
		}
	}
	return nil
}

// bootDisk returns the directory of the machine's boot disk.
func (h *Host) bootDisk(m emulator.Machine) (string, error) {
	if len(m.Disks) == 0 || m.Disks[0].Image == "" {
		return "", errors.New("it has no boot disk with an image")
	}
	path := h.bootPath(m.Disks[0].Disk)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("looking for boot disk: %w", err)
	}
	return path, nil
}

// attach puts the machine's data disks on loop devices, grown to their size.
func (h *Host) attach(m emulator.Machine) ([]device, error) {
	var devices []device
	for _, a := range m.Disks[1:] {
		d, err := h.attachOne(a)
		if err != nil {
			return nil, fmt.Errorf("attaching disk %s: %w", a.Name, err)
		}
		devices = append(devices, d)
	}
	return devices, nil
}

func (h *Host) attachOne(a emulator.Attachment) (device, error) {
	if a.Image != "" {
		return device{}, errors.New("only the boot disk can be made from an image")
	}
	file := h.dataPath(a.Disk)
	if err := grow(file, a.SizeGB); err != nil {
		return device{}, err
	}
	major, minor, err := attachLoop(file, a.ReadOnly)
	return device{name: a.Device, major: major, minor: minor}, err
}

// serialPath is the file behind the machine's serial port.
func (h *Host) serialPath(m emulator.Machine) string {
	if len(m.Disks) == 0 {
		return ""
	}
	return filepath.Join(h.bootPath(m.Disks[0].Disk), "serial")
}

// printKernel prints what a machine's kernel does first: whoever reads the console knows
// by it that what stands before is of an earlier boot.
func (h *Host) printKernel(m emulator.Machine) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("reading the kernel's version: %w", err)
	}
	f, err := os.OpenFile(h.serialPath(m), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening the serial port: %w", err)
	}
	_, err = fmt.Fprintf(f, "[    0.000000] Linux version %s\n", unix.ByteSliceToString(u.Release[:]))
	return errors.Join(err, f.Close())
}

// Serial returns up to 1 MiB of what the machine printed from byte start on;
// ask again from the end of the answer for more. A machine that has printed
// nothing yet is no error.
func (h *Host) Serial(m emulator.Machine, start int64) ([]byte, error) {
	f, err := os.Open(h.serialPath(m))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading serial port of %s: %w", m.Name, err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading serial port of %s: %w", m.Name, err)
	}
	start = max(start, 0)
	text := make([]byte, max(0, min(info.Size()-start, serialLimit)))
	n, err := f.ReadAt(text, start)
	if err != nil && len(text) > 0 && n == 0 {
		return nil, fmt.Errorf("reading serial port of %s: %w", m.Name, err)
	}
	return text[:n], nil
}
