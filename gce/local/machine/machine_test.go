//go:build linux

package machine

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/gce/emulator"
)

// startupScript says that it ran, each time the machine boots.
const startupScript = `#!/bin/bash
curl -sfS -X PUT -H 'Metadata-Flavor: Google' --data "$(cat /proc/sys/kernel/random/boot_id; cat /proc/uptime)" \
  http://metadata.google.internal/computeMetadata/v1/instance/guest-attributes/hakube/phase
`

// publicKey is nobody's: its private half was never kept.
const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqEmFQOxVhVdOkYJD1MuuwqcXyUbpLGCVhFIKmXYlSh alice"

// testMachine is a machine with a data disk.
func testMachine() emulator.Machine {
	id := uint64(time.Now().UnixNano())
	boot := emulator.Disk{Project: "local", Zone: "europe-west1-b", Name: "kubernetes-master", ID: id + 1, SizeGB: 20, Image: "debian-12-bookworm-v20260101"}
	data := emulator.Disk{Project: "local", Zone: "europe-west1-b", Name: "kubernetes-master-pd", ID: id + 2, SizeGB: 1}
	return emulator.Machine{
		MachineKey: emulator.MachineKey{Project: "local", Zone: "europe-west1-b", Name: "kubernetes-master", ID: id},
		Hostname:   "kubernetes-master.europe-west1-b.c.local.internal",
		NIC:        emulator.NIC{Network: "default", Address: netip.MustParseAddr("10.40.0.2")},
		Disks:      []emulator.Attachment{{Disk: boot, Device: "persistent-disk-0", Boot: true}, {Disk: data, Device: "master-pd"}},
		CPUs:       2,
		Metadata:   map[string]string{"startup-script": startupScript, "enable-guest-attributes": "TRUE", "ssh-keys": "alice:" + publicKey},
	}
}

