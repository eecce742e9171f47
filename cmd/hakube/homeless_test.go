package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"hakube/gce/local"
)

// homeless runs hakube as a container of continuous integration does: a user
// that is a number without a name, no HOME, nothing but what is given.
type homeless struct {
	t        *testing.T
	exe, dir string
}

// run returns what is printed on both streams, and fails unless the exit code is
// as wanted.
func (h homeless) run(code int, env []string, args ...string) string {
	h.t.Helper()
	command := exec.Command(h.exe, args...)
	command.Dir = h.dir
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "KUBERNETES_PROVIDER=local", "NUM_NODES=1"}, env...)
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 424242, Gid: 424242}}
	}
	out, err := os.Create(filepath.Join(h.t.TempDir(), "output")) // no pipe: the daemon would keep it open
	if err != nil {
		h.t.Fatal(err)
	}
	defer out.Close() //nolint:errcheck // only read
	command.Stdout, command.Stderr = out, out
	err = command.Run()
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		h.t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil || got != code {
		h.t.Fatalf("hakube %s with %q exits with %d, want %d\n%s%v", strings.Join(args, " "), env, got, code, text, err)
	}
	return string(text)
}

// TestHomeless: no HOME, a user without a name, and a home that nothing can be
// written to are no obstacle where settings say what a home would have said;
// where they do not, the error is one of settings and names them.
func TestHomeless(t *testing.T) {
	besideOthers(t)
	top, err := os.MkdirTemp("", "homeless") // t.TempDir's parent lets nobody else in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	h := homeless{t, hakubeIn(t, top), filepath.Join(top, "work")}
	home := filepath.Join(top, "home")
	for dir, mode := range map[string]os.FileMode{top: 0o755, h.dir: 0o777, home: 0o555} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
	}
	state, kubeconfig, key := filepath.Join(h.dir, "gce"), filepath.Join(h.dir, "kube", "config"), filepath.Join(h.dir, "ssh", "key")
	t.Cleanup(func() {
		if _, err := local.Stop(context.Background(), state); err != nil && os.Geteuid() != 0 { // root is told that it is another's
			t.Error(err)
		}
	})
	const zone = "KUBE_GCE_ZONE=" + zoneB
	where := []string{"HAKUBE_LOCAL_DIR=" + state, "KUBECONFIG=" + kubeconfig}
	all := append(where, "HAKUBE_SSH_KEY="+key)
	bare := append(where, "HOME="+home)

	h.run(0, all, "local", "start", "--machines=model")
	defer h.run(0, all, "local", "stop")
	h.run(0, append(all, zone), "up")
	for _, file := range []string{key, key + ".pub", kubeconfig} {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	if out := h.run(0, append(all, zone), "up"); strings.Contains(out, "access") && strings.Contains(out, " made ") {
		t.Errorf("up makes another key:\n%s", out)
	}
	h.run(0, all, "validate")
	h.run(0, all, "repair")

	// Looking needs no key, and leaves none.
	for _, args := range [][]string{{"status"}, {"plan", "down"}} {
		for _, env := range [][]string{where, bare} {
			h.run(0, env, args...)
		}
	}
	for _, env := range [][]string{where, bare} {
		out := h.run(2, append(env, zone), "up")
		if !strings.Contains(out, "HAKUBE_SSH_KEY") || strings.Contains(out, "[ 1/") {
			t.Errorf("up without a place for a key:\n%s", out)
		}
	}
	if out := h.run(2, append(all[:1:1], zone, "HAKUBE_SSH_KEY="+key), "up"); !strings.Contains(out, "KUBECONFIG is not set, and neither is HOME") {
		t.Errorf("up without a place for a kubeconfig:\n%s", out)
	}
	for _, env := range [][]string{{}, {"HOME=" + home}} {
		out := h.run(2, env, "local", "start", "--machines=model")
		if !strings.Contains(out, "hint: ") || !strings.Contains(out, "HAKUBE_LOCAL_DIR") {
			t.Errorf("a start without a place for its state:\n%s", out)
		}
	}
	h.run(0, append(bare, zone), "down") // needs no master, so no key
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("in the home: %v %v", left, err)
	}
}
