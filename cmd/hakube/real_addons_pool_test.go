//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"
)

// poolGoes: a second zone's pool comes and goes alone, with a claim in use on it and
// behind a balancer. Its volumes are detached before its machines go, the disk stays for
// whoever has the claim, and the balancer goes on with the nodes of the other zone.
func (w *withAddons) poolGoes(t *testing.T) {
	const zone = "europe-west1-c"
	alone := []string{"--zone=" + zone, "--use-existing-master"}
	w.ok(t, append([]string{"up", "--num-nodes=1"}, alone...)...)
	w.machines(t)
	node := ""
	becomes(t, "there is one node in "+zone, func(d *differing) { // whose label is the cloud controller's
		node = w.kubectl(t, "get", "nodes", "--selector=topology.kubernetes.io/zone="+zone, "-o", "jsonpath={.items[*].metadata.name}")
		if node == "" || strings.Contains(node, " ") {
			d.add("they are %q", node)
		}
	})
	w.claim(t, "far", "")
	w.object(t, `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "far"}, "spec": {"replicas": 1, "strategy": {"type": "Recreate"},
		"selector": {"matchLabels": {"app": "far"}}, "template": {"metadata": {"labels": {"app": "far"}}, "spec": `+
		strings.Replace(keeper("far"), `{"terminationGracePeriodSeconds"`, `{"nodeSelector": {"topology.kubernetes.io/zone": "`+zone+`"}, "terminationGracePeriodSeconds"`, 1)+`}}}`)
	w.kubectl(t, "rollout", "status", "deployment", "far", "--timeout=300s", "--request-timeout=0")
	members := func(when string, want func(here, there int) bool) {
		t.Helper()
		eventually(t, settled, when, func() error {
			here, there := 0, 0
			pool := w.poolOf(t, "web")
			instances, _ := pool["instances"].([]any)
			for _, i := range instances {
				if strings.Contains(fmt.Sprint(i), "/zones/"+zone+"/") {
					there++
				} else {
					here++
				}
			}
			if !want(here, there) {
				return fmt.Errorf("the balancer's machines are %v", instances)
			}
			return nil
		})
	}
	members("the balancer has the new node", func(here, there int) bool { return here > 0 && there == 1 })
	w.ok(t, append([]string{"down", "--yes"}, alone...)...)
	if attached := w.kubectl(t, "get", "volumeattachments", "-o", "jsonpath={.items[*].spec.nodeName}"); strings.Contains(attached, node) {
		t.Errorf("volumes are attached to a node that is gone: %s", attached)
	}
	volume := w.kubectl(t, "get", "pvc", "far", "-o", "jsonpath={.spec.volumeName}")
	disk := w.call(t, "GET", strings.Replace(zonal, "europe-west1-b", zone, 1)+"/disks/"+volume)
	if disk["name"] != volume || disk["users"] != nil {
		t.Errorf("the disk of the claim is %v", disk)
	}
	members("the balancer has the nodes of the other zone", func(here, there int) bool { return here > 0 && there == 0 })
	w.fetches(t, "without the pool the balancer", w.outer)
}

// poolOf is the target pool of a Service.
func (w *withAddons) poolOf(t *testing.T, service string) map[string]any {
	t.Helper()
	uid := w.kubectl(t, "get", "service", service, "-o", "jsonpath={.metadata.uid}")
	return w.call(t, "GET", regional+"/targetPools/"+("a" + strings.ReplaceAll(uid, "-", ""))[:32])
}
