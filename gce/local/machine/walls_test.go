//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
)

// hostSettings are what a machine must leave as it is, whatever is tried.
var hostSettings = []string{
	"kernel/core_pattern", "kernel/modprobe", "kernel/sysrq", "kernel/panic", "kernel/panic_on_oops", "kernel/poweroff_cmd",
	"kernel/keys/root_maxkeys", "kernel/threads-max", "kernel/dmesg_restrict", "kernel/kptr_restrict", "kernel/printk", "kernel/randomize_va_space",
	"vm/overcommit_memory", "vm/panic_on_oom", "vm/swappiness", "fs/suid_dumpable", "fs/file-max", "fs/protected_hardlinks",
	"fs/inotify/max_user_watches", "user/max_user_namespaces",
}

func readSettings(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, name := range hostSettings {
		text, err := os.ReadFile("/proc/sys/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		values[name] = string(text)
	}
	return values
}

// attempts are what root on a machine may not do, each a script that ends with
// zero if it can. $DISK and $LOOP are a disk of the host's and another machine's,
// as mknod takes them. A script that cannot be tried on this kernel ends with 77.
// call N ARG… is a system call by its number (asm/unistd_64.h).
var attempts = map[string]string{
	"core_pattern":                          "echo '|/tmp/x' >/proc/sys/kernel/core_pattern",
	"core_pattern of a fresh /proc":         "fresh proc; echo '|/tmp/x' >/run/fresh/sys/kernel/core_pattern",
	"core_pattern in a fresh pid namespace": "unshare --pid --fork --mount bash -c 'mount -t proc p /proc; echo x >/proc/sys/kernel/core_pattern'",
	"core_pattern through a new cgroup": "c=$(ls -d /sys/fs/cgroup/unified /sys/fs/cgroup | head -n 1); mkdir $c/away; echo $$ >$c/away/cgroup.procs; " +
		"fresh proc; echo x >/run/fresh/sys/kernel/core_pattern",
	"core_pattern through a fresh cgroup2": "fresh cgroup2; mkdir -p /run/fresh/away; echo $$ >/run/fresh/away/cgroup.procs; umount /run/fresh; " +
		"fresh proc; echo x >/run/fresh/sys/kernel/core_pattern",
	"sysrq-trigger":                        "[ -e /proc/sysrq-trigger ] || exit 77; [ -c /proc/sysrq-trigger ] && exit 1; echo h >/proc/sysrq-trigger",
	"kcore":                                "[ -e /proc/kcore ] || exit 77; head -c 1 /proc/kcore | grep -q .",
	"irq":                                  "echo 1 >/proc/irq/default_smp_affinity",
	"init_module":                          "call 175 0 0 0",
	"finit_module":                         "call 313 0 0 0",
	"delete_module":                        "call 176 0 0",
	"kexec_load":                           "call 246 0 0 0 0",
	"kexec_file_load":                      "call 320 0 0 0 0 0",
	"reboot":                               "call 169 $((0xfee1dead)) 672274793 0 0", // Ctrl-Alt-Del off: harmless if it can
	"iopl":                                 "call 172 3",
	"ioperm":                               "call 173 0 1 1",
	"clock_settime":                        "date -s @$(date +%s)",
	"adjtimex":                             "perl -e '$t = pack(\"L x4 q x256\", 1, 0); syscall(159, $t) < 0 and die $!'",
	"swapon":                               "dd if=/dev/zero of=/root/swap bs=1M count=8 status=none; chmod 600 /root/swap; mkswap -q /root/swap; swapon /root/swap",
	"open_by_handle_at":                    "call 304 0 0 0",
	"fanotify_init":                        "call 300 0 0",
	"perf_event_open":                      "call 298 0 0 -1 -1 0",
	"keyctl":                               "call 250 0 -4 1",
	"add_key":                              "call 248 0 0 0 0 0",
	"syslog":                               "call 103 10 0 0",
	"quotactl":                             "call 179 0 0 0 0",
	"acct":                                 "call 163 0",
	"bpf link":                             "call 321 28 0 0",
	"bpf of another":                       "call 321 30 0 0",
	"fspick":                               "call 433 -100 0 0",
	"vsock":                                "call 41 40 1 0",
	"vsock, upper half":                    "call 41 $((40 + (1 << 32))) 1 0",
	"personality i386 swapon":              "call 167 0 0",
	"/dev/mem":                             "mknod /dev/mem c 1 1; head -c 1 /dev/mem",
	"/dev/port":                            "mknod /dev/port c 1 4; head -c 1 /dev/port",
	"/dev/kmsg":                            "echo hakube >/dev/kmsg",
	"loop-control":                         "mknod /dev/loop-control c 10 237; : <>/dev/loop-control",
	"fuse":                                 "mknod /dev/fuse c 10 229; : <>/dev/fuse",
	"kvm":                                  "mknod /dev/kvm c 10 232; : <>/dev/kvm",
	"device mapper":                        "mknod /dev/dm c 10 236; : <>/dev/dm",
	"the host's disk":                      "mknod /dev/host b $DISK; head -c 1 /dev/host",
	"the host's disk, mounted":             "mknod /dev/host b $DISK; mount /dev/host /mnt",
	"the host's disk, on an overlay":       "mknod /root/host b $DISK; head -c 1 /root/host",
	"another machine's disk":               "mknod /dev/other b $LOOP; head -c 1 /dev/other",
	"the host's disk, by one's own cgroup": "for f in $(find /sys/fs/cgroup -name devices.allow); do echo a >$f || true; done; mknod /dev/host b $DISK; head -c 1 /dev/host",
	"the host's disk, in a new cgroup": "for c in /sys/fs/cgroup /sys/fs/cgroup/devices /sys/fs/cgroup/unified; do [ ! -e $c/cgroup.procs ] || { mkdir -p $c/away; echo $$ >$c/away/cgroup.procs; }; done; " +
		"mknod /dev/host b $DISK; head -c 1 /dev/host",
	"the host's file system made read-only": "mount -o remount,ro /var/lib/kubelet",
	"the host's file system frozen":         "fsfreeze --freeze /var/lib/kubelet && fsfreeze --unfreeze /var/lib/kubelet",
	"the host's file system by its label":   "perl -e 'open F, \"<\", \"/var/lib/kubelet\" or die $!; $b = \"hakube\" . \"\\0\" x 256; ioctl(F, 0x41009432, $b) or die \"$!\\n\"'",
	"the machine's own loop device freed":   "losetup --detach /dev/disk/by-id/google-master-pd",
	"a disk that cannot be removed":         "touch /var/lib/kubelet/x; chattr +i /var/lib/kubelet/x",
	"the host's console":                    "perl -e 'open F, \"+<\", \"/dev/ptmx\" or die $!; ioctl(F, 0x541d, 0) or die \"$!\\n\"'",
	"reconfigure by fsconfig":               "call 431 0 7 0 0 0",
	"release_agent":                         "[ -d /sys/fs/cgroup/memory ] || exit 77; mount -o remount,release_agent=/root/x /sys/fs/cgroup/memory",
	"a hierarchy of one's own":              "mkdir -p /run/fresh; mount -t cgroup -o none,name=mine,release_agent=/root/x c /run/fresh",
	"processes of the host":                 "kill -0 $HOSTPID",
	"a capability of the host":              "c=$((0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status) & (1<<16 | 1<<17 | 1<<22 | 1<<25 | 1<<38 | 1<<39))); echo held: $c; ((c))",
}

// refusal is how the kernel says no. A call that it does not have is one, too.
var refusal = regexp.MustCompile(`(?i)not permitted|permission denied|read-only file system|not implemented|no such process|^held: 0$`)

// possible is what a node does all day.
var possible = map[string]string{
	"network settings":      "echo 1 >/proc/sys/net/ipv4/ip_forward; fresh proc; echo 2 >/run/fresh/sys/net/ipv4/conf/all/rp_filter",
	"IPC settings":          "echo 250 32000 100 128 >/proc/sys/kernel/sem; echo 68719476736 >/proc/sys/kernel/shmmax",
	"kubelet's settings":    "for s in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000; do [ ! -e /proc/sys/${s%=*} ] || { echo ${s#*=} >/proc/sys/${s%=*}; grep -qx ${s#*=} /proc/sys/${s%=*}; }; done",
	"devices of all":        "echo >/dev/null; head -c 1 /dev/zero | wc -c; head -c 1 /dev/urandom | wc -c; mknod /root/null c 1 3; echo >/root/null",
	"one's own disk":        "mkfs.ext4 -qF /dev/disk/by-id/google-master-pd; mount /dev/disk/by-id/google-master-pd /mnt; echo x >/mnt/x; umount /mnt",
	"the kernel's log":      "perl -e 'open F, \"<\", \"/dev/kmsg\" or die $!; sysseek F, 0, 2'",
	"file systems":          "mount -t tmpfs t /mnt; umount /mnt; mount --bind /root /mnt; mount -o remount,bind,ro /mnt; umount /mnt; fresh sysfs; fresh cgroup2",
	"a whiteout":            "mknod /var/lib/containerd/gone c 0 0; rm /var/lib/containerd/gone",
	"all devices for a pod": "[ ! -d /sys/fs/cgroup/devices ] || { mkdir /sys/fs/cgroup/devices/pod; echo a >/sys/fs/cgroup/devices/pod/devices.allow; }",
}

// tools are functions that the scripts use.
const tools = `
fresh() { umount /run/fresh 2>/dev/null || true; mkdir -p /run/fresh; mount -t $1 fresh /run/fresh; }
call() { perl -e '$n = shift; syscall($n, map { $_ + 0 } @ARGV) >= 0 or die "$!\n"' "$@"; }
`

// TestWalls tries from inside a machine, as root, what would reach the host.
func TestWalls(t *testing.T) {
	requireMachines(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	dir, m := t.TempDir(), testMachine()
	guest := newGuest(t, m)
	h, err := New(Options{Dir: dir, Cache: cacheDir(t), NetNS: func(emulator.Machine) (string, error) { return guest.netns, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = h.Close()
		if err := Sweep(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	other := filepath.Join(dir, "other")
	if err := errors.Join(os.WriteFile(other, nil, 0o600), os.Truncate(other, 1<<20)); err != nil {
		t.Fatal(err)
	}
	major, minor, err := attachLoop(other, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := detach(func(file string) bool { return file == other }); err != nil {
			t.Error(err)
		}
	})
	var root unix.Stat_t
	if err := unix.Stat(dir, &root); err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("DISK='%d %d' LOOP='%d %d' HOSTPID=%d\n", unix.Major(root.Dev), unix.Minor(root.Dev), major, minor, os.Getpid()) + tools
	for _, d := range m.Disks {
		if err := h.CreateDisk(ctx, d.Disk); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Start(ctx, m); err != nil {
		t.Fatal(err)
	}
	select {
	case <-guest.phase:
	case <-ctx.Done():
		t.Fatal("the startup script did not run")
	}
	before := readSettings(t)
	run := func(script string) (string, error) {
		out, err := h.Exec(ctx, m.ID, "bash", "-ec", head+script)
		return strings.TrimSpace(string(out)), err
	}
	for name, script := range possible {
		t.Run("may/"+name, func(t *testing.T) {
			if out, err := run(script); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	for name, script := range attempts {
		t.Run("may not/"+name, func(t *testing.T) {
			out, err := run(script)
			switch {
			case err == nil:
				t.Error("it can")
			case strings.Contains(err.Error(), "exit status 77"):
				t.Skip("this kernel has none")
			case !refusal.MatchString(out):
				t.Errorf("not refused, but: %v", err)
			}
		})
	}
	for _, name := range hostSettings {
		value, ok := before[name]
		if !ok {
			continue
		}
		t.Run("setting/"+name, func(t *testing.T) {
			// One's own value would be no proof if it could: it must not be the host's.
			if out, err := run("fresh proc; echo $(($(cut -f1 /run/fresh/sys/" + name + " | tr -cd 0-9 | head -c 6)0 + 1)) >/run/fresh/sys/" + name); err == nil {
				t.Errorf("it can: %s", out)
			}
			if text, err := os.ReadFile("/proc/sys/" + name); err != nil || string(text) != value {
				t.Errorf("on the host it became %q, %v, from %q", text, err, value)
			}
		})
	}
}
