//go:build linux

package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// deletedNodes: Nodes that kubectl deletes, of a pool and of the master, are Ready again
// after the commands that status names, word for word; their kubelets make none by
// themselves.
func (w *walk) deletedNodes(t *testing.T) {
	want := w.instances(t)
	for _, kind := range []string{"-minion-", "-master"} {
		begin := time.Now()
		i := slices.IndexFunc(want, func(name string) bool { return strings.Contains(name, kind) })
		if i < 0 {
			t.Fatalf("of %v none is a %s", want, kind)
		}
		w.kubectl(t, "delete", "node", want[i])
		var lines []string
		becomes(t, "status names a command for the Node of "+want[i], func(d *differing) {
			if lines = commandsIn(w.ok(t, "status").stdout); len(lines) == 0 {
				d.add("it names none")
			}
		})
		if r := w.command(t, "sh", "-c", lines[0]); r.code != 0 {
			t.Fatalf("%s\nexits with %d:\n%s%s", lines[0], r.code, r.stdout, r.stderr)
		}
		w.allReady(t, func() []string { return want })
		w.valid(t)
		t.Logf("the Node of %s, by %s: %s", want[i], lines[0], time.Since(begin).Round(100*time.Millisecond))
	}
}

// stoppedNode: the kubelet of a node that is stopped (deleted and preempted ones hear the
// same) ends its pods before the machine goes down, and says so of each. A pod that takes
// four seconds to end has them: systemd alone would let it, but nobody could read of it.
func (w *walk) stoppedNode(t *testing.T) {
	nodes := slices.DeleteFunc(w.readyNodes(t), func(n string) bool {
		return n == w.nginx.node || n == master || n == w.pod(t, "test-a").node
	})
	if len(nodes) != 1 {
		t.Fatalf("nodes without pods of the walkthrough are %v", nodes)
	}
	w.kubectl(t, "run", "farewell", "--image=busybox", "--image-pull-policy=IfNotPresent", `--overrides={"spec": {"restartPolicy": "Never", "nodeName": "`+nodes[0]+`"}}`,
		"--command", "--", "/bin/sh", "-c", "trap 'sleep 4; exit 7' TERM; while :; do sleep 1; done")
	w.kubectl(t, "wait", "--for=condition=Ready", "pod/farewell", "--timeout=300s")
	begin := time.Now()
	w.call(t, http.MethodPost, zonal+"/instances/"+nodes[0]+"/stop")
	t.Logf("%s stops in %s", nodes[0], time.Since(begin).Round(100*time.Millisecond))
	eventually(t, settled, "the pod is said to have ended with its node", func() error {
		said, err := w.tryKubectl(t, "get", "pod", "farewell", "-o", "jsonpath={.status.reason}: {.status.message} {.status.containerStatuses[0].state.terminated.exitCode}")
		if err == nil && (!strings.Contains(said, "node shutdown") || !strings.HasSuffix(said, " 7")) {
			err = fmt.Errorf("it is %q", said)
		}
		return err
	})
	w.allReady(t, func() []string { return w.instances(t) }) // its group has made it anew
	w.kubectl(t, "delete", "pod", "farewell", "--ignore-not-found", "--wait=false")
}
