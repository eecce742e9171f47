//go:build linux

package fence

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside runs a shell script as root with every capability, in a control group
// below a fence and in namespaces of its own.
func inside(t *testing.T, own []Device, script string) (string, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a fence needs root")
	}
	at, err := root()
	if err != nil {
		t.Skip(err)
	}
	group := "hakube-test-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := Enclose(group, own); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(at, group, "machine")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(below)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd := exec.Command("bash", "-c", script)
	cmd.SysProcAttr = &unix.SysProcAttr{
		UseCgroupFD: true, CgroupFD: int(dir.Fd()), Pdeathsig: unix.SIGKILL,
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP,
	}
	cmd.Dir = t.TempDir()
	out, failed := cmd.CombinedOutput()
	for _, d := range []string{below, filepath.Dir(below)} {
		if err := os.Remove(d); err != nil {
			t.Error(err)
		}
	}
	return strings.TrimSpace(string(out)), failed
}

// TestFence: root with every capability, in control groups of its own below the
// fence, has the devices that are listed and its namespaces' settings.
func TestFence(t *testing.T) {
	own := Device{Block: true, Major: 7, Minor: 250}
	for _, c := range []struct {
		name, script string
		can          bool
	}{
		{"a listed device", "echo >/dev/null && head -c 1 /dev/zero >/dev/null && mknod n c 1 3 && echo >n", true},
		{"a terminal", "mount -t devpts -o newinstance p /mnt && exec 3<>/mnt/ptmx", true},
		{"one's own disk", "mknod d b 7 250", true},
		{"one's own numbers as a character device", "mknod d c 7 250", false},
		{"another disk", "mknod d b 7 251", false},
		{"a whiteout", "mknod d c 0 0", true},
		{"the log, to read", "exec 3</dev/kmsg", true},
		{"the log, to write", "exec 3>/dev/kmsg", false},
		{"a device that has a node", "mount -t devtmpfs d /mnt && exec 3</mnt/loop-control", false},
		{"a disk that has a node", "mount -t devtmpfs d /mnt && exec 3</mnt/loop0", false},
		{"memory", "mknod d c 1 1", false},
		{"reading settings", "cat /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness", true},
		{"a setting of the host", "cat /proc/sys/kernel/core_pattern >/proc/sys/kernel/core_pattern", false},
		{"the same of a fresh /proc", "mount -t proc p /mnt && cat /mnt/sys/vm/swappiness >/mnt/sys/vm/swappiness", false},
		{"a setting with a long name", "cat /proc/sys/vm/dirty_background_ratio >/proc/sys/vm/dirty_background_ratio", false},
		{"one that begins as one's own", "cat /proc/sys/kernel/sem >v && cat v >/proc/sys/kernel/sem && cat /proc/sys/kernel/threads-max >/proc/sys/kernel/threads-max", false},
		{"the network's", "mount -t proc p /mnt && echo 1 >/mnt/sys/net/ipv4/ip_forward", true},
		{"the UTS namespace's", "echo other >/proc/sys/kernel/hostname", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := inside(t, []Device{own}, "set -e; mount --make-rprivate /; "+c.script)
			if c.can && err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if !c.can && (err == nil || !strings.Contains(out, "not permitted")) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
