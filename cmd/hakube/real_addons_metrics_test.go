//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"
)

// metrics: kubectl top has figures of every node, and the autoscaler of a Deployment that
// nobody asks anything, which is asked a lot from then on.
func (w *withAddons) metrics(t *testing.T) {
	eventually(t, settled, "kubectl top has all nodes", func() error {
		out, err := w.tryKubectl(t, "top", "nodes", "--no-headers")
		if err != nil {
			return err
		}
		for _, node := range append([]string{master}, w.nodes...) {
			if !strings.Contains(out, node+" ") || strings.Contains(out, "unknown") {
				return fmt.Errorf("it says %q", out)
			}
		}
		return nil
	})
	eventually(t, settled, "the autoscaler knows the load", func() error {
		if out := w.kubectl(t, "get", "hpa", "asked", "-o", "jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}"); out == "" {
			return fmt.Errorf("it knows none")
		}
		return nil
	})
	// Where its start was slow, the autoscaler may have taken that for load: it keeps what it
	// made for five minutes.
	eventually(t, 2*settled, "without load there is one pod", func() error {
		if n := w.replicas(t); n != "1" {
			return fmt.Errorf("there are %s", n)
		}
		return nil
	})
	w.kubectl(t, "run", "asker", "--image=busybox", "--image-pull-policy=IfNotPresent", "--command", "--", "/bin/sh", "-c",
		"trap exit TERM; while :; do wget -q -O- http://asked >/dev/null; done")
}

// replicas are the pods that the Deployment which is asked a lot is to have.
func (w *withAddons) replicas(t *testing.T) string {
	t.Helper()
	return w.kubectl(t, "get", "deployment", "asked", "-o", "jsonpath={.spec.replicas}")
}

// grown: asked for a while it has as many pods as it may.
func (w *withAddons) grown(t *testing.T) {
	eventually(t, 2*settled, "under load there are three pods", func() error {
		if n := w.replicas(t); n != "3" {
			return fmt.Errorf("there are %s", n)
		}
		return nil
	})
	w.kubectl(t, "delete", "--now", "pod/asker", "hpa/asked", "deployment/asked", "service/asked")
}
