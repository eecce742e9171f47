//go:build linux

package machine

import (
	"context"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator"
)

// TestAgent: the stand-in of Google's agent does what today's was seen to do. With OS
// Login on in the project nobody is let in by ssh-keys any more, and off again they
// are; the plugin outlives a restart of its manager's unit, and not its own command; and
// one that comes after another that was killed hears of each change.
func TestAgent(t *testing.T) {
	requireMachines(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	dir, m := t.TempDir(), testMachine()
	guest := newGuest(t, m)
	h, err := New(Options{Dir: dir, Cache: cacheDir(t), NetNS: func(emulator.Machine) (string, error) { return guest.netns, nil }, Log: func(err error) { t.Error(err) }})
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
	if err := h.Start(ctx, m); err != nil {
		t.Fatal(err)
	}
	run := func(script string) string {
		t.Helper()
		out, err := h.Exec(ctx, m.ID, "bash", "-ec", script)
		if err != nil {
			said, _ := h.Serial(m, 0)
			t.Fatalf("%s: %v: %s\nserial port:\n%s", script, err, out, said)
		}
		return strings.TrimSpace(string(out))
	}
	const keys, sudo = "/home/alice/.ssh/authorized_keys", "id -nG alice | grep -qw google-sudoers"
	run("until [ -s " + keys + " ] && " + sudo + "; do sleep 0.1; done")
	guest.set("enable-oslogin", "TRUE")
	run("while [ -e " + keys + " ] || " + sudo + "; do sleep 0.1; done")
	guest.set("enable-oslogin", "FALSE")
	run("until [ -s " + keys + " ] && " + sudo + "; do sleep 0.1; done")

	const plugin = "cat /run/google-guest-agent/core_plugin.pid"
	was := run(plugin)
	run("systemctl restart google-guest-agent-manager.service; sleep 2")
	if now := run(plugin + "; kill -0 " + was); now != was {
		t.Errorf("a restart of the manager made core plugin %s of %s", now, was)
	}
	run("ggactl_plugin coreplugin restart")
	if now := run(plugin); now == was {
		t.Error("its own command did not make another core plugin")
	}

	// The question of the one before is pending; both are answered by the first change.
	run("kill -9 $(" + plugin + "); sleep 2; until [ -e /run/google-guest-agent/looked ]; do sleep 0.1; done")
	for _, on := range []string{"TRUE", "FALSE", "TRUE", "FALSE"} {
		guest.set("enable-oslogin", on)
		until := map[string]string{"TRUE": "while", "FALSE": "until"}[on]
		run("timeout 60 bash -c '" + until + " [ -e " + keys + " ]; do sleep 0.1; done'")
	}
}
