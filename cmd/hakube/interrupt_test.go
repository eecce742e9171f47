//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hakube/gce/local"
)

// A shell runs hakube as a program, in a home of its own.
type shell struct {
	exe string
	env []string
	dir string
}

// newShell has an embedded GCE of model machines.
func newShell(t *testing.T) *shell {
	t.Helper()
	home := t.TempDir()
	must(t, keyIn(home))
	s := &shell{exe: hakubeIn(t, t.TempDir()), dir: filepath.Join(home, "gce")}
	// What these tests run hears HUP also where they were begun with nohup, which it would inherit.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(heard) })
	s.env = append(cleanEnv(t, home), "HAKUBE_LOCAL_DIR="+s.dir, "KUBECONFIG="+filepath.Join(home, "kubeconfig"),
		"KUBERNETES_PROVIDER=local", "KUBE_GCE_ZONE="+zoneB, "NUM_NODES=1")
	t.Cleanup(func() {
		if _, err := local.Stop(context.Background(), s.dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

// withoutZone is an environment in which no zone is named.
func withoutZone(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, "KUBE_GCE_ZONE=") })
}

// ok runs hakube, which must succeed.
func (s *shell) ok(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.exe, args...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("hakube %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// latency restarts the embedded GCE with operations that take their time, or none.
func (s *shell) latency(t *testing.T, l string) {
	t.Helper()
	s.ok(t, "local", "stop")
	s.ok(t, "local", "start", "--machines=model", "--latency="+l)
}

// signalled runs hakube and sends it a signal when a line of what it says on
// standard error matches, and again when it said another one, if there is.
func (s *shell) signalled(t *testing.T, sig os.Signal, at []string, args ...string) (code int, said string, after time.Duration) {
	t.Helper()
	cmd := exec.Command(s.exe, args...)
	cmd.Env = s.env
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(10*time.Minute, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	var all strings.Builder
	var last time.Time
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		if len(at) > 0 && regexp.MustCompile(at[0]).MatchString(lines.Text()) {
			at, last = at[1:], time.Now()
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if len(at) > 0 {
		t.Fatalf("hakube %s ended (%v) before it said %q:\n%s", strings.Join(args, " "), err, at[0], &all)
	}
	return cmd.ProcessState.ExitCode(), all.String(), time.Since(last)
}

// TestInterrupt: the first ^C lets the change in flight finish, says how far it
// came and how to go on, and ends with 130; the second ends the program at once.
// Run again, it goes on.
func TestInterrupt(t *testing.T) {
	if testing.Short() {
		t.Skip("operations as long as Google's take a minute: skipped by -short")
	}
	s := newShell(t)
	s.ok(t, "local", "start", "--machines=model")
	s.ok(t, "up")
	s.ok(t, "local", "stop")

	replica := []string{"up", "--replicate-existing-master", "--zone=" + zoneC}
	s.ok(t, "local", "start", "--machines=model", "--latency=gce")
	code, said, _ := s.signalled(t, syscall.SIGINT, []string{`"step":"disk .*"event":"making"`}, append(replica, "--json")...)
	if code != exitInterrupted || !strings.Contains(said, `"event":"made"`) || strings.Contains(said, `"step":"machine kubernetes-master-e71"`) {
		t.Errorf("^C while a disk is made exits with %d:\n%s", code, said)
	}
	for _, words := range []string{`interrupted after \d+ of \d+ steps, before machine kubernetes-master-e71; every change that was begun is finished`, `go on from here`} {
		if !regexp.MustCompile(words).MatchString(said) {
			t.Errorf("it does not say %q:\n%s", words, said)
		}
	}
	if out := s.ok(t, "status"); !regexp.MustCompile(`KUBE_REPLICATE_EXISTING_MASTER=true \S*hakube up`).MatchString(out) {
		t.Errorf("status does not say how to go on:\n%s", out)
	}
	s.latency(t, "none")
	s.ok(t, replica...)
	s.ok(t, "validate")

	s.env = withoutZone(s.env)
	all := []string{"down", "--yes"}
	s.latency(t, "gce")
	code, said, after := s.signalled(t, syscall.SIGINT, []string{`"event":"removing"`, `"type":"interrupting"`}, append(all, "--json")...)
	if code != exitInterrupted || after > 30*time.Second || !strings.Contains(said, "left at once") || strings.Contains(said, "every change that was begun is finished") {
		t.Errorf("the second ^C exits with %d after %s:\n%s", code, after, said)
	}
	code, said, _ = s.signalled(t, syscall.SIGINT, []string{`"event":"removing"`}, append(all, "--json")...)
	if code != exitInterrupted || !regexp.MustCompile(`interrupted after \d+ of \d+ steps, before .*; every change`).MatchString(said) || !strings.Contains(said, "go on from here") {
		t.Errorf("^C while something is removed exits with %d:\n%s", code, said)
	}
	s.latency(t, "none")
	s.ok(t, all...)
	if out := s.ok(t, all...); !strings.Contains(out, "nothing to remove") {
		t.Errorf("something was left: %s", out)
	}
}
