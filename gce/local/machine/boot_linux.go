package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	runc "github.com/containerd/go-runc"
	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/scripts/cure"
)

// machineID is the name of a machine on this host: short, unique for ever.
func machineID(id uint64) string { return strconv.FormatUint(id, 36) }

func (h *Host) bundle(id string) string { return filepath.Join(machinesDir(h.Dir), id) }

// boot starts a machine that does not run. The machine's lock is held.
func (h *Host) boot(ctx context.Context, m emulator.Machine) (err error) {
	if err := h.clean(ctx, m); err != nil {
		return fmt.Errorf("cleaning up after an earlier run: %w", err)
	}
	defer func() {
		if err != nil { // half a machine is none; also when ctx was what ended it
			err = errors.Join(err, h.clean(context.WithoutCancel(ctx), m))
		}
	}()
	if err := raiseInotify(); err != nil {
		return err
	}
	bootDisk, err := h.bootDisk(m)
	if err != nil {
		return err
	}
	id := machineID(m.ID)
	root := filepath.Join(h.bundle(id), "rootfs")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	// Written before anything is mounted or attached, so that whatever comes
	// after it is found by it.
	if err := writeMachine(h.Dir, m); err != nil {
		return err
	}
	netns := ""
	if h.NetNS != nil {
		if netns, err = h.NetNS(m); err != nil {
			return fmt.Errorf("making network: %w", err)
		}
	}
	devices, err := h.attach(m)
	if err != nil {
		return err
	}
	if err := mountRoot(bootDisk, root); err != nil {
		return err
	}
	if err := writeGuestFiles(root, m); err != nil {
		return fmt.Errorf("writing files of the machine: %w", err)
	}
	if err := h.trust(root); err != nil { // what its user made of its certificates keeps no machine from booting
		h.Log(fmt.Errorf("machine %s will not trust Google's services here: %w", m.Name, err))
	}
	if err := enclose(id, devices); err != nil { // before anything runs in it
		return err
	}
	if err := h.create(ctx, m, bootDisk, netns); err != nil {
		return fmt.Errorf("creating container: %w", err)
	}
	for _, d := range devices { // before its first program looks for them
		if err := h.makeNode(ctx, m, d); err != nil {
			return fmt.Errorf("making the device of disk %s: %w", d.name, err)
		}
	}
	if err := weigh(id, m.CPUs); err != nil {
		return err
	}
	if err := h.printKernel(m); err != nil {
		return err
	}
	process, err := h.startInit(ctx, id)
	if err != nil {
		return fmt.Errorf("starting container: %w", err)
	}
	h.hold(m, process)
	return nil
}

// create makes the container with an init process that waits for startInit.
func (h *Host) create(ctx context.Context, m emulator.Machine, bootDisk, netns string) error {
	id := machineID(m.ID)
	spec, err := ociSpec(m, bootDisk, netns)
	if err != nil {
		return err
	}
	config, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(h.bundle(id), "config.json"), config, 0o600); err != nil {
		return err
	}
	output, err := os.Create(filepath.Join(h.bundle(id), "runc.log"))
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }() // runc has its own
	err = h.runc.Create(ctx, id, h.bundle(id), &runc.CreateOpts{IO: fileIO{output}, PidFile: h.pidFile(id)})
	if err != nil {
		said, _ := os.ReadFile(output.Name())
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said))
	}
	return nil
}

func (h *Host) pidFile(id string) string { return filepath.Join(h.bundle(id), "pid") }

// startInit lets init go and returns its pidfd.
func (h *Host) startInit(ctx context.Context, id string) (*os.File, error) {
	pid, err := runc.ReadPidFile(h.pidFile(id))
	if err != nil {
		return nil, err
	}
	process, err := openProcess(pid)
	if err != nil {
		return nil, err
	}
	// Succeeds only if init is still the process that create started, which
	// the pidfd then means as well.
	if err := h.runc.Start(ctx, id); err != nil {
		return nil, errors.Join(err, process.Close())
	}
	return process, nil
}

// raiseInotify lets a dozen machines watch files: the kernel counts inotify
// instances per user, root is the same user on all of them, and one Kubernetes
// node takes about 20 of the usual 128. The figures are those that a node's
// startup script asks for, which cannot set the host's.
func raiseInotify() error {
	for name, enough := range map[string]int{"max_user_instances": 8192, "max_user_watches": 524288} {
		path := filepath.Join("/proc/sys/fs/inotify", name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err == nil && n < enough {
			err = os.WriteFile(path, []byte(strconv.Itoa(enough)), 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mountRoot puts the boot disk's changes over its image.
func mountRoot(bootDisk, root string) error {
	lower, err := os.Readlink(filepath.Join(bootDisk, "image"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(lower); err != nil {
		return &Error{fmt.Errorf("looking for the boot disk's image: %w", err),
			cure.Hint("the image cache was removed while a disk still needs it; what the disk has can only be deleted", cure.LocalReset(""))}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, filepath.Join(bootDisk, "upper"), filepath.Join(bootDisk, "work"))
	if err := unix.Mount("hakube", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mounting root file system: %w", err)
	}
	return nil
}

// fileIO gives a container no input and a file for what it prints. A pipe
// would tie the machine to this process.
type fileIO struct{ file *os.File }

func (f fileIO) Set(cmd *exec.Cmd)     { cmd.Stdout, cmd.Stderr = f.file, f.file }
func (f fileIO) Stdin() io.WriteCloser { return nil }
func (f fileIO) Stdout() io.ReadCloser { return nil }
func (f fileIO) Stderr() io.ReadCloser { return nil }
func (f fileIO) Close() error          { return nil }
