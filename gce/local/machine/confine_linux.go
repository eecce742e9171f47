package machine

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hakube/gce/local/fence"
)

// enclose puts the fence around the machine's control group.
func enclose(id string, disks []device) error {
	var own []fence.Device
	for _, d := range disks {
		own = append(own, fence.Device{Block: true, Major: d.major, Minor: d.minor})
	}
	return fence.Enclose(cgroupOf(id), own)
}

// withheld are the capabilities that act on the whole host and no node needs:
// modules, raw I/O, kexec and reboot (systemd halts without), the clock,
// process accounting, consoles, audit, security policies, suspend, tracing; and
// to make files immutable, since these are the host's to remove.
var withheld = strings.Fields(`LINUX_IMMUTABLE SYS_MODULE SYS_RAWIO SYS_BOOT SYS_TIME SYS_PACCT SYS_TTY_CONFIG AUDIT_CONTROL AUDIT_READ
	MAC_OVERRIDE MAC_ADMIN WAKE_ALARM BLOCK_SUSPEND PERFMON BPF CHECKPOINT_RESTORE`)

// capabilities are those of the kernel's list that this process has, since runc
// cannot give more ("unable to apply caps"), but for the withheld.
func capabilities() ([]string, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil, fmt.Errorf("reading capabilities: %w", err)
	}
	var names []string
	for number, name := range capabilityNames {
		if data[number/32].Permitted&(1<<(number%32)) == 0 || slices.Contains(withheld, name) {
			continue
		}
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(number), 0, 0, 0); err != nil || has == 0 {
			continue
		}
		names = append(names, "CAP_"+name)
	}
	return names, nil
}

// capabilityNames are in the kernel's order (linux/capability.h). A capability
// newer than these stays with the host.
var capabilityNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
	LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
	SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
	AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
	PERFMON BPF CHECKPOINT_RESTORE`)

// What of /proc a machine does not see, or does not change, where it finds it.
// It may mount another, see doc.go.
var (
	maskedPaths   = []string{"/proc/sysrq-trigger", "/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/timer_list"}
	readonlyPaths = []string{"/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/mtrr"}
)

// refused are system calls that CAP_SYS_ADMIN or CAP_DAC_READ_SEARCH, which a
// node cannot do without, would let reach the host.
var refused = []specs.LinuxSyscall{
	// Files of the host, on whose file system containerd's and kubelet's directories
	// lie: any by its number, or all that anybody opens; its quotas.
	refuse(unix.EPERM, "open_by_handle_at", "fanotify_init", "quotactl", "quotactl_fd"),
	// Swap, the kernel's log and its tracing. Readers of the log have /dev/kmsg.
	refuse(unix.EPERM, "swapon", "swapoff", "syslog", "perf_event_open", "lookup_dcookie"),
	// Keys are kept by user id, and root is the host's root. ENOSYS is what runc
	// and systemd take for a kernel without.
	refuse(unix.ENOSYS, "add_key", "request_key", "keyctl"),
	// Changing the options of a file system that is mounted, which may be the host's,
	// or with cgroup v1 name a program that the host runs when a group is empty. Those
	// of one mount (bind) may be changed.
	refuse(unix.ENOSYS, "fspick"),
	refuseIf("mount", 3, unix.MS_REMOUNT|unix.MS_BIND, unix.MS_REMOUNT),
	refuseIf("fsconfig", 1, 0xffffffff, 7), // FSCONFIG_CMD_RECONFIGURE
	// A file system as a whole, by any file in it: to freeze, to thaw, to shut down
	// (FIFREEZE, FITHAW, XFS_IOC_GOINGDOWN, which is ext4's as well), its label, UUID and
	// boot loader (FS_IOC_SETFSLABEL, EXT4_IOC_SETFSUUID, EXT4_IOC_SWAP_BOOT).
	refuseIf("ioctl", 1, 0xffffffff, 0xc0045877),
	refuseIf("ioctl", 1, 0xffffffff, 0xc0045878),
	refuseIf("ioctl", 1, 0xffffffff, 0x8004587d),
	refuseIf("ioctl", 1, 0xffffffff, 0x41009432),
	refuseIf("ioctl", 1, 0xffffffff, 0x4008662c),
	refuseIf("ioctl", 1, 0xffffffff, 0x6611),
	// Loop devices (linux/loop.h): one that a machine freed would come to carry
	// somebody else's disk, and still be the machine's to open.
	refuseIf("ioctl", 1, 0xffffff00, 0x4c00),
	// The host's console, to a terminal of the machine's: TIOCCONS.
	refuseIf("ioctl", 1, 0xffffffff, 0x541d),
	// Whoever is at the other end of a virtual host's own socket.
	refuseIf("socket", 0, 0xffffffff, unix.AF_VSOCK),
}

// systemCalls is what a machine may call: all but the refused and, of bpf(2),
// what gives a container its devices with cgroup v2.
func systemCalls() *specs.LinuxSeccomp {
	calls := slices.Clone(refused)
	if cgroup2() {
		for _, command := range []uint64{unix.BPF_PROG_TEST_RUN, unix.BPF_MAP_GET_FD_BY_ID, unix.BPF_RAW_TRACEPOINT_OPEN} {
			calls = append(calls, refuseIf("bpf", 0, 0xffffffff, command))
		}
		newer := refuse(unix.EPERM, "bpf") // links, iterators, statistics …
		newer.Args = []specs.LinuxSeccompArg{{Index: 0, Value: unix.BPF_BTF_LOAD, Op: specs.OpGreaterThan}}
		calls = append(calls, newer)
	} else {
		calls = append(calls, refuse(unix.EPERM, "bpf"))
	}
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Syscalls:      calls,
	}
}

func refuse(with unix.Errno, names ...string) specs.LinuxSyscall {
	code := uint(with)
	return specs.LinuxSyscall{Names: names, Action: specs.ActErrno, ErrnoRet: &code}
}

// refuseIf refuses a call whose argument, as far as the mask reaches, is value.
// The kernel looks at the lower half of many arguments only, so must we.
func refuseIf(name string, argument uint, mask, value uint64) specs.LinuxSyscall {
	call := refuse(unix.EPERM, name)
	call.Args = []specs.LinuxSeccompArg{{Index: argument, Value: mask, ValueTwo: value, Op: specs.OpMaskedEqual}}
	return call
}

// cgroup2 says whether control groups are all of version 2.
func cgroup2() bool {
	var st unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}
