//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A struck is what became of a run of up.
type struck struct {
	stderr string
	kills  int    // of the daemon
	cut    string // the line at which hakube itself was killed
	code   int
}

// strike runs a command, kills the daemon at the lines of progress that match
// daemonAt, one after the other, and the command itself at the one that matches cutAt,
// if that is not "".
func (w *walk) strike(t *testing.T, args, settings []string, cutAt string, daemonAt ...string) (s struck) {
	t.Helper()
	cmd := exec.Command(w.exe, args...)
	cmd.Env = append(slices.Clone(w.env), settings...)
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(realLimit, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	var all strings.Builder
	lines := bufio.NewScanner(progress)
	for lines.Scan() {
		line := lines.Text()
		all.WriteString(line + "\n")
		if s.kills < len(daemonAt) && regexp.MustCompile(daemonAt[s.kills]).MatchString(line) {
			if err := syscall.Kill(w.status(t).PID, syscall.SIGKILL); err != nil {
				t.Fatalf("killing the daemon: %v", err)
			}
			s.kills++
			t.Logf("the daemon was killed at: %s", line)
		}
		if s.cut == "" && cutAt != "" && regexp.MustCompile(cutAt).MatchString(line) {
			s.cut = line
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	s.stderr, s.code = all.String(), cmd.ProcessState.ExitCode()
	if cutAt != "" && s.cut == "" {
		t.Fatalf("%s ended (%v) before it said %q:\n%s", args[0], err, cutAt, s.stderr)
	}
	if s.kills < len(daemonAt) {
		t.Fatalf("%s ended (%v) before it said %q:\n%s", args[0], err, daemonAt[s.kills], s.stderr)
	}
	return s
}

// replicateStruck adds a master while the daemon is killed three times: while
// the machine boots, when its member is a learner, and when it votes. The
// machines go on, writes go on, and the same up ends well.
func (g *grown) replicateStruck(t *testing.T, zone string) {
	t.Helper()
	before, begin := g.machines(t), time.Now()
	s := g.strike(t, []string{"up"}, []string{"KUBE_GCE_ZONE=" + zone, addMaster}, "",
		`machine kubernetes-master-[0-9a-f]{3} +made`,
		`kubernetes-master-[0-9a-f]{3} in etcd ring main +made`,
		`votes in ring (main|events) +made`)
	if s.code != 0 {
		t.Fatalf("up exits with %d:\n%s", s.code, s.stderr)
	}
	after := g.machines(t)
	for id, is := range before {
		if after[id] != is {
			t.Errorf("machine %s is %s, was %s", id, after[id], is)
		}
	}
	name := regexp.MustCompile(`machine (kubernetes-master-[0-9a-f]{3}) `).FindStringSubmatch(s.stderr)
	g.masters[zone] = name[1]
	stall := g.register.Stall(begin).Seconds()
	report(t, "adding %s with the embedded GCE killed 3 times: %.1f s, writes stalled %.2f s at most", name[1], time.Since(begin).Seconds(), stall)
	if stall > stallLimit+g.still.longest(begin).Seconds() {
		t.Errorf("writes stalled for %.2f s", stall)
	}
}

// bootWithoutMetadata: a machine that boots while nobody answers for its metadata (a
// daemon that was killed takes a while to come back) lets ssh in all the same when they
// are there again. sshd gives up for good when it is started before there are host keys.
func (w *walk) bootWithoutMetadata(t *testing.T) {
	node := w.names(t, "zones/"+zoneB+"/instances")[1]
	w.on(t, node, "bash", "-ec", `
		systemctl stop ssh.service google-guest-agent-manager.service
		kill "$(</run/google-guest-agent/core_plugin.pid)" || true
		rm -rf /etc/google_instance_id /etc/ssh/ssh_host_* /run/google-guest-agent
		ip rule add pref 1 to 169.254.169.254 unreachable
		systemctl --no-block start google-guest-agent-manager.service ssh.service
		sleep 15`)
	if out := w.on(t, node, "bash", "-c", "systemctl is-active ssh.service || true"); strings.TrimSpace(out) == "active" {
		t.Errorf("sshd of %s runs before there are host keys", node)
	}
	w.on(t, node, "ip", "rule", "del", "pref", "1")
	eventually(t, settled, "sshd of "+node+" runs", func() error {
		if out := w.on(t, node, "bash", "-c", "systemctl is-active ssh.service google-guest-agent-manager.service || true"); out != "active\nactive\n" {
			return fmt.Errorf("sshd and the agent are %q", out)
		}
		return nil
	})
	w.on(t, node, "test", "-s", "/etc/ssh/ssh_host_ed25519_key")
}
