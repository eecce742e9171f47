//go:build linux

package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// podsBehindWalls: a privileged pod on a node is no way out of the machine (what
// is tried from the machine itself is in package machine), and one in a user
// namespace of its own runs.
func (w *walk) podsBehindWalls(t *testing.T) {
	before, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{
		"privileged": {"--privileged", `--overrides={"spec":{"hostPID":true,"hostNetwork":true,"hostIPC":true}}`},
		"userns":     {`--overrides={"spec":{"hostUsers":false}}`},
	} {
		w.kubectl(t, append(append([]string{"run", name, "--image=busybox", "--image-pull-policy=IfNotPresent"}, flags...), "--command", "--", "sleep", "600")...)
	}
	w.kubectl(t, "wait", "--for=condition=Ready", "pod/privileged", "pod/userns", "--timeout=300s")
	w.entered(t, "privileged")
	for name, script := range map[string]string{
		"core_pattern":         "echo x >/proc/sys/kernel/core_pattern",
		"a fresh core_pattern": "mkdir -p /fresh; mount -t proc p /fresh; echo x >/fresh/sys/kernel/core_pattern",
		"that of the machine":  "chroot /proc/1/root bash -c 'echo x >/proc/sys/kernel/core_pattern'",
		"memory":               "mknod /memory c 1 1; head -c 1 /memory",
		"a disk":               "mknod /disk b 7 0; head -c 1 /disk",
		"the log":              "echo x >/dev/kmsg",
	} {
		out, err := w.answered(t, "exec", "privileged", "--", "sh", "-ec", script)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), "not permitted") {
			t.Errorf("%s is not refused to a privileged pod: %s, %v", name, out, err)
		}
	}
	if after, err := os.ReadFile("/proc/sys/kernel/core_pattern"); err != nil || string(after) != string(before) {
		t.Errorf("on the host kernel.core_pattern became %q, %v, from %q", after, err, before)
	}
	w.kubectl(t, "delete", "pod", "privileged", "userns", "--now")
}

// entered waits until a pod can be entered: the kubelet of a node that is new asks for its
// serving certificate when it starts, and has it some seconds later.
func (w *walk) entered(t *testing.T, pod string) {
	t.Helper()
	eventually(t, 5*time.Minute, "pod "+pod+" can be entered", func() error {
		_, err := w.tryKubectl(t, "exec", pod, "--", "true")
		return err
	})
}
