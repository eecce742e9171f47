//go:build linux

package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster"
	"hakube/gce/local"
)

// nodeCount is how many nodes the walkthrough's cluster has beside its master.
const nodeCount = 3

// TestReal is the walkthrough of the README on real machines, with what may go
// wrong on the way: one cluster that is used, cut off, stopped, half deleted
// and left without its daemon, and a second one whose making is killed again
// and again. Each step needs those before it, so the first that fails is the
// last that runs.
func TestReal(t *testing.T) {
	w := newWalk(t)
	for _, step := range []struct {
		name string
		do   func(*walk, *testing.T)
	}{
		{"create", (*walk).create},
		{"again", (*walk).again},
		{"deleted Nodes come back", (*walk).deletedNodes},
		{"use", (*walk).use},
		{"protected", (*walk).protected},
		{"an operator's certificate", (*walk).operator},
		{"kubelets are signed", (*walk).signedKubelets},
		{"certificates are told", (*walk).certificatesTold},
		{"a node that is stopped ends its pods", (*walk).stoppedNode},
		{"metadata is closed to pods", (*walk).metadataIsClosed},
		{"pods get no more of the host", (*walk).podsBehindWalls},
		{"firewall", (*walk).firewall},
		{"balancers of Services carry traffic", (*walk).balancers},
		{"no private key leaves the master", (*walk).noPrivateKeys},
		{"stop and start the master", (*walk).stopAndStart},
		{"delete the master but not its disk", (*walk).deleteMaster},
		{"kill the daemon", (*walk).killDaemon},
		{"boot while metadata are away", (*walk).bootWithoutMetadata},
		{"down", (*walk).down},
		{"up killed five times", (*walk).upKilled},
		{"down for good", (*walk).down},
		{"nothing is left", (*walk).nothingLeft},
	} {
		begin := time.Now()
		if !t.Run(step.name, func(t *testing.T) { step.do(w, t) }) {
			t.FailNow()
		}
		t.Logf("%s: %s", step.name, time.Since(begin).Round(100*time.Millisecond))
	}
}

// create makes the cluster and remembers what it is made of.
func (w *walk) create(t *testing.T) {
	if started := w.ok(t, "local", "start", "--machines=real"); strings.Count(started.stderr, local.NoBoundary) != 1 {
		t.Errorf("start does not say once what real machines are no boundary to:\n%s", started.stderr)
	}
	begin := time.Now()
	up := w.ok(t, "up", "--sign-kubelets=true")
	t.Logf("up took %s:\n%s%s", time.Since(begin).Round(100*time.Millisecond), up.stderr, up.stdout)
	for _, line := range []string{
		"Cluster validation succeeded\n",
		"Kubernetes cluster is running. The master is running at:\n\n  https://198.51.100.",
		"kubectl's context local_kubernetes is in " + w.kubeconfig + "\n",
		"etcd ring main    healthy: kubernetes-master (leader)\n",
		"etcd ring events  healthy: kubernetes-master (leader)\n",
	} {
		if !strings.Contains(up.stdout, line) {
			t.Errorf("up does not say %q", line)
		}
	}
	w.machines(t)
	w.objects = w.inventory(t)
	t.Logf("objects:\n%s", strings.Join(w.objects, "\n"))
	if s := w.status(t); s.Objects["instances"] != 1+nodeCount {
		t.Errorf("objects are %v, want %d instances", s.Objects, 1+nodeCount)
	}
	w.allReady(t, func() []string { return w.instances(t) })
}

// again: what holds already costs no change, and few questions.
func (w *walk) again(t *testing.T) {
	before, few := w.status(t).Calls, false
	var s cluster.Summary
	for range 3 { // while something is late, up looks again and so more often
		from := w.status(t).Calls.Read
		s = w.up(t)
		n := w.status(t).Calls.Read - from
		t.Logf("up again: %d reading calls", n)
		if few = n <= 30; few {
			break
		}
	}
	if !few {
		t.Error("up again makes more than 30 reading calls, each of three times")
	}
	w.nothingToDo(t)
	if n := w.status(t).Calls.Change - before.Change; n != 0 {
		t.Errorf("up again and plan up make %d changing calls, want 0", n)
	}
	w.healthy(t, s)
	w.address, w.members, w.ca = s.Address, members(s), w.certificateAuthority(t)
	t.Logf("address %s, etcd members %v", w.address, w.members)
}

// killDaemon: without a daemon the machines go on; the next up starts one that
// takes over the machines as they run.
func (w *walk) killDaemon(t *testing.T) {
	machines := w.machines(t)
	if len(machines) != 1+nodeCount {
		t.Fatalf("runc has the machines %v, want %d", machines, 1+nodeCount)
	}
	w.kill(t, w.status(t).PID)
	if s := w.status(t); s.Running {
		t.Fatal("the daemon runs on after SIGKILL")
	}
	w.kubectl(t, "get", "--raw=/readyz")
	w.served(t)
	up := w.ok(t, "up")
	t.Logf("up without a daemon:\n%s", up.stderr)
	if n := w.status(t).Calls.Change; n != 0 {
		t.Errorf("up made %d changing calls, want 0", n)
	}
	if after := w.machines(t); !maps.Equal(after, machines) {
		t.Errorf("machines (init process and when it was made) are %v, were %v", after, machines)
	}
	w.served(t)
}

// down removes the cluster; a second one finds nothing to do.
func (w *walk) down(t *testing.T) {
	w.machines(t)
	down := w.ok(t, "down")
	t.Logf("down:\n%s", down.stderr)
	if s := w.status(t); len(s.Objects) != 0 {
		t.Fatalf("down left %v", s.Objects)
	}
	if out := w.ok(t, "local", "status", "--json").stdout; !strings.Contains(out, `"objects":{}`) {
		t.Fatalf("status has objects: %s", out)
	}
	before := w.status(t).Calls.Change
	if again := w.ok(t, "down"); !strings.Contains(again.stderr, "nothing to remove") {
		t.Errorf("down again says %q, want that there is nothing to remove", again.stderr)
	}
	if n := w.status(t).Calls.Change - before; n != 0 {
		t.Errorf("down again makes %d changing calls, want 0", n)
	}
	if got := w.machines(t); len(got) != 0 {
		t.Errorf("machines still run: %v", got)
	}
}

// nothingLeft compares what is in the kernel with what was there at the beginning.
func (w *walk) nothingLeft(t *testing.T) {
	w.ok(t, "local", "stop")
	if left := w.left(t); len(left) > 0 {
		t.Errorf("left in the kernel:\n%s", strings.Join(left, "\n"))
	}
	t.Logf("of the machines %v nothing is left", slices.Sorted(maps.Keys(w.ids)))
}
