//go:build linux

package machine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator"
)

// TestHotplug gives a machine that runs a disk, makes it larger under its file
// system, takes it away again, and lets the machine stand still.
func TestHotplug(t *testing.T) {
	requireMachines(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	dir, m := t.TempDir(), testMachine()
	open := func() *Host {
		t.Helper()
		h, err := New(Options{Dir: dir, Cache: cacheDir(t), Log: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := open()
	t.Cleanup(func() { _ = h.Close(); _ = Sweep(context.Background(), dir) })
	extra := emulator.Attachment{Disk: emulator.Disk{Project: "local", Zone: m.Zone, Name: "extra", ID: m.ID + 3, SizeGB: 1}, Device: "more"}
	for _, d := range append(m.Disks, extra) {
		if err := h.CreateDisk(ctx, d.Disk); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Start(ctx, m); err != nil {
		t.Fatal(err)
	}
	run := func(script string) string {
		t.Helper()
		out, err := h.Exec(ctx, m.ID, "bash", "-ec", script)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	with, without := m, m
	with.Disks = append(m.Disks[:2:2], extra)
	for range 2 { // the second time it is there, as when the daemon died before it could say so
		if err := h.AttachDisk(ctx, with, extra); err != nil {
			t.Fatal(err)
		}
	}
	run("mkfs.ext4 -q /dev/disk/by-id/google-more; mkdir /mnt/more; mount /dev/disk/by-id/google-more /mnt/more; echo kept >/mnt/more/file")
	if got := run("cd /dev/disk/by-id; readlink -f google-more scsi-0Google_PersistentDisk_more"); !strings.HasPrefix(got, "/dev/sd") || strings.Count(got, "/dev/sd") != 2 || strings.HasPrefix(got, "/dev/sda") {
		t.Errorf("the guest finds the disk as %q", got)
	}
	extra.SizeGB = 3
	if err := h.GrowDisk(ctx, extra.Disk); err != nil {
		t.Fatal(err)
	}
	resize := "resize2fs /dev/disk/by-id/google-more >/dev/null 2>&1; "
	if caps, err := capabilities(); err != nil || !slices.Contains(caps, "CAP_SYS_RESOURCE") {
		// Where this process has not got it no machine has, and a file system grows unmounted only.
		resize = "umount /mnt/more; e2fsck -fp /dev/disk/by-id/google-more >/dev/null; " + resize + "mount /dev/disk/by-id/google-more /mnt/more; "
	}
	if size := run(resize + "blockdev --getsize64 /dev/disk/by-id/google-more; df --output=size -BG /mnt/more | tail -n1"); !strings.HasPrefix(size, "3221225472\n") || !strings.HasSuffix(size, "3G") {
		t.Errorf("after a resize: %q", size)
	}
	var inUse emulator.InUseError
	if err := h.DetachDisk(ctx, without, extra); !errors.As(err, &inUse) {
		t.Errorf("detaching what is mounted: %v", err)
	}
	// The daemon dies with the disk attached: the next one knows of it.
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	h = open()
	if got := run("cat /mnt/more/file; umount /mnt/more; exec 3</dev/disk/by-id/google-more; sleep 0.2; exec 3<&-"); got != "kept" {
		t.Errorf("on the disk: %q", got)
	}
	minor := ""
	for name := range loops(func(f string) bool { return f == h.dataPath(extra.Disk) }) {
		minor = strings.TrimPrefix(name, "/dev/loop")
	}
	for range 2 {
		if err := h.DetachDisk(ctx, without, extra); err != nil {
			t.Fatal(err)
		}
	}
	if got := run("ls /dev/disk/by-id; ! mknod /tmp/again b 7 " + minor + " 2>&1"); strings.Contains(got, "more") {
		t.Errorf("after detach: %q", got)
	}
	if left := loops(func(f string) bool { return f == h.dataPath(extra.Disk) }); len(left) > 0 {
		t.Errorf("after detach: %v", left)
	}
	if err := h.AttachDisk(ctx, with, extra); err != nil {
		t.Fatal(err)
	}
	// What it was at stands still, also over a change of daemons, and goes on.
	before := run("mount /dev/disk/by-id/google-more /mnt/more; echo $$ >/run/mark; cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat; " +
		"(while :; do date +%s%N >/run/beat; sleep 0.05; done) >/dev/null 2>&1 &")
	for range 2 {
		if err := h.Suspend(ctx, with); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	h = open()
	for range 2 {
		if err := h.Resume(ctx, with); err != nil {
			t.Fatal(err)
		}
	}
	after := run("cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat; test -e /run/mark; cat /mnt/more/file >/dev/null")
	if !strings.HasSuffix(after, before[strings.LastIndex(before, "\n"):]) {
		t.Errorf("after resume init is %q, it was %q", after, before)
	}
	// A suspended machine can be stopped: its memory is lost, nothing else.
	if err := h.Suspend(ctx, with); err != nil {
		t.Fatal(err)
	}
	if err := h.Stop(ctx, with, true); err != nil {
		t.Fatal(err)
	}
	if left := Leftovers(dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if err := h.Start(ctx, with); err != nil {
		t.Fatal(err)
	}
	if got := run("mount /dev/disk/by-id/google-more /mnt/more; cat /mnt/more/file; umount /mnt/more"); got != "kept" {
		t.Errorf("on the disk at last: %q", got)
	}
	// An image of its boot disk, taken while it runs, boots another machine.
	run("echo imaged >/root/mark; rm /etc/motd; sync; sleep 0.1")
	image := emulator.Snapshot{Project: "local", Name: "mine", ID: m.ID + 10}
	for range 2 {
		if err := h.CreateSnapshot(ctx, image, m.Disks[0].Disk); err != nil {
			t.Fatal(err)
		}
	}
	run("echo later >/root/mark")
	second := m
	second.ID, second.Name = m.ID+20, "second"
	boot := emulator.Disk{Project: "local", Zone: m.Zone, Name: "second", ID: m.ID + 21, SizeGB: 20, Image: "mine", Snapshot: image.ID}
	second.Disks = []emulator.Attachment{{Disk: boot, Device: "persistent-disk-0", Boot: true}}
	if err := h.CreateDisk(ctx, boot); err != nil {
		t.Fatal(err)
	}
	if err := h.DeleteSnapshot(ctx, image); err != nil {
		t.Fatal(err)
	}
	if err := h.Start(ctx, second); err != nil {
		t.Fatal(err)
	}
	if out, err := h.Exec(ctx, second.ID, "bash", "-ec", "cat /root/mark /etc/hostname; ! test -e /etc/motd"); err != nil || string(out) != "imaged\nsecond\n" {
		t.Errorf("on the machine of the image: %q %v", out, err)
	}
	for _, x := range []emulator.Machine{second, with} {
		if err := h.Stop(ctx, x, false); err != nil {
			t.Fatal(err)
		}
	}
}