// TestLife takes one machine through everything that can happen to it.
func TestLife(t *testing.T) {
	requireMachines(t)
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	dir, m := t.TempDir(), testMachine()
	guest := newGuest(t, m)
	exits := make(chan emulator.MachineKey, 4)
	open := func() *Host {
		t.Helper()
		h, err := New(Options{
			Dir: dir, Cache: cacheDir(t),
			Progress: func(s string) { t.Log(s) },
			NetNS:    func(emulator.Machine) (string, error) { return guest.netns, nil },
			Log:      func(err error) { t.Error(err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		h.Watch(func(k emulator.MachineKey) { exits <- k })
		t.Cleanup(func() { _ = h.Close() })
		return h
	}
	t.Cleanup(func() {
		if err := Sweep(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})

	h := open()
	for _, d := range m.Disks {
		for range 2 { // the second time it is there
			if err := h.CreateDisk(ctx, d.Disk); err != nil {
				t.Fatal(err)
			}
		}
	}
	run := func(script string) string {
		t.Helper()
		out, err := h.Exec(ctx, m.ID, "bash", "-ec", script)
		if err != nil {
			said, _ := h.Serial(m, 0)
			t.Fatalf("%v\nserial port:\n%s", err, said)
		}
		return strings.TrimSpace(string(out))
	}
	start := func() {
		t.Helper()
		begin := time.Now()
		if err := h.Start(ctx, m); err != nil {
			t.Fatal(err)
		}
		t.Logf("init runs after %s", time.Since(begin).Round(time.Millisecond))
	}
	booted := func() {
		t.Helper()
		begin := time.Now()
		select {
		case <-guest.phase:
			t.Logf("startup script has run %s later", time.Since(begin).Round(time.Millisecond))
		case <-ctx.Done():
			said, _ := h.Serial(m, 0)
			t.Fatalf("the startup script did not run; serial port:\n%s", said)
		}
	}
	weighs := func() {
		t.Helper()
		seen := 0
		for path, want := range map[string]int{
			"cpu/hakube/cpu.shares":                         1024 * runtime.NumCPU(),
			"cpu/hakube/" + machineID(m.ID) + "/cpu.shares": 1024 * m.CPUs,
			"hakube/cpu.weight":                             100 * runtime.NumCPU(),
		} {
			text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", path))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if got := strings.TrimSpace(string(text)); err != nil || got != strconv.Itoa(want) {
				t.Errorf("%s is %s, %v, want %d", path, got, err, want)
			}
			seen++
		}
		if seen == 0 {
			t.Error("the machines' cgroups have no weights")
		}
	}
	nothingLeft := func() {
		t.Helper()
		if left := Leftovers(dir); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		if groups := cgroupDirs(machineID(m.ID)); len(groups) > 0 {
			t.Errorf("left behind: %q", groups)
		}
	}

	startAndDie(t, dir, guest.netns, m)
	if len(Leftovers(dir)) == 0 {
		t.Error("the machine ended with the process that started it")
	}
	booted()
	start() // which finds it running
	weighs()
	if got := run("systemctl is-system-running --wait || systemctl --failed --no-legend --plain"); got != "running" {
		t.Errorf("systemd says %q", got)
	}
	if hosts := guest.hostKeys(); len(hosts) == 0 {
		t.Error("the guest agent told no host keys")
	}
	// The agent makes the operator's account when it likes to: wait in the machine.
	run("until [ -s /home/alice/.ssh/authorized_keys ] && [ -e /etc/sudoers.d/google_sudoers ]; do sleep 0.05; done; sudo -u alice sudo -n true")
	want := "kubernetes-master\nkubernetes-master.europe-west1-b.c.local.internal"
	if diff := cmp.Diff(want, run("hostname; hostname -f")); diff != "" {
		t.Error(diff)
	}
	run("mkfs.ext4 -q /dev/disk/by-id/google-master-pd; mkdir -p /mnt/disks/master-pd; " +
		"mount /dev/disk/by-id/google-master-pd /mnt/disks/master-pd; echo kept > /mnt/disks/master-pd/file; echo kept > /root/file")
	// What Kubernetes needs of mounts: volumes that propagate, and a plain file system to lay overlays on.
	run("mkdir -p /var/lib/kubelet/v; mount -t tmpfs x /var/lib/kubelet/v")
	if got := run("grep -v shared: /proc/1/mountinfo || true"); got != "" {
		t.Errorf("mounts that are not shared:\n%s", got)
	}
	if points := mountsBelow(dir); slices.ContainsFunc(points, func(p string) bool { return strings.Contains(p, "kubelet") }) {
		t.Errorf("a mount inside the machine shows outside: %q", points)
	}
	// A mount unit must not wait for a udev that is not there.
	run("printf '[Mount]\\nWhat=/dev/disk/by-id/google-master-pd\\nWhere=/mnt/unit\\n' > /run/systemd/system/mnt-unit.mount; " +
		"systemctl daemon-reload; systemctl start mnt-unit.mount; systemctl stop mnt-unit.mount")
	run("cd /var/lib/containerd; mkdir l u w m; mount -t overlay x -o lowerdir=l,upperdir=u,workdir=w m")
	run("echo 1 > /proc/sys/net/ipv4/ip_forward; mkdir /sys/fs/cgroup/memory/x 2>/dev/null || mkdir /sys/fs/cgroup/x")

	// The daemon lets go; another takes over.
	marker := run("touch /run/marker; cut -d' ' -f22 /proc/1/stat")
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	h = open()
	start()
	if got := run("cat /run/marker; cut -d' ' -f22 /proc/1/stat"); got != marker {
		t.Errorf("after adoption init started at %s, before at %s", got, marker)
	}

	// A machine that halts itself is reported, and comes back when started again.
	if _, err := h.Exec(ctx, m.ID, "systemctl", "--no-block", "halt"); err != nil {
		t.Log(err) // the machine may end before the answer
	}
	select {
	case k := <-exits:
		if diff := cmp.Diff(m.MachineKey, k); diff != "" {
			t.Error(diff)
		}
	case <-ctx.Done():
		t.Fatal("the halt was not seen")
	}
	nothingLeft()
	m.Disks[1].SizeGB = 2
	start()
	booted()
	got := run("mount /dev/disk/by-id/google-master-pd /mnt/disks/master-pd; cat /mnt/disks/master-pd/file /root/file; " +
		"blockdev --getsize64 /dev/disk/by-id/google-master-pd")
	if diff := cmp.Diff("kept\nkept\n2147483648", got); diff != "" {
		t.Error(diff)
	}
	begin := time.Now()
	for range 2 { // the second time it is stopped
		if err := h.Stop(ctx, m, true); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("stopped after %s", time.Since(begin).Round(time.Millisecond))
	nothingLeft()
	if len(exits) > 0 {
		t.Error("Stop was reported as an exit of the machine's own")
	}

	// A reboot is no end. Then the daemon and all memory of it are gone.
	start()
	booted()
	if _, err := h.Exec(ctx, m.ID, "systemctl", "--no-block", "reboot"); err != nil {
		t.Log(err)
	}
	booted()
	if len(exits) > 0 {
		t.Error("a reboot was reported as an exit")
	}
	said, err := h.Serial(m, 0)
	if err != nil || !strings.Contains(string(said), "reboot: Restarting system") {
		t.Errorf("serial port has no word of the reboot, %v:\n%s", err, said)
	}
	if rest, err := h.Serial(m, int64(len(said))-8); err != nil || !strings.HasPrefix(string(rest), string(said[len(said)-8:])) {
		t.Errorf("serial port from %d: %q, %v", len(said)-8, rest, err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if left := Leftovers(dir); len(left) < 4 {
		t.Errorf("a running machine is made of more than %q", left)
	}
	if err := Sweep(ctx, dir); err != nil {
		t.Fatal(err)
	}
	nothingLeft()
	for _, name := range []string{"disks", "run/machines", "run/runc"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("Sweep left %s", name)
		}
	}
}

// TestKill: a machine that does not halt in time is cut off, and disks go
// when they are deleted.
func TestKill(t *testing.T) {
	requireMachines(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir, m := t.TempDir(), testMachine()
	h, err := New(Options{Dir: dir, Cache: cacheDir(t), StopLimit: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close(); _ = Sweep(context.Background(), dir) })
	if err := h.Start(ctx, m); err == nil || !strings.Contains(err.Error(), "boot disk") {
		t.Errorf("Start without disks: %v", err)
	}
	for _, d := range m.Disks {
		if err := h.CreateDisk(ctx, d.Disk); err != nil {
			t.Fatal(err)
		}
	}
	for _, graceful := range []bool{true, false} {
		if err := h.Start(ctx, m); err != nil {
			t.Fatal(err)
		}
		if err := h.Stop(ctx, m, graceful); err != nil {
			t.Fatal(err)
		}
		if left := Leftovers(dir); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
	for _, d := range m.Disks {
		for range 2 {
			if err := h.DeleteDisk(ctx, d.Disk); err != nil {
				t.Error(err)
			}
		}
	}
	if entries, err := os.ReadDir(disksDir(dir)); err != nil || len(entries) > 0 {
		t.Errorf("disks left: %v, %v", entries, err)
	}
}

// TestHalfStarted: a start that was cut off at its last step is cleaned away
// by the next one.
func TestHalfStarted(t *testing.T) {
	requireMachines(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir, m := t.TempDir(), testMachine()
	h, err := New(Options{Dir: dir, Cache: cacheDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close(); _ = Sweep(context.Background(), dir) })
	for _, d := range m.Disks {
		if err := h.CreateDisk(ctx, d.Disk); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(h.bundle(machineID(m.ID)), "rootfs")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeMachine(h.Dir, m); err != nil {
		t.Fatal(err)
	}
	_, err = h.attach(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := mountRoot(h.bootPath(m.Disks[0].Disk), root); err != nil {
		t.Fatal(err)
	}
	if err := h.create(ctx, m, h.bootPath(m.Disks[0].Disk), ""); err != nil {
		t.Fatal(err)
	}
	if left := Leftovers(dir); len(left) < 4 {
		t.Errorf("half a machine is more than %q", left)
	}
	if err := h.Start(ctx, m); err != nil {
		t.Fatal(err)
	}
	if err := h.Stop(ctx, m, false); err != nil {
		t.Fatal(err)
	}
	if left := Leftovers(dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestUnknownImage(t *testing.T) {
	requireMachines(t)
	h, err := New(Options{Dir: t.TempDir(), Cache: cacheDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	err = h.CreateDisk(t.Context(), emulator.Disk{Name: "d", ID: 1, Image: "cos-stable-121"})
	if err == nil || !strings.Contains(err.Error(), "only images of the family debian-12") {
		t.Errorf("CreateDisk: %v", err)
	}
}

func TestSweepOfNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "never", "was")
	if err := Sweep(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if left := Leftovers(dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestGuestFilesStayInside: links a user of the machine left must not lead
// this process to files of the host.
func TestGuestFilesStayInside(t *testing.T) {
	root, outside := t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(outside, []byte("host"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "etc/hosts")); err != nil {
		t.Fatal(err)
	}
	m := testMachine()
	m.NIC.Gateway = netip.MustParseAddr("10.40.0.1")
	if err := writeGuestFiles(root, m); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(outside); string(text) != "host" {
		t.Errorf("a file of the host became %q", text)
	}
	if text, err := os.ReadFile(filepath.Join(root, "etc/netplan/90-default.yaml")); err != nil || string(text) != netplan(m) {
		t.Errorf("the network is %q, %v", text, err)
	}
	if err := os.RemoveAll(filepath.Join(root, "etc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(root, "etc")); err != nil {
		t.Fatal(err)
	}
	if err := writeGuestFiles(root, m); err == nil {
		t.Error("files were written through a link that leads out")
	}
}
