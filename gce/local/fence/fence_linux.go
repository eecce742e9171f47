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

// Able says whether this host can have a fence at all.
func Able() error {
	if _, err := root(); err != nil {
		return err
	}
	for _, p := range programs(nil) {
		loaded, err := p.load()
		if err != nil {
			return fmt.Errorf("%s: %w", p.kind, err)
		}
		if err := loaded.Close(); err != nil {
			return err
		}
	}
	return nil
}

// A program is one half of the fence.
type program struct {
	kind   ebpf.ProgramType
	attach ebpf.AttachType
	code   asm.Instructions
}

func programs(own []Device) []program {
	return []program{
		{ebpf.CGroupDevice, ebpf.AttachCGroupDevice, deviceProgram(own)},
		{ebpf.CGroupSysctl, ebpf.AttachCGroupSysctl, sysctlProgram()},
	}
}

func (p program) load() (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{Name: "hakube", Type: p.kind, AttachType: p.attach, Instructions: p.code, License: "Apache-2.0"})
}

// Enclose makes the control group and fences in whatever runs in it or below. The
// devices are the machine's own, beside those every machine has. Asked again, with
// other devices, it is never without a fence in between.
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
	for _, p := range programs(own) {
		if err := p.attachTo(int(dir.Fd())); err != nil {
			return fmt.Errorf("%s: %w", p.kind, err)
		}
	}
	return nil
}

// attachTo leaves the program to the control group: it goes when that goes.
func (p program) attachTo(group int) (err error) {
	loaded, err := p.load()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, loaded.Close()) }()
	// Multi: programs that container runtimes put below are asked as well, and cannot take this one's place.
	o := link.RawAttachProgramOptions{Target: group, Program: loaded, Attach: p.attach, Flags: unix.BPF_F_ALLOW_MULTI}
	there, err := link.QueryPrograms(link.QueryOptions{Target: group, Attach: p.attach})
	if err != nil {
		return err
	}
	if len(there.Programs) > 0 { // all are ours: what runs in the group sees one below
		old, err := ebpf.NewProgramFromID(there.Programs[0].ID)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, old.Close()) }()
		o.Anchor = link.ReplaceProgram(old)
	}
	return link.RawAttachProgram(o)
}
