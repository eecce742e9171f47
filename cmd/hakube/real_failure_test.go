//go:build linux

package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopAndStart stops the master's machine: its API is dark, and back with
// everything when the machine is.
func (w *walk) stopAndStart(t *testing.T) {
	instance := zonal + "/instances/" + master
	begin := time.Now()
	w.call(t, http.MethodPost, instance+"/stop")
	t.Logf("the master stops in %s", time.Since(begin).Round(100*time.Millisecond))
	if s := w.call(t, http.MethodGet, instance)["status"]; s != "TERMINATED" {
		t.Errorf("the stopped master is %v", s)
	}
	if out, err := w.tryKubectl(t, "get", "--raw=/readyz", "--request-timeout=3s"); err == nil {
		t.Errorf("the API of a stopped master answers %q", out)
	}
	started := time.Now()
	w.call(t, http.MethodPost, instance+"/start")
	w.cameBack(t, started)
}

// deleteMaster deletes the machine with its boot disk. The other disk stays,
// and with it all that makes the cluster this cluster.
func (w *walk) deleteMaster(t *testing.T) {
	w.kubectl(t, "create", "configmap", "written-before", "--from-literal=by=the walkthrough")
	before := w.call(t, http.MethodGet, zonal+"/instances/"+master)["id"]
	w.call(t, http.MethodDelete, zonal+"/instances/"+master)
	if got := w.names(t, zonal+"/disks"); !slices.Contains(got, master+"-pd") || slices.Contains(got, master) {
		t.Fatalf("the disks left are %v", got)
	}
	calls := w.status(t).Calls.Change
	started := time.Now()
	up := w.ok(t, "up")
	took := time.Since(started)
	t.Logf("up made the master again in %s:\n%s", took.Round(100*time.Millisecond), up.stderr)
	w.changed(t, calls, started, 1)
	if after := w.call(t, http.MethodGet, zonal+"/instances/"+master)["id"]; after == before {
		t.Errorf("the machine is the old one, %v", after)
	}
	w.cameBack(t, started)
	if by := w.kubectl(t, "get", "configmap", "written-before", "-o", "jsonpath={.data.by}"); by != "the walkthrough" {
		t.Errorf("what was written before reads %q", by)
	}
	w.signedKubelets(t) // the unit that approves went with the machine
}

// cameBack: it is the same cluster, and every node has spoken since.
func (w *walk) cameBack(t *testing.T, since time.Time) {
	t.Helper()
	eventually(t, settled, "every node renewed its lease", func() error {
		out, err := w.tryKubectl(t, "get", "leases", "-n", "kube-node-lease", "-o", `jsonpath={range .items[*]}{.metadata.name} {.spec.renewTime}{"\n"}{end}`)
		if err != nil {
			return err
		}
		for line := range strings.Lines(out) {
			name, at, _ := strings.Cut(strings.TrimSpace(line), " ")
			if renewed, err := time.Parse(time.RFC3339Nano, at); err != nil || renewed.Before(since) {
				return fmt.Errorf("%s renewed it at %q", name, at)
			}
		}
		return nil
	})
	s := w.up(t)
	w.healthy(t, s)
	if got := members(s); !maps.Equal(got, w.members) {
		t.Errorf("etcd members are %v, were %v", got, w.members)
	}
	if s.Address != w.address {
		t.Errorf("the address is %s, was %s", s.Address, w.address)
	}
	if w.certificateAuthority(t) != w.ca {
		t.Error("the certificate authority is another one")
	}
	w.allReady(t, func() []string { return w.instances(t) })
	if got := w.inventory(t); !slices.Equal(got, w.objects) {
		t.Errorf("objects are\n%v, want\n%v", got, w.objects)
	}
	w.served(t)
}

// upKilled makes a cluster with an up that is killed at five points, and the
// daemon at three in between. Running again always continues, and what it ends
// with is what an uncut one makes.
func (w *walk) upKilled(t *testing.T) {
	for _, k := range []struct {
		cut    string
		daemon []string
	}{
		{`network default +(made|kept)`, nil},
		{`machine kubernetes-master +(made|kept)`, []string{`subnetwork kubernetes-subnet-default +(made|kept)`}},
		{`API answers +waiting +\d`, nil},
		{`kubeconfig local_kubernetes +(made|kept)`, []string{`API answers +waiting +\d`}},
		{`nodes are Ready +waiting +\d`, []string{`template kubernetes-minion-template +(made|kept)`}},
	} {
		s := w.strike(t, []string{"up"}, nil, k.cut, k.daemon...)
		t.Logf("killed at: %s", s.cut)
	}
	s := w.up(t)
	w.healthy(t, s)
	if got := w.inventory(t); !slices.Equal(got, w.objects) {
		t.Errorf("objects are\n%v, an uncut up makes\n%v", got, w.objects)
	}
	w.allReady(t, func() []string { return w.instances(t) })
	before := w.status(t).Calls.Change
	w.up(t)
	if n := w.status(t).Calls.Change - before; n != 0 {
		t.Errorf("up again makes %d changing calls, want 0", n)
	}
}

// killedAt runs hakube and kills it when a line of its progress matches.
func (w *walk) killedAt(t *testing.T, pattern string, args ...string) {
	t.Helper()
	t.Logf("killed at: %s", w.strike(t, args, nil, pattern).cut)
}

// TestRealNeedsRoot: a person who is not root is told so in a line, and what
// to do instead.
func TestRealNeedsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming somebody who is not root needs root")
	}
	// t.TempDir would be closed to that person.
	dir, err := os.MkdirTemp("", "hakube-needs-root-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	home := filepath.Join(dir, "home")
	const nobody = 65534
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Chmod(dir, 0o755), os.Chown(home, nobody, nobody)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(hakubeIn(t, dir), "up")
	cmd.Dir = home
	cmd.Env = append(cleanEnv(t, home), "KUBERNETES_PROVIDER=local", "KUBE_GCE_ZONE=europe-west1-b")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("exits with %d (%v), want %d", cmd.ProcessState.ExitCode(), err, exitFailed)
	}
	t.Log(stderr.String())
	if n := strings.Count(stderr.String(), "hakube: error: "); n != 1 {
		t.Errorf("%d error lines, want 1", n)
	}
	if !regexp.MustCompile(`(?m)^    .*--machines=model$`).MatchString(stderr.String()) {
		t.Error("no hint names --machines=model")
	}
}
