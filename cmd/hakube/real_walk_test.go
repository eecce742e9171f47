//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hakube/cluster"
	"hakube/gce/local"
)

// A walk is a person with an own home directory and an own embedded GCE.
type walk struct {
	exe, dir, kubeconfig, kubectlPath string
	env                               []string
	project                           string
	ids                               map[string]bool // of machines that were seen
	limit                             time.Duration   // of one command; 0 is realLimit

	// Of the first cluster:
	objects []string          // its inventory
	address string            // of its API
	members map[string]string // ids of its etcd members by ring
	ca      string            // its certificate authority
	nginx   pod
}

// realLimit is how long one command may take; up takes less than a minute where the host has no other work.
const realLimit = 15 * time.Minute

// newWalk skips the test where there can be no real machines.
func newWalk(t *testing.T) *walk {
	if testing.Short() {
		t.Skip("real machines take minutes: skipped by -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("real machines need root")
	}
	if before := leftovers(t); slices.Contains(before, "namespace hakube-vpc") {
		t.Fatalf("another embedded GCE with real machines is on this host, and there can be one only:\n%s", strings.Join(before, "\n"))
	}
	home := t.TempDir()
	w := &walk{
		exe: hakubeIn(t, t.TempDir()), dir: filepath.Join(home, "hakube"), kubeconfig: filepath.Join(home, "kubeconfig"),
		project: local.Project, ids: map[string]bool{},
	}
	w.env = append(cleanEnv(t, home), "HAKUBE_LOCAL_DIR="+w.dir, "KUBECONFIG="+w.kubeconfig,
		"KUBERNETES_PROVIDER=local", "KUBE_GCE_ZONE=europe-west1-b", "NUM_NODES=3")
	t.Cleanup(func() { // also when a step failed, whatever state that left
		if t.Failed() {
			log, _ := os.ReadFile(local.LogFile(w.dir)) // absent: it never started
			t.Logf("the daemon's log:\n%s", log)
		}
		if r := w.run(t, "local", "reset"); r.code != 0 {
			t.Errorf("resetting the embedded GCE: %s", r.stderr)
		}
		if left := w.left(t); len(left) > 0 {
			t.Errorf("left in the kernel after a reset:\n%s", strings.Join(left, "\n"))
		}
	})
	w.kubectlPath = strings.TrimSpace(w.ok(t, "local", "kubectl").stdout)
	return w
}

// A result is what a command printed and returned.
type result struct {
	stdout, stderr string
	code           int
}

// run runs hakube.
func (w *walk) run(t *testing.T, args ...string) result {
	t.Helper()
	return w.command(t, w.exe, args...)
}

// ok runs hakube, which must succeed.
func (w *walk) ok(t *testing.T, args ...string) result {
	t.Helper()
	r := w.run(t, args...)
	if r.code != 0 {
		t.Fatalf("hakube %s exits with %d:\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

func (w *walk) command(t *testing.T, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(w.limit, realLimit))
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = w.env, &stdout, &stderr
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s %s: %v, %v:\n%s%s", name, strings.Join(args, " "), err, ctx.Err(), &stdout, &stderr)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// status is `hakube local status --json`.
func (w *walk) status(t *testing.T) (s local.Status) {
	t.Helper()
	r := w.run(t, "local", "status", "--json")
	if r.code != 0 && r.code != exitAnswer {
		t.Fatalf("hakube local status exits with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	decode(t, r.stdout, &s)
	return s
}

// up is the summary of `hakube up --json`.
func (w *walk) up(t *testing.T) (s cluster.Summary) {
	t.Helper()
	decode(t, w.ok(t, "up", "--json").stdout, &s)
	return s
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("reading %q: %v", text, err)
	}
}

// eventually asks until the answer is nil, and fails with the last one.
func eventually(t *testing.T, limit time.Duration, what string, ask func() error) {
	t.Helper()
	begin := time.Now()
	var last error
	for {
		err := ask()
		if err == nil {
			t.Logf("%s after %s", what, time.Since(begin).Round(100*time.Millisecond))
			if last != nil {
				t.Logf("until then: %v", last)
			}
			return
		}
		last = err
		if time.Since(begin) > limit {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// kill ends a process of ours the hard way and waits until it is gone.
func (w *walk) kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("killing process %d: %v", pid, err)
	}
	eventually(t, settled, "the daemon is dead", func() error {
		if s := w.status(t); s.Running {
			return errors.New("it runs")
		}
		return nil
	})
}

// leftovers is what of embedded GCEs is in the kernel: of any, or of the state
// directory and the numbers of machines that are named.
func leftovers(t *testing.T, of ...string) (lines []string) {
	t.Helper()
	out, err := exec.Command("../../testdata/leftovers.sh", of...).Output()
	if err != nil {
		t.Fatalf("leftovers.sh: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// left is what of this walk's embedded GCE is in the kernel.
func (w *walk) left(t *testing.T) []string {
	t.Helper()
	return leftovers(t, append([]string{w.dir}, slices.Sorted(maps.Keys(w.ids))...)...)
}
