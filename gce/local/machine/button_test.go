//go:build linux

package machine

import (
	"context"
	"testing"
	"time"

	"hakube/gce/emulator"
)

// TestPowerButton: a program that asked logind to be heard before the machine goes down
// is, as long as logind lets it: kubelets end their pods so.
func TestPowerButton(t *testing.T) {
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
	for _, d := range m.Disks {
		if err := h.CreateDisk(ctx, d.Disk); err != nil {
			t.Fatal(err)
		}
	}
	const up = "until busctl status org.freedesktop.login1 >/dev/null; do sleep 0.1; done"
	for _, x := range []struct {
		what, script string
		least        time.Duration
	}{
		{"nobody asked", up, 0},
		{"somebody asked", "mkdir -p /etc/systemd/logind.conf.d; printf '[Login]\nInhibitDelayMaxSec=6\n' >/etc/systemd/logind.conf.d/zz.conf; systemctl restart systemd-logind\n" + up + "\n" +
			"systemd-run -q systemd-inhibit --what=shutdown --mode=delay --who=test --why=test sleep infinity\n" +
			"until systemd-inhibit --list | grep -q test; do sleep 0.1; done", 6 * time.Second},
	} {
		if err := h.Start(ctx, m); err != nil {
			t.Fatal(err)
		}
		if out, err := h.Exec(ctx, m.ID, "bash", "-c", x.script); err != nil {
			t.Fatalf("%s: %v: %s", x.what, err, out)
		}
		begin := time.Now()
		if err := h.Stop(ctx, m, true); err != nil {
			t.Fatalf("%s: %v", x.what, err)
		}
		took := time.Since(begin)
		t.Logf("%s: stopped in %s", x.what, took.Round(100*time.Millisecond))
		if took < x.least {
			t.Errorf("%s: the machine went down in %s", x.what, took)
		}
	}
}
