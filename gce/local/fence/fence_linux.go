package fence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// errNoGroups is a host without what the programs hang on.
var errNoGroups = errors.New("no control groups of version 2 at /sys/fs/cgroup or /sys/fs/cgroup/unified")

// root is where the version 2 hierarchy is mounted: as the only one, or beside
// those of version 1, where runc puts machines into it as well.
func root() (string, error) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir, nil
		}
	}
	return "", errNoGroups
}

// Enclose makes the control group and fences in whatever will run in it or
// below. The devices are the machine's own, beside those every machine has.
func Enclose(group string, own []Device) error {
	if err := enclose(group, own); err != nil {
		return fmt.Errorf("fencing in control group %s: %w", group, err)
	}
	return nil
}

func enclose(group string, own []Device) (err error) {
	at, err := root()
	if err != nil {
		return err
	}
	path := filepath.Join(at, group)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	for _, p := range []struct {
		kind   ebpf.ProgramType
		attach ebpf.AttachType
		code   asm.Instructions
	}{
		{ebpf.CGroupDevice, ebpf.AttachCGroupDevice, deviceProgram(own)},
		{ebpf.CGroupSysctl, ebpf.AttachCGroupSysctl, sysctlProgram()},
	} {
		if err := attach(int(dir.Fd()), p.kind, p.attach, p.code); err != nil {
			return fmt.Errorf("%s: %w", p.kind, err)
		}
	}
	return nil
}

// attach leaves the program to the control group: it goes when that goes.
func attach(group int, kind ebpf.ProgramType, at ebpf.AttachType, code asm.Instructions) (err error) {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "hakube", Type: kind, AttachType: at, Instructions: code, License: "Apache-2.0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.Close()) }()
	// Multi: programs that container runtimes put below are asked as well, and cannot take this one's place.
	return link.RawAttachProgram(link.RawAttachProgramOptions{Target: group, Program: program, Attach: at, Flags: unix.BPF_F_ALLOW_MULTI})
}
