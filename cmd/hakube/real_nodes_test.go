//go:build linux

package main

import (
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
		lines := commandsIn(w.ok(t, "status").stdout)
		if len(lines) == 0 {
			t.Fatalf("status names no command for the Node of %s", want[i])
		}
		if r := w.command(t, "sh", "-c", lines[0]); r.code != 0 {
			t.Fatalf("%s\nexits with %d:\n%s%s", lines[0], r.code, r.stdout, r.stderr)
		}
		if got := w.readyNodes(t); !slices.Equal(got, want) {
			t.Fatalf("after %s\nReady are %v, want %v", lines[0], got, want)
		}
		w.ok(t, "validate")
		t.Logf("the Node of %s, by %s: %s", want[i], lines[0], time.Since(begin).Round(100*time.Millisecond))
	}
}
